"""What the objects before and missing momentum leave unbalanced: where the next object must be."""

from __future__ import annotations

import msgspec
import numpy as np

from hepae.arrays import Integers
from hepae.core.arithmetic import exact as exactmath
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.columns.objects import Neighbour
from hepae.core.prediction.context import MISSING, SMALLEST, Context, octaves, of_ranks

__all__ = ["Ceiling", "Recoil", "RecoilPoint", "RecoilSize"]


class Recoil(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recoil"):
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

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._direction, context, rank)

    def _direction(self, context: Context, rank: int) -> Integers:
        x, y = context.balance(self, rank)
        return kinematics.nearest_point(context.lattices[self.phi], exactmath.table_arctan2(y, x))


class RecoilSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recoil_size"):
    """Logarithm of the squared size of that recoil, over the pt of this object squared where `relative`."""

    recoil: Recoil
    relative: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._size, context, rank)

    def _size(self, context: Context, rank: int) -> Integers:
        x, y = context.balance(self.recoil, rank)
        size = x * x + y * y
        ratio = size
        if self.relative:
            pt = context.values(self.recoil.pt, rank)
            ratio = size / np.maximum(pt * pt, SMALLEST)
        return np.where(size > 0.0, octaves(ratio), MISSING)


class RecoilPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recoil_point"):
    """Lattice point, of pt, of the size of that recoil: what an object that balances the event alone would have."""

    recoil: Recoil

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._point, context, rank)

    def _point(self, context: Context, rank: int) -> Integers:
        x, y = context.balance(self.recoil, rank)
        size = np.sqrt(x * x + y * y)
        return np.where(size > 0.0, kinematics.nearest_point(context.lattices[self.recoil.pt], size), MISSING)


class Ceiling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ceiling"):
    """The pt of the object before, or that of the recoil where it is lower; of one that is missing, the other; or 0.

    Objects come in falling pt, and hardly any has more than what balances those before.
    """

    recoil: Recoil

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        points = RecoilPoint(self.recoil), Neighbour(self.recoil.pt, -1)
        recoil, before = (np.asarray(point.read(context, rank)) for point in points)
        least = np.where((recoil == MISSING) | ((before != MISSING) & (before < recoil)), before, recoil)
        return np.where(least == MISSING, 0, least)
