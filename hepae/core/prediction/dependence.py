"""What may be looked at when: a column must be known where the decoder reads it."""

from __future__ import annotations

from collections.abc import Collection, Set

from hepae.core.prediction.columns import (
    Apart,
    Axis,
    Ceiling,
    Column,
    Leading,
    Left,
    Nearest,
    Neighbour,
    Predicted,
    PredictedOffset,
    Recoil,
    RecoilPoint,
    RecoilSize,
    When,
)

__all__ = ["looks_behind"]


def looks_behind(column: Column, before: Set[str], feature: str, together: Collection[str] = ()) -> bool:
    """Whether a column may be looked at when ``feature`` is coded and the features ``before`` it are known.

    Of the feature itself, and of those decoded together with it rank by rank, only in objects before.

    Examples
    --------
    >>> looks_behind(Neighbour("pt", -1), set(), "pt"), looks_behind(Neighbour("pt", 1), set(), "pt")
    (True, False)
    """
    beside = {feature, *(together if feature in together else ())}
    if isinstance(column, When):
        return looks_behind(column.column, before, feature, together)
    if isinstance(column, Apart):
        return all(looks_behind(part, before, feature, together) for part in (column.column, column.base))
    if isinstance(column, Predicted | PredictedOffset):
        return column.feature == feature
    if isinstance(column, Neighbour) and column.offset > 0:
        return set(column.needs) <= before - beside
    if isinstance(column, Nearest):
        return column.by in before and column.feature in before | beside
    if isinstance(column, RecoilSize):
        behind = not column.relative or column.recoil.pt in before
    else:
        behind = isinstance(column, Recoil | RecoilPoint | Ceiling | Leading | Axis | Left)
        behind = behind or (isinstance(column, Neighbour) and column.offset < 0)
    return set(column.needs) <= (before | beside if behind else before)
