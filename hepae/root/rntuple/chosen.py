"""Chosen entries of the columns of a cluster, element by element. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from hepae.arrays import Array, Booleans
from hepae.errors import InputError, UnsupportedError
from hepae.root.rntuple.encodings import SWITCH, encoding_of
from hepae.root.rntuple.fields import COLLECTION, INDICES
from hepae.root.rntuple.schema import REPETITIVE, Schema

__all__ = ["ChosenEntries", "stored_elements"]

Read: TypeAlias = Callable[[int, int], Array]
"""Gives the elements of a column, of which there are so many in the cluster."""


class ChosenEntries:
    """Chooses entries of an RNTuple, all fields with what is in them.

    Parameters
    ----------
    schema
        Of the header, with its extension.
    where
        For messages.

    Raises
    ------
    UnsupportedError
        If a column is of a type that is not known.
    """

    def __init__(self, schema: Schema, where: str) -> None:
        self.schema, self.where = schema, where
        self.below: list[list[int]] = [[] for _ in schema.fields]
        self.columns: list[dict[int, list[int]]] = [{} for _ in schema.fields]
        for number, record in enumerate(schema.fields):
            if record.parent != number and not record.projected:
                self.below[record.parent].append(number)
        for number, column in enumerate(schema.columns):
            if encoding_of(column.kind, column.bits) is None:
                raise UnsupportedError(
                    "a column of a type that is not known",
                    where=f"{where}, {schema.fields[column.field].name}",
                    got=column.kind,
                )
            self.columns[column.field].setdefault(column.representation, []).append(number)

    def choose(self, read: Read, keep: Booleans, aside: Booleans) -> dict[int, Array]:
        """The elements of the chosen entries of a cluster, by column; counts in place of offsets, tags of variants.

        Parameters
        ----------
        read
            Gives the elements of a column.
        keep : bool [entries]
            Which entries.
        aside : bool [n_columns]
            Columns of representations that the cluster does not use.

        Raises
        ------
        InputError
            If counts do not fit.
        """
        return dict(
            pair
            for number, record in enumerate(self.schema.fields)
            if record.parent == number and not record.projected
            for pair in self._field(number, read, keep, aside)
        )

    def _field(self, number: int, read: Read, keep: Booleans, aside: Booleans) -> Iterator[tuple[int, Array]]:
        record = self.schema.fields[number]
        if record.flags & REPETITIVE:
            keep = np.repeat(keep, record.size)
        columns = self._used(number, aside)
        if not columns:
            for child in self.below[number]:
                yield from self._field(child, read, keep, aside)
        elif is_index(self.schema, columns[0]) and (len(columns) > 1 or record.role == COLLECTION):
            yield from self._counted(number, columns, read, keep, aside)
        elif self.schema.columns[columns[0]].kind == VARIANT:
            yield from self._variant(number, columns[0], read, keep, aside)
        else:
            for column in columns:
                yield column, read(column, len(keep))[keep]

    def _used(self, number: int, aside: Booleans) -> Sequence[int]:
        """The columns of the representation of a field that is used in the cluster."""
        for columns in self.columns[number].values():
            if not aside[columns].any():
                return columns
        return []

    def _counted(
        self, number: int, columns: Sequence[int], read: Read, keep: Booleans, aside: Booleans
    ) -> Iterator[tuple[int, Array]]:
        """A collection, or a string: offsets, and what they count."""
        offsets = read(columns[0], len(keep))
        counts: Array = np.diff(offsets.astype(np.int64), prepend=0)
        if len(counts) and counts.min() < 0:
            raise InputError("rows that end before they begin", where=f"{self.where}, column {columns[0]}")
        yield columns[0], counts[keep].astype(offsets.dtype)
        within = np.repeat(keep, counts)
        for column in columns[1:]:
            yield column, read(column, len(within))[within]
        for child in self.below[number]:
            yield from self._field(child, read, within, aside)

    def _variant(
        self, number: int, column: int, read: Read, keep: Booleans, aside: Booleans
    ) -> Iterator[tuple[int, Array]]:
        """A variant: which alternative each row has, and the rows of each alternative."""
        switches = read(column, len(keep))
        for tag, child in enumerate(self.below[number], 1):
            rows = switches["tag"] == tag
            if not np.array_equal(switches["index"][rows], np.arange(int(rows.sum()))):
                raise InputError("alternatives out of order", where=f"{self.where}, column {column}")
            yield from self._field(child, read, keep[rows], aside)
        yield column, switches["tag"][keep]


VARIANT = 0x10
"""The type of columns that say which alternative a variant has."""


def is_index(schema: Schema, column: int) -> bool:
    """Whether the elements of a column are offsets."""
    record = schema.columns[column]
    encoding = encoding_of(record.kind, record.bits)
    return encoding is not None and encoding.name in INDICES


def stored_elements(schema: Schema, column: int, chosen: Array) -> Array:
    """The elements of a column of a cluster: offsets of counts, and of alternatives the rows that they have.

    Parameters
    ----------
    schema, column
        Which column.
    chosen
        What `ChosenEntries.choose` gave of it, one run after the other.

    Examples
    --------
    >>> from hepae.root.rntuple.schema import ColumnRecord
    >>> schema = Schema(columns=[ColumnRecord(0x0E, 32, 0), ColumnRecord(0x10, 96, 1)])
    >>> stored_elements(schema, 0, np.uint32([1, 0, 2])).tolist()
    [1, 1, 3]
    >>> stored_elements(schema, 1, np.uint32([2, 1, 2])).tolist()
    [(0, 2), (0, 1), (1, 2)]
    """
    if is_index(schema, column):
        offsets: Array = np.cumsum(chosen, dtype=chosen.dtype)
        return offsets
    if schema.columns[column].kind != VARIANT:
        return chosen
    switches = np.zeros(len(chosen), SWITCH)
    switches["tag"] = chosen
    for tag in np.unique(chosen[chosen > 0]):
        rows = chosen == tag
        switches["index"][rows] = np.arange(int(rows.sum()))
    return switches
