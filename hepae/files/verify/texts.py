"""A CSV file as a side: what a tree that was made of it must hold."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np

from hepae import limits
from hepae.arrays import Integers
from hepae.core.values.nested import Nested
from hepae.core.values.objects import find_collections
from hepae.files.verify.sides import Claim, Part, Side
from hepae.files.verify.structure import Facts
from hepae.files.verify.values import of_column
from hepae.input.csvio import read_csv
from hepae.input.events import CsvTree

__all__ = ["csv_side"]


class TextPart:
    """A column of a CSV file, or the number of objects of a collection."""

    claim: Claim | None = None

    def __init__(self, tree: CsvTree, name: str) -> None:
        self.tree, self.name, self.entries = tree, name, tree.num_entries

    def facts(self) -> Facts:
        """Nothing: text says nothing of itself."""
        return {}

    def short_names(self) -> tuple[str, ...]:
        """Its name in its collection."""
        info = self.tree.branches[self.name]
        if info.kind != "jagged":
            return ()
        found = find_collections({self.name: (info.dtype, info.counter, "")})
        return tuple(feature.name for one in found.values() for feature in one.features)

    def edges(self) -> Integers:
        """Where a run of lines ends that is read at once."""
        return np.arange(0, self.entries + 1, limits.EVENTS_PER_CHUNK)

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Values of a run of events."""
        return {"": of_column(self.tree.read(self.name, start, stop))}

    def sizes(self) -> tuple[int, int]:
        """Text has no bytes of a column."""
        return 0, 0

    def count(self) -> int:
        """Number of events."""
        return self.entries


def csv_side(path: str) -> Side:
    """A CSV file."""
    tree = CsvTree(read_csv(path))
    parts: list[Part] = [TextPart(tree, name) for name in tree.branches]
    edges = [*range(0, tree.num_entries, limits.EVENTS_PER_CHUNK), tree.num_entries]
    return Side(tree.name, "csv", tree.num_entries, {}, parts, runs=partial(pairwise, edges))
