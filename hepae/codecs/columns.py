"""Columns that a prediction may look at: integers, one per object, the same on every machine.

A column is a small frozen description (it round-trips through JSON inside the manifest). It is read from a `Context`,
which holds what is known of a chunk, for one rank or for all ranks at once. Columns that use the feature being
predicted do so through objects of smaller rank only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae import exactmath, kinematics
from hepae.codecs.ranks import RankOrder
from hepae.lattice import Lattice

__all__ = [
    "MISSING",
    "Column",
    "Condition",
    "Context",
    "Count",
    "Formula",
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

MISSING: Final = -(1 << 62)
"""Stands for "there is no such object" in a column; a table has an entry of its own for it."""

LOG_UNIT: Final = 1024.0
"""Logarithms are kept as integers in this fraction of one."""

SMALLEST: Final = 2.0**-40
LARGEST_INTEGER: Final = 2.0**40


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
        self._momenta: dict[tuple[str, str, int], tuple[Floats, Floats]] = {}

    def part(self, column: Integers, rank: int | None) -> Integers:
        """The objects of one rank, or all."""
        return column if rank is None else column[self.order.part(rank)]

    def values(self, feature: str, rank: int | None = None) -> Floats:
        """Restored values as float64."""
        return self.lattices[feature].centres(self.part(self.known[feature], rank))

    def log(self, feature: str) -> Integers:
        """Logarithm of the magnitude of the restored values, as integers in units of 1/`LOG_UNIT`."""
        if feature not in self._logs:
            self._logs[feature] = _log_of(self.lattices[feature], self.known[feature])
        return self._logs[feature]

    def momentum(self, pt: str, phi: str, rank: int) -> tuple[Floats, Floats]:
        """Transverse momentum (x, y) of the objects of one rank."""
        key = (pt, phi, rank)
        if key not in self._momenta:
            size, angle = self.values(pt, rank), self.values(phi, rank)
            self._momenta[key] = size * exactmath.cos(angle), size * exactmath.sin(angle)
        return self._momenta[key]


def _log_of(lattice: Lattice, q: Integers) -> Integers:
    """Evaluated once per integer of the range where that is the shorter way."""
    low, high = (int(q.min()), int(q.max())) if len(q) else (0, 0)
    if high - low >= len(q):
        return _log_integers(lattice.centres(q))
    return np.take(_log_integers(lattice.centres(np.arange(low, high + 1, dtype=np.int64))), q - low)


def _log_integers(values: Floats) -> Integers:
    return np.rint(exactmath.log(np.maximum(np.abs(values), SMALLEST)) * LOG_UNIT).astype(np.int64)


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
        total = np.zeros((), np.int64)
        for feature, weight in zip(self.features, self.weights, strict=True):
            total = total + context.part(context.log(feature), rank) * weight
        return np.asarray(total >> self.shift, np.int64)


class Mix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mix"):
    """Sum of weight/2**`shift` times the lattice integer of each feature of the same object."""

    features: tuple[str, ...]
    weights: tuple[int, ...]
    shift: int

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        total = np.full((), 1 << self.shift >> 1, np.int64)
        for feature, weight in zip(self.features, self.weights, strict=True):
            total = total + context.part(context.known[feature], rank) * weight
        return np.asarray(total >> self.shift, np.int64)


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
            integers = _log_integers(values)
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
        function = kinematics.FORMULAS[self.formula][2]
        values = function(*(context.values(feature, rank) for feature in self.features))
        return kinematics.nearest_point(context.lattices[self.target], values)


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
        return context.order.by_rank(lambda k: self._direction(context, k), np.dtype(np.int64), rank)

    def _direction(self, context: Context, rank: int) -> Integers:
        x, y = self.balance(context, rank)
        return kinematics.nearest_point(context.lattices[self.phi], exactmath.arctan2(y, x))

    def balance(self, context: Context, rank: int) -> tuple[Floats, Floats]:
        """Minus the vector sum of the objects before this rank and of the missing momentum."""
        n = context.order.size(rank)
        x, y = np.zeros(n), np.zeros(n)
        for before in range(rank):
            px, py = context.momentum(self.pt, self.phi, before)
            x -= px[:n]
            y -= py[:n]
        if self.met:
            size, angle = (_finite(context, branch, rank) for branch in (self.met, self.met_phi))
            x -= size * exactmath.cos(angle)
            y -= size * exactmath.sin(angle)
        return x, y


def _finite(context: Context, branch: str, rank: int) -> Floats:
    values = context.order.spread(np.asarray(context.events[branch]).astype(np.float64), rank)
    return np.where(np.abs(values) < LARGEST_INTEGER, values, 0.0)


class RecoilSize(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="recoil_size"):
    """Logarithm of the size of that recoil, over the pt of this object where `relative`."""

    recoil: Recoil
    relative: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        return self.recoil.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.order.by_rank(lambda k: self._size(context, k), np.dtype(np.int64), rank)

    def _size(self, context: Context, rank: int) -> Integers:
        x, y = self.recoil.balance(context, rank)
        size = np.sqrt(x * x + y * y)
        logarithm = np.where(size > 0.0, _log_integers(size), MISSING)
        if not self.relative:
            return logarithm
        return np.where(
            size > 0.0, logarithm - context.log(self.recoil.pt)[context.order.part(rank)], MISSING
        )


Column = Here | Latent | Neighbour | Product | Mix | Count | Rank | Condition | Formula | Recoil | RecoilSize
