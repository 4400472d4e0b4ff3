"""Columns of events: event-level branches, spread over the objects."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hepae.arrays import Integers
from hepae.core.prediction.context import MISSING, ColumnKind, Context, finite, octaves

__all__ = ["Condition", "ConditionPoint"]


class Condition(ColumnKind, frozen=True, tag="condition"):
    """An event-level branch: its value times `scale`, or the logarithm of its magnitude where `scale` is None."""

    optional: ClassVar[bool] = True

    branch: str
    scale: float | None = None

    def read(self, context: Context, rank: int | None) -> Integers:
        values = np.asarray(context.events[self.branch]).astype(np.float64)
        finite = np.isfinite(values)
        values = np.where(finite, values, 0.0)
        if self.scale is None:
            integers = octaves(values)
        else:
            integers = np.rint(np.clip(values * self.scale, -(2.0**40), 2.0**40)).astype(np.int64)
        return context.order.spread(np.where(finite, integers, MISSING), rank)


class ConditionPoint(ColumnKind, frozen=True, tag="condition_point"):
    """Lattice point of `target` nearest to the value of an event-level branch."""

    target: str
    branch: str

    def read(self, context: Context, rank: int | None) -> Integers:
        point = context.kept(self, lambda: self._points(context))
        return context.order.repeat(point, rank)

    def _points(self, context: Context) -> Integers:
        values = finite(context.events[self.branch])
        points = context.lattices[self.target].nearest(values)
        return np.asarray(np.take(points, context.order.event_order), np.int64)
