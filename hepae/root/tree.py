"""What the readers of TTree and RNTuple share: collections, and chunks of whole events in bounded memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.core.values.objects import Collection, Objects, find_collections
from hepae.errors import CollectionError, UnsupportedError, nearest
from hepae.root.columns import Branch, Column, Jagged

__all__ = ["Container", "TreeReader"]

Container = Literal["ttree", "rntuple"]
"""What holds the columns of a tree."""


class TreeReader(ABC):
    """A tree open for reading.

    Attributes
    ----------
    name, title : str
        As in the file.
    where : str
        File and tree, for messages.
    path : str
        Directories and name in the file.
    num_entries : int
        Number of events.
    branches : mapping of Branch
        Every branch in file order, by name.
    """

    name: str
    title: str
    where: str
    path: str
    num_entries: int
    branches: Mapping[str, Branch]

    @abstractmethod
    def read(self, branch: str, start: int, stop: int) -> Column:
        """Values of a branch for the events ``start`` to ``stop``, native byte order, dtype as in the file."""

    @abstractmethod
    def bytes_on_disk(self, branch: str) -> tuple[int, int]:
        """Compressed and uncompressed size of a branch in bytes."""

    def collections(self) -> dict[str, Collection]:
        """Collections of the tree: branches of numbers, one level jagged, that share a counter or a prefix."""
        jagged = {
            branch.name: (branch.dtype, branch.counter, branch.title)
            for branch in self.branches.values()
            if branch.kind == "jagged" and not branch.shape
        }
        return find_collections(jagged)

    def collection(self, name: str) -> Collection:
        """The collection of that name.

        Raises
        ------
        CollectionError
            If there is none; the message names what is near.
        """
        found = self.collections()
        if name not in found:
            raise CollectionError(
                f"no collection {name!r}",
                where=self.where,
                expected=", ".join(found) or "none in this tree",
                hint=nearest(name, found) or None,
            )
        return found[name]

    def event_branches(self) -> dict[str, Branch]:
        """Branches with one number per event, by name."""
        return {name: b for name, b in self.branches.items() if b.kind == "flat" and not b.shape}

    def passed_through(self) -> dict[str, str]:
        """Branches that are neither of a collection nor event-level numbers, with their C++ type."""
        return {
            name: branch.typename
            for name, branch in self.branches.items()
            if branch.kind in ("string", "other") or branch.shape
        }

    def iterate(
        self,
        collection: Collection,
        features: Sequence[str],
        events: Sequence[str] = (),
        events_per_chunk: int = limits.EVENTS_PER_CHUNK,
        objects_per_chunk: int = limits.OBJECTS_PER_CHUNK,
    ) -> Iterator[Objects]:
        """Runs of whole events of a collection, one after the other, in bounded memory.

        Parameters
        ----------
        collection
            As found by `collections`.
        features
            Short or full names of the features to read.
        events
            Event-level branches to read along.
        events_per_chunk, objects_per_chunk
            A run is closed by whichever comes first, but holds at least one event.

        Yields
        ------
        Objects
            Columns by short name, in native byte order, dtypes as in the file.

        Raises
        ------
        CollectionError
            If branches of the collection have different multiplicities: the message has the first bad event.
        """
        for start in range(0, self.num_entries, events_per_chunk):
            stop = min(start + events_per_chunk, self.num_entries)
            for first, last in split(self.counts(collection, start, stop), objects_per_chunk):
                yield self.objects(collection, features, events, start + first, start + last)

    def objects(
        self, collection: Collection, features: Sequence[str], events: Sequence[str], start: int, stop: int
    ) -> Objects:
        """Features of a collection, and event-level branches, for the events ``start`` to ``stop``.

        Raises
        ------
        CollectionError
            If branches of the collection have different multiplicities: the message has the first bad event.
        """
        for name in events:
            self._expect_flat(name)
        run = Objects(self.counts(collection, start, stop))
        for name in features:
            feature = collection.feature(name)
            column = self.read(feature.branch, start, stop)
            run.columns[feature.name] = self._agreeing(column, run.counts, feature.branch, start)
        for name in events:
            run.events[name] = np.asarray(self.read(name, start, stop))
        return run

    def counts(self, collection: Collection, start: int, stop: int) -> NDArray[np.int64]:
        """Objects per event, int64."""
        if collection.counter is not None:
            counts = np.asarray(self.read(collection.counter, start, stop)).astype(np.int64)
            if (counts < 0).any():
                event = start + int(np.flatnonzero(counts < 0)[0])
                where = f"{self.where}, {collection.counter}, event {event}"
                raise CollectionError("negative number of objects", where=where, got=int(counts.min()))
            return counts
        column = self.read(collection.features[0].branch, start, stop)
        assert isinstance(column, Jagged)
        return column.counts

    def _agreeing(
        self, column: Column, counts: NDArray[np.int64], branch: str, start: int
    ) -> NDArray[np.generic]:
        if not isinstance(column, Jagged):
            raise UnsupportedError("is not a jagged branch", where=f"{self.where}, {branch}")
        differ = np.flatnonzero(column.counts != counts)
        if len(differ):
            event = int(differ[0])
            raise CollectionError(
                "branches of one collection have different multiplicities",
                where=f"{self.where}, {branch}, event {start + event}",
                expected=int(counts[event]),
                got=int(column.counts[event]),
                hint="leave that branch out, or check how the file was made",
            )
        return column.values

    def _expect_flat(self, name: str) -> None:
        found = self.event_branches()
        if name not in found:
            raise CollectionError(
                f"no event-level branch of numbers {name!r}",
                where=self.where,
                hint=nearest(name, found) or None,
            )


def split(counts: NDArray[np.int64], objects: int) -> Iterator[tuple[int, int]]:
    """Runs of events that hold at most ``objects`` objects each, or one event.

    Examples
    --------
    >>> list(split(np.array([2, 2, 9, 0, 1]), 4))
    [(0, 2), (2, 3), (3, 5)]
    """
    edges = np.concatenate([[0], np.cumsum(counts)])
    first = 0
    while first < len(counts):
        last = int(np.searchsorted(edges, edges[first] + objects, side="right")) - 1
        last = min(max(last, first + 1), len(counts))
        yield first, last
        first = last
