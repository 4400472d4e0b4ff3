"""Tables that have the same rows in every event, such as the variations of a weight: each row from those before."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats, Integers
from hepae.core.prediction.columns import OffBefore, Rank, RowsBefore
from hepae.core.prediction.predictors import Lookup
from hepae.learn.fit import candidates
from hepae.learn.fit.additive import Candidate
from hepae.learn.fit.state import Fitting

__all__ = ["constant_rows", "each_row", "off_before", "rows_before"]

FEWEST_ROWS: Final = 3
EVENTS_PER_ROW: Final = 20
"""A combination of n rows needs so many times n events."""

DIGITS: Final = 5
"""Weights are about one and have a hundred terms: further digits move nothing by a lattice step of 14 bits."""

STEPS: Final = 3
"""Of reweighting; a fourth moves nothing by a lattice step."""

RIDGE: Final = 1e-10
"""Of each row's own square, which leaves equations regular where rows follow from others. A share of the largest row's
would keep small rows from following exactly: nine variations of scales then take 1.6 times the bytes.
"""

ROWS_LOOKED_AT: Final = 16
"""Rows before that say how far off the next will be; 8 and all of 103 tell less."""

WILD: Final = 0.3
"""How far off an event may be before it weighs less, as a share of what its rows vary by."""

NEAR: Final = 0.1
"""The same, as a share of the usual value of a row."""

OFF_KNOTS: Final = 24
"""Classes by how far off the rows before were. With 64 the weights of a shower, four to an event, take 7 % more than
without: classes too thin to be packed.
"""

LEAST_SCALE: Final = 0.05
"""Of latents that are always 0."""

SCALE_DIGITS: Final = 3


def constant_rows(counts: NDArray[np.int64]) -> int:
    """How many rows every event has; 0 where that differs."""
    return int(counts[0]) if len(counts) and (counts == counts[0]).all() else 0


def each_row(state: Fitting) -> list[Candidate]:
    """The rank as a context with a class for each row, where every event has the same rows."""
    rows = constant_rows(state.train.context.order.counts)
    if rows < FEWEST_ROWS:
        return []
    source = Lookup(Rank(), 0, 0, tuple(range(1, rows + 1)))
    train, validation = (source.index(part.read(Rank())) for part in (state.train, state.validation))
    return [Candidate(source, train, validation)]


def rows_before(state: Fitting, name: str) -> list[RowsBefore]:
    """A combination of the rows before for each row, where every event has the same and enough events were seen."""
    context = state.train.context
    rows = constant_rows(context.order.counts)
    events = len(context.order.counts)
    if not FEWEST_ROWS <= rows <= context.order.last + 1 or events < EVENTS_PER_ROW * rows:
        return []
    values = np.stack([context.values(name, rank) for rank in range(rows)], axis=1)
    if not np.isfinite(values).all():
        return []
    try:
        with np.errstate(all="ignore"):  # squares of wild values are infinite, which shows in what is solved
            constants, weights = _combinations(values)
    except np.linalg.LinAlgError:
        return []
    if not np.isfinite([*constants, *(weight for row in weights for weight in row)]).all():
        return []
    return [RowsBefore(name, tuple(constants), tuple(weights))]


def _combinations(values: Floats) -> tuple[list[float], list[tuple[float, ...]]]:
    """For each row [events, rows] the constant and the weights of the rows before."""
    medians = np.median(values, axis=0)
    centred = values - medians
    constants, weights = [], []
    for rank in range(values.shape[1]):
        solved = np.round(_combination(centred[:, :rank], centred[:, rank]), DIGITS)
        weights.append(tuple(solved[:-1].tolist()))
        constants.append(round(float(medians[rank] - medians[:rank] @ solved[:-1] + solved[-1]), DIGITS))
    return constants, weights


def _combination(rows: Floats, target: Floats) -> Floats:
    """Weights of rows [n, m] and a constant that leave the target [n] small in most events.

    Rows of one event vary by a thousand times what those of another do: plain least squares see the wild events alone.
    The weight of an event falls with the square of what it leaves (`hepae.learn.fit.additive`).
    """
    basis = np.concatenate([rows, np.ones((len(target), 1))], axis=1)
    usual = np.abs(rows).mean(axis=1) if rows.shape[1] else np.zeros(len(target))
    floor = max(float(np.median(np.abs(target))), 1e-30)
    left, solved = usual + floor, np.zeros(basis.shape[1])
    for _ in range(STEPS):
        weight = 1 / (left + WILD * usual + NEAR * floor)
        weighted = basis * weight[:, None]
        square = weighted.T @ weighted
        scale = np.sqrt(square.diagonal())
        scale[scale == 0] = 1.0  # a row that never varies
        square /= np.outer(scale, scale)
        square[np.diag_indices_from(square)] = 1 + RIDGE
        solved = np.linalg.solve(square, weighted.T @ (target * weight) / scale) / scale
        left = np.abs(target - basis @ solved)
    return solved


def off_before(state: Fitting, name: str, rest: Integers, rest_validation: Integers) -> list[Candidate]:
    """How far off the rows before were as a context, where every event has the same rows.

    Parameters
    ----------
    rest, rest_validation
        Residuals of the feature in training and validation events.
    """
    rows = constant_rows(state.train.context.order.counts)
    if not FEWEST_ROWS <= rows <= state.train.context.order.last + 1:
        return []
    for part, latents in ((state.train, rest), (state.validation, rest_validation)):
        part.put_latents(name, latents)
    latents = np.abs(state.train.context.latents[name]).reshape(rows, -1)
    scales = np.exp(np.log(latents + 0.5).mean(axis=1)) - 0.5
    rounded = tuple(np.round(np.maximum(scales, LEAST_SCALE), SCALE_DIGITS).tolist())
    column = OffBefore(name, rounded, ROWS_LOOKED_AT)
    values = state.train.read(column)
    source = candidates.make_source(column, values, OFF_KNOTS)
    if source is None:
        return []
    return [Candidate(source, source.index(values), source.index(state.validation.read(column)))]
