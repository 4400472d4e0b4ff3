"""Values of new branches as baskets, and the keys of baskets that move. Pure functions."""

from __future__ import annotations

import struct

import numpy as np

from hepae.arrays import Array
from hepae.errors import UnsupportedError
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import Compression
from hepae.root.file.records import Key, root_string
from hepae.root.ttree.layouts.basket import Basket, write_basket

__all__ = ["basket_of", "embedded_basket", "packed_basket", "rewrite_key", "strings_of"]

MAX_BASKET = 2**31 - 1
WITH_OFFSETS, WITHOUT_OFFSETS = 11, 12
"""Flags of baskets that stand inside a header with their bytes."""


def basket_of(column: Column, dtype: str) -> Basket:
    """A basket of numbers, converted to nothing but big-endian bytes."""
    values = column.values if isinstance(column, Jagged) else column
    data = np.frombuffer(big_endian(values, dtype), np.uint8)
    if not isinstance(column, Jagged):
        return Basket.of(data, None, len(column))
    width = np.dtype(dtype).itemsize * int(np.prod(np.shape(values)[1:], dtype=np.int64))
    return Basket.of(data, edges(np.asarray(column.counts, np.int64) * width), len(column.counts))


def strings_of(column: Column) -> Basket:
    """A basket of strings, each with its length before it."""
    parts = [root_string(str(text)) for text in np.asarray(column).tolist()]
    lengths = np.array([len(part) for part in parts], np.int64)
    return Basket.of(np.frombuffer(b"".join(parts), np.uint8), edges(lengths), len(parts))


def edges(lengths: Array) -> Array:
    """Where each entry begins, and the last ends."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def big_endian(values: Array, dtype: str) -> bytes:
    """Bytes of the values as ROOT stores them."""
    return np.ascontiguousarray(values).astype(np.dtype(dtype).newbyteorder(">"), copy=False).tobytes()


def packed_basket(basket: Basket, key: Key, compression: Compression) -> tuple[bytes, int]:
    """The record of a basket, and its size before compression.

    Parameters
    ----------
    basket
        What it holds.
    key
        A key with names, position and parent; sizes are filled in here.
    compression
        How to store the content.

    Raises
    ------
    UnsupportedError
        If it would exceed 2 GB, which its own fields cannot say.
    """
    if len(basket.data) > MAX_BASKET - 4 * (basket.entries + 2) - len(key.name) - 300:
        raise UnsupportedError(
            "a basket cannot exceed 2 GB",
            where=key.name,
            got=len(basket.data),
            hint="use fewer events per chunk",
        )
    record = write_basket(basket, key, compression)
    return record, key.length + key.objlen


def embedded_basket(basket: Basket, key: Key) -> bytes:
    """A basket inside the header of its branch, as ROOT keeps one that was never filled up.

    Parameters
    ----------
    basket
        What it holds.
    key
        A key with names and parent; its position means nothing.
    """
    key.extra = basket.head(0)
    length = key.length
    flag = WITHOUT_OFFSETS if basket.offsets is None else WITH_OFFSETS
    key.extra = basket.head(length)[:-1] + bytes([flag])
    offsets = b""
    if basket.offsets is not None:
        places = basket.offsets[:-1] + length
        offsets = struct.pack(">i", len(places)) + places.astype(">i4").tobytes()
    # ROOT's buffer begins with room for the key, which means nothing here
    return key.pack() + offsets + bytes(length) + basket.data.tobytes()


def rewrite_key(record: bytearray | memoryview, seek: int, parent: int) -> bool:
    """Put the new position into the key of a copied record; False where it does not fit into 4 bytes."""
    (version,) = struct.unpack_from(">h", record, 4)
    if version > 1000:
        struct.pack_into(">qq", record, 18, seek, parent)
    elif max(seek, parent) < 2**31:
        struct.pack_into(">ii", record, 18, seek, parent)
    else:
        return False
    return True
