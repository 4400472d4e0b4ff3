"""Risk: damaged bytes that are read as values. Every answer is the values that were written, or a typed error."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hepae
from hepae import limits
from hepae.core.bottleneck.event_check import event_checks
from hepae.core.chunk import ChunkCodec
from hepae.core.coding.frame import CHECKSUMS, EXTRAS, FIXED, Frame, Header, parse, sealed, serialise
from hepae.core.coding.varint import varint
from hepae.core.manifest import Manifest
from hepae.errors import (
    CorruptionError,
    HepaeError,
    InputError,
    LimitError,
    MissingModelError,
    ModelRejectedError,
)
from hepae.model.model import Model
from hepae.root.file.source import open_source
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.models import ModelStore, models_of
from hepae.stored.restore import CompressedCollection
from hepae.testing.hostile import KINDS, damaged, flipped, prefixes
from scripts.hardening import fuzz_files

CODECS = fuzz_files.CODECS
CHUNKED = ("lifting", "masked")
Values = dict[str, bytes]


@dataclass
class Whole:
    """A small compressed file, open, with what its features restore to."""

    path: Path
    tree: TTreeReader
    models: ModelStore
    values: Values

    def restore(self) -> Values:
        """Counts and bit patterns of every feature, through a reader that remembers nothing."""
        self.tree._columns.clear()
        found = CompressedCollection(self.tree, "Jet", self.models)
        objects = found.restore(list(found.features), 0, self.tree.num_entries)
        return {"counts": objects.counts.tobytes(), **{n: v.tobytes() for n, v in objects.columns.items()}}

    @property
    def branches(self) -> list[str]:
        """Branches that hepae wrote, and the counter."""
        return ["nJet", *(name for name in self.tree.branches if name.endswith("__hepae"))]

    def frames(self) -> dict[str, bytes]:
        """The frame of each feature."""
        found = CompressedCollection(self.tree, "Jet", self.models)
        read = {name: self.tree.read(stored.payload_branch, 0, 1) for name, stored in found.features.items()}
        return {name: column.values.tobytes() for name, column in read.items()}

    @property
    def counts(self) -> np.ndarray:
        """Objects per event."""
        return np.frombuffer(self.values["counts"], np.int64)

    def codec(self) -> ChunkCodec:
        """The codec of its frames."""
        start = parse(next(iter(self.frames().values()))).header.model.hex()
        codec = self.models.codec(start, "")
        assert isinstance(codec, ChunkCodec)
        return codec


@pytest.fixture(scope="module", params=CODECS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    yield from opened(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module", params=CHUNKED)
def chunked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    yield from opened(request.param, tmp_path_factory.mktemp(request.param))


def opened(codec: str, folder: Path) -> Iterator[Whole]:
    path = fuzz_files.compressed(fuzz_files.original(folder / "a.root"), folder / "b.root", codec)
    with open_source(path) as source:
        tree = source.tree("Events")
        assert isinstance(tree, TTreeReader)
        found = Whole(path, tree, models_of(source), {})
        found.values = found.restore()
        yield found


class Flipped:
    """A branch of uproot's, one bit of whose baskets is flipped after decompression."""

    def __init__(self, branch: Any, bit: int) -> None:
        self.branch, self.place = branch, bit

    def __getattr__(self, name: str) -> Any:
        return getattr(self.branch, name)

    def basket(self, number: int) -> Any:
        basket = self.branch.basket(number)
        data = np.asarray(basket.data).view(np.uint8).copy()
        before = sum(np.asarray(self.branch.basket(n).data).nbytes for n in range(number)) * 8
        if 0 <= self.place - before < data.nbytes * 8:
            data[(self.place - before) // 8] ^= 1 << (self.place - before) % 8
        return SimpleNamespace(data=data, byte_offsets=basket.byte_offsets)


def bits_of(tree: TTreeReader, branch: str) -> int:
    source = tree.sources[branch]
    return 8 * sum(np.asarray(source.basket(n).data).nbytes for n in range(source.num_baskets))


def test_every_flipped_bit_inside_a_branch_is_an_error(whole: Whole) -> None:
    rng = np.random.default_rng(11)
    for branch in whole.branches:
        source = whole.tree.sources[branch]
        bits = rng.permutation(bits_of(whole.tree, branch))[:60].tolist()
        found = [outcome_of_a_flip(whole, branch, source, bit) for bit in bits]
        # the offsets of a basket tell the same as a counter, of which either is read
        allowed = {"refused", "identical"} if branch != "nJet" and branch.startswith("n") else {"refused"}
        assert set(found) <= allowed, (branch, list(zip(bits, found, strict=True)))
    assert whole.restore() == whole.values


def outcome_of_a_flip(whole: Whole, branch: str, source: Any, bit: int) -> str:
    whole.tree.sources[branch] = Flipped(source, bit)
    try:
        return "identical" if whole.restore() == whole.values else "silent"
    except (CorruptionError, MissingModelError, InputError):
        return "refused"
    finally:
        whole.tree.sources[branch] = source


def test_every_bit_and_every_length_of_a_frame_is_checked(chunked: Whole) -> None:
    for name, frame in chunked.frames().items():
        parse(frame)
        for shorter in prefixes(frame):
            with pytest.raises(CorruptionError):
                parse(shorter)
        for extra in (b"\0", frame):
            with pytest.raises(CorruptionError):
                parse(frame + extra)
        for other in flipped(frame):
            with pytest.raises(CorruptionError, match=name):
                parse(other, name)


def outcome(whole: Whole, codec: ChunkCodec, frames: dict[str, bytes]) -> str:
    """Decode all features of the only chunk."""
    tracemalloc.clear_traces()
    try:
        found = codec.decode(whole.counts, {}, frames, list(frames))
    except HepaeError:
        return "refused"
    return "identical" if all(found[n].tobytes() == whole.values[n] for n in found) else "silent"


def test_payloads_that_lie_under_a_good_checksum_are_refused(chunked: Whole) -> None:
    rng = np.random.default_rng(12)
    codec, frames = chunked.codec(), chunked.frames()
    context = codec.context(chunked.counts, {})
    for round_ in range(150):
        for name, frame in frames.items():
            found = parse(frame)
            parts = [found.escaped, found.override, found.payload]
            place = int(rng.choice([place for place, part in enumerate(parts) if part]))
            kind = KINDS[round_ % len(KINDS)]
            if len(parts[place]) > 8:
                parts[place] = kind(np.frombuffer(parts[place], np.uint8).copy(), rng).tobytes()
            lie = serialise(Frame(found.header, *parts), context)
            assert outcome(chunked, codec, {**frames, name: lie}) != "silent", (name, round_, kind.__name__)


def test_every_length_of_a_payload_under_a_good_checksum_is_refused(chunked: Whole) -> None:
    codec, frames = chunked.codec(), chunked.frames()
    context = codec.context(chunked.counts, {})
    for name, frame in frames.items():
        found = parse(frame)
        for length in range(len(found.payload)):
            parts = found.escaped, found.override, found.payload[:length]
            lie = serialise(Frame(found.header, *parts), context)
            assert outcome(chunked, codec, {**frames, name: lie}) == "refused", (name, length)


FIXED_FIELDS = ("magic", "kind", "model", "chunk", "content")
FIELDS = (*FIXED_FIELDS, "feature", "events", "objects", "escaped", "override")


def with_field(frame: bytes, context: int, field: str, value: int | bytes) -> bytes:
    """A frame one of whose fields is another, under the checksums that belong to it."""
    found = parse(frame)
    h: Header = found.header
    fixed = dict(zip(FIXED_FIELDS, FIXED.unpack_from(frame), strict=True))
    numbers = {"feature": h.feature, "events": h.events, "objects": h.objects,
               "escaped": len(found.escaped), "override": len(found.override)}  # fmt: skip
    fixed["kind"] |= EXTRAS
    changed = fixed if field in fixed else numbers
    changed[field] = value
    head = FIXED.pack(*fixed.values()) + b"".join(map(varint, numbers.values()))
    return sealed(head + found.escaped + found.override + found.payload, context)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [0, 1, 200, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**64 - 1])
def test_headers_that_lie_are_refused_before_anything_is_allocated(
    chunked: Whole, field: str, value: int
) -> None:
    codec, frames = chunked.codec(), chunked.frames()
    context, (name, frame) = codec.context(chunked.counts, {}), next(iter(frames.items()))
    try:
        lie = with_field(
            frame, context, field, value.to_bytes(8, "little")[:4] if field == "model" else value
        )
    except struct.error:
        return
    honest = value == {"feature": 0, "escaped": 0, "override": 0}.get(field)
    tracemalloc.start()
    try:
        expected = "identical" if honest else "refused"
        assert outcome(chunked, codec, {**frames, name: lie}) == expected
        assert honest or tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_sizes_beyond_their_limits_name_the_limit(chunked: Whole) -> None:
    frame = next(iter(chunked.frames().values()))
    with pytest.raises(LimitError, match="events in a chunk out of range"):
        parse(with_field(frame, 0, "events", limits.MAX_EVENTS_PER_CHUNK + 1))
    with pytest.raises(LimitError, match="bytes in a frame out of range"):
        parse(with_field(frame, 0, "escaped", limits.MAX_PAYLOAD_BYTES + 1))


def test_numbers_that_are_longer_than_needed_are_refused(chunked: Whole) -> None:
    frame = next(iter(chunked.frames().values()))
    for number in (b"\x80\x00", b"\xff" * 9 + b"\x02", b"\x80" * 10):
        body = frame[: FIXED.size] + number + frame[FIXED.size + 1 : -CHECKSUMS.size]
        with pytest.raises(CorruptionError, match="cut short or too long"):
            parse(sealed(body, 0))


def test_frames_of_another_feature_chunk_or_model_are_refused(chunked: Whole) -> None:
    codec, frames = chunked.codec(), chunked.frames()
    counts, context = chunked.counts, codec.context(chunked.counts, {})
    first, second = list(frames)[:2]
    with pytest.raises(CorruptionError, match="another feature"):
        codec.decode(counts, {}, {**frames, first: frames[second]}, list(frames))
    lie = with_field(frames[second], context, "chunk", 7)
    with pytest.raises(CorruptionError, match="another chunk"):
        codec.decode(counts, {}, {**frames, second: lie}, list(frames))
    lie = with_field(frames[first], context, "model", b"abcd")
    with pytest.raises(CorruptionError, match="another model"):
        codec.decode(counts, {}, {**frames, first: lie}, list(frames))
    with pytest.raises(CorruptionError, match="events of a chunk were dropped"):
        codec.decode(counts[:-1], {}, frames, list(frames))
    with pytest.raises(CorruptionError, match="counts or conditions"):
        codec.decode(counts[::-1].copy(), {}, frames, list(frames))


def test_a_damaged_model_is_never_the_model(whole: Whole) -> None:
    data = next(data for data in whole.models.embedded.values() if data)
    sha256 = next(sha256 for sha256, found in whole.models.embedded.items() if found)
    for seed in range(300):
        other = damaged(data, seed)
        if other == data:
            continue
        with suppress(HepaeError):
            assert Model.from_bytes(other).sha256 != sha256
        store = ModelStore({sha256: other})
        with pytest.raises(HepaeError):
            store.codec(sha256[:8], "")


def test_every_length_of_a_model_is_refused(whole: Whole) -> None:
    data = next(data for data in whole.models.embedded.values() if data)
    rng = np.random.default_rng(14)
    for length in rng.integers(0, len(data), 200).tolist():
        with pytest.raises(HepaeError):
            Model.from_bytes(data[:length])


@pytest.mark.parametrize("codec", fuzz_files.FILES)
def test_whole_files_damaged_anyhow_are_restored_as_they_were_or_refused(codec: str) -> None:
    outcomes, faults = fuzz_files.fuzz(codec, range(100), seed=20, say=lambda _: None)
    assert not faults
    assert outcomes["identical"] > 0
    assert outcomes.total() - outcomes["identical"] > 50


def test_a_compressed_file_cut_anywhere_is_refused_at_once(whole: Whole, tmp_path: Path) -> None:
    data = whole.path.read_bytes()
    cut = tmp_path / "cut.root"
    for length in [
        0,
        1,
        3,
        4,
        63,
        64,
        *np.random.default_rng(15).integers(100, len(data), 40).tolist(),
        len(data) - 1,
    ]:
        cut.write_bytes(data[:length])
        with pytest.raises(InputError, match=r"empty|truncated|not a ROOT"):
            hepae.open(cut)


events = st.lists(st.integers(0, 5), min_size=1, max_size=12).map(lambda counts: np.array(counts, np.int64))


def branches_of(counts: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    n = int(counts.sum())
    return [
        (np.ones(len(counts), np.int64), rng.integers(0, 2**32, len(counts), np.uint32)),
        (counts, rng.integers(0, 2**16, n, np.uint16)),
        (counts, rng.integers(0, 2**63, n, np.uint64)),
        (counts * 3, rng.normal(size=3 * n).astype(np.float32)),
        (counts, rng.integers(0, 2, n).astype(np.uint8)),
    ]


@given(events, st.integers(0, 2**32), st.data())
def test_any_flipped_bit_of_an_event_changes_its_checksum_and_no_other(
    counts: np.ndarray, seed: int, data: st.DataObject
) -> None:
    branches = branches_of(counts, seed)
    before = event_checks(branches)
    number = data.draw(st.integers(0, len(branches) - 1))
    sizes, values = branches[number]
    raw = values.copy().view(np.uint8)
    if not len(raw):
        return
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    after = event_checks([*branches[:number], (sizes, raw.view(values.dtype)), *branches[number + 1 :]])
    event = np.searchsorted(np.cumsum(sizes), bit // 8 // values.dtype.itemsize, side="right")
    assert np.flatnonzero(before != after).tolist() == [event]


@given(events, st.integers(0, 2**32), st.data())
def test_checksums_of_events_survive_skims_and_joins(
    counts: np.ndarray, seed: int, data: st.DataObject
) -> None:
    branches = branches_of(counts, seed)
    whole = event_checks(branches)
    kept = data.draw(st.lists(st.integers(0, len(counts) - 1), min_size=1, max_size=20))
    skimmed = []
    for sizes, values in branches:
        edges = np.concatenate([[0], np.cumsum(sizes)])
        parts = [values[edges[event] : edges[event + 1]] for event in kept]
        skimmed.append((sizes[kept], np.concatenate(parts)))
    assert np.array_equal(event_checks(skimmed), whole[kept])


@given(events.filter(lambda counts: counts.sum() > 1), st.integers(0, 2**32))
def test_values_exchanged_within_an_event_or_lost_change_its_checksum(counts: np.ndarray, seed: int) -> None:
    branches = branches_of(counts, seed)
    before = event_checks(branches)
    sizes, values = branches[2]
    event = int(counts.argmax())
    start = int(counts[:event].sum())
    lost = sizes.copy()
    lost[event] -= 1
    assert (
        before[event] != event_checks([*branches[:2], (lost, np.delete(values, start)), *branches[3:]])[event]
    )
    if counts[event] > 1 and values[start] != values[start + 1]:
        exchanged = values.copy()
        exchanged[[start, start + 1]] = values[[start + 1, start]]
        assert before[event] != event_checks([*branches[:2], (sizes, exchanged), *branches[3:]])[event]


def test_every_length_of_a_manifest_is_refused(whole: Whole) -> None:
    sha256 = next(sha256 for sha256, found in whole.models.embedded.items() if found)
    text = whole.models.find(sha256, "").manifest.to_json()
    assert Manifest.from_json(text).to_json() == text
    for shorter in prefixes(text):
        with pytest.raises(ModelRejectedError):
            Manifest.from_json(shorter)
