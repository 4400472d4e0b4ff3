"""Columns that weigh several features of the same object: sums, products, linear combinations."""

from __future__ import annotations

from typing import Final

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.prediction.context import ColumnKind, Context

__all__ = ["Blend", "Mix", "Product"]

BLOCK: Final = 8192
"""Objects summed at once: what is added up stays in the cache."""


class Product(ColumnKind, frozen=True, tag="product"):
    """Logarithm of a product of powers of features: the sum of weight/`shift` bits times each logarithm."""

    features: tuple[str, ...]
    weights: tuple[int, ...]
    shift: int

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        total: Integers | None = None
        for feature, weight in zip(self.features, self.weights, strict=True):
            log = context.part(context.log(feature), rank)
            scaled = log if weight == 1 else log * weight
            total = scaled if total is None else total + scaled
        assert total is not None
        return np.asarray(total >> self.shift if self.shift else total, np.int64)


class Mix(ColumnKind, frozen=True, tag="mix"):
    """Sum of weight/2**`shift` times the lattice integer of each feature of the same object."""

    features: tuple[str, ...]
    weights: tuple[int, ...]
    shift: int

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        columns = [context.part(context.real(feature), rank) for feature in self.features]
        weights = [weight / (1 << self.shift) for weight in self.weights]
        out = np.empty(len(columns[0]), np.int64)
        total, product = np.empty((2, min(BLOCK, len(out))))
        for start in range(0, len(out), BLOCK):
            stop = min(start + BLOCK, len(out))
            summed, one = total[: stop - start], product[: stop - start]
            np.multiply(columns[0][start:stop], weights[0], out=summed)
            summed += 0.5
            for column, weight in zip(columns[1:], weights[1:], strict=True):
                np.multiply(column[start:stop], weight, out=one)
                summed += one
            np.floor(summed, out=summed)
            out[start:stop] = summed
        return out


class Blend(ColumnKind, frozen=True, tag="blend"):
    """Lattice point of `target` nearest to a linear combination of the restored values of other features."""

    target: str
    features: tuple[str, ...]
    weights: tuple[float, ...]
    constant: float

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        total: Floats | float = self.constant
        for feature, weight in zip(self.features, self.weights, strict=True):
            total = total + context.values(feature, rank) * weight
        return context.lattices[self.target].nearest(np.asarray(total))
