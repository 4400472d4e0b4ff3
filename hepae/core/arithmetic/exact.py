"""Elementary functions with the same bits on every machine.

``np.log``, ``np.exp``, ``np.cos`` … come from whatever mathematics library NumPy was built with, and differ in the
last bit between machines. Where such a number decides an integer, writer and reader must agree on every bit. The
functions here use only IEEE 754 additions, subtractions, multiplications, divisions, square roots and moves of
exponents (``frexp``, ``ldexp``), each a separate NumPy operation and therefore correctly rounded on its own, in a
fixed order. They are accurate to about 1e-15 relative (absolute for ``cos``,
``sin`` and ``sinh``), which is all that their use needs.

Sources: argument reduction and series as in W. J. Cody and W. Waite, *Software Manual for the Elementary Functions*
(1980); the constants are the usual splits of ln 2 and pi/2 into parts whose products with small integers are exact.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np

from hepae.arrays import Floats, Integers

__all__ = ["arctan2", "cos", "cosh", "exp", "log", "sin", "sinh", "table_arctan2", "table_log"]


PI: Final = float.fromhex("0x1.921fb54442d18p+1")
LN2: Final = float.fromhex("0x1.62e42fefa39efp-1")
"""The floats nearest to pi and to ln 2."""

LN2_HIGH: Final = float.fromhex("0x1.62e42fee00000p-1")
LN2_LOW: Final = float.fromhex("0x1.a39ef35793c76p-33")
HALF_PI_HIGH: Final = float.fromhex("0x1.921fb54400000p+0")
HALF_PI_LOW: Final = float.fromhex("0x1.0b4611a626331p-34")
SQRT_HALF: Final = float.fromhex("0x1.6a09e667f3bcdp-1")
TAN_PI_8: Final = float.fromhex("0x1.a827999fcef32p-2")

SMALLEST: Final = 2.0**-1000
"""Stands in for zero where something is divided by a size: its inverse is finite."""

EXP_LARGEST: Final = 709.0
ANGLE_LARGEST: Final = 1e6

ETA_LARGEST: Final = 30.0
"""Pseudorapidity along the beam, where the true one is infinite: far beyond that of any detector (5)."""

_LOG_SERIES: Final = tuple(1.0 / k for k in range(21, 0, -2))
_ATAN_SERIES: Final = tuple((1.0 if k % 4 == 1 else -1.0) / k for k in range(23, 0, -2))


def _inverse_factorials(ks: range, alternate: bool) -> tuple[float, ...]:
    out = []
    for place, k in enumerate(ks):
        factorial = 1
        for j in range(2, k + 1):
            factorial *= j
        out.append((-1.0 if alternate and place % 2 else 1.0) / factorial)
    return tuple(reversed(out))


_EXP_SERIES: Final = _inverse_factorials(range(15), alternate=False)
_SIN_SERIES: Final = _inverse_factorials(range(1, 20, 2), alternate=True)
_COS_SERIES: Final = _inverse_factorials(range(0, 20, 2), alternate=True)


def _horner(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    """Polynomial, highest power first; one rounding a step."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += coefficient
    return total


def log(x: Floats) -> Floats:
    """Natural logarithm of finite x > 0.

    Examples
    --------
    >>> log(np.array([1.0, 8.0])).round(12).tolist()
    [0.0, 2.07944154168]
    """
    mantissa, power = np.frexp(np.asarray(x, np.float64))
    low = mantissa < SQRT_HALF
    mantissa = np.where(low, mantissa * 2.0, mantissa)
    exponent = (power - low).astype(np.float64)
    s = (mantissa - 1.0) / (mantissa + 1.0)
    series = _horner(s * s, _LOG_SERIES)
    return np.asarray(exponent * LN2_HIGH + (exponent * LN2_LOW + 2.0 * s * series), np.float64)


def exp(x: Floats) -> Floats:
    """Exponential; arguments beyond ±709 are clipped, so the result is finite and positive.

    Examples
    --------
    >>> exp(np.array([0.0, 1.0])).round(12).tolist()
    [1.0, 2.718281828459]
    """
    x = np.clip(np.asarray(x, np.float64), -EXP_LARGEST, EXP_LARGEST)
    k = np.rint(x * (1.0 / 0.6931471805599453))
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    return np.asarray(np.ldexp(_horner(r, _EXP_SERIES), k.astype(np.int32)), np.float64)


def cosh(x: Floats) -> Floats:
    """Hyperbolic cosine; arguments beyond ±709 are clipped.

    Examples
    --------
    >>> cosh(np.array([0.0, 1.0])).round(12).tolist()
    [1.0, 1.543080634815]
    """
    grown = exp(np.abs(np.asarray(x, np.float64)))
    return 0.5 * (grown + 1.0 / grown)


def sinh(x: Floats) -> Floats:
    """Hyperbolic sine, to 1e-16 absolute; arguments beyond ±709 are clipped.

    Examples
    --------
    >>> sinh(np.array([0.0, 1.0])).round(12).tolist()
    [0.0, 1.175201193644]
    """
    grown = exp(np.abs(np.asarray(x, np.float64)))
    size = 0.5 * (grown - 1.0 / grown)
    return np.where(np.asarray(x) < 0.0, -size, size)


def _quadrant(x: Floats) -> tuple[Floats, Integers]:
    """x modulo pi/2 into ±pi/4, and how many times pi/2 was taken."""
    x = np.clip(np.asarray(x, np.float64), -ANGLE_LARGEST, ANGLE_LARGEST)
    k = np.rint(x * (2.0 / PI))
    return (x - k * HALF_PI_HIGH) - k * HALF_PI_LOW, k.astype(np.int64) & 3


def cos(x: Floats) -> Floats:
    """Cosine of radians; arguments beyond ±1e6 are clipped.

    Examples
    --------
    >>> cos(np.array([0.0, 1.0])).round(12).tolist()
    [1.0, 0.540302305868]
    """
    r, quadrant = _quadrant(x)
    square = r * r
    even, odd = _horner(square, _COS_SERIES), r * _horner(square, _SIN_SERIES)
    value = np.where(quadrant & 1, odd, even)
    return np.where((quadrant == 1) | (quadrant == 2), -value, value)


def sin(x: Floats) -> Floats:
    """Sine of radians; arguments beyond ±1e6 are clipped.

    Examples
    --------
    >>> sin(np.array([0.0, 1.0])).round(12).tolist()
    [0.0, 0.841470984808]
    """
    r, quadrant = _quadrant(x)
    square = r * r
    even, odd = _horner(square, _COS_SERIES), r * _horner(square, _SIN_SERIES)
    value = np.where(quadrant & 1, even, odd)
    return np.where(quadrant >= 2, -value, value)


def arctan2(y: Floats, x: Floats) -> Floats:
    """Angle of the vector (x, y) in radians, -pi to pi; 0 for the zero vector.

    Examples
    --------
    >>> arctan2(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -2.0])).round(12).tolist()
    [0.0, 1.570796326795, 3.14159265359]
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    across, along = np.abs(y), np.abs(x)
    steep = across > along
    large = np.where(steep, across, along)
    t = np.where(steep, along, across) / np.where(large > 0.0, large, 1.0)
    wide = t > TAN_PI_8
    t = np.where(wide, (t - 1.0) / (t + 1.0), t)
    # tan of half the angle: the series then converges in a dozen terms
    t = t / (1.0 + np.sqrt(1.0 + t * t))
    angle = 2.0 * t * _horner(t * t, _ATAN_SERIES) + np.where(wide, 0.25 * PI, 0.0)
    angle = np.where(steep, 0.5 * PI - angle, angle)
    angle = np.where(x < 0.0, PI - angle, angle)
    return np.where(y < 0.0, -angle, angle)


TABLE_BITS: Final = 12


@functools.cache
def _log_table() -> tuple[Floats, Floats]:
    """Logarithm at 2**TABLE_BITS places in [1/2, 1), and its slope to the next."""
    at = 0.5 + np.arange((1 << TABLE_BITS) + 1) / float(2 << TABLE_BITS)
    values = log(at)
    return values[:-1], (values[1:] - values[:-1]) * float(2 << TABLE_BITS)


def table_log(x: Floats) -> Floats:
    """Natural logarithm of finite x > 0 to 1e-8, by interpolation: three times faster than `log`.

    Examples
    --------
    >>> table_log(np.array([1.0, 8.0])).round(7).tolist()
    [0.0, 2.0794415]
    """
    mantissa, power = np.frexp(x)
    values, slopes = _log_table()
    mantissa -= 0.5
    place = (mantissa * float(2 << TABLE_BITS)).astype(np.int64)
    mantissa -= place * (0.5**TABLE_BITS * 0.5)
    mantissa *= slopes.take(place, mode="clip")
    mantissa += values.take(place, mode="clip")
    mantissa += power * LN2
    return np.asarray(mantissa, np.float64)


@functools.cache
def _angle_table() -> Floats:
    """Arc tangent of 0 to 1 in 2**TABLE_BITS steps."""
    at = np.arange((1 << TABLE_BITS) + 1) / float(1 << TABLE_BITS)
    return arctan2(at, np.ones_like(at))


def table_arctan2(y: Floats, x: Floats) -> Floats:
    """Angle of the vector (x, y) to 2e-4, from a table: three times faster than `arctan2`.

    Examples
    --------
    >>> table_arctan2(np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -2.0])).round(6).tolist()
    [0.0, 1.570796, 3.141593]
    """
    across, along = np.abs(y), np.abs(x)
    ratio = np.minimum(across, along)
    with np.errstate(invalid="ignore"):
        ratio /= np.maximum(np.maximum(across, along), SMALLEST)
    ratio *= float(1 << TABLE_BITS)
    ratio = np.fmax(ratio, 0.0) + 0.5
    angle = _angle_table().take(ratio.astype(np.int64), mode="clip")
    angle = np.where(across > along, 0.5 * PI - angle, angle)
    angle = np.where(x < 0.0, PI - angle, angle)
    # the sign of a NaN depends on the machine
    return np.copysign(angle, np.where(np.isnan(y), 0.0, y))
