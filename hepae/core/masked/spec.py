"""Parameters of the masked codec, as the manifest records them."""

from __future__ import annotations

import msgspec

from hepae.core.masked.alphabet import Alphabet
from hepae.core.prediction.context import Reach
from hepae.core.prediction.predictors import Lookup, Predictors
from hepae.errors import ModelRejectedError

__all__ = ["MaskedSpec", "Shape", "network_name", "table_names"]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the residuals of one feature are coded.

    Parameters
    ----------
    feature
        Short name.
    alphabet
        Bins.
    inputs
        Numbers of the inputs (in `MaskedSpec.inputs`) that its network sees; empty where it has none.
    levels
        Grid of cells, empty where there is no network.
    anchors
        Bins at which the coding tables of the cells are given.
    """

    feature: str
    alphabet: Alphabet
    inputs: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()
    anchors: tuple[int, ...] = ()


class MaskedSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="codec", tag="masked"):
    """Parameters of the masked codec.

    Parameters
    ----------
    predictors
        What residuals are taken from; their order is the coding order.
    shapes
        One for each feature, in coding order.
    inputs
        What networks may look at.
    together
        Features, neighbours in coding order, that are decoded together rank by rank, so that each may be looked at
        in the objects before by all of them: momentum balances only when pt and phi are both known.
    """

    predictors: Predictors
    shapes: tuple[Shape, ...]
    inputs: tuple[Lookup, ...] = ()
    together: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if tuple(shape.feature for shape in self.shapes) != self.predictors.order:
            raise ModelRejectedError("shapes and predictors are not of the same features")
        place = self.predictors.order.index(self.together[0]) if self.together else 0
        if self.predictors.order[place : place + len(self.together)] != self.together:
            raise ModelRejectedError("features decoded together are no neighbours", got=self.together)
        self.predictors.require_behind(self.together)
        before: set[str] = set()
        for shape in self.shapes:
            for number in shape.inputs:
                if not 0 <= number < len(self.inputs):
                    raise ModelRejectedError("no such input", where=shape.feature, got=number)
                if not self.inputs[number].column.within(Reach.of(shape.feature, before, self.together)):
                    raise ModelRejectedError("a network looks ahead", where=shape.feature, got=number)
            seen = [self.inputs[number].column for number in shape.inputs]
            if self.ranked(shape) and any(column.whole for column in seen):
                raise ModelRejectedError(
                    "a prediction is not known when ranks go in turn", where=shape.feature
                )
            before.add(shape.feature)

    def ranked(self, shape: Shape) -> bool:
        """Whether an object needs this feature of the objects before it, so that ranks are decoded in turn."""
        seen = (self.inputs[number].column for number in shape.inputs)
        if shape.feature in self.together or self.predictors.ranked(shape.feature):
            return True
        return any(shape.feature in column.needs for column in seen)

    def parents(self, shape: Shape) -> set[str]:
        """The features that are looked at directly when this one is coded, perhaps itself."""
        seen = (self.inputs[number].column for number in shape.inputs)
        return {name for column in seen for name in column.needs} | set(
            self.predictors.parents(shape.feature)
        )


def network_name(place: int) -> str:
    """Name of the network of the feature at this place of the coding order."""
    return f"cell{place}"


def table_names(place: int) -> dict[str, str]:
    """Names of the tables of the feature at this place of the coding order, by what they are."""
    return {part: f"{part}{place}" for part in ("marginal", "hidden", "hidden_bias", "out", "out_bias")}
