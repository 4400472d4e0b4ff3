"""Cases for ``native/tests/damage.cpp``: what files of hepae hold, so that C++ damages it in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import uproot

from hepae.arrays import Columns, Integers
from hepae.core.bottleneck.codec import Bottleneck, Encoded
from hepae.core.bottleneck.escapes import Escapes
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.decode import chunk_codec
from hepae.core.values.objects import Objects
from hepae.model.model import Model
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import open_source
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.event_payload import own_branch
from hepae.stored.layout import BottleneckEncoder
from hepae.stored.models import models_of
from hepae.stored.titles import SUFFIX
from hepae.testing.golden import restored

__all__ = [
    "chunk_case", "encoded_events", "event_case", "golden_case", "golden_objects", "restored_events",
    "stored_events", "tree_case",
]  # fmt: skip

FRAMES, TREE, EVENTS = 0, 1, 2
"""The first number of a case: what it is."""


def _number(value: int) -> bytes:
    return struct.pack("<Q", value)


def _data(value: bytes) -> bytes:
    return _number(len(value)) + value


def _list(values: Iterable[bytes]) -> bytes:
    parts = [_data(value) for value in values]
    return _number(len(parts)) + b"".join(parts)


def golden_objects(path: Path) -> tuple[Model, Objects]:
    """The model of a golden file, and its values."""
    with uproot.open(path) as file:
        model = Model.from_bytes(bytes(file["hepae_models"]["onnx"].array(library="np")[0]))
        names = model.manifest.conditions
        events = {name: np.asarray(file["Events"][name].array(library="np")) for name in names}
    found = restored(path)
    counts = found[model.manifest.features[0].branch][0]
    columns = {feature.name: found[feature.branch][1] for feature in model.manifest.features}
    return model, Objects(counts, columns, events)


def golden_case(path: Path, case: Path) -> Path:
    """The model of a golden file, and its values as one chunk of it."""
    return chunk_case(*golden_objects(path), case)


def chunk_case(model: Model, objects: Objects, case: Path) -> Path:
    """A model, and objects as one chunk of it."""
    names = model.manifest.conditions
    counts, events = objects.counts, objects.events
    frames = chunk_codec(model).encode(objects, 1)
    parts = [model.data, bytes.fromhex(model.sha256), counts.astype("<i8").tobytes()]
    case.write_bytes(
        _number(FRAMES)
        + b"".join(map(_data, parts))
        + _list(events[name].tobytes() for name in names)
        + _list(events[name].astype("<f8").tobytes() for name in names)
        + _list(frames[feature.name] for feature in model.manifest.features)
    )
    return case


def tree_case(path: Path, tree: str, case: Path) -> Path:
    """The schema of a tree that is compressed as a whole, and the streams of its first chunk."""
    with uproot.open(path) as file:
        opened = compressed_of(file[tree])
        assert isinstance(opened, CompressedTree)
        row = opened.payload.rows[0]
        numbers = range(len(row.edges) - 1)
        streams = opened.payload.fetch(row, numbers)
        case.write_bytes(
            _number(TREE)
            + _data(opened.stored[row.schema].to_json())
            + _number(row.stop - row.start)
            + _number(row.chunk)
            + _list(bytes(streams[number]) for number in numbers)
        )
    return case


def stored_events(path: Path) -> tuple[Model, Integers, dict[str, Column]]:
    """The one bottleneck model of a file, objects per event, and the branches that jets are restored from."""
    with open_source(path) as source:
        tree, models = source.tree("Events"), models_of(source)
        (sha256,) = models.embedded
        model = models.find(sha256, str(path))
        names = [own_branch("Jet", part) for part in ("model", "check", "escape", "latent")]
        names += [feature.branch + SUFFIX for feature in model.manifest.features]
        n = int(tree.num_entries)
        return (
            model,
            np.asarray(tree.read("nJet", 0, n)).astype(np.int64),
            {name: tree.read(name, 0, n) for name in names},
        )


def event_case(model: Model, counts: Integers, branches: Mapping[str, Column], case: Path) -> Path:
    """A bottleneck model, and what branches hold of events that name it."""
    spec = model.manifest.codec
    assert isinstance(spec, BottleneckSpec)

    def branch(name: str) -> bytes:
        found = branches[name]
        values = found.values if isinstance(found, Jagged) else np.asarray(found)
        each = found.counts if isinstance(found, Jagged) else np.ones(len(counts), np.int64)
        return _data(each.astype("<i8").tobytes()) + _data(np.ascontiguousarray(values).tobytes())

    codes = [model.manifest.feature(column.name).branch + SUFFIX for column in spec.columns]
    case.write_bytes(
        _number(EVENTS)
        + _data(model.data)
        + _number(int(model.sha256[:8], 16))
        + _data(counts.astype("<i8").tobytes())
        + _data(np.asarray(branches[own_branch("Jet", "check")]).tobytes())
        + branch(own_branch("Jet", "escape"))
        + branch(own_branch("Jet", "latent"))
        + _number(len(codes))
        + b"".join(map(branch, codes))
    )
    return case


def encoded_events(model: Model, objects: Objects) -> dict[str, Column]:
    """The branches that a writer makes of objects."""
    spec = model.manifest.codec
    assert isinstance(spec, BottleneckSpec)
    return BottleneckEncoder(model, spec, False, {}).encode(objects, 0)


def restored_events(model: Model, counts: Integers, branches: Mapping[str, Column]) -> Columns:
    """What Python restores of such branches, in the order of the network."""
    spec = model.manifest.codec
    assert isinstance(spec, BottleneckSpec)
    escaped, latents = branches[own_branch("Jet", "escape")], branches[own_branch("Jet", "latent")]
    assert isinstance(escaped, Jagged)
    assert isinstance(latents, Jagged)
    codes = {
        column.name: branches[model.manifest.feature(column.name).branch + SUFFIX] for column in spec.columns
    }
    flat = {name: one.values for name, one in codes.items() if isinstance(one, Jagged)}
    escapes = Escapes.from_bytes(counts, escaped.counts, escaped.values, len(spec.columns))
    encoded = Encoded(latents.values.reshape(-1, spec.latents), flat, escapes)
    return Bottleneck(spec, model.networks, model.tables).decode(encoded)
