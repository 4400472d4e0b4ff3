"""From one value per object to one per event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.errors import CutError
from hepae.files.cut.values import Value, either, per_event

__all__ = ["REDUCTIONS", "any_of", "chosen", "extreme", "without"]


def _counts(value: Value) -> Integers:
    assert value.counts is not None
    return value.counts


def _event_unknown(value: Value) -> Booleans | None:
    return None if value.unknown is None else per_event(value.unknown, value.counts)


def length(value: Value) -> Value:
    """How many objects there are."""
    return Value(_counts(value))


def total(value: Value) -> Value:
    """The sum; 0 for none. Floating point is added in the order of the objects, as ``Sum$`` does.

    Raises
    ------
    CutError
        If integers may add up to more than 64 bits.
    """
    counts, values = _counts(value), value.values
    if values.dtype == np.float64:
        event = np.repeat(np.arange(len(counts)), counts)
        return Value(np.bincount(event, values, len(counts)), None, _event_unknown(value))
    most = int(counts.max(initial=0)) * max(abs(int(values.min(initial=0))), abs(int(values.max(initial=0))))
    if most >= 2**63:
        raise CutError("a sum of integers beyond 64 bits", hint="write Sum$(1.0 * x)")
    edges = np.concatenate([[0], np.cumsum(values.astype(np.int64))])
    ends = np.cumsum(counts)
    return Value(edges[ends] - edges[ends - counts], None, _event_unknown(value))


def count(value: Value) -> Value:
    """How many are true.

    Raises
    ------
    CutError
        For numbers: how many there are, and how many are not zero, are different questions.
    """
    if value.values.dtype != bool:
        hint = "write Length$(x) for how many there are, count(x > 30) for how many pass, Sum$(x) for the sum"
        raise CutError("count() of numbers", hint=hint)
    return total(value)


def any_of(value: Value) -> Value:
    """Whether one is true: known as soon as one is known to be."""
    sure = value.values.astype(bool) if value.unknown is None else value.values.astype(bool) & ~value.unknown
    found, unknown = per_event(sure, value.counts), _event_unknown(value)
    return Value(found, None, None if unknown is None else unknown & ~found)


def all_of(value: Value) -> Value:
    """Whether each is true, also where there is none."""
    failed = any_of(Value(~value.values.astype(bool), value.counts, value.unknown))
    return Value(~failed.values, None, failed.unknown)


def extreme(value: Value, larger: bool, *, of_none: bool) -> Value:
    """The largest or smallest as ROOT finds it: NaN if the first is NaN, else that of the numbers.

    Parameters
    ----------
    value
        One per object.
    larger
        Whether the largest is looked for.
    of_none
        Whether it is 0 for an event without objects (``Max$``), or not known (``max``).
    """
    counts, values = _counts(value), value.values
    values = values.astype(np.int64) if values.dtype == bool else values
    some = counts > 0
    first = (np.cumsum(counts) - counts)[some]
    result = np.zeros(len(counts), values.dtype)
    if len(first):
        result[some] = _found(values, first, larger)
    unknown = _event_unknown(value)
    if not of_none and not some.all():
        unknown = ~some if unknown is None else unknown | ~some
    return Value(result, None, unknown)


def _found(values: Array, first: Integers, larger: bool) -> Array:
    if values.dtype != np.float64:
        return (np.maximum if larger else np.minimum).reduceat(values, first)
    best = (np.fmax if larger else np.fmin).reduceat(values, first)
    return np.where(np.isnan(values[first]), np.nan, best)


def chosen(value: Value, condition: Value) -> Value:
    """The objects for which a condition holds; unknown conditions make the events unknown.

    Parameters
    ----------
    value, condition
        With the same objects.
    """
    counts, keep = _counts(value), condition.values.astype(bool)
    if condition.unknown is not None:
        keep = keep | condition.unknown
    unknown = either(value.unknown, condition.unknown)
    event = np.repeat(np.arange(len(counts)), counts)
    kept = np.bincount(event[keep], minlength=len(counts))
    return Value(value.values[keep], kept, None if unknown is None else unknown[keep])


def without(value: Value, events: Booleans) -> Value:
    """No objects in these events."""
    counts = _counts(value)
    keep = np.repeat(~events, counts)
    unknown = None if value.unknown is None else value.unknown[keep]
    return Value(value.values[keep], np.where(events, 0, counts), unknown)


REDUCTIONS: Final[dict[str, Callable[[Value], Value]]] = {
    "Length$": length,
    "size": length,
    "Sum$": total,
    "sum": total,
    "Sum": total,
    "count": count,
    "any": any_of,
    "Any": any_of,
    "all": all_of,
    "All": all_of,
    "Max$": lambda value: extreme(value, True, of_none=True),
    "Min$": lambda value: extreme(value, False, of_none=True),
    "max": lambda value: extreme(value, True, of_none=False),
    "min": lambda value: extreme(value, False, of_none=False),
}
