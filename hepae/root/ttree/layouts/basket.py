"""What a basket holds: the bytes of its entries, where each begins, and what else is needed to write it again.

Source: ``TBasket::Streamer`` (class version 3), ``TBasket::WriteBuffer`` and ``TBasket::ReadBasketBuffers`` of ROOT 6.

To write the same basket again takes, besides the bytes of the entries:

- the number of entries (``fNevBuf``);
- where each entry begins, if the branch has ``fEntryOffsetLen``: as a table after the bytes, or not at all where
  ``fIOBits`` says that ROOT makes it from the counter. Positions count from the start of the key, so they are kept
  relative to the first byte. The last element of the table is read by no version of ROOT: it is often 0;
- a second table after it, the *displacement*, of baskets that were filled from the buffer of another tree: by how
  much references to objects have moved. No number depends on it;
- ``fNevBufSize``: bytes of an entry where all are equally long, otherwise how many offsets fitted into memory; and
  ``fBufferSize``, what the basket had allocated. Both are advice to whoever fills it further;
- ``fLast``, the end of the bytes, is their number plus the length of the key.

A restored branch needs none of the last three: `Basket.of` fills them in.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

from hepae.arrays import Array, Integers
from hepae.errors import InputError
from hepae.root.file.compression import Compression, unpack
from hepae.root.file.records import Key
from hepae.root.ttree.layouts.checks import Offsets, require

__all__ = ["Basket", "entries_of", "read_basket", "write_basket"]

VERSION: Final = 3
BUFFER_SIZE: Final = 32000
"""What ROOT allocates for a basket by default; it does not check that one which it reads fits."""

GENERATED: Final = 80
DISPLACED: Final = 40
EMBEDDED: Final = 10
WITHOUT_OFFSETS: Final = 2
"""Parts of the flag of a basket, in the order in which they are taken off."""

OFFSET_MASK: Final = 0xFFFFFF
"""Offsets of flags 21 to 39 carry a displacement in their highest byte (``kDisplacementMask``, ROOT before 4)."""

WORD: Final = 4


@dataclass
class Basket:
    """The entries of a branch between two flushes.

    Parameters
    ----------
    data : uint8[n]
        The bytes of all entries.
    offsets : int64[entries + 1] or None
        Where each entry begins and the last ends, from the first byte; None where the basket has no table.
    entries
        How many.
    entry_size, buffer_size, last_offset, displacement, io_bits, version
        ``fNevBufSize``, ``fBufferSize``, the unread last element of the table, the second table, ``fIOBits`` and the
        version of the class.
    """

    data: Array
    offsets: Offsets
    entries: int
    entry_size: int = 0
    buffer_size: int | None = None
    last_offset: int | None = None
    displacement: Integers | None = None
    io_bits: int = 0
    version: int = VERSION

    @classmethod
    def of(cls, data: Array, offsets: Offsets, entries: int) -> Basket:
        """A new basket, with the advice that ROOT and uproot want.

        Parameters
        ----------
        data : uint8[n]
            The bytes of all entries.
        offsets : int64[entries + 1] or None
            A table of offsets for branches with ``fEntryOffsetLen``.
        """
        size = len(data) // max(entries, 1)
        if offsets is not None:
            size = entries + 2
            # uproot takes a basket in a header for one without offsets where this product is its size
            size += size * entries == len(data)
        return cls(data, offsets, entries, size)

    def head(self, key_length: int) -> bytes:
        """What follows the strings of the key and is counted as part of it."""
        last = key_length + len(self.data)
        size = (
            struct.pack(">i", self.entry_size)
            if not self.io_bits
            else struct.pack(">ib", -self.entry_size, self.io_bits)
        )
        flag = GENERATED if self.offsets is None and self.io_bits & 1 else 0
        buffer = max(BUFFER_SIZE, last) if self.buffer_size is None else self.buffer_size
        return struct.pack(">Hi", self.version, buffer) + size + struct.pack(">iib", self.entries, last, flag)

    def body(self, key_length: int) -> bytes:
        """What is compressed: the bytes of the entries, then the tables."""
        if self.offsets is None:
            return self.data.tobytes()
        table = np.asarray(self.offsets + key_length, ">i4")
        if self.last_offset is not None:
            table[-1] = self.last_offset
        tables = [table] if self.displacement is None else [table, self.displacement.astype(">i4")]
        return self.data.tobytes() + b"".join(
            struct.pack(">i", len(words)) + words.tobytes() for words in tables
        )


def read_basket(record: bytes, where: str = "") -> Basket:
    """Take the record of a basket apart.

    Parameters
    ----------
    record
        Bytes from the start of its key: a record on disk, or a ``TBasket`` in the header of its branch.
    where
        File, branch, basket, for messages.

    Raises
    ------
    InputError
        If sizes in it contradict each other; nothing is allocated before they are checked.
    """
    try:
        nbytes, _, objlen, _, key_length, _ = struct.unpack_from(">ihiIhh", record)
        basket, place, last, flag = read_head(record)
    except (struct.error, IndexError) as error:
        raise InputError("the key of a basket is cut short", where=where or None) from error
    size = last - key_length
    require(place == key_length <= last, "the key of a basket has another length", where, key_length, place)
    if flag % GENERATED % DISPLACED >= EMBEDDED:
        return embedded(basket, record[place:], size, key_length, flag, where)
    require(key_length <= nbytes <= len(record), "a basket is cut short", where, nbytes, len(record))
    packed = record[key_length:nbytes]
    body = packed if len(packed) == objlen else unpack(packed, objlen, where)
    require(size <= len(body), "a basket is shorter than its key says", where, size, len(body))
    basket.data = np.frombuffer(body, np.uint8, size)
    table, place = read_words(body, size, where)
    if table is not None:
        set_offsets(basket, table, key_length, where)
        basket.displacement, place = read_words(body, place, where)
    require(place == len(body), "bytes are left over after a basket", where, place, len(body))
    return basket


def entries_of(record: bytes, where: str = "") -> int:
    """Number of entries of a basket, from its record or from what a header holds of it.

    Raises
    ------
    InputError
        If it is cut short.
    """
    try:
        return read_head(record)[0].entries
    except (struct.error, IndexError) as error:
        raise InputError("the key of a basket is cut short", where=where or None) from error


def read_head(record: bytes) -> tuple[Basket, int, int, int]:
    """The numbers in the key of a basket, where they end, ``fLast`` and the flag."""
    big = struct.unpack_from(">h", record, 4)[0] > 1000
    place = 18 + (16 if big else 8)
    for _ in range(3):
        length, place = record[place], place + 1
        if length == 255:
            length, place = struct.unpack_from(">I", record, place)[0], place + WORD
        place += length
    version, buffer_size, entry_size = struct.unpack_from(">Hii", record, place)
    place, io_bits = place + 10, 0
    if entry_size < 0:
        entry_size, io_bits, place = -entry_size, record[place], place + 1
    entries, last, flag = struct.unpack_from(">iib", record, place)
    basket = Basket(
        np.zeros(0, np.uint8), None, entries, entry_size, buffer_size, io_bits=io_bits, version=version
    )
    return basket, place + 9, last, flag


def embedded(basket: Basket, body: bytes, size: int, key_length: int, flag: int, where: str) -> Basket:
    """The rest of a basket inside the header of its branch: tables first, then room for the key, then the bytes."""
    place = 0
    table: Integers | None = None
    if flag < GENERATED and flag % EMBEDDED != WITHOUT_OFFSETS and basket.entries:
        table, place = read_words(body, 0, where)
        if flag > DISPLACED:
            basket.displacement, place = read_words(body, place, where)
    start = place + key_length
    require(start + size <= len(body), "a basket in a header is cut short", where, start + size, len(body))
    basket.data = np.frombuffer(body, np.uint8, size, start)
    if table is not None:
        words = table & OFFSET_MASK if EMBEDDED * 2 < flag < DISPLACED else table
        set_offsets(basket, np.append(words, key_length + size), key_length, where)
    return basket


def read_words(body: bytes, place: int, where: str) -> tuple[Integers | None, int]:
    """A table of int32 with its length before it, and where it ends; None where nothing is left."""
    if place == len(body):
        return None, place
    require(place + WORD <= len(body), "a table of a basket is cut short", where)
    (length,) = struct.unpack_from(">i", body, place)
    end = place + WORD + WORD * length
    require(length >= 0 and end <= len(body), "a table of a basket is cut short", where, end, len(body))
    return np.frombuffer(body, ">i4", length, place + WORD).astype(np.int64), end


def set_offsets(basket: Basket, table: Integers, key_length: int, where: str) -> None:
    """Offsets from the first byte; the last element of the table means nothing, and is kept aside."""
    require(len(table) == basket.entries + 1, "a table of offsets has another length", where)
    basket.last_offset = int(table[-1])
    basket.offsets = table - key_length
    basket.offsets[-1] = len(basket.data)


def write_basket(basket: Basket, key: Key, compression: Compression) -> bytes:
    """The record of a basket.

    Parameters
    ----------
    basket
        What it holds.
    key
        A key with names, position and parent; sizes are filled in here.
    compression
        How to store the content.
    """
    key.extra = basket.head(0)
    length = key.length
    key.extra = basket.head(length)
    body = basket.body(length)
    packed = compression.pack(body)
    key.objlen, key.payload = len(body), len(packed)
    return key.pack() + packed
