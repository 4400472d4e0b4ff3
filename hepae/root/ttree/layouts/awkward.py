"""Columns as Awkward arrays of the types that uproot gives. The only part that knows Awkward."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import Any

import awkward as ak
import numpy as np

from hepae.root.columns import Nested
from hepae.root.ttree.layouts.fields import ColumnType, seen_values
from hepae.root.ttree.layouts.runs import edges_of

__all__ = ["branch_to_awkward", "to_awkward"]


def to_awkward(column: ColumnType, nested: Nested) -> ak.Array:
    """What uproot gives for a column.

    Parameters
    ----------
    column
        What it is.
    nested
        Its values, as stored.

    Returns
    -------
    awkward.Array
        Booleans and floats where integers stand for them, strings of text, fixed dimensions as regular lists.

    Examples
    --------
    >>> from hepae.root.ttree.layouts.fields import Field
    >>> to_awkward(ColumnType(Field("", "float32"), 1), Nested((np.array([2, 0]),), np.ones(2, "f4"))).typestr
    '2 * var * float32'
    """
    return ak.Array(content_of(column, nested))


def branch_to_awkward(columns: tuple[ColumnType, ...], values: Mapping[str, Nested]) -> ak.Array:
    """What uproot gives for a branch: its column, or a record of its columns; counted together, a list of records."""
    if len(columns) == 1:
        return to_awkward(columns[0], values[columns[0].name])
    names = [column.name for column in columns]
    levels = values[names[0]].levels
    shared = len({column.levels for column in columns}) == len({column.counter for column in columns}) == 1
    if not shared:
        parts = [content_of(column, values[column.name]) for column in columns]
        return ak.Array(ak.contents.RecordArray(parts, names))
    parts = [rows_of(column, values[column.name]) for column in columns]
    return ak.Array(lists(ak.contents.RecordArray(parts, names, len(values[names[0]].values)), levels))


def content_of(column: ColumnType, nested: Nested) -> Any:
    """The layout of a column, in Awkward's sense of the word."""
    if not column.text:
        return lists(rows_of(column, nested), nested.levels, column.marks)
    letters = ak.contents.NumpyArray(nested.values, parameters={"__array__": "char"})
    edges = ak.index.Index64(edges_of(nested.levels[-1]))
    text = ak.contents.ListOffsetArray(edges, letters, parameters={"__array__": "string"})
    return lists(text, nested.levels[:-1], column.marks)


def rows_of(column: ColumnType, nested: Nested) -> Any:
    """The rows of a column, with its fixed dimensions."""
    values = seen_values(column.field, nested.values)
    content = ak.contents.NumpyArray(np.ascontiguousarray(values).reshape(-1))
    length = len(values)
    sizes = values.shape[1:]
    for number in reversed(range(len(sizes))):
        length = int(np.prod(values.shape[: number + 1], dtype=np.int64))
        content = ak.contents.RegularArray(content, sizes[number], length)
    return content


def lists(content: Any, levels: tuple[Any, ...], marks: tuple[str, ...] = ()) -> Any:
    """Lists of lists, innermost level first."""
    for counts, mark in reversed(list(zip_longest(levels, marks, fillvalue=""))):
        parameters = {"__array__": mark} if mark else None
        content = ak.contents.ListOffsetArray(
            ak.index.Index64(edges_of(counts)), content, parameters=parameters
        )
    return content
