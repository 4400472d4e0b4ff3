"""Chosen entries of collections that are compressed inside their tree, chunk by chunk.

Lattice points are restored, chosen, and coded again with the same model, demanding the same bits, so that bounds do
not add up however often a file is skimmed. (Where every event stands for itself, in ``bottleneck``, branches are copied
as bytes like any others.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hepae import limits
from hepae.arrays import Booleans
from hepae.core.values.objects import Objects, concatenate
from hepae.files.skim.digests import Digests
from hepae.root.columns import Column, Jagged
from hepae.root.ttree.baskets import basket_of
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import TreeWriter
from hepae.stored.layout import Encoder, encoder_of
from hepae.stored.models import ModelStore
from hepae.stored.restore import CompressedCollection

__all__ = ["ChosenCollection", "payload_branches", "restored"]


def payload_branches(collection: CompressedCollection) -> set[str]:
    """Branches of the frames of a collection, and their counters."""
    names = {stored.payload_branch for stored in collection.features.values()}
    return names | {f"n{name}" for name in names}


def restored(collection: CompressedCollection, start: int, stop: int) -> Mapping[str, Column]:
    """All features for a run of events, by the names of their branches."""
    return _named(collection, collection.restore(list(collection.features), start, stop))


def _named(collection: CompressedCollection, objects: Objects) -> dict[str, Column]:
    features = collection.features
    return {features[name].branch: Jagged(objects.counts, values) for name, values in objects.columns.items()}


class ChosenCollection:
    """The events of one collection that are chosen, gathered until they fill a chunk.

    Parameters
    ----------
    collection
        The collection in the source.
    tree
        Its tree.
    models
        Models at hand.
    out
        The tree that is written.
    digests
        Told what is written.
    """

    def __init__(
        self,
        collection: CompressedCollection,
        tree: TTreeReader,
        models: ModelStore,
        out: TreeWriter,
        digests: Digests,
    ) -> None:
        self.collection, self.tree, self.models, self.out, self.digests = (
            collection,
            tree,
            models,
            out,
            digests,
        )
        self.number = 0
        self._runs: list[Objects] = []
        self._encoder: Encoder | None = None

    def add(self, start: int, keep: Booleans) -> None:
        """The next events, of one chunk, and which of them are to be kept."""
        if not keep.any():
            return
        encoder = self._encoder_at(start)
        if self._encoder is None or self._encoder.model.sha256 != encoder.model.sha256:
            self.flush()
            self._encoder = encoder
        stop = start + len(keep)
        objects = chosen(self.collection.restore(list(self.collection.features), start, stop), keep)
        conditions = self._encoder.manifest.conditions
        objects.events = {name: np.asarray(self.tree.read(name, start, stop))[keep] for name in conditions}
        self._runs.append(objects)
        events, found = (sum(getattr(run, name) for run in self._runs) for name in ("n_events", "n_objects"))
        if events >= limits.EVENTS_PER_CHUNK or found >= limits.OBJECTS_PER_CHUNK:
            self.flush()

    def _encoder_at(self, start: int) -> Encoder:
        """What codes the collection again as it was coded at that event."""
        chunk = next(chunk for chunk in self.collection.chunks() if chunk.start <= start < chunk.stop)
        side = next(iter(self.collection.features.values())).payload.side
        return encoder_of(self.models.find(*self.collection.model_of(chunk)), side, exact=True)

    def flush(self) -> None:
        """Write what was gathered as a chunk."""
        if not self._runs or self._encoder is None:
            return
        objects = concatenate(self._runs)
        for name, column in self._encoder.encode(objects, self.number).items():
            assert isinstance(column, Jagged)
            self.out.raise_count(name, int(column.counts.max()))
            self.out.append_basket(name, basket_of(column, "uint8"))
            self.out.append_basket(f"n{name}", basket_of(column.counts, "int32"))
        self.digests.add(_named(self.collection, objects))
        self.number += 1
        self._runs = []


def chosen(objects: Objects, keep: Booleans) -> Objects:
    """The objects of the events that are kept."""
    kept = np.repeat(keep, objects.counts)
    return Objects(objects.counts[keep], {name: column[kept] for name, column in objects.columns.items()})
