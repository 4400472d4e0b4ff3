"""Rank order: all first objects of a chunk, then all second ones, and so on.

Codecs keep columns in this order while they work. Events are sorted by falling number of objects, so the events that
have an object of rank k are the first so many of them: "the previous object" of a whole rank is a slice, never a
gather, and nothing loops over events. Objects from a *last rank* on, which are few, are taken as one rank and depend
on objects of smaller rank only, so that a chunk is done in at most so many steps: six ranks do for jets of events,
constituents of jets take more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.locks import computed_once

__all__ = ["LAST_RANK", "RankOrder", "Ranked"]

LAST_RANK: Final = 6
"""The last rank where nothing else is said."""

FEW: Final = 100
"""Objects of a rank on average, up to which sorting them all takes less time than a step for each rank (measured)."""


class RankOrder:
    """The rank order of a chunk.

    Parameters
    ----------
    counts
        Objects per event, int64[n_events].
    last
        The last rank.

    Attributes
    ----------
    n_objects, n_ranks : int
        Objects in the chunk; ranks to go through one by one, at most ``last + 1``.
    event_order : int64[n_events]
        Events by falling count; the i-th object of any rank belongs to event ``event_order[i]``.

    Examples
    --------
    >>> order = RankOrder(np.array([1, 0, 3]))
    >>> order.to_ranks(np.array([10, 20, 21, 22])).tolist(), order.part(1)
    ([20, 10, 21, 22], slice(2, 3, None))
    """

    def __init__(self, counts: Integers, last: int = LAST_RANK) -> None:
        self.counts, self.last = np.asarray(counts, np.int64), last
        self.n_objects = int(self.counts.sum())
        most = int(self.counts.max(initial=0))
        # NumPy sorts 16 bits ten times faster
        falling = -self.counts.astype(np.int16) if most < 1 << 15 else -self.counts
        self.event_order = np.argsort(falling, kind="stable")
        self.n_ranks = min(most, last + 1)
        self._sizes = np.bincount(self.counts, minlength=most + 1)[::-1].cumsum()[::-1][1:].tolist()
        self._starts = np.concatenate([[0], np.cumsum(self._sizes)]).astype(np.int64).tolist()

    def size(self, rank: int | None) -> int:
        """Objects of that rank, 0 for ranks that do not occur; without a rank, of all."""
        part = self.part(rank)
        return int(part.stop - part.start)

    def events_with(self, place: int) -> int:
        """Events that have an object in this place; they are the first so many of `event_order`."""
        return self._sizes[place] if place < len(self._sizes) else 0

    def part(self, rank: int | None) -> slice:
        """Where the objects of that rank are, empty for ranks that do not occur; without a rank, all."""
        if rank is None:
            return slice(0, self.n_objects)
        if not 0 <= rank < self.n_ranks:
            return slice(0, 0)
        return slice(self._starts[rank], self.n_objects if rank == self.last else self._starts[rank + 1])

    @computed_once
    def _offsets(self) -> Integers:
        """Index of the first object of each event, and one past the last."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.counts)])

    @computed_once
    def permutation(self) -> Integers:
        """Place in event order of each object in rank order, int64[n_objects]."""
        first = np.take(self._offsets, self.event_order)
        if self.n_objects > FEW * len(self._sizes):
            return self._prefixes(lambda place, size: first[:size] + place, np.dtype(np.int64), None)
        counts = np.take(self.counts, self.event_order)
        before = np.cumsum(counts) - counts
        place = np.arange(self.n_objects, dtype=np.int64) - np.repeat(before, counts)
        objects = np.repeat(first, counts) + place
        permutation: Integers = objects[np.argsort(place, kind="stable")]
        return permutation

    @computed_once
    def inverse(self) -> Integers:
        """Place in rank order of each object in event order, int64[n_objects]."""
        inverse = np.empty(self.n_objects, np.int64)
        inverse[self.permutation] = np.arange(self.n_objects)
        return inverse

    @computed_once
    def ranks(self) -> Integers:
        """Rank of each object in rank order, int64[n_objects]."""
        sizes = [self.size(rank) for rank in range(self.n_ranks)]
        return np.repeat(np.arange(self.n_ranks, dtype=np.int64), np.asarray(sizes, np.int64))

    def to_ranks(self, column: Array) -> Array:
        """A column from event order to rank order."""
        return np.take(column, self.permutation)

    def to_events(self, column: Array) -> Array:
        """A column from rank order to event order."""
        return np.take(column, self.inverse)

    def spread(self, per_event: Array, rank: int | None = None) -> Array:
        """A value per event to its objects, in rank order: of one rank, or of all."""
        return self.repeat(np.take(per_event, self.event_order), rank)

    def repeat(self, ordered: Array, rank: int | None = None) -> Array:
        """The same for values in `event_order`, of which only those of events with such objects are needed."""
        return self._prefixes(lambda _, size: ordered[:size], ordered.dtype, rank)

    def neighbour(self, column: Integers, offset: int, missing: int, rank: int | None = None) -> Integers:
        """The column's value ``offset`` ranks further in the same event (negative: before), or ``missing``.

        With ``rank``, only objects of that rank; ranks before it are all that a negative offset reads.
        """
        return self._prefixes(
            lambda place, size: self._neighbour_of(column, place + offset, size, offset, missing),
            column.dtype,
            rank,
        )

    def _neighbour_of(self, column: Integers, other: int, size: int, offset: int, missing: int) -> Integers:
        hidden = other < 0 or other >= len(self._sizes) or (offset < 0 and other >= self.last)
        known = 0 if hidden else min(size, self._sizes[other])
        if known == size:
            return column[self._starts[other] : self._starts[other] + size]
        out = np.full(size, missing, np.int64)
        if known:
            out[:known] = column[self._starts[other] : self._starts[other] + known]
        return out

    def _prefixes(
        self, of_place: Callable[[int, int], Array], dtype: np.dtype[Any], rank: int | None
    ) -> Array:
        """``of_place`` (place in the event, events with such an object) of one rank, or of all, one after the other."""
        if rank is not None and rank < self.last:
            return of_place(rank, self.size(rank))
        first = 0 if rank is None else self.last
        parts = [of_place(place, self._sizes[place]) for place in range(first, len(self._sizes))]
        return np.concatenate(parts) if parts else np.empty(0, dtype)


@dataclass(frozen=True)
class Ranked:
    """A column in rank order, and that order: whoever wants it in event order can permute while doing other work.

    Examples
    --------
    >>> Ranked(np.array([20, 10, 21, 22]), RankOrder(np.array([1, 0, 3]))).to_events().tolist()
    [10, 20, 21, 22]
    """

    column: Integers
    order: RankOrder

    def __len__(self) -> int:
        return len(self.column)

    def to_events(self) -> Integers:
        """The column in event order."""
        return self.order.to_events(self.column)
