"""What the networks see: columns of the chunk as numbers from 0 to 255, by integer tables."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers
from hepae.core.masked.shapes import LEVELS, MISSING_LEVEL
from hepae.core.prediction.context import Context
from hepae.core.prediction.predictors import Lookup
from hepae.core.prediction.tables import expand

__all__ = ["Inputs"]


class Inputs:
    """The inputs of all networks for one chunk, filled in as columns become known.

    Parameters
    ----------
    sources
        Columns and how they are scaled: the knots of a source are where its input rises in equal steps from 0
        to 255.
    context
        What is known of the chunk.
    """

    def __init__(self, sources: Sequence[Lookup], context: Context) -> None:
        self._sources, self._context = sources, context
        self._levels = np.empty((len(sources), context.order.n_objects), np.uint8)
        self._full = np.zeros(len(sources), bool)

    def fill(self, numbers: Sequence[int], rank: int | None = None) -> None:
        """Make inputs known for the objects of one rank, or for all."""
        where = slice(None) if rank is None else self._context.order.part(rank)
        for number in numbers:
            if self._full[number]:
                continue
            source = self._sources[number]
            if rank is None or self._context.unfinished.isdisjoint(source.column.needs):
                self._fill(source, None, self._levels[number])
                self._full[number] = True
            else:
                self._fill(source, rank, self._levels[number, where])

    def _fill(self, source: Lookup, rank: int | None, out: NDArray[np.uint8]) -> None:
        np.take(_table(source), source.index(source.column.read(self._context, rank)), out=out, mode="clip")

    def latents_of(self, feature: str) -> list[int]:
        """The inputs that are the latents of a feature, which need not be kept once these are filled."""
        return [number for number, source in enumerate(self._sources) if feature in source.column.latents]

    def rows(self, numbers: Integers, part: slice) -> NDArray[np.uint8]:
        """Inputs of some objects, [len(numbers), objects]."""
        rows = np.empty((len(numbers), self._levels[0, part].size if len(numbers) else 0), np.uint8)
        for row, number in zip(rows, numbers.tolist(), strict=True):
            row[:] = self._levels[number, part]
        return rows


@functools.lru_cache(maxsize=1024)
def _table(source: Lookup) -> NDArray[np.uint8]:
    knots = len(source.knots)
    steps = [(LEVELS - 1) * k // max(knots - 1, 1) for k in range(knots)]
    table = expand(source.knots, (MISSING_LEVEL, *steps)).astype(np.uint8)
    table.flags.writeable = False
    return table
