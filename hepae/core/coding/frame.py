"""Frames: the self-describing byte stream of one feature and one chunk.

All that a reader checks before it believes a single byte is here: magic, version, model, sizes, and checksums
(XXH3-64, cut). One is of the frame's own bytes. One ties it to its surroundings, the model, counts and conditioning
columns, which are not stored again: so a skim that dropped events is detected. One is of the restored values, so that
a decoder that went wrong on some machine is an error and never a wrong value. A frame costs about 25 bytes besides
its payload, so that chunks may be small.

The layout is specified in ``docs/format/v1.md``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Values
from hepae.core.coding.varint import read_varint, varint
from hepae.errors import CorruptionError

__all__ = ["CODECS", "Frame", "Header", "belongs", "checksum", "parse", "serialise"]

MAGIC: Final = 0x68
CODECS: Final = {"lifting": 1, "masked": 2, "plain": 3}
NAMES: Final = {number: name for name, number in CODECS.items()}
EXTRAS: Final = 8
"""Added to the codec where there are escaped values or a lattice override."""

FIXED: Final = struct.Struct("<BB4sII")
"""Magic, version and codec, model, chunk, content; then numbers of variable length."""

CHECKSUMS: Final = struct.Struct("<HI")
"""At the end: of the frame in its surroundings, and of all bytes before."""

LOW: Final = (1 << 32) - 1


@dataclass(frozen=True)
class Header:
    """What a frame says of itself.

    Attributes
    ----------
    codec
        Name of the codec.
    feature
        Index of the feature in the manifest.
    model
        The first 4 bytes of the SHA-256 of the model; the checksum of the surroundings knows all 32.
    chunk
        The same number of 32 bits in all frames of one chunk, and no other chunk's.
    content
        The low 32 bits of the checksum of the surroundings' checksum and the restored values.
    events, objects
        Size of the chunk.
    """

    codec: str
    feature: int
    model: bytes
    chunk: int
    content: int
    events: int
    objects: int


@dataclass(frozen=True)
class Frame:
    """A header and three byte strings: escaped values, the lattice override (mostly empty), the codec's payload.

    A frame that was parsed also knows the checksum of its bytes before the two at the end, and the first of these.
    """

    header: Header
    escaped: bytes
    override: bytes
    payload: bytes
    digest: int = 0
    place: int = 0


def checksum(parts: Iterable[bytes | memoryview | Values]) -> int:
    """XXH3-64 over byte strings and the little-endian bytes of arrays.

    References
    ----------
    xxHash specification, XXH3 64-bit, seed 0.

    Examples
    --------
    >>> f"{checksum([b'hepae']):016x}"
    'ac3bd44ac73d262c'
    """
    state = xxhash.xxh3_64()
    for part in parts:
        state.update(_little_endian(part).data if isinstance(part, np.ndarray) else part)
    return state.intdigest()


def _little_endian(array: Values) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).view(np.uint8)


def belongs(frame: Frame, context: int) -> bool:
    """Whether a parsed frame was written in surroundings with this checksum."""
    return frame.place == _place(frame.digest, context)


def _place(digest: int, context: int) -> int:
    return checksum([digest.to_bytes(8, "little"), context.to_bytes(8, "little")]) & 0xFFFF


def serialise(frame: Frame, context: int) -> bytes:
    """The bytes of a frame in surroundings with this checksum."""
    h = frame.header
    extras = bool(frame.escaped or frame.override)
    kind = limits.FORMAT_VERSION << 4 | CODECS[h.codec] | EXTRAS * extras
    numbers = [h.feature, h.events, h.objects]
    if extras:
        numbers += [len(frame.escaped), len(frame.override)]
    head = FIXED.pack(MAGIC, kind, h.model, h.chunk, h.content) + b"".join(map(varint, numbers))
    return sealed(head + frame.escaped + frame.override + frame.payload, context)


def sealed(body: bytes, context: int) -> bytes:
    """Bytes with the checksums of a frame at their end."""
    tied = body + _place(checksum([body]), context).to_bytes(2, "little")
    return tied + (checksum([tied]) & LOW).to_bytes(4, "little")


def parse(data: bytes, where: str = "") -> Frame:
    """Check and take apart the bytes of a frame, refusing by a staircase of named reasons.

    Raises
    ------
    CorruptionError
        If the bytes are not those of a frame of this format version, whole and unchanged.
    LimitError
        If a size in it exceeds its limit.
    """
    shortest = FIXED.size + 3 + CHECKSUMS.size
    if len(data) < shortest:
        raise CorruptionError(
            "a frame is cut short", where=where, expected=f"at least {shortest} bytes", got=len(data)
        )
    magic, kind, model, chunk, content = FIXED.unpack_from(data)
    version, codec = kind >> 4, kind & 7
    if magic != MAGIC:
        raise CorruptionError("not a frame of hepae", where=where, expected=MAGIC, got=magic)
    if version != limits.FORMAT_VERSION:
        raise CorruptionError(
            "another version of the format", where=where, expected=limits.FORMAT_VERSION, got=version
        )
    if codec not in NAMES:
        raise CorruptionError("an unknown codec", where=where, expected=sorted(NAMES), got=codec)
    end = len(data) - CHECKSUMS.size
    place, own = CHECKSUMS.unpack_from(data, end)
    whole = memoryview(data)
    if checksum([whole[:-4]]) & LOW != own:
        raise CorruptionError(
            "a frame does not carry its checksum", where=where, hint="restore the file from a copy"
        )
    (feature, events, objects, *lengths), at = _numbers(whole[:end], 5 if kind & EXTRAS else 3, where)
    limits.check("events in a chunk", events, limits.MAX_EVENTS_PER_CHUNK, where)
    limits.check("objects in a chunk", objects, limits.MAX_OBJECTS_PER_CHUNK, where)
    escaped, override = lengths or (0, 0)
    for length in (escaped, override, end - at):
        limits.check("bytes in a frame", length, limits.MAX_PAYLOAD_BYTES, where)
    if at + escaped + override > end:
        raise CorruptionError(
            "a frame of another length",
            where=where,
            expected=at + escaped + override + CHECKSUMS.size,
            got=len(data),
        )
    header = Header(NAMES[codec], feature, model, chunk, content, events, objects)
    middle, last = at + escaped, at + escaped + override
    return Frame(header, data[at:middle], data[middle:last], data[last:end], checksum([whole[:end]]), place)


def _numbers(data: memoryview, count: int, where: str) -> tuple[list[int], int]:
    """So many numbers of variable length after the fixed part, and the place after them."""
    found, at = [], FIXED.size
    for _ in range(count):
        number, at = read_varint(data, at, where)
        found.append(number)
    return found, at
