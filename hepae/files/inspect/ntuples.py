"""Facts of an RNTuple: its leaves as columns, what of it is compressed, why fields would stay."""

from __future__ import annotations

from collections.abc import Mapping

from hepae.core.tables.columns import ColumnInfo
from hepae.files.inspect.compressed import compressed_columns
from hepae.files.inspect.facts import OTHERS, PLAIN, ColumnFacts
from hepae.files.inspect.plain import column_facts, first_tables
from hepae.learn.whole.tables import Found
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.reader import RNTupleReader
from hepae.stored.compressed import CompressedColumns
from hepae.stored.payload import MARKER

__all__ = ["compressed_fields", "leaf_columns", "plain_fields"]

NOT_TAKEN_APART = "not numbers that can be taken apart"


def leaf_columns(reader: RNTupleReader) -> NTupleColumns:
    """All columns of an RNTuple."""
    return NTupleColumns(reader.ntuple, reader.columns.whole)


def plain_fields(reader: RNTupleReader, columns: NTupleColumns) -> tuple[Found, list[ColumnFacts]]:
    """Tables and columns of an RNTuple that is not compressed; those of one field share what its counts take."""
    found = first_tables(columns)
    sizes = _leaf_sizes(columns)
    infos = [ColumnInfo(info.name, info.name, info.dtype, info.shape, info.depth) for info in columns.infos]
    titles = {name: branch.title for name, branch in reader.branches.items()}
    facts = column_facts(infos, found, sizes, titles)
    for column in facts:
        column.bound = "exact"
    return found, facts + _others(columns, OTHERS, NOT_TAKEN_APART)


def compressed_fields(reader: RNTupleReader, compressed: CompressedColumns) -> list[ColumnFacts]:
    """Columns that were compressed, and fields that stayed."""
    kept = NTupleColumns(reader.ntuple, reader.columns.whole, (MARKER,))
    sizes = _leaf_sizes(kept)
    plain = [
        ColumnFacts(info.name, PLAIN, info.dtype, "", *sizes[info.name], kept="as it was")
        for info in kept.infos
    ]
    return compressed_columns(compressed) + plain + _others(kept, PLAIN, "as it was")


def _leaf_sizes(columns: NTupleColumns) -> Mapping[str, tuple[int, int]]:
    """Bytes of each leaf on disk and in memory; what else a field has (counts) is shared among its leaves."""
    sizes = {}
    for field in columns.fields.values():
        own = [columns.sizes([leaf.column.number]) for leaf in field.leaves]
        disk = columns.sizes(field.columns)[0]
        more = (disk - sum(size for size, _ in own)) / len(own)
        for leaf, (size, memory) in zip(field.leaves, own, strict=True):
            sizes[leaf.name] = round(size + more), memory
    return sizes


def _others(columns: NTupleColumns, table: str, why: str) -> list[ColumnFacts]:
    """Fields that are no columns."""
    return [
        ColumnFacts(name, table, "", "", columns.sizes(field.columns)[0], 0, kept=why)
        for name, field in columns.whole.items()
        if not field.leaves
    ]
