"""New RNTuples of numbers, lists of numbers and strings: one cluster for each run of entries.

C++ types and columns are those that ROOT itself would choose (RNTuple Binary Format Specification, "Mapping of C++
Types to Fields and Columns").
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np

from hepae.arrays import Array
from hepae.errors import UnsupportedError
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import Compression
from hepae.root.rntuple.clusters import ClusterWriter, SealedPage
from hepae.root.rntuple.encodings import encoding_of
from hepae.root.rntuple.envelopes import NTupleHeader
from hepae.root.rntuple.filling import pages_of
from hepae.root.rntuple.schema import PROJECTED, REPETITIVE, Alias, ColumnRecord, FieldRecord, Schema
from hepae.root.ttree.plan import NewBranch

__all__ = ["CountedLists", "append_cluster", "plain_header", "plain_schema"]

TYPES: Final = {
    "bool": ("bool", 0x00, 1),
    "int8": ("std::int8_t", 0x03, 8),
    "uint8": ("std::uint8_t", 0x04, 8),
    "int16": ("std::int16_t", 0x11, 16),
    "uint16": ("std::uint16_t", 0x12, 16),
    "int32": ("std::int32_t", 0x13, 32),
    "uint32": ("std::uint32_t", 0x14, 32),
    "int64": ("std::int64_t", 0x15, 64),
    "uint64": ("std::uint64_t", 0x16, 64),
    "float32": ("float", 0x18, 32),
    "float64": ("double", 0x19, 64),
}
"""C++ type, type and bits of the column, by dtype."""

INDEX: Final = (0x1B, 64)
"""SplitIndex64."""
CHARACTER: Final = (0x02, 8)
COLLECTION, RECORD = 1, 2
CARDINALITY: Final = "ROOT::RNTupleCardinality<std::uint32_t>"
WHOLE_ENTRY: Final = 1 << 30
"""Bytes of a page that is not compressed: an entry of a payload is read in parts, and has to lie in one page."""


@dataclass(frozen=True)
class CountedLists:
    """Lists that have the same counts: members of an untyped collection, which are shown at the top too.

    This is how CMS writes collections, and ROOT's RNTupleImporter.

    Attributes
    ----------
    name
        Of the collection.
    counter, members
        The branch that counts them, and the lists, under the names that they have at the top.
    """

    name: str
    counter: NewBranch
    members: tuple[NewBranch, ...]

    @property
    def names(self) -> list[str]:
        """Of the members in the collection: without the name of it before them, where that is unique."""
        short = [branch.name.removeprefix(f"{self.name}_") for branch in self.members]
        unique = len(set(short)) == len(short) and all(short)
        return short if unique else [branch.name for branch in self.members]


Item: TypeAlias = NewBranch | CountedLists
"""A field of a plan, or several."""


def plain_schema(plan: Sequence[Item]) -> Schema:
    """Fields and columns of an RNTuple.

    Parameters
    ----------
    plan
        Its fields in order. Branches that count others are left out: an RNTuple counts by itself.

    Raises
    ------
    UnsupportedError
        If a name has a dot, which RNTuple does not allow.

    Examples
    --------
    >>> [field.type_name for field in plain_schema([NewBranch("x", "float32")]).fields]
    ['float']
    """
    schema = Schema()
    for item in _items(plan):
        if "." in item.name:
            raise UnsupportedError(
                "a name that no RNTuple field can have", where=item.name, hint="use --format ttree"
            )
        if isinstance(item, CountedLists):
            _add_group(schema, item)
        else:
            _add(schema, item)
    return schema


def plain_header(name: str, title: str, plan: Sequence[Item]) -> bytes:
    """The envelope of the header of an RNTuple with such fields."""
    return NTupleHeader(name, title, "hepae", plain_schema(plan)).pack()


def append_cluster(
    writer: ClusterWriter, plan: Sequence[Item], columns: Mapping[str, Column], entries: int
) -> None:
    """Write a cluster of entries.

    Parameters
    ----------
    writer
        Of an RNTuple with the schema of the plan.
    plan, columns
        Its fields, and for each an array [entries, *shape] or a `Jagged`.
    entries
        How many there are.

    Notes
    -----
    All columns say the same of how they are compressed, as ROOT's RNTupleInspector asks for; a page that is not smaller
    compressed is as it is under any setting.
    """
    setting = max((_packing(item).code for item in plan), default=0)
    physical = writer.schema.columns
    writer.begin(entries)
    number = 0
    for item in _items(plan):
        packing = _packing(item)
        for elements in _elements(item, columns):
            encoding = encoding_of(physical[number].kind, physical[number].bits)
            assert encoding is not None
            most = {} if packing.level else {"most": WHOLE_ENTRY}
            pages = [SealedPage.of(n, data, packing) for n, data in pages_of(encoding, elements, **most)]
            writer.fill(number, pages, setting)
            number += 1
    writer.end()


def _items(plan: Sequence[Item]) -> list[Item]:
    counters = {item.counter for item in plan if isinstance(item, NewBranch)}
    return [item for item in plan if isinstance(item, CountedLists) or item.name not in counters]


def _packing(item: Item) -> Compression:
    return item.counter.compression if isinstance(item, CountedLists) else item.compression


def _add(schema: Schema, branch: NewBranch) -> None:
    """A field at the top with those in it: lists of arrays of numbers, or a string."""
    layers: list[tuple[str, int, int]] = []
    if branch.dtype == "str":
        _field(schema, FieldRecord(branch.name, "std::string", 0, description=branch.title), None)
        schema.columns += [
            ColumnRecord(*INDEX, len(schema.fields) - 1),
            ColumnRecord(*CHARACTER, len(schema.fields) - 1),
        ]
        return
    typename, kind, bits = TYPES[branch.dtype]
    for size in reversed(branch.shape):
        layers.append((f"std::array<{layers[-1][0] if layers else typename},{size}>", 0, size))
    if branch.counter is not None:
        layers.append((f"std::vector<{layers[-1][0] if layers else typename}>", COLLECTION, 0))
    above: int | None = None
    for name, role, size in reversed(layers):
        flags = REPETITIVE if size else 0
        field = FieldRecord("_0", name, 0, role, flags, size=size)
        above = _field(schema, field, above, branch)
        if role == COLLECTION:
            schema.columns.append(ColumnRecord(*INDEX, above))
    above = _field(schema, FieldRecord("_0", typename, 0), above, branch)
    schema.columns.append(ColumnRecord(kind, bits, above))


def _field(schema: Schema, field: FieldRecord, above: int | None, branch: NewBranch | None = None) -> int:
    """Append a field below another, or at the top, where it has name and title of the branch; its number."""
    number = len(schema.fields)
    if above is None and branch is not None:
        field = replace(field, name=branch.name, description=branch.title)
    schema.fields.append(replace(field, parent=number if above is None else above))
    return number


def _add_group(schema: Schema, group: CountedLists) -> None:
    """An untyped collection, and its projections."""
    top, index = len(schema.fields), len(schema.columns)
    schema.fields += [FieldRecord(group.name, "", top, COLLECTION), FieldRecord("_0", "", top, RECORD)]
    schema.columns.append(ColumnRecord(*INDEX, top))
    edges = [len(schema.fields)]
    for branch, name in zip(group.members, group.names, strict=True):
        _add(schema, replace(branch, name=name, counter=None))
        schema.fields[edges[-1]] = replace(schema.fields[edges[-1]], parent=top + 1)
        edges.append(len(schema.fields))
    counter = FieldRecord(group.counter.name, CARDINALITY, 0, description=group.counter.title)
    _project(schema, counter, top, index, range(0))
    for branch, (start, stop) in zip(group.members, pairwise(edges), strict=True):
        typename = f"ROOT::VecOps::RVec<{schema.fields[start].type_name}>"
        field = FieldRecord(branch.name, typename, 0, COLLECTION, description=branch.title)
        _project(schema, field, top, index, range(start, stop))


def _project(schema: Schema, field: FieldRecord, source: int, index: int, shown: range) -> None:
    """A field at the top that shows an index column, and below it the fields of a member."""
    number = len(schema.fields)
    schema.fields.append(replace(field, parent=number, flags=PROJECTED, source=source))
    schema.aliases.append(Alias(index, number))
    for below, old in enumerate(shown):
        record = schema.fields[old]
        above = number if below == 0 else number + 1 + record.parent - shown.start
        flags = record.flags | PROJECTED
        schema.fields.append(
            replace(record, name="_0", parent=above, flags=flags, source=old, description="")
        )
    shift = number + 1 - shown.start
    schema.aliases += [
        Alias(column, record.field + shift)
        for column, record in enumerate(schema.columns)
        if record.field in shown
    ]


def _elements(item: Item, columns: Mapping[str, Column]) -> Iterator[Array]:
    """The elements of the physical columns of a field, or of a group of them."""
    if not isinstance(item, CountedLists):
        yield from _elements_of(item, columns[item.name])
        return
    for number, branch in enumerate(item.members):
        index, values = _elements_of(replace(branch, counter=""), columns[branch.name])
        yield from (values,) if number else (index, values)


def _elements_of(branch: NewBranch, column: Column) -> Iterator[Array]:
    """The elements of the physical columns of a field."""
    if branch.dtype == "str":
        words = [str(word).encode("utf-8", "surrogateescape") for word in np.asarray(column).tolist()]
        yield np.cumsum([len(word) for word in words]).astype(np.uint64)
        yield np.frombuffer(b"".join(words), np.uint8)
    elif isinstance(column, Jagged):
        yield np.cumsum(column.counts).astype(np.uint64)
        yield np.ascontiguousarray(column.values, branch.dtype).reshape(-1)
    else:
        yield np.ascontiguousarray(column, branch.dtype).reshape(-1)
