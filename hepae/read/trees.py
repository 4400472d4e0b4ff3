"""uproot gives a compressed tree as the original: `import hepae` and read as before.

uproot calls ``postprocess`` when it has read a tree. Ours looks for the marker branch; where it is, the view of the
original takes the place of the tree: its header, with baskets that are restored when they are read. Branches that were
replaced get a basket for each chunk, which holds no bytes until somebody asks. Its bytes are those that a file would
hold, so that uproot's own interpretations make arrays of them: every type, every library, every option of uproot is as
before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import uproot
from uproot.reading import ReadOnlyDirectory

from hepae.arrays import Array
from hepae.core.locks import computed_once
from hepae.errors import CorruptionError
from hepae.root.file.reading import reading
from hepae.root.file.source import MODELS_TREE, OWN_TREES, Source
from hepae.root.ttree.header import STATE, TREE_CLASSES
from hepae.root.ttree.layouts.checks import Offsets
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import CompressedTree, is_read_as_stored
from hepae.stored.mixed import merged_with_plain, require_unmixed
from hepae.stored.models import ModelStore, models_of
from hepae.stored.payload import MARKER, PAYLOAD, Payload, Row
from hepae.stored.schemas import SCHEMAS_TREE, read_schemas, stored_tree

__all__ = ["RestoredBasket", "register_trees", "restored_view"]

_in_view: ContextVar[bool] = ContextVar("in_view", default=False)
"""Whether uproot is reading the header of an original, which is no tree of the file."""


def register_trees() -> None:
    """Let uproot see compressed trees as the originals; harmless when repeated."""
    behavior = uproot.behaviors.TTree.TTree
    plain = behavior.postprocess
    if getattr(plain, "of_hepae", False):
        return

    def postprocess(self: Any, chunk: Any, cursor: Any, context: Any, file: Any) -> Any:
        tree = plain(self, chunk, cursor, context, file)
        if _in_view.get():
            return tree
        if MARKER not in tree._lookup:
            _require_unmixed(tree)
            return tree
        if is_read_as_stored():
            return tree
        return _view(tree)

    postprocess.of_hepae = True  # type: ignore[attr-defined]
    behavior.postprocess = postprocess


def _require_unmixed(tree: Any) -> None:
    """Refuse a tree whose compressed entries lost their payload."""
    home = getattr(tree.parent, "parent", None)
    if tree.name in OWN_TREES or tree.name.endswith(PAYLOAD) or not isinstance(home, ReadOnlyDirectory):
        return
    if tree.parent.fCycle != home.key(tree.name).fCycle:
        return  # an older cycle, of which nothing is compressed
    where = f"{tree.file.file_path}:{tree.name}"
    if f"{tree.name}{PAYLOAD}" in home:
        raise merged_with_plain(where, MARKER)
    top = home.file.root_directory
    if MODELS_TREE in top and top[MODELS_TREE].classname in TREE_CLASSES:
        path = "/".join((*home.path, tree.name))
        require_unmixed(TTreeReader(top[MODELS_TREE], MODELS_TREE), path, tree._lookup.keys(), where)


def _view(tree: Any) -> Any:
    """The original of a tree, from what stands beside it in its file."""
    directory = tree.parent.parent
    where = f"{tree.file.file_path}:{tree.name}"
    name = f"{tree.name}{PAYLOAD}"
    top = directory.file.root_directory if directory.path else directory  # which is a request on a network
    missing = [key for key, home in ((name, directory), (SCHEMAS_TREE, top)) if key not in home]
    if missing:
        raise CorruptionError(
            "what a compressed tree is restored from is missing",
            where=where,
            expected=missing[0],
            hint="copy whole files, or skim with `hepae skim`",
        )
    # a list of all keys is another, and few files have models
    models = models_of(Source.of(top)) if MODELS_TREE in top else ModelStore()
    schemas_tree = TTreeReader(top[SCHEMAS_TREE], f"{tree.file.file_path}:{SCHEMAS_TREE}")
    described = {
        sha256[:16]: (stored_tree(one.text, where), one.header)
        for sha256, one in read_schemas(schemas_tree, models.reference).items()
    }
    payload = Payload(TTreeReader(directory[name], f"{where}{PAYLOAD}"), int(tree.num_entries))
    schemas = {start: stored for start, (stored, _) in described.items()}
    compressed = CompressedTree(payload, schemas, models)
    if not compressed.stored:
        return tree
    compressed.header = described[next(iter(compressed.stored))][1]
    token = _in_view.set(True)
    try:
        view = restored_view(tree, compressed.header, compressed)
    finally:
        _in_view.reset(token)
    view._hepae = compressed
    return view


class RestoredBasket(uproot.models.TBasket.Model_TBasket):  # type: ignore[misc]
    """What uproot sees of a basket (`uproot.models.TBasket.Model_TBasket`), of one chunk.

    Parameters
    ----------
    branch
        uproot's branch that it is of.
    compressed, row, path
        The chunk, and the path of the branch.
    marks
        Checks that the entries are those of the chunk.
    """

    def __init__(self, branch: Any, compressed: CompressedTree, row: Row, path: str, marks: Marks) -> None:
        self.compressed, self.row, self.path, self.marks = compressed, row, path, marks
        self._parent, self._file, self._concrete = branch, branch.file, None
        self._bases: list[Any] = []
        self._members = {"fKeylen": 0, "fNevBuf": row.stop - row.start}
        self._basket_num = row.index

    @property
    def num_entries(self) -> int:
        """Entries of the chunk."""
        return self.row.stop - self.row.start

    @property
    def _restored(self) -> tuple[Array, Offsets]:
        self.marks.require(self.row)
        return self.compressed.basket(self.row, self.path)

    @property
    def data(self) -> Array:
        """The bytes of the entries, uint8[n]."""
        return self._restored[0]

    @property
    def byte_offsets(self) -> Any:
        """Where each entry begins, int32[entries + 1], or None."""
        offsets = self._restored[1]
        if offsets is None or not self._parent.member("fEntryOffsetLen"):
            return None
        return offsets.astype(np.int32)

    @property
    def uncompressed_bytes(self) -> int:
        """Size of the data."""
        return len(self.data)


class RestoredBaskets(list[RestoredBasket]):
    """The baskets of a branch. uproot takes those of all branches that it reads before it looks into the first: what is
    taken is expected, and fetched together.
    """

    def __getitem__(self, place: Any) -> Any:
        taken = super().__getitem__(place)
        for basket in (taken,) if isinstance(taken, RestoredBasket) else taken:
            basket.compressed.expect_branch(basket.row, basket.path)
        return taken


class Marks:
    """The marker branch of a tree, which says which chunk each entry is in."""

    def __init__(self, tree: Any, where: str) -> None:
        self.tree, self.where = tree, where
        self._checked: set[int] = set()

    @computed_once
    def _marker(self) -> Any:
        return self.tree[MARKER]

    def require(self, row: Row) -> None:
        """Refuse a chunk of which entries were dropped, added or moved.

        Raises
        ------
        CorruptionError
            If the marker of an entry is another chunk's.
        """
        if row.index in self._checked:
            return
        with reading(f"{self.where}, {MARKER}"):
            marks = self._marker.array(entry_start=row.start, entry_stop=row.stop, library="np")
        wrong = np.flatnonzero(marks != row.chunk)
        if len(wrong):
            raise CorruptionError(
                "entries of a chunk were dropped, added or moved",
                where=f"{self.where}, entry {row.start + int(wrong[0])}",
                hint="decompress before you skim, or skim with `hepae skim`",
            )
        self._checked.add(row.index)


def restored_view(tree: Any, header: bytes, compressed: CompressedTree) -> Any:
    """An uproot TTree with the branches of the original.

    Branches that another program added to the tree come after them; those that it dropped are left out.

    Parameters
    ----------
    tree
        uproot's TTree of the file, with the branches that were kept.
    header
        The original header, without baskets.
    compressed
        The branches that were replaced.

    Raises
    ------
    CorruptionError
        If the marker branch is missing, a branch is there twice, or the header has not all that were replaced.
    """
    file, where = tree.file, compressed.where
    chunk = uproot.source.chunk.Chunk.wrap(file.source, np.frombuffer(header, np.uint8))
    cursor = uproot.source.cursor.Cursor(0)
    with reading(f"{where}, original header"):
        view = uproot.deserialization.read_object_any(chunk, cursor, {}, file, file, tree.parent)
    if not isinstance(view, uproot.behaviors.TTree.TTree):
        raise CorruptionError("an original header that is no tree's", where=where, got=type(view).__name__)
    kept = {str(path): branch for path, branch in tree.iteritems(recursive=True)}
    if kept.pop(MARKER, None) is None:
        raise CorruptionError(
            "the branch that says which chunk an entry is in was dropped", where=where, expected=MARKER
        )
    for path in sorted(kept.keys() & compressed.branches.keys()):
        raise CorruptionError(
            "a branch is there twice, compressed and plain",
            where=f"{where}, {path}",
            hint="were compressed and plain files merged by another program? Use `hepae merge`",
        )
    view._members |= {
        name: tree.member(name, none_if_missing=True) for name in STATE if name in view._members
    }
    view._members["fEntries"] = int(tree.num_entries)
    there = _fill(view, "", kept, compressed, Marks(tree, where))
    for path in sorted(compressed.branches.keys() - there):
        raise CorruptionError("an original header without a branch", where=where, expected=path)
    _extend(view, tree)
    return view


def _fill(
    above: Any, path: str, kept: Mapping[str, Any], compressed: CompressedTree, marks: Marks
) -> set[str]:
    """Give the branches of the original header their baskets, and take out those that are no more.

    Returns
    -------
    set of str
        Paths of the branches that are restored.
    """
    there, restored = [], set[str]()
    for branch in above.member("fBranches"):
        name = f"{path}{branch.name}"
        restored |= _fill(branch, f"{name}/", kept, compressed, marks)
        if name in compressed.branches:
            restored.add(name)
            branch._members["fEntries"] = marks.tree.num_entries
            edges = [row.start for row in compressed.payload.rows]
            branch._members["fBasketEntry"] = np.array([*edges, marks.tree.num_entries], np.int64)
            branch._embedded_baskets = RestoredBaskets(
                RestoredBasket(branch, compressed, row, name, marks) for row in compressed.payload.rows
            )
        elif name in kept:
            _take_baskets(branch, kept[name])
        elif not len(branch.branches):
            continue
        there.append(branch)
    _set_branches(above, there)
    return restored


def _extend(view: Any, tree: Any) -> None:
    """Add the branches of the file that the original did not have."""
    known = {str(branch.name) for branch in view.member("fBranches")}
    new = [branch for branch in tree.branches if str(branch.name) not in known and branch.name != MARKER]
    _set_branches(view, [*view.member("fBranches"), *new])


def _set_branches(above: Any, branches: Sequence[Any]) -> None:
    above.member("fBranches")._data = list(branches)
    above._lookup = {}
    for branch in branches:
        above._lookup.setdefault(branch.member("fName"), branch)


def _take_baskets(branch: Any, kept: Any) -> None:
    """Let a branch of the original header read the baskets of the one that is in the file."""
    for name, value in kept._members.items():
        if name not in ("fBranches", "fLeaves"):
            branch._members[name] = value
    branch._num_normal_baskets = kept._num_normal_baskets
    branch._embedded_baskets = kept._embedded_baskets
    branch._embedded_baskets_lock = kept._embedded_baskets_lock
