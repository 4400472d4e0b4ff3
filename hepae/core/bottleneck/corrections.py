"""Corrections: the integers that move a float prediction to within the bound of the true value.

The prediction comes from a float network, whose last bits depend on the machine. A correction is therefore counted
from the prediction itself and accepted only if the bound holds for every prediction within the drift allowance:

=============== ============================ =================================================
bound           restored value               drift
=============== ============================ =================================================
``abs``         predicted + c * step         taken off the bound
``rel, bits``   predicted * base**c          taken off the bound
integers        predicted, rounded to a      a prediction that could be rounded either way
                multiple of ``step``, + c    escapes
=============== ============================ =================================================

In the file a correction is an unsigned *code*: 0 for an escape (stored bit for bit elsewhere), then one code for each
frequent exact value of the feature, then the zig-zag numbers 0, -1, 1, -2, …
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Booleans, Floats, Integers, Words
from hepae.core.bottleneck.spec import BottleneckColumn
from hepae.core.values.bounds import error, limit, raw_bits
from hepae.errors import CorruptionError

__all__ = ["allowance", "code_dtype", "correct", "restore"]

Codes = NDArray[np.unsignedinteger]

ELEMENTARY = 1e-13
"""Relative allowance for exp and pow of different mathematics libraries."""

TRUSTED = 2.0**62


def code_dtype(dtype: str) -> np.dtype[np.unsignedinteger]:
    """Type of the codes: the same for every model of a feature, so that files of several models can be joined."""
    size = np.dtype(dtype).itemsize if np.dtype(dtype).kind != "f" else 2
    return np.dtype(f"uint{8 * size}")


@np.errstate(invalid="ignore", over="ignore")  # signalling NaN are quietly widened
def correct(column: BottleneckColumn, stored: Array, predicted: NDArray[np.float32]) -> Codes:
    """Codes uint[n] of stored values, given the decoder's output for this feature.

    Every value is restored as the reader will and compared with what was stored. Code 0 is an escape.
    """
    x = column.transform.inverse(predicted)
    c = _nearest_integer(column, stored, x) if column.is_integer else _nearest(column, stored, x)
    code = np.where(c < 0, -2 * c - 1, 2 * c) + 1 + len(column.frequent)
    kept = _certain(column, x) if column.is_integer else _within(column, stored, x, c)
    dtype = code_dtype(column.dtype)
    code[~(kept & (code <= np.iinfo(dtype).max))] = 0
    bits = raw_bits(stored)
    for place, pattern in enumerate(column.frequent):
        code[bits == bits.dtype.type(pattern)] = place + 1
    return code.astype(dtype)


def restore(
    column: BottleneckColumn,
    codes: Codes,
    predicted: NDArray[np.float32],
    escaped_at: Integers,
    escaped: Words,
) -> Array:
    """Values of codes: what the reader restores.

    Parameters
    ----------
    column
        The feature.
    codes, predicted
        Codes and the decoder's output, [n].
    escaped_at, escaped
        Objects whose value escaped, and the bit patterns of those values.

    Raises
    ------
    CorruptionError
        If the escapes are not where the codes say.
    """
    if not np.array_equal(np.flatnonzero(codes == 0), escaped_at):
        raise CorruptionError(
            "escapes and corrections differ",
            where=column.name,
            expected=int((codes == 0).sum()),
            got=len(escaped_at),
        )
    number = codes.astype(np.int64) - 1 - len(column.frequent)
    c = np.where(number & 1, -(number + 1) >> 1, number >> 1)
    x = column.transform.inverse(predicted)
    values = _corrected_integer(column, x, c) if column.is_integer else _corrected(column, x, c)
    bits = raw_bits(values)
    for place, pattern in enumerate(column.frequent):
        bits[codes == place + 1] = pattern
    bits[escaped_at] = escaped.astype(bits.dtype)
    return bits.view(values.dtype)


def allowance(column: BottleneckColumn, x: Floats, restored: Array, factor: Floats | float = 1.0) -> Floats:
    """How far the restored value may be on another machine: the drift, and the rounding to the branch's dtype."""
    with np.errstate(invalid="ignore", over="ignore"):
        magnitude = np.abs(restored)
        rounding = np.spacing(magnitude).astype(np.float64) + ELEMENTARY * magnitude.astype(np.float64)
        return np.asarray(column.transform.spread(x, column.drift) * factor + rounding)


def _within(column: BottleneckColumn, stored: Array, x: Floats, c: Integers) -> Booleans:
    """Where the bound holds for every prediction within the drift. Zeros are restored only as themselves."""
    restored = _corrected(column, x, c)
    with np.errstate(invalid="ignore", over="ignore"):
        factor = 1.0 if column.bound.kind == "abs" else _power(column.step, c)
        room = limit(stored, column.bound) - allowance(column, x, restored, factor)
    return np.asarray(
        (error(stored, restored) <= room) & np.isfinite(restored) & np.isfinite(stored) & (stored != 0)
    )


def _nearest(column: BottleneckColumn, stored: Array, x: Floats) -> Integers:
    """Number of steps from the prediction to the value; 0 where there is no such number."""
    true = stored.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if column.bound.kind == "abs":
            steps = (true - x) / column.step
        else:
            r = (column.step - 1) / (column.step + 1)
            steps = (np.log(true / x) + 0.5 * math.log1p(-r * r)) / math.log(column.step)
        return np.asarray(np.rint(np.where(np.abs(steps) < TRUSTED, steps, 0.0)), np.int64)


def _corrected(column: BottleneckColumn, x: Floats, c: Integers) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        moved = x + c * column.step if column.bound.kind == "abs" else x * _power(column.step, c)
        return moved.astype(column.dtype)


def _power(base: float, c: Integers) -> Floats:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.power(base, c.astype(np.float64)))


def _anchor(column: BottleneckColumn, x: Floats) -> Integers:
    with np.errstate(invalid="ignore"):
        return np.rint(x / column.step).astype(np.int64) * int(column.step)


def _nearest_integer(column: BottleneckColumn, stored: Array, x: Floats) -> Integers:
    return stored.astype(np.int64) - _anchor(column, x)


def _corrected_integer(column: BottleneckColumn, x: Floats, c: Integers) -> Array:
    return (_anchor(column, x) + c).astype(column.dtype)


def _certain(column: BottleneckColumn, x: Floats) -> Booleans:
    """Where every prediction within the drift is rounded to the same multiple."""
    moved = column.transform.spread(x, column.drift) + ELEMENTARY * np.abs(x)
    return np.asarray(np.rint((x - moved) / column.step) == np.rint((x + moved) / column.step))
