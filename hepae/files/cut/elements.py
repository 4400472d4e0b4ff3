"""Elements of arrays by their indices, one per event."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.errors import CutError
from hepae.files.cut.integers import joined
from hepae.files.cut.values import Value, of_column
from hepae.root.columns import Column, Jagged

__all__ = ["element", "indices"]


def indices(value: Value) -> tuple[Array, Booleans]:
    """Indices of the events (int64, or uint64 beyond), and where they are known.

    Raises
    ------
    CutError
        If there is one per object, or they are no integers.
    """
    if value.counts is not None:
        raise CutError(
            "an array for an index: TTree::Draw takes it for indices, C++ for a mask",
            hint="write Sum$(x * (condition)), or index by a number",
        )
    if value.values.dtype.kind not in "iu":
        raise CutError("an index that is no integer", hint="write int(x)")
    known = np.ones(len(value.values), bool) if value.unknown is None else ~value.unknown
    pair = joined(value.values, np.zeros(1, np.int64))
    return (value.values if pair is None else pair[0]), known


def element(column: Column, name: str, of_events: Sequence[tuple[Array, Booleans]]) -> tuple[Array, Booleans]:
    """An element of each event, and which events have it.

    Parameters
    ----------
    column
        Jagged, or an array [n_events, *shape].
    name
        The branch, for messages.
    of_events
        `indices` for each dimension.

    Raises
    ------
    CutError
        If there are more or fewer indices than dimensions: C++ would read an array of two dimensions as one.
    """
    dimensions = 1 if isinstance(column, Jagged) else np.asarray(column).ndim - 1
    if len(of_events) != dimensions:
        raise CutError(f"{name!r} has {dimensions} indices", got=len(of_events))
    sizes: list[Integers | int]
    if isinstance(column, Jagged):
        values, starts, sizes = column.values, np.cumsum(column.counts) - column.counts, [column.counts]
    else:
        array = np.asarray(column)
        values, sizes = array.reshape(-1), list(array.shape[1:])
        starts = np.arange(len(array)) * (array[:1].size)
    inside, at = np.ones(len(starts), bool), np.zeros(len(starts), np.int64)
    for (index, known), size in zip(of_events, sizes, strict=True):
        inside &= known & (index >= 0) & (index < size)
        at = at * size + np.where(inside, index, 0).astype(np.int64)
    whole = of_column(Jagged(np.zeros(0, np.int64), values), name).values
    some = np.append(whole, np.zeros(1, whole.dtype))  # what is not there has a value that is never used
    return some[np.where(inside, starts + at, 0)], inside
