"""What the objects before and missing momentum leave unbalanced: where the next object must be."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic import exact as exactmath
from hepae.core.prediction.context import (
    MISSING,
    SMALLEST,
    ColumnKind,
    Context,
    Reach,
    finite,
    octaves,
    of_ranks,
)

__all__ = ["Ceiling", "Recoil", "RecoilPoint", "RecoilSize"]


class Recoil(ColumnKind, frozen=True, tag="recoil"):
    """Lattice point of the direction opposite to the vector sum of the objects before, and of missing momentum.

    `met` and `met_phi` are event-level branches or empty. What the objects and the missing momentum leave
    unbalanced is where the next object must be.
    """

    pt: str
    phi: str
    met: str = ""
    met_phi: str = ""

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.pt, self.phi)

    def within(self, reach: Reach) -> bool:
        return set(self.needs) <= reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._direction, context, rank)

    def _direction(self, context: Context, rank: int) -> Integers:
        x, y = self.balance(context, rank)
        return context.lattices[self.phi].nearest(exactmath.table_arctan2(y, x))

    def balance(self, context: Context, rank: int) -> tuple[Floats, Floats]:
        """Minus the vector sum of the objects before this rank and of the missing momentum, (x, y)."""
        return context.kept((self, rank), lambda: self._balance(context, rank))

    def _balance(self, context: Context, rank: int) -> tuple[Floats, Floats]:
        order = context.order
        if rank > 0:
            n = order.size(rank) if rank < order.last else order.size(rank - 1)
            x, y = self.balance(context, rank - 1)
            size = context.values(self.pt, rank - 1)[:n]
            cos, sin = (context.values(self.phi, rank - 1, transform)[:n] for transform in ("cos", "sin"))
            x, y = x[:n] - size * cos, y[:n] - size * sin
            return order.repeat(x, rank), order.repeat(y, rank)
        if not self.met:
            n = order.size(rank)
            return np.zeros(n), np.zeros(n)
        met, angle = (order.spread(finite(context.events[name]), rank) for name in (self.met, self.met_phi))
        return -met * exactmath.cos(angle), -met * exactmath.sin(angle)


class RecoilSize(ColumnKind, frozen=True, tag="recoil_size"):
    """Logarithm of the squared size of that recoil, over the pt of this object squared where `relative`."""

    optional: ClassVar[bool] = True

    recoil: Recoil
    relative: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def within(self, reach: Reach) -> bool:
        seen = reach.behind if not self.relative or self.recoil.pt in reach.here else reach.here
        return set(self.needs) <= seen

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._size, context, rank)

    def _size(self, context: Context, rank: int) -> Integers:
        x, y = self.recoil.balance(context, rank)
        size = x * x + y * y
        ratio = size
        if self.relative:
            pt = context.values(self.recoil.pt, rank)
            ratio = size / np.maximum(pt * pt, SMALLEST)
        return np.where(size > 0.0, octaves(ratio), MISSING)


class RecoilPoint(ColumnKind, frozen=True, tag="recoil_point"):
    """Lattice point, of pt, of the size of that recoil: what an object that balances the event alone would have."""

    optional: ClassVar[bool] = True

    recoil: Recoil

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def within(self, reach: Reach) -> bool:
        return set(self.needs) <= reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._point, context, rank)

    def _point(self, context: Context, rank: int) -> Integers:
        x, y = self.recoil.balance(context, rank)
        size = np.sqrt(x * x + y * y)
        return np.where(size > 0.0, context.lattices[self.recoil.pt].nearest(size), MISSING)


class Ceiling(ColumnKind, frozen=True, tag="ceiling"):
    """The pt of the object before, or that of the recoil where it is lower; of one that is missing, the other; or 0.

    Objects come in falling pt, and hardly any has more than what balances those before.
    """

    recoil: Recoil

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def within(self, reach: Reach) -> bool:
        return set(self.needs) <= reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        recoil = RecoilPoint(self.recoil).read(context, rank)
        before = context.order.neighbour(context.known[self.recoil.pt], -1, MISSING, rank)
        least = np.where((recoil == MISSING) | ((before != MISSING) & (before < recoil)), before, recoil)
        return np.where(least == MISSING, 0, least)
