"""Events from a file, whatever its kind: ROOT and CSV read through the same words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from hepae import limits
from hepae.core.values.names import is_url
from hepae.core.values.objects import Objects
from hepae.errors import InputError
from hepae.input.csvio import CsvEvents, read_csv
from hepae.root.columns import Branch, Column, Jagged
from hepae.root.file.source import Source, open_source
from hepae.root.tree import TreeReader
from hepae.stored.titles import compressed_collections

__all__ = ["CsvTree", "csv_tree", "events_of", "is_csv", "open_events"]


def is_csv(path: str | Path) -> bool:
    """Whether a path is read as CSV: by its name, because the first bytes of a damaged ROOT file tell nothing."""
    return str(path).lower().endswith((".csv", ".txt"))


@contextmanager
def open_events(
    path: str | Path, tree: str | None = None, collection: str | None = None
) -> Iterator[TreeReader]:
    """The tree of a ROOT file, or a CSV file read as if it were one.

    Parameters
    ----------
    path
        The file.
    tree
        Name of the tree; the one that has the collection where it is None.
    collection
        Name of the collection; any where it is None.

    Raises
    ------
    InputError
        If the file cannot be read as what its name says, or several trees have the collection.
    """
    if is_csv(path):
        yield csv_tree(path)
        return
    with open_source(path) as source:
        yield events_of(source, tree, collection)


def events_of(source: Source, tree: str | None = None, collection: str | None = None) -> TreeReader:
    """The tree of a ROOT file that is open, chosen as in `open_events`."""

    def holds(candidate: TreeReader) -> bool:
        known = {**candidate.collections(), **compressed_collections(candidate)}
        return bool(known) if collection is None else collection in known

    return source.tree(tree, holds)


def csv_tree(path: str | Path) -> CsvTree:
    """A CSV file as a tree.

    Raises
    ------
    InputError
        If it is a URL.
    CsvError
        If it is no table of numbers.
    """
    if is_url(path):
        raise InputError("CSV is not read from a URL", where=path, hint="download it first")
    return CsvTree(read_csv(path))


class CsvTree(TreeReader):
    """A CSV file as a tree: event columns as flat branches, objects as collections with a counter.

    Lines can only be read in order, so a run of events is kept until one after it is asked for; asking for one
    before it starts again from the first line.
    """

    def __init__(self, events: CsvEvents) -> None:
        self.csv = events
        self.name, self.path, self.title, self.where = "Events", "Events", "", str(events.path)
        self.num_entries = events.n_events
        self.branches = {branch.name: branch for branch in _branches(events)}
        self._rewind()

    def read(self, branch: str, start: int, stop: int) -> Column:
        """Values of a branch for the events ``start`` to ``stop``."""
        info = self.branches[branch]
        parts = []
        for first, chunk in self._overlapping(start, stop):
            low, high = max(start - first, 0), min(stop - first, limits.EVENTS_PER_CHUNK)
            parts.append(
                _column({name: o.slice(low, min(high, o.n_events)) for name, o in chunk.items()}, info)
            )
        if not parts:
            return (
                np.empty(0, info.dtype)
                if info.kind == "flat"
                else Jagged(np.zeros(0, np.int64), np.empty(0, info.dtype))
            )
        runs = [part for part in parts if isinstance(part, Jagged)]
        if runs:
            return Jagged(np.concatenate([r.counts for r in runs]), np.concatenate([r.values for r in runs]))
        return np.concatenate([np.asarray(part) for part in parts])

    def bytes_on_disk(self, branch: str) -> tuple[int, int]:
        """Nothing to say: text has no bytes of a branch."""
        return 0, 0

    def _rewind(self) -> None:
        self._first, self._chunk = 0, dict[str, Objects]()
        self._coming = self.csv.iterate_all(limits.EVENTS_PER_CHUNK)

    def _overlapping(self, start: int, stop: int) -> Iterator[tuple[int, dict[str, Objects]]]:
        if start < self._first:
            self._rewind()
        while start < stop:
            size = next(iter(self._chunk.values())).n_events if self._chunk else 0
            if start < self._first + size:
                yield self._first, self._chunk
                start = self._first + size
                continue
            following = next(self._coming, None)
            if following is None:
                raise InputError(
                    "no such events", where=self.where, expected=f"before {self._first + size}", got=stop
                )
            self._first, self._chunk = self._first + size, following


def _branches(events: CsvEvents) -> Iterator[Branch]:
    for name, dtype in events.event_dtypes.items():
        kind = "string" if dtype == "str" else "flat"
        yield Branch(name, kind, "char*" if kind == "string" else dtype, "" if kind == "string" else dtype)
    for collection in events.collections.values():
        counter = str(collection.counter)
        yield Branch(counter, "flat", "int32_t", "int32", title=f"number of {collection.name} objects")
        for feature in collection.features:
            yield Branch(
                feature.branch, "jagged", f"{feature.dtype}[]", feature.dtype, (), counter, feature.title
            )


def _column(chunk: dict[str, Objects], info: Branch) -> Column:
    first = next(iter(chunk.values()))
    if info.name in first.events:
        return first.events[info.name]
    for name, objects in chunk.items():
        if info.name == f"n{name}":
            return objects.counts.astype(np.int32)
        short = info.name.removeprefix(f"{name}_")
        if short != info.name and short in objects.columns:
            return Jagged(objects.counts, objects.columns[short])
    raise InputError(f"no branch {info.name!r}")
