"""Facts of a compressed tree: its columns with their bounds, and the bytes of their streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hepae.core.chunk import ChunkCodec
from hepae.core.tables.bundle import is_bundle, open_bundle
from hepae.core.tables.columns import EVENTS
from hepae.core.tables.schema import Bundle, ModelCodec, PlainCodec, TreeSchema
from hepae.core.tables.streams import SEAL
from hepae.core.values.nested import Nested
from hepae.errors import MissingModelError
from hepae.files.inspect.facts import ENTRIES, ColumnFacts
from hepae.files.inspect.plain import label, typed
from hepae.stored.compressed import CompressedColumns
from hepae.stored.payload import Row

__all__ = [
    "compressed_columns",
    "compressed_rows",
    "compressed_run",
    "compressed_runs",
    "needs_of",
    "shares",
    "stored_as",
]

UNKNOWN = "of its model"
"""In the place of a bound where the model is not at hand."""


def compressed_columns(compressed: CompressedColumns) -> list[ColumnFacts]:
    """Facts of the columns that were compressed, those that hold counts alone included."""
    facts: dict[str, ColumnFacts] = {}
    for name, stored in compressed.stored.items():
        schema = stored.schema
        rows = [row for row in compressed.payload.rows if row.schema == name]
        sizes, words = _sizes(compressed, schema, rows), stored_as(schema, _models(compressed, schema))
        for number, column in enumerate(schema.columns):
            table = label(schema.tables[column.table].name)
            known = facts.setdefault(column.name, ColumnFacts(column.name, table, typed(column)))
            known.on_disk += round(sizes[number])
            known.codec, known.bound = words[number]
            known.needs = needs_of(schema, number)
    return list(facts.values())


def needs_of(schema: TreeSchema, number: int) -> list[str]:
    """Names of the columns that a column is predicted from, and of those that link them to it."""
    stream = schema.streams[schema.stream_of[number]]
    codec = None if isinstance(stream, Bundle) else schema.codecs[stream.codec]
    needs = codec.needs.get(number, ()) if isinstance(codec, PlainCodec) else ()
    return [schema.columns[one].name for one in dict.fromkeys(needs)]


def stored_as(schema: TreeSchema, models: Mapping[str, Sequence[str]]) -> dict[int, tuple[str, str]]:
    """What codes each column, and its bound.

    Parameters
    ----------
    schema
        How a tree is stored.
    models
        Bounds of the features of each model, by SHA-256.
    """
    words = {
        column: ("plain", "exact")
        for stream in schema.streams
        if isinstance(stream, Bundle)
        for column in stream.columns
    }
    for codec in schema.codecs:
        if isinstance(codec, PlainCodec):
            name = "plain" if codec.lifting is None else "lifting"
            bounds: Sequence[str] = [str(feature.bound) for feature in codec.features]
        else:
            name, bounds = "model", models.get(codec.sha256, [UNKNOWN] * len(codec.columns))
        words |= {column: (name, bound) for column, bound in zip(codec.columns, bounds, strict=True)}
    return words


def _models(compressed: CompressedColumns, schema: TreeSchema) -> dict[str, list[str]]:
    """Bounds of the features of the models that are at hand."""
    bounds = {}
    for codec in schema.codecs:
        if isinstance(codec, ModelCodec):
            try:
                found = compressed.models.codec(codec.sha256, compressed.where)
            except MissingModelError:
                continue
            if isinstance(found, ChunkCodec):
                bounds[codec.sha256] = [str(feature.bound) for feature in found.features.values()]
    return bounds


def _sizes(compressed: CompressedColumns, schema: TreeSchema, rows: Sequence[Row]) -> NDArray[np.float64]:
    """Bytes of each column in all chunks; those of shared streams are shared out as they are in the first chunk."""
    streams = sum((np.diff(row.edges) for row in rows), np.zeros(len(schema.streams), np.int64))
    shared = [
        number
        for number, stream in enumerate(schema.streams)
        if isinstance(stream, Bundle) and len(stream.columns) > 1
    ]
    first = compressed.payload.fetch(rows[0], shared) if rows and shared else {}
    return shares(schema, streams.tolist(), first, compressed.where)


def shares(
    schema: TreeSchema, sizes: Sequence[int], streams: Mapping[int, bytes], where: str
) -> NDArray[np.float64]:
    """Bytes of each column.

    Parameters
    ----------
    schema
        How a tree is stored.
    sizes
        Bytes of each stream.
    streams
        For streams of several columns what they are in some chunk: how columns share them.
    where
        For messages.
    """
    columns = np.zeros(len(schema.columns))
    for number, stream in enumerate(schema.streams):
        if not isinstance(stream, Bundle):
            columns[stream.column] = sizes[number]
            continue
        parts = np.ones(len(stream.columns))
        if number in streams and is_bundle(streams[number]):
            blocks = open_bundle(streams[number][:-SEAL], len(stream.columns), where)
            parts = np.array([max(len(block), 1) for block in blocks], float)
        columns[list(stream.columns)] = sizes[number] * parts / parts.sum()
    return columns


def compressed_rows(compressed: CompressedColumns, entries: int) -> dict[str, int]:
    """Rows of each table in all entries, by label."""
    rows: dict[str, int] = {}
    for row in compressed.payload.rows:
        schema = compressed.stored[row.schema].schema
        counters = {number: schema.tables[number].counter for number in range(EVENTS + 1, len(schema.tables))}
        counts = compressed.read(row, list(counters.values()))
        for number, counter in counters.items():
            name = label(schema.tables[number].name)
            rows[name] = rows.get(name, 0) + int(counts[counter].values.sum())
    return {ENTRIES: entries, **rows}


def compressed_runs(compressed: CompressedColumns, names: Iterable[str]) -> Iterator[dict[str, Nested]]:
    """Restored values of columns, a chunk at a time."""
    wanted = list(names)
    for row in compressed.payload.rows if wanted else ():
        yield compressed_run(compressed, row, wanted)


def compressed_run(compressed: CompressedColumns, row: Row, names: Iterable[str]) -> dict[str, Nested]:
    """Restored values of columns of a chunk, of those that it has."""
    numbers = compressed.stored[row.schema].schema.numbers
    own = {name: numbers[name] for name in names if name in numbers}
    restored = compressed.read(row, list(own.values()))
    return {name: restored[number] for name, number in own.items()}
