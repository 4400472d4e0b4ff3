"""Hostile bytes: what disks, networks and attackers make of good ones. A reader of them is right or refuses, soon.

`damaged` changes bytes in one way that its seed chooses; `prefixes` and `flipped` give every length and every bit. For
JSON, ONNX and CSV, `hepae.testing.mutations` changes what they mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "Bytes", "damaged", "flipped", "prefixes"]

Bytes = NDArray[np.uint8]


def damaged(data: bytes, seed: int) -> bytes:
    """Bytes after one accident; the same again for the same seed.

    Parameters
    ----------
    data
        At least eight bytes.
    seed
        Chooses the kind of accident (`KINDS` in turn) and where it happens.

    Examples
    --------
    >>> [len(damaged(bytes(100), seed)) for seed in (0, 8)]
    [100, 71]
    """
    kind = KINDS[seed % len(KINDS)]
    return kind(np.frombuffer(data, np.uint8).copy(), np.random.default_rng(seed)).tobytes()


def prefixes(data: bytes, step: int = 1) -> Iterator[bytes]:
    """The first 0, ``step``, 2 ``step``, … bytes, the whole left out."""
    for size in range(0, len(data), step):
        yield data[:size]


def flipped(data: bytes, step: int = 1) -> Iterator[bytes]:
    """The bytes with each bit in turn the other way, or each ``step``-th."""
    for bit in range(0, 8 * len(data), step):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def flip(data: Bytes, rng: np.random.Generator) -> Bytes:
    """One bit."""
    data[rng.integers(len(data))] ^= np.uint8(1 << rng.integers(8))
    return data


def overwrite(data: Bytes, rng: np.random.Generator) -> Bytes:
    """A few bytes at random."""
    start, size = int(rng.integers(len(data))), int(2 ** rng.uniform(0, 6))
    part = data[start : start + size]
    part[:] = rng.integers(0, 256, len(part))
    return data


def blank(data: Bytes, rng: np.random.Generator) -> Bytes:
    """A sector of zeros or ones, as a disk loses them."""
    start = int(rng.integers(len(data)))
    data[start : start + int(2 ** rng.uniform(0, 9))] = rng.choice([0, 255])
    return data


def extreme(data: Bytes, rng: np.random.Generator) -> Bytes:
    """A number of four bytes that is no size at all."""
    start = int(rng.integers(len(data) - 4))
    value = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x40000000]))
    data[start : start + 4] = np.frombuffer(value.to_bytes(4, "big"), np.uint8)
    return data


def exchange(data: Bytes, rng: np.random.Generator) -> Bytes:
    """Two blocks in each other's place."""
    size = min(int(2 ** rng.uniform(0, 8)), len(data) // 2)
    first, second = (int(place) for place in rng.integers(0, len(data) - size, 2))
    block = data[first : first + size].copy()
    data[first : first + size] = data[second : second + size]
    data[second : second + size] = block
    return data


def cut(data: Bytes, rng: np.random.Generator) -> Bytes:
    """The end is missing."""
    return data[: int(rng.integers(len(data)))]


def drop(data: Bytes, rng: np.random.Generator) -> Bytes:
    """A few bytes are missing, or are there twice."""
    start, size = int(rng.integers(len(data))), int(2 ** rng.uniform(0, 6))
    again = start + (size if rng.random() < 0.5 else -min(size, start))
    return np.concatenate([data[:start], data[again:]])


KINDS: tuple[Callable[[Bytes, np.random.Generator], Bytes], ...] = (
    flip, flip, flip, flip, overwrite, blank, extreme, exchange, cut, drop,
)  # fmt: skip
"""Kinds of accidents, single bits most often: each changes an array of bytes, in place where it can."""
