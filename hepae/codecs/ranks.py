"""Rank order: all first objects of a chunk, then all second ones, and so on.

Codecs keep columns in this order while they work. Events are sorted by falling number of objects, so the events that
have an object of rank k are the first so many of them: "the previous object" of a whole rank is a slice, never a
gather, and nothing loops over events.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepae.collection import offsets

__all__ = ["RankOrder"]


class RankOrder:
    """The rank order of a chunk.

    Parameters
    ----------
    counts
        Objects per event, int64[n_events].

    Attributes
    ----------
    n_objects, n_ranks : int
        Objects in the chunk, and in its largest event.
    starts : int64[n_ranks + 1]
        Where each rank begins; rank k is ``starts[k]`` to ``starts[k + 1]``.
    event_order : int64[n_events]
        Events by falling count; the i-th object of any rank belongs to event ``event_order[i]``.

    Examples
    --------
    >>> order = RankOrder(np.array([1, 0, 3]))
    >>> order.to_ranks(np.array([10, 20, 21, 22])).tolist(), order.starts.tolist()
    ([20, 10, 21, 22], [0, 2, 3, 4])
    """

    def __init__(self, counts: NDArray[np.int64]) -> None:
        self.counts = np.asarray(counts, np.int64)
        self.event_order = np.argsort(-self.counts, kind="stable")
        self.n_objects = int(self.counts.sum())
        self.n_ranks = int(self.counts.max(initial=0))
        having = np.bincount(self.counts, minlength=self.n_ranks + 1)[::-1].cumsum()[::-1][1:]
        self.starts = np.concatenate([[0], np.cumsum(having)]).astype(np.int64)

    def size(self, rank: int) -> int:
        """Events with an object of that rank; 0 for ranks that do not occur."""
        return int(self.starts[rank + 1] - self.starts[rank]) if 0 <= rank < self.n_ranks else 0

    def part(self, rank: int) -> slice:
        """Where the objects of that rank are."""
        return slice(int(self.starts[rank]), int(self.starts[rank + 1]))

    @cached_property
    def permutation(self) -> NDArray[np.int64]:
        """Place in event order of each object in rank order, int64[n_objects]."""
        first = offsets(self.counts)[:-1][self.event_order]
        places = [first[: self.size(rank)] + rank for rank in range(self.n_ranks)]
        return np.concatenate(places) if places else np.empty(0, np.int64)

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """Rank of each object in rank order, int64[n_objects]."""
        return np.repeat(np.arange(self.n_ranks, dtype=np.int64), np.diff(self.starts))

    def to_ranks(self, column: NDArray[Any]) -> NDArray[Any]:
        """A column from event order to rank order."""
        return np.take(column, self.permutation)

    def to_events(self, column: NDArray[Any]) -> NDArray[Any]:
        """A column from rank order to event order."""
        out = np.empty_like(column)
        out[self.permutation] = column
        return out

    def spread(self, per_event: NDArray[Any], rank: int | None = None) -> NDArray[Any]:
        """A value per event to its objects, in rank order: of one rank, or of all."""
        ordered = np.take(per_event, self.event_order)
        return self.by_rank(lambda k: ordered[: self.size(k)], ordered.dtype, rank)

    def neighbour(
        self, column: NDArray[np.int64], offset: int, missing: int, rank: int | None = None
    ) -> NDArray[np.int64]:
        """The column's value ``offset`` ranks further in the same event (negative: before), or ``missing``.

        With ``rank``, only objects of that rank; ranks before it are all that a negative offset reads.
        """
        return self.by_rank(lambda k: self._neighbour_of(column, k, k + offset, missing), column.dtype, rank)

    def _neighbour_of(
        self, column: NDArray[np.int64], rank: int, other: int, missing: int
    ) -> NDArray[np.int64]:
        out = np.full(self.size(rank), missing, np.int64)
        known = min(self.size(rank), self.size(other))
        if known:
            start = int(self.starts[other])
            out[:known] = column[start : start + known]
        return out

    def by_rank(
        self, of_rank: Callable[[int], NDArray[Any]], dtype: np.dtype[Any], rank: int | None = None
    ) -> NDArray[Any]:
        """``of_rank`` of one rank, or of all ranks one after the other."""
        if rank is not None:
            return of_rank(rank)
        parts = [of_rank(k) for k in range(self.n_ranks)]
        return np.concatenate(parts) if parts else np.empty(0, dtype)
