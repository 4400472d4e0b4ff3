"""An RNTuple column by column, as it is stored or restored from what hepae stores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hepae.arrays import Integers
from hepae.core.values.nested import Nested
from hepae.core.values.objects import find_collections
from hepae.files.verify.shares import bounds_of, chunk_runs, sizes_of
from hepae.files.verify.sides import Claim, Part, Side
from hepae.files.verify.structure import Facts
from hepae.files.verify.values import NotInterpretedError, interpreting, of_awkward
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.encodings import seen
from hepae.root.rntuple.fields import cardinalities, top_fields, top_of
from hepae.root.rntuple.leaves import FieldLeaf, TopField, physical_columns
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.schema import Schema
from hepae.stored.ntuples import CompressedNTuple
from hepae.stored.payload import MARKER

__all__ = ["compressed_side", "ntuple_side"]

INJECTIVE_BITS = 23
"""Bits of a quantised number up to which each has a float32 of its own."""


@dataclass(frozen=True)
class DescribedNTuple:
    """What an RNTuple says of its fields.

    Attributes
    ----------
    schema
        Fields and columns.
    counters
        Names of the cardinalities of collections, by index column.
    titles
        Titles of fields by name, where they are kept beside the RNTuple.
    """

    schema: Schema
    counters: dict[int, str]
    titles: dict[str, str]

    def facts(self, leaf: FieldLeaf) -> Facts:
        """Types from the top down to a column, of the projection that shows it if there is one; its title."""
        shown = [alias.field for alias in self.schema.aliases if alias.column == leaf.column.number]
        own = self.schema.columns[leaf.column.number].field
        fields, number = self.schema.fields, shown[0] if shown else own
        types = [fields[number].type_name]
        while fields[number].parent != number:
            number = fields[number].parent
            types.append(fields[number].type_name)
        title = (
            self.titles.get(leaf.name)
            or fields[own].description
            or fields[top_of(self.schema, own)].description
        )
        return {"types": types[::-1], **({"title": title} if title else {})}

    def short_names(self, leaf: FieldLeaf) -> tuple[str, ...]:
        """The name of a column in its collection."""
        index = leaf.levels[0].index if leaf.levels else None
        counter = None if index is None else self.counters.get(index.number)
        found = find_collections({leaf.name: ("", counter, "")})
        return tuple(feature.name for one in found.values() for feature in one.features)

    def seen(self, leaf: FieldLeaf, column: Nested) -> Nested:
        """Values as an analysis sees them; the integers that stand for them, where several mean one float."""
        encoding, record = leaf.column.encoding, self.schema.columns[leaf.column.number]
        if encoding.name == "Real32Quant" and encoding.bits > INJECTIVE_BITS:
            return column
        return Nested(column.levels, seen(encoding, column.values, record.low, record.high))


class LeafPart:
    """A column of a field.

    Parameters
    ----------
    described
        What the RNTuple says.
    columns
        Its columns.
    leaf
        Which of them.
    """

    claim: Claim | None = None

    def __init__(self, described: DescribedNTuple, columns: NTupleColumns, leaf: FieldLeaf) -> None:
        self.described, self.columns, self.leaf = described, columns, leaf
        self.name, self.entries = leaf.name, columns.num_entries

    def facts(self) -> Facts:
        """Types of its field and of those above it; a title where there is one."""
        return self.described.facts(self.leaf)

    def short_names(self) -> tuple[str, ...]:
        """Its name in its collection."""
        return self.described.short_names(self.leaf)

    def edges(self) -> Integers:
        """Where its clusters begin and end."""
        return self.columns.edges

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Its values for a run of entries."""
        with interpreting():
            column = self.columns.read([self.leaf.name], start, stop)[self.leaf.name]
        return {"": self.described.seen(self.leaf, column)}

    def sizes(self) -> tuple[int, int]:
        """Bytes on disk of its pages, and uncompressed; of offsets too."""
        return self.columns.sizes(physical_columns([self.leaf]))

    def count(self) -> int:
        """Number of entries."""
        return self.entries

    def same_bytes(self, other: Part) -> bool:
        """Whether columns and pages are the same on disk, one for one."""
        if not isinstance(other, LeafPart):
            return False
        mine, theirs = (physical_columns([part.leaf]).values() for part in (self, other))
        if [column.encoding for column in mine] != [column.encoding for column in theirs]:
            return False
        pairs = zip((c.number for c in mine), (c.number for c in theirs), strict=True)
        with interpreting():
            return all(same_pages(self.columns.ntuple, other.columns.ntuple, one, two) for one, two in pairs)

    def first_different(self, other: Part) -> int | None:
        """Pages have no entries of their own: the first entry, or None where all pages are the same."""
        return None if self.same_bytes(other) else 0

    def same_run(self, other: Part, start: int, stop: int) -> int | None:
        """Nothing can be told: pages begin where they like."""
        return None


class CountPart:
    """How many items a collection has: a projection of its offsets.

    Parameters
    ----------
    name, counts, entries
        Its name, what reads it for a run of entries, and how many there are.
    """

    claim: Claim | None = None

    def __init__(self, name: str, counts: Callable[[int, int], Integers], entries: int) -> None:
        self.name, self.counts, self.entries = name, counts, entries

    def facts(self) -> Facts:
        """Nothing: where it has a place in the schema, that says it."""
        return {}

    def short_names(self) -> tuple[str, ...]:
        """None besides its own."""
        return ()

    def edges(self) -> Integers:
        """None: it costs little."""
        return np.zeros(0, np.int64)

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Its values for a run of entries."""
        with interpreting():
            return {"": Nested((), self.counts(start, stop).astype(np.uint32))}

    def sizes(self) -> tuple[int, int]:
        """None of its own."""
        return 0, 0

    def count(self) -> int:
        """Number of entries."""
        return self.entries


class FieldPart:
    """A field at the top that is not taken apart, such as a variant: its pages, or what uproot makes of them.

    Parameters
    ----------
    ntuple, field
        The RNTuple, and the field.
    read_by_uproot
        Gives uproot's RNTuple.
    """

    claim: Claim | None = None

    def __init__(self, ntuple: NTuple, field: TopField, read_by_uproot: Callable[[], Any]) -> None:
        self.ntuple, self.field, self.read_by_uproot = ntuple, field, read_by_uproot
        self.name, self.entries = field.name, ntuple.num_entries

    def facts(self) -> Facts:
        """Names and types of the field and of those in it."""
        records = [self.ntuple.schema.fields[number] for number in self.field.members]
        return {"fields": [f"{record.name}: {record.type_name}" for record in records]}

    def short_names(self) -> tuple[str, ...]:
        """None besides its own."""
        return ()

    def edges(self) -> Integers:
        """Where its clusters begin and end."""
        return self.ntuple.edges

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Its columns for a run of entries, as uproot has them."""
        with interpreting():
            if not self.field.columns:
                raise NotInterpretedError("a field without columns")
            array = self.read_by_uproot().arrays([self.name], entry_start=start, entry_stop=stop)[self.name]
            if len(array) != stop - start:
                raise NotInterpretedError(f"{len(array)} entries instead of {stop - start}")
            return of_awkward(array)

    def sizes(self) -> tuple[int, int]:
        """Bytes on disk of its pages; nobody knows how many they are unpacked."""
        pages = [(c, c.pages(number)) for c in self.ntuple.clusters for number in self.field.columns]
        return sum(int(cluster.sizes[some.start : some.stop].sum()) for cluster, some in pages), 0

    def count(self) -> int:
        """Number of entries."""
        return self.entries

    def same_bytes(self, other: Part) -> bool:
        """Whether columns and pages are the same on disk, one for one."""
        if not isinstance(other, FieldPart) or len(self.field.columns) != len(other.field.columns):
            return False
        pairs = zip(self.field.columns, other.field.columns, strict=True)
        with interpreting():
            return all(same_pages(self.ntuple, other.ntuple, mine, theirs) for mine, theirs in pairs)

    def first_different(self, other: Part) -> int | None:
        """Pages have no entries of their own: the first entry, or None where all pages are the same."""
        return None if self.same_bytes(other) else 0

    def same_run(self, other: Part, start: int, stop: int) -> int | None:
        """Nothing can be told: pages begin where they like."""
        return None


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


def same_pages(one: Any, two: Any, mine: int, theirs: int) -> bool:
    """Whether a column of each of two RNTuples has the same pages, cluster by cluster."""
    if not np.array_equal(one.edges, two.edges):
        return False
    for before, after in zip(one.clusters, two.clusters, strict=True):
        numbers = [
            c.elements[p.start : p.stop]
            for c, p in ((before, before.pages(mine)), (after, after.pages(theirs)))
        ]
        if not np.array_equal(*numbers) or one.sealed(before, mine) != two.sealed(after, theirs):
            return False
    return True


def ntuple_side(name: str, ntuple: NTuple, titles: dict[str, str], read_by_uproot: Callable[[], Any]) -> Side:
    """An RNTuple with its columns.

    Parameters
    ----------
    titles
        Titles of fields by name, where they are kept beside it.
    read_by_uproot
        Gives uproot's RNTuple.
    """
    with interpreting():
        described = DescribedNTuple(ntuple.schema, cardinalities(ntuple.schema), titles)
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
    described = DescribedNTuple(schema, cardinalities(schema), {})
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
