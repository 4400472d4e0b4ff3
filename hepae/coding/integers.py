"""Integers to bytes and back with pcodec: one column, one self-contained block.

The block begins with a mode byte: how the column was laid out before pcodec saw it. All arithmetic on the way is
modulo 2**64, so any int64 column comes back.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, PagingSpec, standalone

from hepae.errors import CorruptionError

__all__ = ["pack", "unpack", "unpack_most"]

Integers = NDArray[np.int64]

EMPTY: Final = 0
CONSTANT: Final = 1
"""Followed by the value, 8 bytes little endian."""
DTYPES: Final[dict[int, np.dtype[np.signedinteger[Any]]]] = {
    2: np.dtype(np.int16),
    3: np.dtype(np.int32),
    4: np.dtype(np.int64),
}
"""Mode to dtype given to pcodec: the smallest that holds the range."""

LEVEL: Final = 8


def pack(q: Integers, level: int = LEVEL) -> bytes:
    """Code a column of integers, int64[n].

    Examples
    --------
    >>> unpack(pack(np.array([3, 1, -2])), 3).tolist()
    [3, 1, -2]
    """
    if len(q) == 0:
        return bytes([EMPTY])
    low, high = int(q.min()), int(q.max())
    if low == high:
        return bytes([CONSTANT]) + low.to_bytes(8, "little", signed=True)
    mode = next(mode for mode, dtype in DTYPES.items() if _holds(dtype, low, high))
    config = ChunkConfig(
        compression_level=level,
        mode_spec=ModeSpec.classic() if mode == 2 else ModeSpec.auto(),
        delta_spec=DeltaSpec.no_op(),
        paging_spec=PagingSpec.equal_pages_up_to(1 << 24),
    )
    return bytes([mode]) + bytes(standalone.simple_compress(q.astype(DTYPES[mode]), config))


def _holds(dtype: np.dtype[np.signedinteger[Any]], low: int, high: int) -> bool:
    half = 1 << (8 * dtype.itemsize - 1)
    return low >= -half and high < half


def unpack(block: bytes, n: int) -> Integers:
    """The column of n integers that a block holds.

    Raises
    ------
    CorruptionError
        If the block does not hold exactly that.
    """
    q = unpack_most(block, n)
    if len(q) != n:
        raise CorruptionError("a block holds another number of integers", expected=n, got=len(q))
    return q


def unpack_most(block: bytes, most: int) -> Integers:
    """The integers that a block holds, at most so many; a constant block is taken to hold that many.

    Raises
    ------
    CorruptionError
        If the block holds more or does not decode.
    """
    mode = block[0] if block else -1
    if mode == EMPTY and len(block) == 1:
        return np.empty(0, np.int64)
    if mode == CONSTANT and len(block) == 9:
        return np.full(most, int.from_bytes(block[1:], "little", signed=True), np.int64)
    if mode not in DTYPES:
        raise CorruptionError("unknown layout of a block of integers", got=mode)
    out = np.empty(most, DTYPES[mode])
    try:
        progress = standalone.simple_decompress_into(block[1:], out)
    except (RuntimeError, ValueError, TypeError) as problem:
        raise CorruptionError("a block of integers does not decode", got=str(problem)) from None
    if not progress.finished:
        raise CorruptionError("a block holds more integers than there are", expected=most)
    return out[: int(progress.n_processed)].astype(np.int64)
