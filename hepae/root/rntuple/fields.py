"""What the fields of an RNTuple hold, as columns: paths, levels of counts, dimensions. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from hepae.root.columns import Branch
from hepae.root.rntuple.encodings import SWITCH, encoding_of, seen_dtype
from hepae.root.rntuple.leaves import FieldLeaf, FieldLevel, PhysicalColumn, TopField
from hepae.root.rntuple.schema import DEFERRED, REPETITIVE, Schema

__all__ = ["branches_of", "cardinalities", "title_of", "top_fields"]

LEAF, COLLECTION, RECORD, STREAMED = 0, 1, 2, 4
"""Roles of fields."""

INDICES: Final = ("Index32", "Index64", "SplitIndex32", "SplitIndex64")
"""Columns whose elements say where the rows of the next row begin."""


LISTS = ("std::vector<", "ROOT::VecOps::RVec<", "ROOT::RVec<")
"""Beginnings of the types of collections that are a list of their items and nothing else: an optional value is one of
at most one, a map is one of pairs, and both have to stay what they are. Collections without a type are lists too."""


class NotTakenApartError(Exception):
    """A field whose columns are not known to be levels and values."""


def top_fields(schema: Schema) -> dict[str, TopField]:
    """The fields at the top of an RNTuple that have columns of their own, by name.

    Fields with several representations, variants, and columns of types that the specification does not have are not
    taken apart.

    Parameters
    ----------
    schema
        Of the header, with its extension.
    """
    tree = _FieldTree(schema)
    found = {}
    for number, record in enumerate(schema.fields):
        if record.parent != number or record.projected:
            continue
        top = TopField(number, record.name, list(tree.members(number)))
        top.columns = sorted(column for member in top.members for column in tree.columns[member])
        try:
            top.leaves = list(tree.leaves(number, record.name, (), ()))
        except NotTakenApartError:
            top.leaves = []
        found[record.name] = top
    return found


def cardinalities(schema: Schema) -> dict[int, str]:
    """Names of the fields at the top that show how many items collections have, by the index column of these.

    Collections in other collections have none at the top.
    """
    fields = schema.fields
    found: dict[int, str] = {}
    for alias in schema.aliases:
        shown, source = fields[alias.field], schema.columns[alias.column].field
        alone = shown.parent == alias.field and fields[source].parent == source
        if alone and shown.type_name.startswith("ROOT::RNTupleCardinality<"):
            found.setdefault(alias.column, shown.name)
    return found


class _FieldTree:
    """Fields with what is below them."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.below: list[list[int]] = [[] for _ in schema.fields]
        self.columns: list[list[int]] = [[] for _ in schema.fields]
        for number, record in enumerate(schema.fields):
            if record.parent != number and not record.projected:
                self.below[record.parent].append(number)
        for number, column in enumerate(schema.columns):
            self.columns[column.field].append(number)
        self.shown = _projections(schema)

    def members(self, number: int) -> Iterator[int]:
        """A field and all in it, in the order of the file within each."""
        yield number
        for child in self.below[number]:
            yield from self.members(child)

    def leaves(
        self, number: int, path: str, levels: tuple[FieldLevel, ...], shape: tuple[int, ...]
    ) -> Iterator[FieldLeaf]:
        """The columns of a field and of those in it."""
        record, columns = self.schema.fields[number], self.columns[number]
        if any(self.schema.columns[column].representation for column in columns):
            raise NotTakenApartError
        if record.flags & REPETITIVE:
            shape = (*shape, record.size)
        if not columns:
            yield from self._in(number, path, levels, shape)
        elif len(columns) == 1 and record.role == LEAF:
            yield self._leaf(columns[0], path, levels, shape)
        elif len(columns) == 1 and record.role == COLLECTION:
            yield from self._counted(number, path, levels, shape)
        elif len(columns) == 2 and record.role in (LEAF, STREAMED) and self._is_index(columns[0]):
            above = (*levels, *_fixed(shape), FieldLevel(self._physical(columns[0])))
            yield self._leaf(columns[1], path, above, ())
        else:
            raise NotTakenApartError

    def _in(
        self, number: int, path: str, levels: tuple[FieldLevel, ...], shape: tuple[int, ...]
    ) -> Iterator[FieldLeaf]:
        """The columns of the fields in a field."""
        record = self.schema.fields[number]
        if record.role not in (LEAF, COLLECTION, RECORD):
            raise NotTakenApartError
        for child in self.below[number]:
            name = self.schema.fields[child].name
            below = path if is_anonymous(self.schema, child) else f"{path}.{name}"
            yield from self.leaves(child, below, levels, shape)

    def _counted(
        self, number: int, path: str, levels: tuple[FieldLevel, ...], shape: tuple[int, ...]
    ) -> Iterator[FieldLeaf]:
        """The columns of the items of a collection; its counts, where there are none."""
        (index,) = self.columns[number]
        if not self._is_index(index):
            raise NotTakenApartError
        below = (*levels, *_fixed(shape), FieldLevel(self._physical(index)))
        within = list(self._in(number, path, below, ()))
        yield from within or [self._leaf(index, path, levels, shape)]

    def _leaf(
        self, column: int, path: str, levels: tuple[FieldLevel, ...], shape: tuple[int, ...]
    ) -> FieldLeaf:
        physical = self._physical(column)
        if physical.encoding.dtype == SWITCH or 0 in shape:
            raise NotTakenApartError
        name = self.shown.get(column, path)
        return FieldLeaf(name, physical, levels, shape, physical.encoding.name in INDICES)

    def _is_index(self, column: int) -> bool:
        return self._physical(column).encoding.name in INDICES

    def _physical(self, column: int) -> PhysicalColumn:
        record = self.schema.columns[column]
        encoding = encoding_of(record.kind, record.bits)
        if encoding is None:
            raise NotTakenApartError
        return PhysicalColumn(column, encoding, bool(record.flags & DEFERRED))


def _fixed(shape: tuple[int, ...]) -> tuple[FieldLevel, ...]:
    """Fixed sizes above a count."""
    return (FieldLevel(None, int(np.prod(shape))),) if shape else ()


def _projections(schema: Schema) -> dict[int, str]:
    """The names at the top under which columns of elements are shown as well, by number of the column."""
    shown: dict[int, str] = {}
    for alias in schema.aliases:
        encoding = encoding_of(schema.columns[alias.column].kind, schema.columns[alias.column].bits)
        if encoding is not None and encoding.name not in INDICES:
            shown.setdefault(alias.column, path_of(schema, alias.field))
    return shown


def path_of(schema: Schema, number: int) -> str:
    """Path of a field, anonymous items left out."""
    record = schema.fields[number]
    if record.parent == number:
        return record.name
    above = path_of(schema, record.parent)
    return above if is_anonymous(schema, number) else f"{above}.{record.name}"


def is_anonymous(schema: Schema, number: int) -> bool:
    """Whether a field is the one item of a collection, of an array, of an enumeration: it has no name of its own."""
    record = schema.fields[number]
    return record.name == "_0" and schema.fields[record.parent].role != RECORD


def top_of(schema: Schema, number: int) -> int:
    """The field at the top that a field is in."""
    while schema.fields[number].parent != number:
        number = schema.fields[number].parent
    return number


def title_of(schema: Schema, number: int) -> str:
    """The description of a field, or of the nearest above it that has one."""
    record = schema.fields[number]
    if record.description or record.parent == number:
        return record.description
    return title_of(schema, record.parent)


def branches_of(schema: Schema) -> dict[str, Branch]:
    """The columns of an RNTuple as branches, by name; one that is projected once, under the name of its projection.

    Parameters
    ----------
    schema
        Its fields and columns, those of the extension too.
    """
    counters = cardinalities(schema)
    branches: dict[str, Branch] = {}
    for name, field in top_fields(schema).items():
        record = schema.fields[field.number]
        found = list(_described(schema, field, counters))
        other = Branch(name, "other", record.type_name, title=record.description)
        branches |= {branch.name: branch for branch in found or [other]}
    titles = {record.name: record.description for n, record in enumerate(schema.fields) if record.parent == n}
    return branches | {
        counter: Branch(counter, "flat", "ROOT::RNTupleCardinality", "uint32", title=titles[counter])
        for counter in counters.values()
    }


def _described(schema: Schema, field: TopField, counters: Mapping[int, str]) -> Iterator[Branch]:
    """Branches of a field at the top."""
    top = schema.fields[field.number]
    for leaf in field.leaves:
        record = schema.fields[schema.columns[leaf.column.number].field]
        title, typename = title_of(schema, schema.columns[leaf.column.number].field), record.type_name
        kind, counter = _kind(schema, leaf), None
        if kind == "jagged" and leaf.levels[0].index is not None:
            counter = counters.get(leaf.levels[0].index.number)
            typename = top.type_name or typename
        if kind in ("string", "other"):
            yield Branch(leaf.name, kind, typename, title=title)
        else:
            dtype = seen_dtype(leaf.column.encoding).name
            yield Branch(leaf.name, kind, typename, dtype, leaf.shape, counter, title)


def _kind(schema: Schema, leaf: FieldLeaf) -> str:
    """What a column is, as `Branch.kind` says it."""
    if not leaf.levels:
        return "other" if leaf.counts else "flat"
    if len(leaf.levels) > 1 or leaf.levels[0].index is None or leaf.counts:
        return "other"
    owner = schema.columns[leaf.levels[0].index.number].field
    if owner == schema.columns[leaf.column.number].field:
        return "string" if leaf.column.encoding.name == "Char" else "other"
    typename = schema.fields[owner].type_name
    return "jagged" if not typename or typename.startswith(LISTS) else "other"
