"""Values of a column for a run of entries: counts, level by level, and one flat array. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hepae.arrays import Array, Booleans, Integers

__all__ = ["Nested"]


@dataclass(frozen=True)
class Nested:
    """A column of a run of entries.

    Attributes
    ----------
    levels : tuple of int64 arrays
        Rows per entry, then rows per row of that, and so on; empty for a scalar column.
    values : array [n, *shape]
        All values in order, native byte order.
    """

    levels: tuple[Integers, ...]
    values: Array

    def __len__(self) -> int:
        return len(self.levels[0]) if self.levels else len(self.values)

    def cut(self, start: int, stop: int) -> Nested:
        """Entries ``start`` to ``stop`` as views.

        Examples
        --------
        >>> column = Nested((np.array([2, 0, 1]),), np.array([1.0, 2.0, 3.0]))
        >>> column.cut(1, 3).values.tolist()
        [3.0]
        """
        levels = []
        for counts in self.levels:
            levels.append(counts[start:stop])
            start, stop = int(counts[:start].sum()), int(counts[:stop].sum())
        return Nested(tuple(levels), self.values[start:stop])

    def chosen(self, keep: Booleans) -> Nested:
        """The entries that are to be kept, bool[entries].

        Examples
        --------
        >>> column = Nested((np.array([2, 0, 1]),), np.array([1.0, 2.0, 3.0]))
        >>> column.chosen(np.array([True, True, False])).values.tolist()
        [1.0, 2.0]
        """
        levels = []
        for counts in self.levels:
            levels.append(counts[keep])
            keep = np.repeat(keep, counts)
        return Nested(tuple(levels), self.values[keep])

    @staticmethod
    def concatenated(parts: Sequence[Nested]) -> Nested:
        """Runs of one column, one after the other."""
        if len(parts) == 1:
            return parts[0]
        levels = zip(*(part.levels for part in parts), strict=True)
        return Nested(tuple(map(np.concatenate, levels)), np.concatenate([part.values for part in parts]))
