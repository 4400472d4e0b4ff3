"""Risk: the extension restores or writes other bits than NumPy, or reads damaged bytes as values."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hepae.arrays import Columns, Values
from hepae.core import native
from hepae.core.chunk import ChunkCodec, OpenChunk
from hepae.core.coding.frame import Frame, parse, serialise
from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.lifting.codec import Lifting
from hepae.core.plain.chunked import Plain
from hepae.core.prediction import columns as c
from hepae.core.prediction.predictors import LiftingSpec, Lookup, Predictor, Predictors
from hepae.core.prediction.tables import Period, Term, Widths
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Inserted, Integer, Lattice, Linear, Log, Pattern
from hepae.core.values.objects import Objects
from hepae.errors import CorruptionError
from hepae.testing.golden import digests, recorded, restored
from tests.native_extension import extension
from tests.test_format import LATTICES, columns_of_every_kind

GOLDEN = Path(__file__).parent / "golden" / "v1"
MODEL = bytes(range(32))
TENTHS, WHOLE = Lattice("float64", Linear(0.1)), Lattice("int32", Integer())


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return extension()


@pytest.fixture(autouse=True)
def used(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension is used, whether or not it is installed."""
    monkeypatch.setattr(native, "hepae_native", module)
    monkeypatch.delenv(native.SWITCH, raising=False)


def features(lattices: Mapping[str, Lattice], dither: bool = False) -> list[FeatureSpec]:
    return [
        FeatureSpec(name, name, lattice.dtype, "", Bound("exact"), lattice, dither and lattice.dithers)
        for name, lattice in lattices.items()
    ]


def on_lattice(lattice: Lattice, q: np.ndarray) -> Values:
    """Values of integers; those that escape are small numbers that are no points."""
    escapes = int((q == lattice.escape).sum()) if lattice.escape is not None else 0
    bits = np.linspace(1e-7, 2e-7, escapes).astype(lattice.dtype).view(f"u{np.dtype(lattice.dtype).itemsize}")
    return lattice.to_values(q, bits)


def require_same(codec: ChunkCodec, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each column is the same with the extension, asked for alone and after others, and with NumPy; so are frames."""
    frames = codec.encode(objects, 7)
    names = list(codec.features)
    opened = OpenChunk(codec, objects.counts, objects.events)
    with_native = {
        name: opened.decode({n: frames[n] for n in opened.needs([name])}, [name])[name] for name in names
    }
    alone = names[-1]
    last = OpenChunk(codec, objects.counts, objects.events)
    with_native_alone = last.decode({name: frames[name] for name in last.needs([alone])}, [alone])[alone]
    assert opened._native is not None
    assert last._native is not None
    if isinstance(codec.integer_codec, Lifting):
        assert codec.integer_codec._writers
        assert None not in codec.integer_codec._writers.values()
    with monkeypatch.context() as patch:
        patch.setattr(native, "hepae_native", None)
        codec.__dict__.pop("native", None)
        assert codec.encode(objects, 7) == frames
        expected = codec.decode(objects.counts, objects.events, frames, names)
    codec.__dict__.pop("native", None)
    for name in names:
        assert with_native[name].dtype == expected[name].dtype
        assert with_native[name].tobytes() == expected[name].tobytes() == objects.columns[name].tobytes(), (
            name
        )
    assert with_native_alone.tobytes() == expected[alone].tobytes()


def sample(seed: int = 11, n_events: int = 300) -> Objects:
    """Objects of up to ten in an event: beyond the last rank, with points of their own and escapes."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 11, n_events)
    n = int(counts.sum())
    q = {
        "pt": np.where(rng.random(n) < 0.01, -1, rng.integers(0, 2500, n)),
        "eta": np.where(rng.random(n) < 0.01, 0, rng.integers(-2500, 2500, n)),
        "mass": rng.integers(480_000, 540_000, n) * rng.choice([1, -1], n),
        "n": rng.integers(0, 256, n),
        "phi": rng.integers(-1571, 1572, n),
    }
    events = {
        "met": rng.choice(np.float32([np.nan, np.inf, 0.0, -0.0, 33.3, 1e30, 1e-30]), n_events),
        "met_phi": rng.uniform(-4, 4, n_events),
    }
    return Objects(counts, {name: on_lattice(LATTICES[name], q[name]) for name in LATTICES}, events)


def predicting(kind: c.Column) -> Predictors:
    """Predictors of phi, on its circle, from one column, as a table and as what classes are cut from."""
    table = Term(0, (-640, 900, -200, 6400, 64))
    return Predictors(
        (
            Predictor("pt"),
            Predictor(
                "eta",
                77,
                (Term(1, (1, 2, 300, -4, 5)),),
                widths=Widths(0, (Term(1, (0, 9, 2, 3, 4)),), (3, 4)),
            ),
            Predictor("mass"),
            Predictor("n"),
            Predictor("phi", -999, (table,), None, Period(-1571, 1571), Widths(5, (table,), (-800, 0, 1))),
        ),
        (Lookup(kind, -300, 2, (1, 7, 80, 500)), Lookup(c.Here("pt"), 0, 3, (1, 7, 80, 500))),
    )


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", columns_of_every_kind(), ids=str)
def test_every_column_predicts_the_same(kind: c.Column, monkeypatch: pytest.MonkeyPatch) -> None:
    lifting = Lifting(LiftingSpec(predicting(kind)), features(LATTICES))
    codec = ChunkCodec(lifting, "lifting", features(LATTICES), ("met", "met_phi"), MODEL)
    require_same(codec, sample(), monkeypatch)


def linked() -> Predictors:
    """Predictors of every kind of linked column."""
    columns: list[c.Column] = [
        c.Given("far"), c.Mother("pt", "index"), c.Siblings("index", True), c.Siblings("index", False),
        c.Apart(c.Here("phi"), c.Mother("phi", "index")), c.Mother("eta", "index"),
        c.OffBefore("phi", (1.0, 0.3, 7.5, 40.0, 2.0), 2),
    ]  # fmt: skip
    sources = tuple(Lookup(column, -20, k % 2 + 9 * (k == 6), (1, 9, 40)) for k, column in enumerate(columns))
    terms = [Term(k, (64 * k, -640, 64, 6400)) for k in range(len(sources))]
    turned = c.Remainder("phi", "index", "phi", "pt")
    before = c.RowsBefore("index", (1.0, 0.0, -1.0), ((), (0.5,), (1.0,)))
    return Predictors(
        (
            Predictor("index", base=before),
            Predictor("pt", 3, (terms[0], terms[1]), c.Remainder("pt", "index", "value", otherwise=2)),
            Predictor("phi", 0, (terms[2],), turned, None, Widths(0, (terms[3], terms[6]), (5, 90))),
            Predictor("eta", 1, (terms[4], terms[5]), c.Remainder("eta", "index", "eta", "pt")),
            Predictor("count", 1, (terms[0], terms[6]), c.GivenPoint("count", "far", 3)),
        ),
        sources,
    )


def test_links_predict_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    lattices = {"index": WHOLE, "pt": TENTHS, "phi": TENTHS, "eta": TENTHS, "count": WHOLE}
    counts = rng.integers(0, 12, 400)
    n = int(counts.sum())
    q = {name: rng.integers(-60, 60, n) for name in lattices} | {"index": rng.integers(-2, 10, n)}
    events: Columns = {"far": rng.choice([np.nan, -1e300, 0.0, 3.25, 1e9], n)}
    values = {name: on_lattice(lattices[name], q[name]) for name in lattices}
    codec = ChunkCodec(
        Lifting(LiftingSpec(linked()), features(lattices), {"far": TENTHS}),
        "lifting",
        features(lattices),
        (),
        MODEL,
    )
    require_same(codec, Objects(counts, values, events), monkeypatch)


@pytest.mark.parametrize("lattice", [
    Lattice("float32", Log(0.01, 1.002, 20_000), (Inserted(-40_000), Inserted(5, 0x7FC00001))),
    Lattice("float64", Log(0.01, 1.002, 20_000)),
    Lattice("float32", Linear(0.002), (Inserted(0, 0x80000000), Inserted(0))),
    Lattice("float64", Pattern(30), (Inserted(5),)),
    *(Lattice(dtype, Integer()) for dtype in ("bool", "int8", "uint16", "int32", "uint64")),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("width", [2, 60, 10_000])
def test_plain_columns_of_every_lattice_are_the_same(
    lattice: Lattice, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(width)
    counts = rng.integers(0, 9, 700)
    low, high = (0, min(width, 2 if lattice.dtype == "bool" else 100)) if lattice.even else (-width, width)
    q = rng.integers(low, high, int(counts.sum()))
    codec = ChunkCodec(Plain(), "plain", features({"x": lattice}), (), bytes(32))
    require_same(codec, Objects(counts, {"x": on_lattice(lattice, q)}), monkeypatch)


@pytest.mark.parametrize("name", [name for name in recorded(GOLDEN) if not name.startswith("bottleneck")])
def test_golden_files_restore_to_their_recorded_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []
    decode = OpenChunk._with_numpy

    def with_numpy(opened: OpenChunk, frames: Mapping[str, bytes], names: list[str]) -> dict[str, Values]:
        refused.extend(names)
        return decode(opened, frames, names)

    monkeypatch.setattr(OpenChunk, "_with_numpy", with_numpy)
    assert digests(restored(GOLDEN / name)) == recorded(GOLDEN)[name]
    assert refused == []


def test_damaged_frames_are_refused_as_numpy_refuses_them(module: ModuleType) -> None:
    objects = sample(n_events=40)
    kind = c.Neighbour("phi", -1)
    codec = ChunkCodec(
        Lifting(LiftingSpec(predicting(kind)), features(LATTICES)),
        "lifting",
        features(LATTICES),
        ("met",),
        MODEL,
    )
    frames = codec.encode(objects, 7)
    context = codec.context(objects.counts, objects.events)
    rng = np.random.default_rng(5)
    assert codec.native is not None
    for _ in range(300):
        name = str(rng.choice(list(frames)))
        frame = parse(frames[name])
        payload = bytearray(frame.payload)
        payload[rng.integers(min(40, len(payload)))] ^= 1 << rng.integers(8)
        sealed = serialise(Frame(frame.header, frame.escaped, frame.override, bytes(payload)), context)
        chunk = native.NativeChunk(codec.native, objects.counts, objects.events)
        try:
            values = chunk.decode({**frames, name: sealed}, {}, [name])[name]
        except module.CorruptionError:
            with pytest.raises(CorruptionError):
                OpenChunk(codec, objects.counts, objects.events).decode({**frames, name: sealed}, [name])
        else:  # a bit that says nothing
            assert values.tobytes() == objects.columns[name].tobytes()


def test_a_frame_that_is_cut_short_is_refused_with_the_words_of_numpy(module: ModuleType) -> None:
    codec = ChunkCodec(Plain(), "plain", features({"x": WHOLE}), (), bytes(32))
    objects = Objects(np.array([3]), {"x": np.int32([1, 2, 3])})
    frame = codec.encode(objects, 1)["x"]
    with pytest.raises(CorruptionError, match=r"checksum|short"):
        codec.decode(objects.counts, {}, {"x": frame[:-1]}, ["x"])


def test_the_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    assert native.module() is not None
    monkeypatch.setenv(native.SWITCH, "0")
    assert native.module() is None
    assert ChunkCodec(Plain(), "plain", features({"x": WHOLE}), (), bytes(32)).native is None


def test_a_codec_is_pickled_without_what_is_native() -> None:
    codec = ChunkCodec(Plain(), "plain", features({"x": WHOLE}), (), bytes(32))
    assert codec.native is not None
    copied = pickle.loads(pickle.dumps(codec))
    objects = Objects(np.array([2]), {"x": np.int32([5, -6])})
    frames = codec.encode(objects, 1)
    assert copied.decode(objects.counts, {}, frames, ["x"])["x"].tolist() == [5, -6]


def test_blocks_of_integers_are_unpacked_the_same(module: ModuleType) -> None:
    rng = np.random.default_rng(9)
    wild = rng.integers(-(2**63), 2**63 - 1, 1000)
    for q in (wild % 3, wild * 0 + 4, wild[:0], (wild >> 50) * 977, (wild >> 57) * 1_000_003, wild[:1]):
        assert module.unpack(pack(q), len(q)) == q.tobytes()
    for shift in (0, 6, 7, 8, 20, 31, *range(32, 64)):  # offsets of all widths
        skewed = (wild >> shift) * (wild % 5 > 0)
        for size in (1, 2, 3, 7, 255, 256, 257, 511, 515, 1000):
            q = skewed[:size]
            assert module.unpack(pack(q), size) == q.tobytes(), (shift, size)
