"""What compressed columns take and allow: bytes, bounds, and the runs of entries that they are stored in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from hepae import limits
from hepae.arrays import Floats
from hepae.core.values.bounds import Bound, keeps
from hepae.stored.compressed import CompressedColumns, CompressedTree

__all__ = ["bounds_of", "chunk_runs", "shares_of", "sizes_of"]


Name = TypeVar("Name", str, int)


def shares_of(compressed: CompressedTree) -> dict[str, int]:
    """Bytes of each branch that was replaced, the counts of vectors and all that columns share included."""
    found: dict[str, float] = dict.fromkeys(compressed.branches, 0.0)
    for name, stored in compressed.stored.items():
        pairs = [(branch.path, column) for branch in stored.branches for column in branch.columns]
        sizes = _sizes(compressed, name, [column for _, column in pairs])
        for (path, _), size in zip(pairs, sizes, strict=True):
            found[path] += size
    return _whole(found)


def sizes_of(compressed: CompressedColumns) -> dict[int, int]:
    """Bytes of each physical column of elements that was replaced, by its number; shared as above."""
    found: dict[int, float] = {}
    for name, stored in compressed.stored.items():
        pairs = [pair for field in stored.fields for pair in field.columns]
        sizes = _sizes(compressed, name, [column for _, column in pairs])
        for (physical, _), size in zip(pairs, sizes, strict=True):
            found[physical] = found.get(physical, 0.0) + size
    return _whole(found)


def _whole(sizes: Mapping[Name, float]) -> dict[Name, int]:
    """Bytes as integers that add up to what they are together, however many columns there are.

    Examples
    --------
    >>> _whole({"a": 0.4, "b": 0.4, "c": 0.4})
    {'a': 0, 'b': 1, 'c': 0}
    """
    ends = np.rint(np.cumsum([0.0, *sizes.values()])).astype(np.int64)
    return dict(zip(sizes, np.diff(ends).tolist(), strict=True))


def _sizes(compressed: CompressedColumns, name: str, columns: Sequence[int]) -> list[float]:
    """Bytes of columns of a schema, which add up to all its streams.

    Columns of one stream have equal parts of it. What no branch has, the counts of vectors above all, is shared out in
    proportion.
    """
    schema = compressed.stored[name].schema
    rows = [np.diff(row.edges) for row in compressed.payload.rows if row.schema == name]
    streams: Floats = np.sum([np.zeros(len(schema.streams)), *rows], axis=0)
    sharing = np.bincount(list(schema.stream_of.values()), minlength=len(schema.streams))
    own = (streams / np.maximum(sharing, 1))[[schema.stream_of[column] for column in columns]]
    return list(own * (streams.sum() / max(own.sum(), 1.0)))


def bounds_of(compressed: CompressedColumns) -> dict[str, Bound]:
    """The bounds of columns that are not exact, by name; the wider where chunks of several files have two."""
    found: dict[str, Bound] = {}
    for schema, stored in compressed.stored.items():
        for codec, known in zip(stored.schema.codecs, compressed.codecs(schema), strict=True):
            for number, feature in zip(codec.columns, known.features.values(), strict=True):
                name = stored.schema.columns[number].name
                if name not in found or not keeps(feature.bound, found[name], feature.dtype):
                    found[name] = feature.bound
    return found


def chunk_runs(compressed: CompressedColumns) -> Iterator[tuple[int, int]]:
    """Whole chunks, small ones together."""
    start = 0
    rows = compressed.payload.rows
    for number, row in enumerate(rows):
        if row.stop - start >= limits.EVENTS_PER_CHUNK or number == len(rows) - 1:
            yield start, row.stop
            start = row.stop
