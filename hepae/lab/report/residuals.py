"""Residuals of restored values: bias, spread, worst and quantiles, in the unit of the feature and relative."""

from __future__ import annotations

import msgspec
import numpy as np

from hepae.arrays import Floats, Values

__all__ = ["QUANTILES", "Residuals", "Spread", "difference", "relative", "residuals_of"]


QUANTILES = (0.5, 0.68, 0.95, 0.99, 0.999)
"""Of the absolute value of the residual."""


class Spread(msgspec.Struct, frozen=True):
    """How a set of residuals lies.

    Parameters
    ----------
    bias, rms, worst
        Mean, root of the mean square, largest absolute value.
    quantiles
        Of the absolute value, at `QUANTILES`.
    """

    bias: float
    rms: float
    worst: float
    quantiles: tuple[float, ...]


class Residuals(msgspec.Struct, frozen=True):
    """Residuals of one feature.

    Parameters
    ----------
    values, identical
        How many values, and how many of them are the same number.
    absolute
        Restored minus original, in the unit of the feature; angles as stored, not wrapped.
    relative
        The same over the magnitude of the original, where that is not zero.
    """

    values: int
    identical: int
    absolute: Spread
    relative: Spread


def difference(original: Values, restored: Values) -> Floats:
    """Restored minus original, float64[n]; NaN where either is not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        out = restored.astype(np.float64) - original.astype(np.float64)
    return np.where(np.isfinite(out), out, np.nan)


def relative(original: Values, restored: Values) -> Floats:
    """(Restored - original) / |original|, float64[n]; NaN where the original is zero or either is not finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        out = difference(original, restored) / np.abs(original.astype(np.float64))
    return np.where(np.isfinite(out), out, np.nan)


def residuals_of(original: Values, restored: Values) -> Residuals:
    """Residuals of a feature.

    Parameters
    ----------
    original, restored
        The values [n], one for one.

    Examples
    --------
    >>> found = residuals_of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.5, 4.0]))
    >>> found.identical, found.absolute.worst, found.relative.worst
    (2, 0.5, 0.25)
    """
    same = (original == restored) | ((original != original) & (restored != restored))
    return Residuals(
        len(original),
        int(np.count_nonzero(same)),
        _spread(difference(original, restored)),
        _spread(relative(original, restored)),
    )


def _spread(residual: Floats) -> Spread:
    found = residual[np.isfinite(residual)]
    if not len(found):
        return Spread(0.0, 0.0, 0.0, (0.0,) * len(QUANTILES))
    size = np.abs(found)
    worst = float(size.max())
    scaled = found / (worst or 1.0)  # so that no square and no sum overflows
    return Spread(
        worst * float(scaled.mean()),
        worst * float(np.sqrt(np.mean(scaled * scaled))),
        worst,
        tuple(np.quantile(size, QUANTILES).tolist()),
    )
