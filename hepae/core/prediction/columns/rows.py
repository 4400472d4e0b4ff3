"""Columns of tables whose rows have a meaning of their own: the variations of a weight, one after the other."""

from __future__ import annotations

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.prediction.context import ColumnKind, Context, Reach, of_ranks
from hepae.errors import ModelRejectedError

__all__ = ["RowsBefore"]


class RowsBefore(ColumnKind, frozen=True, tag="rows_before"):
    """Lattice point of `target` nearest to a linear combination of its values in the rows before, one for each rank.

    A vector of weights has fewer directions than rows: those that are known say much of the next.

    Parameters
    ----------
    target
        The feature.
    constants, weights
        For each rank what the combination begins with, and the weights of the values of rank 0, 1, …. Beyond, the
        combination is 0.
    """

    target: str
    constants: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        before = len(self.weights) == len(self.constants)
        if not before or any(len(weights) > rank for rank, weights in enumerate(self.weights)):
            raise ModelRejectedError("a row is predicted from rows that follow", where=self.target)

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.target,)

    def within(self, reach: Reach) -> bool:
        return self.target in reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._of_rank, context, rank)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        order = context.order
        n = order.events_with(rank)
        total = np.zeros(n)
        if rank < len(self.constants):
            total += self.constants[rank]
            for place, weight in enumerate(self.weights[rank]):
                total += self._row(context, place)[:n] * weight
        return context.lattices[self.target].nearest(order.repeat(total, rank))

    def _row(self, context: Context, place: int) -> Floats:
        """Values of the rows of a rank below that of the object: they do not change any more."""
        return context.kept((self.target, "row", place), lambda: context.values(self.target, place))
