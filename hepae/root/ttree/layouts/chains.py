"""Where nested elements of variable size begin: hops over bytes, done many at a time.

Each element says its own size, so where one begins is known only when the one before has been read. Instead of reading
them in turn, `hops` holds for *every* position where an element that began there would end; a run of elements is then
a power of that map, taken by repeated squaring. The cost is the length of the buffer times the logarithm of the
longest run, in NumPy, whatever the data say.
"""

from __future__ import annotations

import numpy as np

from hepae.arrays import Array, Integers

__all__ = ["COUNT_BYTES", "LONG", "after", "counts_everywhere", "text_hops", "vector_hops"]

COUNT_BYTES = 4
"""ROOT writes the size of a collection as an ``Int_t``."""

LONG = 255
"""The length of a string of this many bytes or more follows in four bytes."""


def counts_everywhere(data: Array, unit: int) -> Integers:
    """The big-endian int32 at every ``unit``-th byte; -1 where none fits.

    Parameters
    ----------
    data : uint8[n]
        A buffer; ``unit`` divides ``n``.
    unit
        Step between positions in bytes.

    Returns
    -------
    int64[n // unit + 1]
        The last is the end of the buffer.
    """
    counts = np.full(len(data) // unit + 1, -1, np.int64)
    fit = max((len(data) - COUNT_BYTES) // unit + 1, 0)
    counts[:fit] = np.ndarray((fit,), ">i4", np.ascontiguousarray(data), 0, (unit,))
    return counts


def vector_hops(counts: Integers, unit: int, width: int | Integers) -> Integers:
    """Where a collection that begins at each position ends.

    Parameters
    ----------
    counts : int64[m + 1]
        From `counts_everywhere`.
    unit
        Step between positions in bytes, which divides 4 and ``width``.
    width
        Bytes of an element, or the hops of elements.

    Returns
    -------
    int64[m + 2]
        Positions in units; ``m + 1`` where what is there is no collection.

    Examples
    --------
    >>> data = np.array([0, 0, 0, 1, 9, 0, 0, 0, 0], np.uint8)      # [9], then an empty one
    >>> vector_hops(counts_everywhere(data, 1), 1, 1)[[0, 5]].tolist()
    [5, 9]
    """
    bad = len(counts)
    positions = np.arange(len(counts), dtype=np.int64)
    first = positions + COUNT_BYTES // unit
    least = (width if isinstance(width, int) else COUNT_BYTES if unit > 1 else 1) // unit
    fits = (counts >= 0) & (counts * least <= bad - 1 - first)
    times = np.where(fits, counts, 0)
    ends = first + times * least if isinstance(width, int) else after(width, np.minimum(first, bad), times)
    return np.append(np.where(fits, ends, bad), bad)


def text_hops(data: Array) -> Integers:
    """Where a string that begins at each byte ends: positions ``int64[n + 2]``, ``n + 1`` where there is none."""
    size = len(data)
    positions = np.arange(size, dtype=np.int64)
    ends = positions + 1 + data
    long = np.flatnonzero(data == LONG)
    lengths = counts_everywhere(data, 1)[np.minimum(long + 1, size)]
    ends[long] = np.where(lengths < 0, size + 1, long + 1 + COUNT_BYTES + lengths)
    return np.append(np.minimum(ends, size + 1), [size + 1, size + 1])


def after(hops: Integers, starts: Integers, times: Integers) -> Integers:
    """Where one is after ``times`` hops from ``starts``.

    Examples
    --------
    >>> after(np.array([1, 3, 3, 4, 4]), np.array([0, 1, 0]), np.array([2, 0, 3])).tolist()
    [3, 1, 4]
    """
    places, left, step = starts.copy(), times.copy(), hops
    while left.any():
        odd = np.flatnonzero(left & 1)
        places[odd] = step[places[odd]]
        left >>= 1
        step = step[step]
    return places
