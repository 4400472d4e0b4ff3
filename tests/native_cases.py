"""Cases for ``native/tests/damage.cpp``: what files of hepae hold, so that C++ damages it in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import uproot

from hepae.core.decode import chunk_codec
from hepae.core.values.objects import Objects
from hepae.model.model import Model
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.testing.golden import restored

__all__ = ["chunk_case", "golden_case", "golden_objects", "tree_case"]

FRAMES, TREE = 0, 1
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
