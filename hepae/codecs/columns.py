"""Columns that a prediction may look at: integers, one per object, the same on every machine.

A column is a small frozen description (it round-trips through JSON inside the manifest). It is read from a `Context`,
which holds what is known of a chunk, for one rank or for all ranks at once. Columns that use the feature being
predicted do so through objects of smaller rank only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae import exactmath, kinematics
from hepae.codecs.ranks import LAST_RANK, RankOrder
from hepae.lattice import Lattice

__all__ = [
    "MISSING",
    "Column",
    "Condition",
    "Context",
    "Count",
    "Formula",
    "FormulaOffset",
    "Here",
    "Latent",
    "Mix",
    "Neighbour",
    "Product",
    "Rank",
    "Recoil",
    "RecoilSize",
]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Number = TypeVar("Number", np.int64, np.float64)

MISSING: Final = -(1 << 62)
"""Stands for "there is no such object" in a column; a table has an entry of its own for it."""

LOG_UNIT: Final = 1024.0
"""Logarithms are kept as integers in this fraction of one."""

SMALLEST: Final = 2.0**-40
LARGEST_INTEGER: Final = 2.0**40
BLOCK: Final = 8192


TRANSFORMS: Final = {
    "value": lambda x: x,
    "cos": exactmath.cos,
    "sin": exactmath.sin,
    "cosh": lambda x: exactmath.cosh(np.clip(x, -kinematics.ETA_LARGEST, kinematics.ETA_LARGEST)),
    "sinh": lambda x: exactmath.sinh(np.clip(x, -kinematics.ETA_LARGEST, kinematics.ETA_LARGEST)),
    "log": lambda x: np.rint(exactmath.log(np.maximum(np.abs(x), SMALLEST)) * LOG_UNIT).astype(np.int64),
}
"""Functions of one restored value, which are tabulated over the lattice."""

TABLE_ALIGNMENT: Final = 12
"""Tables begin and end at multiples of this power of two, so that chunks share them."""


class Context:
    """What is known of a chunk while it is coded.

    Parameters
    ----------
    order
        Rank order of the chunk; all object columns here are in it.
    lattices
        Lattice of each feature.
    events
        Event-level columns by branch name, [n_events], in event order.

    Attributes
    ----------
    known : dict of int64[n_objects]
        Lattice integers of the features decoded so far. While a feature is decoded rank by rank, its array is there
        and filled up to the current rank.
    latents : dict of int64[n_objects]
        Lattice integer minus prediction, for the features of which a column `Latent` asks for.
    """

    def __init__(
        self, order: RankOrder, lattices: Mapping[str, Lattice], events: Mapping[str, NDArray[np.generic]]
    ) -> None:
        self.order, self.lattices, self.events = order, lattices, events
        self.known: dict[str, Integers] = {}
        self.latents: dict[str, Integers] = {}
        self._logs: dict[str, Integers] = {}
        self._reals: dict[str, Floats] = {}
        self._balances: dict[tuple[Recoil, int], tuple[Floats, Floats]] = {}

    def part(self, column: NDArray[Number], rank: int | None) -> NDArray[Number]:
        """The objects of one rank, or all."""
        return column if rank is None else column[self.order.part(rank)]

    def values(self, feature: str, rank: int | None = None, transform: str = "value") -> NDArray[Any]:
        """A function (`TRANSFORMS`) of the restored values of a feature."""
        q = self.part(self.known[feature], rank)
        low, high = (int(q.min()), int(q.max())) if len(q) else (0, 0)
        low, high = low >> TABLE_ALIGNMENT, (high >> TABLE_ALIGNMENT) + 1
        lattice = self.lattices[feature]
        if high - low > max(4, len(q) >> TABLE_ALIGNMENT):
            return np.asarray(TRANSFORMS[transform](lattice.centres(q)))
        return _table(lattice, transform, low, high).take(q - (low << TABLE_ALIGNMENT))

    def log(self, feature: str) -> Integers:
        """Logarithm of the magnitude of the restored values, as integers in units of 1/`LOG_UNIT`."""
        if feature not in self._logs:
            self._logs[feature] = self.values(feature, None, "log")
        return self._logs[feature]

    def real(self, feature: str) -> Floats:
        """Lattice integers as float64, which multiplies several times faster than int64."""
        if feature not in self._reals:
            self._reals[feature] = self.known[feature].astype(np.float64)
        return self._reals[feature]

    def balance(self, recoil: Recoil, rank: int) -> tuple[Floats, Floats]:
        """Minus the vector sum of the objects before this rank and of the missing momentum, (x, y)."""
        if (recoil, rank) not in self._balances:
            self._balances[recoil, rank] = self._balance(recoil, rank)
        return self._balances[recoil, rank]

    def _balance(self, recoil: Recoil, rank: int) -> tuple[Floats, Floats]:
        if rank > 0:
            n = self.order.size(rank) if rank < LAST_RANK else self.order.size(rank - 1)
            x, y = self.balance(recoil, rank - 1)
            size = self.values(recoil.pt, rank - 1)[:n]
            cos, sin = (self.values(recoil.phi, rank - 1, transform)[:n] for transform in ("cos", "sin"))
            x, y = x[:n] - size * cos, y[:n] - size * sin
            return self.order.repeat(x, rank), self.order.repeat(y, rank)
        if not recoil.met:
            n = self.order.size(rank)
            return np.zeros(n), np.zeros(n)
        met, angle = (_finite(self, branch, rank) for branch in (recoil.met, recoil.met_phi))
        return -met * exactmath.cos(angle), -met * exactmath.sin(angle)


@functools.lru_cache(maxsize=256)
def _table(lattice: Lattice, transform: str, low: int, high: int) -> NDArray[Any]:
    q = np.arange(low << TABLE_ALIGNMENT, high << TABLE_ALIGNMENT, dtype=np.int64)
    return np.asarray(TRANSFORMS[transform](lattice.centres(q)))


def _octaves(values: Floats) -> Integers:
    """A logarithm that is linear between powers of two: cheap, rising, and exact arithmetic."""
    mantissa, power = np.frexp(np.maximum(np.abs(values), SMALLEST))
    return np.rint((mantissa * 2.0 + power) * LOG_UNIT).astype(np.int64)


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
        return total >> self.shift if self.shift else total


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
            integers = _octaves(values)
        else:
            integers = np.rint(np.clip(values * self.scale, -LARGEST_INTEGER, LARGEST_INTEGER)).astype(
                np.int64
            )
        return context.order.spread(np.where(finite, integers, MISSING), rank)


class Formula(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="formula"):
    """Lattice point of `target` that a formula of `hepae.kinematics` gives for the restored values of features."""

    formula: str
    target: str
    features: tuple[str, ...]

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

    point: Formula

    @property
    def needs(self) -> tuple[str, ...]:
        return self.point.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        lattice = context.lattices[self.point.target]
        values = self.point.values(context, rank)
        here = kinematics.nearest_point(lattice, values)
        above, below = lattice.centres(here + 1), lattice.centres(here - 1)
        offset = 128.0 * (values - lattice.centres(here)) / np.maximum(above - below, SMALLEST)
        return np.floor(np.clip(np.where(np.isfinite(offset), offset, 0.0), -128.0, 127.0)).astype(np.int64)


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
        return _of_ranks(self._direction, context, rank)

    def _direction(self, context: Context, rank: int) -> Integers:
        x, y = context.balance(self, rank)
        return kinematics.nearest_point(context.lattices[self.phi], exactmath.table_arctan2(y, x))


def _of_ranks(of_rank: Callable[[Context, int], Integers], context: Context, rank: int | None) -> Integers:
    """A function of one rank, or of all ranks one after the other."""
    if rank is not None:
        return of_rank(context, rank)
    return np.concatenate(
        [np.empty(0, np.int64), *(of_rank(context, k) for k in range(context.order.n_ranks))]
    )


def _finite(context: Context, branch: str, rank: int) -> Floats:
    values = context.order.spread(np.asarray(context.events[branch]).astype(np.float64), rank)
    return np.where(np.abs(values) < LARGEST_INTEGER, values, 0.0)


class RecoilSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recoil_size"):
    """Logarithm of the squared size of that recoil, over the pt of this object squared where `relative`."""

    recoil: Recoil
    relative: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        return _of_ranks(self._size, context, rank)

    def _size(self, context: Context, rank: int) -> Integers:
        x, y = context.balance(self.recoil, rank)
        size = x * x + y * y
        ratio = size
        if self.relative:
            pt = context.values(self.recoil.pt, rank)
            ratio = size / np.maximum(pt * pt, SMALLEST)
        return np.where(size > 0.0, _octaves(ratio), MISSING)


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
    | Recoil
    | RecoilSize
)
