"""The columns of a tree for a run of entries, whatever holds the tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from hepae import limits
from hepae.core.tables.columns import ColumnInfo
from hepae.core.values.nested import Nested
from hepae.root.columns import Jagged
from hepae.root.tree import TreeReader

__all__ = ["ColumnSource", "PlainColumns", "chunks", "sampled"]

CHUNK_BYTES = 64 << 20
"""A chunk has about so many bytes of values, at most: several are in memory while one is written."""

SAMPLE_RUNS = 8
"""A sample is taken in so many runs of entries, evenly spread."""


class ColumnSource(Protocol):
    """Columns of a tree.

    Attributes
    ----------
    infos
        The columns.
    num_entries
        Entries of the tree.
    nbytes
        Bytes of all values, about.
    """

    infos: Sequence[ColumnInfo]
    num_entries: int
    nbytes: int

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Nested]:
        """Values of columns for the entries ``start`` to ``stop``."""


class PlainColumns:
    """Columns of a tree of numbers: CSV, RNTuple."""

    def __init__(self, tree: TreeReader) -> None:
        self.tree, self.num_entries = tree, tree.num_entries
        self.branches = {
            name: branch for name, branch in tree.branches.items() if branch.kind in ("flat", "jagged")
        }
        self.infos: Sequence[ColumnInfo] = [
            ColumnInfo(name, name, branch.dtype, branch.shape, int(branch.kind == "jagged"), branch.counter)
            for name, branch in self.branches.items()
        ]
        self.nbytes = sum(tree.bytes_on_disk(name)[1] for name in self.branches)

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Nested]:
        """Values of columns for the entries ``start`` to ``stop``."""
        columns = {}
        for name in names:
            column = self.tree.read(name, start, stop)
            if isinstance(column, Jagged):
                columns[name] = Nested((column.counts,), column.values)
            else:
                columns[name] = Nested((), np.asarray(column))
        return columns


def chunks(source: ColumnSource) -> Iterator[tuple[int, int]]:
    """Runs of entries that are coded together."""
    n = source.num_entries
    per_entry = max(source.nbytes / n, 1.0) if n else 1.0
    size = max(min(limits.EVENTS_PER_CHUNK, int(CHUNK_BYTES / per_entry)), 1)
    yield from ((start, min(start + size, n)) for start in range(0, n, size))


def sampled(source: ColumnSource, entries: int) -> tuple[dict[str, Nested], int]:
    """Values of all columns for about so many entries, evenly spread, and how many there are."""
    n = source.num_entries
    names = [info.name for info in source.infos]
    if n <= entries:
        return source.read(names, 0, n), n
    run = max(entries // SAMPLE_RUNS, 1)
    starts = np.linspace(0, n - run, SAMPLE_RUNS).astype(int).tolist()
    runs = [source.read(names, start, start + run) for start in starts]
    return {name: Nested.concatenated([part[name] for part in runs]) for name in names}, run * SAMPLE_RUNS
