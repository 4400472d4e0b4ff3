"""Columns for events of many objects, such as the constituents of a jet: relative to the axis, and to leading ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from hepae.core.prediction.columns import (
    Apart,
    Axis,
    Column,
    ConditionPoint,
    FormulaOffset,
    FormulaPoint,
    Here,
    Leading,
    Left,
    MassShell,
    Nearest,
    Neighbour,
    Product,
    Slope,
)
from hepae.learn.fit import candidates

__all__ = ["axes", "bases", "relative", "seen_by_networks"]

LEADING: Final = 3
"""So many leading objects are looked at one by one."""
NEAREST: Final = (6, 30)
"""Among so many leading objects the nearest is looked for."""
ANGLES: Final = ("eta", "phi")


def bases(feature: str, roles: Mapping[str, str], totals: Mapping[str, str]) -> list[Column]:
    """Where an object is expected: at the axis of the total, or of the objects before."""
    role = _role(feature, roles)
    if role not in ANGLES:
        return []
    points: list[Column] = [ConditionPoint(feature, totals[role])] if role in totals else []
    return [*points, *axes(feature, roles, totals)]


def axes(feature: str, roles: Mapping[str, str], totals: Mapping[str, str]) -> list[Axis]:
    """The axis of the objects before and, where the total is known, that of the objects to come."""
    role = _role(feature, roles)
    if role not in ANGLES or "pt" not in roles:
        return []
    around, pt = role == "phi", roles["pt"]
    found = [Axis(pt, feature, around)]
    if {"pt", role} <= totals.keys():
        found.append(Axis(pt, feature, around, totals["pt"], totals[role]))
    return found


def relative(
    feature: str,
    known: Sequence[str],
    roles: Mapping[str, str],
    totals: Mapping[str, str],
    base: Column | None,
    length: int,
) -> list[Column]:
    """Columns for the prediction of a feature from its base: where other objects are, as seen from there."""
    if roles.get("pt") == feature:
        return [Left(feature, totals["pt"])] if "pt" in totals else []
    if not isinstance(base, ConditionPoint | Axis) or _role(feature, roles) not in ANGLES:
        return []
    others: list[Leading | Neighbour | Nearest | Axis] = [
        *(Leading(feature, place) for place in range(LEADING)),
        Neighbour(feature, -1),
        *(axis for axis in axes(feature, roles, totals) if axis != base),
    ]
    if feature == roles.get("phi") and roles.get("eta") in known:
        others += [Nearest(feature, roles["eta"], most) for most in NEAREST]
    return [Apart(column, base, length) for column in others]


def seen_by_networks(
    feature: str,
    known: Sequence[str],
    roles: Mapping[str, str],
    totals: Mapping[str, str],
    base: Column | None,
    length: int,
) -> list[Column]:
    """Columns that the network of a feature, and those of the features after it, may look at."""
    found = relative(feature, known, roles, totals, base, length)
    if roles.get("pt") == feature and {"pt", "phi"} <= roles.keys() & totals.keys():
        found.append(Left(feature, totals["pt"], roles["phi"], totals["phi"]))
    if isinstance(base, ConditionPoint | Axis):
        found.append(Apart(Here(feature), base, length))
    if feature == roles.get("phi"):
        found.append(Slope(feature))
        if roles.get("eta") in known:
            eta = roles["eta"]
            found += [Apart(Nearest(eta, eta, most), Here(eta)) for most in NEAREST]
    if feature == roles.get("eta"):
        found.append(Product((feature,), (1,), 0))
    if isinstance(base, FormulaPoint):
        for other in candidates.bases(feature, known, roles, {}):
            if isinstance(other, FormulaPoint) and other != base:
                found += [Apart(other, base), FormulaOffset(other)]
    if isinstance(base, MassShell):
        found.append(FormulaOffset(base))
    return found


def _role(feature: str, roles: Mapping[str, str]) -> str | None:
    return next((role for role, name in roles.items() if name == feature), None)
