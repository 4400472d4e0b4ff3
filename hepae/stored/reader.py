"""Objects of a collection of a ROOT file, stored plainly or compressed, through the same words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.core.locks import ForkSafeLock
from hepae.core.values.objects import Collection, Objects, offsets
from hepae.errors import CollectionError, UnsupportedError, nearest
from hepae.model.model import Model
from hepae.root.columns import Jagged
from hepae.root.file.source import Source, open_source
from hepae.root.tree import TreeReader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.models import models_of
from hepae.stored.restore import CompressedCollection
from hepae.stored.titles import compressed_collections, is_compressed, parse_title

__all__ = ["ObjectReader", "batches", "chosen", "open_objects", "restore_branch"]


class ObjectReader:
    """A TTree whose collections are read by name; made by `open_objects`.

    Attributes
    ----------
    source, tree
        The open file and its tree.
    collections
        Features by collection, the compressed ones too.
    """

    def __init__(self, source: Source, tree: TTreeReader, models: Iterable[Model] = ()) -> None:
        self.source, self.tree = source, tree
        store = models_of(source, models)
        self._restored = {
            name: CompressedCollection(tree, name, store) for name in compressed_collections(tree)
        }
        self._plain: dict[str, Collection] = tree.collections()
        self.collections: dict[str, dict[str, None]] = {}
        for name, found in self._plain.items():
            self.collections.setdefault(name, {}).update(dict.fromkeys(f.name for f in found.features))
        for name, one in self._restored.items():
            self.collections.setdefault(name, {}).update(dict.fromkeys(one.features))

    def counter(self, name: str) -> str | None:
        """The branch that counts a collection."""
        return self._restored[name].counter if name in self._restored else self._plain[name].counter

    def with_features(self, features: Sequence[str]) -> str:
        """The collection that has these features.

        Raises
        ------
        CollectionError
            If there is none, or several.
        """
        found = [name for name, own in self.collections.items() if set(features) <= set(own)]
        if len(found) != 1:
            what = f"{'several collections' if found else 'no collection'} with {', '.join(features)}"
            raise CollectionError(what, where=self.tree.where, got=", ".join(found or self.collections))
        return found[0]

    def read(self, name: str, features: Sequence[str], start: int, stop: int) -> Objects:
        """Features of a collection for the entries ``start`` to ``stop``.

        Raises
        ------
        CollectionError
            If the collection or a feature is not there.
        """
        own = self.collections.get(name, {})
        missing = [feature for feature in features if feature not in own]
        if missing:
            hint = nearest(missing[0], own) if own else nearest(name, self.collections)
            got = ", ".join(own) or "no such collection"
            where = f"{self.tree.where}, {name}"
            raise CollectionError(
                "features are missing", where=where, expected=", ".join(missing), got=got, hint=hint
            )
        if name not in self._restored:
            return self.tree.objects(self._plain[name], features, (), start, stop)
        restored = [feature for feature in features if feature in self._restored[name].features]
        objects = self._restored[name].restore(restored, start, stop)
        for feature in features:
            if feature not in restored:
                column = self.tree.read(self._plain[name].feature(feature).branch, start, stop)
                assert isinstance(column, Jagged)
                objects.columns[feature] = column.values
        return objects

    def windows(self, start: int = 0, stop: int | None = None) -> list[tuple[int, int]]:
        """Runs of entries to read together."""
        last = self.tree.num_entries if stop is None else min(stop, self.tree.num_entries)
        step = limits.EVENTS_PER_CHUNK
        return [(first, min(first + step, last)) for first in range(start, last, step)]


@contextmanager
def open_objects(
    path: str | Path, tree: str | None = None, models: Iterable[Model] = ()
) -> Iterator[ObjectReader]:
    """Open a ROOT file with a TTree.

    Raises
    ------
    InputError
        If it cannot be read.
    UnsupportedError
        If the tree is an RNTuple.
    """
    with open_source(path) as source:
        found = source.tree(tree, is_compressed)
        if not isinstance(found, TTreeReader):
            raise UnsupportedError("only TTrees are read here", where=found.where, got="an RNTuple")
        yield ObjectReader(source, found, models)


def chosen(objects: Objects, keep: NDArray[np.bool_]) -> Objects:
    """The events that are kept."""
    of_objects = np.repeat(keep, objects.counts)
    return Objects(
        objects.counts[keep], {name: column[of_objects] for name, column in objects.columns.items()}
    )


def batches(objects: Objects, size: int) -> Iterator[Objects]:
    """The events in runs of ``size``."""
    edges = offsets(objects.counts)
    for start in range(0, objects.n_events, size):
        stop = min(start + size, objects.n_events)
        part = slice(edges[start], edges[stop])
        yield Objects(
            objects.counts[start:stop], {name: column[part] for name, column in objects.columns.items()}
        )


def restore_branch(source: Source, tree: TreeReader, branch: str, start: int, stop: int) -> Jagged:
    """Restored values of one payload branch: what the registered interpretation calls.

    What it needs is kept with the tree, so that branches and ranges asked for one after the other share it.
    """
    kept: dict[str, CompressedCollection] = vars(tree).setdefault("_restored_by_hepae", {})
    with vars(tree).setdefault("_restoring", ForkSafeLock()):
        payload = parse_title(tree.branches[branch].title)
        if payload is None:
            raise CollectionError("not a compressed branch", where=f"{tree.where}, {branch}")
        if payload.collection not in kept:
            kept[payload.collection] = CompressedCollection(tree, payload.collection, models_of(source))
    objects = kept[payload.collection].restore([payload.feature], start, stop)
    return Jagged(objects.counts, objects.columns[payload.feature])
