"""The entries of one tree that pass a cut, written under its header as it was."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hepae import limits
from hepae.arrays import Booleans
from hepae.core.locks import computed_once
from hepae.files.cut import Cut
from hepae.files.skim.branches import ChosenBranch, entries_of_branches, require_alone
from hepae.files.skim.collections import ChosenCollection, payload_branches, restored
from hepae.files.skim.digests import Digests
from hepae.files.skim.passing import Tell, passing
from hepae.files.skim.tables import ChosenTables, named_columns
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.baskets import basket_of
from hepae.root.ttree.entries import setting_of
from hepae.root.ttree.header import TreeHeader, parse_tree
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import Filling, Treatment, TreeWriter
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.models import AnyModel, models_of
from hepae.stored.payload import MARKER, payload_plan
from hepae.stored.restore import CompressedCollection
from hepae.stored.titles import compressed_collections

__all__ = ["Events"]


class Chosen(Protocol):
    """Something of a tree whose chosen entries are written: a branch, a collection, all tables."""

    def add(self, start: int, keep: Booleans) -> None:
        """The next entries, and which of them are to be kept."""

    def flush(self) -> None:
        """Write what was gathered."""


@dataclass
class Events:
    """A tree under the original names: what is stored plainly, and what is restored.

    Parameters
    ----------
    source, tree
        The file and the tree.
    models
        Models that the file holds by reference.
    """

    source: Source
    tree: TTreeReader
    models: Iterable[AnyModel] = ()

    def __post_init__(self) -> None:
        self.store = models_of(self.source, self.models)
        self.collections = {
            name: CompressedCollection(self.tree, name, self.store)
            for name in compressed_collections(self.tree)
        }
        self.chunked = [one for one in self.collections.values() if one.codec != "bottleneck"]
        self.tables = compressed_of(self.tree.tree)
        self.features = {
            stored.branch: (one, feature)
            for one in self.collections.values()
            for feature, stored in one.features.items()
        }

    @computed_once
    def header(self) -> TreeHeader:
        """The header of the tree as it is stored."""
        return self.source.header(self.source.key(self.tree.path))

    def windows(self) -> list[tuple[int, int]]:
        """Runs of events that lie in one chunk of everything that has chunks, and are not too long."""
        entries = self.tree.num_entries
        edges = {0, entries, *range(0, entries, limits.EVENTS_PER_CHUNK)}
        for chunks in (one.chunks() for one in self.chunked):
            edges |= {edge for chunk in chunks for edge in (chunk.start, chunk.stop)}
        if self.tables is not None:
            edges |= {row.stop for row in self.tables.payload.rows}
        return list(itertools.pairwise(sorted(edges)))

    def passing(self, cut: Cut, tell: Tell) -> Booleans:
        """Which entries pass a cut, bool[entries].

        Raises
        ------
        CutError
            If it names branches that are not there, or of types that do not fit; before any work is done.
        UnsupportedError
            If it needs a branch that has fewer entries than the tree.
        """
        return passing(cut, self.tree, self.features, self._read, self.windows(), tell)

    def _read(self, name: str, start: int, stop: int) -> Column:
        if name not in self.features:
            return self.tree.read(name, start, stop)
        collection, feature = self.features[name]
        objects = collection.restore([feature], start, stop)
        return Jagged(objects.counts, objects.columns[feature])

    def framed(self) -> set[str]:
        """Branches that are not copied as bytes."""
        framed = {name for one in self.chunked for name in payload_branches(one)}
        return framed | ({MARKER} if self.tables is not None else set())

    def write(self, out: RootWriter, keep: Booleans, tell: Tell) -> Digests:
        """Write the chosen entries; return the checksums of what was written.

        Raises
        ------
        UnsupportedError
            If a branch cannot be moved entry by entry.
        """
        return _write_chosen(out, self, keep, tell)

    def digest(self) -> Digests:
        """Checksums of all that is in the tree, as `write` makes them of what it writes."""
        digests = Digests()
        framed = self.framed()
        plain = [
            one for one in entries_of_branches(self.source, self.header) if one.branch.path not in framed
        ]
        for start, stop in self.windows():
            keep = np.ones(stop - start, bool)
            for entries in plain:
                for piece in entries.chosen(start, keep):
                    digests.take(entries.branch.path, [piece.places], piece.data.tobytes())
            for one in self.chunked:
                digests.add(restored(one, start, stop))
        if self.tables is not None:
            for row in self.tables.payload.rows:
                digests.add_nested(named_columns(self.tables, row))
        return digests


def _write_chosen(out: RootWriter, events: Events, keep: Booleans, tell: Tell) -> Digests:
    require_alone(events.header)
    digests = Digests()
    if events.tables is not None and not keep.any():
        _write_without_entries(out, events, events.tables)
        return digests
    written = _begun(out, events, keep)
    framed = events.framed()
    parts: list[Chosen] = [
        ChosenBranch(entries, written, digests)
        for entries in entries_of_branches(events.source, events.header)
        if entries.branch.path not in framed
    ]
    parts += [ChosenCollection(one, events.tree, events.store, written, digests) for one in events.chunked]
    payload = None
    if events.tables is not None:
        path = events.tree.path + PAYLOAD
        payload = out.new_tree(path, payload_plan(), f"columns of {events.tree.name}, compressed by hepae")
        out.done.add(path)

        def mark(chunk: int, entries: int) -> None:
            written.append_basket(MARKER, basket_of(np.full(entries, chunk, np.uint32), "uint32"))

        parts.append(ChosenTables(events.tables, mark, payload.append, digests))
    for start, stop in events.windows():
        for part in parts:
            part.add(start, keep[start:stop])
        tell(stop)
    for part in parts:
        part.flush()
    for tree in filter(None, (written, payload)):
        tree.finish()
    return digests


def _write_without_entries(out: RootWriter, events: Events, tables: CompressedTree) -> None:
    """A compressed tree of which nothing is left is a plain one: no row says any more what its branches were."""
    key = events.source.key(events.tree.path)
    header = parse_tree(tables.header, events.tree.where)
    header.take_state(events.header)
    header.forget_entries()
    treatments: dict[str, Treatment] = {branch.path: Filling.GIVEN for branch in header.branches}
    out.rewrite(header, treatments, path=key.path, key=key, entries=0).finish()
    out.done.add(events.tree.path + PAYLOAD)


def _begun(out: RootWriter, events: Events, keep: Booleans) -> TreeWriter:
    """The tree that is written: the header as it was, with nothing in it."""
    source, key = events.source, events.source.key(events.tree.path)
    header = events.header.copy()
    header.forget_entries()
    for branch in header.branches:
        first = int(branch.record.number("fFirstEntry"))
        if first:
            branch.record.put("fFirstEntry", int(np.count_nonzero(keep[:first])))
    treatments: dict[str, Treatment] = {branch.path: Filling.GIVEN for branch in header.branches}
    settings = {
        branch.path: setting_of(source, branch, source.compression) for branch in events.header.branches
    }
    entries = int(np.count_nonzero(keep))
    return out.rewrite(header, treatments, path=key.path, key=key, entries=entries, settings=settings)
