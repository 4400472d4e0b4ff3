"""What is fuzzed: each target takes bytes and says what they came to, or raises what must not be.

Everything begins with the small files in ``tests/corpus/seeds``, which `make_seeds` makes.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import onnx

import hepae
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.chunk import ChunkCodec
from hepae.core.coding.frame import Frame, parse, sealed, serialise
from hepae.core.decode import codec_of
from hepae.core.manifest import Manifest
from hepae.core.tables.streams import SEAL
from hepae.core.tables.streams import sealed as sealed_stream
from hepae.input.csvio import read_csv
from hepae.model.kinds import MANIFEST_KEY
from hepae.model.model import Model
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import open_source
from hepae.root.tree import TreeReader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.event_payload import checks_of, own_branch
from hepae.stored.models import ModelStore, models_of
from hepae.stored.payload import Payload, Row
from hepae.stored.restore import CompressedCollection
from hepae.stored.schemas import stored_tree
from hepae.testing.mutations import Mutation, any_bytes, csv_text, json_text, onnx_model
from scripts.hardening import fuzz_files
from scripts.hardening.corruptions import SUFFIX, Remembered
from tests.csv_reader import assert_is

__all__ = ["CORPUS", "TARGETS", "Target", "make_seeds"]

CORPUS = Path(__file__).parent.parent.parent / "tests" / "corpus"
SEEDS = CORPUS / "seeds"
CHUNKED = ("lifting", "masked")
CHECKSUMS = 6
"""Bytes of the two checksums at the end of a frame."""

SCHEMA = 255
"""Says that an input is a schema; no seed has so many streams."""


@dataclass(frozen=True)
class Target:
    """Something that takes bytes from strangers.

    Parameters
    ----------
    seeds
        Well-formed inputs.
    check
        Says in a word what bytes came to. A `HepaeError` is as good; anything else raised is a finding.
    mutations
        How to change inputs.
    """

    seeds: Callable[[], list[bytes]]
    check: Callable[[bytes], str]
    mutations: tuple[Mutation, ...]


def make_seeds(events: int = 30) -> None:
    """Write the seeds anew: one small file, plain, compressed with each codec, and compressed as a whole."""
    SEEDS.mkdir(parents=True, exist_ok=True)
    plain = fuzz_files.original(SEEDS / "plain.root", events)
    for codec in fuzz_files.FILES:
        fuzz_files.compressed(plain, SEEDS / f"{codec}.root", codec)


@dataclass(frozen=True)
class Seed:
    """A small compressed file in memory: its tree, its model, what it restores to."""

    tree: Remembered
    model: Model
    values: dict[str, bytes]

    @functools.cached_property
    def codec(self) -> ChunkCodec | Bottleneck:
        """The codec of the model."""
        return codec_of(self.model)

    @property
    def counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Objects per event."""
        return np.asarray(self.tree.columns["nJet"]).astype(np.int64)

    @property
    def frames(self) -> dict[str, bytes]:
        """The frame of each feature of a chunked codec."""
        found = self.model.manifest.features
        return {f.name: cast(Jagged, self.tree.columns[f.branch + SUFFIX]).values.tobytes() for f in found}


@functools.cache
def seed(codec: str) -> Seed:
    """The seed of a codec."""
    with open_source(SEEDS / f"{codec}.root") as source:
        tree, store = Remembered.of(source.tree("Events")), models_of(source)
        (sha256,) = store.embedded
        found = Seed(tree, store.find(sha256, ""), {})
    one = CompressedCollection(cast(TreeReader, tree), "Jet", ModelStore(given=[found.model]))
    objects = one.restore(list(one.features), 0, tree.num_entries)
    found.values.update({name: values.tobytes() for name, values in objects.columns.items()})
    return found


def compare(found: Mapping[str, Column], expected: Mapping[str, bytes]) -> str:
    """Identical; AssertionError for other values."""
    for name, values in found.items():
        assert cast(np.ndarray, values).tobytes() == expected[name], f"other values of {name}"
    return "identical"


# payloads: the first byte is the codec, the second the feature or branch, the third what the others replace


def payload_seeds() -> list[bytes]:
    """Every frame as it is, its payload, and every branch of an event codec."""
    found = []
    for number, codec in enumerate(CHUNKED):
        for place, frame in enumerate(seed(codec).frames.values()):
            parsed = parse(frame)
            parts = frame[:-CHECKSUMS], parsed.payload, parsed.escaped, parsed.override
            found += [bytes([number, place, kind]) + part for kind, part in enumerate(parts)]
    for place, name in enumerate(event_branches()):
        found.append(bytes([len(CHUNKED), place, 0]) + raw(seed("bottleneck").tree.columns[name]))
    return found


def event_branches() -> list[str]:
    """Branches of the event codec that its checksum covers."""
    mine = seed("bottleneck")
    own = [own_branch("Jet", part) for part in ("model", "escape", "latent")]
    assert isinstance(mine.model.manifest.codec, BottleneckSpec)
    names = [column.name for column in mine.model.manifest.codec.columns]
    return [*own, *(mine.model.manifest.feature(name).branch + SUFFIX for name in names)]


def raw(column: Column) -> bytes:
    """Bytes of the values of a column."""
    return (column.values if isinstance(column, Jagged) else np.asarray(column)).tobytes()


def check_payload(data: bytes) -> str:
    """Decode a feature of which something is replaced, under checksums that are good."""
    if len(data) < 3:
        return "too short to say what it is"
    number, place, kind, body = data[0] % 3, data[1], data[2] % 4, data[3:]
    if number == len(CHUNKED):
        return check_events(place, body)
    mine = seed(CHUNKED[number])
    assert isinstance(mine.codec, ChunkCodec)
    name = list(mine.frames)[place % len(mine.frames)]
    context = mine.codec.context(mine.counts, {})
    if kind == 0:
        lie = sealed(body, context)
    else:
        honest = parse(mine.frames[name])
        parts = [honest.payload, honest.escaped, honest.override]
        parts[kind - 1] = body
        lie = serialise(Frame(honest.header, parts[1], parts[2], parts[0]), context)
    return compare(mine.codec.decode(mine.counts, {}, {**mine.frames, name: lie}, [name]), mine.values)


def check_events(place: int, body: bytes) -> str:
    """Restore events of which a branch is replaced, under checksums that are good."""
    mine, names = seed("bottleneck"), event_branches()
    name = names[place % len(names)]
    column = mine.tree.columns[name]
    values = column.values if isinstance(column, Jagged) else np.asarray(column)
    body = body[: len(body) // values.itemsize * values.itemsize]
    other: Column = np.frombuffer(body, values.dtype)
    if isinstance(column, Jagged):
        other = Jagged(spread(len(cast(np.ndarray, other)), column.counts), cast(np.ndarray, other))
    elif len(other) != len(column):
        return "of no such length"
    columns = {**mine.tree.columns, name: other}
    columns[own_branch("Jet", "check")] = checks_of(mine.counts, [columns[one] for one in names])
    tree = replace(mine.tree, columns=columns)
    one = CompressedCollection(cast(TreeReader, tree), "Jet", ModelStore(given=[mine.model]))
    found = one.restore(list(one.features), 0, tree.num_entries)
    assert all(len(values) == found.n_objects for values in found.columns.values())
    return "values that are theirs"


def spread(n: int, counts: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Counts of so many values, as they were as far as they go."""
    edges = np.minimum(np.cumsum(counts), n)
    edges[-1:] = n
    return np.diff(edges, prepend=0)


# whole files: the first byte is the stream that the others replace, or says that they are the schema


@functools.cache
def whole() -> tuple[CompressedTree, dict[int, bytes]]:
    """The branches of the seed, and the streams of its first chunk without their checksums."""
    with open_source(SEEDS / f"{fuzz_files.WHOLE}.root") as source:
        tree = source.tree("Events")
        compressed = compressed_of(cast(TTreeReader, tree).tree)
        assert compressed is not None
        row = compressed.payload.rows[0]
        streams = compressed.payload.fetch(row, range(len(row.edges) - 1))
    return compressed, {number: stream[:-SEAL] for number, stream in streams.items()}


def whole_seeds() -> list[bytes]:
    """The schema, and every stream."""
    compressed, streams = whole()
    (stored,) = compressed.stored.values()
    return [
        bytes([SCHEMA]) + stored.to_json(),
        *(bytes([number]) + body for number, body in streams.items()),
    ]


def schema_text(data: bytes, rng: np.random.Generator) -> bytes:
    """Another value in a schema, or other bytes of a stream."""
    if data[:1] == bytes([SCHEMA]):
        return data[:1] + json_text(data[1:], rng)
    return any_bytes(data, rng)


def check_whole(data: bytes) -> str:
    """Restore the baskets of a chunk of which a stream or the schema is replaced, under checksums that are good."""
    compressed, streams = whole()
    row, (stored,) = compressed.payload.rows[0], compressed.stored.values()
    if data[:1] == bytes([SCHEMA]):
        stored = stored_tree(data[1:], "")
    elif data:
        streams = {**streams, data[0] % len(streams): data[1:]}

    def fetch(_: Row, numbers: Sequence[int]) -> dict[int, bytes]:
        return {number: sealed_stream(streams.get(number, b""), row.chunk, number) for number in numbers}

    payload = SimpleNamespace(rows=[row], fetch=fetch, where="")
    other = CompressedTree(cast(Payload, payload), {row.schema: stored}, compressed.models)
    for path in other.branches:
        other.basket(row, path)
    return "baskets"


# models and manifests: what is admitted is used


def model_seeds() -> list[bytes]:
    """The models of the seeds."""
    return [seed(codec).model.data for codec in fuzz_files.CODECS]


def check_model(data: bytes) -> str:
    """Admit a model, and decode with it what another wrote, under checksums that say that it was this one."""
    model = Model.from_bytes(data)
    codec = codec_of(model)
    return decoded(model, codec)


def decoded(model: Model, codec: ChunkCodec | Bottleneck) -> str:
    """Restore the seed of the codec with another model."""
    mine = seed(model.manifest.codec_name)
    if isinstance(codec, Bottleneck):
        names = [own_branch("Jet", "model"), own_branch("Jet", "check")]
        columns = dict(mine.tree.columns)
        columns[names[0]] = np.full(len(mine.counts), int(model.sha256[:8], 16), np.uint32)
        columns[names[1]] = checks_of(mine.counts, [columns[one] for one in event_branches()])
        tree = replace(mine.tree, columns=columns)
        one = CompressedCollection(cast(TreeReader, tree), "Jet", ModelStore(given=[model]))
        one.restore(list(one.features), 0, tree.num_entries)
        return "used"
    if codec.conditions or not set(codec.features) <= set(mine.frames):
        return "asks for other branches"
    context, frames = codec.context(mine.counts, {}), {}
    for name, frame in mine.frames.items():
        parsed = parse(frame)
        header = replace(parsed.header, model=codec.model[:4])
        frames[name] = serialise(Frame(header, parsed.escaped, parsed.override, parsed.payload), context)
    codec.decode(mine.counts, {}, frames, list(codec.features))
    return "used"


def manifest_seeds() -> list[bytes]:
    """The manifests of the seeds."""
    return [seed(codec).model.manifest.to_json() for codec in fuzz_files.CODECS]


def check_manifest(data: bytes) -> str:
    """Parse a manifest, and use it in the model of its codec."""
    manifest = Manifest.from_json(data)
    model = onnx.ModelProto()
    model.ParseFromString(seed(manifest.codec_name).model.data)
    del model.metadata_props[:]
    model.metadata_props.add(key=MANIFEST_KEY, value=manifest.to_json().decode())
    return check_model(bytes(model.SerializeToString(deterministic=True)))


# texts and files


def csv_seeds() -> list[bytes]:
    """The first lines of the bundled sample, and all the objects there are."""
    sample = (CORPUS.parent / "data" / "sample.csv").read_bytes().splitlines(keepends=True)
    every = b"1;p;1;2;3;" + b"".join(
        b"%s,1,2,3,4;" % one for one in (b"j", b"b", b"g", b"e-", b"e+", b"m-", b"m+")
    )
    return [b"".join(sample[:3]), sample[4], every, b"\xef\xbb\xbf1 ; p ; -1e3 ; inf ; nan\r\n\r\n2;p;1;2;3"]


def check_csv(data: bytes) -> str:
    """Read a CSV file: what the plain parser reads."""
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        file.write(data)
        file.flush()
        assert_is(read_csv(file.name), data)
    return "read exactly"


def root_seeds() -> list[bytes]:
    """The small files."""
    return [(SEEDS / f"{name}.root").read_bytes() for name in ("plain", *fuzz_files.CODECS)]


@functools.cache
def plain_values() -> tuple[dict[str, Any], ...]:
    """What the compressed files restore to."""
    return tuple(fuzz_files.restored(SEEDS / f"{codec}.root") for codec in fuzz_files.CODECS)


def check_root(data: bytes) -> str:
    """Restore a file if something in it is compressed, else compress it: what is written was verified."""
    with tempfile.TemporaryDirectory(prefix="hepae-fuzz-") as folder:
        path = Path(folder) / "file.root"
        path.write_bytes(data)
        if b"__hepae" in data:
            assert fuzz_files.restored(path) in plain_values(), "other values"
            return "identical"
        hepae.compress(path, path.with_suffix(".small"), model=seed("lifting").model, threads=1, force=True)
        return "compressed and verified"


TARGETS = {
    "payload": Target(payload_seeds, check_payload, (any_bytes,)),
    "manifest": Target(manifest_seeds, check_manifest, (json_text, json_text, json_text, any_bytes)),
    "model": Target(model_seeds, check_model, (onnx_model, onnx_model, onnx_model, any_bytes)),
    "csv": Target(csv_seeds, check_csv, (csv_text, csv_text, any_bytes)),
    "root": Target(root_seeds, check_root, (any_bytes,)),
    "whole": Target(whole_seeds, check_whole, (schema_text, any_bytes)),
}
