"""The entries of one tree that pass a cut, written under its header as it was."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hepae import limits
from hepae.arrays import Booleans
from hepae.core.locks import computed_once
from hepae.errors import InputError, UnsupportedError
from hepae.files.cut import Cut
from hepae.files.skim.branches import ChosenBranch, entries_of_branches, require_alone
from hepae.files.skim.collections import ChosenCollection, payload_branches, restored
from hepae.files.skim.digests import Digests
from hepae.files.skim.tables import ChosenTables, named_columns
from hepae.model.model import Model
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.entries import setting_of
from hepae.root.ttree.header import TREE_CLASSES, TreeHeader, parse_tree
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import Filling, Treatment, TreeWriter
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.models import models_of
from hepae.stored.payload import MARKER, payload_plan
from hepae.stored.restore import CompressedCollection
from hepae.stored.titles import compressed_collections

__all__ = ["Events", "tree_for", "ttree", "write_chosen"]

Tell = Callable[[int], None]
"""Told of the entries that are done."""


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
    models: Iterable[Model] = ()

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
        cut.require(self.tree.branches, self.tree.where, self.features)
        cut.keeps(self._columns(cut.names, 0, 0), 0)
        keep = np.zeros(self.tree.num_entries, bool)
        for start, stop in self.windows():
            keep[start:stop] = cut.keeps(self._columns(cut.names, start, stop), stop - start, start)
            tell(stop)
        return keep

    def _columns(self, names: Iterable[str], start: int, stop: int) -> dict[str, Column]:
        """What a cut is evaluated on: branches, restored where they are compressed."""
        columns = {name: self._read(name, start, stop) for name in names}
        for name, column in columns.items():
            if len(column) < stop - start:
                raise UnsupportedError(
                    "a branch has fewer entries than its tree",
                    where=f"{self.tree.where}, {name}",
                    expected=self.tree.num_entries,
                    got=start + len(column),
                    hint="leave it out of the cut",
                )
        return columns

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

    def digest(self) -> Digests:
        """Checksums of all that is in the tree, as `write_chosen` makes them of what it writes."""
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


def write_chosen(out: RootWriter, events: Events, keep: Booleans, tell: Tell) -> Digests:
    """Write the chosen entries of a tree; return the checksums of what was written.

    Raises
    ------
    UnsupportedError
        If a branch cannot be moved entry by entry.
    """
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
        parts.append(ChosenTables(events.tables, written, payload, digests))
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


def tree_for(source: Source, name: str | None, cut: Cut) -> TTreeReader:
    """The tree of that name; without a name the one that has what the cut names, or is compressed, or is largest.

    Raises
    ------
    InputError
        If there is none, or no single one.
    """
    return ttree(source, name if name is not None else _meant(source, cut))


def ttree(source: Source, name: str | None) -> TTreeReader:
    """The TTree of that name.

    Raises
    ------
    UnsupportedError
        If it is an RNTuple.
    """
    tree = source.tree(name)
    if not isinstance(tree, TTreeReader):
        raise UnsupportedError("only TTrees are skimmed", where=tree.where)
    return tree


def _meant(source: Source, cut: Cut) -> str | None:
    trees = [
        tree
        for path, classname in source.trees.items()
        if classname in TREE_CLASSES and isinstance(tree := source.tree(path), TTreeReader)
    ]
    having = [tree for tree in trees if cut.names and _names(tree).issuperset(cut.names)] or trees
    compressed = [tree for tree in having if compressed_of(tree.tree) or compressed_collections(tree)]
    for found in (having, compressed, _largest(compressed or having)):
        if len(found) == 1:
            return found[0].path
    if not having:
        return None
    raise InputError(
        "several trees could be meant",
        where=source.path,
        got=", ".join(tree.path for tree in having),
        hint="name one with --tree",
    )


def _names(tree: TTreeReader) -> set[str]:
    """Names of branches, restored ones too."""
    collections = compressed_collections(tree).values()
    return {*tree.branches, *(stored.branch for features in collections for stored in features.values())}


def _largest(trees: Sequence[TTreeReader]) -> list[TTreeReader]:
    most = max((tree.num_entries for tree in trees), default=0)
    return [tree for tree in trees if tree.num_entries == most]
