"""Where objects are found in the tables of sources, by the compiled loops.

The same as `Source.place` says in NumPy. Places are clipped once, here, and kept as unsigned 32-bit numbers, one row a
source, so that a look-up afterwards is two loads.
"""

from __future__ import annotations

import functools
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers
from hepae.core.prediction.columns import Mix, Product
from hepae.core.prediction.context import Context
from hepae.core.prediction.predictors import Source

if TYPE_CHECKING:
    from hepae.core.prediction.evaluation import Plan

__all__ = ["Places", "fill_places"]


class Places:
    """Places of the objects of a chunk, found as they are asked for.

    Parameters
    ----------
    loops
        `hepae.core.compiled.loops`.
    context
        What is known of the chunk.
    plan
        Sources, and the rows in which their places are kept.

    Attributes
    ----------
    array : uint32[n_rows, n_objects]
        Places: see `fill_places`.
    """

    def __init__(self, loops: ModuleType, context: Context, plan: Plan) -> None:
        self.loops, self._context, self._plan = loops, context, plan
        self.array = np.empty((plan.n_rows, context.order.n_objects), np.uint32)
        self._found: set[int] = set()

    def find(self, number: int, row: int, rank: int | None) -> None:
        """Put the places of a source into a row, for the objects of one rank at least."""
        if number in self._found:
            return
        source, context = self._plan.sources[number], self._context
        if rank is not None and not context.unfinished.isdisjoint(source.column.needs):
            fill_places(self.loops, context, source, rank, self.array[row, context.order.part(rank)])
            return
        fill_places(self.loops, context, source, None, self.array[row])
        if number in self._plan.rows:
            self._found.add(number)


def fill_places(
    loops: ModuleType, context: Context, source: Source, rank: int | None, out: NDArray[np.uint32]
) -> None:
    """Places in tables of a source, of the objects of one rank or of all.

    The tables lack the entry for missing unless the source is optional.
    """
    column = source.column
    missing = int(source.optional)
    scaling = source.low, source.shift, missing, source.knots[-1] - 1 + missing
    begin = 0 if rank is None else context.order.part(rank).start
    if isinstance(column, Mix):
        columns, rows = context.reals(column.features)
        loops.mix_places(columns, rows, _weights(column) / (1 << column.shift), begin, *scaling, out)
    elif isinstance(column, Product):
        logs, rows = context.logs(column.features)
        loops.product_places(logs, rows, _weights(column), begin, column.shift, *scaling, out)
    else:
        loops.places(column.read(context, rank), *scaling, out)


@functools.lru_cache(maxsize=1024)
def _weights(column: Mix | Product) -> Integers:
    return np.array(column.weights, np.int64)
