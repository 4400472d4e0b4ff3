"""The schema of an RNTuple with some of its fields at the top, numbered anew. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from hepae.root.rntuple.fields import top_of
from hepae.root.rntuple.schema import Alias, ColumnRecord, FieldRecord, Schema

__all__ = ["Narrowed", "narrowed"]


@dataclass(frozen=True)
class Narrowed:
    """What is left of a schema.

    Attributes
    ----------
    header, extension
        The fields and columns that stood in the header, with those that were added to it, and in the extension.
    columns
        The new number of each physical column that is left, by its old one.
    added
        Number of the column that was added; that of the first column of the extension without one.
    """

    header: Schema
    extension: Schema
    columns: dict[int, int]
    added: int


def narrowed(
    header: Schema,
    extension: Schema,
    keep: Collection[str],
    added: tuple[FieldRecord, ColumnRecord] | None = None,
) -> Narrowed:
    """Leave out fields at the top, with the projections of what is in them.

    Parameters
    ----------
    header, extension
        The schema, and what was added to it.
    keep
        Names of the fields at the top that stay. A projection stays where all that it shows does.
    added
        A field at the top with one column, which is put at the end of the header.
    """
    whole = header + extension
    tops = [top_of(whole, number) for number in range(len(whole.fields))]
    gone = {
        number
        for number, record in enumerate(whole.fields)
        if number == record.parent and not record.projected and record.name not in keep
    }
    sources = [(tops[alias.field], tops[whole.columns[alias.column].field]) for alias in whole.aliases]
    gone |= {shown for shown, source in sources if source in gone}
    split = len(header.fields), len(header.columns)
    more = (1, 1) if added is not None else (0, 0)
    fields = _numbered([tops[number] not in gone for number in range(len(whole.fields))], split[0], more[0])
    stay = [tops[column.field] not in gone for column in whole.columns]
    columns = _numbered(stay, split[1], more[1])
    parts = [
        Schema(
            [
                replace(record, parent=fields[record.parent], source=fields.get(record.source, 0))
                for number, record in enumerate(whole.fields)
                if number in fields and (number < split[0]) is early
            ],
            [
                replace(column, field=fields[column.field])
                for number, column in enumerate(whole.columns)
                if number in columns and (number < split[1]) is early
            ],
            [
                Alias(columns[alias.column], fields[alias.field], alias.rest)
                for alias in part.aliases
                if alias.field in fields
            ],
            list(part.extra),
        )
        for part, early in ((header, True), (extension, False))
    ]
    if added is not None:
        field, column = added
        number = len(parts[0].fields)
        parts[0].fields.append(replace(field, parent=number))
        parts[0].columns.append(replace(column, field=number))
    return Narrowed(parts[0], parts[1], columns, len(parts[0].columns) - more[1])


def _numbered(stay: list[bool], split: int, added: int) -> dict[int, int]:
    """New numbers of what stays, with room for what is added between header and extension."""
    numbers: dict[int, int] = {}
    for number, stays in enumerate(stay):
        if stays:
            numbers[number] = len(numbers) + (added if number >= split else 0)
    return numbers
