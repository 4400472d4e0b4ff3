"""Values of a part of a cut, for a run of events: one per event, or one per object, and where they are not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.errors import CutError
from hepae.root.columns import Column, Jagged

__all__ = ["Aligned", "Value", "aligned", "either", "of_column", "per_event"]


@dataclass(frozen=True)
class Value:
    """What a part of a cut is.

    Attributes
    ----------
    values : bool, int64, uint64, float64 or str [n_events] or [n_objects]
        One per event, or those of all objects in event order.
    counts : int64[n_events] or None
        Objects per event; None for one value per event.
    unknown : bool, shape of ``values``, or None
        Where there is no value: an element that an event lacks, or a result that C++ or ROOT does not define. None
        where all are known.
    shape : tuple of int
        Dimensions of an array of fixed size.
    """

    values: Array
    counts: Integers | None = None
    unknown: Booleans | None = None
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Aligned:
    """Several values with the same objects."""

    arrays: tuple[Array, ...]
    unknown: tuple[Booleans | None, ...]
    counts: Integers | None
    shape: tuple[int, ...]

    def value(self, values: Array, unknown: Booleans | None = None) -> Value:
        """A result for each of the same objects, unknown where any of its parts is, and where it is said to be."""
        return Value(values, self.counts, either(unknown, *self.unknown), self.shape)


def aligned(parts: Sequence[Value]) -> Aligned:
    """Values side by side; one per event is repeated for each object of the event.

    Raises
    ------
    CutError
        If two have different numbers of objects in an event: ``TTree::Draw`` would pair the first with the first.
    """
    of_objects = [(part.counts, part.shape) for part in parts if part.counts is not None]
    if not of_objects:
        return Aligned(tuple(p.values for p in parts), tuple(p.unknown for p in parts), None, ())
    counts, shape = of_objects[0]
    for other_counts, other_shape in of_objects[1:]:
        if other_shape != shape or not np.array_equal(counts, other_counts):
            raise CutError(
                "objects of different collections side by side",
                hint="reduce each to one number per event: Sum$(...), Max$(...), any(...), or take one element, x[0]",
            )
    return Aligned(
        tuple(_repeated(part.values, part, counts) for part in parts),
        tuple(None if part.unknown is None else _repeated(part.unknown, part, counts) for part in parts),
        counts,
        shape,
    )


def _repeated(array: Array, part: Value, counts: Integers) -> Array:
    return np.repeat(array, counts) if part.counts is None else array


def either(*masks: Booleans | None) -> Booleans | None:
    """Where any of the masks is true; None for none."""
    given = [mask for mask in masks if mask is not None and mask.any()]
    return np.logical_or.reduce(given) if given else None


def per_event(mask: Booleans, counts: Integers | None) -> Booleans:
    """In which events a mask is true for an object.

    Examples
    --------
    >>> per_event(np.array([False, True, False]), np.array([2, 0, 1])).tolist()
    [True, False, False]
    """
    if counts is None:
        return mask
    return np.bincount(np.repeat(np.arange(len(counts)), counts), mask, len(counts)) > 0


def of_column(column: Column, name: str) -> Value:
    """A branch as it is computed with: integers in 64 bits, floating point in double precision as in ``TTree::Draw``.

    Raises
    ------
    CutError
        If it holds neither numbers nor texts.
    """
    if isinstance(column, Jagged):
        if column.values.ndim > 1:
            raise CutError(
                f"{name!r} has an array for each object", hint="no part of such a branch can be named"
            )
        return Value(_widened(column.values, name), column.counts)
    array = np.asarray(column)
    if array.ndim == 1:
        return Value(_widened(array, name))
    counts = np.full(len(array), int(np.prod(array.shape[1:])), np.int64)
    return Value(_widened(array.reshape(-1), name), counts, shape=array.shape[1:])


def _widened(values: Array, name: str) -> Array:
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind in "bU" or values.dtype == np.uint64:
        return values
    if kind in "iu":
        return values.astype(np.int64)
    if kind == "f" and size <= 8:
        return values.astype(np.float64)
    raise CutError(f"{name!r} holds neither numbers nor texts", got=str(values.dtype))
