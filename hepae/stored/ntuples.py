"""The replaced fields of a compressed RNTuple: chunks of its payload to columns, and the original schema."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from hepae.core.locks import computed_once
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError
from hepae.root.columns import Branch
from hepae.root.file.own_names import PAYLOAD, SCHEMAS_TREE
from hepae.root.file.source import Source
from hepae.root.rntuple.fields import branches_of, top_fields
from hepae.root.rntuple.leaves import FieldLeaf
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import CompressedColumns, compressed_of
from hepae.stored.frames import Codecs
from hepae.stored.ntuple_headers import envelope_length, original_schema, require_alike
from hepae.stored.payload import MARKER, Payload, Row
from hepae.stored.schemas import StoredField, StoredTree, read_schemas, stored_tree

__all__ = ["CompressedNTuple", "compressed_ntuple", "has_payload"]


class CompressedNTuple(CompressedColumns):
    """The fields of an RNTuple that were replaced.

    The header is the envelope of the original one, and that of its footer without clusters.

    Attributes
    ----------
    tree : RNTupleReader
        What was kept, with the marker.
    original : NTupleHeader
        The header that it had.
    extension : Schema
        What was added to its schema while it was written.
    top : dict of TopField
        The fields at the top that it had, by name.
    fields : dict of StoredField
        Those that were replaced, by name.

    Raises
    ------
    CorruptionError
        If a schema is missing, fields are compressed in some chunks only, or others than the header has.
    """

    def __init__(
        self,
        tree: RNTupleReader,
        payload: Payload,
        stored: Mapping[str, StoredTree],
        models: Codecs,
        header: bytes,
    ) -> None:
        super().__init__(payload, stored, models, header)
        self.tree = tree
        self.original, self.extension = original_schema(header, self.where)
        self.top = top_fields(self.original.schema + self.extension)
        each = [{field.name: field for field in one.fields} for one in self.stored.values()]
        self.fields: dict[str, StoredField] = each[0] if each else {}
        if any(other.keys() != self.fields.keys() for other in each):
            raise CorruptionError("fields are compressed in some chunks only", where=self.where)
        self._numbers = {
            name: dict(pair for field in one.fields for pair in field.columns)
            for name, one in self.stored.items()
        }
        for name, one in self.stored.items():
            self._require_columns(self._numbers[name], one)
        self._checked: set[int] = set()

    def _require_columns(self, numbers: Mapping[int, int], stored: StoredTree) -> None:
        """Refuse a schema whose columns are not those of the original header."""
        for leaf in self.leaves:
            number = numbers.get(leaf.column.number)
            spec = None if number is None else stored.schema.columns[number]
            got = spec and (spec.dtype, spec.shape, len(stored.schema.chain(spec.table)))
            if got != (leaf.dtype, leaf.shape, len(leaf.levels)):
                raise CorruptionError(
                    "a field of other columns than the original header has",
                    where=f"{self.where}, {leaf.name}",
                    expected=(leaf.dtype, leaf.shape, len(leaf.levels)),
                    got=got,
                )

    @computed_once
    def branches(self) -> dict[str, Branch]:
        """The columns of the original as branches, by name."""
        return branches_of(self.original.schema + self.extension)

    @property
    def envelope(self) -> bytes:
        """The envelope of the original header."""
        return self.header[: envelope_length(self.header)]

    @computed_once
    def leaves(self) -> list[FieldLeaf]:
        """The columns of the fields that were replaced.

        Raises
        ------
        CorruptionError
            If the original header does not have them.
        """
        for name in self.fields:
            if name not in self.top or not self.top[name].leaves:
                raise CorruptionError("an original header without a field", where=self.where, expected=name)
        return [leaf for name in self.fields for leaf in self.top[name].leaves]

    def numbers(self, schema: str, leaves: Iterable[FieldLeaf]) -> list[int]:
        """The columns of a schema that leaves are restored from."""
        return [self._numbers[schema][leaf.column.number] for leaf in leaves]

    def columns(self, row: Row, leaves: Sequence[FieldLeaf]) -> dict[str, Nested]:
        """Columns of the original for the entries of a chunk, by name.

        Raises
        ------
        CorruptionError
            If a stream is damaged, or entries of the chunk were dropped, added or moved.
        """
        self._require_marks(row)
        numbers = self.numbers(row.schema, leaves)
        restored = self.read(row, numbers)
        return {leaf.name: restored[number] for leaf, number in zip(leaves, numbers, strict=True)}

    def entries(
        self, start: int, stop: int, leaves: Sequence[FieldLeaf]
    ) -> Iterator[tuple[int, dict[str, Nested]]]:
        """Columns of the original for a run of entries, chunk by chunk: how many entries, and values by name."""
        for row in self.payload.rows:
            low, high = max(row.start, start), min(row.stop, stop)
            if low < high:
                columns = self.columns(row, leaves)
                yield (
                    high - low,
                    {name: column.cut(low - row.start, high - row.start) for name, column in columns.items()},
                )

    def _require_marks(self, row: Row) -> None:
        if row.index in self._checked:
            return
        marks = np.asarray(self.tree.read(MARKER, row.start, row.stop))
        wrong = np.flatnonzero(marks != row.chunk)
        if len(wrong):
            raise CorruptionError(
                "entries of a chunk were dropped, added or moved",
                where=f"{self.where}, entry {row.start + int(wrong[0])}",
                hint="decompress before you skim, or skim with `hepae skim`",
            )
        self._checked.add(row.index)


def compressed_ntuple(source: Source, path: str, models: Codecs) -> CompressedNTuple | None:
    """What restores the fields of an RNTuple; None where it is not compressed.

    Raises
    ------
    CorruptionError
        If what it is restored from is missing or damaged.
    """
    tree = source.tree(path)
    if not isinstance(tree, RNTupleReader) or MARKER not in tree.branches or not tree.num_entries:
        return None
    there = {key.path for key in source.keys}
    missing = [name for name in (f"{path}{PAYLOAD}", SCHEMAS_TREE) if name not in there]
    if missing:
        raise CorruptionError(
            "what a compressed tree is restored from is missing",
            where=tree.where,
            expected=missing[0],
            hint="copy whole files, or skim with `hepae skim`",
        )
    described = {
        sha256[:16]: (stored_tree(one.text, tree.where), one.header)
        for sha256, one in read_schemas(source.tree(SCHEMAS_TREE), models.reference).items()
    }
    payload = Payload(source.tree(f"{path}{PAYLOAD}"), tree.num_entries)
    schemas = {start: stored for start, (stored, _) in described.items()}
    used = payload.rows[0].schema
    if used not in described:
        raise CorruptionError("a schema is missing", where=tree.where, expected=used)
    headers = [described[row.schema][1] for row in payload.rows if row.schema in described]
    require_alike(headers, tree.where)
    return CompressedNTuple(tree, payload, schemas, models, described[used][1])


def has_payload(tree: object) -> bool:
    """Whether columns of a tree, of either kind, are in a payload beside it."""
    if isinstance(tree, TTreeReader):
        return compressed_of(tree.tree) is not None
    return isinstance(tree, RNTupleReader) and bool(tree.num_entries) and MARKER in tree.branches
