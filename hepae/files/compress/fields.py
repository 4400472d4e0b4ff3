"""Which fields of an RNTuple can be replaced, and what a file says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from hepae.core.tables.schema import TreeSchema
from hepae.root.file.source import Source
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.reader import RNTupleReader
from hepae.stored.ntuple_headers import original_of
from hepae.stored.payload import MARKER
from hepae.stored.schemas import StoredField, StoredTree

__all__ = ["columns_of_ntuple", "described_ntuple", "original_bytes"]


def columns_of_ntuple(source: Source, path: str, kept: Collection[str]) -> NTupleColumns | None:
    """The columns of an RNTuple that can be replaced; None where there are none, or it is compressed already.

    Parameters
    ----------
    kept
        Names of fields that stay.
    """
    tree = source.readable(path)
    if not isinstance(tree, RNTupleReader) or not tree.num_entries or MARKER in tree.columns.whole:
        return None
    columns = NTupleColumns(tree.ntuple, tree.columns.whole, kept)
    return columns if columns.infos else None


def described_ntuple(path: str, ntuple: NTuple, columns: NTupleColumns) -> Callable[[TreeSchema], StoredTree]:
    """What a file says of the RNTuple of a path, from how its columns are stored."""

    def described(schema: TreeSchema) -> StoredTree:
        fields = tuple(
            StoredField(
                name,
                tuple((leaf.column.number, schema.numbers[leaf.name]) for leaf in field.leaves),
                _setting(ntuple, field.leaves[0].column.number),
            )
            for name, field in columns.fields.items()
        )
        return StoredTree(schema, (), path, fields)

    return described


def _setting(ntuple: NTuple, column: int) -> int:
    """ROOT's number of how the pages of a column are compressed, in the first cluster that has them."""
    settings = (int(c.settings[column]) for c in ntuple.clusters if column < c.columns)
    return next(settings, 0)


def original_bytes(ntuple: NTuple) -> bytes:
    """What is kept of the header of an RNTuple."""
    return original_of(ntuple.header_bytes, ntuple.footer.extension)
