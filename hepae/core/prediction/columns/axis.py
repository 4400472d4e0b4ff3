"""Constituents of a jet: where its axis is, and what of it is left."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.prediction.context import SMALLEST, ColumnKind, Context, Reach, octaves, of_ranks
from hepae.errors import ModelRejectedError

__all__ = ["Axis", "Left"]

TURN: Final = 2.0 * math.pi
SOFTENING: Final = 1.0 / 16.0
"""Where hardly anything is left of the total, the axis of the rest is that of the total."""
LEAST_LEFT: Final = 1.0 / 1024.0


class Axis(ColumnKind, frozen=True, tag="axis"):
    """Lattice point of `feature` (eta or phi) of the axis of the objects before, or of what they leave of a total.

    Parameters
    ----------
    pt, feature
        The weight, and the feature that is averaged.
    around
        Whether the feature is an azimuth.
    total, centre
        Event-level branches: pt and the same coordinate of the sum of all objects, where they are known. Then the
        axis is that of the objects that have not been seen yet.
    """

    pt: str
    feature: str
    around: bool = False
    total: str = ""
    centre: str = ""

    def __post_init__(self) -> None:
        if bool(self.total) != bool(self.centre):
            raise ModelRejectedError("an axis with half of its total", got=(self.total, self.centre))

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.pt, self.feature)

    def within(self, reach: Reach) -> bool:
        return set(self.needs) <= reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.once(self, rank, lambda: of_ranks(self._of_rank, context, rank))

    def _of_rank(self, context: Context, rank: int) -> Integers:
        lattice = context.lattices[self.feature]
        if rank == 0 and not self.centre:
            return np.full(context.order.size(rank), lattice.nearest(np.zeros(1))[0])
        seen, pull = context.before(self, rank, 2, self._momentum)
        reference = context.order.repeat(self._reference(context), rank)
        if self.centre:
            total = context.order.repeat(context.condition(self.total), rank)
            left = np.maximum(total - seen, 0.0) + total * SOFTENING
            away = -pull / np.maximum(left, SMALLEST)
        else:
            away = pull / np.maximum(seen, SMALLEST)
        values = reference + np.fmin(np.fmax(away, -1.0), 1.0)
        return lattice.nearest(_wrapped(values) if self.around else values)

    def _momentum(self, context: Context, rank: int) -> tuple[Floats, ...]:
        """What the objects of a rank add to the sums: pt, and pt times the distance from the reference."""
        pt, values = context.values(self.pt, rank), context.values(self.feature, rank)
        away = values - self._reference(context)[: len(values)]
        return pt, pt * (_wrapped(away) if self.around else away)

    def _reference(self, context: Context) -> Floats:
        """The coordinate of the total, or that of the first object, of events in the order of ranks."""
        return context.condition(self.centre) if self.centre else context.values(self.feature, 0)


class Left(ColumnKind, frozen=True, tag="left"):
    """Logarithm of what is left of a total momentum for each object to come, over the pt of the object before.

    Parameters
    ----------
    pt, phi
        Features of the objects before. Without phi, what they take is the sum of their pt.
    total, centre
        Event-level branches: pt and phi of the sum of all objects.
    """

    pt: str
    total: str
    phi: str = ""
    centre: str = ""

    def __post_init__(self) -> None:
        if bool(self.phi) != bool(self.centre):
            raise ModelRejectedError("half of an azimuth", got=(self.phi, self.centre))

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.pt, self.phi) if self.phi else (self.pt,)

    def within(self, reach: Reach) -> bool:
        return set(self.needs) <= reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._of_rank, context, rank)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        order = context.order
        (seen,) = context.before(self, rank, 1, self._along)
        total = order.repeat(context.condition(self.total), rank)
        left = np.maximum(total - seen, total * LEAST_LEFT)
        to_come = order.spread(order.counts, rank) - rank
        before = total if rank == 0 else order.repeat(context.values(self.pt, rank - 1), rank)
        return octaves(left / (np.maximum(before, SMALLEST) * to_come))

    def _along(self, context: Context, rank: int) -> tuple[Floats, ...]:
        """Components along the total; the cosine as a polynomial."""
        pt = context.values(self.pt, rank)
        if not self.phi:
            return (pt,)
        phi = context.values(self.phi, rank)
        away = _wrapped(phi - context.condition(self.centre)[: len(phi)])
        square = away * away
        return (pt * (1.0 - square * (0.5 - square * (1.0 / 24.0))),)


def _wrapped(angles: Floats) -> Floats:
    """Differences of azimuth, -pi to pi."""
    return np.asarray(angles - TURN * np.rint(angles * (1.0 / TURN)), np.float64)
