"""Tables that predictions are sums of: given in the model at a few knots, expanded when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Integers
from hepae.errors import ModelRejectedError

__all__ = ["FRACTION_BITS", "WIDTH_BITS", "Period", "TableSum", "Term", "Widths", "expand"]

FRACTION_BITS: Final = 6
"""Predictions are summed in 1/64 of a lattice step: fine enough that rounding a table costs nothing."""

WIDTH_BITS: Final = 8
"""Widths are summed in 1/256 of an octave."""


MOST_EDGES: Final = 255
"""The number of a class is a byte."""


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of one source: the value for missing objects, then the values at the knots, in 2**-FRACTION_BITS."""

    source: int
    values: tuple[int, ...]


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature on a circle: integers ``low`` to ``high``, after which ``low`` comes again."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not self.low < self.high <= self.low + (1 << 40):
            raise ModelRejectedError("not a period", got=(self.low, self.high))

    @property
    def length(self) -> int:
        """Integers on the circle."""
        return self.high - self.low + 1

    def holds(self, q: Integers) -> bool:
        """Whether all these integers are on the circle."""
        return len(q) == 0 or (int(q.min()) >= self.low and int(q.max()) <= self.high)


class Widths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Expected width of the residual: a sum of tables (in 2**-WIDTH_BITS), cut at rising edges into classes."""

    constant: int
    terms: tuple[Term, ...]
    edges: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.edges) > MOST_EDGES or any(a > b for a, b in pairwise(self.edges)):
            raise ModelRejectedError("not the edges of classes", got=self.edges[:4])


def expand(knots: tuple[int, ...], values: tuple[int, ...]) -> Integers:
    """The whole table of values given at knots: exact integer interpolation, rounded down.

    Examples
    --------
    >>> expand((1, 3, 4), (-7, 0, 10, 11)).tolist()
    [-7, 0, 5, 10, 11]
    """
    at = np.arange(1, knots[-1] + 1, dtype=np.int64)
    x, y = np.asarray(knots, np.int64), np.asarray(values[1:], np.int64)
    piece = np.minimum(np.searchsorted(x, at, "right") - 1, max(len(x) - 2, 0))
    after = np.minimum(piece + 1, len(x) - 1)
    run = np.maximum(x[after] - x[piece], 1)
    table = y[piece] + ((y[after] - y[piece]) * (at - x[piece])) // run
    return np.concatenate([np.asarray(values[:1], np.int64), table])


class TableSum:
    """Expanded tables of one sum: a constant, and source number and table for each term.

    Parameters
    ----------
    constant
        Added to the sum.
    terms
        For each term the number of its source, and its table.

    Attributes
    ----------
    dtype
        Of the tables: the narrower of two that holds all sums.
    tables
        Source number and table of each term.
    """

    def __init__(self, constant: int, terms: Sequence[tuple[int, Integers]]) -> None:
        largest = abs(constant) + sum(int(np.abs(table).max()) for _, table in terms)
        self.constant, self.dtype = constant, np.dtype(np.int32 if largest < 2**30 else np.int64)
        self.tables = [(source, table.astype(self.dtype)) for source, table in terms]
