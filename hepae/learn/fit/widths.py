"""Classes of residuals: by expected width, or by expected place where nothing is subtracted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.coding.integers import pack
from hepae.core.prediction.tables import WIDTH_BITS, Widths
from hepae.learn.fit import additive
from hepae.learn.fit.additive import Candidate
from hepae.learn.fit.state import RANKED_GAIN, Fitting

__all__ = ["fit_widths"]


WIDTH_GAIN: Final = 0.004
"""Share of the variance of the score that one more table must explain."""

CLASS_GAIN: Final = 0.01
"""Bits per object that one more class must save."""

GRAIN: Final = 0.02


def fit_widths(
    state: Fitting,
    pool: Sequence[Candidate],
    rest: Integers,
    rest_validation: Integers,
    *,
    by_place: bool,
    avoid: str,
) -> Widths | None:
    """The classes that pay most, or None.

    Parameters
    ----------
    rest, rest_validation
        Residuals of training and validation events.
    by_place
        Try classes by expected place too: for residuals that no prediction could be subtracted from.
    avoid
        A feature to look at only where that saves `RANKED_GAIN`: the one that is coded, unless it is decoded rank
        by rank anyway.
    """
    apart = [c for c in pool if avoid not in c.source.column.needs]
    size, best = _best(state, apart, rest, rest_validation, by_place)
    if len(apart) == len(pool):
        return best
    ranked_size, ranked = _best(state, pool, rest, rest_validation, by_place)
    return ranked if ranked_size < size - RANKED_GAIN * len(rest_validation) / 8 else best


def _best(
    state: Fitting, pool: Sequence[Candidate], rest: Integers, rest_validation: Integers, by_place: bool
) -> tuple[float, Widths | None]:
    """Packed size with the best classes, and these classes."""
    scores = [tuple(np.log2(1.0 + np.abs(r)) for r in (rest, rest_validation))]
    if by_place:
        ordered = np.sort(rest)
        scores.append(
            tuple(4.0 * np.searchsorted(ordered, r) / max(len(rest), 1) for r in (rest, rest_validation))
        )
    found = [_classes(state, pool, y, y_validation, rest_validation) for y, y_validation in scores]
    return min(found, key=lambda pair: pair[0])


def _classes(
    state: Fitting, pool: Sequence[Candidate], y: Floats, y_validation: Floats, rest_validation: Integers
) -> tuple[float, Widths | None]:
    """Packed size of the validation residuals with the best classes by a score, and these classes."""
    n_validation = len(rest_validation)
    size, best = float(len(pack(rest_validation))), None
    spread = float(np.var(y_validation)) if n_validation else 0.0
    if spread <= 0.0:
        return size, None
    model = additive.grow(
        y,
        y_validation,
        pool,
        most=state.settings.width_terms,
        cost=lambda *_: WIDTH_GAIN * spread,
        loss=lambda r: float(np.mean(r * r)),
        weights=additive.weights_squared,
    )
    if not model.chosen:
        return size, None
    score = additive.apply(model, [c.train for c in model.chosen], len(y))
    score_validation = additive.apply(model, [c.validation for c in model.chosen], len(y_validation))
    tables = sum(map(state.table_bytes, model.chosen)) * n_validation / max(state.n_objects, 1)
    limit = size
    for n in range(2, state.settings.classes + 1):
        edges = np.unique(np.quantile(score, np.linspace(0, 1, n + 1)[1:-1]))
        classes = np.searchsorted(edges, score_validation, "right")
        packed = tables + sum(len(pack(rest_validation[classes == k])) for k in range(len(edges) + 1))
        if packed < limit - CLASS_GAIN * n_validation / 8:
            limit = size = packed
            best = edges
    if best is None:
        return size, None
    scale = float(1 << WIDTH_BITS)
    terms = state.terms(model, WIDTH_BITS, GRAIN)
    return size, Widths(
        int(np.rint(model.constant * scale)), terms, tuple(int(np.rint(e * scale)) for e in best)
    )
