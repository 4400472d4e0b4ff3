"""What hepae stores of a tree, under its original names, restored. The only module here that knows how hepae stores.

Trees that are compressed as a whole appear in uproot with their original branches, whose baskets are restored when
they are read (`hepae.read.trees`); what the bottleneck stores, and what is stored in RNTuples, is restored by its own
reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from hepae.arrays import Integers
from hepae.core.locks import computed_once
from hepae.core.values.nested import Nested
from hepae.files.verify.branches import BranchPart, ttree_side
from hepae.files.verify.shares import bounds_of, chunk_runs, shares_of
from hepae.files.verify.sides import Claim, Part, Side
from hepae.files.verify.structure import Facts
from hepae.files.verify.values import of_column
from hepae.root.columns import Jagged
from hepae.root.tree import TreeReader
from hepae.stored.compressed import CompressedTree
from hepae.stored.frames import Codecs
from hepae.stored.payload import MARKER
from hepae.stored.restore import CompressedCollection, runs_of
from hepae.stored.titles import SUFFIX, compressed_collections

__all__ = ["Restored", "restored_side", "whole_side"]


@dataclass
class Restored:
    """What of a tree is compressed.

    Attributes
    ----------
    parts
        The original branches, restored when they are read.
    own
        Names of branches that hepae keeps in the tree for itself: not in the original.
    whole
        Whether the tree holds the rest of the original, too; a side file does not.
    """

    parts: list[Part]
    own: frozenset[str]
    whole: bool
    collections: Sequence[CompressedCollection]
    entries: int

    def runs(self) -> Iterator[tuple[int, int]]:
        """Runs of entries in which all parts are best read one after the other: whole chunks."""
        return runs_of(list(self.collections), self.entries)


class RestoredPart:
    """A compressed branch of a collection."""

    def __init__(self, collection: CompressedCollection, feature: str) -> None:
        self.collection, self.feature = collection, feature
        stored = collection.features[feature]
        self.name, self.payload, self._branch = stored.branch, stored.payload, stored.payload_branch
        self.entries = collection.tree.num_entries

    @computed_once
    def claim(self) -> Claim:
        """The bound that its title says."""
        return Claim({"": self.payload.bound}, self.collection.escapes(self.feature))

    def facts(self) -> Facts:
        """Its title: nothing else is kept."""
        return {"title": self.payload.title}

    def short_names(self) -> tuple[str, ...]:
        """Its name in its collection."""
        return (self.feature,)

    def edges(self) -> Integers:
        """Where its chunks begin."""
        return np.zeros(0, np.int64)

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Its restored values."""
        objects = self.collection.restore([self.feature], start, stop)
        return {"": of_column(Jagged(objects.counts, objects.columns[self.feature]))}

    def sizes(self) -> tuple[int, int]:
        """Bytes of its payload."""
        return self.collection.tree.bytes_on_disk(self._branch)

    def count(self) -> int:
        """Number of entries."""
        return self.entries


class WholePart(BranchPart):
    """A branch of a tree that is compressed as a whole, as the view of the original has it."""

    def __init__(self, name: str, branch: Any, claim: Claim, stored: int) -> None:
        super().__init__(name, branch)
        self.claim, self.stored = claim, stored

    def sizes(self) -> tuple[int, int]:
        """Its bytes in the file; nobody knows how many they were before they are restored."""
        return self.stored, 0


def whole_side(name: str, stored: Any, view: Any, compressed: CompressedTree) -> Side:
    """A tree that is compressed as a whole.

    Parameters
    ----------
    stored
        uproot's TTree of what is in the file: branches that were kept are compared as they are.
    view
        uproot's TTree of the original.
    compressed
        What restores the branches that were replaced.
    """
    side, original = ttree_side(name, stored), ttree_side(name, view)
    left = {part.name: part for part in side.parts if part.name != MARKER}
    bounds, sizes = bounds_of(compressed), shares_of(compressed)
    parts: list[Part] = []
    for part in original.parts:
        if part.name in compressed.branches and isinstance(part, BranchPart):
            own = {column: bound for column, bound in bounds.items() if is_of(column, part.name)}
            claim = Claim({column.removeprefix(part.name): bound for column, bound in own.items()})
            parts.append(WholePart(part.name, part.branch, claim, sizes[part.name]))
        elif part.name in left:
            parts.append(left.pop(part.name))
    side.parts, side.runs = [*parts, *left.values()], partial(chunk_runs, compressed)
    return side


def is_of(column: str, part: str) -> bool:
    """Whether a column is the branch itself or a leaf of it."""
    return column == part or column.startswith(f"{part}.")


def restored_side(tree: TreeReader, models: Codecs) -> Restored | None:
    """What of a tree is compressed event by event, or in an RNTuple; None where nothing is.

    Parameters
    ----------
    tree
        The tree in the file.
    models
        Whoever has the codecs of its models.
    """
    found = compressed_collections(tree)
    if not found:
        return None
    collections = [CompressedCollection(tree, name, models) for name in found]
    parts: list[Part] = [RestoredPart(one, feature) for one in collections for feature in one.features]
    payloads = [stored.payload for features in found.values() for stored in features.values()]
    return Restored(
        parts,
        frozenset(name for name in tree.branches if name.endswith(SUFFIX)),
        not any(payload.side for payload in payloads),
        collections,
        tree.num_entries,
    )
