"""What hepae stores of a tree, under its original names, restored. The only module here that knows how hepae stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hepae.arrays import Integers
from hepae.core.values.nested import Nested
from hepae.files.verify.keys import OpenFile
from hepae.files.verify.sides import Claim, Part
from hepae.files.verify.structure import Facts
from hepae.files.verify.values import of_column
from hepae.model.model import Model
from hepae.root.columns import Jagged
from hepae.root.file.source import OWN_TREES
from hepae.stored.restore import CompressedCollection, compressed_collections, models_of, runs_of
from hepae.stored.titles import SUFFIX

__all__ = ["Restored", "is_own", "restored_side"]


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
    """A compressed branch."""

    def __init__(self, collection: CompressedCollection, feature: str) -> None:
        self.collection, self.feature = collection, feature
        stored = collection.features[feature]
        self.name, self.payload, self._branch = stored.branch, stored.payload, stored.payload_branch
        self.entries = collection.tree.num_entries

    @cached_property
    def claim(self) -> Claim:
        """The bound that its title says."""
        return Claim(self.payload.bound, self.collection.escapes(self.feature))

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


def is_own(path: Sequence[str]) -> bool:
    """Whether a key is something that hepae keeps for itself."""
    return path[-1] in OWN_TREES or path[-1].endswith(SUFFIX)


def restored_side(
    file: OpenFile, path: str, names: Iterable[str], models: Iterable[Model]
) -> Restored | None:
    """What of a tree is compressed; None where nothing is.

    Parameters
    ----------
    path
        The tree in the file.
    names
        Its branches as they are in the file.
    models
        Models that the file holds by reference.
    """
    if not any(name.endswith(SUFFIX) for name in names):
        return None
    tree = file.source.tree(path)
    found = compressed_collections(tree)
    if not found:
        return None
    store = models_of(file.source, models)
    collections = [CompressedCollection(tree, name, store) for name in found]
    parts: list[Part] = [RestoredPart(one, feature) for one in collections for feature in one.features]
    payloads = [stored.payload for features in found.values() for stored in features.values()]
    return Restored(
        parts,
        frozenset(name for name in tree.branches if name.endswith(SUFFIX)),
        not any(payload.side for payload in payloads),
        collections,
        tree.num_entries,
    )
