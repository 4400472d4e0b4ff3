"""Integers to bytes and back: one column, one self-contained block, whose length the reader knows.

Pcodec does the work, without the frame that it would put around each column. The block begins with a byte, in whose
low half is the mode: how the column was laid out; the high half is zero here and the caller's to use. All arithmetic
on the way is modulo 2**64, so any int64 column comes back.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pcodec import ChunkConfig, DeltaSpec, ModeSpec, PagingSpec, standalone, wrapped

from hepae.arrays import Integers, Narrow
from hepae.core.coding.varint import read_varint, unzigzag, varint, zigzag
from hepae.errors import CorruptionError

__all__ = ["KIND", "LEVEL", "pack", "unpack", "unpack_narrow"]


EMPTY: Final = 0
CONSTANT: Final = 1
DTYPES: Final[dict[int, np.dtype[np.signedinteger[Any]]]] = {
    2: np.dtype(np.int16),
    3: np.dtype(np.int32),
    4: np.dtype(np.int64),
}
"""Mode to dtype given to pcodec: the smallest that holds the range."""

STANDALONE: Final = 3
"""Added to the mode where pcodec's own frame is around the numbers: more than a page of them."""

DICTIONARY: Final = 8
"""The distinct values, rising, and which of them each integer is."""

KIND: Final = 4
"""The bits of the first byte from this one on are the caller's."""

LEVEL: Final = 8
PAGE: Final = 1 << 24
HEADER: Final = bytes([4, 1])
"""Header of pcodec's wrapped format: its version, 4.1; not stored."""

MOST_DISTINCT: Final = 256
LARGEST_SORTED: Final = 1 << 16
FEW: Final = 8
"""A dictionary is tried where values repeat at least so often on average, in columns that are quickly sorted."""

LARGEST_RANGE: Final = 1 << 18
"""Up to here values are marked instead of sorted: sorting 30,000 takes as long as coding them."""


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
        return bytes([CONSTANT]) + varint(zigzag(low))
    numbers = _numbers(q, low, high, level)
    # where values lie densely, a dictionary says nothing
    if len(q) > LARGEST_SORTED or high - low < MOST_DISTINCT:
        return numbers
    values, indexes = _distinct(q, low, high)
    if len(values) > min(MOST_DISTINCT, len(q) // FEW):
        return numbers
    gaps = pack(np.diff(values), level)
    head = bytes([DICTIONARY]) + varint(zigzag(low)) + varint(len(values)) + varint(len(gaps))
    return min(numbers, head + gaps + pack(indexes, level), key=len)


def _distinct(q: Integers, low: int, high: int) -> tuple[Integers, Integers]:
    """The distinct values, rising, and which of them each integer is; the latter only where there are few of them."""
    if high - low >= LARGEST_RANGE:
        values, indexes = np.unique(q, return_inverse=True)
        return values, indexes.astype(np.int64)
    places = q - low
    seen = np.zeros(high - low + 1, bool)
    seen[places] = True
    values = np.flatnonzero(seen) + low
    if len(values) > MOST_DISTINCT:
        return values, places
    return values, np.cumsum(seen, dtype=np.int64)[places] - 1


def _numbers(q: Integers, low: int, high: int, level: int) -> bytes:
    """The column in pcodec's words."""
    mode = next(mode for mode, dtype in DTYPES.items() if _holds(dtype, low, high))
    config = ChunkConfig(
        compression_level=level,
        mode_spec=ModeSpec.classic() if mode == 2 else ModeSpec.auto(),
        delta_spec=DeltaSpec.no_op(),
        paging_spec=PagingSpec.equal_pages_up_to(PAGE),
    )
    narrow = q.astype(DTYPES[mode])
    file = wrapped.FileCompressor()
    if len(q) > PAGE or file.write_header() != HEADER:
        return bytes([mode + STANDALONE]) + bytes(standalone.simple_compress(narrow, config))
    chunk = file.chunk_compressor(narrow, config)
    return bytes([mode]) + bytes(chunk.write_meta()) + bytes(chunk.write_page(0))


def _holds(dtype: np.dtype[np.signedinteger[Any]], low: int, high: int) -> bool:
    half = 1 << (8 * dtype.itemsize - 1)
    return low >= -half and high < half


def unpack(block: bytes, n: int) -> Integers:
    """The column of n integers that a block holds; the high half of its first byte is not looked at.

    Raises
    ------
    CorruptionError
        If the block does not hold exactly that.
    """
    return unpack_narrow(block, n).astype(np.int64, copy=False)


def unpack_narrow(block: bytes, n: int) -> Narrow:
    """The same in the dtype in which the block holds them: int16, int32 or int64.

    For whoever widens them on the way; arithmetic in these dtypes overflows.

    Examples
    --------
    >>> unpack_narrow(pack(np.array([3, 1, -2])), 3).dtype
    dtype('int16')
    """
    if not block:
        raise CorruptionError("a block of integers is empty", expected=n)
    mode = block[0] & ((1 << KIND) - 1)
    if mode == EMPTY and len(block) == 1 and n == 0:
        return np.empty(0, np.int64)
    if mode == CONSTANT:
        value, at = read_varint(block, 1)
        if at == len(block) and n:
            return np.full(n, unzigzag(value), np.int64)
    if mode in DTYPES and n:
        return _unwrapped(block, DTYPES[mode], n)
    if mode - STANDALONE in DTYPES and n:
        return _alone(block, DTYPES[mode - STANDALONE], n)
    if mode == DICTIONARY and n:
        return _looked_up(block, n)
    raise CorruptionError("unknown layout of a block of integers", expected=f"{n} integers", got=mode)


def _unwrapped(block: bytes, dtype: np.dtype[np.signedinteger[Any]], n: int) -> Narrow:
    out = np.empty(n, dtype)
    try:
        file, _ = wrapped.FileDecompressor.new(HEADER)
        chunk, read = file.chunk_decompressor(block[1:], f"i{8 * dtype.itemsize}")
        progress, more = chunk.read_page_into(block[1 + read :], n, out)
    except (RuntimeError, ValueError, TypeError) as problem:
        raise CorruptionError("a block of integers does not decode", got=str(problem)) from None
    if not progress.finished or progress.n_processed != n or 1 + read + more != len(block):
        raise CorruptionError("a block holds another number of integers", expected=n)
    return out


def _alone(block: bytes, dtype: np.dtype[np.signedinteger[Any]], n: int) -> Narrow:
    out = np.empty(n, dtype)
    try:
        progress = standalone.simple_decompress_into(block[1:], out)
    except (RuntimeError, ValueError, TypeError) as problem:
        raise CorruptionError("a block of integers does not decode", got=str(problem)) from None
    if not progress.finished or progress.n_processed != n:
        raise CorruptionError("a block holds another number of integers", expected=n)
    return out


def _looked_up(block: bytes, n: int) -> Integers:
    low, at = read_varint(block, 1)
    distinct, at = read_varint(block, at)
    length, at = read_varint(block, at)
    if not 1 < distinct <= MOST_DISTINCT or length > len(block) - at:
        raise CorruptionError("a dictionary of a wrong size", expected=f"2 to {MOST_DISTINCT}", got=distinct)
    gaps = unpack(block[at : at + length], distinct - 1)
    indexes = unpack(block[at + length :], n)
    if indexes.min() < 0 or indexes.max() >= distinct:
        raise CorruptionError("no such value in a dictionary", expected=distinct)
    with np.errstate(over="ignore"):
        values = unzigzag(low) + np.concatenate([[0], np.cumsum(gaps)])
    return np.asarray(values, np.int64)[indexes]
