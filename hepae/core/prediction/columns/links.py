"""Columns of linked rows: of another table, along a link, or of the row of the same table that an index names."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic import exact as exactmath
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.context import MISSING, ColumnKind, Context, Reach, of_ranks

__all__ = ["Given", "GivenPoint", "Mother", "Remainder", "Siblings"]


class Given(ColumnKind, frozen=True, tag="given"):
    """Lattice integer of a given column: the value of the linked row, missing where there is none."""

    optional: ClassVar[bool] = True

    name: str

    @property
    def given(self) -> tuple[str, ...]:
        return (self.name,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.kept(self, lambda: self._ranked(context)), rank)

    def _ranked(self, context: Context) -> Integers:
        values = np.asarray(context.events[self.name], np.float64)
        integers = np.where(np.isnan(values), MISSING, context.lattices[self.name].nearest(values))
        return np.asarray(context.order.to_ranks(integers), np.int64)


class GivenPoint(ColumnKind, frozen=True, tag="given_point"):
    """Lattice point of `target` nearest to a given column; `otherwise` where there is no linked row."""

    target: str
    name: str
    otherwise: int

    @property
    def given(self) -> tuple[str, ...]:
        return (self.name,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.kept(self, lambda: self._ranked(context)), rank)

    def _ranked(self, context: Context) -> Integers:
        values = np.asarray(context.events[self.name], np.float64)
        points = np.where(np.isnan(values), self.otherwise, context.lattices[self.target].nearest(values))
        return np.asarray(context.order.to_ranks(points), np.int64)


class Mother(ColumnKind, frozen=True, tag="mother"):
    """Lattice integer of a feature of the row before that the feature `index` names, its mother."""

    optional: ClassVar[bool] = True

    feature: str
    index: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.feature, self.index)

    def within(self, reach: Reach) -> bool:
        return self.index in reach.here and self.feature in reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        mothers = context.part(mothers_of(context, self.index), rank)
        column = context.known[self.feature]
        if not len(column):
            return mothers
        return np.where(mothers < 0, MISSING, np.take(column, mothers))


class Siblings(ColumnKind, frozen=True, tag="siblings"):
    """How many rows have the mother of this one: those before it, or all."""

    optional: ClassVar[bool] = True

    index: str
    all: bool

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.index,)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.kept(self, lambda: self._counted(context)), rank)

    def _counted(self, context: Context) -> Integers:
        mothers = mothers_of(context, self.index)
        known = mothers >= 0
        if self.all:
            born = np.bincount(mothers[known], minlength=max(len(mothers), 1))
            return np.where(known, born[mothers], MISSING)
        # rows of a mother one behind the other: rank order is the order of an event's rows
        order = np.argsort(mothers, kind="stable")
        of = mothers[order]
        first = np.flatnonzero(np.concatenate([np.ones(min(len(of), 1), bool), of[1:] != of[:-1]]))
        sizes = np.diff(np.concatenate([first, [len(of)]]))
        before = np.empty(len(of), np.int64)
        before[order] = np.arange(len(of)) - np.repeat(first, sizes)
        return np.where(known, before, MISSING)


class Remainder(ColumnKind, frozen=True, tag="remainder"):
    """Lattice point of what a mother has left when the siblings before are taken off; `otherwise` without a mother.

    Of a first child that is the mother's own value.

    Parameters
    ----------
    target
        The feature.
    index
        The feature that names the mother.
    part
        What is taken off: ``mother``, nothing; ``value``, the feature itself; ``phi``, momenta, whose azimuth is
        taken; ``eta``, momenta along the beam, of which and of the row's own transverse momentum the pseudorapidity
        is taken.
    pt
        The transverse momentum, for the last two.
    otherwise
        Where there is no mother.
    """

    target: str
    index: str
    part: str
    pt: str = ""
    otherwise: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.target, self.index, *([self.pt] if self.part in ("phi", "eta") else []))

    def within(self, reach: Reach) -> bool:
        known = {self.index, *self.needs[2:]}
        return known <= reach.here and self.target in reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._of_rank, context, rank)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        mothers = mothers_of(context, self.index)[context.order.part(rank)]
        known = mothers >= 0
        if not known.any():
            return np.full(len(mothers), self.otherwise, np.int64)
        of = np.where(known, mothers, 0)
        points = np.take(context.known[self.target], of)
        if self.part != "mother":
            later = Siblings(self.index, False).read(context, rank) > 0
            left = [total[of] for total in self._left(context, rank)]
            nearest = context.lattices[self.target].nearest(self._value(context, left, rank))
            points = np.where(later, nearest, points)
        return np.where(known, points, self.otherwise)

    def _value(self, context: Context, left: list[Floats], rank: int) -> Floats:
        if self.part == "phi":
            return exactmath.table_arctan2(left[1], left[0])
        if self.part == "eta":
            pt = context.values(self.pt, rank)
            return kinematics.pseudorapidity(pt, np.zeros(len(pt)), left[0])
        return left[0]

    def _left(self, context: Context, rank: int) -> list[Floats]:
        """For every row before this rank what it has left as a mother; kept from rank to rank."""
        state = context.kept((self, "left"), lambda: _Left(context, self))
        state.until(rank)
        return list(state.sums)

    def parts(self, context: Context, rank: int) -> list[Floats]:
        """What the rows of a rank take off their mothers."""
        if self.part == "phi":
            pt = context.values(self.pt, rank)
            return [pt * context.values(self.target, rank, transform) for transform in ("cos", "sin")]
        if self.part == "eta":
            return [context.values(self.pt, rank) * context.values(self.target, rank, "sinh")]
        return [context.values(self.target, rank)]


class _Left:
    """What the rows decoded so far have left as mothers: one sum for each component, [n_objects]."""

    def __init__(self, context: Context, column: Remainder) -> None:
        self.context, self.column, self.ranks = context, column, 0
        components = 2 if column.part == "phi" else 1
        self.sums = [np.zeros(context.order.n_objects) for _ in range(components)]

    def until(self, rank: int) -> None:
        """Take in the rows of all ranks below this one; those of a rank that was asked for before stay."""
        if rank < self.ranks:
            self.ranks = 0
        for one in range(self.ranks, rank):
            here = self.context.order.part(one)
            mothers = mothers_of(self.context, self.column.index)[here]
            known = mothers >= 0
            for total, part in zip(self.sums, self.column.parts(self.context, one), strict=True):
                total[here] = part
                # an event has one row of a rank, so no mother is named twice
                total[mothers[known]] -= part[known]
        self.ranks = rank


def mothers_of(context: Context, index: str) -> Integers:
    """Where the row that a feature names is in rank order, -1 where there is none before, int64[n_objects]."""
    return context.kept((index, "mothers"), lambda: _mothers(context, index))


def _mothers(context: Context, index: str) -> Integers:
    order = context.order
    rows = np.rint(context.values(index)).astype(np.int64)
    events = order.spread(np.arange(len(order.counts)))
    # rows of the last rank depend on smaller ranks alone
    known = (rows >= 0) & (rows < order.ranks)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(order.counts)])[events]
    at = np.where(known, first + rows, 0)
    found = np.take(order.inverse, at) if len(at) else at
    return np.where(known, found, -1)
