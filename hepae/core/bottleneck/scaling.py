"""Input transforms of float networks: values to numbers of order one, and back.

A value x becomes ``y = (f(x) - shift) * scale`` with f the identity or the logarithm. The scalings of the literature
(divide by a constant, min-max, standard, one after the other) are all affine, and so is what they compose to: min-max
followed by standard is standard, whatever came before.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Booleans, Floats

__all__ = ["SCALINGS", "Scaling", "Transform", "chooses_log", "fit_transform"]

Scaling = Literal["none", "minmax", "standard", "minmax-standard", "standard-minmax"]
SCALINGS: tuple[Scaling, ...] = ("none", "minmax", "standard", "minmax-standard", "standard-minmax")

ENERGIES = frozenset({"e", "energy", "pt", "p", "et", "ht", "mass", "m", "met"})
ANGLES = frozenset({"eta", "phi", "y", "theta"})
ANGLE_DIVISOR = 5.0
POSITIVE_SHARE = 0.999
TAIL = 1e-3
REACH = 3.0
MARGIN = 0.5
LARGEST_INPUT = 1e6
LOGARITHMS = (-745.0, 709.78)
"""Between them an exponential is neither zero nor infinite."""


class Transform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature's way into a network and out of it.

    Parameters
    ----------
    function
        ``linear`` or ``log``, which takes positive values only.
    shift, scale
        ``y = (f(x) - shift) * scale``.
    low, high
        y is clipped to this range, in and out, so that no value can drive a network or an exponential too far.
    """

    function: Literal["linear", "log"]
    shift: float
    scale: float
    low: float
    high: float

    @np.errstate(invalid="ignore", over="ignore")  # signalling NaN are quietly widened
    def forward(self, values: Array) -> tuple[NDArray[np.float32], Booleans]:
        """Network inputs float32[n], and where the value was in the domain: finite, and positive for ``log``.

        Values out of the domain become the middle of the range.

        Examples
        --------
        >>> Transform("linear", 1.0, 0.5, 0.0, 1.0).forward(np.array([2.0, np.nan]))
        (array([0.5, 0.5], dtype=float32), array([ True, False]))
        """
        x = values.astype(np.float64)
        domain = np.isfinite(x) & (x > 0) if self.function == "log" else np.isfinite(x)
        safe = np.where(domain, x, 1.0)
        with np.errstate(over="ignore"):
            y = ((np.log(safe) if self.function == "log" else safe) - self.shift) * self.scale
        y = np.where(domain, np.clip(y, self.low, self.high), 0.5 * (self.low + self.high))
        return y.astype(np.float32), domain

    def inverse(self, y: NDArray[np.float32]) -> Floats:
        """Values float64[n] of network outputs."""
        x = np.clip(y.astype(np.float64), self.low, self.high) / self.scale + self.shift
        return np.exp(np.clip(x, *LOGARITHMS)) if self.function == "log" else x

    def spread(self, x: Floats, drift: float) -> Floats:
        """How far the value x may move when the network's output moves by ``drift``, either way."""
        moved = abs(drift / self.scale)
        return np.abs(x) * np.expm1(moved) if self.function == "log" else np.full(x.shape, moved)


def chooses_log(name: str, values: Array, relative: bool) -> bool:
    """Whether a feature enters by its logarithm: energies by name or relative bound, nearly all of them positive.

    Examples
    --------
    >>> chooses_log("pt", np.array([20.0, 30.0]), relative=False), chooses_log("eta", np.array([0.5, 1.0]), False)
    (True, False)
    """
    if values.dtype.kind != "f" or not (relative or name.lower() in ENERGIES):
        return False
    nonzero = values[np.isfinite(values) & (values != 0)]
    return bool(len(nonzero)) and float((nonzero > 0).mean()) >= POSITIVE_SHARE


def fit_transform(name: str, values: Array, scaling: Scaling, log: bool) -> Transform:
    """The transform of a feature, from values of the training sample.

    Values that are not finite, or not positive where the logarithm is taken, are left out. A few wild values do not
    spoil the scale: the range ends three times that of the middle 99.8 % beyond it.

    Parameters
    ----------
    name
        Short name, which tells an angle.
    values
        The feature in the training sample, any length.
    scaling
        One of `SCALINGS`; ``none`` leaves angles divided by 5 and everything else, logarithms taken, as it is.
    log
        Whether to take the logarithm.
    """
    x = values.astype(np.float64)
    x = x[np.isfinite(x) & (x > 0)] if log else x[np.isfinite(x)]
    x = _tamed(np.log(x) if log else x)
    shift, scale = _affine(name, x, scaling)
    with np.errstate(over="ignore"):
        y = (x - shift) * scale
    low, high = (float(y.min()), float(y.max())) if len(y) else (0.0, 1.0)
    low, high = max(low, -LARGEST_INPUT), min(high, LARGEST_INPUT)
    margin = MARGIN * max(high - low, 1e-3)
    low, high = np.clip([low - margin, high + margin], -LARGEST_INPUT, LARGEST_INPUT).tolist()
    return Transform("log" if log else "linear", shift, scale, low, high)


def _tamed(x: Floats) -> Floats:
    if not len(x):
        return x
    with np.errstate(over="ignore", invalid="ignore"):
        first, last = np.quantile(x, [TAIL, 1 - TAIL])
        reach = REACH * (last - first)
        return np.clip(x, first - reach, last + reach) if 0 < reach < np.inf else x


def _affine(name: str, x: Floats, scaling: Scaling) -> tuple[float, float]:
    if scaling == "none" or not len(x):
        return 0.0, 1 / ANGLE_DIVISOR if name.lower() in ANGLES else 1.0
    low, high = float(x.min()), float(x.max())
    if not 0 < high - low < math.inf:
        return low, 1.0
    if scaling in ("minmax", "standard-minmax"):
        return low, _invertible(1 / (high - low))
    middle = (x - low) / (high - low)  # so that no square overflows
    return low + (high - low) * float(middle.mean()), _invertible(1 / ((high - low) * float(middle.std())))


def _invertible(scale: float) -> float:
    return scale if 0 < scale < np.inf else 1.0
