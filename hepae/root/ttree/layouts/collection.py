"""Collections that say their own sizes: vectors of any depth, strings, and vectors of strings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.values.nested import Nested
from hepae.root.ttree.layouts.chains import COUNT_BYTES
from hepae.root.ttree.layouts.checks import Offsets, entry_lengths, require, require_whole_rows
from hepae.root.ttree.layouts.classes import NO_ROWS, ClassType, fields_of_object
from hepae.root.ttree.layouts.fields import ColumnType, Field, named, row_dtype
from hepae.root.ttree.layouts.nesting import (
    Nesting,
    built,
    first_row,
    pieces,
    string_edges,
    taken_apart,
    words,
)
from hepae.root.ttree.layouts.rows import given, row_width, to_columns, to_rows
from hepae.root.ttree.layouts.runs import edges_of

__all__ = ["Collection"]

HEADER: Final = np.dtype([("count", ">u4"), ("version", ">u2")])
"""A byte count and a version: ``TBufferFile::WriteVersion`` of ROOT 6."""

STREAMER_INFO_VERSION: Final = 9
"""Class version of ``TStreamerInfo``, which ROOT writes before collections; 10 since ROOT 6.36."""

BYTE_COUNT: Final = 0x40000000
MEMBERWISE: Final = 1 << 14
"""Bit of the version of a collection whose objects are stored member by member: ``kStreamedMemberWise``."""


class Collection(msgspec.Struct, frozen=True, tag="collection", omit_defaults=True):
    """Vectors, strings and what is made of them.

    Parameters
    ----------
    fields
        What is in a row; of text, the one field of bytes; nothing, as long as no object has been seen.
    depth
        How many vectors are inside each other, not counting what a counter counts.
    text
        Whether the innermost elements are strings.
    header
        Whether each entry begins with a byte count and a version.
    counter
        Column that says how many elements an entry has; empty where there is one, without a count.
    marks
        What uproot calls each level, outermost first; empty where none is marked.
    version
        What the header says.
    blank
        Whether an empty string takes no byte at all: ``TLeafC`` of ROOT 6, but not of others.
    object
        The class of objects in rows, None of numbers and text.
    """

    fields: tuple[Field, ...]
    depth: Annotated[int, msgspec.Meta(ge=0)]
    text: bool = False
    header: bool = False
    counter: str = ""
    marks: tuple[str, ...] = ()
    version: Annotated[int, msgspec.Meta(ge=0, lt=1 << 16)] = STREAMER_INFO_VERSION
    blank: bool = False
    object: ClassType | None = None

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        """What a basket becomes."""
        levels = self.depth + bool(self.counter) + self.text
        return tuple(
            ColumnType(field, levels, self.text, self.counter, self.marks) for field in named(self.fields)
        )

    @property
    def counters(self) -> tuple[str, ...]:
        """Columns whose counts `decode` may need."""
        return (self.counter,) if self.counter else ()

    @property
    def is_string(self) -> bool:
        """Whether an entry is a string and nothing else."""
        return self.text and not (self.depth or self.header or self.counter)

    @property
    def _lead(self) -> int:
        return HEADER.itemsize if self.header else 0

    @property
    def nesting(self) -> Nesting:
        """What an entry is made of, its header apart."""
        return Nesting(self.depth, self.text, row_dtype(self.fields).itemsize)

    @property
    def by_member(self) -> ClassType | None:
        """The class of objects that are stored member by member, which is another layout; None of others."""
        simple = self.depth == 1 and not self.counter and not self.fields
        return self.object if simple and self.version & MEMBERWISE else None

    def fitted(self, data: Array, offsets: Offsets) -> Collection:
        """This layout with what only the bytes of a basket tell: the version, and how empty strings are stored."""
        if self.is_string and offsets is not None:
            return msgspec.structs.replace(self, blank=bool((np.diff(offsets) == 0).any()))
        layout = self
        if self.header and len(data) >= HEADER.itemsize:
            version = int(data[: HEADER.itemsize].view(HEADER)["version"][0])
            layout = msgspec.structs.replace(layout, version=version)
        if self.object is None or self.fields or offsets is None or not len(data):
            return layout
        if layout.version & MEMBERWISE:
            return layout
        place = first_row(data, offsets, self.depth, self._lead, bool(self.counter))
        fields = NO_ROWS if place is None else fields_of_object(self.object, data[place:])
        return msgspec.structs.replace(layout, fields=fields)

    def decode(
        self, data: Array, offsets: Offsets, entries: int, counts: Mapping[str, Integers], where: str
    ) -> dict[str, Nested]:
        """Bytes to columns: see `Scalar.decode`."""
        if offsets is None:
            require(self.is_string, "a basket has no entry offsets", where)
            offsets = string_edges(data, entries, where)
        row_width(self.fields, where)
        lengths = entry_lengths(offsets, entries, len(data), where)
        if self.counter:
            levels, values = self._elements(
                data, offsets, given(counts, self.counter, entries, len(data), where), where
            )
        elif self.blank:
            (_, texts), values = self._elements(data, offsets, (lengths > 0).astype(np.int64), where)
            levels = (np.zeros(entries, np.int64),)
            levels[0][lengths > 0] = texts
        elif self.depth == 1 and not self.text:
            levels, values = self._vectors(data, offsets[:-1], lengths, where)
        else:
            levels, values = self._elements(data, offsets, None, where)
        return to_columns(self.fields, levels, values, where)

    def encode(self, columns: Mapping[str, Nested]) -> tuple[Array, Integers]:
        """Columns to bytes: see `Scalar.encode`."""
        levels, values = columns[self.columns[0].name].levels, to_rows(self.fields, columns)
        counted = bool(self.counter)
        if self.blank:
            counted, levels = True, ((levels[0] > 0).astype(np.int64), levels[0][levels[0] > 0])
        data, edges = built(self.nesting, levels, counted, values, self._lead)
        if self.header:
            data[edges[:-1, None] + np.arange(self._lead)] = self._headers(np.diff(edges))
        return data, edges

    def _vectors(
        self, data: Array, starts: Integers, lengths: Integers, where: str
    ) -> tuple[tuple[Integers, ...], Array]:
        """A vector of rows in each entry, the most frequent kind: nothing has to be searched."""
        lead = self._lead + COUNT_BYTES
        require(lengths >= lead, "an entry is shorter than its header", where)
        rows = require_whole_rows(lengths - lead, self.nesting.width, where)
        heads = np.concatenate([self._headers(lengths), words(rows)], axis=1) if self.header else words(rows)
        return (rows,), without(data, starts, heads, where)

    def _elements(
        self, data: Array, offsets: Integers, rows: Integers | None, where: str
    ) -> tuple[tuple[Integers, ...], Array]:
        """Counts of all levels and the bytes of the rows, piece by piece."""
        if self.header:
            lengths = np.diff(offsets)
            require(lengths >= HEADER.itemsize, "an entry is shorter than its header", where)
            data = without(data, offsets[:-1], self._headers(lengths), where)
            offsets = edges_of(lengths - HEADER.itemsize)
        levels, values = [], []
        for start, stop in pieces(offsets):
            first, last = offsets[start], offsets[stop]
            known = None if rows is None else rows[start:stop]
            edges = offsets[start : stop + 1] - first
            counts, part = taken_apart(self.nesting, data[first:last], edges, known, where)
            levels.append(counts)
            values.append(part)
        return tuple(np.concatenate(counts) for counts in zip(*levels, strict=True)), np.concatenate(values)

    def _headers(self, lengths: Integers) -> Array:
        """The header of each entry, ``uint8[n, 6]``."""
        out = np.empty(len(lengths), HEADER)
        out["count"], out["version"] = lengths - COUNT_BYTES | BYTE_COUNT, self.version
        return out.view(np.uint8).reshape(-1, HEADER.itemsize)


def without(data: Array, starts: Integers, heads: Array, where: str) -> Array:
    """The bytes without those at the start of each entry, ``uint8[n, k]``, which they must be."""
    places = starts[:, None] + np.arange(heads.shape[1])
    require(data[places] == heads, "an entry does not begin with its header", where)
    keep = np.ones(len(data), bool)
    keep[places] = False
    return data[keep]
