"""The header of a TTree: taken apart, changed where it must be, written again. Pure functions of bytes.

What is not touched stays byte for byte: titles, bits, styles, aliases, friends, indices, user information, branches of
every class. References between objects are written anew (`hepae.root.file.nodes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from hepae.arrays import Integers
from hepae.errors import InputError, SchemaError
from hepae.root.file.classes import Classes
from hepae.root.file.nodes import ABSENT, PRESENT, Numbers, Record, Streamed, Table, Tag, target
from hepae.root.file.packing import blank, pack, pack_pointer
from hepae.root.file.parsing import parse, parse_pointer
from hepae.root.file.records import root_object
from hepae.root.ttree.branches import Baskets, BranchHeader, nodes_in, seeks_of

__all__ = ["TREE_CLASSES", "TreeHeader", "new_tree", "parse_tree"]

TREE_CLASSES = ("TTree", "TNtuple", "TNtupleD")
MUST_CLEANUP = 0x8
"""``TObject::kMustCleanup``, which ROOT sets for trees."""
STATE = (
    "fWeight",
    "fAliases",
    "fIndexValues",
    "fIndex",
    "fTreeIndex",
    "fFriends",
    "fUserInfo",
    "fNClusterRange",
    "fClusterRangeEnd",
    "fClusterSize",
)
"""Members that belong to the entries or the user, not to the branches."""
NEW = {
    "fLineColor": 602,
    "fLineStyle": 1,
    "fLineWidth": 1,
    "fFillStyle": 1001,
    "fMarkerColor": 1,
    "fMarkerStyle": 1,
    "fMarkerSize": 1.0,
    "fWeight": 1.0,
    "fScanField": 25,
    "fDefaultEntryOffsetLen": 1000,
    "fMaxEntries": 10**12,
    "fMaxEntryLoop": 10**12,
    "fAutoSave": -300_000_000,
    "fAutoFlush": -30_000_000,
    "fEstimate": 1_000_000,
}
"""Settings of a new tree (``TTree::TTree`` of ROOT 6)."""
ACCOUNTS = ("fEntries", "fTotBytes", "fZipBytes", "fSavedBytes", "fFlushedBytes")


class TreeHeader:
    """The header of a tree.

    Parameters
    ----------
    top : Streamed
        The tree among its nodes.
    where
        File and tree, for messages.

    Attributes
    ----------
    classname : str
        ``"TTree"``, ``"TNtuple"``, ``"TNtupleD"`` or a class that is based on one of them.
    branches : list of BranchHeader
        All branches, sub-branches behind what they are in, in the order of the file; the table of references (a
        ``TBranchRef``) last.
    """

    def __init__(self, top: Streamed, where: object, classes: Classes) -> None:
        record = top.record
        if record is None or record.base("TTree") is None:
            raise InputError("nothing is known of the class of a tree", where=where, got=top.tag.name)
        self.top, self.record, self.where, self.classes = top, record, where, classes
        self.classname = top.tag.name
        self.branches = list(self._walk())

    @property
    def name(self) -> str:
        """Name of the tree."""
        return self.record.text("fName")

    @name.setter
    def name(self, name: str) -> None:
        self.record.put("fName", name)

    @property
    def title(self) -> str:
        """Title of the tree."""
        return self.record.text("fTitle")

    @title.setter
    def title(self, title: str) -> None:
        self.record.put("fTitle", title)

    @property
    def entries(self) -> int:
        """Number of entries."""
        return int(self.record.number("fEntries"))

    @property
    def leaves(self) -> list[Streamed]:
        """The leaves that the tree lists, of all its branches."""
        return nodes_in(self.record, "fLeaves")

    @property
    def seeks(self) -> Integers:
        """Where the baskets of its branches are in the file, those aside that are in the header itself."""
        return seeks_of(branch.baskets for branch in self.branches)

    def branch(self, path: str) -> BranchHeader:
        """The branch of that path.

        Raises
        ------
        SchemaError
            If there is none.
        """
        found = next((branch for branch in self.branches if branch.path == path), None)
        if found is None:
            raise SchemaError("no such branch", where=f"{self.where}, {path}")
        return found

    def pack(self, key_length: int) -> bytes:
        """The bytes of the tree, for a key of that length."""
        return pack(self.top, key_length)

    def lean(self) -> bytes:
        """What the branches are, and nothing of what is in them: no baskets, no numbers of entries and bytes, nothing
        that belongs to the entries or the user (`take_state` brings it back). The class is named in it.

        Equal for files whose branches are equal, but for the largest values that leaves have seen.
        """
        copy = self.copy()
        for branch in copy.branches:
            branch.cut()
        for name in ACCOUNTS:
            copy.record.put(name, 0)
        copy.take_state(new_tree("", ""))
        return copy.streamed()

    def strip(self) -> TreeHeader:
        """Forget where the baskets are, and nothing else; return itself."""
        for branch in self.branches:
            branch.baskets = Baskets.none()
        return self

    def streamed(self) -> bytes:
        """The bytes of the tree behind a pointer, with the name of its class, as `parse_tree` takes them."""
        return pack_pointer(self.top)

    def copy(self) -> TreeHeader:
        """A header of its own that can be changed."""
        return parse_tree(self.streamed(), self.where, classes=self.classes)

    def take_state(self, other: TreeHeader) -> None:
        """Take over what belongs to the entries or the user: weight, aliases, friends, indices, user information,
        clusters of entries, bits of the tree.
        """
        for name in STATE:
            part = other.record.part(name) if other.record.find(name) else None
            self.record.put(name, part[name] if isinstance(part, Numbers) else part)
        named_part(self.record).put("TObject", named_part(other.record).part("TObject"))

    def become_tree(self) -> None:
        """Become a ``TTree``, if it is a ``TNtuple`` or another class based on it, which takes all its branches for
        numbers of one kind.
        """
        base = self.record.base("TTree")
        assert base is not None
        self.top, self.record, self.classname = Streamed(Tag("TTree"), [base]), base, "TTree"

    def forget_entries(self) -> None:
        """Drop what belongs to entries that will not be there: the index, and runs of clusters."""
        empty = new_tree("", "")
        for name in ("fIndexValues", "fIndex", "fTreeIndex"):
            self.record.put(name, empty.record.part(name))
        self.clusters = np.zeros(0, np.int64), np.zeros(0, np.int64)

    @property
    def clusters(self) -> tuple[Integers, Integers]:
        """Last entries of runs of clusters, and the entries of a cluster in each."""
        return self._cluster("fClusterRangeEnd"), self._cluster("fClusterSize")

    @clusters.setter
    def clusters(self, runs: tuple[Integers, Integers]) -> None:
        if not self.record.find("fClusterRangeEnd"):
            return
        self.record.put("fNClusterRange", len(runs[0]))
        for name, array in zip(("fClusterRangeEnd", "fClusterSize"), runs, strict=True):
            flag = PRESENT if len(array) else ABSENT
            self.record.put(name, Table(flag, "q", np.asarray(array, ">i8").tobytes()))

    def remove(self, unwanted: Iterable[BranchHeader]) -> None:
        """Take branches out, with their leaves. One that has sub-branches which stay is kept, without baskets.

        Raises
        ------
        SchemaError
            If one of them counts what is in a branch that stays; nothing has been changed then.
        """
        going = set(unwanted)
        staying = [branch for branch in self.branches if branch not in going]
        above = {branch for branch in staying for branch in branch.above()}
        emptied, gone = going & above, going - above
        nodes = {node for branch in gone for node in branch.nodes()}
        counting = nodes | {node for branch in emptied for node in branch.nodes()}
        for branch in staying:
            if counting.intersection(branch.needs):
                raise SchemaError(
                    "a branch that counts another is taken out", where=f"{self.where}, {branch.path}"
                )
        for branch in emptied:
            branch.cut()
        for node in nodes:
            node.gone = True
        self._drop(nodes)
        self.branches = [branch for branch in self.branches if branch not in gone]

    def insert(self, node: Streamed, at: int | None = None) -> BranchHeader:
        """Put a branch among those at the top, at the end or at a place, and its leaves among those of the tree.

        `branches` has it after `refresh`: many may be put in at once.
        """
        top, leaves = (self.record.collection(name) for name in ("fBranches", "fLeaves"))
        made = BranchHeader(node, "", None)
        top.items.insert(len(top.items) if at is None else at, node)
        leaves.items += [leaf.node for leaf in made.leaves]
        return made

    def refresh(self) -> None:
        """List the branches anew."""
        self.branches = list(self._walk())

    def count(self, entries: int) -> None:
        """Set the number of entries, and the bytes of all branches from those of each."""
        total, zipped = (sum(branch.sizes[at] for branch in self.branches) for at in (0, 1))
        for name, value in (("fEntries", entries), ("fTotBytes", total), ("fZipBytes", zipped)):
            self.record.put(name, value)
        for name in ("fSavedBytes", "fFlushedBytes"):
            self.record.put(name, min(int(self.record.number(name)), zipped))

    def _cluster(self, name: str) -> Integers:
        part = self.record.part(name) if self.record.find(name) else None
        return part.values.astype(np.int64) if isinstance(part, Table) else np.zeros(0, np.int64)

    def _drop(self, nodes: set[Streamed]) -> None:
        """Take nodes out of all lists of branches and leaves."""
        records = [self.record, *(branch.record for branch in self.branches)]
        for record in records:
            for name in ("fBranches", "fLeaves"):
                held = record.collection(name)
                held.items = [item for item in held.items if target(item) not in nodes]

    def _walk(self) -> Iterator[BranchHeader]:
        """All branches, each with a path of its own."""
        paths: set[str] = set()
        pending: list[tuple[Streamed, BranchHeader | None]] = []
        pending += [(node, None) for node in reversed(nodes_in(self.record, "fBranches"))]
        seen: set[Streamed] = set()
        if self.record.find("fBranchRef") and (table := target(self.record.part("fBranchRef"))) is not None:
            pending.insert(0, (table, None))
        while pending:
            node, parent = pending.pop()
            if node in seen:
                raise InputError("a branch is in two places", where=self.where)
            seen.add(node)
            branch = BranchHeader(node, "", parent)
            branch.path = unused(branch.name if parent is None else f"{parent.path}/{branch.name}", paths)
            yield branch
            pending += [(inner, branch) for inner in reversed(nodes_in(branch.record, "fBranches"))]


def unused(path: str, paths: set[str]) -> str:
    """A path that no branch has yet: with a number behind it where one has."""
    candidate, number = path, 1
    while candidate in paths:
        number += 1
        candidate = f"{path}#{number}"
    paths.add(candidate)
    return candidate


def parse_tree(
    data: bytes, where: object, *, classname: str = "", key_length: int = 0, classes: Classes | None = None
) -> TreeHeader:
    """The header of a tree.

    Parameters
    ----------
    data
        What stands behind the key of a tree, uncompressed, or what `TreeHeader.lean` gave.
    where
        File and tree, for messages.
    classname
        Class of the tree, empty for a lean header, which has it.
    key_length
        Bytes of the key, 0 for a lean header.
    classes
        What classes consist of, where a file says it; those of trees are known.

    Raises
    ------
    InputError
        If that is no header of a tree, or a damaged one.

    Examples
    --------
    >>> tree = new_tree("Events", "")
    >>> parse_tree(tree.lean(), "memory").name
    'Events'
    """
    known = classes or Classes()
    if classname:
        return TreeHeader(parse(data, classname, key_length, known, where), where, known)
    return TreeHeader(parse_pointer(data, known, where), where, known)


def new_tree(name: str, title: str) -> TreeHeader:
    """A tree without branches, with the settings that ROOT gives to a new one."""
    record = blank("TTree")
    named_part(record).put("TObject", root_object(MUST_CLEANUP))
    for member, value in NEW.items():
        record.put(member, value)
    record.put("fName", name)
    record.put("fTitle", title)
    return TreeHeader(Streamed(Tag("TTree"), [record]), name, Classes())


def named_part(record: Record) -> Record:
    """The name, title and bits of an object."""
    base = record.base("TNamed")
    assert base is not None
    return base
