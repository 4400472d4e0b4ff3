"""Frames: the self-describing byte stream of one feature and one chunk.

All that a reader checks before it believes a single byte is here: magic, version, model, lengths, and a checksum over
everything (XXH3-64). Two more checksums tie a frame to its surroundings: `Header.context` is that of the counts and
conditioning columns, so that a skim that dropped events is detected, and `Header.content` is that of the restored
values, so that a decoder that went wrong on some machine is an error and never a wrong value.

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
from hepae.errors import CorruptionError

__all__ = ["CODECS", "Frame", "Header", "checksum", "parse", "serialise"]

MAGIC: Final = b"hepa"
CODECS: Final = {"lifting": 1, "masked": 2}
LAYOUT: Final = struct.Struct("<4sBBH16sQQQIIIII")
CHECKSUM: Final = struct.Struct("<Q")


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
        The first 16 bytes of the SHA-256 of the model.
    chunk
        The same number in all frames of one chunk, and no other chunk's.
    context, content
        Checksums of the counts and conditions, and of the restored values.
    events, objects
        Size of the chunk.
    """

    codec: str
    feature: int
    model: bytes
    chunk: int
    context: int
    content: int
    events: int
    objects: int


@dataclass(frozen=True)
class Frame:
    """A header and three byte strings: escaped values, the lattice override (mostly empty), the codec's payload."""

    header: Header
    escaped: bytes
    override: bytes
    payload: bytes


def checksum(parts: Iterable[bytes | NDArray[np.generic]]) -> int:
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
        state.update(part if isinstance(part, bytes) else _little_endian(part).data)
    return state.intdigest()


def _little_endian(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).view(np.uint8)


def serialise(frame: Frame) -> bytes:
    """The bytes of a frame."""
    h = frame.header
    head = LAYOUT.pack(
        MAGIC, limits.FORMAT_VERSION, CODECS[h.codec], h.feature, h.model, h.chunk, h.context, h.content,
        h.events, h.objects, len(frame.escaped), len(frame.override), len(frame.payload),
    )  # fmt: skip
    body = head + frame.escaped + frame.override + frame.payload
    return body + CHECKSUM.pack(checksum([body]))


def parse(data: bytes, where: str = "") -> Frame:
    """Check and take apart the bytes of a frame, refusing by a staircase of named reasons.

    Raises
    ------
    CorruptionError
        If the bytes are not those of a frame of this format version, whole and unchanged.
    LimitError
        If a size in it exceeds its limit.
    """
    if len(data) < LAYOUT.size + CHECKSUM.size:
        raise CorruptionError(
            "a frame is cut short",
            where=where,
            expected=f"at least {LAYOUT.size + CHECKSUM.size} bytes",
            got=len(data),
        )
    magic, version, codec, feature, model, chunk, context, content, events, objects, *lengths = (
        LAYOUT.unpack_from(data)
    )
    if magic != MAGIC:
        raise CorruptionError("not a frame of hepae", where=where, expected=MAGIC, got=magic)
    if version != limits.FORMAT_VERSION:
        raise CorruptionError(
            "another version of the format", where=where, expected=limits.FORMAT_VERSION, got=version
        )
    names = {number: name for name, number in CODECS.items()}
    if codec not in names:
        raise CorruptionError("an unknown codec", where=where, expected=sorted(names), got=codec)
    limits.check("events in a chunk", events, limits.MAX_EVENTS_PER_CHUNK, where)
    limits.check("objects in a chunk", objects, limits.MAX_OBJECTS_PER_CHUNK, where)
    for length in lengths:
        limits.check("bytes in a frame", length, limits.MAX_PAYLOAD_BYTES, where)
    if len(data) != LAYOUT.size + sum(lengths) + CHECKSUM.size:
        raise CorruptionError(
            "a frame of another length",
            where=where,
            expected=LAYOUT.size + sum(lengths) + CHECKSUM.size,
            got=len(data),
        )
    (expected,) = CHECKSUM.unpack_from(data, len(data) - CHECKSUM.size)
    if checksum([data[: -CHECKSUM.size]]) != expected:
        raise CorruptionError(
            "a frame does not carry its checksum", where=where, hint="restore the file from a copy"
        )
    header = Header(names[codec], feature, model, chunk, context, content, events, objects)
    return Frame(header, *_split(data, lengths))


def _split(data: bytes, lengths: list[int]) -> tuple[bytes, bytes, bytes]:
    first, second, third = np.cumsum([LAYOUT.size, *lengths[:2]])
    return data[first:second], data[second:third], data[third : third + lengths[2]]
