"""Which method of plain coding suits a column, from a part of its values, in milliseconds."""

from __future__ import annotations

import zlib
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hepae.core.plain import codec
from hepae.core.plain.codec import BITS, BYTES, INTEGERS, PLANES

__all__ = ["best_methods"]

PART: Final = 1 << 16
"""Bytes of a column that are looked at."""

NEAR: Final = 1.25
"""LZMA, which takes a hundred times as long, is tried where zlib comes so near to packed integers."""

WORTH: Final = 0.98
"""Bytes are read more slowly than packed integers: they must save so much."""


def best_methods(values: NDArray[Any]) -> tuple[int, ...]:
    """The methods worth trying on a column of which these are some values, array [n, *shape].

    Examples
    --------
    >>> best_methods(np.zeros(10_000, np.float32))
    (1,)
    """
    if values.nbytes <= codec.FEW:
        return ()
    part = _part(values)
    integers = len(codec.encode(part, (INTEGERS,)) if part.nbytes > codec.FEW else b"")
    little = np.ascontiguousarray(part, part.dtype.newbyteorder("<")).view(np.uint8)
    planes = np.ascontiguousarray(little.reshape(-1, part.dtype.itemsize).T)
    quick = {BYTES: len(zlib.compress(little.data, 1)), PLANES: len(zlib.compress(planes.data, 1))}
    near = [method for method, size in quick.items() if size < NEAR * integers]
    if part.dtype == np.bool_:
        near = [BITS]
    sizes = {method: len(codec.encode(part, (method,))) for method in near}
    best = min(sizes, key=lambda method: sizes[method], default=INTEGERS)
    return (best,) if sizes and sizes[best] < WORTH * integers else (INTEGERS,)


def _part(values: NDArray[Any]) -> NDArray[Any]:
    """Some rows from the middle, all of them where they are few."""
    rows = max(PART * len(values) // values.nbytes, 1)
    first = max((len(values) - rows) // 2, 0)
    return values[first : first + rows]
