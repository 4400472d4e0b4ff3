"""The baskets of a branch as bytes: what is the same byte for byte needs no interpretation.

Most branches of a compressed or restored file are copies. Records that are the same on disk hold the same values, and
so do baskets that are the same unpacked, however their entries are spread over baskets. Read with uproot's tables of
positions; the records themselves are taken apart here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from hepae.arrays import Array, Integers
from hepae.files.verify.packed import KEY
from hepae.files.verify.values import NotInterpretedError, interpreting
from hepae.root.file.compression import unpack

__all__ = [
    "Basket",
    "Record",
    "algorithm_of",
    "content",
    "first_different_entry",
    "records_of",
    "same_content",
    "same_records",
]

# after the key's strings: version, buffer size, entries of the buffer, entries, last byte, flag (TBasket::Streamer)
TAIL = struct.Struct(">hiiiib")


@dataclass(frozen=True)
class Basket:
    """A basket, unpacked.

    Attributes
    ----------
    data : uint8 array
        Contents, without the table of entry offsets.
    lengths : int64[n_entries] or None
        Bytes of each entry; None where all are of one size.
    """

    data: Array
    lengths: Integers | None


@dataclass(frozen=True)
class Record:
    """A basket as it is in the file: one record of its own, or inside the header of its tree.

    Attributes
    ----------
    first, entries
        Which entries of the branch it holds.
    raw
        Its record, key included; empty for one in the header.
    number
        Which basket of the branch it is.
    """

    branch: Any
    number: int
    first: int
    entries: int
    raw: bytes

    @property
    def facts(self) -> tuple[int, int, int, int, bytes]:
        """Length of its key, bytes unpacked, entries and last byte as the record says, and what is after the key."""
        _, _, objlen, _, keylen, _ = KEY.unpack_from(self.raw)
        _, _, _, entries, last, _ = TAIL.unpack_from(self.raw, keylen - TAIL.size)
        return keylen, objlen, entries, last, self.raw[keylen:]

    def basket(self) -> Basket:
        """Its contents.

        Raises
        ------
        NotInterpretedError
            If they cannot be unpacked.
        """
        with interpreting(f"basket {self.number}: "):
            if not self.raw:
                held = self.branch.basket(self.number)
                return Basket(np.asarray(held.data).view(np.uint8), _lengths(held.byte_offsets))
            keylen, objlen, entries, last, packed = self.facts
            where = f"{self.branch.name}, basket {self.number}"
            data = np.frombuffer(packed if len(packed) == objlen else unpack(packed, objlen, where), np.uint8)
            border = last - keylen
            if border >= objlen:
                return Basket(data, None)
            # a table of entry offsets follows: its length, and a start for each entry, counted from the key on
            starts = data[border + 4 : border + 4 + 4 * entries].view(">i4").astype(np.int64) - keylen
            return Basket(data[:border], np.diff(np.append(starts, border)))


def records_of(branch: Any) -> Iterator[Record]:
    """The baskets of a branch, one after the other, as uproot lists them.

    Raises
    ------
    NotInterpretedError
        If a record cannot be read.
    """
    with interpreting():
        baskets = int(branch.num_baskets)
    for number in range(baskets):
        with interpreting(f"basket {number}: "):
            record = _record(branch, number)
        yield record


def _record(branch: Any, number: int) -> Record:
    edges = branch.member("fBasketEntry")
    first = int(edges[number])
    if number >= branch.num_baskets - len(branch.embedded_baskets):
        return Record(branch, number, first, int(branch.basket(number).num_entries), b"")
    # the table ends with the last basket where it is full
    after = int(edges[number + 1]) if number + 1 < len(edges) else int(branch.num_entries)
    seek, size = int(branch.member("fBasketSeek")[number]), int(branch.member("fBasketBytes")[number])
    raw = bytes(branch.file.source.chunk(seek, seek + size).raw_data)
    if len(raw) != size or size < KEY.size + TAIL.size:
        raise NotInterpretedError(f"{size} bytes are not all there")
    return Record(branch, number, first, after - first, raw)


def same_records(before: Any, after: Any) -> bool:
    """Whether the baskets of two branches are the same on disk, or the same unpacked, one for one."""
    if before.num_entries != after.num_entries:
        return False
    for one, other in zip_longest(records_of(before), records_of(after)):
        if one is None or other is None or (one.first, one.entries) != (other.first, other.entries):
            return False
        if one.raw and other.raw and one.facts == other.facts:
            continue
        if not same_content(one.basket(), other.basket()):
            return False
    return True


def first_different_entry(before: Any, after: Any) -> int | None:
    """The first entry whose bytes are not the same, or that of the basket it is in; None where all are.

    Entries may be spread over baskets in another way. One basket of each is in memory.

    Raises
    ------
    NotInterpretedError
        If a basket cannot be unpacked.
    """
    ahead = [_Reader(before), _Reader(after)]
    entry = 0
    while ahead[0].more() and ahead[1].more():
        n = min(reader.left for reader in ahead)
        parts = [reader.take(n) for reader in ahead]
        if not same_content(*parts):
            return entry + _first_different(*parts)
        entry += n
    return None if not (ahead[0].more() or ahead[1].more()) else entry


def algorithm_of(branch: Any) -> str:
    """How the first basket of a branch is compressed, by the two letters of its first block; empty if it is not."""
    with interpreting("first basket: "):
        record = _record(branch, 0) if branch.num_baskets else None
        if record is None or not record.raw:
            return ""
        _, objlen, _, _, packed = record.facts
        return packed[:2].decode("ascii", "replace") if len(packed) != objlen else ""


def content(branch: Any, start: int, stop: int) -> Basket | None:
    """The bytes of a run of entries; None where nobody can tell where an entry begins.

    Raises
    ------
    NotInterpretedError
        If a basket cannot be unpacked.
    """
    with interpreting():
        count = int(branch.num_baskets)
        firsts = np.asarray([int(edge) for edge in branch.member("fBasketEntry")[:count]], np.int64)
    parts = []
    for number in range(max(int(np.searchsorted(firsts, start, side="right")) - 1, 0), count):
        if firsts[number] >= stop:
            break
        with interpreting(f"basket {number}: "):
            record = _record(branch, number)
        part = _cut(record, start, stop)
        if part is None:
            return None
        parts.append(part)
    lengths = [part.lengths for part in parts if part.lengths is not None]
    if not parts or len(lengths) not in (0, len(parts)):
        return None
    return Basket(np.concatenate([part.data for part in parts]), np.concatenate(lengths) if lengths else None)


def _cut(record: Record, start: int, stop: int) -> Basket | None:
    """What a basket holds of a run of entries."""
    basket = record.basket()
    first, last = max(start - record.first, 0), min(stop - record.first, record.entries)
    if (first, last) == (0, record.entries):
        return basket
    if basket.lengths is not None:
        edges = np.concatenate([[0], np.cumsum(basket.lengths)])
        return Basket(basket.data[edges[first] : edges[last]], basket.lengths[first:last])
    if len(basket.data) % max(record.entries, 1) or _is_counted(record.branch):
        return None
    size = len(basket.data) // max(record.entries, 1)
    return Basket(basket.data[first * size : last * size], None)


def _is_counted(branch: Any) -> bool:
    """Whether entries may be of any size, even where the basket does not say so."""
    return any(
        leaf.member("fLeafCount", none_if_missing=True) is not None for leaf in branch.member("fLeaves")
    )


class _Reader:
    """Entries of a branch, as many as asked for, from one basket at a time."""

    def __init__(self, branch: Any) -> None:
        self._records = records_of(branch)
        self.left, self._basket, self._at, self._entries = 0, Basket(np.empty(0, np.uint8), None), 0, 0

    def more(self) -> bool:
        """Whether there are entries left; the next basket is opened where the last one is used up."""
        while not self.left:
            record = next(self._records, None)
            if record is None:
                return False
            self.left = self._entries = record.entries
            self._basket, self._at = record.basket(), 0
        return True

    def take(self, n: int) -> Basket:
        """The next entries of the basket."""
        first = self._entries - self.left
        self.left -= n
        lengths = self._basket.lengths
        if lengths is None:
            stop = len(self._basket.data) * (first + n) // self._entries
        else:
            lengths = lengths[first : first + n]
            stop = self._at + int(lengths.sum())
        start, self._at = self._at, stop
        return Basket(self._basket.data[start:stop], lengths)


def same_content(one: Basket, other: Basket) -> bool:
    """Whether two runs of entries have the same bytes, cut into entries in the same way."""
    if not np.array_equal(one.data, other.data):
        return False
    if one.lengths is None or other.lengths is None:
        return one.lengths is other.lengths
    return np.array_equal(one.lengths, other.lengths)


def _first_different(one: Basket, other: Basket) -> int:
    """Number of the first entry that differs among those of two runs with as many entries."""
    if one.lengths is None or other.lengths is None or not np.array_equal(one.lengths, other.lengths):
        return 0
    byte = int(np.flatnonzero(one.data != other.data)[0])
    return int(np.searchsorted(np.cumsum(one.lengths), byte, side="right"))


def _lengths(offsets: Any) -> Integers | None:
    if offsets is None:
        return None
    edges = np.asarray(offsets, np.int64)
    return edges[1:] - edges[:-1]
