"""A chunk of a tree to streams and back: every table, bundles and frames. No I/O.

A stream is what is read as a whole: a frame of one column that a codec made, or a bundle of exact columns. Each ends
with a checksum that ties its bytes to its chunk and to its place among the streams.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence, Set
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats
from hepae.core.chunk import ChunkCodec, OpenChunk
from hepae.core.coding.frame import LOW, checksum
from hepae.core.tables.bundle import Levels, is_bundle, open_bundle, pack_bundle, rows_of, unpack_column
from hepae.core.tables.columns import EVENTS
from hepae.core.tables.links import linked_values
from hepae.core.tables.schema import Bundle, Framed, ModelCodec, PlainCodec, TreeSchema
from hepae.core.values.nested import Nested
from hepae.core.values.objects import Objects
from hepae.errors import CorruptionError

__all__ = ["SEAL", "OpenTables", "encode", "sealed", "table_counts"]

Columns = Mapping[int, Nested]
Methods = Mapping[int, tuple[int, ...]]

SEAL: Final = 4
"""Bytes of the checksum at the end of a stream."""


def encode(
    schema: TreeSchema,
    codecs: Sequence[ChunkCodec],
    columns: Columns,
    entries: int,
    sequence: int,
    methods: Methods | None = None,
) -> tuple[int, list[bytes]]:
    """The streams of a chunk, and the number of 32 bits that names it.

    Parameters
    ----------
    schema, codecs
        How the tree is stored, and what codes the columns of each of its codecs.
    columns
        Every column of the schema for these entries, by number; columns for counts alone (``#``) may be left out.
    entries
        Entries of the chunk.
    sequence
        Number of the chunk in its tree.
    methods
        Which methods are tried for the exact columns; all where it says nothing.

    Raises
    ------
    BoundViolationError
        If a value as restored is out of its bound, which would be a defect of hepae.
    """
    counts = table_counts(schema, columns, entries)
    whole = {**_counted(schema, columns), **columns}
    levels = [tuple(counts[table] for table in schema.chain(column.table)) for column in schema.columns]
    regular = [all(_agree(whole[c].levels, levels[c]) for c in spec.columns) for spec in schema.codecs]
    read = {**whole, **_as_read(schema, codecs, whole, regular)}
    frames = [
        _frames(spec, codec, whole, read, levels, sequence) if fits else {}
        for spec, codec, fits in zip(schema.codecs, codecs, regular, strict=True)
    ]
    bodies = []
    for stream in schema.streams:
        if isinstance(stream, Framed) and stream.column in frames[stream.codec]:
            bodies.append(frames[stream.codec][stream.column])
            continue
        named = stream.columns if isinstance(stream, Bundle) else (stream.column,)
        tried = [(methods or {}).get(column, ()) for column in named]
        bodies.append(
            pack_bundle([whole[column] for column in named], [levels[column] for column in named], tried)
        )
    chunk = checksum([sequence.to_bytes(8, "little"), *bodies]) & LOW
    return chunk, [sealed(body, chunk, number) for number, body in enumerate(bodies)]


def sealed(body: bytes, chunk: int, number: int) -> bytes:
    """A stream: a body, and the checksum that ties it to its chunk and to its place among the streams."""
    return body + _seal(body, chunk, number)


def table_counts(schema: TreeSchema, columns: Columns, entries: int) -> list[NDArray[np.int64]]:
    """What each table counts in its parent's rows, int64: what its counter says, or else its first column."""
    counts = [np.ones(entries, np.int64)]
    for number, table in enumerate(schema.tables[1:], 1):
        if table.counter in columns:
            counts.append(columns[table.counter].values.astype(np.int64))
            continue
        counts.append(_first(schema, number, columns).levels[len(schema.chain(number)) - 1])
    return counts


def _first(schema: TreeSchema, table: int, columns: Columns) -> Nested:
    """The first column of a table, or of a table below it."""
    for number, spec in enumerate(schema.columns):
        if number in columns and table in schema.chain(spec.table):
            return columns[number]
    raise CorruptionError("a table without columns", where=schema.tables[table].name)


def _counted(schema: TreeSchema, columns: Columns) -> dict[int, Nested]:
    """The columns that hold counts and stand in no branch."""
    counted = {}
    for number, table in enumerate(schema.tables):
        if number != EVENTS and table.counter not in columns:
            levels = _first(schema, number, columns).levels
            depth = len(schema.chain(number)) - 1
            dtype = schema.columns[table.counter].dtype
            counted[table.counter] = Nested(levels[:depth], levels[depth].astype(dtype))
    return counted


def _as_read(
    schema: TreeSchema, codecs: Sequence[ChunkCodec], columns: Columns, regular: Sequence[bool]
) -> dict[int, Nested]:
    """Columns that others are linked to, as a reader restores them where they have bounds."""
    linked = {one.column for spec in schema.codecs if isinstance(spec, PlainCodec) for one in spec.linked}
    read = {}
    for spec, codec, fits in zip(schema.codecs, codecs, regular, strict=True):
        for name, number in zip(codec.features, spec.columns, strict=True):
            if fits and number in linked:
                column = columns[number]
                read[number] = Nested(column.levels, codec.as_read(name, column.values))
    return read


def _frames(
    spec: ModelCodec | PlainCodec,
    codec: ChunkCodec,
    columns: Columns,
    read: Columns,
    levels: Sequence[Levels],
    sequence: int,
) -> dict[int, bytes]:
    """Frames of the columns of a codec."""
    values = {name: columns[c].values for name, c in zip(codec.features, spec.columns, strict=True)}
    objects = Objects(_rows(levels[spec.columns[0]], columns[spec.columns[0]]), values)
    if isinstance(spec, ModelCodec):
        objects.events = {
            name: columns[c].values for name, c in zip(codec.conditions, spec.conditions, strict=True)
        }
    else:
        objects.events = {one.name: linked_values(one, read, objects.counts) for one in spec.linked}
    made = codec.encode(objects, sequence)
    return dict(zip(spec.columns, made.values(), strict=True))


def _agree(own: Levels, counts: Levels) -> bool:
    return len(own) == len(counts) and all(map(np.array_equal, own, counts))


def _rows(levels: Levels, column: Nested) -> NDArray[np.int64]:
    """Rows of a table by row of its parent; one each in the event table."""
    return levels[-1] if levels else np.ones(len(column.values), np.int64)


def _seal(body: bytes, chunk: int, number: int) -> bytes:
    tied = checksum([chunk.to_bytes(4, "little"), number.to_bytes(4, "little"), body])
    return (tied & LOW).to_bytes(SEAL, "little")


class OpenTables:
    """A chunk that is read column by column: what was decoded for one is there for the next.

    Parameters
    ----------
    schema, codecs
        How the tree is stored; what decodes the columns of each codec, when it is asked for.
    entries, chunk
        Entries of the chunk, and its number.
    fetch
        Gives the bytes of streams, by their numbers.
    where
        For messages.
    """

    def __init__(
        self,
        schema: TreeSchema,
        codecs: Callable[[int], ChunkCodec],
        entries: int,
        chunk: int,
        fetch: Callable[[Sequence[int]], Mapping[int, bytes]],
        where: str,
    ) -> None:
        self.schema, self.codecs, self.entries, self.chunk = schema, codecs, entries, chunk
        self.fetch, self.where = fetch, where
        self.columns: dict[int, Nested] = {}
        self._bytes: dict[int, bytes] = {}
        self._bundles: dict[int, dict[int, bytes]] = {}
        self._open: dict[int, OpenChunk] = {}

    @property
    def nbytes(self) -> int:
        """Size in memory of what is kept."""
        held = sum(column.values.nbytes for column in self.columns.values())
        return held + sum(map(len, self._bytes.values())) + sum(one.nbytes for one in self._open.values())

    def read(self, columns: Sequence[int]) -> dict[int, Nested]:
        """Restored columns, by number.

        Raises
        ------
        CorruptionError
            If a stream is damaged or belongs elsewhere.
        """
        self.prefetch(columns)
        return {column: self._column(column) for column in columns}

    def needs(self, columns: Collection[int]) -> set[int]:
        """Streams that are read for columns: their own, those of their counts, and of what they are predicted from."""
        wanted: set[int] = set()
        pending = list(columns)
        seen: set[int] = set()
        while pending:
            column = pending.pop()
            if column in seen or column in self.columns:
                continue
            seen.add(column)
            number = self.schema.stream_of[column]
            wanted.add(number)
            stream = self.schema.streams[number]
            if isinstance(stream, Framed):
                pending += self._ancestors(column, stream)
            pending += [
                self.schema.tables[t].counter for t in self.schema.chain(self.schema.columns[column].table)
            ]
        return wanted

    def _ancestors(self, column: int, stream: Framed) -> tuple[int, ...]:
        spec = self.schema.codecs[stream.codec]
        if isinstance(spec, PlainCodec):
            return spec.needs[column]
        codec = self.codecs(stream.codec)
        names = dict(zip(spec.columns, codec.features, strict=True))
        numbers = dict(zip(codec.features, spec.columns, strict=True))
        return (*(numbers[name] for name in codec.needs([names[column]])), *spec.conditions)

    def prefetch(self, columns: Collection[int]) -> None:
        """Fetch the streams that are read for columns, all together.

        Raises
        ------
        CorruptionError
            If a stream is damaged or belongs elsewhere.
        """
        missing = sorted(self.needs(columns) - self._bytes.keys())
        if not missing:
            return
        for number, stream in self.fetch(missing).items():
            body, end = stream[:-SEAL], stream[-SEAL:]
            if not body or _seal(body, self.chunk, number) != end:
                raise CorruptionError(
                    "a stream does not carry its checksum",
                    where=f"{self.where}, stream {number}",
                    hint="restore the file from a copy",
                )
            self._bytes[number] = body

    def _levels(self, column: int) -> Levels:
        chain = self.schema.chain(self.schema.columns[column].table)
        return tuple(
            self._column(self.schema.tables[table].counter).values.astype(np.int64) for table in chain
        )

    def _column(self, column: int) -> Nested:
        if column not in self.columns:
            number = self.schema.stream_of[column]
            stream = self.schema.streams[number]
            if isinstance(stream, Bundle) or is_bundle(self._bytes[number]):
                named = stream.columns if isinstance(stream, Bundle) else (stream.column,)
                self.columns[column] = self._unpacked(column, number, named)
            else:
                self._decode(stream)
        return self.columns[column]

    def _unpacked(self, column: int, number: int, named: Sequence[int]) -> Nested:
        where = f"{self.where}, stream {number}"
        if number not in self._bundles:
            if not is_bundle(self._bytes[number]):
                raise CorruptionError("a stream that is no bundle", where=where)
            blocks = open_bundle(self._bytes[number], len(named), where)
            self._bundles[number] = dict(zip(named, blocks, strict=True))
        spec = self.schema.columns[column]
        return unpack_column(
            self._bundles[number][column], spec, self._levels(column), self.entries, f"{where}, {spec.name}"
        )

    def _decode(self, stream: Framed) -> None:
        spec, codec = self.schema.codecs[stream.codec], self.codecs(stream.codec)
        names = dict(zip(spec.columns, codec.features, strict=True))
        levels = self._levels(stream.column)
        rows_of(levels, self.entries, self.where)
        if stream.codec not in self._open:
            events: dict[str, NDArray[Any]] = {}
            if isinstance(spec, ModelCodec):
                pairs = zip(codec.conditions, spec.conditions, strict=True)
                events = {name: self._column(c).values for name, c in pairs}
            rows = levels[-1] if levels else np.ones(self.entries, np.int64)
            self._open[stream.codec] = OpenChunk(codec, rows, events, f"{self.where}, ")
        opened = self._open[stream.codec]
        wanted = names[stream.column]
        if isinstance(spec, PlainCodec):
            opened.events |= self._given(spec, codec.given([wanted]) - opened.events.keys(), opened.counts)
        numbers = {name: column for column, name in names.items()}
        frames = {name: self._bytes[self.schema.stream_of[numbers[name]]] for name in opened.needs([wanted])}
        values = opened.decode(frames, [wanted])
        self.columns[stream.column] = Nested(levels, values[wanted])

    def _given(self, spec: PlainCodec, names: Set[str], counts: NDArray[np.int64]) -> dict[str, Floats]:
        """Values of linked rows, by the names that predictions know them by."""
        linked = [one for one in spec.linked if one.name in names]
        columns = {number: self._column(number) for one in linked for number in one.needs}
        return {one.name: linked_values(one, columns, counts) for one in linked}
