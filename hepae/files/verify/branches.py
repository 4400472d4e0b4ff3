"""A TTree as uproot reads it: every branch by its full path and position, nothing looked up by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import uproot

from hepae.arrays import Integers
from hepae.core.locks import computed_once
from hepae.core.values.nested import Nested
from hepae.core.values.objects import find_collections
from hepae.files.verify.baskets import (
    algorithm_of,
    content,
    first_different_entry,
    same_content,
    same_records,
)
from hepae.files.verify.sides import Claim, Part, Side, numbered
from hepae.files.verify.structure import Facts, branch_facts, tree_facts
from hepae.files.verify.values import NotInterpretedError, interpreting, of_awkward
from hepae.root.file.compression import ZSTD_DEFAULT
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.entries import BranchEntries
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.raw_copy import Bytes
from hepae.root.ttree.reader import TTreeReader

__all__ = ["BranchPart", "ttree_side"]

KNOWN = (
    uproot.AsDtype,
    uproot.AsJagged,
    uproot.AsStrings,
    uproot.interpretation.objects.AsStridedObjects,
    uproot.interpretation.numerical.TruncatedNumerical,
)
"""Kinds of interpretation that give numbers or strings."""


class BranchPart:
    """A branch with what it holds itself; its sub-branches are parts of their own.

    Attributes
    ----------
    held
        Its baskets by hepae's own parser, for those that uproot cannot read at all.
    """

    claim: Claim | None = None
    held: Callable[[], BranchEntries] | None = None

    def __init__(self, name: str, branch: Any) -> None:
        self.name, self.branch = name, branch
        self.entries = int(branch.num_entries)

    def facts(self) -> Facts:
        """Class, title, leaves, settings.

        A setting of 0 stands for none, or says nothing: uproot writes it of any. Then the baskets tell.
        """
        facts = branch_facts(self.branch)
        algorithm = "" if facts["compression setting"] else algorithm_of(self.branch)
        return {**facts, "compression of the baskets": algorithm} if algorithm else facts

    def short_names(self) -> tuple[str, ...]:
        """Its name in its collection, where it has a number of values per entry."""
        if not isinstance(self._interpretation, uproot.AsJagged):
            return ()
        count = self.branch.count_branch
        counter = None if count is None else str(count.name)
        found = find_collections({str(self.branch.name): ("", counter, "")})
        return tuple(feature.name for one in found.values() for feature in one.features)

    def edges(self) -> Integers:
        """Where its baskets begin; nothing where uproot cannot tell how many there are."""
        try:
            with interpreting():
                count = int(self.branch.num_baskets)
        except NotInterpretedError:
            count = 0
        return np.asarray(self.branch.member("fBasketEntry")[:count], np.int64)

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Columns of a run of entries; one for each leaf, or for each member of objects."""
        with interpreting():
            if self._interpretation is None or self.branch.num_baskets == 0:
                raise NotInterpretedError("no interpretation")
            array = self.branch.array(
                self._interpretation, entry_start=start, entry_stop=stop, array_cache=None, library="ak"
            )
            if len(array) != stop - start:
                raise NotInterpretedError(f"{len(array)} entries instead of {stop - start}")
            return of_awkward(array)

    @property
    def of_objects(self) -> bool:
        """Whether it holds objects rather than numbers and texts."""
        found = self._interpretation
        return found is None or isinstance(found, uproot.interpretation.objects.AsStridedObjects)

    def members(self, start: int, stop: int) -> dict[str, Nested]:
        """Columns of a run of entries by hepae's own parser, of objects that uproot has no interpretation for."""
        columns = _by_layout(self.branch.tree)
        names = [info.name for info in columns.infos if info.branch == self.name]
        if not names:
            raise NotInterpretedError("no layout")
        with interpreting():
            read = columns.read(names, start, stop)
        return {name.removeprefix(self.name): values for name, values in read.items()}

    def sizes(self) -> tuple[int, int]:
        """Compressed and uncompressed bytes of its baskets."""
        # baskets inside the header are compressed with it: what they would take by themselves is the fair share
        try:
            with interpreting():
                held = [np.asarray(basket.data).tobytes() for basket in self.branch.embedded_baskets]
        except NotInterpretedError:
            held = []
        on_disk = int(self.branch.compressed_bytes) + sum(len(ZSTD_DEFAULT.pack(data)) for data in held)
        return on_disk, int(self.branch.uncompressed_bytes) + sum(map(len, held))

    def count(self) -> int:
        """Number of values where all have one size."""
        found = self._interpretation
        if isinstance(found, uproot.AsDtype):
            return self.entries * int(np.prod(found.to_dtype.shape, dtype=np.int64))
        return self.entries

    def same_bytes(self, other: Part) -> bool:
        """Whether baskets are the same, one for one, on disk or unpacked."""
        return isinstance(other, BranchPart) and same_records(self.branch, other.branch)

    def first_different(self, other: Part) -> int | None:
        """The first entry whose bytes differ, however entries are spread over baskets."""
        if not isinstance(other, BranchPart):
            return 0
        try:
            return first_different_entry(self.branch, other.branch)
        except NotInterpretedError:
            if self.held is None or other.held is None:
                raise
            return _first_basket_apart(self.held(), other.held())

    def same_run(self, other: Part, start: int, stop: int) -> int | None:
        """Number of values in a run of entries that has the same bytes in both; None where that cannot be told."""
        if not isinstance(other, BranchPart):
            return None
        mine, theirs = content(self.branch, start, stop), content(other.branch, start, stop)
        if mine is None or theirs is None or not same_content(mine, theirs):
            return None
        return self._values_in(len(mine.data), stop - start)

    def _values_in(self, size: int, entries: int) -> int:
        """Number of values in so many bytes, where all have one size; otherwise of entries."""
        found, header = self._interpretation, 0
        if isinstance(found, uproot.AsJagged):
            found, header = found.content, int(found.header_bytes)
        if isinstance(found, uproot.AsDtype) and found.from_dtype.names is None:
            return (size - header * entries) // int(found.from_dtype.base.itemsize)
        return entries

    @computed_once
    def _interpretation(self) -> Any:
        """uproot's own interpretation, whatever is registered on top of it; None where it fails."""
        try:
            found = self.branch.interpretation
        except Exception:  # noqa: BLE001 - uproot has none, for whatever reason
            return None
        found = getattr(found, "stored", found)
        if isinstance(found, uproot.AsObjects):
            return found if _of_values(found.model) else None
        return found if isinstance(found, KNOWN) else None


def _of_values(model: Any) -> bool:
    """Whether containers hold numbers and strings in the end.

    Whole objects are compared as bytes: uproot reads some of them wrongly, and takes gigabytes for it.
    """
    if isinstance(model, uproot.containers.AsContainer):
        inner = [getattr(model, name) for name in ("keys", "values", "items") if hasattr(model, name)]
        return isinstance(model, uproot.containers.AsString) or (bool(inner) and all(map(_of_values, inner)))
    return isinstance(model, np.dtype)


def _by_layout(tree: Any) -> TreeColumns:
    """All columns of a tree by hepae's own parser, opened once for all of its branches."""
    kept: dict[str, Any] = vars(tree)
    if "_by_layout" not in kept:
        with interpreting():
            kept["_by_layout"] = TreeColumns(TTreeReader(tree, str(tree.name), str(tree.name)))
    columns: TreeColumns = kept["_by_layout"]
    return columns


def _first_basket_apart(one: BranchEntries, other: BranchEntries) -> int | None:
    """The first entry of the first basket that does not hold the same, baskets taken one for one."""
    if not np.array_equal(one.table.entries, other.table.entries):
        return 0
    for number, entry in enumerate(one.table.entries[:-1].tolist()):
        if not one.same_basket(number, other, number):
            return int(entry)
    return None


def ttree_side(name: str, tree: Any, header: Callable[[], tuple[Bytes, TreeHeader]] | None = None) -> Side:
    """A TTree, with all its branches.

    Parameters
    ----------
    name, tree
        Its path, and the tree as uproot reads it.
    header
        Its header by hepae's own parser, asked for where uproot cannot read a basket.
    """
    walked = list(_walk(tree, ""))
    references = tree.member("fBranchRef", none_if_missing=True)
    if references is not None:
        walked.append(("TRefTable", references))
    names = numbered([path for path, _ in walked])
    parts = [BranchPart(path, branch) for path, (_, branch) in zip(names, walked, strict=True)]
    for number, part in enumerate(parts):
        if header is not None:
            part.held = partial(_entries_of, header, number, name)
    return Side(name, "ttree", int(tree.num_entries), tree_facts(tree), list[Part](parts))


def _entries_of(header: Callable[[], tuple[Bytes, TreeHeader]], number: int, where: str) -> BranchEntries:
    source, parsed = header()
    listed = [branch for branch in parsed.branches if branch.classname != "TBranchRef"]
    with interpreting():
        return BranchEntries(source, listed[number], {}, where)


def _walk(above: Any, path: str) -> Iterator[tuple[str, Any]]:
    for branch in above.member("fBranches"):
        here = f"{path}{branch.name}"
        yield here, branch
        yield from _walk(branch, here + "/")
