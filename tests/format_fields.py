"""A second maker of the elements of RNTuples, from ``docs/format/v1.md`` §17.6 alone: entry by entry, slow and simple.

It knows fields and columns as uproot parses a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import uproot

INDICES = (0x0E, 0x0F, 0x1A, 0x1B)
Rows = list[Any]


def envelope(data: bytes) -> tuple[Any, bytes]:
    """A header as uproot has it, and what stands behind it."""
    length = int.from_bytes(data[2:8], "little")
    chunk = uproot.source.chunk.Chunk.wrap(None, memoryview(data[:length]))
    reader = uproot.models.RNTuple.HeaderReader()
    return reader.read(chunk, uproot.source.cursor.Cursor(0), {}), data[length:]


class Maker:
    """Makes the elements of one field at the top for the entries of a cluster.

    Parameters
    ----------
    header
        As uproot has it.
    columns
        For each physical column of elements, or of counts, what each entry has: a row, or lists of rows.
    """

    def __init__(self, header: Any, columns: Mapping[int, Rows]) -> None:
        self.fields, self.records = header.field_records, header.column_records
        self.columns = columns
        self.made: dict[int, list[Any]] = {}

    def field(self, number: int) -> dict[int, list[Any]]:
        """The elements of the columns of a field and of those in it."""
        self._walk(number, dict(self.columns))
        return self.made

    def _walk(self, number: int, rows: dict[int, Rows]) -> None:
        """``rows`` has, for each column, what each row of the field has of it."""
        own = [n for n, record in enumerate(self.records) if record.field_id == number]
        size = self.fields[number].repetition
        below = [n for n, f in enumerate(self.fields) if f.parent_field_id == number != n]
        if size and self._counted(number):  # a level of constant counts
            rows = {column: [item for row in values for item in row] for column, values in rows.items()}
        for column in own:
            if self.records[column].type not in INDICES:
                self.made[column] = [item for row in rows[column] for item in flat(row)]
            elif column in self.columns:  # offsets of nothing
                self.made[column] = sums(rows[column])
            else:
                first = next(values for name, values in rows.items() if self._is_below(name, number))
                self.made[column] = sums([len(row) for row in first])
                rows = {name: [item for row in values for item in row] for name, values in rows.items()}
        for child in below:
            mine = {name: values for name, values in rows.items() if self._is_below(name, child)}
            if mine:
                self._walk(child, mine)

    def _is_below(self, column: int, field: int) -> bool:
        number = self.records[column].field_id
        while number != field and self.fields[number].parent_field_id != number:
            number = self.fields[number].parent_field_id
        return bool(number == field)

    def _counted(self, number: int) -> bool:
        """Whether an index column is below a field, or of it."""
        return any(
            record.type in INDICES and name not in self.columns and self._is_below(name, number)
            for name, record in enumerate(self.records)
        )


def flat(row: Any) -> list[Any]:
    """All numbers of a row with dimensions."""
    if isinstance(row, list):
        return [number for part in row for number in flat(part)]
    return [row]


def sums(counts: list[int]) -> list[int]:
    """Offsets of rows that have so many items."""
    ends, end = [], 0
    for count in counts:
        end += int(count)
        ends.append(end)
    return ends
