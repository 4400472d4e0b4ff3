"""Columns for the constituents of a jet: where its axis is, what of it is left, which object before is near.

As those of `columns`, integers that are the same on every machine. Each looks at event-level branches, at
features before the one that is coded, and at that one in objects of smaller rank only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.context import Context, finite, octaves
from hepae.errors import ModelRejectedError

__all__ = [
    "MISSING",
    "Axis",
    "ConditionPoint",
    "Leading",
    "Left",
    "MassShell",
    "Nearest",
    "Slope",
    "of_ranks",
]


MISSING: Final = -(1 << 62)
"""Stands for "there is no such object" in a column; a table has an entry of its own for it."""

SMALLEST: Final = 2.0**-40
FARTHEST: Final = (1 << 63) - 1
TURN: Final = 2.0 * math.pi
SOFTENING: Final = 1.0 / 16.0
"""Where hardly anything is left of the total, the axis of the rest is that of the total."""
LEAST_LEFT: Final = 1.0 / 1024.0


def of_ranks(of_rank: Callable[[Context, int], Integers], context: Context, rank: int | None) -> Integers:
    """A function of one rank, or of all ranks one after the other."""
    if rank is not None:
        return of_rank(context, rank)
    return np.concatenate(
        [np.empty(0, np.int64), *(of_rank(context, k) for k in range(context.order.n_ranks))]
    )


def _wrapped(angles: Floats) -> Floats:
    """Differences of azimuth, -pi to pi."""
    return np.asarray(angles - TURN * np.rint(angles * (1.0 / TURN)), np.float64)


class ConditionPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="condition_point"):
    """Lattice point of `target` nearest to the value of an event-level branch."""

    target: str
    branch: str

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    def read(self, context: Context, rank: int | None) -> Integers:
        point = context.of_events(self, self._points)
        return context.order.repeat(point, rank)

    def _points(self, context: Context) -> Integers:
        values = finite(context.events[self.branch])
        points = kinematics.nearest_point(context.lattices[self.target], values)
        return np.asarray(np.take(points, context.order.event_order), np.int64)


class Leading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="leading"):
    """Lattice integer of a feature of the object number `place` of the event, for the objects of later ranks."""

    feature: str
    place: int

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._of_rank, context, rank)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        order = context.order
        if not 0 <= self.place < min(rank, order.last):
            return np.full(order.size(rank), MISSING)
        return order.repeat(context.known[self.feature][order.part(self.place)], rank)


class Nearest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="nearest"):
    """Lattice integer of a feature of that of the first `most` objects before that is nearest in feature `by`."""

    feature: str
    by: str
    most: int

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature, self.by)

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


class Axis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="axis"):
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

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.once(self, rank, lambda: of_ranks(self._of_rank, context, rank))

    def _of_rank(self, context: Context, rank: int) -> Integers:
        lattice = context.lattices[self.feature]
        if rank == 0 and not self.centre:
            return np.full(context.order.size(rank), kinematics.nearest_point(lattice, np.zeros(1))[0])
        seen, pull = context.before(self, rank, 2, self._momentum)
        reference = context.order.repeat(self._reference(context), rank)
        if self.centre:
            total = context.order.repeat(_condition(context, self.total), rank)
            left = np.maximum(total - seen, 0.0) + total * SOFTENING
            away = -pull / np.maximum(left, SMALLEST)
        else:
            away = pull / np.maximum(seen, SMALLEST)
        values = reference + np.fmin(np.fmax(away, -1.0), 1.0)
        return kinematics.nearest_point(lattice, _wrapped(values) if self.around else values)

    def _momentum(self, context: Context, rank: int) -> tuple[Floats, ...]:
        """What the objects of a rank add to the sums: pt, and pt times the distance from the reference."""
        pt, values = context.values(self.pt, rank), context.values(self.feature, rank)
        away = values - self._reference(context)[: len(values)]
        return pt, pt * (_wrapped(away) if self.around else away)

    def _reference(self, context: Context) -> Floats:
        """The coordinate of the total, or that of the first object, of events in the order of ranks."""
        return _condition(context, self.centre) if self.centre else context.values(self.feature, 0)


class Left(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="left"):
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

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._of_rank, context, rank)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        order = context.order
        (seen,) = context.before(self, rank, 1, self._along)
        total = order.repeat(_condition(context, self.total), rank)
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
        away = _wrapped(phi - _condition(context, self.centre)[: len(phi)])
        square = away * away
        return (pt * (1.0 - square * (0.5 - square * (1.0 / 24.0))),)


class MassShell(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="mass_shell"):
    """Lattice point of the energy of a momentum and a mass that depends on the kind of the object.

    Parameters
    ----------
    target, features
        The energy, and the three components of the momentum.
    kind
        A feature with few values.
    first, masses
        Lattice integer of the first mass; the masses of this one and those that follow. Beyond, the nearest counts.
    """

    target: str
    features: tuple[str, str, str]
    kind: str
    first: int
    masses: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.masses:
            raise ModelRejectedError("no masses", got=self.masses)

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.features, self.kind)

    def read(self, context: Context, rank: int | None) -> Integers:
        return kinematics.nearest_point(context.lattices[self.target], self.values(context, rank))

    def values(self, context: Context, rank: int | None) -> Floats:
        """The energy, before it is moved to a lattice point."""
        kinds = context.part(context.known[self.kind], rank)
        place = np.clip(kinds, self.first, self.first + len(self.masses) - 1) - self.first
        mass = np.take(np.asarray(self.masses, np.float64), place)
        px, py, pz = (context.values(feature, rank) for feature in self.features)
        return kinematics.energy_cartesian_massive(px, py, pz, mass)


class Slope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="slope"):
    """Logarithm of the magnitude of the tangent of an azimuth."""

    phi: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.phi,)

    def read(self, context: Context, rank: int | None) -> Integers:
        sine, cosine = (context.values(self.phi, rank, transform) for transform in ("sin", "cos"))
        return octaves(sine) - octaves(cosine)


def _condition(context: Context, branch: str) -> Floats:
    """Values of an event-level branch, of events in the order of ranks."""

    def values(_: Context) -> Floats:
        return np.asarray(np.take(finite(context.events[branch]), context.order.event_order), np.float64)

    return context.of_events(branch, values)
