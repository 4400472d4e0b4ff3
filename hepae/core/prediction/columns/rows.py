"""Columns of tables whose rows have a meaning of their own: the variations of a weight, one after the other."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.prediction.context import MISSING, ColumnKind, Context, Reach, octaves, of_ranks
from hepae.errors import ModelRejectedError

__all__ = ["OffBefore", "RowsBefore"]


class _OfRowsBefore(ColumnKind, frozen=True):
    """What the same feature says in the rows before.

    Parameters
    ----------
    target
        The feature.
    """

    target: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.target,)

    def within(self, reach: Reach) -> bool:
        return self.target in reach.behind

    def read(self, context: Context, rank: int | None) -> Integers:
        return of_ranks(self._of_rank, context, rank)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        raise NotImplementedError


class RowsBefore(_OfRowsBefore, frozen=True, tag="rows_before"):
    """Lattice point of `target` nearest to a linear combination of its values in the rows before, one for each rank.

    A vector of weights has fewer directions than rows: those that are known say much of the next.

    Parameters
    ----------
    constants, weights
        For each rank what the combination begins with, and the weights of the values of rank 0, 1, …. Beyond, the
        combination is 0.
    """

    constants: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        before = len(self.weights) == len(self.constants)
        if not before or any(len(weights) > rank for rank, weights in enumerate(self.weights)):
            raise ModelRejectedError("a row is predicted from rows that follow", where=self.target)

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


class OffBefore(_OfRowsBefore, frozen=True, tag="off_before"):
    """How far off the prediction of a row will be, from how far off those of the rows before it were.

    Events differ a lot in how far their weights vary, all rows of an event together. The column is the logarithm of the
    mean of magnitude over scale of the latents of the rows before, times the scale of the row; missing for rank 0 and
    beyond the scales.

    Parameters
    ----------
    scales
        For each rank the usual magnitude of its latents, above 0.
    most
        So many rows before are looked at.
    """

    optional: ClassVar[bool] = True

    scales: tuple[float, ...]
    most: int

    def __post_init__(self) -> None:
        if self.most < 1 or not all(0 < scale < np.inf for scale in self.scales):
            raise ModelRejectedError("rows before have no scale", where=self.target)

    @property
    def latents(self) -> tuple[str, ...]:
        return (self.target,)

    def _of_rank(self, context: Context, rank: int) -> Integers:
        order = context.order
        n = order.events_with(rank)
        if not 0 < rank < len(self.scales):
            return order.repeat(np.full(n, MISSING), rank)
        total, first = np.zeros(n), max(rank - self.most, 0)
        for place in range(first, rank):
            total += self._off(context, place)[:n]
        return order.repeat(octaves(total / (rank - first) * self.scales[rank]), rank)

    def _off(self, context: Context, place: int) -> Floats:
        """Magnitude over scale of the latents of a rank below that of the object: they do not change any more."""

        def divided() -> Floats:
            latents = context.part(context.latents[self.target], place)
            return np.abs(latents.astype(np.float64)) / self.scales[place]

        return context.kept((self, place), divided)
