"""A checksum for each event of the bottleneck codec, whose payload survives skims event by event.

Chunked codecs have frames with a checksum each. A bottleneck event has none around it: its latents, corrections and
escapes are plain branches, of which ROOT itself would not notice a flipped bit. So each event carries 32 bits over all
that it is restored from. With ``w[b, i]`` the word i of branch b in an event, read as an unsigned integer::

    sum   = Σ_b Σ_i (w[b, i] + 1) · key(b) · key(i)      mod 2**64
    check = mix(sum) >> 32
    key(j) = mix((j + 1) · 0x9E3779B97F4A7C15) | 1       mod 2**64

The key is odd, so no change of a single word leaves the sum as it was; ``+ 1`` makes a word more or less count, so the
lengths are covered too. Order and number of the events are not: a skim may change them.

References
----------
Multilinear hashing: Lemire and Kaser, Comput. J. 57 (2014) 1624, arXiv:1202.4961. ``mix`` is the finaliser of
SplitMix64: Steele, Lea and Flood, OOPSLA 2014.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Integers, Words
from hepae.core.values.objects import offsets, ranks

__all__ = ["event_checks"]

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
ONE: Final = np.uint64(1)


def event_checks(branches: Sequence[tuple[Integers, Array]]) -> NDArray[np.uint32]:
    """Checksum of each event over several branches: uint32[n_events].

    Parameters
    ----------
    branches
        For each branch in its order the values per event int64[n_events], and the values of all events one after the
        other, of any dtype of 1, 2, 4 or 8 bytes. At least one branch, all with the same number of events.

    Examples
    --------
    >>> counts = np.array([2, 0, 1])
    >>> whole = event_checks([(counts, np.array([1.0, 2.0, 3.0], np.float32))])
    >>> [f"{check:08x}" for check in whole]
    ['1f00dc4c', '00000000', 'd087108e']
    >>> bool(event_checks([(counts[1:], np.array([3.0], np.float32))])[1] == whole[2])
    True
    """
    keys = _keys(len(branches))
    sums = np.zeros(len(branches[0][0]), np.uint64)
    for counts, together in _by_counts(branches):
        words = np.full(int(counts.sum()), keys[together].sum(dtype=np.uint64), np.uint64)
        for number in together:
            words += np.multiply(_words(branches[number][1]), keys[number], dtype=np.uint64)
        words *= _keys(int(counts.max(initial=0)))[ranks(counts)]
        sums += _sums(words, counts)
    return np.asarray(_mix(sums) >> np.uint64(32), np.uint32)


def _by_counts(branches: Sequence[tuple[Integers, Array]]) -> list[tuple[Integers, list[int]]]:
    """Numbers of the branches with the same counts: their words are added up before anything is done by position."""
    groups: list[tuple[Integers, list[int]]] = []
    for number, (counts, _) in enumerate(branches):
        for known, together in groups:
            if known is counts or np.array_equal(known, counts):
                together.append(number)
                break
        else:
            groups.append((counts, [number]))
    return groups


def _words(values: Array) -> NDArray[np.unsignedinteger[Any]]:
    return np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")


def _sums(words: Words, counts: Integers) -> Words:
    """Sum by event modulo 2**64: differences of a running sum are exact however often it wraps."""
    running = np.zeros(len(words) + 1, np.uint64)
    np.cumsum(words, out=running[1:])
    edges = offsets(counts)
    return np.asarray(running[edges[1:]] - running[edges[:-1]])


def _keys(n: int) -> Words:
    return np.asarray(_mix((np.arange(n, dtype=np.uint64) + ONE) * GOLDEN) | ONE)


def _mix(x: Words) -> Words:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
