"""What every layout refuses: bytes that are not what the branch says. Nothing is allocated before these hold."""

from __future__ import annotations

import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.errors import InputError

__all__ = ["Offsets", "as_bytes", "entry_lengths", "require", "require_whole_rows"]

Offsets = Integers | None
"""Where each entry begins and the last ends, ``int64[n + 1]``; None where a basket has no table of them."""


def as_bytes(data: bytes | bytearray | memoryview | Array) -> Array:
    """A buffer as ``uint8[n]``, without copying it."""
    return np.frombuffer(data, np.uint8) if not isinstance(data, np.ndarray) else data.view(np.uint8)


def require(
    holds: bool | Booleans, what: str, where: str, expected: object = None, got: object = None
) -> None:
    """Raise `InputError` unless all of it holds."""
    if not np.all(holds):
        raise InputError(what, where=where or None, expected=expected, got=got)


def entry_lengths(offsets: Integers, entries: int, size: int, where: str) -> Integers:
    """Bytes of each entry, ``int64[entries]``, of a table of offsets that covers a basket of ``size`` bytes."""
    whole = len(offsets) == entries + 1 and offsets[0] == 0 and offsets[-1] == size
    require(whole, "entry offsets do not cover the basket", where, f"{entries} entries, {size} bytes")
    lengths = np.diff(offsets)
    require(lengths >= 0, "entry offsets run backwards", where)
    return lengths


def require_whole_rows(lengths: Integers, width: int, where: str) -> Integers:
    """Rows of each entry, given the bytes of each."""
    counts = lengths // width
    require(counts * width == lengths, "an entry is no whole number of rows", where, f"rows of {width} bytes")
    return counts
