"""Combs: bins of a histogram that restoring changed by more than their statistical error.

A lattice restores the middles of cells. Where the bins of a histogram are not many cells wide, one bin holds more
middles than the next, and the histogram looks like a comb, though every value is within its bound. Dither
(`hepae.core.values.dither`) fills the cells evenly instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hepae.arrays import Array, Floats, Integers

__all__ = ["BINS", "Comb", "comb_over"]

BINS: Final = 100
"""Bins of a fine histogram; pairs of them make the usual 50."""

SEEN: Final = (0.001, 0.999)
"""Quantiles between which a histogram is drawn: a few values far out would make its bins too wide to show anything."""


@dataclass(frozen=True)
class Comb:
    """A histogram before and after, filled run by run.

    Attributes
    ----------
    edges : float64[BINS + 1]
        The same for both.
    before, after : int64[BINS]
        Values in each bin.

    Examples
    --------
    >>> values = np.random.default_rng(1).uniform(0, 1, 100_000)
    >>> comb = comb_over(values)
    >>> comb.add(values, np.rint(values / 0.03) * 0.03)
    >>> comb.different(), comb.different(50)
    (100, 34)
    """

    edges: Floats
    before: Integers
    after: Integers

    def add(self, stored: Array, restored: Array) -> None:
        """Count some values [n] as stored and as restored."""
        for counts, values in ((self.before, stored), (self.after, restored)):
            counts += np.histogram(values[np.isfinite(values)], self.edges)[0]

    def different(self, bins: int = BINS) -> int:
        """How many of so many bins differ by more than the square root of what they held, or of one."""
        before, after = (counts.reshape(bins, -1).sum(axis=1) for counts in (self.before, self.after))
        return int(np.count_nonzero(np.abs(after - before) > np.sqrt(np.maximum(before, 1))))


def comb_over(values: Array) -> Comb | None:
    """An empty histogram over the usual range of some values [n]; None where they have none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.quantile(finite.astype(np.float64), SEEN)
    if not low < high:
        return None
    counts = np.zeros(BINS, np.int64), np.zeros(BINS, np.int64)
    return Comb(np.linspace(low, high, BINS + 1), *counts)
