"""The columns and fields of an RNTuple as they are stored, and what the RNTuple says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hepae.arrays import Integers
from hepae.core.values.nested import Nested
from hepae.core.values.objects import find_collections
from hepae.files.verify.sides import Claim, Part
from hepae.files.verify.structure import Facts
from hepae.files.verify.values import NotInterpretedError, interpreting, of_awkward
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.encodings import seen
from hepae.root.rntuple.fields import title_of
from hepae.root.rntuple.leaves import FieldLeaf, TopField, physical_columns
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.schema import Schema

__all__ = ["CountPart", "DescribedNTuple", "FieldPart", "LeafPart"]

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
    """

    schema: Schema
    counters: dict[int, str]

    def facts(self, leaf: FieldLeaf) -> Facts:
        """Types from the top down to a column, of the projection that shows it if there is one; its title."""
        shown = [alias.field for alias in self.schema.aliases if alias.column == leaf.column.number]
        own = self.schema.columns[leaf.column.number].field
        fields, number = self.schema.fields, shown[0] if shown else own
        types = [fields[number].type_name]
        while fields[number].parent != number:
            number = fields[number].parent
            types.append(fields[number].type_name)
        title = title_of(self.schema, own)
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
