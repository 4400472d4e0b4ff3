"""What a report is made of: a collection before and after, and the facts of the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from hepae import limits
from hepae.arrays import Columns, Values
from hepae.core.bottleneck.escapes import Escapes
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.coding.frame import parse as parse_frame
from hepae.core.manifest import Manifest
from hepae.core.values.objects import Collection, concatenate
from hepae.errors import CollectionError
from hepae.files.verify.result import TreeCheck
from hepae.files.verify.run import verify
from hepae.input.events import is_csv, open_events
from hepae.lab.report.compared import Comparison, FeaturePair
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.columns import Jagged
from hepae.root.file.source import open_source, size_of
from hepae.root.tree import TreeReader
from hepae.stored.models import ModelStore, model_sizes, models_of
from hepae.stored.restore import CompressedCollection
from hepae.stored.titles import SUFFIX, compressed_collections

__all__ = ["MOST_OBJECTS", "compare"]

MOST_OBJECTS = 1_000_000
"""More are not drawn: the plots are made from runs of events evenly spread over the file."""


def compare(
    original: str | Path,
    file: str | Path,
    *,
    collection: str | None = None,
    bounds: Sequence[str] = (),
    tree: str | None = None,
    models: Iterable[Model] = (),
    report: Report = silent,
) -> Comparison:
    """Read a collection from an original and from its compressed or restored file.

    Parameters
    ----------
    original
        ROOT or CSV.
    file
        What `hepae.compress` or `hepae.decompress` wrote.
    collection
        Name of the collection; the first compressed one where none is named.
    bounds, tree, models, report
        As in `hepae.verify`, which is run over the whole files.

    Raises
    ------
    CollectionError
        If there is no such collection in both.
    """
    given = list(models)
    checked = verify(original, file, bounds=bounds, tree=tree, models=given, report=report)
    with open_events(original, tree) as before, open_source(file) as source:
        after = source.tree(None if is_csv(original) else before.name)
        store = models_of(source, given)
        name = collection or _first(before, after)
        found = before.collection(name)
        runs = list(_runs(before, found))
        stored = concatenate(
            before.objects(found, [f.name for f in found.features], (), *run) for run in runs
        )
        restored, manifest, sha256 = _restored(after, store, name, found, runs)
        comparison = Comparison(
            str(original),
            str(file),
            name,
            stored.counts,
            _pairs(
                found,
                stored.columns,
                restored,
                checked.trees[before.path],
                _escapes(after, store, name, manifest),
                manifest,
            ),
            before.num_entries,
            _objects(before, found),
            *_sizes(before, after, found, name),
            sum(model_sizes(source).values()),
            size_of(original),
            size_of(file),
            checked.kept,
            manifest,
            sha256,
            checked.differences,
            checked.combs,
        )
    report("reading", 1, 1, "")
    return comparison


def _pairs(
    found: Collection,
    stored: Columns,
    restored: Columns,
    checked: TreeCheck,
    escapes: Mapping[str, int],
    manifest: Manifest | None,
) -> list[FeaturePair]:
    """The features that were verified; what the second file lacks is what it was."""
    return [
        FeaturePair(
            feature.name,
            feature.branch,
            feature.title,
            stored[feature.name],
            restored.get(feature.name, stored[feature.name]),
            checked.columns[feature.branch],
            escapes.get(feature.name),
            checked.columns[feature.branch].compressed or manifest is None,
        )
        for feature in found.features
        if feature.branch in checked.columns
    ]


def _first(before: TreeReader, after: TreeReader) -> str:
    compressed = list(compressed_collections(after))
    shared = compressed or [name for name in before.collections() if name in after.collections()]
    if not shared:
        raise CollectionError(
            "no collection to compare", where=after.where, hint="name one with --collection"
        )
    return shared[0]


def _runs(events: TreeReader, collection: Collection) -> Iterator[tuple[int, int]]:
    """Runs of events of about `MOST_OBJECTS` objects in all, evenly spread over the file."""
    edges = range(0, events.num_entries, limits.EVENTS_PER_CHUNK)
    keep = min(1.0, MOST_OBJECTS / max(1, _objects(events, collection)))
    for start in edges:
        size = min(limits.EVENTS_PER_CHUNK, events.num_entries - start)
        yield start, start + max(1, round(keep * size))


def _objects(events: TreeReader, collection: Collection) -> int:
    step = limits.EVENTS_PER_CHUNK
    return sum(
        int(events.counts(collection, start, min(start + step, events.num_entries)).sum())
        for start in range(0, events.num_entries, step)
    )


def _restored(
    after: TreeReader, store: ModelStore, name: str, found: Collection, runs: Sequence[tuple[int, int]]
) -> tuple[dict[str, Values], Manifest | None, str]:
    """Columns of the second file that the first has too, and the manifest of the model that made them."""
    if name not in compressed_collections(after):
        there = after.collection(name)
        names = [feature.name for feature in there.features if feature in found.features]
        return concatenate(after.objects(there, names, (), *run) for run in runs).columns, None, ""
    compressed = CompressedCollection(after, name, store)
    names = list(compressed.features)
    columns = concatenate(compressed.restore(names, *run) for run in runs).columns
    models = [sha for sha, data in store.embedded.items() if data] or [""]
    for sha256 in models:
        model = store.find(sha256, after.where)
        if model.manifest.collection == name:
            return columns, model.manifest, model.sha256
    return columns, None, ""


def _escapes(after: TreeReader, store: ModelStore, name: str, manifest: Manifest | None) -> dict[str, int]:
    """How many values of each feature are stored bit for bit, as the file says."""
    if manifest is None:
        return {}
    compressed = CompressedCollection(after, name, store)
    if isinstance(manifest.codec, BottleneckSpec):
        return _escapes_by_event(compressed, [column.name for column in manifest.codec.columns])
    found = dict.fromkeys(compressed.features, 0)
    for chunk in compressed.chunks():
        for feature, stored in compressed.features.items():
            column = after.read(stored.payload_branch, chunk.start, chunk.start + 1)
            assert isinstance(column, Jagged)
            frame = parse_frame(column.values.astype(np.uint8).tobytes(), stored.payload_branch)
            found[feature] += len(frame.escaped) // np.dtype(stored.payload.dtype).itemsize
    return found


def _escapes_by_event(compressed: CompressedCollection, features: Sequence[str]) -> dict[str, int]:
    after, found = compressed.tree, np.zeros(len(features), np.int64)
    for start in range(0, after.num_entries, limits.EVENTS_PER_CHUNK):
        stop = min(start + limits.EVENTS_PER_CHUNK, after.num_entries)
        column = after.read(f"{compressed.name}_escape{SUFFIX}", start, stop)
        assert isinstance(column, Jagged)
        counts = compressed.counts(start, stop)
        escapes = Escapes.from_bytes(counts, column.counts, column.values, len(features))
        found += np.bincount(escapes.features, minlength=len(features))
    return dict(zip(features, found.tolist(), strict=True))


def _sizes(before: TreeReader, after: TreeReader, found: Collection, name: str) -> tuple[int, int]:
    compressed = compressed_collections(after).get(name, {})
    chosen = [f for f in found.features if not compressed or f.name in compressed]
    on_disk = sum(before.bytes_on_disk(feature.branch)[0] for feature in chosen)
    if not on_disk:
        on_disk = _objects(before, found) * sum(np.dtype(feature.dtype).itemsize for feature in chosen)
    if compressed:
        own = [b for b in after.branches if b.endswith(SUFFIX) and b.removeprefix("n").startswith(f"{name}_")]
    else:
        own = [feature.branch for feature in chosen]
    return on_disk, sum(after.bytes_on_disk(branch)[0] for branch in own)
