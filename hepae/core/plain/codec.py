"""One column, bit for bit, as one block whose number of values the reader knows.

The first byte of a block says how the values are stored. Numbers become integers whose order is theirs (`image`),
without the low bits that are zero in all of them: floats rounded to short mantissas, as NanoAOD's are, become dense.
"""

from __future__ import annotations

import lzma
from math import prod
from typing import Any, Final

import numpy as np

from hepae import limits
from hepae.arrays import Array, Integers
from hepae.core.coding.integers import pack, unpack
from hepae.errors import CorruptionError

__all__ = ["METHODS", "decode", "encode", "raw", "squeeze", "unsqueeze"]


NONE: Final = 0
INTEGERS: Final = 1
BYTES: Final = 2
PLANES: Final = 3
BITS: Final = 4
RAW: Final = 5
METHODS: Final = (INTEGERS, BYTES, PLANES, BITS)

LEAST_WINDOW: Final = 1 << 12
LARGEST_WINDOW: Final = 1 << 23
"""Bytes that LZMA looks back on: all there are, up to the window of xz's usual setting, which takes 100 MB to pack."""

FEW: Final = 1 << 12
"""Bytes up to which all methods are tried: it takes no time."""


def encode(values: Array, methods: tuple[int, ...] = ()) -> bytes:
    """The shortest block of a column among the methods that are tried.

    Parameters
    ----------
    values : array [n, *shape]
        Booleans, integers or floats in native byte order.
    methods
        Which of `METHODS` are tried; all where the column is small or none is named.

    Examples
    --------
    >>> block = encode(np.float32([1.5, 2.5, 2.5]))
    >>> decode(block, 3, "float32").tolist()
    [1.5, 2.5, 2.5]
    """
    if values.size == 0:
        return bytes([NONE])
    tried = METHODS if values.nbytes <= FEW or not methods else methods
    blocks = [block for block in (_block(values, method) for method in tried) if block is not None]
    return min(blocks, key=len) if blocks else _block(values, BYTES) or b""


def _block(values: Array, method: int) -> bytes | None:
    """The block of one method, None where it does not suit the values."""
    if method == INTEGERS:
        integers, shift = image(values)
        return bytes([INTEGERS, shift]) + pack(integers)
    if method == BITS:
        if values.dtype != np.bool_:
            return None
        return bytes([BITS]) + squeeze(np.packbits(values.ravel()).tobytes())
    if method == PLANES and values.dtype.itemsize == 1:
        return None
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8)
    if method == PLANES:
        little = little.reshape(-1, values.dtype.itemsize).T
    return bytes([method]) + squeeze(little.tobytes())


def raw(values: Array) -> bytes:
    """The block of the values as they are, little-endian, for whoever squeezes several together."""
    if values.size == 0:
        return bytes([NONE])
    return bytes([RAW]) + np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()


def decode(block: bytes, n: int, dtype: str, shape: tuple[int, ...] = ()) -> Array:
    """The column of a block, array [n, *shape].

    Raises
    ------
    CorruptionError
        If the block does not hold exactly that.
    """
    kind = np.dtype(dtype)
    size = n * prod(shape)
    limits.check("bytes of a column", size * kind.itemsize, limits.MAX_PAYLOAD_BYTES)
    method = block[0] if block else None
    if method == NONE and size == 0 and len(block) == 1:
        return np.empty((n, *shape), kind)
    if method == INTEGERS and len(block) > 1 and size:
        return from_image(unpack(block[2:], size), block[1], kind).reshape(n, *shape)
    if method == BITS and kind == np.bool_ and size:
        packed = np.frombuffer(unsqueeze(block[1:], (size + 7) // 8), np.uint8)
        return np.unpackbits(packed, count=size).astype(np.bool_).reshape(n, *shape)
    if method in (BYTES, PLANES, RAW) and size:
        stored = block[1:] if method == RAW else unsqueeze(block[1:], size * kind.itemsize)
        if len(stored) != size * kind.itemsize:
            raise CorruptionError("a block of another length", expected=size * kind.itemsize, got=len(stored))
        little = np.frombuffer(stored, np.uint8)
        if method == PLANES:
            little = np.ascontiguousarray(little.reshape(kind.itemsize, size).T).reshape(-1)
        if kind == np.bool_ and little.max() > 1:
            raise CorruptionError("a boolean that is neither 0 nor 1", got=int(little.max()))
        return np.array(little.view(kind.newbyteorder("<")), kind).reshape(n, *shape)
    raise CorruptionError("a block does not decode", expected=f"{size} values of {dtype}", got=method)


def image(values: Array) -> tuple[Integers, int]:
    """Integers in the order of the values, and how many low bits that are zero in all of them were taken off.

    A float's bits are its sign and magnitude; a negative one becomes minus its magnitude minus one, so that the
    order of the integers is that of the values and −0.0 is not 0.0.
    """
    flat = np.ascontiguousarray(values).reshape(-1)
    if flat.dtype.kind == "f":
        width = flat.dtype.itemsize
        bits = flat.view(f"i{width}").astype(np.int64)
        sign = np.int64(np.iinfo(f"i{width}").min)
        magnitude = np.where(bits < 0, bits ^ sign if width < 8 else bits & ~sign, bits)
        shift = _zeros(magnitude)
        magnitude >>= shift
        return np.where(bits < 0, ~magnitude, magnitude), shift
    if flat.dtype == np.uint64:
        return flat.view(np.int64), 0
    return flat.astype(np.int64), 0


def from_image(integers: Integers, shift: int, dtype: np.dtype[Any]) -> Array:
    """The values of `image`.

    Raises
    ------
    CorruptionError
        If an integer is not of a value of this dtype.
    """
    if dtype.kind == "f" and shift < 8 * dtype.itemsize:
        negative = integers < 0
        magnitude = np.where(negative, ~integers, integers)
        top = 8 * dtype.itemsize - 1
        if len(magnitude) and int(magnitude.max()) >> (top - shift):
            raise CorruptionError("an integer beyond all floats", got=int(magnitude.max()))
        bits = (magnitude << shift).astype(np.uint64) | (negative.astype(np.uint64) << np.uint64(top))
        return bits.astype(f"u{dtype.itemsize}").view(dtype)
    if shift:
        raise CorruptionError("integers that were shifted", got=shift)
    if dtype == np.uint64:
        return integers.view(np.uint64)
    restored = integers.astype(dtype)
    if not np.array_equal(restored.astype(np.int64), integers):
        raise CorruptionError("an integer beyond its dtype", expected=dtype)
    return restored


def _zeros(magnitudes: Integers) -> int:
    """How many low bits are zero in all of them."""
    together = int(np.bitwise_or.reduce(magnitudes)) if len(magnitudes) else 0
    return (together & -together).bit_length() - 1 if together else 0


def squeeze(data: bytes) -> bytes:
    """Bytes through LZMA, without a container: the reader knows their number."""
    packer = lzma.LZMACompressor(lzma.FORMAT_RAW, filters=_filters(len(data)))
    return packer.compress(data) + packer.flush()


def _filters(size: int) -> list[dict[str, int]]:
    window = min(max(1 << (size - 1).bit_length() if size > 1 else 1, LEAST_WINDOW), LARGEST_WINDOW)
    return [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": window}]


def unsqueeze(data: bytes, size: int) -> bytes:
    """The bytes of `squeeze`, of which there are ``size``.

    Raises
    ------
    CorruptionError
        If there are more or fewer.
    """
    limits.check("bytes in a block", size, limits.MAX_PAYLOAD_BYTES)
    reader = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(size))
    try:
        out = reader.decompress(data, size + 1)
    except lzma.LZMAError as problem:
        raise CorruptionError("packed bytes do not decode", got=str(problem)) from None
    if len(out) != size or not reader.eof or reader.unused_data:
        raise CorruptionError("packed bytes of another number", expected=size, got=len(out))
    return out
