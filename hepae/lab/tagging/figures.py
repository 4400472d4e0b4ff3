"""Figures of merit of a tagger on original and restored jets, with their errors. Pure NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from hepae.arrays import Array, Booleans
from hepae.lab.report.roc import Statistic, auc, bootstrap, rejection

__all__ = ["FIGURES", "Figure", "accuracy", "compare_scores"]


def accuracy(scores: Array, labels: Booleans) -> float:
    """Share of jets on the right side of one half."""
    return float(np.mean((scores > 0.5) == labels))


def cross_entropy(scores: Array, labels: Booleans) -> float:
    """The tagger's loss, in nats a jet."""
    chance = np.where(labels, scores, 1 - scores)
    return float(-np.mean(np.log(np.clip(chance, 1e-7, 1))))


FIGURES: Final[Mapping[str, Statistic]] = {
    "accuracy": accuracy,
    "AUC": auc,
    "rejection at 50 %": lambda scores, labels: rejection(scores, labels, 0.5),
    "rejection at 30 %": lambda scores, labels: rejection(scores, labels, 0.3),
    "cross-entropy": cross_entropy,
}
"""What a tagger is judged by. Rejection: one over the share of background kept at that signal efficiency."""


@dataclass(frozen=True)
class Figure:
    """One figure of merit on the same jets, before and after.

    Attributes
    ----------
    error, difference_error
        Standard errors of `original` and of `difference` by bootstrap; the latter draws pairs, so that what both have
        in common drops out. NaN where a rejection is infinite.
    """

    original: float
    restored: float
    error: float
    difference: float
    difference_error: float


def compare_scores(before: Array, after: Array, labels: Booleans, draws: int = 200) -> dict[str, Figure]:
    """Figures of merit of scores of the same jets, before and after.

    Parameters
    ----------
    before, after : float64[n]
        Scores between 0 and 1.
    labels : bool[n]
        Signal or not.
    draws
        Samples of the bootstrap.

    Examples
    --------
    >>> scores = np.linspace(0, 1, 100)
    >>> compare_scores(scores, scores, scores > 0.5)["AUC"].difference
    0.0
    """
    return {name: _figure(of, before, after, labels, draws) for name, of in FIGURES.items()}


def _figure(of: Statistic, before: Array, after: Array, labels: Booleans, draws: int) -> Figure:
    def difference(pair: Array, signal: Booleans) -> float:
        return _minus(of(pair[:, 1], signal), of(pair[:, 0], signal))

    both = np.stack([before, after], axis=1)
    with np.errstate(invalid="ignore"):  # an infinite rejection has no error
        error = bootstrap(of, before, labels, draws)
        error_of_difference = bootstrap(difference, both, labels, draws)
    return Figure(of(before, labels), of(after, labels), error, difference(both, labels), error_of_difference)


def _minus(after: float, before: float) -> float:
    """Also of two infinite rejections, which do not differ."""
    return 0.0 if after == before else after - before
