"""Branches and leaves of a tree's header, as views of its nodes: reading and setting act on them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from hepae.arrays import Integers
from hepae.core.locks import computed_once
from hepae.errors import InputError
from hepae.root.file.nodes import PRESENT, WIDE, Record, Streamed, Table, Tag, target
from hepae.root.file.packing import blank
from hepae.root.file.records import root_object
from hepae.root.ttree.layouts.basket import entries_of

__all__ = ["Baskets", "BranchHeader", "LeafHeader", "new_branch", "new_leaf", "seeks_of"]

NO_BUFFER_MAP = 0x00400000
"""``TBranch::kDoNotUseBufferMap``, which ROOT sets for branches of numbers."""
SOLID = 1001
"""Fill style that ROOT gives to branches."""


@dataclass
class Baskets:
    """Where the baskets of a branch are.

    Attributes
    ----------
    sizes : int64[n]
        Bytes on disk, 0 for a basket inside the header.
    entries : int64[n + 1]
        First entry of each, and the end of the last.
    seeks : int64[n]
        Position in the file, 0 for a basket inside the header or one that was lost.
    embedded : dict of bytes
        Baskets inside the header by their number, as ``TBasket`` streams them.
    """

    sizes: Integers
    entries: Integers
    seeks: Integers
    embedded: dict[int, bytes] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.seeks)

    @classmethod
    def none(cls) -> Baskets:
        """No baskets."""
        return cls(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64))

    def begins(self, other: Baskets) -> bool:
        """Whether these are the first baskets of another table, all of them on disk."""
        number = len(self)
        return (
            not self.embedded
            and np.array_equal(self.seeks, other.seeks[:number])
            and np.array_equal(self.entries, other.entries[: number + 1])
        )

    def first(self, entries: int) -> Baskets:
        """The baskets that end before or with an entry, counted from 0."""
        number = int(np.searchsorted(self.entries[1:], entries, side="right"))
        embedded = {at: body for at, body in self.embedded.items() if at < number}
        return Baskets(self.sizes[:number], self.entries[: number + 1], self.seeks[:number], embedded)


def seeks_of(tables: Iterable[Baskets]) -> Integers:
    """Where the baskets of branches are in the file, those aside that are in the header itself, int64."""
    seeks: Integers = np.concatenate([np.zeros(0, np.int64), *(table.seeks for table in tables)])
    on_disk: Integers = seeks[seeks != 0]
    return on_disk


@dataclass(frozen=True, eq=False)
class LeafHeader:
    """A leaf of a branch, as it stands in the header.

    Attributes
    ----------
    node : Streamed
        The leaf among the nodes of the header.
    classname : str
        ``"TLeafF"`` or another of ROOT's.
    length, width, offset : int
        Product of the fixed dimensions; bytes per number; place among the leaves of the branch.
    is_range : bool
        Whether it counts other leaves, so that its largest value is kept.
    counter : Streamed or None
        The leaf that counts this one.
    """

    node: Streamed
    classname: str
    name: str
    title: str
    length: int
    width: int
    offset: int
    is_range: bool
    unsigned: bool
    counter: Streamed | None

    @property
    def maximum(self) -> float:
        """The largest value that was written, 0 where the class of leaf has none."""
        return record_of(self.node).number("fMaximum")

    def raise_maximum(self, value: int) -> None:
        """Let the leaf know of a larger value: ROOT makes buffers of that size."""
        if value > self.maximum:
            record_of(self.node).put("fMaximum", value)

    def raise_count(self, value: int) -> None:
        """Let the leaf that counts this one know of a larger multiplicity."""
        counter = target(record_of(self.node).part("fLeafCount"))
        if counter is not None:
            leaf_of(counter).raise_maximum(value)

    def raise_length(self, value: int) -> None:
        """Let a leaf of strings know of a longer one, its length included."""
        if value > self.maximum:
            record_of(self.node).put("fLen", value)
            record_of(self.node).put("fMaximum", value)

    def count_by(self, counter: LeafHeader) -> None:
        """From now on that leaf counts this one, and knows that it does."""
        record_of(self.node).put("fLeafCount", counter.node)
        record_of(counter.node).put("fIsRange", True)


class BranchHeader:
    """A branch of any class, as it stands in the header.

    Attributes
    ----------
    node : Streamed
        The branch among the nodes of the header.
    path : str
        Names of the branches that it is in and its own, with slashes between, as uproot has them; ``#2`` behind that
        of a second branch of the same path.
    parent : BranchHeader or None
        The branch that it is a sub-branch of.
    name, title : str
        Of the branch.
    classname : str
        ``"TBranch"``, ``"TBranchElement"`` or another of ROOT's.
    leaves : list of LeafHeader
        Its own leaves, in order.
    """

    def __init__(self, node: Streamed, path: str, parent: BranchHeader | None) -> None:
        self.node, self.path, self.parent = node, path, parent
        self.record = record_of(node)
        self.name, self.title = self.record.text("fName"), self.record.text("fTitle")
        self.classname = node.tag.name

    @computed_once
    def leaves(self) -> list[LeafHeader]:
        """Its own leaves, in order."""
        return [leaf_of(leaf) for leaf in nodes_in(self.record, "fLeaves")]

    @property
    def object_class(self) -> str:
        """The C++ class of the object that the branch holds, empty for a plain branch."""
        return self.record.text("fClassName") if self.record.find("fClassName") else ""

    @property
    def compression(self) -> int:
        """ROOT's number for how its baskets are compressed, negative where the file says."""
        return int(self.record.number("fCompress"))

    @property
    def entries(self) -> int:
        """Number of entries that were filled."""
        return int(self.record.number("fEntries"))

    @property
    def sizes(self) -> tuple[int, int]:
        """Bytes of its baskets before and after compression."""
        return int(self.record.number("fTotBytes")), int(self.record.number("fZipBytes"))

    @property
    def needs(self) -> list[Streamed]:
        """Leaves and branches that count what is in this branch."""
        pointers = [name for name in ("fBranchCount", "fBranchCount2") if self.record.find(name)]
        counts = [leaf.counter for leaf in self.leaves]
        counts += [target(self.record.part(name)) for name in pointers]
        return [node for node in counts if node is not None]

    @property
    def baskets(self) -> Baskets:
        """Where its baskets are.

        Raises
        ------
        InputError
            If the tables are shorter than the number of baskets.
        """
        on_disk = int(self.record.number("fWriteBasket"))
        embedded = dict(self._embedded())
        number = max([on_disk, *(at + 1 for at in embedded)])
        sizes, firsts, seeks = map(self._table, ("fBasketBytes", "fBasketEntry", "fBasketSeek"))
        if not 0 <= on_disk <= min(len(sizes), len(firsts), len(seeks)):
            raise InputError(
                "tables of baskets are cut short", where=self.path, expected=on_disk, got=len(seeks)
            )
        ends = int(self.record.number("fFirstEntry")) + self.entries
        entries = np.append(resized(firsts, number), ends if number else 0)
        table = Baskets(resized(sizes, number), entries, resized(seeks, number))
        for at in sorted(embedded):
            if at < on_disk and seeks[at] and sizes[at]:
                continue  # groot leaves an empty copy of what it has written
            table.embedded[at] = embedded[at]
            table.sizes[at] = table.seeks[at] = 0
            if at >= len(firsts):
                table.entries[at] = ends - entries_of(embedded[at])
        return table

    @baskets.setter
    def baskets(self, table: Baskets) -> None:
        last = len(table) - 1 if len(table) - 1 in table.embedded else len(table)
        put = self.record.put
        put("fWriteBasket", last)
        put("fMaxBaskets", last + 1)
        for name, array in (("Bytes", table.sizes), ("Entry", table.entries), ("Seek", table.seeks)):
            self._put_table(f"fBasket{name}", resized(array, last + 1))
        held = self.record.collection("fBaskets")
        tag = Tag("TBasket")
        held.items = [
            Streamed(tag, [table.embedded[at]]) if at in table.embedded else None for at in range(last + 1)
        ]
        if not table.embedded:
            held.items = []

    def above(self) -> Iterator[BranchHeader]:
        """The branches that it is in, the nearest first."""
        if self.parent is not None:
            yield self.parent
            yield from self.parent.above()

    def nodes(self) -> list[Streamed]:
        """The branch and its leaves."""
        return [self.node, *(leaf.node for leaf in self.leaves)]

    def cut(self) -> None:
        """Forget the baskets and how much was in them."""
        self.count(0, 0, 0)
        self.baskets = Baskets.none()

    def count(self, entries: int, total: int, zipped: int) -> None:
        """Set the number of entries, and the bytes of its baskets before and after compression."""
        self.record.put("fEntries", entries)
        self.record.put("fEntryNumber", entries + int(self.record.number("fFirstEntry")))
        self.record.put("fTotBytes", total)
        self.record.put("fZipBytes", zipped)

    def _embedded(self) -> Iterator[tuple[int, bytes]]:
        """Baskets inside the header that hold entries."""
        held = self.record.collection("fBaskets")
        for at, item in enumerate(held.items):
            node = target(item)
            body = node.parts[0] if node is not None else None
            if isinstance(body, bytes) and entries_of(body):
                yield at, body

    def _table(self, name: str) -> Integers:
        part = self.record.table(name)
        return part.values.astype(np.int64)

    def _put_table(self, name: str, array: Integers) -> None:
        part = self.record.table(name)
        wide = part.letter == "i" and bool((array > np.iinfo(np.int32).max).any())
        stored = array.astype(">i8" if wide or part.letter == "q" else ">i4").tobytes()
        flag = WIDE if wide else PRESENT
        if not part.flag:
            flag, stored = b"", struct.pack(">i", len(array)) + stored
        self.record.put(name, Table(flag, part.letter, stored))


def record_of(node: Streamed) -> Record:
    """The object of a node that is a branch or a leaf."""
    if node.record is None or node.record.find("fName") is None:
        raise InputError("nothing is known of a class", where="header of a tree", got=node.tag.name)
    return node.record


def nodes_in(record: Record, name: str) -> list[Streamed]:
    """The objects that a member, a ``TObjArray``, points to."""
    held = record.collection(name)
    return [node for node in map(target, held.items) if node is not None]


def leaf_of(node: Streamed) -> LeafHeader:
    """A leaf, from its node."""
    record = record_of(node)
    length, width, offset = (int(record.number(name)) for name in ("fLen", "fLenType", "fOffset"))
    return LeafHeader(
        node,
        node.tag.name,
        record.text("fName"),
        record.text("fTitle"),
        length,
        width,
        offset,
        bool(record.number("fIsRange")),
        bool(record.number("fIsUnsigned")),
        target(record.part("fLeafCount")),
    )


def resized(array: Integers, size: int) -> Integers:
    """The first numbers of an array, or all of them and zeros."""
    made = np.zeros(size, np.int64)
    made[: len(array[:size])] = array[:size]
    return made


def new_leaf(
    classname: str,
    name: str,
    title: str,
    *,
    length: int = 1,
    width: int = 4,
    unsigned: bool = False,
) -> Streamed:
    """A leaf of numbers or strings.

    Parameters
    ----------
    classname
        ``"TLeafF"`` or another of ROOT's for one basic type.
    name, title
        ROOT parses dimensions out of the title, ``"Jet_pt[nJet]"``.
    length, width
        Product of the fixed dimensions; bytes per number.
    unsigned
        Whether integers have no sign.
    """
    record = blank(classname)
    for member, value in (("fName", name), ("fTitle", title), ("fLen", length), ("fLenType", width)):
        record.put(member, value)
    record.put("fIsUnsigned", unsigned)
    return Streamed(Tag(classname), [record])


def new_branch(
    name: str,
    title: str,
    leaf: Streamed,
    *,
    compression: int = 0,
    basket_size: int = 32_000,
    offsets: int = 0,
) -> Streamed:
    """A plain branch with one leaf and no baskets yet.

    Parameters
    ----------
    name, title
        Of the branch.
    leaf
        Made by `new_leaf`.
    compression
        ROOT's number of the setting.
    basket_size
        What ROOT would fill a basket up to, bytes.
    offsets
        Bytes of the table of offsets in a basket, 0 where entries have one size (``fEntryOffsetLen``).
    """
    record = blank("TBranch")
    base = record.base("TNamed")
    assert base is not None
    base.parts[base.names["TObject"]] = root_object(NO_BUFFER_MAP)
    for member, value in (("fName", name), ("fTitle", title), ("fCompress", compression)):
        record.put(member, value)
    record.put("fFillStyle", SOLID)
    record.put("fBasketSize", basket_size)
    record.put("fEntryOffsetLen", offsets)
    record.collection("fLeaves").items.append(leaf)
    return Streamed(Tag("TBranch"), [record])
