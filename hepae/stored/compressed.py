"""The replaced branches of a compressed tree: chunks of its payload tree to columns, and to the baskets that they were.

What was read last is kept, so that branches and ranges asked for one after the other share it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import numpy as np

from hepae.arrays import Array
from hepae.core.chunk import ChunkCodec
from hepae.core.features import as_exact
from hepae.core.lifting.codec import Lifting
from hepae.core.locks import ForkSafeLock, computed_once
from hepae.core.plain.chunked import Plain
from hepae.core.tables.schema import ModelCodec, PlainCodec
from hepae.core.tables.streams import OpenTables
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError
from hepae.root.ttree.layouts.checks import Offsets
from hepae.root.ttree.layouts.rows import LeafList
from hepae.stored.frames import Codecs
from hepae.stored.payload import Payload, Row
from hepae.stored.schemas import StoredBranch, StoredTree

__all__ = [
    "PLAIN_MODEL",
    "CompressedColumns",
    "CompressedTree",
    "as_stored",
    "compressed_of",
    "is_read_as_stored",
    "plain_codec",
]

CACHED_BYTES = 256 << 20
"""What is kept of chunks that were read: a dozen chunks of a NanoAOD file's jets."""

KEPT_BASKETS = 4
"""uproot asks for the bytes and the offsets of a basket one after the other, in a few threads."""

_as_stored: ContextVar[bool] = ContextVar("as_stored", default=False)

PLAIN_MODEL = bytes(32)
"""The name of no model, in frames that need none."""


class CompressedColumns:
    """The columns of a compressed tree, whatever holds it.

    Parameters
    ----------
    payload
        The payload tree.
    stored
        How trees of the file are stored, by the first 16 hexadecimal digits of the SHA-256.
    models
        Whoever has the codecs of the models.
    header
        What is kept of the original header.

    Raises
    ------
    CorruptionError
        If a schema is missing.
    """

    def __init__(
        self, payload: Payload, stored: Mapping[str, StoredTree], models: Codecs, header: bytes = b""
    ) -> None:
        self.payload, self.models, self.header, self.where = payload, models, header, payload.where
        self.stored: dict[str, StoredTree] = {}
        for name in dict.fromkeys(row.schema for row in payload.rows):
            if name not in stored:
                raise CorruptionError("a schema is missing", where=self.where, expected=name)
            self.stored[name] = stored[name]
        self._open: OrderedDict[int, OpenTables] = OrderedDict()
        self._expected: dict[int, set[int]] = {}
        self._codecs: dict[tuple[str, int], ChunkCodec] = {}
        self._lock = ForkSafeLock()

    def read(self, row: Row, columns: Sequence[int]) -> dict[int, Nested]:
        """Columns of a chunk, by number."""
        with self._lock:
            opened = self._opened(row)
            opened.prefetch({*columns, *self._expected.pop(row.index, ())})
            restored = opened.read(columns)
            self._forget(row)
        return restored

    def expect(self, row: Row, columns: Sequence[int]) -> None:
        """Columns of a chunk that will be asked for: they are fetched with the first that is."""
        with self._lock:
            self._expected.setdefault(row.index, set()).update(columns)

    def whole(self, row: Row) -> dict[int, Nested]:
        """Every column of a chunk, by number."""
        return self.read(row, range(len(self.stored[row.schema].schema.columns)))

    def codecs(self, schema: str, exact: bool = False) -> list[ChunkCodec]:
        """What codes the columns of each codec of a schema; ``exact`` is for values that were restored before."""
        numbers = range(len(self.stored[schema].schema.codecs))
        return [_codec_of(self.stored[schema], n, self.models, self.where, exact) for n in numbers]

    def bytes_of(self, name: str, columns: Sequence[int]) -> int:
        """Bytes of the streams of a schema that hold columns, others' columns in them included."""
        schema = self.stored[name].schema
        streams = {schema.stream_of[column] for column in columns}
        rows = [row for row in self.payload.rows if row.schema == name]
        return sum(int(row.edges[number + 1] - row.edges[number]) for row in rows for number in streams)

    def _opened(self, row: Row) -> OpenTables:
        if row.index not in self._open:
            schema = self.stored[row.schema].schema
            if len(row.edges) - 1 != len(schema.streams):
                raise CorruptionError(
                    "a chunk of another number of streams",
                    where=f"{self.where}, chunk {row.index}",
                    expected=len(schema.streams),
                    got=len(row.edges) - 1,
                )
            self._open[row.index] = OpenTables(
                schema,
                partial(self._codec, row.schema),
                row.stop - row.start,
                row.chunk,
                partial(self.payload.fetch, row),
                f"{self.where}, entries {row.start} to {row.stop}",
            )
        return self._open[row.index]

    def _codec(self, schema: str, number: int) -> ChunkCodec:
        key = schema, number
        if key not in self._codecs:
            self._codecs[key] = _codec_of(self.stored[schema], number, self.models, self.where)
        return self._codecs[key]

    def _forget(self, row: Row) -> None:
        """Keep the chunks that were used last, up to `CACHED_BYTES`."""
        self._open.move_to_end(row.index)
        while len(self._open) > 1 and sum(opened.nbytes for opened in self._open.values()) > CACHED_BYTES:
            self._open.popitem(last=False)


class CompressedTree(CompressedColumns):
    """The branches of a TTree that were replaced.

    The header is the original one, without baskets.

    Attributes
    ----------
    branches : dict of StoredBranch
        By path.

    Raises
    ------
    CorruptionError
        If a schema is missing, or a branch is compressed in some chunks only.
    """

    def __init__(
        self, payload: Payload, stored: Mapping[str, StoredTree], models: Codecs, header: bytes = b""
    ) -> None:
        super().__init__(payload, stored, models, header)
        self._by_path = {
            name: {branch.path: branch for branch in tree.branches} for name, tree in self.stored.items()
        }
        self._baskets: OrderedDict[tuple[int, str], tuple[Array, Offsets]] = OrderedDict()

    @computed_once
    def branches(self) -> dict[str, StoredBranch]:
        """The branches that were replaced, by path."""
        each = list(self._by_path.values())
        for other in each[1:]:
            for path in sorted(each[0].keys() ^ other.keys()):
                raise CorruptionError(
                    "a branch is compressed in some chunks only",
                    where=f"{self.where}, {path}",
                    hint="decompress the files and merge them again with `hepae merge`",
                )
        return each[0] if each else {}

    def expect_branch(self, row: Row, path: str) -> None:
        """A branch of a chunk that will be asked for: it is fetched with the first that is."""
        self.expect(row, self._by_path[row.schema][path].columns)

    def columns(self, row: Row, path: str) -> dict[str, Nested]:
        """The columns of a branch for one chunk, by the names that its layout gives them."""
        branch = self._by_path[row.schema][path]
        restored = self.read(row, branch.columns)
        names = [column.name for column in branch.layout.columns]
        columns = dict(zip(names, (restored[number] for number in branch.columns), strict=True))
        self._require_rows(branch, columns, row)
        return columns

    def _require_rows(self, branch: StoredBranch, columns: Mapping[str, Nested], row: Row) -> None:
        """Refuse columns of the same rows that do not have the same counts; leaves have rows of their own."""
        first, *others = columns.values()
        levels = [column.levels for column in others if not isinstance(branch.layout, LeafList)]
        if not all(all(map(np.array_equal, first.levels, other)) for other in levels):
            raise CorruptionError(
                "columns of a branch with counts of their own",
                where=f"{self.where}, {branch.path}, entries {row.start} to {row.stop}",
            )

    def basket(self, row: Row, path: str) -> tuple[Array, Offsets]:
        """The bytes of the entries of a chunk as a basket of the branch holds them, and where each begins."""
        key = row.index, path
        with self._lock:
            if key not in self._baskets:
                self._baskets[key] = self._by_path[row.schema][path].layout.encode(self.columns(row, path))
                while len(self._baskets) > KEPT_BASKETS:
                    self._baskets.popitem(last=False)
            return self._baskets[key]

    def bytes_stored(self, path: str) -> int:
        """Bytes of the streams that hold a branch, others' columns in them included."""
        return sum(self.bytes_of(name, branches[path].columns) for name, branches in self._by_path.items())


def _codec_of(stored: StoredTree, number: int, models: Codecs, where: str, exact: bool = False) -> ChunkCodec:
    """What codes the columns of one codec of a schema; ``exact`` as in `hepae.core.decode.chunk_codec`."""
    spec = stored.schema.codecs[number]
    if isinstance(spec, ModelCodec):
        codec = models.codec(spec.sha256, where, exact)
        if not isinstance(codec, ChunkCodec):
            raise CorruptionError("a schema names a model without chunks", where=where, got=spec.sha256)
        columns = [stored.schema.columns[column].dtype for column in spec.columns]
        dtypes = [feature.dtype for feature in codec.features.values()]
        if columns != dtypes or len(codec.conditions) != len(spec.conditions):
            raise CorruptionError("a model of other columns", where=where, expected=columns, got=dtypes)
        return codec
    return plain_codec(spec, exact)


def plain_codec(spec: PlainCodec, exact: bool = False) -> ChunkCodec:
    """What codes columns without a model; ``exact`` as in `hepae.core.decode.chunk_codec`."""
    features = as_exact(spec.features) if exact else spec.features
    if spec.lifting is None:
        return ChunkCodec(Plain(), "plain", features, (), PLAIN_MODEL)
    given = {one.name: one.lattice for one in spec.linked}
    return ChunkCodec(Lifting(spec.lifting, features, given), "lifting", features, (), PLAIN_MODEL)


def compressed_of(tree: Any) -> CompressedTree | None:
    """What restores the branches of an uproot tree; None where it is not compressed."""
    compressed: CompressedTree | None = vars(tree).get("_hepae")
    return compressed


@contextmanager
def as_stored() -> Iterator[None]:
    """Within this, trees are read as they are in the file: for whoever compares or copies them."""
    token = _as_stored.set(True)
    try:
        yield
    finally:
        _as_stored.reset(token)


def is_read_as_stored() -> bool:
    """Whether trees are to be read as they are in the file."""
    return _as_stored.get()
