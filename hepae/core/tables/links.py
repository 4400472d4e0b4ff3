"""Rows of one table that name rows of another: values along a link. No I/O."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats, Values
from hepae.core.values.lattice import Lattice

__all__ = ["Linked", "along"]


class Linked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of another table that the columns of a codec may be predicted from.

    Parameters
    ----------
    name
        What the predictions call it.
    column
        The column, of a table that is counted in entries.
    index
        The column of the codec's own table that names the row, from 0 in each entry; other values name none.
    lattice
        What its values are counted in, where a prediction looks at them in tables.
    """

    name: str
    column: int
    index: int
    lattice: Lattice


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
