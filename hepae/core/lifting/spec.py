"""Parameters of the lifting codec, as the manifest records them."""

from __future__ import annotations

import msgspec

from hepae.core.prediction.predictors import Predictors

__all__ = ["LiftingSpec"]


class LiftingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="codec", tag="lifting"):
    """Parameters of the lifting codec.

    Parameters
    ----------
    predictors
        How each feature is predicted, in coding order.

    Raises
    ------
    ModelRejectedError
        If a prediction looks at a feature that comes after it.
    """

    predictors: Predictors

    def __post_init__(self) -> None:
        self.predictors.require_behind()
