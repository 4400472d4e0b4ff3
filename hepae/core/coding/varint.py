"""Small unsigned numbers in few bytes: seven bits a byte, least significant first (LEB128)."""

from __future__ import annotations

from typing import Final

from hepae.errors import CorruptionError

__all__ = ["read_varint", "unzigzag", "varint", "zigzag"]

LONGEST: Final = 10


def varint(value: int) -> bytes:
    """The bytes of a number from 0 to 2**64 - 1.

    Examples
    --------
    >>> varint(5).hex(), varint(300).hex()
    ('05', 'ac02')
    """
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes | memoryview, at: int, where: str = "") -> tuple[int, int]:
    """The number that begins at a place, and the place after it.

    Raises
    ------
    CorruptionError
        If the bytes end before the number does, or it is longer than needed or than 64 bits.

    Examples
    --------
    >>> read_varint(bytes.fromhex("05ac02"), 1)
    (300, 3)
    """
    value = 0
    for place in range(at, min(at + LONGEST, len(data))):
        byte = data[place]
        value |= (byte & 127) << 7 * (place - at)
        if byte < 128:
            if (byte == 0 and place > at) or value >> 64:
                break
            return value, place + 1
    raise CorruptionError(
        "a number is cut short or too long", where=where, got=bytes(data[at : at + 10]).hex()
    )


def zigzag(value: int) -> int:
    """A signed number as an unsigned one: 0, -1, 1, -2 … are 0, 1, 2, 3 …"""
    return value << 1 if value >= 0 else ~value << 1 | 1


def unzigzag(value: int) -> int:
    """The signed number of `zigzag`.

    Examples
    --------
    >>> [unzigzag(zigzag(value)) for value in (0, -1, -(2**63), 2**63 - 1)] == [0, -1, -(2**63), 2**63 - 1]
    True
    """
    return ~(value >> 1) if value & 1 else value >> 1
