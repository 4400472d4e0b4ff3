"""Columns that have the very value of another in many rows, and values of their own in the others.

The isolation of a muon by charged particles is that by all particles where there are no neutral ones, digit by digit.
A sum of tables, which is smooth, does not see this; the difference of the two is 0 in these rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hepae.arrays import Integers
from hepae.core.prediction.columns import Here
from hepae.core.prediction.predictors import Predictor
from hepae.learn.fit.state import Fitting

__all__ = ["copied"]

USUAL: Final = 0.01
"""Values of a larger share are equal by chance."""

COPIED: Final = 0.02
"""Share of the rows in which a column must have the value of another, a rare one, to be taken for its copy."""

MOST_COPIES: Final = 2


def copied(state: Fitting, name: str, known: Sequence[str]) -> list[tuple[Predictor, Integers, Integers]]:
    """The columns whose values this one has most often, digit by digit, and the differences from each.

    Returns
    -------
    list
        Predictors without tables, and what each leaves of training and of validation events; most often equal first.
    """
    lattices, q = state.train.context.lattices, state.train.q[name]
    values, counts = np.unique(q, return_counts=True)
    rare = ~np.isin(q, values[counts > USUAL * len(q)])
    shares = {
        other: float(np.mean((state.train.q[other] == q) & rare))
        for other in known
        if lattices[other] == lattices[name]
    }
    usable = [
        other
        for other, share in sorted(shares.items(), key=lambda pair: -pair[1])
        if share > COPIED and state.affordable(state.closure([Here(other)]) - {name}, generously=True)
    ]
    train, validation = state.train.q, state.validation.q
    return [
        (Predictor(name, base=Here(other)), train[name] - train[other], validation[name] - validation[other])
        for other in usable[:MOST_COPIES]
    ]
