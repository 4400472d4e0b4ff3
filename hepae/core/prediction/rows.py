"""A column of each feature as a row of one array, so that loops can take several."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Words

__all__ = ["Rows"]

Number = TypeVar("Number", np.int64, np.float64)


class Rows(Generic[Number]):
    """A column of each feature, made when it is first asked for."""

    def __init__(self, objects: int, dtype: np.dtype[Number]) -> None:
        self._place: dict[str, int] = {}
        self.array: NDArray[Number] = np.empty((0, objects), dtype)
        self._made: set[str] = set()

    def expect(self, features: Iterable[str]) -> None:
        """Make room for these when the first is asked for; others are moved where there is none."""
        for feature in features:
            self._place.setdefault(feature, len(self._place))

    def row(self, feature: str, fill: Callable[[NDArray[Number]], None], unfinished: bool) -> NDArray[Number]:
        """The column; of an ``unfinished`` feature it is made again each time."""
        self.expect((feature,))
        if len(self._place) > len(self.array):
            self._grow()
        row: NDArray[Number] = self.array[self._place[feature]]
        if feature not in self._made:
            fill(row)
            if not unfinished:
                self._made.add(feature)
        return row

    def places(self, features: tuple[str, ...]) -> Words:
        """Rows of these features."""
        return np.array([self._place[feature] for feature in features], np.uint64)

    def _grow(self) -> None:
        before, rows = self.array, max(len(self._place), 2 * len(self.array))
        self.array = np.empty((rows, before.shape[1]), before.dtype)
        for feature in self._made:
            self.array[self._place[feature]] = before[self._place[feature]]
