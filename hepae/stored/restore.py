"""Restoring a compressed collection from a tree: which chunks, which frames, which model. No codec mathematics here.

A `CompressedCollection` answers for any run of events and any features, reading only the frames that those need. What
it restored last is kept, because uproot asks for one feature at a time and for ranges that cut chunks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Integers
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.chunk import ChunkCodec, OpenChunk
from hepae.core.coding.frame import parse
from hepae.core.locks import ForkSafeLock
from hepae.core.values.objects import Objects, concatenate
from hepae.errors import CollectionError, CorruptionError, nearest
from hepae.root.columns import Jagged
from hepae.root.tree import TreeReader
from hepae.stored.event_payload import EventPayload, own_branch, read_events
from hepae.stored.frames import Codecs, bytes_of
from hepae.stored.titles import SUFFIX, compressed_collections

__all__ = ["CompressedCollection", "runs_of"]

CACHED_BYTES = 256 << 20
"""What each collection keeps of the chunks read last."""

RUN = limits.EVENTS_PER_CHUNK
"""Most events to go through at once."""

Key = TypeVar("Key")
Kept = TypeVar("Kept", OpenChunk, "Predicted")


@dataclass(frozen=True)
class Chunk:
    """Events ``start`` to ``stop`` of the tree, coded together."""

    start: int
    stop: int


@dataclass(frozen=True)
class Predicted:
    """Bottleneck: what the decoder makes of a run of events, float32[n_objects, n_features], for all features."""

    payload: EventPayload
    values: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return self.payload.nbytes + self.values.nbytes


class CompressedCollection:
    """A compressed collection of one tree.

    Parameters
    ----------
    tree
        The tree, open for reading.
    name
        Name of the collection.
    models
        Whoever has the codecs of the models.

    Raises
    ------
    CollectionError
        If the tree has no such compressed collection.
    """

    def __init__(self, tree: TreeReader, name: str, models: Codecs) -> None:
        found = compressed_collections(tree)
        if name not in found:
            raise CollectionError(
                f"no compressed collection {name!r}", where=tree.where, hint=nearest(name, found) or None
            )
        self.tree, self.name, self.models = tree, name, models
        self.features = found[name]
        any_payload = next(iter(self.features.values())).payload
        self.codec, self.counter = any_payload.codec, any_payload.counter
        self.decoded: dict[str, int] = {}
        self._chunks: list[Chunk] | None = None
        self._open: OrderedDict[int, OpenChunk] = OrderedDict()
        self._predicted: OrderedDict[tuple[int, int], Predicted] = OrderedDict()
        self._lock = ForkSafeLock()

    def counts(self, start: int, stop: int) -> Integers:
        """Objects per event, from the counter branch.

        Raises
        ------
        CollectionError
            If that branch was dropped.
        """
        if self.counter not in self.tree.branches:
            raise self._dropped(self.counter)
        return np.asarray(self.tree.read(self.counter, start, stop)).astype(np.int64)

    def restore(self, features: Sequence[str], start: int, stop: int) -> Objects:
        """Restored features for the events ``start`` to ``stop``; `decoded` counts the objects decoded by feature."""
        if self.codec == "bottleneck":
            return self._restore_events(features, start, stop)
        runs = []
        for chunk in self.chunks():
            first, last = max(start, chunk.start), min(stop, chunk.stop)
            if first < last:
                runs.append(self._objects(chunk, features).slice(first - chunk.start, last - chunk.start))
        if not runs:
            return self._empty(self.counts(start, stop), features)
        return concatenate(runs) if len(runs) > 1 else runs[0]

    def chunks(self) -> list[Chunk]:
        """The chunks of the tree in order, from the events that carry frames.

        Raises
        ------
        CorruptionError
            If the first event of the tree carries no frame: it was dropped.
        """
        with self._lock:
            if self._chunks is None:
                self._chunks = self._find_chunks()
            return self._chunks

    def forget(self, before: int) -> None:
        """Drop what is kept of events before this one: whoever goes through a file once has done with them."""
        with self._lock:
            for start in [start for start, one in self._open.items() if start + len(one.counts) <= before]:
                del self._open[start]
            for run in [run for run in self._predicted if run[1] <= before]:
                del self._predicted[run]

    def model_of(self, chunk: Chunk) -> tuple[str, str]:
        """The SHA-256 of the model that a chunk was coded with, hexadecimal, and where it says so."""
        branch = next(iter(self.features.values())).payload_branch
        where = f"{self.tree.where}, {branch}, event {chunk.start}"
        header = parse(bytes_of(self.tree, branch, chunk.start), where).header
        return header.model.hex(), where

    def _find_chunks(self) -> list[Chunk]:
        n = self.tree.num_entries
        branch = next(iter(self.features.values())).payload_branch
        counted = f"n{branch}" in self.tree.branches  # an RNTuple counts without a field
        found = self.tree.read(f"n{branch}" if counted else branch, 0, n)
        lengths = found.counts if isinstance(found, Jagged) else np.asarray(found)
        starts = np.flatnonzero(lengths)
        if n and (len(starts) == 0 or starts[0] != 0):
            raise CorruptionError(
                "the first event of a chunk was dropped",
                where=f"{self.tree.where}, {branch}",
                hint="decompress before you skim, or skim with `hepae skim`",
            )
        edges = [*starts.tolist(), n]
        return [Chunk(start, stop) for start, stop in pairwise(edges)]

    def _empty(self, counts: Integers, features: Sequence[str]) -> Objects:
        return Objects(counts, {name: np.empty(0, self.features[name].payload.dtype) for name in features})

    def _branch(self, feature: str) -> str:
        if feature not in self.features:
            raise self._dropped(f"{self.name}_{feature}{SUFFIX}")
        return self.features[feature].payload_branch

    def _dropped(self, branch: str) -> CollectionError:
        """The error for a branch that is not there any more: features need each other and their counter."""
        return CollectionError(
            "a branch is missing that others need to be restored",
            where=f"{self.tree.where}, {self.name}",
            expected=branch,
            hint=f"where the file was slimmed, keep {self.counter} and all branches that end in {SUFFIX}, "
            f"with their counters",
        )

    def escapes(self, feature: str) -> int:
        """How many values of a feature are stored bit for bit; nothing is decoded."""
        branch = self._branch(feature)
        if self.codec != "bottleneck":
            itemsize = np.dtype(self.features[feature].payload.dtype).itemsize
            frames = (parse(bytes_of(self.tree, branch, chunk.start), branch) for chunk in self.chunks())
            return sum(len(frame.escaped) for frame in frames) // itemsize
        found = 0
        for start in range(0, self.tree.num_entries, limits.EVENTS_PER_CHUNK):
            codes = self.tree.read(branch, start, min(start + limits.EVENTS_PER_CHUNK, self.tree.num_entries))
            # without corrections (latents only) the branch is flat; else code 0 is an escape
            found += int((codes.values == 0).sum()) if isinstance(codes, Jagged) else 0
        return found

    def _objects(self, chunk: Chunk, features: Sequence[str]) -> Objects:
        """The objects of a chunk, kept or decoded; one thread decodes at a time."""
        with self._lock:
            if chunk.start not in self._open:
                self._open[chunk.start] = self._opened(chunk, features[0])
            opened = self._open[chunk.start]
            missing = [name for name in features if name not in opened.columns]
            if missing:
                frames = {
                    name: bytes_of(self.tree, self._branch(name), chunk.start)
                    for name in opened.needs(missing)
                }
                for name in frames:
                    self.decoded[name] = self.decoded.get(name, 0) + int(opened.counts.sum())
                opened.decode(frames, missing)
            _forget_oldest(self._open, chunk.start)
            return Objects(opened.counts, {name: opened.columns[name] for name in features})

    def _opened(self, chunk: Chunk, feature: str) -> OpenChunk:
        where = f"{self.tree.where}, events {chunk.start} to {chunk.stop}, {self.name}_"
        first = parse(bytes_of(self.tree, self._branch(feature), chunk.start), where + feature)
        codec = self.models.codec(first.header.model.hex(), where)
        if not isinstance(codec, ChunkCodec):
            raise CorruptionError(
                "a frame of a model without chunks", where=where, got=first.header.model.hex()
            )
        limits.check("events in a chunk", chunk.stop - chunk.start, limits.MAX_EVENTS_PER_CHUNK, where)
        events = {
            name: np.asarray(self.tree.read(name, chunk.start, chunk.stop)) for name in codec.conditions
        }
        return OpenChunk(codec, self.counts(chunk.start, chunk.stop), events, where)

    def _restore_events(self, features: Sequence[str], start: int, stop: int) -> Objects:
        """Bottleneck: every event for itself, each run of events with the model that it names."""
        models = np.asarray(self.tree.read(own_branch(self.name, "model"), start, stop))
        edges = [0, *(np.flatnonzero(np.diff(models)) + 1).tolist(), len(models)]
        runs = []
        for first, last in pairwise(edges):
            if first < last:
                runs.append(self._restore_run(features, start + first, start + last, int(models[first])))
        if not runs:
            return self._empty(np.zeros(0, np.int64), features)
        return concatenate(runs) if len(runs) > 1 else runs[0]

    def _restore_run(self, features: Sequence[str], start: int, stop: int, model: int) -> Objects:
        where = f"{self.tree.where}, events {start} to {stop}, {self.name}"
        codec = self.models.codec(f"{model:08x}", where)
        if not isinstance(codec, Bottleneck):
            raise CorruptionError("a model with chunks for events without", where=where, got=f"{model:08x}")
        with self._lock:
            key = start, stop
            if key not in self._predicted:
                self._predicted[key] = self._predict(codec, start, stop)
            known = self._predicted[key]
            _forget_oldest(self._predicted, key)
            for name in features:
                self.decoded[name] = self.decoded.get(name, 0) + int(known.payload.counts.sum())
        encoded = known.payload.encoded
        columns = {
            name: codec.restore(name, known.values, encoded.corrections.get(name), encoded.escapes)
            for name in features
        }
        return Objects(known.payload.counts, columns)

    def _predict(self, codec: Bottleneck, start: int, stop: int) -> Predicted:
        payloads = {name: stored.payload_branch for name, stored in self.features.items()}
        counts = self.counts(start, stop)
        payload = read_events(self.tree, self.name, counts, codec.spec, payloads, start, stop)
        return Predicted(payload, codec.predict(payload.encoded.latents))


def _forget_oldest(kept: OrderedDict[Key, Kept], latest: Key) -> None:
    """Keep what was used last, up to `CACHED_BYTES`."""
    kept.move_to_end(latest)
    while len(kept) > 1 and sum(one.nbytes for one in kept.values()) > CACHED_BYTES:
        kept.popitem(last=False)


def runs_of(collections: Sequence[CompressedCollection], entries: int) -> Iterator[tuple[int, int]]:
    """Runs of events to go through a tree in: whole chunks of its first chunked collection, small ones together.

    What each collection keeps of the events before a run is dropped.
    """
    chunked = [one for one in collections if one.codec != "bottleneck"]
    stops = [chunk.stop for chunk in chunked[0].chunks()] if chunked else []
    start = 0
    for stop, after in pairwise([*(stops or range(RUN, entries, RUN)), entries, entries + RUN + 1]):
        if start < stop and after - start > RUN:
            for one in collections:
                one.forget(start)
            yield start, stop
            start = stop
