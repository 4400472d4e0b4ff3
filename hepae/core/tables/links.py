"""What a row of one table sees of another: the row that it names, or what an entry's rows say of the entry. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Booleans, Floats, Values
from hepae.core.values.lattice import Lattice
from hepae.core.values.nested import Nested

__all__ = ["Linked", "Only", "along", "linked_values", "of_row", "summed"]


class Only(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which rows are summed: those whose column of integers has one of some values.

    Parameters
    ----------
    column
        The column, of the table that is summed.
    values
        The values, rising.
    """

    column: int
    values: tuple[int, ...]


class Linked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A column of another table that the columns of a codec may be predicted from.

    With ``index``, each row gets the value of the row that it names. Without, the codec is of the event table: an entry
    gets the value of its row number ``row``, or else the sum over its rows.

    Parameters
    ----------
    name
        What the predictions call it.
    column
        The column, of a table that is counted in entries.
    index
        The column of the codec's own table that names the row, from 0 in each entry; other values name none.
    row
        A row of each entry, from 0.
    factor
        What the value is multiplied with.
    least
        Of a sum: rows with values below take no part.
    only
        Of a sum: rows must be all of these.
    lattice
        What its values are counted in, where a prediction looks at them in tables.
    """

    name: str
    column: int
    index: int | None = None
    row: int | None = None
    factor: float = 1.0
    least: float | None = None
    only: tuple[Only, ...] = ()
    lattice: Lattice

    @property
    def needs(self) -> tuple[int, ...]:
        """The columns that it is made of."""
        index = () if self.index is None else (self.index,)
        return self.column, *index, *(one.column for one in self.only)


def linked_values(one: Linked, columns: Mapping[int, Nested], counts: NDArray[np.int64]) -> Floats:
    """The values of a linked column for the rows of a table, float64[n]; not a number where there is none.

    Parameters
    ----------
    one
        The linked column.
    columns
        What it is made of, by number.
    counts
        Rows of the table in each entry, int64[entries].
    """
    column = columns[one.column]
    rows = column.levels[-1].astype(np.int64)
    if one.index is not None:
        index = columns[one.index]
        if not np.array_equal(index.levels[-1], counts):  # the index has rows of its own in this chunk
            return np.full(int(counts.sum()), np.nan)
        return along(column.values, rows, index.values, counts) * one.factor
    if one.row is not None:
        return of_row(column.values, rows, one.row) * one.factor
    chosen = np.ones(len(column.values), np.bool_)
    if one.least is not None:
        chosen &= column.values.astype(np.float64) >= one.least
    for only in one.only:
        kinds = columns[only.column]
        if not np.array_equal(kinds.levels[-1], rows):
            return np.full(len(rows), np.nan)
        chosen &= np.isin(kinds.values.astype(np.int64), np.array(only.values, np.int64))
    return summed(column.values, rows, chosen) * one.factor


def along(values: Values, rows: NDArray[np.int64], index: Values, counts: NDArray[np.int64]) -> Floats:
    """The values that rows of a table are linked to, float64[n]; not a number where an index names no row.

    Parameters
    ----------
    values
        Of the other table, [m].
    rows
        Rows of that table in each entry, int64[entries].
    index
        The row that each row names, [n].
    counts
        Rows of this table in each entry, int64[entries].

    Examples
    --------
    >>> along(np.array([5, 6, 7]), np.array([2, 1]), np.array([1, -1, 0, 1]), np.array([1, 3])).tolist()
    [6.0, nan, 7.0, nan]
    """
    first = np.repeat(np.cumsum(rows) - rows, counts)
    number = index.astype(np.int64)
    named = (number >= 0) & (number < np.repeat(rows, counts))
    out = np.full(len(index), np.nan)
    out[named] = values[first[named] + number[named]]
    return out


def of_row(values: Values, rows: NDArray[np.int64], row: int) -> Floats:
    """The value of one row of each entry, float64[entries]; not a number where an entry has no such row.

    Examples
    --------
    >>> of_row(np.array([5, 6, 7]), np.array([2, 0, 1]), 1).tolist()
    [6.0, nan, nan]
    """
    out = np.full(len(rows), np.nan)
    there = rows > row
    out[there] = values[(np.cumsum(rows) - rows)[there] + row]
    return out


def summed(values: Values, rows: NDArray[np.int64], chosen: Booleans) -> Floats:
    """The sum over the chosen rows of each entry, added one after the other to 0, float64[entries].

    Examples
    --------
    >>> summed(np.array([5, 6, 7]), np.array([2, 0, 1]), np.array([True, False, True])).tolist()
    [5.0, 0.0, 7.0]
    """
    entry = np.repeat(np.arange(len(rows)), rows)[chosen]
    # bincount adds one after the other; np.add.reduceat, in pairs
    sums = np.bincount(entry, weights=values[chosen].astype(np.float64), minlength=len(rows))
    return np.asarray(sums, np.float64)
