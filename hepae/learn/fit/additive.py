"""Robust additive regression: a target as a sum of tables of integer columns, for a small absolute error.

What is minimised is the mean of log2(1 + |residual|), close to what a residual costs when coded, by iteratively
reweighted least squares. Tables are piecewise linear between knots; terms are added one by one, each the one that
helps most, as long as the loss on other events falls by more than the term costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats, Integers
from hepae.core.locks import computed_once
from hepae.core.prediction.predictors import Lookup

__all__ = [
    "Additive",
    "Candidate",
    "apply",
    "bits",
    "bits_of_groups",
    "grow",
    "hats",
    "linear",
    "polish",
    "scores",
    "tamed",
]

Weights = Callable[[Floats], Floats]

SHORT_LIST: Final = 5
RIDGE: Final = 1e-4
TAIL: Final = 0.05
REACH: Final = 100.0
SMALL: Final = 16
CELLS_PER_OCTAVE: Final = 6
PATIENCE: Final = 5
"""Terms that may disappoint, one after the other, before growing stops."""

FINAL_STEPS: Final = 10
SCORED: Final = 16_384
"""Objects on which candidates are compared."""

CELLS: Final = 256
"""Knots are fewer."""

SCORED_TOGETHER: Final = 1 << 17
"""Objects times candidates that are compared in one step: what fits into a cache."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A source and its indices for the objects of the training and validation events."""

    source: Lookup
    train: Integers
    validation: Integers

    @computed_once
    def cells(self) -> NDArray[np.uint8]:
        """Between which knots the first training objects lie."""
        return np.searchsorted(self.source.knots, self.train[:SCORED], "right").astype(np.uint8)

    @computed_once
    def basis(self) -> NDArray[np.float32]:
        """`hats` of the training objects."""
        return hats(self.source, self.train)


@dataclass
class Additive:
    """A sum of tables: for each chosen candidate its values at the knots, the missing value first."""

    chosen: list[Candidate] = field(default_factory=list)
    constant: float = 0.0
    values: list[Floats] = field(default_factory=list)

    def with_term(self, candidate: Candidate) -> Additive:
        """The same and a table of zeros."""
        zeros = np.zeros(len(candidate.source.knots) + 1)
        return Additive([*self.chosen, candidate], self.constant, [*self.values, zeros])


def bits(residuals: Floats) -> float:
    """Bits per residual, once rounded, for a codec that knows their distribution.

    The distribution is taken from the residuals themselves: one cell for each small integer, cells of equal
    ratio beyond, uniform inside; the entropy is corrected for the number of cells (G. Miller, 1955).
    """
    if len(residuals) == 0:
        return 0.0
    size = np.abs(np.rint(residuals))
    octaves = np.log2(np.maximum(size / SMALL, 1.0))
    cell = np.where(size < SMALL, size, SMALL + np.floor(octaves * CELLS_PER_OCTAVE)).astype(np.int64)
    ratio = 2.0 ** (1 / CELLS_PER_OCTAVE)
    width = np.where(size < SMALL, 1.0, SMALL * (ratio - 1.0) * ratio ** (cell - SMALL))
    counts = np.bincount(2 * cell + (residuals < -0.5))
    counts = counts[counts > 0]
    share = counts / len(residuals)
    correction = (len(counts) - 1) / (2 * len(residuals) * np.log(2))
    return float(-np.sum(share * np.log2(share)) + np.mean(np.log2(width)) + correction)


def bits_of_groups(values: Integers, group: NDArray[np.bool_]) -> float:
    """`bits` of values about the median of their own group of two, on average over all."""
    parts = [part for part in (values[group], values[~group]) if len(part)]
    return sum(len(part) * bits(part - np.median(part)) for part in parts) / max(len(values), 1)


def hats(source: Lookup, index: Integers) -> NDArray[np.float32]:
    """Piecewise-linear basis of a source: [n, knots + 1]; the first column marks missing objects."""
    knots = np.asarray(source.knots, np.int64)
    basis = np.zeros((len(index), len(knots) + 1), np.float32)
    rows = np.arange(len(index))
    piece = np.clip(np.searchsorted(knots, index, "right") - 1, 0, max(len(knots) - 2, 0))
    after = np.minimum(piece + 1, len(knots) - 1)
    share = ((index - knots[piece]) / np.maximum(knots[after] - knots[piece], 1)).astype(np.float32)
    present = index > 0
    basis[rows, piece + 1] += np.where(present, 1.0 - share, 0.0)
    basis[rows, after + 1] += np.where(present, share, 0.0)
    basis[rows[~present], 0] = 1.0
    return basis


def apply(model: Additive, indices: Sequence[Integers], size: int) -> Floats:
    """The sum of tables for each object."""
    total = np.full(size, model.constant)
    for candidate, values, index in zip(model.chosen, model.values, indices, strict=True):
        knots = np.asarray(candidate.source.knots, np.float64)
        total += np.where(index > 0, np.interp(index, knots, values[1:]), values[0])
    return total


def weights_squared(residuals: Floats) -> Floats:
    """Least squares."""
    return np.ones(len(residuals))


def weights_robust(residuals: Floats) -> Floats:
    """Weights whose least squares lower the mean of log(1 + |residual|)."""
    size = np.abs(residuals)
    return 1.0 / ((1.0 + size) * np.maximum(size, 0.5))


def _weights_broad(residuals: Floats) -> Floats:
    """The same on the scale of the residuals as they are now, for choosing terms."""
    size = np.abs(residuals)
    scale = max(1.0, 0.5 * float(np.median(size)))
    return 1.0 / ((scale + size) * np.maximum(size, 0.5 * scale))


def _step(basis: NDArray[np.float32], residuals: Floats, weights: Weights) -> tuple[Floats, Floats]:
    """Change of the coefficients that best lowers the weighted squares of the residuals, and what is left of these."""
    w = weights(residuals).astype(np.float32)
    weighted = basis * w[:, None]
    try:
        gram = _product(weighted.T, basis)
        gram.flat[:: len(gram) + 1] += RIDGE * float(w.mean()) * len(residuals) ** 0.5
        change = np.linalg.solve(gram, _product(weighted.T, residuals.astype(np.float32)))
        return np.asarray(change, np.float64), residuals - _product(basis, change.astype(np.float32))
    except np.linalg.LinAlgError:  # so wild that no weight is left: there is nothing to learn from them
        return np.zeros(basis.shape[1]), residuals


def _product(left: NDArray[np.float32], right: NDArray[np.float32]) -> Floats:
    """A product of matrices as float64.

    The kernels of OpenBLAS also compute with what lies beside a matrix in their buffers: now and then they raise the
    flag of an invalid operation, which NumPy warns of, though every element is right. So the elements are looked at.

    Raises
    ------
    numpy.linalg.LinAlgError
        If one of them is not finite.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        found = (left @ right).astype(np.float64)
        whole = math.isfinite(found.sum())  # elements are of float32, whose sums in float64 do not overflow
    if not whole:
        raise np.linalg.LinAlgError("a product of matrices is not finite")
    return found


def polish(model: Additive, residuals: Floats, steps: int, weights: Weights) -> Floats:
    """Improve the tables jointly, in place, given and returning the residuals of the training objects.

    Each step solves for a change of all tables on the present residuals, so that rounding does not add up.
    """
    if not model.chosen:
        shift = float(np.median(residuals)) if len(residuals) else 0.0
        model.constant += shift
        return residuals - shift
    basis = np.concatenate([candidate.basis[: len(residuals)] for candidate in model.chosen], axis=1)
    sizes = np.cumsum([len(values) for values in model.values])[:-1]
    for _ in range(steps):
        change, residuals = _step(basis, residuals, weights)
        model.values = [v + d for v, d in zip(model.values, np.split(change, sizes), strict=True)]
    return residuals


def scores(residuals: Floats, candidates: Sequence[Candidate]) -> list[float]:
    """Share of the weighted spread of the residuals that a table of each candidate would take away."""
    r = residuals[:SCORED]
    w = _weights_broad(r)
    r = r - np.sum(w * r) / np.sum(w)
    wr, total = w * r, float(np.sum(w * r * r)) + 1e-12
    shares: list[float] = []
    together = max(1, SCORED_TOGETHER // max(len(r), 1))
    for start in range(0, len(candidates), together):
        cells = np.stack([candidate.cells for candidate in candidates[start : start + together]])
        index = (cells + np.arange(len(cells), dtype=np.uint32)[:, None] * CELLS).ravel()
        sums, norms = (
            np.bincount(index, np.tile(x, len(cells)), CELLS * len(cells)).reshape(-1, CELLS) for x in (wr, w)
        )
        shares += (np.sum(sums * sums / np.maximum(norms, 1e-12), axis=1) / total).tolist()
    return shares


def tamed(values: Floats) -> Floats:
    """Wild values moved to a hundred times the usual range: one of 1e30 would be all that least squares see."""
    if not len(values):
        return values
    low, high = np.quantile(values, (TAIL, 1 - TAIL), axis=0)
    reach = REACH * (high - low)
    return np.asarray(np.clip(values, low - reach, high + reach), np.float64)


def linear(columns: NDArray[np.float64], y: Floats, steps: int = 8) -> Floats:
    """Robust linear coefficients of `tamed` columns [n, m] for a tamed target [n], intercept left out."""
    scale = np.maximum(columns.std(axis=0), 1e-9)
    basis = np.concatenate([(columns - columns.mean(axis=0)) / scale, np.ones((len(y), 1))], axis=1)
    basis = basis.astype(np.float32)
    residuals, total = y - np.median(y), np.zeros(basis.shape[1])
    for step in range(steps):
        weights = weights_squared if step == 0 else _weights_broad if step < steps // 2 else weights_robust
        change, residuals = _step(basis, residuals, weights)
        total += change
    return np.asarray(total[:-1] / scale, np.float64)


def grow(
    y: Floats,
    y_validation: Floats,
    candidates: Sequence[Candidate],
    *,
    most: int,
    cost: Callable[[Candidate, Sequence[Candidate]], float],
    loss: Callable[[Floats], float] = bits,
    weights: Weights = weights_robust,
) -> Additive:
    """Add terms while the validation loss falls by more than a term costs.

    Parameters
    ----------
    y, y_validation
        Target for the objects of training and validation events.
    candidates
        Sources to choose from.
    most
        Largest number of terms.
    cost
        Loss that a candidate must save, given those chosen already.
    loss, weights
        What is minimised, and the weights of the least squares that lower it.
    """
    model = Additive()
    residuals = polish(model, y[:SCORED], 0, weights)
    best = loss(y_validation - model.constant)
    waiting, disappointed = list(candidates), 0
    while waiting and len(model.chosen) < most and disappointed < PATIENCE:
        shares = scores(residuals, waiting)
        short = sorted(range(len(waiting)), key=lambda i: -shares[i])[:SHORT_LIST]
        pick = waiting[min(short, key=lambda i: _trial(residuals, waiting[i], loss, weights))]
        trial = model.with_term(pick)
        after_squares = polish(trial, residuals, 1, weights_squared if not model.chosen else weights)
        trial_residuals = polish(trial, after_squares, 3, weights)
        after = loss(y_validation - apply(trial, [c.validation for c in trial.chosen], len(y_validation)))
        waiting = [c for c in waiting if c is not pick]
        if after < best - cost(pick, model.chosen):
            model, residuals, best, disappointed = trial, trial_residuals, after, 0
        else:
            disappointed += 1
    polish(model, y - apply(model, [c.train for c in model.chosen], len(y)), FINAL_STEPS, weights)
    return model


def _trial(
    residuals: Floats, candidate: Candidate, loss: Callable[[Floats], float], weights: Weights
) -> float:
    """Loss after a quick fit of one table to the residuals."""
    model = Additive().with_term(candidate)
    first = polish(model, residuals, 1, _weights_broad if weights is weights_robust else weights)
    return loss(polish(model, first, 2, weights))
