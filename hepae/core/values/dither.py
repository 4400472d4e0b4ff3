"""Reproducible dither: a place inside the cell for each object, the same for writer and reader.

A lattice restores the middle of a cell, so a histogram finer than the cells shows a comb. With *subtractive dither*
(Schuchman, IEEE Trans. Comm. Tech. 12 (1964) 162) the lattice is moved by a pseudo-random part of a step for each
object before a value is rounded to it and after it is restored: restored values fill their cells evenly, the error is
as large as before and never larger than the bound, and no byte is spent on it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from hepae.arrays import Floats, Integers

__all__ = ["PLACES", "fractions", "places"]

PLACES: Final = 64
"""Places inside a cell."""

FRACTIONS: Final = (2 * np.arange(PLACES) - (PLACES - 1)) / (2.0 * PLACES)


def places(objects: int, stream: int) -> Integers:
    """Places 0 to 63 of so many objects: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014) of their numbers.

    Parameters
    ----------
    objects
        How many, counted from the start of the chunk.
    stream
        Number of the feature, so that features are moved independently.

    Examples
    --------
    >>> places(5, 0).tolist()
    [61, 47, 53, 52, 18]
    """
    x = np.arange(1, objects + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64((stream + 1) * 0xD1342543DE82EF95 % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(58)).astype(np.int64)


def fractions(place: Integers) -> Floats:
    """Parts of a step, from -63/128 to 63/128."""
    return np.asarray(FRACTIONS.take(place))
