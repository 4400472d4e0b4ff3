"""Tables and columns of a tree: what they are called, and how their values are shaped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

__all__ = ["EVENTS", "ColumnInfo", "ColumnSpec", "TableSpec"]

EVENTS: Final = 0
"""The first table has one row per entry."""


class TableSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows with one multiplicity.

    Parameters
    ----------
    name
        What people call it: the common prefix of its columns. Only a label.
    parent
        The table in whose rows its rows are counted; the event table is its own parent.
    counter
        The column of the parent that holds the counts; of no meaning for the event table.
    """

    name: str
    parent: int
    counter: int


class ColumnSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One column.

    Parameters
    ----------
    name
        Full path of the branch, with the leaf where a branch has several; with ``#`` at its end for counts, and for
        numbers of linked rows, that no branch of the tree holds.
    dtype, shape
        NumPy dtype in native byte order, fixed dimensions of one value.
    table
        The table that it is a column of.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    table: int = EVENTS


@dataclass(frozen=True)
class ColumnInfo:
    """A column of a tree.

    Parameters
    ----------
    name
        Full path of its branch, with the leaf where a branch has several.
    branch
        Full path of its branch.
    dtype, shape
        NumPy dtype in native byte order; fixed dimensions of one value.
    depth
        How many levels of counts it has.
    counter
        The column that the file says counts it, if any.
    """

    name: str
    branch: str
    dtype: str
    shape: tuple[int, ...] = ()
    depth: int = 0
    counter: str | None = None
