"""Restoring a compressed collection from a tree: which chunks, which frames, which model. No codec mathematics here.

A `CompressedCollection` answers for any run of events and any features, reading only the frames that those need. What
it restored last is kept, because uproot asks for one feature at a time and for ranges that cut chunks.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Integers
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.chunk import ChunkCodec, OpenChunk
from hepae.core.coding.frame import parse
from hepae.core.decode import codec_of
from hepae.core.locks import ForkSafeLock
from hepae.core.values.objects import Objects, concatenate
from hepae.errors import CollectionError, CorruptionError, HepaeError, MissingModelError, nearest
from hepae.model.model import Model
from hepae.root.columns import Jagged
from hepae.root.file.source import MODELS_TREE, Source
from hepae.root.tree import TreeReader
from hepae.stored.event_payload import EventPayload, own_branch, read_events
from hepae.stored.mixed import compressed_by_model, merged_with_plain
from hepae.stored.titles import SUFFIX, Payload, parse_title

__all__ = [
    "MODEL_PATH",
    "CompressedCollection",
    "ModelStore",
    "compressed_collections",
    "is_compressed",
    "models_of",
    "restore_branch",
    "runs_of",
]

MODEL_PATH = "HEPAE_MODEL_PATH"
"""Environment variable: directories (separated as in PATH) with models for files that hold them by reference."""

CACHED_BYTES = 256 << 20
"""What each collection keeps of the chunks read last."""

RUN = limits.EVENTS_PER_CHUNK
"""Most events to go through at once."""

Key = TypeVar("Key")
Kept = TypeVar("Kept", OpenChunk, "Predicted")


class ModelStore:
    """Models at hand: those of a file, those given, and those in the directories of ``HEPAE_MODEL_PATH``.

    Parameters
    ----------
    embedded
        ONNX bytes by SHA-256 (hexadecimal), as found in the file; empty bytes for models kept by reference.
    given
        Models that the user gave.
    compressed
        What each compresses in the file, by SHA-256 (`hepae.stored.mixed`).
    """

    def __init__(
        self,
        embedded: dict[str, bytes] | None = None,
        given: Iterable[Model] = (),
        compressed: dict[str, str] | None = None,
    ) -> None:
        self.embedded, self.compressed = embedded or {}, compressed or {}
        self._open = {model.sha256: model for model in given}
        self._codecs: dict[str, ChunkCodec | Bottleneck] = {}
        self._lock = ForkSafeLock()

    def find(self, start: str, where: str) -> Model:
        """The model whose SHA-256 starts with these hexadecimal digits.

        Raises
        ------
        MissingModelError
            If it is not at hand.
        """
        with self._lock:
            for sha256, model in self._open.items():
                if sha256.startswith(start):
                    return model
            data = self._data(start)
            if data is None:
                raise self._missing(start, where)
            model = Model.from_bytes(data)
            if not model.sha256.startswith(start):
                raise CorruptionError(
                    "a model does not have its SHA-256", where=where, expected=f"{start}…", got=model.sha256
                )
            self._open[model.sha256] = model
            return model

    def codec(self, start: str, where: str) -> ChunkCodec | Bottleneck:
        """The codec of that model, made once."""
        with self._lock:
            model = self.find(start, where)
            if model.sha256 not in self._codecs:
                self._codecs[model.sha256] = codec_of(model)
            return self._codecs[model.sha256]

    def _missing(self, start: str, where: str) -> HepaeError:
        """The error that says which model it is, where it was looked for, and where it could come from."""
        if not int(start, 16):
            # what ROOT writes for entries of a file without the branch
            return merged_with_plain(where, "the name of a model in every entry")
        name = next((sha256 for sha256 in self.embedded if sha256.startswith(start)), f"{start}…")
        inside = [sha256[:8] for sha256, data in self.embedded.items() if data]
        given = [sha256[:8] for sha256 in self._open if sha256 not in self.embedded]
        looked = [
            f"in the file ({', '.join(inside) or 'no model'})",
            f"among those given ({', '.join(given) or 'none'})",
            f"in the folders of {MODEL_PATH} ({os.environ.get(MODEL_PATH) or 'not set'})",
        ]
        return MissingModelError(
            "the model of this payload is not at hand",
            where=where,
            expected=f"SHA-256 {name}",
            got=f"others: looked {', '.join(looked)}",
            hint="whoever compressed the file has it: `hepae train` wrote it, or `hepae compress --out-dir` into "
            f"hepae-records; give it with --model, or put it into a folder named in {MODEL_PATH}",
        )

    def _data(self, start: str) -> bytes | None:
        for sha256, data in self.embedded.items():
            if sha256.startswith(start) and data:
                return data
        for folder in filter(None, os.environ.get(MODEL_PATH, "").split(os.pathsep)):
            for path in sorted(Path(folder).glob("*.onnx")):
                data = path.read_bytes() if path.stat().st_size <= limits.MAX_MODEL_BYTES else b""
                if hashlib.sha256(data).hexdigest().startswith(start):
                    return data
        return None


def models_of(source: Source, given: Iterable[Model] = ()) -> ModelStore:
    """The models that a file carries, and those given.

    Raises
    ------
    CorruptionError
        If the bytes of a model in the file do not have the SHA-256 that the file says.
    """
    embedded: dict[str, bytes] = {}
    compressed: dict[str, str] = {}
    if source.has_models:
        tree = source.tree(MODELS_TREE)
        limits.check("models in a file", tree.num_entries, limits.MAX_MODELS_PER_FILE, source.path)
        for entry in range(tree.num_entries):
            name = np.asarray(tree.read("sha256", entry, entry + 1)).astype(np.uint8).tobytes().hex()
            data = _bytes(tree, "onnx", entry)
            if data and hashlib.sha256(data).hexdigest() != name:
                raise CorruptionError(
                    "a model does not have its SHA-256",
                    where=source.path,
                    expected=name,
                    got=hashlib.sha256(data).hexdigest(),
                )
            embedded[name] = data or embedded.get(name, b"")
        compressed = compressed_by_model(tree)
    return ModelStore(embedded, given, compressed)


@dataclass(frozen=True)
class Stored:
    """A compressed feature in a tree: the branch it came from, and what the title of its payload says."""

    branch: str
    payload: Payload

    @property
    def payload_branch(self) -> str:
        """Name of the branch that holds the payload."""
        return self.branch + SUFFIX


def is_compressed(tree: TreeReader) -> bool:
    """Whether any of its collections is."""
    return bool(compressed_collections(tree))


def compressed_collections(tree: TreeReader) -> dict[str, dict[str, Stored]]:
    """Compressed features of a tree, by collection and short name."""
    found: dict[str, dict[str, Stored]] = {}
    for name, branch in tree.branches.items():
        payload = parse_title(branch.title) if name.endswith(SUFFIX) else None
        if payload is not None:
            found.setdefault(payload.collection, {})[payload.feature] = Stored(
                name.removesuffix(SUFFIX), payload
            )
    return found


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
        Models at hand.

    Raises
    ------
    CollectionError
        If the tree has no such compressed collection.
    """

    def __init__(self, tree: TreeReader, name: str, models: ModelStore) -> None:
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

    def model_of(self, chunk: Chunk) -> Model:
        """The model that a chunk was coded with."""
        branch = next(iter(self.features.values())).payload_branch
        where = f"{self.tree.where}, {branch}, event {chunk.start}"
        header = parse(_bytes(self.tree, branch, chunk.start), where).header
        return self.models.find(header.model.hex(), where)

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
            frames = (parse(_bytes(self.tree, branch, chunk.start), branch) for chunk in self.chunks())
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
                    name: _bytes(self.tree, self._branch(name), chunk.start) for name in opened.needs(missing)
                }
                for name in frames:
                    self.decoded[name] = self.decoded.get(name, 0) + int(opened.counts.sum())
                opened.decode(frames, missing)
            _forget_oldest(self._open, chunk.start)
            return Objects(opened.counts, {name: opened.columns[name] for name in features})

    def _opened(self, chunk: Chunk, feature: str) -> OpenChunk:
        where = f"{self.tree.where}, events {chunk.start} to {chunk.stop}, {self.name}_"
        first = parse(_bytes(self.tree, self._branch(feature), chunk.start), where + feature)
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


def _bytes(tree: TreeReader, branch: str, entry: int) -> bytes:
    column = tree.read(branch, entry, entry + 1)
    values = column.values if isinstance(column, Jagged) else np.asarray(column)
    return values.astype(np.uint8).tobytes()
