"""Tables that have the same rows in every event, such as the variations of a weight: each row from those before."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.core.prediction.columns import Rank, RowsBefore
from hepae.core.prediction.predictors import Lookup
from hepae.learn.fit.additive import Candidate
from hepae.learn.fit.state import Fitting

__all__ = ["constant_rows", "each_row", "rows_before"]

FEWEST_ROWS: Final = 3
EVENTS_PER_ROW: Final = 20
"""A combination of n rows needs so many times n events."""

DIGITS: Final = 5
"""Weights are about one and have a hundred terms: further digits move nothing by a lattice step of 14 bits."""


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
    means = values.mean(axis=0)
    centred = values - means
    spread = np.maximum(centred.std(axis=0), 1e-30)
    constants, weights = [], []
    for rank in range(rows):
        scaled = centred[:, :rank] / spread[:rank]
        solved = (
            np.linalg.lstsq(scaled, centred[:, rank], rcond=None)[0] / spread[:rank] if rank else np.zeros(0)
        )
        rounded = np.round(solved, DIGITS)
        weights.append(tuple(rounded.tolist()))
        constants.append(round(float(means[rank] - means[:rank] @ rounded), DIGITS))
    if not np.isfinite([*constants, *(w for row in weights for w in row)]).all():
        return []
    return [RowsBefore(name, tuple(constants), tuple(weights))]
