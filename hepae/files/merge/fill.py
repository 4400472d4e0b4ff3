"""Branches that only some files have, filled with zeros where they are missing: ``--fill``, as ``haddnano`` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hepae import limits
from hepae.arrays import Integers
from hepae.core.values.nested import Nested
from hepae.errors import UnsupportedError
from hepae.root.file.source import Source
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.entries import BranchEntries
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.layouts.basket import Basket
from hepae.root.ttree.layouts.layout import Layout
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.titles import SUFFIX

__all__ = ["Zeros", "entries_by_path", "fillable", "graft", "require_zeros", "zeros"]


def fillable(source: Source, path: str, header: TreeHeader, names: Sequence[str]) -> dict[str, Layout]:
    """How the bytes of branches that will be filled are made, by path.

    Parameters
    ----------
    source, path, header
        A file that has them, and the tree.
    names
        Their paths.

    Raises
    ------
    UnsupportedError
        If zeros mean nothing in one of them: objects, what is in another branch, what is compressed.
    """
    tree = source.tree(path)
    layouts = TreeColumns(tree).layouts if isinstance(tree, TTreeReader) else {}
    inner = {branch.path for branch in header.branches if branch.parent is not None}
    outer = {above.path for branch in header.branches for above in branch.above()}
    for name in names:
        alone = name not in inner | outer and not name.endswith(SUFFIX)
        require_zeros(layouts.get(name) if alone else None, f"{header.where}, {name}")
    return {name: layouts[name] for name in names}


def require_zeros(layout: Layout | None, where: str) -> None:
    """Refuse to fill a branch in which the integer 0 does not stand for the number 0.

    Raises
    ------
    UnsupportedError
        If it has no layout, or numbers with a range that does not begin at 0.
    """
    if layout is None or any(getattr(column.field.coding, "low", 0) for column in layout.columns):
        raise UnsupportedError(
            "a branch that is missing in another file cannot be filled with zeros",
            where=where,
            hint="decompress the files first if it is compressed, or take it out of those that have it",
        )


def graft(header: TreeHeader, other: TreeHeader, names: Sequence[str]) -> None:
    """Put branches of another header, which is changed, at the end of those of a header.

    What counts them is the branch of the same path.
    """
    owners = {
        leaf.node: (branch.path, at) for branch in other.branches for at, leaf in enumerate(branch.leaves)
    }
    counted = []
    for name in names:
        branch = other.branch(name)
        made = header.insert(branch.node)
        counted += [(leaf, owners[leaf.counter]) for leaf in made.leaves if leaf.counter is not None]
    header.refresh()
    for leaf, (path, at) in counted:
        leaf.count_by(header.branch(path).leaves[at])


@dataclass(frozen=True)
class Zeros:
    """Zeros for the entries of a tree that does not have a branch.

    Parameters
    ----------
    layout
        How the bytes of the branch are made.
    entries
        Entries of the tree.
    tabled
        Whether baskets of the branch have a table of offsets.
    counters
        The branches of the tree, by path: one of them may count.
    """

    layout: Layout
    entries: int
    tabled: bool
    counters: Mapping[str, BranchEntries]

    def baskets(self) -> Iterator[Basket]:
        """One basket after the other."""
        for start in range(0, self.entries, limits.EVENTS_PER_CHUNK):
            n = min(limits.EVENTS_PER_CHUNK, self.entries - start)
            counts = {name: self._counts(name, start, n) for name in self.layout.counters}
            columns = {
                column.name: zeros(
                    column.levels, column.field.dtype, column.field.shape, n, counts.get(column.counter)
                )
                for column in self.layout.columns
            }
            data, offsets = self.layout.encode(columns)
            yield Basket.of(data, offsets if self.tabled else None, n)

    def _counts(self, counter: str, start: int, n: int) -> Integers:
        """What the counter says in this tree; zeros where it is missing too."""
        return self.counters[counter].numbers(start, n) if counter in self.counters else np.zeros(n, np.int64)


def zeros(levels: int, dtype: str, shape: tuple[int, ...], n: int, counts: Integers | None) -> Nested:
    """A column of zeros for n entries: as many as are counted elsewhere, else none."""
    made: list[Integers] = []
    rows = n
    for depth in range(levels):
        made.append(counts if depth == 0 and counts is not None else np.zeros(rows, np.int64))
        rows = int(made[-1].sum())
    return Nested(tuple(made), np.zeros((rows, *shape), dtype))


def entries_by_path(source: Source, header: TreeHeader) -> dict[str, BranchEntries]:
    """The entries of branches that may count, by path."""
    owners: dict[object, BranchHeader] = {
        leaf.node: branch for branch in header.branches for leaf in branch.leaves
    }
    return {branch.path: BranchEntries(source, branch, owners, header.where) for branch in header.branches}
