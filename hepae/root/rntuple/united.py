"""One schema for several RNTuples: fields are matched by their paths, columns by what they hold. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from hepae.errors import SchemaError
from hepae.root.rntuple.encodings import encoding_of
from hepae.root.rntuple.fields import COLLECTION
from hepae.root.rntuple.schema import DEFERRED, PROJECTED, RANGE, REPETITIVE, ColumnRecord, Schema

__all__ = ["Matched", "elements_of_entries", "extend", "field_paths", "matched"]

VARIANT: Final = 3
FILL = "fill it with zeros where it is missing: --fill"


def field_paths(schema: Schema) -> list[str]:
    """The path of each field.

    Examples
    --------
    >>> from hepae.root.rntuple.schema import FieldRecord
    >>> field_paths(Schema([FieldRecord("Jet", "", 0), FieldRecord("_0", "", 0), FieldRecord("pt", "float", 1)]))
    ['Jet', 'Jet._0', 'Jet._0.pt']
    """
    paths: list[str] = []
    for number, record in enumerate(schema.fields):
        above = f"{paths[record.parent]}." if record.parent != number else ""
        paths.append(above + record.name)
    return paths


def elements_of_entries(schema: Schema) -> list[int]:
    """Elements that each column has for an entry that is all zeros: none below what is counted."""
    size: list[int] = []
    for number, record in enumerate(schema.fields):
        above = size[record.parent] if record.parent != number else 1
        parent = schema.fields[record.parent]
        counted = record.parent != number and parent.role in (COLLECTION, VARIANT)
        size.append(0 if counted else above * (record.size if record.flags & REPETITIVE else 1))
    found, seen = [], set()
    for column in schema.columns:
        # of several columns of a representation the first counts the others
        first = (column.field, column.representation) not in seen
        seen.add((column.field, column.representation))
        found.append(size[column.field] if first else 0)
    return found


@dataclass
class Matched:
    """What the columns of an RNTuple become in another.

    Attributes
    ----------
    columns
        Columns of the same encoding: theirs, and the own ones.
    encoded_anew
        Columns of the same elements in another encoding.
    """

    columns: dict[int, int] = field(default_factory=dict)
    encoded_anew: dict[int, int] = field(default_factory=dict)

    @property
    def theirs(self) -> dict[int, int]:
        """The column that each of the own ones comes from."""
        return {own: their for columns in (self.columns, self.encoded_anew) for their, own in columns.items()}


def matched(own: Schema, other: Schema, where: str, first: str, fill: bool) -> Matched:
    """Match the columns of an RNTuple with those of another.

    Parameters
    ----------
    own, other
        Both schemas, extensions included.
    where, first
        Names of the other and of the own one, for messages.
    fill
        Whether fields at the top that only the own one has are filled.

    Raises
    ------
    SchemaError
        If fields differ, or their columns hold other elements; the message names the first.
    """
    mine, theirs = _facts(own), _facts(other)
    for path in [*mine, *theirs]:
        has, lacks = (first, where) if path in mine else (where, first)
        lacking = path not in (theirs if path in mine else mine)
        if lacking and not (fill and path in mine and path.partition(".")[0] not in theirs):
            raise SchemaError(
                "RNTuples with different fields",
                where=lacks,
                expected=f"{path}, as in {has}",
                got="no such field",
                hint=FILL,
            )
    for path, facts in theirs.items():
        for name, fact in facts.items():
            if fact != mine[path][name]:
                raise SchemaError(
                    f"a field of another {name}",
                    where=f"{where}, {path}",
                    expected=f"{mine[path][name]}, as in {first}",
                    got=str(fact),
                )
    return _matched_columns(own, other, where)


def _facts(schema: Schema) -> dict[str, dict[str, object]]:
    """What must be the same of two fields, as ROOT demands it when it merges, by path."""
    paths = field_paths(schema)
    return {
        path: {
            "type": record.type_name,
            "version": (record.version, record.type_version),
            "structure": (record.role, record.size, record.flags & (REPETITIVE | PROJECTED)),
            "source": paths[record.source] if record.projected else "",
        }
        for path, record in zip(paths, schema.fields, strict=True)
    }


def _representations(schema: Schema) -> dict[str, dict[int, list[int]]]:
    """The columns of each field by representation, by path."""
    paths = field_paths(schema)
    found: dict[str, dict[int, list[int]]] = {}
    for number, column in enumerate(schema.columns):
        found.setdefault(paths[column.field], {}).setdefault(column.representation, []).append(number)
    return found


def _matched_columns(own: Schema, other: Schema, where: str) -> Matched:
    found, mine = Matched(), _representations(own)
    for path, representations in _representations(other).items():
        for theirs in representations.values():
            kinds = [_kind(other.columns[number]) for number in theirs]
            same = [
                columns
                for columns in mine.get(path, {}).values()
                if [_kind(own.columns[number]) for number in columns] == kinds
            ]
            if same:
                found.columns |= dict(zip(theirs, same[0], strict=True))
            elif len(representations) == 1 and _holds_same(own, mine.get(path, {}).get(0, []), other, theirs):
                found.encoded_anew |= dict(zip(theirs, mine[path][0], strict=True))
            else:
                raise SchemaError(
                    "a field with columns of another kind", where=f"{where}, {path}", got=str(kinds)
                )
    return found


def _kind(column: ColumnRecord) -> tuple[float, ...]:
    """What decides what the bytes of a page mean."""
    return (column.kind, column.bits, column.flags & RANGE, column.low, column.high)


def _holds_same(own: Schema, mine: list[int], other: Schema, theirs: list[int]) -> bool:
    """Whether columns hold the same elements, one of them split by bytes and the other not."""
    return len(mine) == len(theirs) and all(
        own.columns[one].bits == other.columns[two].bits
        and not (own.columns[one].flags | other.columns[two].flags) & RANGE
        and _dtype(own.columns[one]) == _dtype(other.columns[two]) is not None
        for one, two in zip(mine, theirs, strict=True)
    )


def _dtype(column: ColumnRecord) -> str | None:
    """The dtype of elements whose bytes may be split; index columns are kept apart from numbers."""
    encoding = encoding_of(column.kind, column.bits)
    if encoding is None or encoding.bits != 8 * encoding.dtype.itemsize:
        return None
    return encoding.name.removeprefix("Split")


def extend(own: Schema, extension: Schema, other: Schema, entries: int) -> None:
    """Add the fields at the top that only another RNTuple has to an extension: for entries before they are zero.

    Parameters
    ----------
    own
        The schema in the header.
    extension
        What is added to it; it grows.
    other
        The schema of the other one.
    entries
        How many there are before.
    """
    whole = own + extension
    there, theirs = set(field_paths(whole)), field_paths(other)
    numbers = {path: number for number, path in enumerate(field_paths(whole))}
    new = [number for number, path in enumerate(theirs) if path.partition(".")[0] not in there]
    for number in new:
        numbers[theirs[number]] = len(numbers)
    for number in new:
        record = other.fields[number]
        source = numbers.get(theirs[record.source], 0) if record.projected else 0
        extension.fields.append(replace(record, parent=numbers[theirs[record.parent]], source=source))
    added = set(new)
    for column, each in zip(other.columns, elements_of_entries(other), strict=True):
        if column.field in added:
            flags, first = column.flags & ~DEFERRED, entries * each
            if first:
                flags |= DEFERRED
            field_number = numbers[theirs[column.field]]
            extension.columns.append(replace(column, field=field_number, flags=flags, first=first))
    columns = _matched_by_place(own + extension, other)
    extension.aliases += [
        replace(alias, column=columns[alias.column], field=numbers[theirs[alias.field]])
        for alias in other.aliases
        if alias.field in added
    ]
    extension.extra += [item for item in other.extra if item not in whole.extra]


def _matched_by_place(own: Schema, other: Schema) -> dict[int, int]:
    """Columns of fields of the same path, of which the first has other representations than the second at most."""
    mine = _representations(own)
    return {
        their: mine[path][number][place]
        for path, representations in _representations(other).items()
        for number, columns in representations.items()
        for place, their in enumerate(columns)
        if place < len(mine.get(path, {}).get(number, []))
    }
