"""Choose events of a compressed file and keep it compressed, without losing a bit of what it restores.

Where every event stands for itself (``bottleneck``) the stored values of the chosen events are written as they are. The
chunked codecs restore lattice points, choose, and code the same lattice points again with the same model in new chunks,
demanding the same bits, so that bounds do not add up however often a file is skimmed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.core.values.objects import Objects, concatenate
from hepae.files.cut import Cut
from hepae.files.rewriting import (
    Digests,
    payload_branches,
    read_all,
    same_plan,
    tree_of,
    windows,
    write_models,
)
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.columns import Column, Jagged
from hepae.root.file.atomic import atomic_output
from hepae.root.file.source import Source, open_source, size_of
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import TreeWriter
from hepae.stored.layout import Encoder, encoder_of
from hepae.stored.restore import CompressedCollection, compressed_collections, models_of

__all__ = ["Skim", "skim"]


@dataclass(frozen=True)
class Skim:
    """What `skim` did: events and bytes before and after."""

    source: str
    target: str
    cut: str
    events_before: int
    events_after: int
    bytes_before: int
    bytes_after: int


def skim(
    source: str | Path,
    target: str | Path,
    cut: str,
    *,
    tree: str | None = None,
    models: Iterable[Model] = (),
    force: bool = True,
    report: Report = silent,
) -> Skim:
    """Write the events that pass a cut into a new file, compressed collections staying compressed.

    Parameters
    ----------
    source
        A ROOT file with a TTree, compressed or not.
    target
        ROOT file to write. It appears complete and verified, or not at all. Branches, titles and types are those of the
        source; everything else in the file (histograms, other trees) is copied as it is.
    cut
        Such as ``nJet >= 2 && Jet_pt[0] > 50``; docs/cuts.md has the language. Restored features can be used by name.
    tree
        Name of the tree.
    models
        Models that the file holds by reference.
    force
        Whether a target that exists is replaced, as uproot's ``recreate`` does; an error otherwise, as in the
        command line.

    Raises
    ------
    CutError
        If the cut cannot be understood, or names what is not there.
    UnsupportedError
        If the tree cannot be rewritten.
    CorruptionError
        If a chunk is damaged, or what was written does not read back bit for bit.

    Examples
    --------
    >>> skim("small.root", "dijets.root", "nJet >= 2").events_after  # doctest: +SKIP
    1840
    """
    condition = Cut(cut)
    with atomic_output(target, (source,), force=force) as temporary:
        with open_source(source) as opened:
            events = _Events(opened, tree_of(opened, tree), models)
            events.require(condition)
            with RootWriter(temporary, opened) as out:
                written = _Written(out.rewrite_tree(events.tree, same_plan(events.tree)), events)
                for start, stop in events.windows():
                    written.add(
                        start,
                        stop,
                        condition.keeps(events.columns(condition.names, start, stop), stop - start, start),
                    )
                    report("skimming", stop, events.tree.num_entries, "")
                written.finish()
                write_models(out, events.store.embedded, events.store.compressed)
                out.copy_rest()
            before = events.tree.num_entries
        kept = _check(temporary, events.tree.path, models, written.digests)
        sizes = size_of(source), size_of(temporary)
    return Skim(str(source), str(target), cut, before, kept, *sizes)


class _Events:
    """A tree under the original names: what is stored plainly, and what is restored."""

    def __init__(self, source: Source, tree: TTreeReader, models: Iterable[Model]) -> None:
        self.tree, self.store = tree, models_of(source, models)
        self.collections = {
            name: CompressedCollection(tree, name, self.store) for name in compressed_collections(tree)
        }
        self.chunked = {name: one for name, one in self.collections.items() if one.codec != "bottleneck"}
        framed = payload_branches(self.chunked.values())
        self.plain = [name for name in tree.branches if name not in framed]
        self.restored = {
            stored.branch: (one, feature)
            for one in self.collections.values()
            for feature, stored in one.features.items()
        }

    def require(self, cut: Cut) -> None:
        """Refuse a cut on branches that are not there, or of types that do not fit, before any work is done."""
        cut.require(self.tree.branches, self.tree.where, self.restored)
        cut.keeps(self.columns(cut.names, 0, 0), 0)

    def windows(self) -> list[tuple[int, int]]:
        """Runs of events to read together."""
        return windows(self.tree.num_entries, [one.chunks() for one in self.chunked.values()])

    def columns(self, names: Iterable[str], start: int, stop: int) -> dict[str, Column]:
        """What a cut is evaluated on."""
        return {name: self.read(name, start, stop) for name in names}

    def read(self, name: str, start: int, stop: int) -> Column:
        """A branch, restored if it is compressed."""
        if name not in self.restored:
            return self.tree.read(name, start, stop)
        collection, feature = self.restored[name]
        objects = collection.restore([feature], start, stop)
        return Jagged(objects.counts, objects.columns[feature])

    def encoder(self, name: str, start: int) -> Encoder:
        """What codes a chunked collection again as it was coded at that event."""
        one = self.chunked[name]
        chunk = next(chunk for chunk in one.chunks() if chunk.start <= start < chunk.stop)
        side = next(iter(one.features.values())).payload.side
        return encoder_of(one.model_of(chunk), side, exact=True)


@dataclass
class _Written:
    """The tree that is being written: chosen events are gathered until they fill a chunk."""

    out: TreeWriter
    events: _Events
    digests: Digests = field(default_factory=Digests)
    number: int = 0
    _plain: dict[str, list[Column]] = field(default_factory=dict)
    _objects: dict[str, list[Objects]] = field(default_factory=dict)
    _encoders: dict[str, Encoder] = field(default_factory=dict)
    _gathered: int = 0

    def add(self, start: int, stop: int, keep: NDArray[np.bool_]) -> None:
        """Take in the events ``start`` to ``stop`` that are to be kept."""
        if not keep.any():
            return
        encoders = {name: self.events.encoder(name, start) for name in self.events.chunked}
        known = {name: encoder.model.sha256 for name, encoder in self._encoders.items()}
        if known != {name: encoder.model.sha256 for name, encoder in encoders.items()}:
            self._flush()
            self._encoders = encoders
        for name, column in read_all(self.events.tree, self.events.plain, start, stop).items():
            self._plain.setdefault(name, []).append(_chosen(column, keep))
        for name, one in self.events.chunked.items():
            objects = _chosen_objects(one.restore(list(one.features), start, stop), keep)
            conditions = self._encoders[name].manifest.conditions
            objects.events = {key: np.asarray(self._plain[key][-1]) for key in conditions}
            self._objects.setdefault(name, []).append(objects)
        self._gathered += int(keep.sum())
        objects_gathered = max((sum(o.n_objects for o in runs) for runs in self._objects.values()), default=0)
        if self._gathered >= limits.EVENTS_PER_CHUNK or objects_gathered >= limits.OBJECTS_PER_CHUNK:
            self._flush()

    def finish(self) -> None:
        """Write what is left, and the header."""
        self._flush()
        self.out.finish()

    def _flush(self) -> None:
        if not self._gathered:
            return
        columns = {name: _joined(parts) for name, parts in self._plain.items()}
        self.digests.add(columns)
        for name, runs in self._objects.items():
            objects = concatenate(runs)
            columns |= self._encoders[name].encode(objects, self.number)
            self.digests.add(_restored(self.events.chunked[name], objects))
        self.out.append(columns)
        self.number += 1
        self._plain, self._objects, self._gathered = {}, {}, 0


def _check(path: Path, tree: str, models: Iterable[Model], expected: Digests) -> int:
    """Read back what was written; return the number of events."""
    with open_source(path) as opened:
        events = _Events(opened, tree_of(opened, tree), models)
        found = Digests()
        for start, stop in events.windows():
            found.add(read_all(events.tree, events.plain, start, stop))
            for one in events.chunked.values():
                found.add(_restored(one, one.restore(list(one.features), start, stop)))
        found.require_same(expected, path)
        return events.tree.num_entries


def _restored(one: CompressedCollection, objects: Objects) -> Mapping[str, Column]:
    return {
        one.features[name].branch: Jagged(objects.counts, values) for name, values in objects.columns.items()
    }


def _chosen(column: Column, keep: NDArray[np.bool_]) -> Column:
    if not isinstance(column, Jagged):
        return column[keep]
    return Jagged(column.counts[keep], column.values[np.repeat(keep, column.counts)])


def _chosen_objects(objects: Objects, keep: NDArray[np.bool_]) -> Objects:
    objects_kept = np.repeat(keep, objects.counts)
    return Objects(
        objects.counts[keep], {name: column[objects_kept] for name, column in objects.columns.items()}
    )


def _joined(parts: list[Column]) -> Column:
    runs = [part for part in parts if isinstance(part, Jagged)]
    if runs:
        return Jagged(np.concatenate([r.counts for r in runs]), np.concatenate([r.values for r in runs]))
    return np.concatenate([np.asarray(part) for part in parts])
