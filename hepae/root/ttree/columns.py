"""All columns of a TTree for runs of entries, basket by basket, through the layouts of its branches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hepae.arrays import Integers
from hepae.core.locks import ForkSafeLock
from hepae.core.tables.columns import ColumnInfo
from hepae.core.values.nested import Nested
from hepae.errors import InputError
from hepae.root.ttree.layouts.basket import Basket, read_basket
from hepae.root.ttree.layouts.describe import describe_tree
from hepae.root.ttree.layouts.fields import column_path
from hepae.root.ttree.layouts.layout import Layout, fitted, layout_of
from hepae.root.ttree.reader import TTreeReader

__all__ = ["IrregularError", "TreeColumns"]


class IrregularError(Exception):
    """A basket that its layout does not give back byte for byte: the branch has to stay as it is."""

    def __init__(self, tree: str, path: str) -> None:
        super().__init__(f"{tree}, {path}")
        self.tree, self.path = tree, path


class TreeColumns:
    """Columns of a TTree (`hepae.input.columns.ColumnSource`).

    Parameters
    ----------
    tree
        The tree.
    kept
        Paths of branches that are left out.

    Attributes
    ----------
    layouts : dict of Layout
        How the bytes of each branch become columns, by path. What only bytes tell is in it once a basket was read.
    """

    def __init__(self, tree: TTreeReader, kept: Iterable[str] = ()) -> None:
        self.tree, self.num_entries, self.where = tree, tree.num_entries, tree.where
        self._branches = _branches(tree.tree)
        self._readable = _layouts(tree.tree, self._branches, self.num_entries)
        stay = set(kept)
        self.layouts = {path: layout for path, layout in self._readable.items() if path not in stay}
        self.infos: Sequence[ColumnInfo] = [
            ColumnInfo(
                column_path(path, column.name),
                path,
                column.field.dtype,
                column.field.shape,
                column.levels,
                column.counter or None,
            )
            for path, layout in self.layouts.items()
            for column in layout.columns
        ]
        self.nbytes = sum(int(self._branches[path].uncompressed_bytes) for path in self.layouts)
        self._owners = {
            column_path(path, column.name): path
            for path, layout in self._readable.items()
            for column in layout.columns
        }
        self._runs: dict[str, _BranchRun] = {}
        self._lock = ForkSafeLock()

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Nested]:
        """Values of columns for the entries ``start`` to ``stop``.

        Raises
        ------
        IrregularError
            If a basket is not what its layout makes of its columns.
        InputError
            If a basket cannot be read.
        """
        with self._lock:
            wanted = list(names)
            whole = {
                path: self._run(path).read(start, stop) for path in {self._owners[name] for name in wanted}
            }
            self.layouts |= {path: self._runs[path].layout for path in whole if path in self.layouts}
        return {name: whole[self._owners[name]][name] for name in wanted}

    def _run(self, path: str) -> _BranchRun:
        if path not in self._runs:
            layout = self._readable[path]
            counters = {name: self._run(self._owners[name]) for name in layout.counters}
            where = f"{self.where}, {path}"
            self._runs[path] = _BranchRun(self._branches[path], self.tree.path, path, layout, counters, where)
        return self._runs[path]


def _branches(tree: Any) -> dict[str, Any]:
    """Branches by path; none of those that share one."""
    branches: dict[str, Any] = {}
    twice = set()
    for path, branch in tree.iteritems(recursive=True):
        twice |= {str(path)} & branches.keys()
        branches[str(path)] = branch
    return {path: branch for path, branch in branches.items() if path not in twice}


def _layouts(tree: Any, branches: Mapping[str, Any], entries: int) -> dict[str, Layout]:
    """Layouts of the branches that can be replaced: whole ones, whose counters can be read too."""
    layouts = {}
    for path, description in describe_tree(tree).items():
        if path not in branches or not _is_whole(branches[path], entries):
            continue
        layout = layout_of(description)
        if layout is not None and not layout.columns:
            layout = _seen(branches[path], layout, path)
        if layout is not None and layout.columns:
            layouts[path] = layout
    while True:
        columns = {column_path(path, c.name) for path, layout in layouts.items() for c in layout.columns}
        dangling = [path for path, layout in layouts.items() if not columns.issuperset(layout.counters)]
        if not dangling:
            return layouts
        for path in dangling:
            del layouts[path]


def _seen(branch: Any, layout: Layout, path: str) -> Layout:
    """A layout of objects, whose columns are known once one was seen: the largest basket has most."""
    number = int(np.argmax(branch.member("fBasketBytes")[: int(branch.num_baskets)]))
    basket = _stored(branch, number, f"{path}, basket {number}")
    return fitted(layout, basket.data, basket.offsets)


def _stored(branch: Any, number: int, where: str) -> Basket:
    """A basket from its record on disk, or as uproot holds one of the header."""
    in_file = int(branch.num_baskets) - len(branch.embedded_baskets)
    if number >= in_file:
        held = branch.embedded_baskets[number - in_file]
        offsets = None if held.byte_offsets is None else np.asarray(held.byte_offsets, np.int64)
        edges = branch.entry_offsets
        entries = int(edges[number + 1]) - int(edges[number])
        return Basket.of(np.asarray(held.data).view(np.uint8), offsets, entries)
    seek, size = int(branch.member("fBasketSeek")[number]), int(branch.member("fBasketBytes")[number])
    return read_basket(bytes(branch.file.source.chunk(seek, seek + size).raw_data), where)


def _is_whole(branch: Any, entries: int) -> bool:
    """Whether a branch has baskets of its own for every entry of the tree, and nothing below it that shares them."""
    edges = np.asarray(branch.entry_offsets)
    return (
        int(branch.num_entries) == entries
        and int(edges[0]) == 0
        and int(edges[-1]) == entries
        and entries > 0
    )


class _BranchRun:
    """Columns of one branch, keeping the basket read last, so that runs of entries that end inside it cost it once."""

    def __init__(
        self,
        branch: Any,
        tree: str,
        path: str,
        layout: Layout,
        counters: Mapping[str, _BranchRun],
        where: str,
    ) -> None:
        self.branch, self.tree, self.path, self.layout = branch, tree, path, layout
        self.counters, self.where = counters, where
        self.names = {column.name: column_path(path, column.name) for column in layout.columns}
        self.edges = np.asarray(branch.entry_offsets, np.int64)
        self._last: tuple[int, dict[str, Nested]] | None = None
        self._fitted = False

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Columns of the entries ``start`` to ``stop``, by their names in the tree."""
        first = max(int(np.searchsorted(self.edges, start, side="right")) - 1, 0)
        runs = []
        for number in range(first, len(self.edges) - 1):
            low, high = int(self.edges[number]), int(self.edges[number + 1])
            if low >= max(stop, start + 1):
                break
            if high > low:
                columns = self._basket(number)
                runs.append(
                    {
                        name: column.cut(max(start - low, 0), min(stop, high) - low)
                        for name, column in columns.items()
                    }
                )
        return {name: Nested.concatenated([run[name] for run in runs]) for name in self.names.values()}

    def _basket(self, number: int) -> dict[str, Nested]:
        if self._last is None or self._last[0] != number:
            self._last = None
            self._last = number, self._decoded(number)
        return self._last[1]

    def _decoded(self, number: int) -> dict[str, Nested]:
        start, stop = int(self.edges[number]), int(self.edges[number + 1])
        where = f"{self.where}, basket {number}"
        basket = _stored(self.branch, number, where)
        if basket.entries != stop - start:
            raise InputError(
                "a basket has another number of entries",
                where=where,
                expected=stop - start,
                got=basket.entries,
            )
        counts: dict[str, Integers] = {
            name: run.read(start, stop)[name].values.astype(np.int64) for name, run in self.counters.items()
        }
        if not self._fitted and basket.entries:
            self.layout, self._fitted = fitted(self.layout, basket.data, basket.offsets), True
        try:
            columns = self.layout.decode(basket.data, basket.offsets, basket.entries, counts, where)
            data, offsets = self.layout.encode(columns)
        except InputError as problem:
            raise IrregularError(self.tree, self.path) from problem
        same_offsets = basket.offsets is None or np.array_equal(basket.offsets, offsets)
        if not same_offsets or not np.array_equal(data, basket.data):
            raise IrregularError(self.tree, self.path)
        return {self.names[name]: column for name, column in columns.items()}
