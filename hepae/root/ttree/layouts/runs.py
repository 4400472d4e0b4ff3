"""Runs of bytes or rows of different lengths: where they begin, and which indices they cover."""

from __future__ import annotations

import numpy as np

from hepae.arrays import Array, Integers

__all__ = ["edges_of", "gathered", "index_within", "positions", "sums_of"]


def edges_of(lengths: Integers) -> Integers:
    """Where each entry begins, and where the last ends."""
    edges = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=edges[1:])
    return edges


def positions(starts: Integers, lengths: Integers) -> Integers:
    """Every index of the runs ``starts`` to ``starts + lengths``."""
    before = np.cumsum(lengths) - lengths
    indices = np.arange(int(lengths.sum()), dtype=np.int64)
    indices += np.repeat(starts - before, lengths)
    return indices


def gathered(data: Array, starts: Integers, lengths: Integers) -> Array:
    """The bytes of some runs, one after the other."""
    return data[positions(starts, lengths)]


def index_within(lengths: Integers) -> Integers:
    """0, 1, … of each row of runs.

    Examples
    --------
    >>> index_within(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    return positions(np.zeros_like(lengths), lengths)


def sums_of(values: Integers, lengths: Integers) -> Integers:
    """The sum of the values of each run.

    Examples
    --------
    >>> sums_of(np.array([1, 2, 3]), np.array([2, 0, 1])).tolist()
    [3, 0, 3]
    """
    return np.diff(edges_of(values)[edges_of(lengths)])
