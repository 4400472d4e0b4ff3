"""An RNTuple column by column, as it is stored or restored from what hepae stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from hepae.arrays import Integers
from hepae.core.values.nested import Nested
from hepae.files.verify.ntuple_parts import CountPart, DescribedNTuple, FieldPart, LeafPart
from hepae.files.verify.shares import bounds_of, chunk_runs, sizes_of
from hepae.files.verify.sides import Claim, Part, Side
from hepae.files.verify.structure import Facts
from hepae.files.verify.values import interpreting
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.fields import cardinalities, top_fields
from hepae.root.rntuple.leaves import FieldLeaf
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.schema import Schema
from hepae.stored.ntuples import CompressedNTuple
from hepae.stored.payload import MARKER

__all__ = ["compressed_side", "ntuple_side"]


def ntuple_side(name: str, ntuple: NTuple, read_by_uproot: Callable[[], Any]) -> Side:
    """An RNTuple with its columns.

    Parameters
    ----------
    read_by_uproot
        Gives uproot's RNTuple.
    """
    with interpreting():
        described = DescribedNTuple(ntuple.schema, cardinalities(ntuple.schema))
        columns = NTupleColumns(ntuple, top_fields(ntuple.schema))
        parts = list(_parts(described, ntuple, columns, read_by_uproot))
        parts += [
            CountPart(counter, partial(columns.counts, index), ntuple.num_entries)
            for index, counter in described.counters.items()
        ]
    facts = {"title": ntuple.header.description, "schema": schema_facts(ntuple.schema)}
    return Side(name, "rntuple", ntuple.num_entries, facts, parts)


def _parts(
    described: DescribedNTuple, ntuple: NTuple, columns: NTupleColumns, read_by_uproot: Callable[[], Any]
) -> Iterator[Part]:
    for field in columns.whole.values():
        if not field.leaves:
            yield FieldPart(ntuple, field, read_by_uproot)
        for leaf in field.leaves:
            yield LeafPart(described, columns, leaf)


class RestoredLeaf:
    """A column that hepae stores, as it was.

    Parameters
    ----------
    described
        What the original RNTuple said.
    compressed, leaf
        What restores it, and which column.
    claim, stored
        What the file says of it, and its bytes in the file.
    """

    def __init__(
        self,
        described: DescribedNTuple,
        compressed: CompressedNTuple,
        leaf: FieldLeaf,
        claim: Claim,
        stored: int,
    ) -> None:
        self.described, self.compressed, self.leaf = described, compressed, leaf
        self.claim, self.stored = claim, stored
        self.name, self.entries = leaf.name, compressed.tree.num_entries

    def facts(self) -> Facts:
        """Types of its field and of those above it; a title where there is one."""
        return self.described.facts(self.leaf)

    def short_names(self) -> tuple[str, ...]:
        """Its name in its collection."""
        return self.described.short_names(self.leaf)

    def edges(self) -> Integers:
        """Where its chunks begin."""
        return np.array([row.start for row in self.compressed.payload.rows], np.int64)

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Its values for a run of entries."""
        runs = [columns[self.name] for _, columns in self.compressed.entries(start, stop, [self.leaf])]
        return {"": self.described.seen(self.leaf, Nested.concatenated(runs))}

    def sizes(self) -> tuple[int, int]:
        """Its bytes in the file; nobody knows how many they were before they are restored."""
        return self.stored, 0

    def count(self) -> int:
        """Number of entries."""
        return self.entries


def compressed_side(stored: Side, compressed: CompressedNTuple) -> Side:
    """An RNTuple that is compressed as a whole.

    Parameters
    ----------
    stored
        What is in the file: fields that were kept are compared as they are.
    compressed
        What restores those that were replaced.
    """
    schema = compressed.original.schema + compressed.extension
    described = DescribedNTuple(schema, cardinalities(schema))
    left = {part.name: part for part in stored.parts if part.name != MARKER}
    bounds, sizes = bounds_of(compressed), sizes_of(compressed)
    parts: list[Part] = []
    for name, field in compressed.top.items():
        if name not in compressed.fields:
            kept = [leaf.name for leaf in field.leaves] or [name]
            parts += [left.pop(part) for part in kept if part in left]
            continue
        numbers = dict(compressed.fields[name].columns)
        for leaf in field.leaves:
            number = numbers[leaf.column.number]
            column = next(iter(compressed.stored.values())).schema.columns[number].name
            claim = Claim({"": bounds[column]} if column in bounds else {})
            parts.append(RestoredLeaf(described, compressed, leaf, claim, sizes[leaf.column.number]))
    parts += counts_of(described, compressed, left)
    facts = {"title": compressed.original.description, "schema": schema_facts(schema)}
    return Side(
        stored.name,
        "rntuple",
        stored.entries,
        facts,
        [*parts, *left.values()],
        runs=partial(chunk_runs, compressed),
    )


def counts_of(
    described: DescribedNTuple, compressed: CompressedNTuple, left: dict[str, Part]
) -> Iterator[Part]:
    """The cardinalities of collections: as they are kept, or from what is restored."""
    by_index = {
        leaf.levels[0].index.number: leaf
        for leaf in reversed(compressed.leaves)
        if leaf.levels and leaf.levels[0].index is not None
    }
    for index, counter in described.counters.items():
        if counter in left:
            yield left.pop(counter)
        elif index in by_index:
            leaf = by_index[index]
            yield CountPart(counter, partial(_counts, compressed, leaf), compressed.tree.num_entries)


def _counts(compressed: CompressedNTuple, leaf: FieldLeaf, start: int, stop: int) -> Integers:
    runs = [columns[leaf.name].levels[0] for _, columns in compressed.entries(start, stop, [leaf])]
    return np.concatenate(runs)


def schema_facts(schema: Schema) -> Sequence[str]:
    """Every field, column and projection of an RNTuple, a line each."""
    fields = [
        f"field {n} {f.name!r} of {f.parent}: {f.type_name!r} ({f.type_alias!r}), role {f.role}, flags {f.flags}, "
        f"versions {f.version} and {f.type_version}, size {f.size}, source {f.source if f.projected else ''}, "
        f"checksum {f.checksum}, {f.description!r}"
        for n, f in enumerate(schema.fields)
    ]
    columns = [
        f"column {n} of field {c.field}: type {c.kind} of {c.bits} bits, representation {c.representation}, "
        f"from element {c.first} on, range {c.low} to {c.high}"
        for n, c in enumerate(schema.columns)
    ]
    return [*fields, *columns, *(f"column {a.column} shown as field {a.field}" for a in schema.aliases)]
