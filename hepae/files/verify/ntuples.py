"""An RNTuple as uproot reads it, field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hepae.arrays import Integers
from hepae.core.values.nested import Nested
from hepae.core.values.objects import find_collections
from hepae.files.verify.sides import Claim, Part, Side
from hepae.files.verify.structure import Facts
from hepae.files.verify.values import NotInterpretedError, interpreting, of_awkward

__all__ = ["FieldPart", "ntuple_side"]


@dataclass(frozen=True)
class Descriptor:
    """What an RNTuple says of its fields and columns, looked up once: there may be thousands.

    Attributes
    ----------
    families : dict of lists
        Numbers of the fields in a top-level field, itself among them.
    columns : dict of lists
        Number and description of the columns of all of these.
    """

    ntuple: Any
    records: list[Any]
    clusters: list[Any]
    families: dict[int, list[int]]
    columns: dict[int, list[tuple[int, Any]]]


def described(ntuple: Any) -> Descriptor:
    """The fields and columns of an RNTuple, by top-level field."""
    records = list(ntuple.field_records)
    top = list(range(len(records)))
    families: dict[int, list[int]] = {}
    for number, record in enumerate(records):  # parents stand before what is in them
        if record.parent_field_id != number:
            top[number] = top[record.parent_field_id]
        families.setdefault(top[number], []).append(number)
    columns: dict[int, list[tuple[int, Any]]] = {number: [] for number in families}
    for number, column in enumerate(ntuple.column_records):
        columns[top[column.field_id]].append((number, column))
    return Descriptor(ntuple, records, list(ntuple.page_link_list), families, columns)


class FieldPart:
    """A top-level field with all that is in it.

    Parameters
    ----------
    number
        Which of the field records it is.
    title
        What it is described by, where a title has been kept beside the RNTuple.
    """

    claim: Claim | None = None

    def __init__(self, descriptor: Descriptor, number: int, title: str = "") -> None:
        self.descriptor, self.number = descriptor, number
        record = descriptor.records[number]
        self.name, self.title = str(record.field_name), title or str(record.field_desc)
        self.entries = int(descriptor.ntuple.num_entries)

    def facts(self) -> Facts:
        """Names and types of the field and of those in it; a title where there is one."""
        records = [self.descriptor.records[number] for number in self.descriptor.families[self.number]]
        fields = [f"{record.field_name}: {record.type_name}" for record in records]
        return {"fields": fields, **({"title": self.title} if self.title else {})}

    def short_names(self) -> tuple[str, ...]:
        """Its name in its collection."""
        found = find_collections({self.name: ("", None, "")})
        return tuple(feature.name for one in found.values() for feature in one.features)

    def edges(self) -> Integers:
        """Where its clusters begin and end."""
        clusters = self.descriptor.ntuple.cluster_summaries
        return np.array([int(one.num_first_entry) for one in clusters], np.int64)

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Columns of a run of entries; one for each member of records."""
        with interpreting():
            array = self.descriptor.ntuple.arrays([self.name], entry_start=start, entry_stop=stop)[self.name]
            if len(array) != stop - start:
                raise NotInterpretedError(f"{len(array)} entries instead of {stop - start}")
            return of_awkward(array)

    def sizes(self) -> tuple[int, int]:
        """Bytes on disk of its pages, and uncompressed."""
        pages = [(page, column.nbits) for column, page in self.pages()]
        stored = sum(int(page.locator.num_bytes) for page, _ in pages)
        return stored, sum(abs(int(page.num_elements)) * bits for page, bits in pages) // 8

    def count(self) -> int:
        """Number of entries."""
        return self.entries

    def same_bytes(self, other: Part) -> bool:
        """Whether columns and pages are the same on disk, one for one."""
        if not isinstance(other, FieldPart) or self.entries != other.entries:
            return False
        with interpreting():
            mine, theirs = list(self.pages()), list(other.pages())
            return len(mine) == len(theirs) and all(
                (one.type, one.nbits, page.num_elements) == (two.type, two.nbits, copy.num_elements)
                and self.raw(page) == other.raw(copy)
                for (one, page), (two, copy) in zip(mine, theirs, strict=True)
            )

    def first_different(self, other: Part) -> int | None:
        """Pages have no entries of their own: the first entry, or None where all pages are the same."""
        return None if self.same_bytes(other) else 0

    def same_run(self, other: Part, start: int, stop: int) -> int | None:
        """Nothing can be told: pages begin where they like."""
        return None

    def pages(self) -> list[tuple[Any, Any]]:
        """The pages of its columns in order, each with the description of its column."""
        return [
            (column, page)
            for cluster in self.descriptor.clusters
            for number, column in self.descriptor.columns[self.number]
            if number < len(cluster)
            for page in cluster[number].pages
        ]

    def raw(self, page: Any) -> bytes:
        start, size = int(page.locator.offset), int(page.locator.num_bytes)
        return bytes(self.descriptor.ntuple.file.source.chunk(start, start + size).raw_data)


def ntuple_side(name: str, ntuple: Any, titles: dict[str, str]) -> Side:
    """An RNTuple with its top-level fields.

    Parameters
    ----------
    titles
        Titles of fields by name, where they are kept beside it.
    """
    with interpreting():
        descriptor = described(ntuple)
        parts: list[Part] = []
        for number in descriptor.families:
            title = titles.get(str(descriptor.records[number].field_name), "")
            parts.append(FieldPart(descriptor, number, title))
        return Side(name, "rntuple", int(ntuple.num_entries), {"title": str(ntuple.description)}, parts)
