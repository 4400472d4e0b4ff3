"""Columns as Awkward arrays of the types that uproot gives. The only part that knows Awkward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

import awkward as ak
import numpy as np

from hepae.core.values.nested import Nested
from hepae.root.ttree.layouts.classes import ClassType
from hepae.root.ttree.layouts.fields import ColumnType, Field, seen_values
from hepae.root.ttree.layouts.layout import Layout
from hepae.root.ttree.layouts.rows import LeafList
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


def branch_to_awkward(layout: Layout, values: Mapping[str, Nested]) -> ak.Array:
    """What uproot gives for a branch.

    Parameters
    ----------
    layout
        Of the branch.
    values
        Its columns, as stored.

    Returns
    -------
    awkward.Array
        Its column, a record of its columns, or lists of records of what is counted together.
    """
    columns = layout.columns
    if isinstance(layout, LeafList):
        parts = [content_of(column, values[column.name]) for column in columns]
        return ak.Array(ak.contents.RecordArray(parts, [column.name for column in columns]))
    if len(columns) == 1 and layout.object is None:
        return to_awkward(columns[0], values[columns[0].name])
    rows = {column.name: rows_of(column, values[column.name]) for column in columns}
    first = values[columns[0].name]
    if layout.object is None:
        content = ak.contents.RecordArray(list(rows.values()), list(rows), len(first.values))
    else:
        content = object_of(layout.object, rows, "", len(first.values))
    return ak.Array(lists(content, first.levels, columns[0].marks))


def object_of(kind: ClassType, rows: Mapping[str, Any], path: str, length: int) -> Any:
    """Objects of a class as records, objects inside them as records in these; what ``@`` hides stays hidden."""
    members = dict(members_of(kind, rows, path, length))
    return ak.contents.RecordArray(
        list(members.values()), list(members), length, parameters={"__record__": kind.name}
    )


def members_of(kind: ClassType, rows: Mapping[str, Any], path: str, length: int) -> Iterator[tuple[str, Any]]:
    """Members of a class by name, those of its base classes among them."""
    for member in kind.members:
        name = f"{path}.{member.name}".strip(".")
        if member.field is not None:
            yield member.name, rows.get(name, empty(member.field))
        elif member.object is not None and member.name:
            yield member.name, object_of(member.object, rows, name, length)
        elif member.object is not None:
            yield from members_of(member.object, rows, path, length)


def empty(field: Field) -> Any:
    """No rows of a field, for objects of which none was seen."""
    return rows_of(ColumnType(field), Nested((), np.zeros((0, *field.shape), field.dtype)))


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
