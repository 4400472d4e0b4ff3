"""The payload tree that stands beside a compressed tree: a row for each chunk. Reading; plans are for writing.

A row has the number of its chunk, its entries, the schema that it follows, the sizes of its streams, and the streams.
The streams are stored without compression by ROOT, so that single ones are read: ranges of bytes of a basket.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.errors import CorruptionError
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import STORED
from hepae.root.file.own_names import PAYLOAD
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.ttree.plan import NewBranch, require_plan
from hepae.root.ttree.reader import TTreeReader

__all__ = ["MARKER", "PAYLOAD", "Payload", "Row", "ntuple_plan", "payload_plan", "row_columns"]

MARKER: Final = "hepae"
"""The branch of a compressed tree that says which chunk each entry is in."""


def payload_plan() -> list[NewBranch]:
    """The branches of a payload tree."""
    return [
        NewBranch("chunk", "uint32", "number of the chunk, as in the branch hepae of the tree"),
        NewBranch("entries", "uint32", "entries of the chunk"),
        NewBranch("schema", "uint64", "first 8 bytes of the SHA-256 of the schema"),
        NewBranch("nsizes", "int32"),
        NewBranch("sizes", "uint32", "bytes of each stream", "nsizes"),
        NewBranch("npayload", "int32"),
        NewBranch("payload", "uint8", "the streams", "npayload", (), STORED),
    ]


def ntuple_plan() -> list[NewBranch]:
    """The fields of a payload RNTuple, which counts by itself."""
    return [replace(branch, counter=None) for branch in payload_plan() if branch.dtype != "int32"]


def row_columns(chunk: int, entries: int, schema: str, streams: Sequence[bytes]) -> dict[str, Column]:
    """One row, as `payload_plan` stores it."""
    sizes = np.array([len(stream) for stream in streams], np.uint32)
    payload = np.frombuffer(b"".join(streams), np.uint8)
    limits.check("bytes of a chunk", len(payload), limits.MAX_PAYLOAD_BYTES)
    return {
        "chunk": np.array([chunk], np.uint32),
        "entries": np.array([entries], np.uint32),
        "schema": np.array([int(schema[:16], 16)], np.uint64),
        "sizes": Jagged(np.array([len(sizes)]), sizes),
        "payload": Jagged(np.array([len(payload)]), payload),
    }


@dataclass(frozen=True)
class Row:
    """A chunk of the tree: entries ``start`` to ``stop``, and where its streams begin in its bytes."""

    index: int
    chunk: int
    schema: str
    start: int
    stop: int
    edges: NDArray[np.int64]


class Payload:
    """A payload tree open for reading.

    Parameters
    ----------
    tree
        The tree.
    entries
        Entries of the tree that it stands beside.

    Raises
    ------
    CorruptionError
        If its branches are others, or its chunks do not add up to these entries.
    """

    def __init__(self, tree: TTreeReader | RNTupleReader, entries: int) -> None:
        self.tree, self.where = tree, tree.where
        self._places: dict[int, tuple[int, int] | None] = {}
        require_plan(tree, payload_plan() if isinstance(tree, TTreeReader) else ntuple_plan())
        self.rows = list(self._rows())
        covered = self.rows[-1].stop if self.rows else 0
        if covered != entries:
            raise CorruptionError(
                "compressed columns are not there for every entry",
                where=self.where,
                expected=f"{entries} entries",
                got=covered,
                hint="were compressed and plain files merged, or entries selected, by another program? "
                "Use `hepae merge` and `hepae skim`, or decompress first",
            )

    def _rows(self) -> Iterator[Row]:
        n = self.tree.num_entries
        numbers_of = (np.asarray(self.tree.read(name, 0, n)) for name in ("chunk", "entries", "schema"))
        chunks, entries, schemas = numbers_of
        sizes = self._jagged("sizes", 0, n)
        numbers = np.split(sizes.values.astype(np.int64), np.cumsum(sizes.counts)[:-1]) if n else []
        start = 0
        for index in range(n):
            limits.check("entries of a chunk", int(entries[index]), limits.MAX_EVENTS_PER_CHUNK, self.where)
            edges = np.concatenate([[0], np.cumsum(numbers[index])]).astype(np.int64)
            limits.check("bytes of a chunk", int(edges[-1]), limits.MAX_PAYLOAD_BYTES, self.where)
            stop = start + int(entries[index])
            yield Row(index, int(chunks[index]), f"{int(schemas[index]):016x}", start, stop, edges)
            start = stop

    def _jagged(self, name: str, start: int, stop: int) -> Jagged:
        column = self.tree.read(name, start, stop)
        if not isinstance(column, Jagged):
            raise CorruptionError("a table of hepae with other branches", where=f"{self.where}, {name}")
        return column

    def fetch(self, row: Row, streams: Sequence[int]) -> Mapping[int, bytes]:
        """The bytes of some streams of a row, by number."""
        if streams and max(streams) >= len(row.edges) - 1:
            raise CorruptionError("a row with fewer streams than its schema", where=self.where, got=row.index)
        ranges = [(int(row.edges[number]), int(row.edges[number + 1])) for number in streams]
        parts = self._stored(row, ranges)
        if parts is None:
            parts = self._whole(row, ranges)
        return dict(zip(streams, parts, strict=True))

    def _whole(self, row: Row, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        column = self._jagged("payload", row.index, row.index + 1)
        data = memoryview(np.ascontiguousarray(column.values).tobytes())
        if len(data) != row.edges[-1]:
            raise CorruptionError(
                "a row of another length", where=self.where, expected=int(row.edges[-1]), got=len(data)
            )
        return [bytes(data[start:stop]) for start, stop in ranges]

    def _stored(self, row: Row, ranges: Sequence[tuple[int, int]]) -> list[bytes] | None:
        """Ranges straight from the file, where the row is a basket of its own and not compressed."""
        if row.index not in self._places:  # asking is a request of its own, and columns are read one by one
            self._places[row.index] = self.tree.stored_entry("payload", row.index)
        first = self._places[row.index]
        if first is None or first[1] != row.edges[-1]:
            return None
        return self.tree.read_ranges([(first[0] + start, first[0] + stop) for start, stop in ranges])
