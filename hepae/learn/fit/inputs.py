"""Which columns the networks of the masked codec may look at, and how each is scaled to 0…255."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.core.arithmetic.kinematics import find_totals
from hepae.core.prediction.columns import (
    Apart,
    Column,
    Condition,
    Count,
    FormulaOffset,
    FormulaPoint,
    Here,
    Latent,
    Neighbour,
    Predicted,
    PredictedOffset,
    Rank,
    Recoil,
    RecoilPoint,
    RecoilSize,
)
from hepae.core.prediction.context import MISSING, Context
from hepae.core.prediction.predictors import Lookup, Predictors
from hepae.learn.fit import crowd
from hepae.learn.fit.derived import is_crowded

__all__ = ["candidate_columns", "scale_input"]


KNOTS: Final = 17
REACH: Final = 2.8
"""Standard deviations of a normal distribution that the inputs cover."""
LONGEST_TABLE: Final = 1 << 13
NEIGHBOURS: Final = 4
"""Features, the first in coding order, that are looked at in neighbouring objects."""


def candidate_columns(
    predictors: Predictors,
    narrow: Sequence[str],
    roles: Mapping[str, str],
    met: Mapping[str, str],
    conditions: Mapping[str, float | None],
) -> list[Column]:
    """Columns that may say something about a feature, in an order that does not depend on the data.

    Where phi is predicted from what the objects before leave unbalanced, directions in the laboratory say nothing:
    physics does not change when an event is turned, and networks would only learn the accidents of the sample.

    Parameters
    ----------
    predictors
        Predictors of the features, in coding order.
    narrow
        Features with integers small enough to look at.
    roles, met
        Kinematic roles of features and of event-level branches.
    conditions
        Event-level branches and the factor that makes integers of them (None: their logarithm).
    """
    turned = "phi" in roles and isinstance(predictors[roles["phi"]].base, Recoil)
    directions = {met.get("met_phi")} if turned else set()
    columns: list[Column] = [Rank(), Count()]
    columns += [Condition(name, scale) for name, scale in conditions.items() if name not in directions]
    crowded = is_crowded(predictors.last_rank)
    if {"pt", "phi"} <= roles.keys() and not crowded:
        recoil = Recoil(roles["pt"], roles["phi"], met.get("met", ""), met.get("met_phi", ""))
        columns += [] if turned else [recoil]
        columns += [RecoilSize(recoil, relative=False), RecoilSize(recoil, relative=True)]
        columns.append(Apart(Neighbour(roles["pt"], -1), RecoilPoint(recoil)))
    for name in predictors.order:
        if name not in narrow:
            continue
        columns.append(Here(name))
        if not predictors[name].trivial:
            columns.append(Latent(name))
        if predictors[name].terms and not predictors.ranked(name):
            columns += [Predicted(name), PredictedOffset(name)]
        base = predictors[name].base
        if isinstance(base, FormulaPoint):
            columns.append(FormulaOffset(base))
        if crowded:
            period, known = predictors[name].period, predictors.order[: predictors.order.index(name)]
            length = period.length if period else 0
            columns += crowd.seen_by_networks(name, known, roles, find_totals(conditions), base, length)
    first = [name for name in predictors.order if name in narrow][:NEIGHBOURS]
    if crowded:  # angles of neighbours are looked at from the axis
        first = [name for name in first if name not in (roles.get("eta"), roles.get("phi"))]
        columns += [Neighbour(name, -2) for name in first[:1]]
    columns += [Neighbour(name, -1) for name in first if not (turned and name == roles["phi"])]
    if first:
        columns.append(Neighbour(first[0], 1))
    return columns


def scale_input(column: Column, context: Context) -> Lookup | None:
    """Knots at which an input rises in equal steps: quantiles at equal steps of a normal variable.

    None where the column is constant, so that there is nothing to see.
    """
    values = column.read(context, None)
    values = values[values != MISSING]
    if len(values) == 0:
        return None
    low, high = (int(v) for v in np.quantile(values, (0.0005, 0.9995), method="nearest"))
    if low == high:
        low, high = int(values.min()), int(values.max())
    if low == high:
        return None
    shift = max((high - low).bit_length() - LONGEST_TABLE.bit_length() + 1, 0)
    index = np.clip((values - low) >> shift, 0, (high - low) >> shift) + 1
    probabilities = _normal_cumulative(np.linspace(-REACH, REACH, KNOTS))
    knots = np.unique(np.quantile(index, probabilities, method="nearest"))
    distinct = np.unique(index)
    if len(distinct) <= KNOTS:
        knots = distinct
    knots = np.union1d(knots, [1, int(index.max())])
    return Lookup(column, low, shift, tuple(int(knot) for knot in knots))


def _normal_cumulative(z: NDArray[np.float64]) -> NDArray[np.float64]:
    # Abramowitz and Stegun 26.2.17 would do; the logistic approximation (Bowling 2009) is within 2e-4
    return np.asarray(1.0 / (1.0 + np.exp(-(0.07056 * z**3 + 1.5976 * z))), np.float64)
