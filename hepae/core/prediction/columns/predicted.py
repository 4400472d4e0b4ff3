"""The prediction itself as a column, for what codes its residual."""

from __future__ import annotations

from typing import ClassVar, Final

from hepae.arrays import Integers
from hepae.core.prediction.context import ColumnKind, Context, Reach

__all__ = ["Predicted", "PredictedOffset"]

OFFSET_MASK: Final = 63
"""The bits of a sum of tables that rounding takes off."""


class Predicted(ColumnKind, frozen=True, tag="predicted"):
    """The prediction of the feature that is being coded, before its residual is known; not where ranks go in turn."""

    whole: ClassVar[bool] = True

    feature: str

    def within(self, reach: Reach) -> bool:
        return self.feature == reach.feature

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.predictions[self.feature], rank)


class PredictedOffset(ColumnKind, frozen=True, tag="predicted_offset"):
    """What was rounded off that prediction."""

    whole: ClassVar[bool] = True

    feature: str

    def within(self, reach: Reach) -> bool:
        return self.feature == reach.feature

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.part(context.fine[self.feature] & OFFSET_MASK, rank)
