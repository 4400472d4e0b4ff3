"""Bytes of ROOT's elementary records: strings, keys, objects with byte counts. Pure functions.

Source: the ROOT file format, ``io/doc/TFile`` and ``TBufferFile`` of ROOT 6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = [
    "BYTE_COUNT",
    "KEY_HEAD",
    "NEW_CLASS",
    "OBJECT_BITS",
    "SMALL_LIMIT",
    "Key",
    "any_object",
    "counted",
    "key_at",
    "named",
    "object_array",
    "root_object",
    "root_string",
    "string_at",
]

SMALL_LIMIT = 2_000_000_000
"""Positions beyond this are written as 8 bytes (ROOT's ``kStartBigFile``)."""

BYTE_COUNT = 0x40000000
NEW_CLASS = 0xFFFFFFFF
OBJECT_BITS = 0x03000000
KEY_HEAD = struct.Struct(">ihiIhh")
"""Bytes of the record, version, bytes of the object, time stamp, bytes of the key, cycle."""


def root_string(text: str) -> bytes:
    """A string with its length: one byte, or 255 and four bytes.

    Examples
    --------
    >>> root_string("Jet_pt")
    b'\\x06Jet_pt'
    """
    raw = text.encode("utf-8", "surrogateescape")
    return (bytes([len(raw)]) if len(raw) < 255 else struct.pack(">BI", 255, len(raw))) + raw


def counted(version: int, body: bytes) -> bytes:
    """An object of a versioned class: byte count, version, body."""
    return struct.pack(">IH", (len(body) + 2) | BYTE_COUNT, version) + body


def any_object(classname: str, body: bytes) -> bytes:
    """An object behind a pointer: byte count, the class by name, body."""
    tagged = struct.pack(">I", NEW_CLASS) + classname.encode() + b"\0" + body
    return struct.pack(">I", len(tagged) | BYTE_COUNT) + tagged


def root_object(bits: int = 0) -> bytes:
    """A ``TObject`` without identity."""
    return struct.pack(">HII", 1, 0, OBJECT_BITS | bits)


def named(name: str, title: str, bits: int = 0) -> bytes:
    """A ``TNamed``."""
    return counted(1, root_object(bits) + root_string(name) + root_string(title))


def object_array(items: list[bytes]) -> bytes:
    """A ``TObjArray`` of objects or references that are serialised already."""
    head = root_object() + root_string("") + struct.pack(">ii", len(items), 0)
    return counted(3, head + b"".join(items))


@dataclass
class Key:
    """A ``TKey``: the head of every record of a file.

    Parameters
    ----------
    classname, name, title
        Of the object in the record.
    objlen
        Bytes of the object before compression.
    nbytes
        Bytes of the record on disk, with the key.
    seek, parent
        Where the record and its directory are.
    cycle
        Version of the object of this name, 0 for records in no directory.
    big
        Whether positions take 8 bytes.
    version
        Class version of the key, 4 unless copied.
    extra
        Bytes that are counted as part of the key (the head of a basket).
    """

    classname: str
    name: str
    title: str
    objlen: int
    seek: int
    parent: int
    datime: int
    payload: int = 0
    cycle: int = 1
    big: bool = False
    version: int = 4
    extra: bytes = b""

    @property
    def length(self) -> int:
        """Bytes of the key itself."""
        strings = root_string(self.classname) + root_string(self.name) + root_string(self.title)
        return (34 if self.big else 26) + len(strings) + len(self.extra)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole record on disk."""
        return self.length + self.payload

    def pack(self) -> bytes:
        """The bytes of the key."""
        head = struct.pack(
            ">ihiIhh",
            self.nbytes,
            self.version + (1000 if self.big else 0),
            self.objlen,
            self.datime,
            self.length,
            self.cycle,
        )
        places = struct.pack(">qq" if self.big else ">ii", self.seek, self.parent)
        strings = root_string(self.classname) + root_string(self.name) + root_string(self.title)
        return head + places + strings + self.extra


def key_at(raw: bytes, at: int = 0) -> tuple[Key, int, int]:
    """The key at a place, the length that it says it has, and where its strings end.

    Raises
    ------
    ValueError
        If it is cut short.
    """
    if at + KEY_HEAD.size + 8 > len(raw):
        raise ValueError(f"no key at {at} of {len(raw)} bytes")
    nbytes, version, objlen, datime, length, cycle = KEY_HEAD.unpack_from(raw, at)
    big = version > 1000
    places = ">qq" if big else ">ii"
    at += KEY_HEAD.size
    seek, parent = struct.unpack_from(places, raw, at)
    at += struct.calcsize(places)
    classname, at = string_at(raw, at)
    name, at = string_at(raw, at)
    title, at = string_at(raw, at)
    payload = nbytes - length
    key = Key(classname, name, title, objlen, seek, parent, datime, payload, cycle, big, version % 1000)
    return key, length, at


def string_at(raw: bytes, at: int) -> tuple[str, int]:
    """The string at a place, and where it ends.

    Raises
    ------
    ValueError
        If it is cut short.
    """
    size, at = raw[at], at + 1
    if size == 255:
        (size,) = struct.unpack_from(">I", raw, at)
        at += 4
    text = raw[at : at + size]
    if len(text) != size:
        raise ValueError(f"a string of {size} bytes at {at} of {len(raw)}")
    return text.decode("utf-8", "surrogateescape"), at + size
