"""Symbols of a feature: bins of residuals whose widths are powers of two, so that what is left inside is whole bits.

Bins follow the distribution: about equally probable, and a bin of its own for each frequent exact value. Beyond the
last bins there is one more symbol, *outside*, whose residuals are stored apart.
"""

from __future__ import annotations

import functools
from itertools import groupby
from typing import Final

import msgspec
import numpy as np

from hepae import limits
from hepae.arrays import Integers
from hepae.core.coding.ans import MAX_SYMBOLS, read_bits
from hepae.errors import ModelRejectedError

__all__ = ["Alphabet", "fit_alphabet"]


MAX_WIDTH: Final = 40
LARGEST_RESIDUAL: Final = 1 << 50
TAIL_BINS: Final = 3


class Alphabet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Neighbouring bins, from ``low`` upwards.

    Parameters
    ----------
    low
        Smallest integer of the first bin.
    runs
        (log2 of the width, number of bins) for runs of bins of one width.

    Examples
    --------
    >>> alphabet = Alphabet(-4, ((2, 1), (0, 2)))
    >>> symbols, inside, widths = alphabet.split(np.array([-3, 1, 2]))
    >>> symbols.tolist(), inside.tolist(), widths.tolist()
    ([0, 2, 3], [1, 0, 0], [2, 0, 0])
    """

    low: int
    runs: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        if any(not (0 <= width <= MAX_WIDTH and bins > 0) for width, bins in self.runs):
            raise ModelRejectedError("bins of a bad width", got=self.runs[:4])
        limits.check("bins", self.n_bins, MAX_SYMBOLS - 2, least=1)
        if abs(self.low) > LARGEST_RESIDUAL:
            raise ModelRejectedError("bins begin too far out", got=self.low)

    @property
    def n_bins(self) -> int:
        """Bins; the symbol *outside* is one more and has this number."""
        return sum(bins for _, bins in self.runs)

    def split(self, residuals: Integers) -> tuple[Integers, Integers, Integers]:
        """Symbol of each residual, its place inside the bin, and the bits of that place (0 outside)."""
        edges, widths = _edges(self)
        symbols = np.searchsorted(edges, residuals, "right") - 1
        symbols[(residuals < edges[0]) | (residuals >= edges[-1])] = self.n_bins
        within = np.minimum(symbols, max(self.n_bins - 1, 0))
        inside = np.where(symbols < self.n_bins, residuals - edges[within], 0)
        return symbols, inside, widths[symbols]

    def join(self, symbols: Integers, inside: Integers) -> Integers:
        """Residuals of symbols and places; those outside are 0."""
        edges, _ = _edges(self)
        starts = np.append(edges[:-1], 0)
        return np.take(starts, symbols) + inside

    def inside_bits(self, symbols: Integers) -> int:
        """Bits of the places inside the bins of these symbols."""
        return int(np.take(_edges(self)[1], symbols).sum())

    def read(self, symbols: Integers, data: bytes, start: int) -> Integers:
        """Residuals of symbols, and of places that are read from bit ``start`` on; those outside are 0.

        Raises
        ------
        CorruptionError
            If the data ends too early.
        """
        return self.join(symbols, read_bits(data, np.take(_edges(self)[1], symbols), start))


@functools.lru_cache(maxsize=512)
def _edges(alphabet: Alphabet) -> tuple[Integers, Integers]:
    """Edges of the bins [n_bins + 1], and log2 of the width of each symbol [n_bins + 1], 0 for outside."""
    widths = np.array([width for width, bins in alphabet.runs for _ in range(bins)] + [0], np.int64)
    edges = alphabet.low + np.concatenate([[0], np.cumsum(np.int64(1) << widths[:-1])])
    edges.flags.writeable = widths.flags.writeable = False
    return edges, widths


def fit_alphabet(residuals: Integers, bins: int) -> Alphabet:
    """Bins for residuals like these: each with at most about 1/bins of them, or a single value.

    Parameters
    ----------
    residuals : int64[n]
        Residuals of the training events; those out of ±2**50 are left outside.
    bins
        About how many bins to make.
    """
    usable = residuals[np.abs(residuals) < LARGEST_RESIDUAL]
    if 2 * len(usable) <= len(residuals):
        return Alphabet(0, ((0, 1),))
    values, counts = np.unique(usable, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])
    most = len(usable) / bins
    widths: list[int] = []
    at, end = int(values[0]), int(values[-1])
    while at <= end and len(widths) < MAX_SYMBOLS - 2 * TAIL_BINS - 2:
        width = _widest(values, below, at, most)
        widths.append(width)
        at += 1 << width
    tail = max(int(np.log2(max(end - int(values[0]), 1))) - 4, 0)
    tails = [min(tail + 2 * k, MAX_WIDTH) for k in range(TAIL_BINS)]
    before = tails[::-1]
    runs = [(width, len(list(group))) for width, group in groupby(before + widths + tails)]
    return Alphabet(int(values[0]) - sum(1 << width for width in before), tuple(runs))


def _widest(values: Integers, below: Integers, at: int, most: float) -> int:
    """Log2 of the widest bin from ``at`` on that holds no more than ``most``; 0 where one value is more."""
    ends = at + (np.int64(1) << np.arange(MAX_WIDTH, dtype=np.int64))
    held = below[np.searchsorted(values, ends)] - below[np.searchsorted(values, at)]
    allowed = np.flatnonzero(held <= most)
    # the last bin need not reach far beyond the last value
    reach = int(np.searchsorted(ends, values[-1], "right"))
    return min(int(allowed[-1]) if len(allowed) else 0, reach)
