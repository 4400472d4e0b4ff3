"""Jets as a tagger sees them: the constituents of each, and what kind of jet it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.values.objects import offsets

__all__ = ["FIELDS", "Jets", "joined"]

FIELDS = ("E", "px", "py", "pz", "type")


@dataclass(frozen=True)
class Jets:
    """Constituents of n jets.

    Attributes
    ----------
    counts : int64[n]
        Constituents of each jet.
    columns : dict of arrays [sum of counts]
        ``E``, ``px``, ``py``, ``pz`` in GeV and ``type`` (0 ECAL, 1 HCAL, 2 track), jet after jet.
    """

    counts: Integers
    columns: dict[str, Array]

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, chosen: Integers) -> Jets:
        """These jets, in this order.

        Examples
        --------
        >>> jets = Jets(np.array([2, 1]), {"E": np.array([5.0, 4.0, 9.0])})
        >>> jets.take(np.array([1, 0])).columns["E"].tolist()
        [9.0, 5.0, 4.0]
        """
        counts = self.counts[chosen]
        first = offsets(self.counts)[:-1][chosen]
        rows = np.arange(int(counts.sum())) + np.repeat(first - offsets(counts)[:-1], counts)
        return Jets(counts, {name: column[rows] for name, column in self.columns.items()})


def joined(parts: Sequence[Jets]) -> Jets:
    """Jets of several runs, one after the other."""
    counts = np.concatenate([part.counts for part in parts])
    return Jets(counts, {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns})
