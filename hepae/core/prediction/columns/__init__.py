"""Columns that a prediction may look at: integers, one per object, the same on every machine.

A column is a small frozen description (it round-trips through JSON inside the manifest). It is read from a `Context`,
which holds what is known of a chunk, for one rank or for all ranks at once. Columns that use the feature being
predicted do so through objects of smaller rank only. Columns made of other columns, and the union of all, are here.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from hepae.arrays import Integers
from hepae.core.prediction.columns.axis import Axis, Left
from hepae.core.prediction.columns.events import Condition, ConditionPoint
from hepae.core.prediction.columns.formulas import FormulaOffset, FormulaPoint, MassShell, Slope
from hepae.core.prediction.columns.links import Given, GivenPoint, Mother, Remainder, Siblings
from hepae.core.prediction.columns.objects import Count, Here, Latent, Leading, Nearest, Neighbour, Rank
from hepae.core.prediction.columns.predicted import Predicted, PredictedOffset
from hepae.core.prediction.columns.recoil import Ceiling, Recoil, RecoilPoint, RecoilSize
from hepae.core.prediction.columns.rows import OffBefore, RowsBefore
from hepae.core.prediction.columns.sums import Blend, Mix, Product
from hepae.core.prediction.context import MISSING, ColumnKind, Context, Memory, Reach
from hepae.core.prediction.ranks import RankOrder

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
    "FormulaOffset",
    "FormulaPoint",
    "Given",
    "GivenPoint",
    "Here",
    "Latent",
    "Leading",
    "Left",
    "MassShell",
    "Memory",
    "Mix",
    "Mother",
    "Nearest",
    "Neighbour",
    "OffBefore",
    "Predicted",
    "PredictedOffset",
    "Product",
    "Rank",
    "Recoil",
    "RecoilPoint",
    "RecoilSize",
    "Remainder",
    "RowsBefore",
    "Siblings",
    "Slope",
    "When",
]


class When(ColumnKind, frozen=True, tag="when"):
    """Another column for the ``first``, ``later`` or ``last`` objects of events alone, missing for all others."""

    optional: ClassVar[bool] = True

    which: Literal["first", "later", "last"]
    column: Condition | Neighbour

    @property
    def needs(self) -> tuple[str, ...]:
        return self.column.needs

    def within(self, reach: Reach) -> bool:
        return self.column.within(reach)

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


class Apart(ColumnKind, frozen=True, tag="apart"):
    """By how much a column is above another, `base`; around a circle of so many integers unless `length` is 0."""

    optional: ClassVar[bool] = True

    column: Here | Neighbour | Leading | Nearest | FormulaPoint | Axis
    base: ConditionPoint | Axis | FormulaPoint | Here | Neighbour | Leading | RecoilPoint | Mother
    length: int = 0

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.column.needs, *self.base.needs)

    def within(self, reach: Reach) -> bool:
        return self.column.within(reach) and self.base.within(reach)

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
    | FormulaPoint
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
    | Given
    | GivenPoint
    | Mother
    | Siblings
    | Remainder
    | RowsBefore
    | OffBefore
)
