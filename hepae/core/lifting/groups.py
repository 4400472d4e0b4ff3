"""Which classes of latents share a block: those that are packed together in fewer bytes than apart. No I/O.

A block of its own gives the values of a class probabilities of their own, and takes bytes to say what these are. In a
chunk of few objects that is too much for most classes. Which ones go together is found in the chunk: the two that gain
most by it, again and again (J. H. Ward, Hierarchical grouping to optimize an objective function, 1963, with bits as
the objective).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats, Integers

__all__ = ["groups_of"]

DISTINCT: Final = 256
"""Values that are told apart; where there are more, `QUANTILES` of them are."""

QUANTILES: Final = 96

CELL_BITS: Final = 14.0
"""What a value takes in the description of a block, about: from 8 to 14 sizes differ by less than 0.01 %."""

BLOCK_BITS: Final = 24.0
"""What a block takes besides: its head and its length."""

EACH_LOOKED_AT: Final = 1000
FEW: Final = 32
FEW_LOOKED_AT: Final = 4096
"""Latents that are looked at for each class, and in all where there are few classes: of more some, evenly."""


def groups_of(classes: Sequence[Integers]) -> Integers:
    """The group of each class, int64[n_classes], numbered from 0 on; classes without latents are in the first.

    Parameters
    ----------
    classes
        Latents int64[n] of each class.

    Examples
    --------
    >>> alike = [np.array([1, 2, 2, 3]), np.array([2, 1, 3, 2]), 1000 + np.arange(200)]
    >>> groups_of(alike).tolist()
    [0, 0, 1]
    """
    counts = np.array([len(latents) for latents in classes], np.int64)
    filled = np.flatnonzero(counts)
    groups = np.zeros(len(classes), np.int64)
    if len(filled) > 1:
        groups[filled] = _merged(*_histograms([classes[k] for k in filled.tolist()]))
    return groups


def _histograms(classes: Sequence[Integers]) -> tuple[Integers, float]:
    """How often each class has each value, int64[n_classes, n_values], and the share of the latents looked at."""
    total = sum(map(len, classes))
    step = max(1, total // (FEW_LOOKED_AT if len(classes) <= FEW else EACH_LOOKED_AT * len(classes)))
    looked_at = [latents[::step] for latents in classes]
    latents = np.concatenate(looked_at)
    numbers = np.repeat(np.arange(len(classes)), [len(one) for one in looked_at])
    values = np.sort(latents)
    edges = values[np.concatenate([[True], values[1:] != values[:-1]])]
    if len(edges) > DISTINCT:
        edges = np.unique(values[np.arange(QUANTILES) * len(values) // QUANTILES])
    cells = numbers * len(edges) + np.searchsorted(edges, latents, "right") - 1
    return np.bincount(cells, minlength=len(classes) * len(edges)).reshape(len(classes), -1), 1 / step


def _merged(histograms: Integers, share: float) -> Integers:
    """The group of each class, int64[n_classes]."""
    bits = _Bits(int(histograms.sum()), share)
    n = len(histograms)
    own, heads = bits.of(histograms), np.arange(n)
    gains = np.full((n, n), -np.inf)
    for k in range(n - 1):
        gains[k, k + 1 :] = own[k] + own[k + 1 :] - bits.of(histograms[k] + histograms[k + 1 :])
    while True:
        first, second = divmod(int(np.argmax(gains)), n)
        if gains[first, second] <= 0:
            break
        histograms[first] += histograms[second]
        heads[heads == second] = first
        gains[second, :] = gains[:, second] = -np.inf
        own[first] = bits.of(histograms[first])
        left = np.unique(heads)
        left = left[left != first]
        together = own[first] + own[left] - bits.of(histograms[first] + histograms[left])
        gains[np.minimum(first, left), np.maximum(first, left)] = together
    return np.unique(heads, return_inverse=True)[1].astype(np.int64)


class _Bits:
    """Bits of blocks with so many latents at most, of which a share is looked at."""

    def __init__(self, most: int, share: float) -> None:
        counts = np.arange(most + 1, dtype=np.float64)
        self.entropies = counts * np.log2(np.maximum(counts, 1)) / share

    def of(self, histograms: Integers) -> Floats | NDArray[np.float64]:
        """Of each histogram [..., n_values]."""
        coded = np.take(self.entropies, histograms.sum(axis=-1)) - np.take(self.entropies, histograms).sum(
            axis=-1
        )
        described = CELL_BITS * np.count_nonzero(histograms, axis=-1) + BLOCK_BITS
        return np.asarray(coded + described, np.float64)
