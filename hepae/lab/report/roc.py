"""How well a score tells signal from background: ROC curve, area, rejection, bootstrap errors. Pure NumPy.

T. Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006) 861; the bootstrap: B. Efron,
Annals of Statistics 7 (1979) 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from hepae.arrays import Booleans, Floats, Values
from hepae.errors import InputError

__all__ = ["Statistic", "auc", "bootstrap", "rejection", "roc"]


Statistic = Callable[[Values, Booleans], float]
"""A number computed from scores and labels, such as `auc`."""


def roc(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """The share of background and of signal above every threshold, from none of them to all.

    Parameters
    ----------
    scores : float[n]
        Larger means more like signal. Equal scores share a threshold.
    labels : bool[n] or int[n]
        Not zero for signal.

    Returns
    -------
    fpr, tpr : float64[m]
        False and true positive rate, both rising from 0 to 1.

    Raises
    ------
    InputError
        If the lengths differ, a score is NaN, or there is no signal or no background.

    Examples
    --------
    >>> roc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    (array([0. , 0. , 0.5, 1. ]), array([0. , 0.5, 1. , 1. ]))
    """
    values, signal = _checked(scores, labels)
    order = np.argsort(-values, kind="stable")
    last_of_threshold = np.append(np.flatnonzero(np.diff(values[order])), len(values) - 1)
    above = np.cumsum(signal[order])[last_of_threshold]
    below = last_of_threshold + 1 - above
    return np.append(0.0, below / below[-1]), np.append(0.0, above / above[-1])


def auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a signal scores above a background, equal scores counting half.

    See `roc` for the parameters and errors.

    Examples
    --------
    >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    fpr, tpr = roc(scores, labels)
    return float(np.trapezoid(tpr, fpr))


def rejection(scores: ArrayLike, labels: ArrayLike, efficiency: float) -> float:
    """Background rejection 1/fpr where the share ``efficiency`` of the signal is kept; inf where no background is left.

    Between two thresholds the curve is a straight line. See `roc` for the other parameters and errors.

    Examples
    --------
    >>> rejection([0.1, 0.6, 0.4, 0.8], [0, 0, 1, 1], efficiency=1.0)
    2.0
    """
    if not 0 < efficiency <= 1:
        raise InputError("an efficiency that cannot be", expected="above 0, at most 1", got=efficiency)
    fpr, tpr = roc(scores, labels)
    # the curve may rise straight up: of the points at one tpr the first has the smallest fpr
    rising, first = np.unique(tpr, return_index=True)
    left = float(np.interp(efficiency, rising, fpr[first]))
    return 1 / left if left > 0 else float("inf")


def bootstrap(
    statistic: Statistic, scores: ArrayLike, labels: ArrayLike, draws: int = 200, seed: int = 0
) -> float:
    """Standard error of a statistic: its spread over samples drawn with replacement, signal and background apart.

    Parameters
    ----------
    statistic
        Called with ``scores[rows], labels[rows]``.
    scores : [n] or [n, k]
        With k scores a row they are drawn together: the error of a difference between two taggers on the same jets
        is that of ``lambda s, y: auc(s[:, 0], y) - auc(s[:, 1], y)``.
    labels : bool[n] or int[n]
        Not zero for signal.
    draws, seed
        How many samples, and the seed of the generator.

    Examples
    --------
    >>> error = bootstrap(auc, [0.1, 0.6, 0.4, 0.8, 0.3, 0.5], [0, 0, 1, 1, 0, 1])
    >>> 0.1 < error < 0.3
    True
    """
    values, signal = np.asarray(scores), np.asarray(labels) != 0
    if len(values) != len(signal):
        raise InputError("scores and labels of different lengths", expected=len(signal), got=len(values))
    random = np.random.default_rng(seed)
    classes = [np.flatnonzero(signal), np.flatnonzero(~signal)]
    found = []
    for _ in range(draws):
        rows = np.concatenate([random.choice(rows, len(rows)) for rows in classes])
        found.append(statistic(values[rows], signal[rows]))
    return float(np.std(found, ddof=1))


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Booleans]:
    values, signal = np.asarray(scores, np.float64), np.asarray(labels) != 0
    if values.ndim != 1 or values.shape != signal.shape:
        raise InputError("scores and labels of different shapes", expected=signal.shape, got=values.shape)
    if np.isnan(values).any():
        raise InputError("a score that is no number", where=f"entry {int(np.isnan(values).argmax())}")
    if not signal.any() or signal.all():
        raise InputError(
            "signal and background are both needed", got=f"{signal.sum()} of {len(signal)} signal"
        )
    return values, signal
