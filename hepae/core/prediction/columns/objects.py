"""Columns of one object: of the same, of another rank, of the one nearest."""

from __future__ import annotations

from typing import ClassVar, Final

import numpy as np

from hepae.arrays import Integers
from hepae.core.prediction.context import MISSING, ColumnKind, Context, Reach, of_ranks

__all__ = ["Count", "Here", "Latent", "Leading", "Nearest", "Neighbour", "Rank"]

FARTHEST: Final = (1 << 63) - 1


class Here(ColumnKind, frozen=True, tag="here"):
    """Lattice integer of a feature of the same object."""

    feature: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.known[self.feature], rank)


class Latent(ColumnKind, frozen=True, tag="latent"):
    """Latent of a feature of the same object: by how much its own prediction was wrong."""

    feature: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    @property
    def latents(self) -> tuple[str, ...]:
        return (self.feature,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.latents[self.feature], rank)


class Neighbour(ColumnKind, frozen=True, tag="neighbour"):
    """Lattice integer of a feature of another object of the event, ``offset`` ranks further."""

    optional: ClassVar[bool] = True

    feature: str
    offset: int

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    def within(self, reach: Reach) -> bool:
        return self.feature in (
            reach.behind if self.offset < 0 else reach.ahead if self.offset > 0 else reach.here
        )

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.order.neighbour(context.known[self.feature], self.offset, MISSING, rank)


class Leading(ColumnKind, frozen=True, tag="leading"):
    """Lattice integer of a feature of the object number `place` of the event, for the objects of later ranks."""

    optional: ClassVar[bool] = True

    feature: str
    place: int

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    def within(self, reach: Reach) -> bool:
        return self.feature in reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._of_rank, context, rank)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        order = context.order
        if not 0 <= self.place < min(rank, order.last):
            return np.full(order.size(rank), MISSING)
        return order.repeat(context.known[self.feature][order.part(self.place)], rank)


class Nearest(ColumnKind, frozen=True, tag="nearest"):
    """Lattice integer of a feature of that of the first `most` objects before that is nearest in feature `by`."""

    optional: ClassVar[bool] = True

    feature: str
    by: str
    most: int

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature, self.by)

    def within(self, reach: Reach) -> bool:
        return self.by in reach.here and self.feature in reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.once(self, rank, lambda: of_ranks(self._of_rank, context, rank))

    def _of_rank(self, context: Context, rank: int) -> Integers:
        order = context.order
        here = context.part(context.known[self.by], rank)
        found, least = np.full(len(here), MISSING), np.full(len(here), FARTHEST)
        for place in range(min(rank, order.last, self.most)):
            part = order.part(place)
            distance = np.abs(here - order.repeat(context.known[self.by][part], rank))
            nearer = distance < least
            least = np.where(nearer, distance, least)
            found = np.where(nearer, order.repeat(context.known[self.feature][part], rank), found)
        return found


class Count(ColumnKind, frozen=True, tag="count"):
    """Objects in the event."""

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.order.spread(context.order.counts, rank)


class Rank(ColumnKind, frozen=True, tag="rank"):
    """Place of the object in its event, from 0."""

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.order.ranks, rank)
