"""Bytes of baskets: the values of one branch for a run of events, with or without entry offsets. Pure functions.

Source: ``TBasket::Streamer`` (class version 3) of ROOT 6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array
from hepae.errors import UnsupportedError
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import Compression
from hepae.root.file.records import Key, any_object, root_string

__all__ = ["BasketContent", "content_of", "pack_basket", "pack_embedded", "rewrite_key", "strings_of"]

MAX_BASKET = 2**31 - 1
BUFFER_SIZE = 32000
WITH_OFFSETS, WITHOUT_OFFSETS = 11, 12


@dataclass
class BasketContent:
    """What a basket holds, big-endian, before its key is known.

    Attributes
    ----------
    data : bytes
        The numbers.
    lengths : int64[n_events] or None
        Bytes of each event, None where all have ``width``.
    events : int
        Number of events.
    width : int
        Bytes per event where they are all the same.
    """

    data: bytes
    lengths: NDArray[np.int64] | None
    events: int
    width: int

    def offsets(self, key_length: int) -> NDArray[np.int64]:
        """Where each event begins, and where the last ends, counted from the start of the key."""
        assert self.lengths is not None
        edges = np.zeros(self.events + 1, np.int64)
        np.cumsum(self.lengths, out=edges[1:])
        return edges + key_length


def content_of(column: Column, dtype: str) -> BasketContent:
    """The content of a basket for a run of values, converted to nothing but big-endian bytes."""
    values = column.values if isinstance(column, Jagged) else column
    data = big_endian(values, dtype)
    width = np.dtype(dtype).itemsize * int(np.prod(np.shape(values)[1:], dtype=np.int64))
    if isinstance(column, Jagged):
        return BasketContent(data, np.asarray(column.counts, np.int64) * width, len(column.counts), width)
    return BasketContent(data, None, len(column), width)


def strings_of(column: Column) -> BasketContent:
    """The content of a basket of strings, each with its length before it."""
    parts = [root_string(str(text)) for text in np.asarray(column).tolist()]
    lengths = np.array([len(part) for part in parts], np.int64)
    return BasketContent(b"".join(parts), lengths, len(parts), 0)


def big_endian(values: Array, dtype: str) -> bytes:
    """Bytes of the values as ROOT stores them."""
    return np.ascontiguousarray(values).astype(np.dtype(dtype).newbyteorder(">"), copy=False).tobytes()


def basket_head(key_length: int, content: BasketContent, flag: int) -> bytes:
    """What follows the key of a basket and is counted as part of it."""
    per_event = content.width if content.lengths is None else content.events + 2
    if content.lengths is not None and per_event * content.events == len(content.data):
        per_event += 1  # uproot takes a basket in a header for one without offsets where this product fits
    last = key_length + len(content.data)
    # ROOT allocates this much before it reads a basket out of a header, and does not check
    buffer = max(BUFFER_SIZE, last)
    return struct.pack(">Hiiiib", 3, buffer, per_event, content.events, last, flag)


def pack_basket(content: BasketContent, key: Key, compression: Compression) -> tuple[bytes, int]:
    """The record of a basket, and its size before compression.

    Parameters
    ----------
    content
        What it holds.
    key
        A key with names, position and parent; sizes are filled in here.
    compression
        How to store the content.
    """
    key.extra = basket_head(0, content, 0)
    length = key.length
    data = content.data
    if content.lengths is not None:
        edges = content.offsets(length)
        data += struct.pack(">i", len(edges)) + edges.astype(">i4").tobytes()
    key.extra = basket_head(length, content, 0)
    packed = compression.pack(data)
    key.objlen, key.payload = len(data), len(packed)
    if max(key.objlen + length, key.nbytes) > MAX_BASKET:
        raise UnsupportedError(
            "a basket cannot exceed 2 GB", where=key.name, got=key.objlen, hint="use fewer events per chunk"
        )
    return key.pack() + packed, length + len(data)


def pack_embedded(content: BasketContent, key: Key) -> bytes:
    """A basket inside the header of its branch, as ROOT keeps one that was never filled up."""
    flag = WITHOUT_OFFSETS if content.lengths is None else WITH_OFFSETS
    key.extra = basket_head(0, content, flag)
    length = key.length
    key.extra = basket_head(length, content, flag)
    offsets = b""
    if content.lengths is not None:
        edges = content.offsets(length)[:-1]
        offsets = struct.pack(">i", len(edges)) + edges.astype(">i4").tobytes()
    # ROOT's buffer begins with room for the key, which means nothing here
    body = key.pack() + offsets + bytes(length) + content.data
    return any_object("TBasket", body)


def rewrite_key(record: bytearray, seek: int, parent: int) -> bool:
    """Put the new position into the key of a copied record; False where it does not fit into 4 bytes."""
    (version,) = struct.unpack_from(">h", record, 4)
    if version > 1000:
        struct.pack_into(">qq", record, 18, seek, parent)
    elif seek < 2**31:
        struct.pack_into(">ii", record, 18, seek, parent)
    else:
        return False
    return True
