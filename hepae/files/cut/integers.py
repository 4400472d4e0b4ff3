"""Integers of a cut: exact in 64 bits, signed and unsigned together.

Everything is computed modulo 2**64, which is exact where the true result fits; where it does not, the element is named
in a mask and never used. C++ would convert to the wider or the unsigned type and wrap around, ``TTree::Draw`` round to
53 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from hepae.arrays import Array, Booleans, Words

__all__ = ["absolute", "arithmetic", "bits", "joined", "negative", "remainder", "shift"]

Checked = tuple[Array, Booleans | None]
"""Values (int64 or uint64), and where they are not the true ones; None where they all are."""

OPERATIONS: Final[dict[str, Callable[[Any, Any], Any]]] = {"+": np.add, "-": np.subtract, "*": np.multiply}
EXACT: Final[dict[str, Callable[[int, int], int]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
LEAST, SIGNED, UNSIGNED = -(2**63), 2**63, 2**64
MARGIN: Final = 2.0**14
"""A product of two float64 below 2**64 is off by less than 2**64 * 3 * 2**-53, a sum or a difference by less."""


def arithmetic(operator: str, left: Array, right: Array) -> Checked:
    """Sum, difference or product.

    Parameters
    ----------
    operator
        ``+``, ``-`` or ``*``.
    left, right : bool, int64 or uint64 [n]

    Examples
    --------
    >>> values, lost = arithmetic("-", np.array([1, 2**64 - 1], np.uint64), np.array([3, 3], np.uint64))
    >>> values.tolist(), lost.tolist()
    ([-2, -4], [False, True])
    """
    words = OPERATIONS[operator](_words(left), _words(right))
    low, high = _range(operator, left, right)
    if low >= LEAST and high < SIGNED:
        return words.view(np.int64), None
    if low >= 0 and high < UNSIGNED:
        return words, None
    near = OPERATIONS[operator](left.astype(np.float64), right.astype(np.float64))
    if near.min() >= MARGIN and near.max() >= SIGNED - MARGIN:
        return words, near >= UNSIGNED - MARGIN
    return words.view(np.int64), (near >= SIGNED - MARGIN) | (near <= LEAST + MARGIN)


def negative(values: Array) -> Checked:
    """The values with the other sign."""
    return arithmetic("-", np.zeros_like(values, np.int64), values)


def absolute(values: Array) -> Array:
    """Absolute values, exact: that of -2**63 too."""
    return _narrow(_magnitudes(values))


def remainder(left: Array, right: Array) -> Checked:
    """``left % right`` with the sign of ``left``, as in C++; not defined where ``right`` is 0.

    Examples
    --------
    >>> remainder(np.array([-3, 3, 3]), np.array([2, 2, 0]))[0].tolist()
    [-1, 1, 0]
    """
    zero = right == 0
    words = _magnitudes(left) % np.where(zero, np.uint64(1), _magnitudes(right))
    below = left < 0
    if below.any():
        return np.where(below, np.uint64(0) - words, words).view(np.int64), zero
    return _narrow(words), zero


def bits(operator: str, left: Array, right: Array) -> Checked:
    """``left & right`` or ``left | right``.

    Not defined where the result is negative in C++: it is a large number in ``TTree::Draw``.
    """
    if left.dtype == bool and right.dtype == bool:
        return (left & right if operator == "&" else left | right), None
    below = left < 0, right < 0
    if operator == "&":
        return _narrow(_words(left) & _words(right)), below[0] & below[1]
    return _narrow(_words(left) | _words(right)), below[0] | below[1]


def shift(operator: str, left: Array, right: Array) -> Checked:
    """``left << right`` or ``left >> right``.

    Not defined for negative numbers, by 64 bits and more, and where bits are lost.
    """
    wrong = (left < 0) | (right < 0) | (right > 63)
    by = np.where(wrong, 0, right).astype(np.uint64)
    words = _words(left)
    if operator == ">>":
        return _narrow(words >> by), wrong
    return _narrow(words << by), wrong | (words > np.uint64(UNSIGNED - 1) >> by)


def joined(left: Array, right: Array) -> tuple[Array, Array] | None:
    """Both as one dtype without loss: bool, int64, uint64 or float64; None where there is none."""
    if left.dtype == right.dtype:
        return left, right
    if np.float64 in (left.dtype, right.dtype):
        return left.astype(np.float64), right.astype(np.float64)
    low = min(_bounds(left)[0], _bounds(right)[0])
    high = max(_bounds(left)[1], _bounds(right)[1])
    if high < SIGNED:
        return left.astype(np.int64), right.astype(np.int64)
    return (_words(left), _words(right)) if low >= 0 else None


def _words(values: Array) -> Words:
    """The values modulo 2**64."""
    return values.astype(np.uint64)


def _narrow(words: Words) -> Array:
    """As int64 where all fit: so that small numbers stay signed."""
    return words.view(np.int64) if _bounds(words)[1] < SIGNED else words


def _magnitudes(values: Array) -> Words:
    words = _words(values)
    return np.where(values < 0, np.uint64(0) - words, words)


def _bounds(values: Array) -> tuple[int, int]:
    return (int(values.min()), int(values.max())) if values.size else (0, 0)


def _range(operator: str, left: Array, right: Array) -> tuple[int, int]:
    """What no result is below or above."""
    corners = [EXACT[operator](a, b) for a in _bounds(left) for b in _bounds(right)]
    return min(corners), max(corners)
