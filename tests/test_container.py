"""Risk: a check of the container that is there and does not bite. Each refuses what it is for, and says why."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from hepae import limits
from hepae.core.chunk import ChunkCodec, OpenChunk
from hepae.core.coding import ans
from hepae.core.coding.frame import FIXED, Frame, Header, belongs, sealed, serialise
from hepae.core.coding.frame import parse as parse_frame
from hepae.core.coding.integers import pack, unpack
from hepae.core.coding.varint import read_varint, unzigzag, varint, zigzag
from hepae.core.decode import chunk_codec
from hepae.core.values.bounds import EXACT, Bound, accept, parse
from hepae.core.values.lattice import Inserted, Lattice, Linear, Log, Pattern
from hepae.core.values.lattice_fit import fit_lattice, require_feasible
from hepae.core.values.objects import Collection, Feature, Objects
from hepae.errors import BoundViolationError, CorruptionError, LimitError, SchemaError
from hepae.learn.modelling import model_of
from hepae.learn.recipe import recipe_of
from hepae.model.model import Model
from tests.attacks.models import a_model

HEADER = Header("lifting", 3, b"mode", 7, 9, 100, 300)
CONTEXT = 12345


@pytest.mark.parametrize(
    ("escaped", "override"), [(b"", b""), (b"1234", b""), (b"", b"abc"), (b"12345678", b"xy")]
)
def test_a_frame_comes_back(escaped: bytes, override: bytes) -> None:
    whole = Frame(HEADER, escaped, override, b"payload")
    data = serialise(whole, CONTEXT)
    found = parse_frame(data)
    assert (found.header, found.escaped, found.override, found.payload) == (
        HEADER,
        escaped,
        override,
        b"payload",
    )
    assert belongs(found, CONTEXT)
    assert not belongs(found, CONTEXT + 1)
    assert len(data) == 14 + 1 + 1 + 2 + 2 * bool(escaped or override) + len(escaped) + len(override) + 7 + 6


def head(magic: int = 0x68, kind: int = 0x11, numbers: tuple[int, ...] = (3, 100, 300)) -> bytes:
    return sealed(
        FIXED.pack(magic, kind, b"mode", 7, 9) + b"".join(map(varint, numbers)) + b"payload", CONTEXT
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (head()[:22], "cut short"),
        (head(magic=0x69), "not a frame of hepae"),
        (head(kind=0x21), "another version of the format"),
        (head(kind=0x17), "unknown codec"),
        (head()[:-1] + b"\0", "does not carry its checksum"),
        (sealed(FIXED.pack(0x68, 0x11, b"mode", 7, 9) + b"\xff\xff\xff", CONTEXT), "a number is cut short"),
        (head(kind=0x19, numbers=(3, 100, 300, 8, 0)), "a frame of another length"),
        (head(kind=0x19, numbers=(3, 100, 300, 0, 8)), "a frame of another length"),
    ],
)
def test_what_is_no_frame_is_refused_by_name(data: bytes, words: str) -> None:
    with pytest.raises(CorruptionError, match=f"{words}.*here"):
        parse_frame(data, "here")


def test_sizes_at_their_limits_are_frames_and_beyond_are_none() -> None:
    events, objects = limits.MAX_EVENTS_PER_CHUNK, limits.MAX_OBJECTS_PER_CHUNK
    assert parse_frame(head(numbers=(3, events, objects))).header.objects == objects
    for numbers in ((3, events + 1, 300), (3, 100, objects + 1)):
        with pytest.raises(LimitError):
            parse_frame(head(numbers=numbers))
    for numbers in ((3, 1, 1, limits.MAX_PAYLOAD_BYTES + 1, 0), (3, 1, 1, 0, limits.MAX_PAYLOAD_BYTES + 1)):
        with pytest.raises(LimitError, match="bytes in a frame"):
            parse_frame(head(kind=0x19, numbers=numbers))


@pytest.mark.parametrize("value", [0, 1, 127, 128, 16383, 16384, 2**63, 2**64 - 1])
def test_small_and_large_numbers_come_back(value: int) -> None:
    data = b"x" + varint(value) + b"y"
    assert read_varint(data, 1) == (value, len(data) - 1)
    signed = value - 2**63 if value >= 2**63 else value
    assert unzigzag(zigzag(signed)) == signed


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01"])
def test_numbers_that_are_cut_or_longer_than_needed_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptionError, match="cut short or too long"):
        read_varint(data, 0)


def test_blocks_of_another_length_are_refused() -> None:
    rng = np.random.default_rng(1)
    small = rng.integers(0, 50, 40)
    columns = [small, np.full(40, 5), rng.choice([1, 10**15, -(10**16)], 400)]
    for n in (39, 41):
        with pytest.raises(CorruptionError, match="does not decode"):
            unpack(pack(small), n)
    for column in columns:
        with pytest.raises(CorruptionError):
            unpack(pack(column) + b"\0", len(column))
    for block, n in ((pack(columns[1]), 0), (pack(np.empty(0, np.int64)), 3), (b"", 0), (b"\x02", 0)):
        with pytest.raises(CorruptionError):
            unpack(block, n)


def test_streams_of_symbols_say_what_is_wrong() -> None:
    tables = ans.Tables(np.array([[4096, 0], [2048, 2048]]))
    with pytest.raises(ValueError, match="frequency 0"):
        ans.encode(tables, [(np.zeros(1, np.int64), np.ones(1, np.int64))], 2, None)
    with pytest.raises(CorruptionError, match="too short"):
        ans.Decoder(tables, b"", 2)
    with pytest.raises(CorruptionError, match="too early"):
        ans.read_bits(b"\0", np.array([9]))
    assert ans.read_bits(b"\5", np.array([], np.int64)).tolist() == []


def chunk() -> tuple[ChunkCodec, Objects, Model]:
    rng = np.random.default_rng(2)
    pt = rng.exponential(30, 60).astype(np.float32)
    found = Objects(np.full(20, 3), {"pt": pt, "twice": np.rint(2 * pt).astype(np.int32)})
    collection = Collection(
        "Jet", "nJet", (Feature("pt", "Jet_pt", "float32"), Feature("twice", "Jet_twice", "int32"))
    )
    model = model_of(
        found, collection, ["pt", "twice"], [("pt", Bound("abs", 0.01))], recipe_of({"codec": "lifting"})
    )
    return chunk_codec(model), found, model


def test_a_chunk_is_read_feature_by_feature_and_remembers() -> None:
    codec, found, model = chunk()
    frames = codec.encode(found, 0)
    opened = OpenChunk(codec, found.counts, {})
    assert opened.needs(["twice"]) == codec.needs(["twice"])
    opened.decode(frames, ["twice"])
    assert opened.needs(["pt"]) == ["pt"]
    before = opened.nbytes
    opened.decode(frames, ["pt"])
    assert opened.nbytes > before
    again = chunk_codec(model, exact=True)
    assert {spec.bound for spec in again.features.values()} == {EXACT}
    restored = Objects(found.counts, opened.columns)
    back = again.decode(found.counts, {}, again.encode(restored, 1), ["pt", "twice"])
    assert all(back[name].tobytes() == opened.columns[name].tobytes() for name in back)


def test_a_model_without_chunks_has_no_chunk_codec() -> None:
    with pytest.raises(SchemaError, match="without chunks"):
        chunk_codec(Model.from_bytes(a_model()))


def test_a_value_out_of_its_bound_is_never_written() -> None:
    codec, found, _ = chunk()
    wrong = found.columns["pt"].copy()
    wrong[4] += 1
    with pytest.raises(BoundViolationError, match="Jet_pt, object 4"):
        codec._require_bound("pt", found.columns["pt"], wrong)


def test_values_foreign_to_the_lattice_bring_their_own_where_that_pays() -> None:
    codec, found, _ = chunk()
    spec = codec.features["pt"]
    short = msgspec.structs.replace(
        spec, bound=EXACT, lattice=Lattice("float32", Pattern(13), (Inserted(0),))
    )
    codec.features["pt"] = short
    frames = codec.encode(found, 0)
    assert parse_frame(frames["pt"]).override
    assert codec.fell_back("pt", parse_frame(frames["pt"]))
    assert codec.decode(found.counts, {}, frames, ["pt"])["pt"].tobytes() == found.columns["pt"].tobytes()
    # random bits escape from any lattice of this bound: another one does not pay
    codec.features["pt"] = msgspec.structs.replace(spec, bound=Bound("abs", 1e-3))
    noise = np.random.default_rng(3).integers(0, 2**32, 60, np.uint32).view(np.float32)
    frames = codec.encode(Objects(found.counts, {**found.columns, "pt": noise}), 0)
    assert not parse_frame(frames["pt"]).override
    assert accept(noise, codec.decode(found.counts, {}, frames, ["pt"])["pt"], Bound("abs", 1e-3)).all()


def test_the_escape_may_stand_after_other_points() -> None:
    lattice = Lattice("float32", Linear(1.0), (Inserted(0, 0x7FC00000), Inserted(0)))
    assert lattice.escape == 1
    assert lattice.to_integers(np.array([np.nan, 0.4, 0], np.float32), parse("abs:0.1"))[0].tolist() == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_bounds_too_fine_for_tables_round_mantissas(dtype: str) -> None:
    values = np.random.default_rng(4).normal(0, 1, 500).astype(dtype)
    for bound in (Bound("rel", float(np.finfo(dtype).eps) / 2), Bound("rel", 1e-11), Bound("bits", 10)):
        grid = fit_lattice(values, bound).grid
        assert isinstance(grid, Log | Pattern)
    assert isinstance(
        fit_lattice(np.random.default_rng(4).normal(0, 1, 500), Bound("rel", 1e-11)).grid, Pattern
    )
    assert isinstance(fit_lattice(values[:0], Bound("rel", 0.1)).grid, Log)


def test_only_the_most_frequent_of_many_values_get_points() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, 10_000).astype(np.float32)
    places = rng.permutation(10_000)
    for n in range(30):  # 30 values, of which each makes up half a per cent
        values[places[50 * n : 50 * n + 50]] = 1000 + n + 0.3
    values[places[1500:1800]] = -999.7  # and one that makes up three
    inserted = fit_lattice(values, parse("abs:0.01")).inserted
    assert [point.bits for point in inserted if point.bits is not None] == [
        np.float32(-999.7).view(np.uint32)
    ]


def test_bounds_that_can_be_kept_are_not_refused() -> None:
    for values, bound in (
        (np.arange(5), EXACT),
        (np.ones(5, np.float32), EXACT),
        (np.ones(5, np.float32), Bound("bits", 5)),
        (np.zeros(5, np.float32), Bound("abs", 1e-3)),
    ):
        require_feasible(values, bound, "x")
