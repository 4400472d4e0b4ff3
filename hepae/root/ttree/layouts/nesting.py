"""Nested elements of variable size: bytes to counts and rows, and back. Pure arithmetic.

An entry holds elements one after the other. An element is a vector (a count in four bytes and its elements), a string
(its length in one byte, or 255 and four bytes, then its bytes), or a row of fixed width.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.root.ttree.layouts.chains import (
    COUNT_BYTES,
    LONG,
    after,
    counts_everywhere,
    text_hops,
    vector_hops,
)
from hepae.root.ttree.layouts.checks import require
from hepae.root.ttree.layouts.runs import edges_of, index_within, sums_of

__all__ = ["Nesting", "built", "first_row", "pieces", "string_edges", "taken_apart", "words"]

PIECE_BYTES: Final = 1 << 18
"""Entries are taken apart in runs of about this size, which bounds the memory for hops (some 40 times as much)."""


LONGEST_ENTRY: Final = 1 << 24
"""A longer entry is not taken apart, which bounds the memory to some 700 MB: its branch is kept as it is."""


class Nesting(NamedTuple):
    """What an entry is made of.

    Parameters
    ----------
    vectors
        How many vectors are inside each other.
    text
        Whether strings are in the innermost, or rows.
    width
        Bytes of a row; 1 of text.
    """

    vectors: int
    text: bool
    width: int

    @property
    def unit(self) -> int:
        """Every element begins at a multiple of so many bytes."""
        return 1 if self.text else int(np.gcd(COUNT_BYTES, self.width))


def taken_apart(
    nesting: Nesting, data: Array, edges: Integers, rows: Integers | None, where: str
) -> tuple[tuple[Integers, ...], Array]:
    """Bytes to counts and rows.

    Parameters
    ----------
    nesting
        What an entry is made of.
    data : uint8[n]
        A run of entries.
    edges : int64[n_entries + 1]
        Where each begins, and the last ends.
    rows : int64[n_entries] or None
        How many elements each entry has, if that stands elsewhere; None where it has one.

    Returns
    -------
    levels : tuple of int64 arrays
        Counts of each level, outermost first: ``rows`` if given, those of vectors, bytes of strings.
    values : uint8 array
        The rows, or the bytes of all strings.

    Raises
    ------
    InputError
        If the entries do not hold what their counts say.
    """
    unit, step = nesting.unit, COUNT_BYTES // nesting.unit
    require(np.diff(edges) <= LONGEST_ENTRY, "an entry is too long to be taken apart", where, LONGEST_ENTRY)
    require(edges % unit == 0, "an entry is no whole number of rows", where)
    starts, ends = edges[:-1] // unit, edges[1:] // unit
    stored, keep = counts_everywhere(data, unit), np.ones(len(data), bool)
    levels, vectors = [], nesting.vectors
    counts = np.ones(len(starts), np.int64) if rows is None else rows
    if rows is not None:
        levels.append(rows)
    elif vectors:  # the outermost vector is the entry: only what is inside has to be searched
        counts = stored[starts]
        levels.append(counts)
        starts, vectors = starts + step, vectors - 1
    # an element takes a byte at least, which bounds what is made of a count before it is believed
    fits = (counts >= 0) & (counts <= (ends - starts) * unit)
    require(fits, "a count does not fit into its entry", where)
    if vectors < nesting.vectors:
        drop(keep, edges[:-1], COUNT_BYTES)
    hops = all_hops(data, stored, nesting, vectors)
    reached = after(hops[0], starts, counts) if hops else starts + counts * (nesting.width // unit)
    require(reached == ends, "an entry does not hold what its counts say", where)
    for hop in hops[:vectors]:
        starts = after(hop, np.repeat(starts, counts), index_within(counts))
        drop(keep, starts * unit, COUNT_BYTES)
        counts = stored[starts]
        levels.append(counts)
        starts = starts + step
    if nesting.text:
        starts = after(hops[-1], np.repeat(starts, counts), index_within(counts))
        levels.append(text_lengths(data, stored, starts, keep))
    return tuple(levels), data[keep]


def all_hops(data: Array, stored: Integers, nesting: Nesting, vectors: int) -> list[Integers]:
    """Where what begins at each position ends: vectors, outermost first, then strings."""
    hops = [text_hops(data)] if nesting.text else []
    for _ in range(vectors):
        hops.insert(0, vector_hops(stored, nesting.unit, hops[0] if hops else nesting.width))
    return hops


def text_lengths(data: Array, stored: Integers, starts: Integers, keep: Booleans) -> Integers:
    """Bytes of the strings at some places; what says so is marked as no values."""
    lengths = data[starts].astype(np.int64)
    long = np.flatnonzero(lengths == LONG)
    lengths[long] = stored[starts[long] + 1]
    drop(keep, starts, 1)
    drop(keep, starts[long] + 1, COUNT_BYTES)
    return lengths


def drop(keep: Booleans, starts: Integers, size: int) -> None:
    """Mark ``size`` bytes from each start as no values."""
    keep[starts[:, None] + np.arange(size)] = False


def pieces(edges: Integers) -> Iterator[tuple[int, int]]:
    """Runs of entries of at most `PIECE_BYTES`, or of a single entry; one empty run where there are no entries."""
    start, entries = 0, len(edges) - 1
    while True:
        stop = int(np.searchsorted(edges, edges[start] + PIECE_BYTES, side="right")) - 1
        stop = min(max(stop, start + 1), entries)
        yield start, stop
        if stop == entries:
            return
        start = stop


def string_edges(data: Array, entries: int, where: str) -> Integers:
    """Where each of ``entries`` strings begins and the last ends, found by reading their lengths."""
    require(entries <= len(data), "a basket holds fewer strings than entries", where, entries)
    edges = after(text_hops(data), np.zeros(entries + 1, np.int64), np.arange(entries + 1, dtype=np.int64))
    require(edges[-1] == len(data), "a basket does not hold the strings that it says", where)
    return edges


def first_row(data: Array, edges: Integers, depth: int, lead: int, counted: bool) -> int | None:
    """Where a first row is, for what is at most a vector of vectors; None if none is found in the longest entry.

    Parameters
    ----------
    data, edges
        As in `taken_apart`, with ``lead`` bytes before each entry.
    depth
        How many vectors are inside each other.
    counted
        Whether the outermost elements are counted elsewhere.
    """
    lengths = np.diff(edges) - lead
    if not (lengths > 0).any():
        return None
    start = int(edges[lengths.argmax()]) + lead
    entry = data[start : start + int(lengths.max())]
    vectors, place = depth, 0
    if depth and not counted:
        vectors, place = depth - 1, COUNT_BYTES
    if vectors == 1:  # counts of 0, then that of a vector which has rows
        counts = np.frombuffer(
            entry[place : place + (len(entry) - place) // COUNT_BYTES * COUNT_BYTES], ">i4"
        )
        if not counts.any():
            return None
        place += COUNT_BYTES * (int(counts.astype(bool).argmax()) + 1)
    return start + place if vectors <= 1 and place < len(entry) else None


def built(
    nesting: Nesting, levels: tuple[Integers, ...], counted: bool, values: Array, lead: int
) -> tuple[Array, Integers]:
    """Counts and rows to bytes: the inverse of `taken_apart`.

    Parameters
    ----------
    nesting
        What an entry is made of.
    levels
        Counts of each level, outermost first.
    counted
        Whether the first level is counted elsewhere and not stored.
    values : uint8 array
        The rows, or the bytes of all strings.
    lead
        Bytes to leave free at the start of each entry.

    Returns
    -------
    data : uint8[n]
        The entries; the bytes at their start are not set.
    edges : int64[n_entries + 1]
        Where each begins, and the last ends.
    """
    inner = levels[1:] if counted else levels
    sizes = sizes_of(nesting, inner)
    edges = edges_of(lead + (sums_of(sizes[0], levels[0]) if counted else sizes[0]))
    data, free = np.empty(int(edges[-1]), np.uint8), np.ones(int(edges[-1]), bool)
    starts = edges[:-1]
    drop(free, starts, lead)
    starts = starts + lead
    if counted:
        starts = element_starts(starts, levels[0], sizes[0])
    for level in range(nesting.vectors):
        put(data, free, starts, words(inner[level]))
        starts = starts + COUNT_BYTES
        if level + 1 < len(sizes):
            starts = element_starts(starts, inner[level], sizes[level + 1])
    if nesting.text:
        lengths = inner[-1]
        put(data, free, starts, np.minimum(lengths, LONG).astype(np.uint8)[:, None])
        long = lengths >= LONG
        put(data, free, starts[long] + 1, words(lengths[long]))
    data[free] = values
    return data, edges


def sizes_of(nesting: Nesting, levels: tuple[Integers, ...]) -> list[Integers]:
    """Bytes of each vector and string, outermost first."""
    sizes: list[Integers] = []
    for level in reversed(range(len(levels))):
        counts = levels[level]
        if level == nesting.vectors:
            sizes.insert(0, counts + np.where(counts >= LONG, 1 + COUNT_BYTES, 1))
        else:
            inside = sums_of(sizes[0], counts) if sizes else counts * nesting.width
            sizes.insert(0, COUNT_BYTES + inside)
    return sizes


def element_starts(starts: Integers, counts: Integers, sizes: Integers) -> Integers:
    """Where elements of some sizes begin, in vectors whose first elements begin at ``starts``.

    Examples
    --------
    >>> element_starts(np.array([4, 20]), np.array([2, 1]), np.array([5, 3, 7])).tolist()
    [4, 9, 20]
    """
    before = edges_of(sizes)
    return np.repeat(starts - before[edges_of(counts)[:-1]], counts) + before[:-1]


def words(counts: Integers) -> Array:
    """Counts as they are stored, ``uint8[n, 4]``."""
    return counts.astype(">i4").view(np.uint8).reshape(-1, COUNT_BYTES)


def put(data: Array, free: Booleans, starts: Integers, parts: Array) -> None:
    """Write parts ``uint8[n, k]`` at their starts, and mark the bytes as taken."""
    places = starts[:, None] + np.arange(parts.shape[1])
    data[places] = parts
    free[places] = False
