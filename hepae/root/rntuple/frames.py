"""Bytes of RNTuple's envelopes: frames, strings, locators, checksums. Pure functions.

Source: the RNTuple binary format specification 1.0, ``tree/ntuple/doc/BinaryFormatSpecification.md`` of ROOT 6.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import xxhash

from hepae.errors import InputError, UnsupportedError

__all__ = [
    "CHECKSUM_BYTES",
    "FOOTER",
    "HEADER",
    "PAGE_LIST",
    "Cursor",
    "Locator",
    "digest",
    "envelope",
    "frame",
    "frames",
    "opened",
    "string",
]

HEADER, FOOTER, PAGE_LIST = 1, 2, 3
"""Kinds of envelopes."""
CHECKSUM_BYTES = 8
ENVELOPE_HEAD = 8
LARGE = 1
"""The kind of locator that has a size of 8 bytes."""
LARGE_BYTES = 20
SMALLEST_LARGE = 1 << 31
LEAST_FRAME = 8


def digest(data: bytes | memoryview) -> bytes:
    """The XXH3 hash of 64 bits, 8 bytes in little-endian order."""
    return xxhash.xxh3_64_digest(data)[::-1]


@cache
def form(code: str) -> struct.Struct:
    """How numbers are packed; there are a dozen codes, and each is asked for thousands of times."""
    return struct.Struct("<" + code)


@dataclass(frozen=True)
class Locator:
    """Where bytes are in a file: what a locator says.

    Attributes
    ----------
    offset, size : int
        From the beginning of the file, and how many.
    reserved : int
        Byte of a locator of 64 bits that a kind of storage may use for itself.
    """

    offset: int
    size: int
    reserved: int = 0

    def pack(self) -> bytes:
        """The locator: of 32 bits where that is enough."""
        if self.size < SMALLEST_LARGE and not self.reserved:
            return struct.pack("<iq", self.size, self.offset)
        head = (LARGE_BYTES | self.reserved << 16 | LARGE << 24) - (1 << 31)
        return struct.pack("<iqq", head, self.size, self.offset)


class Cursor:
    """How far the bytes of an envelope have been taken apart.

    Parameters
    ----------
    data
        The bytes.
    at, end
        Where they begin and end for this cursor, which never goes beyond.
    """

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self.data, self.at = data, at
        self.end = len(data) if end is None else end

    def numbers(self, code: str) -> tuple[Any, ...]:
        """Numbers, as `struct` names them, in little-endian order without gaps."""
        packed = form(code)
        return packed.unpack_from(self.data, self.skip(packed.size))

    def skip(self, size: int) -> int:
        """Go on by a number of bytes; return where they begin.

        Raises
        ------
        ValueError
            If there are fewer.
        """
        start = self.at
        if not 0 <= size <= self.end - start:
            raise ValueError(f"{size} bytes at {start} of {self.end}")
        self.at += size
        return start

    def string(self) -> str:
        """A string."""
        (size,) = self.numbers("I")
        start = self.skip(size)
        return self.data[start : self.at].decode("utf-8", "surrogateescape")

    def record(self) -> Cursor:
        """A record frame, as a cursor over what is in it."""
        (size,) = self.numbers("q")
        start = self.skip(size - LEAST_FRAME)
        return Cursor(self.data, start, self.at)

    def list(self) -> tuple[int, Cursor]:
        """A list frame: the number of its items, and a cursor over them."""
        size, count = self.numbers("qI")
        start = self.skip(-size - LEAST_FRAME - 4)
        return count, Cursor(self.data, start, self.at)

    def records(self) -> Iterator[Cursor]:
        """The items of a list frame of record frames."""
        count, items = self.list()
        for _ in range(count):
            yield items.record()
        items.done("a list")

    def place(self) -> Locator:
        """A locator.

        Raises
        ------
        UnsupportedError
            If it is of a kind that is not known.
        """
        (size,) = self.numbers("i")
        if size >= 0:
            return Locator(self.numbers("q")[0], size)
        kind, length = size >> 24 & 0x7F, size & 0xFFFF
        if kind != LARGE or length != LARGE_BYTES:
            raise UnsupportedError("a kind of locator that is not known", got=f"kind {kind}, {length} bytes")
        large, offset = self.numbers("qq")
        return Locator(offset, large, size >> 16 & 0xFF)

    def rest(self) -> bytes:
        """What is left: written by a later version of the format."""
        start, self.at = self.at, self.end
        return self.data[start : self.end]

    def done(self, what: str) -> None:
        """Refuse bytes that a later version of the format may have written: they may hold positions in the file.

        Raises
        ------
        UnsupportedError
            If anything is left.
        """
        if self.at != self.end:
            raise UnsupportedError(f"{what} with more in it than is known", got=f"{self.end - self.at} bytes")


def string(text: str) -> bytes:
    """A string with its length.

    Examples
    --------
    >>> string("pt")
    b'\\x02\\x00\\x00\\x00pt'
    """
    raw = text.encode("utf-8", "surrogateescape")
    return struct.pack("<I", len(raw)) + raw


def frame(body: bytes) -> bytes:
    """A record frame."""
    return struct.pack("<q", LEAST_FRAME + len(body)) + body


def frames(items: Iterable[bytes]) -> bytes:
    """A list frame of items that are packed already."""
    packed = list(items)
    body = b"".join(packed)
    return struct.pack("<qI", -(LEAST_FRAME + 4 + len(body)), len(packed)) + body


def envelope(kind: int, body: bytes) -> bytes:
    """An envelope with its checksum."""
    length = ENVELOPE_HEAD + len(body) + CHECKSUM_BYTES
    data = struct.pack("<Q", kind | length << 16) + body
    return data + digest(data)


def opened(data: bytes, kind: int, where: object) -> Cursor:
    """What is in an envelope, after a look at its kind, its length and its checksum.

    Raises
    ------
    InputError
        If it is another, or damaged.
    """
    if len(data) < ENVELOPE_HEAD + CHECKSUM_BYTES or digest(data[:-CHECKSUM_BYTES]) != data[-CHECKSUM_BYTES:]:
        raise InputError("does not carry its checksum", where=where, hint="is the file damaged?")
    (head,) = struct.unpack_from("<Q", data)
    if head & 0xFFFF != kind or head >> 16 != len(data):
        raise InputError(
            "is another part of an RNTuple",
            where=where,
            expected=f"kind {kind}, {len(data)} bytes",
            got=f"kind {head & 0xFFFF}, {head >> 16} bytes",
        )
    return Cursor(data, ENVELOPE_HEAD, len(data) - CHECKSUM_BYTES)
