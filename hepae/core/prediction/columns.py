"""Columns that a prediction may look at: integers, one per object, the same on every machine.

A column is a small frozen description (it round-trips through JSON inside the manifest). It is read from a `Context`,
which holds what is known of a chunk, for one rank or for all ranks at once. Columns that use the feature being
predicted do so through objects of smaller rank only.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic import exact as exactmath
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.axes import (
    MISSING,
    Axis,
    ConditionPoint,
    Leading,
    Left,
    MassShell,
    Nearest,
    Slope,
    of_ranks,
)
from hepae.core.prediction.context import Context, Memory, octaves
from hepae.core.prediction.ranks import RankOrder
from hepae.errors import ModelRejectedError

__all__ = [
    "MISSING",
    "Apart",
    "Axis",
    "Blend",
    "Ceiling",
    "Column",
    "Condition",
    "ConditionPoint",
    "Context",
    "Count",
    "Formula",
    "FormulaOffset",
    "Here",
    "Latent",
    "Leading",
    "Left",
    "MassShell",
    "Memory",
    "Mix",
    "Nearest",
    "Neighbour",
    "Predicted",
    "PredictedOffset",
    "Product",
    "Rank",
    "Recoil",
    "RecoilPoint",
    "RecoilSize",
    "Slope",
    "When",
]


OFFSET_MASK: Final = 63
"""The bits of a sum of tables that rounding takes off."""

SMALLEST: Final = 2.0**-40
BLOCK: Final = 8192


class Here(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="here"):
    """Lattice integer of a feature of the same object."""

    feature: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.known[self.feature], rank)


class Latent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="latent"):
    """Latent of a feature of the same object: by how much its own prediction was wrong."""

    feature: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.latents[self.feature], rank)


class Neighbour(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="neighbour"):
    """Lattice integer of a feature of another object of the event, ``offset`` ranks further."""

    feature: str
    offset: int

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.order.neighbour(context.known[self.feature], self.offset, MISSING, rank)


class Product(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="product"):
    """Logarithm of a product of powers of features: the sum of weight/`shift` bits times each logarithm."""

    features: tuple[str, ...]
    weights: tuple[int, ...]
    shift: int

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        total: Integers | None = None
        for feature, weight in zip(self.features, self.weights, strict=True):
            log = context.part(context.log(feature), rank)
            scaled = log if weight == 1 else log * weight
            total = scaled if total is None else total + scaled
        assert total is not None
        return np.asarray(total >> self.shift if self.shift else total, np.int64)


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mix"):
    """Sum of weight/2**`shift` times the lattice integer of each feature of the same object."""

    features: tuple[str, ...]
    weights: tuple[int, ...]
    shift: int

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        columns = [context.part(context.real(feature), rank) for feature in self.features]
        weights = [weight / (1 << self.shift) for weight in self.weights]
        out = np.empty(len(columns[0]), np.int64)
        total, product = np.empty((2, min(BLOCK, len(out))))
        for start in range(0, len(out), BLOCK):
            stop = min(start + BLOCK, len(out))
            summed, one = total[: stop - start], product[: stop - start]
            np.multiply(columns[0][start:stop], weights[0], out=summed)
            summed += 0.5
            for column, weight in zip(columns[1:], weights[1:], strict=True):
                np.multiply(column[start:stop], weight, out=one)
                summed += one
            np.floor(summed, out=summed)
            out[start:stop] = summed
        return out


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="count"):
    """Objects in the event."""

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.order.spread(context.order.counts, rank)


class Rank(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="rank"):
    """Place of the object in its event, from 0."""

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.order.ranks, rank)


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="condition"):
    """An event-level branch: its value times `scale`, or the logarithm of its magnitude where `scale` is None."""

    branch: str
    scale: float | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def read(self, context: Context, rank: int | None) -> Integers:
        values = np.asarray(context.events[self.branch]).astype(np.float64)
        finite = np.isfinite(values)
        values = np.where(finite, values, 0.0)
        if self.scale is None:
            integers = octaves(values)
        else:
            integers = np.rint(np.clip(values * self.scale, -(2.0**40), 2.0**40)).astype(np.int64)
        return context.order.spread(np.where(finite, integers, MISSING), rank)


class Formula(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="formula"):
    """Lattice point of `target` that a formula of `kinematics` gives for the restored values of features."""

    formula: str
    target: str
    features: tuple[str, ...]

    def __post_init__(self) -> None:
        formula = kinematics.FORMULAS.get(self.formula)
        if formula is None or len(formula.transforms) != len(self.features):
            raise ModelRejectedError("no such formula", got=(self.formula, *self.features))

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        return kinematics.nearest_point(context.lattices[self.target], self.values(context, rank))

    def values(self, context: Context, rank: int | None) -> Floats:
        """What the formula gives, before it is moved to a lattice point."""
        formula = kinematics.FORMULAS[self.formula]
        arguments = zip(self.features, formula.transforms, strict=True)
        return formula.function(
            *(context.values(feature, rank, transform) for feature, transform in arguments)
        )


class FormulaOffset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="formula_offset"):
    """How far the value of a formula is from the lattice point that `Formula` gives, in 1/64 of the spacing."""

    point: Formula | MassShell

    @property
    def needs(self) -> tuple[str, ...]:
        return self.point.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        lattice = context.lattices[self.point.target]
        values = self.point.values(context, rank)
        here = kinematics.nearest_point(lattice, values)
        above, below = lattice.centres(here + 1), lattice.centres(here - 1)
        offset = 128.0 * (values - lattice.centres(here)) / np.maximum(above - below, SMALLEST)
        finite = np.where(np.isfinite(offset), offset, 0.0)
        return np.asarray(np.floor(np.clip(finite, -128.0, 127.0)), np.int64)


class Predicted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="predicted"):
    """The prediction of the feature that is being coded, before its residual is known; not where ranks go in turn."""

    feature: str

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.predictions[self.feature], rank)


class PredictedOffset(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="predicted_offset"):
    """What was rounded off that prediction."""

    feature: str

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.fine[self.feature] & OFFSET_MASK, rank)


class Blend(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="blend"):
    """Lattice point of `target` nearest to a linear combination of the restored values of other features."""

    target: str
    features: tuple[str, ...]
    weights: tuple[float, ...]
    constant: float

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        total: Floats | float = self.constant
        for feature, weight in zip(self.features, self.weights, strict=True):
            total = total + context.values(feature, rank) * weight
        return kinematics.nearest_point(context.lattices[self.target], np.asarray(total))


class When(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="when"):
    """Another column for the ``first``, ``later`` or ``last`` objects of events alone, missing for all others."""

    which: Literal["first", "later", "last"]
    column: Condition | Neighbour

    @property
    def needs(self) -> tuple[str, ...]:
        return self.column.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        column, order = self.column.read(context, rank), context.order
        out = np.full(len(column), MISSING, np.int64)
        for one in range(order.n_ranks) if rank is None else (rank,):
            begin, part = (order.part(one).start if rank is None else 0), self._objects(order, one)
            here = slice(begin + part.start, begin + part.stop)
            out[here] = column[here]
        return out

    def _objects(self, order: RankOrder, rank: int) -> slice:
        """Which objects of a rank: events are sorted by falling number of objects, so they are neighbours."""
        if self.which == "last":
            return slice(order.events_with(rank + 1) if rank < order.last else 0, order.size(rank))
        return slice(0, order.size(rank) if (rank == 0) == (self.which == "first") else 0)


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


class Apart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="apart"):
    """By how much a column is above another, `base`; around a circle of so many integers unless `length` is 0."""

    column: Here | Neighbour | Leading | Nearest | Formula | Axis
    base: ConditionPoint | Axis | Formula | Here | Neighbour | Leading | RecoilPoint
    length: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.column.needs, *self.base.needs)

    def read(self, context: Context, rank: int | None) -> Integers:
        above, below = self.column.read(context, rank), self.base.read(context, rank)
        apart = above - below
        if self.length > 0:
            apart = (apart + self.length // 2) % self.length - self.length // 2
        return np.where((above == MISSING) | (below == MISSING), MISSING, apart)


Column = (
    Here
    | Latent
    | Neighbour
    | Product
    | Mix
    | Count
    | Rank
    | Condition
    | Formula
    | FormulaOffset
    | Predicted
    | PredictedOffset
    | Recoil
    | RecoilSize
    | RecoilPoint
    | Ceiling
    | Blend
    | When
    | ConditionPoint
    | Leading
    | Nearest
    | Axis
    | Left
    | MassShell
    | Slope
    | Apart
)
