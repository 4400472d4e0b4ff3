"""The prediction itself as a column, for what codes its residual."""

from __future__ import annotations

from typing import Final

import msgspec

from hepae.arrays import Integers
from hepae.core.prediction.context import Context

__all__ = ["Predicted", "PredictedOffset"]

OFFSET_MASK: Final = 63
"""The bits of a sum of tables that rounding takes off."""


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
