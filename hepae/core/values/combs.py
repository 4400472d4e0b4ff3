"""Combs: bins of a histogram that restoring changed by more than their statistical error.

A lattice restores the middles of cells. Where the bins of a histogram are not many cells wide, one bin holds more
middles than the next, and the histogram looks like a comb, though every value is within its bound. Dither
(`hepae.core.values.dither`) fills the cells evenly instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from hepae.arrays import Array, Integers

__all__ = ["BINS", "Comb", "comb_over"]

BINS: Final = 100
"""Bins of a fine histogram; pairs of them make the usual 50."""

SEEN: Final = (0.001, 0.999)
"""Quantiles between which a histogram is drawn: a few values far out would make its bins too wide to show anything."""

MOST_LOOKED_AT: Final = 100_000
"""Values from which the range is taken: enough for quantiles at 0.001, and found in milliseconds."""


@dataclass(frozen=True)
class Comb:
    """A histogram before and after, filled run by run.

    Attributes
    ----------
    low, high
        Where the bins begin and end.
    before, after : int64[BINS]
        Values in each bin.

    Examples
    --------
    >>> values = np.random.default_rng(1).uniform(0, 1, 100_000)
    >>> comb = comb_over(values)
    >>> comb.add(values, np.rint(values / 0.03) * 0.03)
    >>> comb.different(), comb.different(50)
    (100, 50)
    """

    low: float
    high: float
    before: Integers
    after: Integers

    def add(self, stored: Array, restored: Array) -> None:
        """Count some values [n] as stored and as restored."""
        self.before[:] += self._counted(stored)
        self.after[:] += self._counted(restored)

    def different(self, bins: int = BINS) -> int:
        """How many of so many bins differ by more than the square root of what they held, or of one."""
        before, after = (counts.reshape(bins, -1).sum(axis=1) for counts in (self.before, self.after))
        return int(np.count_nonzero(np.abs(after - before) > np.sqrt(np.maximum(before, 1))))

    @np.errstate(invalid="ignore")  # signalling NaN
    def _counted(self, values: Array) -> Integers:
        """Values in each bin; others, NaN among them, in none."""
        seen = values[(values >= self.low) & (values <= self.high)].astype(np.float64)
        places = ((seen - self.low) * (BINS / (self.high - self.low))).astype(np.int64)
        return np.bincount(np.minimum(places, BINS - 1), minlength=BINS)


@np.errstate(over="ignore", invalid="ignore")  # the width of all float64 is no float64
def comb_over(values: Array) -> Comb | None:
    """An empty histogram over the usual range of some values [n]; None where they have none."""
    few = values[:: max(1, len(values) // MOST_LOOKED_AT)]
    few = few[np.isfinite(few)].astype(np.float64)
    if not len(few):
        return None
    low, high = (float(edge) for edge in np.quantile(few, SEEN))
    if not (0 < high - low < np.inf and BINS / (high - low) < np.inf):
        return None
    return Comb(low, high, np.zeros(BINS, np.int64), np.zeros(BINS, np.int64))
