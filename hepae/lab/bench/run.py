"""Measure hepae and the alternatives on one collection: the same events, bounds, chunks and checks, in one run.

The events are split in two: models are trained on one part, and what is reported is the other. Sizes are bytes of
payloads and models, without what any ROOT file has. Every restored value is compared with its bound.
"""

from __future__ import annotations

import math
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from threadpoolctl import threadpool_limits

from hepae import limits
from hepae.arrays import Array, Booleans
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.decode import chunk_codec
from hepae.core.features import FeatureSpec
from hepae.core.values.bounds import Bound, bits_equal, error, limit
from hepae.core.values.objects import Objects
from hepae.errors import BoundError, CollectionError
from hepae.files.threads import cores
from hepae.input.events import open_events
from hepae.input.selection import selection_of
from hepae.lab.bench.alternatives import Alternative, available
from hepae.learn.modelling import feature_specs, find_collection, model_of
from hepae.learn.recipe import Recipe
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.file.compression import LZMA_BEST, ZSTD_DEFAULT
from hepae.root.tree import split

__all__ = ["Measurement", "bench", "split_events"]


MOST_RUNS: Final = 20
ENOUGH_SECONDS: Final = 0.5
REPEATS: Final = 2
"""What is fast is measured several times."""


@dataclass(frozen=True)
class Measurement:
    """One method on the reported events.

    Attributes
    ----------
    method
        Its name.
    payload, model
        Bytes per object: of the payload over the reported objects, checksums and all; of the model, as compressed in
        a file, over all objects of the input, which a file of that size would carry once.
    worst
        Largest error over its bound, over all values; above 1 the bound was not kept.
    encode, restore
        MB/s of the columns as stored, on one thread: from arrays in memory to bytes in memory and back, for all methods
        alike; hepae's checksums are part of it.
    encode_all, restore_all
        The same on all cores, a process each, which does as many chunks as one did alone.
    train_seconds
        Training, where there is one.
    by_feature
        Bytes per object.
    one
        Time to restore a single feature (the mean of all of them) over the time for all.
    """

    method: str
    payload: float
    model: float
    worst: float
    encode: float
    restore: float
    encode_all: float
    restore_all: float
    train_seconds: float = 0.0
    by_feature: dict[str, float] | None = None
    one: float = 0.0

    @property
    def total(self) -> float:
        """Bytes per object, model included."""
        return self.payload + self.model


class Method(Protocol):
    """What can be measured: chunks to something and back."""

    name: str
    model_bytes: int
    train_seconds: float

    def encode(self, chunk: Objects, number: int) -> Any:
        """One chunk."""

    def restore(
        self, encoded: Any, chunk: Objects, features: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Some columns of an encoded chunk, or all, given its counts and conditions only."""

    def sizes(self, encoded: Any) -> dict[str, int]:
        """Bytes by feature."""


class ColumnWise:
    """An alternative, column by column."""

    model_bytes, train_seconds = 0, 0.0

    def __init__(self, alternative: Alternative, features: Sequence[FeatureSpec]) -> None:
        self.name, self._alternative, self._features = alternative.name, alternative, features

    def encode(self, chunk: Objects, number: int) -> Any:
        """Every column for itself."""
        return {
            f.name: self._alternative.encode(chunk.columns[f.name], f.bound, f.lattice)
            for f in self._features
        }

    def restore(
        self, encoded: Any, chunk: Objects, features: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """Every column for itself."""
        return {name: self._alternative.decode(encoded[name]) for name in features or encoded}

    def sizes(self, encoded: Any) -> dict[str, int]:
        """Bytes by feature."""
        return {name: len(packed.data) for name, packed in encoded.items()}


class Chunked:
    """Lifting or masked with a trained model."""

    def __init__(self, name: str, model: Model, train_seconds: float) -> None:
        self.name, self.train_seconds = name, train_seconds
        self.model_bytes = len(LZMA_BEST.pack(model.data))
        self._codec = chunk_codec(model)
        self._features = [feature.name for feature in model.manifest.features]

    def encode(self, chunk: Objects, number: int) -> Any:
        """Frames, checksums included."""
        return self._codec.encode(chunk, number)

    def restore(
        self, encoded: Any, chunk: Objects, features: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """The features asked for, by way of those that they are predicted from."""
        return self._codec.decode(chunk.counts, chunk.events, encoded, features or self._features)

    def sizes(self, encoded: Any) -> dict[str, int]:
        """Bytes of the frames."""
        return {name: len(frame) for name, frame in encoded.items()}


class Autoencoder:
    """Bottleneck with a trained model; its branches are compressed as in a file, features left out as ROOT would."""

    def __init__(
        self, name: str, model: Model, spec: BottleneckSpec, others: Sequence[str], train_seconds: float
    ) -> None:
        self.name, self.train_seconds, self._others = name, train_seconds, others
        self.model_bytes = len(LZMA_BEST.pack(model.data))
        self._codec = Bottleneck(spec, model.networks, model.tables)

    def encode(self, chunk: Objects, number: int) -> Any:
        """Latents, corrections and escapes."""
        encoded = self._codec.encode(chunk.columns)
        parts = {"latents": encoded.latents, **encoded.corrections}
        parts |= {name: chunk.columns[name] for name in self._others}
        packed = {name: len(ZSTD_DEFAULT.pack(_big_endian(column))) for name, column in parts.items()}
        packed["escapes"] = len(ZSTD_DEFAULT.pack(encoded.escapes.to_bytes(chunk.counts)[1].tobytes()))
        return encoded, packed, {name: chunk.columns[name] for name in self._others}

    def restore(
        self, encoded: Any, chunk: Objects, features: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """All features, which its networks give together."""
        return {**self._codec.decode(encoded[0]), **encoded[2]}

    def sizes(self, encoded: Any) -> dict[str, int]:
        """Compressed bytes by branch."""
        return dict(encoded[1])


def _big_endian(column: Array) -> bytes:
    return np.ascontiguousarray(column).astype(column.dtype.newbyteorder(">")).tobytes()


def bench(
    file: str | Path,
    *,
    collection: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    bounds: Sequence[str | tuple[str, Bound]] = (),
    tree: str | None = None,
    recipes: dict[str, Recipe],
    held_out: float = 0.0,
    alternatives: bool = True,
    seed: int = 1,
    report: Report = silent,
) -> list[Measurement]:
    """Measure all methods on a collection of a file.

    Parameters
    ----------
    file, collection, features, bounds, tree
        As in `hepae.compress`.
    recipes
        What to train, by name.
    held_out
        Share of events that is reported and that no model is trained on; with 0 models are trained on all events
        and all are reported, which is what compressing this file alone means.
    alternatives
        Whether to measure what is not hepae too.
    seed
        Of the split.
    """
    selection = selection_of(collection, features, bounds, tree)
    with open_events(file, tree, selection.collection) as events:
        found = find_collection(events, selection.collection)
        names = selection.names(found)
        conditions = sorted({name for recipe in recipes.values() for name in recipe.conditions})
        objects = events.objects(found, names, conditions, 0, events.num_entries)
    if objects.n_objects == 0:
        raise CollectionError("no objects to measure on", where=file)
    training, reported = split_events(objects, held_out, seed)
    methods: list[Method] = []
    for name, recipe in recipes.items():
        report(f"training {name}", 0, 1, "")
        began = time.perf_counter()
        try:
            sample = _at_most(training, recipe.choices.train_objects, seed)
            model = model_of(sample, found, names, selection.bounds, recipe, report)
        except BoundError as problem:  # float networks cannot keep every bound
            report(f"without {name}", 1, 1, str(problem))
            continue
        seconds = time.perf_counter() - began
        if isinstance(model.manifest.codec, BottleneckSpec):
            inside = {column.name for column in model.manifest.codec.columns}
            others = [feature for feature in names if feature not in inside]
            methods.append(Autoencoder(name, model, model.manifest.codec, others, seconds))
        else:
            methods.append(Chunked(name, model, seconds))
    specs = feature_specs(training, found, names, selection.bounds)
    if alternatives:
        methods = [*(ColumnWise(one, specs) for one in available()), *methods]
    chunks = list(_chunks(reported))
    measured = []
    for place, method in enumerate(methods):
        report("measuring", place, len(methods), method.name)
        measured.append(_measured(method, chunks, {f.name: f.bound for f in specs}, objects.n_objects))
    report("measuring", len(methods), len(methods), "")
    return measured


def split_events(objects: Objects, held_out: float, seed: int) -> tuple[Objects, Objects]:
    """Training and reported events, chosen at random; all for both where nothing is held out."""
    if held_out <= 0:
        return objects, objects
    order = np.random.default_rng(seed).permutation(objects.n_events)
    held = np.zeros(objects.n_events, bool)
    held[order[: round(held_out * objects.n_events)]] = True
    return _chosen(objects, ~held), _chosen(objects, held)


def _at_most(objects: Objects, most: int, seed: int) -> Objects:
    """About so many objects, of events chosen at random; all where there are no more."""
    order = np.random.default_rng(seed).permutation(objects.n_events)
    enough = np.cumsum(objects.counts[order]) <= most
    if enough.all():
        return objects
    chosen = np.zeros(objects.n_events, bool)
    chosen[order[enough]] = True
    return _chosen(objects, chosen)


def _chosen(objects: Objects, events: Booleans) -> Objects:
    inside = np.repeat(events, objects.counts)
    return Objects(
        objects.counts[events],
        {name: column[inside] for name, column in objects.columns.items()},
        {name: column[events] for name, column in objects.events.items()},
    )


def _chunks(objects: Objects) -> Iterator[Objects]:
    for start in range(0, objects.n_events, limits.EVENTS_PER_CHUNK):
        counts = objects.counts[start : start + limits.EVENTS_PER_CHUNK]
        for first, last in split(counts, limits.OBJECTS_PER_CHUNK):
            yield objects.slice(start + first, start + last)


def _measured(
    method: Method, chunks: Sequence[Objects], bounds: dict[str, Bound], all_objects: int
) -> Measurement:
    method.restore(
        method.encode(chunks[0].slice(0, 1), 0), chunks[0].slice(0, 1)
    )  # sessions and tables are made once
    n = sum(chunk.n_objects for chunk in chunks)
    raw = sum(chunk.columns[name].nbytes for chunk in chunks for name in bounds) / 1e6
    numbered = list(enumerate(chunks))
    with threadpool_limits(1):
        encoded, encode = _timed(lambda pair: method.encode(pair[1], pair[0]), numbered)
        pairs = list(zip(encoded, chunks, strict=True))
        restored, restore = _timed(lambda pair: method.restore(*pair), pairs)
        at_once = cores()
        encode_all = _side_by_side(lambda pair: method.encode(pair[1], pair[0]), numbered, at_once, encode)
        restore_all = _side_by_side(lambda pair: method.restore(*pair), pairs, at_once, restore)
        alone = _one_feature(method, pairs, list(bounds))
    sizes: dict[str, int] = {}
    for packed in encoded:
        for name, size in method.sizes(packed).items():
            sizes[name] = sizes.get(name, 0) + size
    worst = max(_worst(chunk, columns, bounds) for chunk, columns in zip(chunks, restored, strict=True))
    return Measurement(
        method.name,
        sum(sizes.values()) / n,
        method.model_bytes / all_objects,
        worst,
        raw / encode,
        raw / restore,
        at_once * raw / encode_all,
        at_once * raw / restore_all,
        method.train_seconds,
        {name: size / n for name, size in sizes.items()},
        alone / restore,
    )


def _one_feature(method: Method, pairs: Sequence[tuple[Any, Objects]], features: Sequence[str]) -> float:
    """Seconds that a single feature takes, the mean of all of them."""
    seconds = [
        _timed(lambda pair, one=name: method.restore(pair[0], pair[1], [one]), pairs)[1]  # type: ignore[misc]
        for name in features
    ]
    return float(np.mean(seconds))


def _timed(function: Callable[[Any], Any], items: Sequence[Any]) -> tuple[list[Any], float]:
    """Results and wall-clock seconds: the best of a few runs, because other work disturbs only upwards."""
    times: list[float] = []
    while len(times) < 2 or (len(times) < MOST_RUNS and sum(times) < ENOUGH_SECONDS):
        began = time.perf_counter()
        results = [function(item) for item in items]
        times.append(time.perf_counter() - began)
    return results, min(times)


def _side_by_side(function: Callable[[Any], Any], items: Sequence[Any], cores: int, alone: float) -> float:
    """Seconds that all items take where every core does all of them at once, each in a process of its own.

    So coffea and dask share out files. Threads of one process wait for Python's lock instead, between loops that take
    less time than to wake a thread. Where there is no ``fork``, what one core does alone is all there is.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        return alone * cores
    context = multiprocessing.get_context("fork")
    rounds = min(max(2, math.ceil(ENOUGH_SECONDS / alone)), MOST_RUNS)
    times = []
    for _ in range(REPEATS):
        barrier = context.Barrier(cores + 1)
        workers = [
            context.Process(target=_rounds, args=(function, items, rounds, barrier)) for _ in range(cores)
        ]
        for worker in workers:
            worker.start()
        barrier.wait()
        began = time.perf_counter()
        barrier.wait()
        times.append((time.perf_counter() - began) / rounds)
        for worker in workers:
            worker.join()
    return min(times)


def _rounds(function: Callable[[Any], Any], items: Sequence[Any], rounds: int, barrier: Barrier) -> None:
    """What each process does: once to get its pages, and when all are ready, so many times."""
    for item in items:
        function(item)
    barrier.wait()
    for _ in range(rounds):
        for item in items:
            function(item)
    barrier.wait()


def _worst(chunk: Objects, restored: dict[str, Array], bounds: dict[str, Bound]) -> float:
    """Largest error over its bound; infinite where a value that has to be exact is not."""
    worst = 0.0
    for name, bound in bounds.items():
        stored, back = chunk.columns[name], restored[name]
        different = ~bits_equal(stored, back)
        if not different.any():
            continue
        if bound.kind == "exact" or not np.isfinite(stored[different]).all():
            return float("inf")
        x, y = stored[different], back[different]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = error(x, y) / limit(x, bound)
        worst = max(worst, float(np.nan_to_num(ratio, nan=0.0 if (x == y).all() else np.inf).max()))
    return worst
