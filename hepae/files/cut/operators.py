"""What operators make of two columns of numbers, and where C++ and ``TTree::Draw`` have no common result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from hepae.arrays import Array, Booleans
from hepae.errors import CutError
from hepae.files.cut import integers

__all__ = ["Doubt", "compared", "negated", "operated"]

COMPARED: Final[dict[str, Callable[[Array, Array], Booleans]]] = {
    "==": np.equal, "!=": np.not_equal, "<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal,
}  # fmt: skip
BEYOND: Final = "an integer beyond 64 bits", "write 1.0 * x to compute with real numbers"


@dataclass(frozen=True)
class Doubt:
    """Where a result is not defined, or not the same in C++ and ``TTree::Draw``.

    Attributes
    ----------
    what, hint
        For the message.
    where : bool[n]
        Of which values.
    """

    what: str
    hint: str
    where: Booleans


Result = tuple[Array, Doubt | None]


def compared(operator: str, left: Array, right: Array) -> Booleans:
    """A comparison: exact of two integers, in double precision otherwise.

    Raises
    ------
    CutError
        If a text is compared with a number, or is to be larger or smaller.
    """
    texts = [array.dtype.kind == "U" for array in (left, right)]
    if any(texts) and not (all(texts) and operator in ("==", "!=")):
        raise CutError("a text compared with a number", hint='a text equals a text or not: name == "abc"')
    if np.float64 in (left.dtype, right.dtype):
        left, right = left.astype(np.float64), right.astype(np.float64)
    return COMPARED[operator](left, right)


def negated(values: Array) -> Result:
    """The values with the other sign; booleans are integers."""
    return (-values, None) if values.dtype == np.float64 else _exact(*integers.negative(values))


def operated(operator: str, left: Array, right: Array, *, drawn: bool) -> Result:
    """``left operator right``.

    Parameters
    ----------
    operator
        One of ``+ - * / % ** & | << >>``.
    left, right : bool, int64, uint64 or float64 [n]
    drawn
        Whether integers are divided as ``TTree::Draw`` divides them.

    Raises
    ------
    CutError
        If C++ and ``TTree::Draw`` compute something different of these types.

    Examples
    --------
    >>> operated("+", np.array([True]), np.array([True]), drawn=False)[0].tolist()
    [2]
    """
    real = np.float64 in (left.dtype, right.dtype)
    if operator == "**" or (real and operator in integers.OPERATIONS):
        compute = integers.OPERATIONS.get(operator, np.power)
        return compute(left.astype(np.float64), right.astype(np.float64)), None
    if operator == "/":
        return _divided(left, right, real or drawn)
    if operator in integers.OPERATIONS:
        return _exact(*integers.arithmetic(operator, left, right))
    if real:
        hint = "write fmod(a, b), or int(a) % b" if operator == "%" else "write int(a) for an integer"
        raise CutError(f"{operator} of real numbers: C++ refuses, TTree::Draw rounds them", hint=hint)
    if operator == "%":
        values, zero = integers.remainder(left, right)
        return values, _doubt("the remainder of a division by 0", "write b != 0 && a % b ...", zero)
    if operator in ("&", "|"):
        values, below = integers.bits(operator, left, right)
        return values, _doubt("bits of a negative number", "write x >= 0 && (x & y) ...", below)
    values, wrong = integers.shift(operator, left, right)
    hint = "shift what is not negative by 0 to 63, within 64 bits"
    return values, _doubt(f"{operator} without a defined result", hint, wrong)


def _divided(left: Array, right: Array, real: bool) -> Result:
    if not real:
        hint = "write 1.0 * a / b for the ratio, trunc(1.0 * a / b) for the whole number"
        raise CutError("a division of integers: C++ rounds towards 0, TTree::Draw does not", hint=hint)
    below = right.astype(np.float64)
    zero = below == 0
    values = left.astype(np.float64) / np.where(zero, 1.0, below)
    return values, _doubt(
        "a division by 0, infinite in C++ and 0 in TTree::Draw", "write b != 0 && a / b ...", zero
    )


def _exact(values: Array, lost: Booleans | None) -> Result:
    return values, _doubt(*BEYOND, lost)


def _doubt(what: str, hint: str, where: Booleans | None) -> Doubt | None:
    return None if where is None or not where.any() else Doubt(what, hint, where)
