"""What linked rows offer to a fit: rows of other tables, and the row of the same table that is a row's mother."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hepae.core.prediction.columns import (
    Apart,
    Column,
    Given,
    GivenPoint,
    Here,
    Mother,
    Remainder,
    Siblings,
)
from hepae.learn.fit.state import Fitting, Links

__all__ = ["bases", "columns"]


def bases(state: Fitting, feature: str, known: Sequence[str]) -> list[Column]:
    """Predictions of a feature in units of its own lattice: the value of a linked row."""
    links = state.links
    if feature in links.first:
        return []
    otherwise = int(np.median(state.train.q[feature])) if len(state.train.rows) else 0
    named: list[Column] = [GivenPoint(feature, name, otherwise) for name in links.given]
    pt = state.roles.get("pt", "")
    role = next((role for role, name in state.roles.items() if name == feature), "")
    for index in links.mothers:
        if index in known:
            named += [Remainder(feature, index, part, otherwise=otherwise) for part in ("mother", "value")]
            if role in ("eta", "phi") and pt in known:
                named.append(Remainder(feature, index, role, pt, otherwise))
    return named


def columns(links: Links, feature: str, known: Sequence[str]) -> list[Column]:
    """Columns of linked rows for predicting a feature."""
    if feature in links.first:
        return []
    found: list[Column] = [Given(name) for name in links.given]
    for index in links.mothers:
        if index in known:
            found += [Siblings(index, False), Siblings(index, True), Mother(feature, index)]
            for other in known:
                if other != index:
                    found += [Mother(other, index), Apart(Here(other), Mother(other, index))]
    return found
