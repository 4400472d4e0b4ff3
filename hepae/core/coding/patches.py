"""Bytes told by what they have in common with others that the reader has: runs that are copied, and what is between.

A patch is a varint, the number of bytes that it makes, and then by turns a varint and so many bytes, which are taken as
they are, and two varints, a number of bytes and where they begin in the reference. It ends where all are made.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hepae import limits
from hepae.core.coding.varint import read_varint, varint
from hepae.errors import CorruptionError

__all__ = ["patch", "patched"]

BLOCK: Final = 16
"""Bytes of the reference that are looked up together: shorter runs would cost as much as they save."""

LOOK: Final = 4096
"""Bytes that are compared at once."""


def patch(reference: bytes, data: bytes) -> bytes:
    """What makes ``data`` of ``reference``.

    Examples
    --------
    >>> told = patch(b"a branch of floats, " * 9, b"no branch of floats, a branch of floats, no")
    >>> patched(b"a branch of floats, " * 9, told)
    b'no branch of floats, a branch of floats, no'
    """
    blocks: dict[bytes, int] = {}
    for start in range(0, len(reference) - BLOCK + 1, BLOCK):
        blocks.setdefault(reference[start : start + BLOCK], start)
    out = bytearray(varint(len(data)))
    done = at = shift = 0
    while at <= len(data) - BLOCK:
        block, start = data[at : at + BLOCK], max(at + shift, 0)
        if (
            reference[start : start + BLOCK] != block
        ):  # it mostly goes on where it did before a number that differs
            start = blocks.get(block, -1)
        if start < 0:
            at += 1
            continue
        while at > done and start and data[at - 1] == reference[start - 1]:
            at, start = at - 1, start - 1
        size = _alike(reference, start, data, at)
        out += varint(at - done) + data[done:at] + varint(size) + varint(start)
        shift = start - at
        done = at = at + size
    if done < len(data):
        out += varint(len(data) - done) + data[done:]
    return bytes(out)


def _alike(reference: bytes, start: int, data: bytes, at: int) -> int:
    """How many bytes are the same from there on."""
    size = 0
    while True:
        one, other = reference[start + size : start + size + LOOK], data[at + size : at + size + LOOK]
        both = min(len(one), len(other))
        if one[:both] != other[:both]:
            differ = np.frombuffer(one[:both], np.uint8) != np.frombuffer(other[:both], np.uint8)
            return size + int(differ.argmax())
        size += both
        if both < LOOK:
            return size


def patched(reference: bytes, told: bytes, where: str = "") -> bytes:
    """What a patch makes of a reference.

    Raises
    ------
    CorruptionError
        If it is cut short, copies what is not there, or does not make as many bytes as it says.
    LimitError
        If it makes more than `hepae.limits.MAX_REFERRED_BYTES`.
    """
    size, at = read_varint(told, 0, where)
    limits.check("bytes that a patch makes", size, limits.MAX_REFERRED_BYTES, where)
    out = bytearray()
    while len(out) < size:
        number, at = read_varint(told, at, where)
        out += told[at : at + number]
        at += number
        if len(out) >= size or at > len(told):
            break
        number, at = read_varint(told, at, where)
        start, at = read_varint(told, at, where)
        if not 0 < number <= len(reference) - start or number > size - len(out):
            raise CorruptionError("a patch copies what is not there", where=where)
        out += reference[start : start + number]
    if len(out) != size or at != len(told):
        raise CorruptionError("a patch of another size", where=where, expected=size, got=len(out))
    return bytes(out)
