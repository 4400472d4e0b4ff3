"""Collections that say their own sizes: vectors of any depth, strings, and vectors of strings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.root.columns import Nested
from hepae.root.ttree.layouts.chains import (
    COUNT_BYTES,
    LONG,
    after,
    counts_everywhere,
    text_hops,
    vector_hops,
)
from hepae.root.ttree.layouts.checks import Offsets, entry_lengths, require, require_whole_rows
from hepae.root.ttree.layouts.fields import ColumnType, Field, packed, row_dtype, unpacked
from hepae.root.ttree.layouts.rows import given
from hepae.root.ttree.layouts.runs import edges_of, index_within, positions, sums_of

__all__ = ["Collection"]

HEADER_BYTES: Final = 6
"""A byte count and a version: ``TBufferFile::WriteVersion``."""

STREAMER_INFO_VERSION: Final = 9
"""Class version of ``TStreamerInfo``, which ROOT writes before collections."""

BYTE_COUNT: Final = 0x40000000
VERSION_BYTES: Final = 2

PIECE_BYTES: Final = 1 << 18
"""Entries are decoded in runs of about this size, which bounds the memory for hops (some 40 times as much)."""


class Collection(msgspec.Struct, frozen=True, tag="collection", omit_defaults=True):
    """Vectors, strings and what is made of them.

    An entry is a header (where there is one), then vectors: a count in four bytes and their elements. An element is a
    vector, a string (its length in one byte, or 255 and four bytes), or a row of fields.

    Parameters
    ----------
    fields
        What is in a row; of text, the one field of bytes.
    depth
        How many vectors are inside each other, not counting what a counter counts.
    text
        Whether the innermost elements are strings.
    header
        Whether each entry begins with a byte count and a version.
    counter
        Path of the branch that says how many elements an entry has; empty where there is one, without a count.
    version
        What the header says.
    """

    fields: tuple[Field, ...]
    depth: int
    text: bool = False
    header: bool = False
    counter: str = ""
    version: int = STREAMER_INFO_VERSION

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        levels = self.depth + bool(self.counter) + self.text
        return tuple(ColumnType(field, levels, self.text, self.counter) for field in self.fields)

    @property
    def counters(self) -> tuple[str, ...]:
        return (self.counter,) if self.counter else ()

    def decode(
        self, data: Array, offsets: Offsets, entries: int, counts: Mapping[str, Integers], where: str
    ) -> dict[str, Nested]:
        require(offsets is not None, "a basket has no entry offsets", where)
        assert offsets is not None
        lengths = entry_lengths(offsets, entries, len(data), where)
        rows = given(counts, self.counter, entries, len(data), where) if self.counter else None
        if self.depth == 1 and not self.text and rows is None:
            return self._vectors(data, offsets[:-1], lengths, where)
        if self.header:
            data = self._without_headers(data, offsets[:-1], lengths, where)
            offsets = edges_of(lengths - HEADER_BYTES)
        parts = [
            self._piece(
                data[offsets[start] : offsets[stop]],
                offsets[start : stop + 1] - offsets[start],
                None if rows is None else rows[start:stop],
                where,
            )
            for start, stop in pieces(offsets)
        ]
        levels = tuple(np.concatenate(counts) for counts in zip(*(part[0] for part in parts), strict=True))
        return self._named(levels, np.concatenate([part[1] for part in parts]))

    def encode(self, columns: Mapping[str, Nested]) -> tuple[Array, Offsets]:
        nested = columns[self.fields[0].name]
        body = packed([columns[field.name].values for field in self.fields], self.fields)
        sizes = self._sizes(nested)
        # elements of the entry itself: those of the counter, or the only one
        entry = sums_of(sizes[0], nested.levels[0]) if self.counter else sizes[0]
        lead = HEADER_BYTES if self.header else 0
        edges = edges_of(entry + lead)
        data, free = np.empty(int(edges[-1]), np.uint8), np.ones(int(edges[-1]), bool)
        starts = edges[:-1]
        if self.header:
            put(data, free, starts, self._headers(entry + lead))
            starts = starts + lead
        levels = nested.levels
        if self.counter:
            starts = children(starts, levels[0], sizes[0])
            levels = levels[1:]
        for level in range(self.depth):
            put(data, free, starts, words(levels[level]))
            inner = sizes[level + 1] if level + 1 < len(sizes) else None
            starts = children(starts + COUNT_BYTES, levels[level], inner)
        if self.text:
            put_lengths(data, free, starts, levels[-1])
        data[free] = body
        return data, edges

    def _sizes(self, nested: Nested) -> list[Integers]:
        """Bytes of each vector or string, outermost first."""
        counts = nested.levels[1:] if self.counter else nested.levels
        sizes: list[Integers] = []
        for level in reversed(range(len(counts))):
            if level == self.depth:  # strings
                size = counts[level] + np.where(counts[level] >= LONG, 1 + COUNT_BYTES, 1)
            elif sizes:
                size = COUNT_BYTES + sums_of(sizes[0], counts[level])
            else:
                size = COUNT_BYTES + counts[level] * row_dtype(self.fields).itemsize
            sizes.insert(0, size)
        return sizes

    def _named(self, levels: tuple[Integers, ...], data: Array) -> dict[str, Nested]:
        columns = unpacked(data, self.fields)
        return {field.name: Nested(levels, values) for field, values in zip(self.fields, columns, strict=True)}

    def _vectors(self, data: Array, starts: Integers, lengths: Integers, where: str) -> dict[str, Nested]:
        """A vector of rows in each entry, the most frequent kind: nothing has to be searched."""
        lead = (HEADER_BYTES if self.header else 0) + COUNT_BYTES
        rows = require_whole_rows(lengths - lead, row_dtype(self.fields).itemsize, where)
        require(rows >= 0, "an entry is shorter than its header", where)
        heads = words(rows)
        if self.header:
            heads = np.concatenate([self._headers(lengths), heads], axis=1)
        places = starts[:, None] + np.arange(lead)
        require(data[places] == heads, "an entry does not begin with its header and count", where)
        keep = np.ones(len(data), bool)
        keep[places] = False
        return self._named((rows,), data[keep])

    def _headers(self, lengths: Integers) -> Array:
        """The header of each entry, ``uint8[n, 6]``."""
        out = np.empty(len(lengths), np.dtype([("count", ">u4"), ("version", ">u2")]))
        out["count"], out["version"] = lengths - COUNT_BYTES | BYTE_COUNT, self.version
        return out.view(np.uint8).reshape(-1, HEADER_BYTES)

    def _without_headers(self, data: Array, starts: Integers, lengths: Integers, where: str) -> Array:
        require(lengths >= HEADER_BYTES, "an entry is shorter than its header", where)
        places = starts[:, None] + np.arange(HEADER_BYTES)
        require(data[places] == self._headers(lengths), "an entry does not begin with its header", where)
        keep = np.ones(len(data), bool)
        keep[places] = False
        return data[keep]

    def _piece(
        self, data: Array, edges: Integers, rows: Integers | None, where: str
    ) -> tuple[list[Integers], Array]:
        """Counts of all levels and the bytes of the rows, for a run of entries."""
        width = row_dtype(self.fields).itemsize
        unit = 1 if self.text else int(np.gcd(COUNT_BYTES, width))
        require(edges % unit == 0, "an entry is no whole number of rows", where)
        starts, ends, step = edges[:-1] // unit, edges[1:] // unit, COUNT_BYTES // unit
        stored, keep, levels = counts_everywhere(data, unit), np.ones(len(data), bool), []
        counts = np.ones(len(starts), np.int64)
        if rows is not None:
            counts = rows
            levels.append(rows)
        elif self.depth:
            counts = stored[starts]
            levels.append(counts)
            starts = starts + step
        # an element takes a byte at least, which bounds what is made of a count before it is believed
        fits = (counts >= 0) & (counts <= (ends - starts) * unit)
        require(fits, "a count does not fit into its entry", where)
        if len(levels) > (rows is not None):
            blank(keep, edges[:-1], COUNT_BYTES)
        vectors = self.depth + (rows is not None) - len(levels)
        hops = self._hops(data, stored, unit, vectors)
        reached = after(hops[0], starts, counts) if hops else starts + counts * (width // unit)
        require(reached == ends, "an entry does not hold what its counts say", where)
        for hop in hops[:vectors]:
            starts = after(hop, np.repeat(starts, counts), index_within(counts))
            blank(keep, starts * unit, COUNT_BYTES)
            counts = stored[starts]
            levels.append(counts)
            starts = starts + step
        if self.text:
            starts = after(hops[-1], np.repeat(starts, counts), index_within(counts))
            levels.append(text_lengths(data, stored, starts, keep))
        return levels, data[keep]

    def _hops(self, data: Array, stored: Integers, unit: int, vectors: int) -> list[Integers]:
        """Where what begins at each position ends: vectors, outermost first, then strings."""
        hops = [text_hops(data)] if self.text else []
        for _ in range(vectors):
            width = hops[0] if hops else row_dtype(self.fields).itemsize
            hops.insert(0, vector_hops(stored, unit, width))
        return hops


def text_lengths(data: Array, stored: Integers, starts: Integers, keep: Booleans) -> Integers:
    """Bytes of the strings at some places; what says so is marked as no values."""
    lengths = data[starts].astype(np.int64)
    long = np.flatnonzero(lengths == LONG)
    lengths[long] = stored[starts[long] + 1]
    blank(keep, starts, 1)
    blank(keep, starts[long] + 1, COUNT_BYTES)
    return lengths


def pieces(edges: Integers) -> Iterator[tuple[int, int]]:
    """Runs of entries of at most `PIECE_BYTES`, or of a single entry; one empty run where there are no entries."""
    start, entries = 0, len(edges) - 1
    while start < entries or start == entries == 0:
        stop = int(np.searchsorted(edges, edges[start] + PIECE_BYTES, side="right")) - 1
        stop = min(max(stop, start + 1), entries)
        yield start, stop
        if stop == entries:
            return
        start = stop


def children(starts: Integers, counts: Integers, sizes: Integers | None) -> Integers:
    """Where the elements begin of vectors whose first elements are at ``starts``; rows (None) need no place."""
    if sizes is None:
        return starts
    before = np.cumsum(sizes) - sizes
    first = edges_of(counts)[:-1]
    shift = starts - np.append(before, 0)[np.minimum(first, len(before))]
    return np.repeat(shift, counts) + before


def words(counts: Integers) -> Array:
    """Counts as they are stored, ``uint8[n, 4]``."""
    return counts.astype(">i4").view(np.uint8).reshape(-1, COUNT_BYTES)


def put(data: Array, free: Array, starts: Integers, parts: Array) -> None:
    """Write parts ``uint8[n, k]`` at their starts, and mark the bytes as taken."""
    places = starts[:, None] + np.arange(parts.shape[1])
    data[places] = parts
    free[places] = False


def put_lengths(data: Array, free: Array, starts: Integers, lengths: Integers) -> None:
    """Write the length before each string."""
    put(data, free, starts, np.minimum(lengths, LONG).astype(np.uint8)[:, None])
    long = lengths >= LONG
    put(data, free, starts[long] + 1, words(lengths[long]))


def blank(keep: Array, starts: Integers, size: int) -> None:
    """Mark ``size`` bytes from each start as no values."""
    keep[starts[:, None] + np.arange(size)] = False
