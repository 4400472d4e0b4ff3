"""Compiled loops and NumPy give the same bits: function by function on wild inputs, and whole chunks of real jets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepae.core import compiled
from hepae.core.arithmetic import exact as exactmath
from hepae.core.coding import ans
from hepae.core.decode import chunk_codec
from hepae.core.lifting.codec import Lifting
from hepae.core.masked.alphabet import Alphabet
from hepae.core.prediction import context as known
from hepae.core.prediction.evaluation import Evaluation
from hepae.core.prediction.predictors import LiftingSpec, Predictor, Predictors
from hepae.core.prediction.ranks import RankOrder
from hepae.core.prediction.tables import Period
from hepae.core.values.lattice import Inserted, Lattice, Linear, Log
from hepae.core.values.objects import Objects
from hepae.errors import CorruptionError
from hepae.input.events import open_events
from hepae.learn.fit.prediction import Settings, fit
from hepae.model.model import Model

ROOT = Path(__file__).parent.parent
EXTREME = (0.0, 1.0, 5e-324, 2.2e-308, 1e-300, 1e-12, 0.5, 1.7e308, np.inf, np.nan, 2.0**52, 2.0**63, 3.4e38)


@pytest.fixture(scope="module")
def loops() -> Any:
    pytest.importorskip("numba")
    from hepae.core.compiled import loops

    return loops


def same(loops: Any, function: Callable[[], Any]) -> None:
    """The function gives the same bits with the compiled loops and without."""
    with compiled.using(None):
        expected = function()
    with compiled.using(loops):
        got = function()
    assert got.dtype == expected.dtype
    assert got.tobytes() == expected.tobytes()


def floats(seed: int, n: int = 5000) -> np.ndarray:
    """Any bit patterns, ordinary numbers, and the extremes with both signs."""
    rng = np.random.default_rng(seed)
    edges = np.array(EXTREME)
    anything = rng.integers(0, 2**64, n, dtype=np.uint64).view(np.float64)
    return np.concatenate([edges, -edges, anything, rng.normal(0, 30, n), rng.lognormal(0, 20, n)])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_angles_and_lattice_points_of_any_floats(loops: Any) -> None:
    x, y = floats(1), np.random.default_rng(2).permutation(floats(3))
    same(loops, lambda: exactmath.table_arctan2(y, x))
    same(loops, lambda: exactmath.table_arctan2(x, np.zeros_like(x)))
    same(loops, lambda: known.octaves(x))
    inserted = (Inserted(-1000), Inserted(7, 0x7FC00000))
    for grid in (Linear(0.002), Linear(1e-300), Log(0.01, 1.002, 20_000), Log(1e-38, 1.5, 400)):
        lattice = Lattice("float32", grid, inserted)
        same(loops, lambda lattice=lattice: lattice.nearest(x))


def test_values_of_lattice_integers(loops: Any) -> None:
    rng = np.random.default_rng(4)
    for dtype in ("float32", "float64"):
        nan = int(np.array(np.nan, dtype).view(f"u{np.dtype(dtype).itemsize}")) + 1
        lattice = Lattice(dtype, Log(0.01, 1.002, 20_000), (Inserted(-40_000), Inserted(5, nan)))
        near, far = rng.integers(-9000, 9000, 30_000), rng.integers(-(2**62), 2**62, 500)
        for q in (near, far, near[:1], near[:0]):
            escaped = np.zeros((q == lattice.escape).sum(), f"u{np.dtype(dtype).itemsize}")
            same(loops, lambda q=q, lattice=lattice, escaped=escaped: lattice.to_values(q, escaped))
            at = rng.permutation(len(q)).astype(np.uint32)
            same(
                loops,
                lambda q=q, lattice=lattice, escaped=escaped, at=at: lattice.to_values(q, escaped, at=at),
            )
            same(loops, lambda q=q, lattice=lattice: lattice.centres(q))


def test_orders_wrapping_and_reals(loops: Any) -> None:
    rng = np.random.default_rng(5)
    order = RankOrder(rng.integers(0, 9, 500))
    for dtype in ("int64", "float32"):
        same(
            loops, lambda dtype=dtype: order.to_events(rng.permutation(order.n_objects).astype(dtype) * 0 + 1)
        )
        same(loops, lambda dtype=dtype: order.to_events(np.arange(order.n_objects).astype(dtype)))
    column = np.concatenate([rng.integers(-(2**45), 2**45, 3000), [-(2**62), 2**62, 2**40, -(2**40)]])
    predictors = Predictors((Predictor("phi", period=Period(-1570, 1571)),))
    lattices = {"phi": Lattice("float32", Linear(0.002), (Inserted(-(2**40)),))}

    def around() -> np.ndarray:
        evaluation = Evaluation(predictors, lattices, np.array([len(column)]), {})
        return evaluation.restored("phi", column, column[::-1], around=True)

    same(loops, around)

    def reals() -> np.ndarray:
        out = np.empty(len(column))
        known._fill_reals(column, out)
        return out

    same(loops, reals)


def test_bits_and_symbols(loops: Any) -> None:
    rng = np.random.default_rng(6)
    widths = rng.integers(0, 49, 4000)
    values = rng.integers(0, 2**48, 4000) & ((1 << widths) - 1)
    data = ans.write_bits(values, widths)
    same(loops, lambda: ans.read_bits(data, widths))
    same(loops, lambda: ans.read_bits(data, widths[100:], int(widths[:100].sum())))
    shares = rng.dirichlet(np.full(70, 0.3), 9)
    frequencies = np.floor(shares * ans.STATES).astype(np.int64)
    frequencies[:, 0] += ans.STATES - frequencies.sum(1)
    tables = ans.Tables(frequencies)
    table = rng.integers(0, 9, 5000)
    symbol = (rng.integers(0, ans.STATES, 5000)[:, None] >= frequencies.cumsum(1)[table]).sum(1)
    for lanes in (1, 6, 512, 6000):
        coded = ans.encode(tables, [(table[:3000], symbol[:3000]), (table[3000:], symbol[3000:])], lanes)

        def decoded(coded: bytes = coded, lanes: int = lanes) -> np.ndarray:
            decoder = ans.Decoder(tables, coded, lanes)
            return np.concatenate([decoder.take(table[:3000]), decoder.take(table[3000:]), decoder.finish()])

        same(loops, decoded)
    alphabet = Alphabet(-300, ((6, 3), (0, 20), (3, 40)))
    symbols = rng.integers(0, alphabet.n_bins + 1, 5000)
    inside = alphabet.inside_bits(symbols)
    places = rng.integers(0, 256, inside // 8 + 2, dtype=np.uint8).tobytes()
    same(loops, lambda: alphabet.read(symbols, places, 5))
    same(loops, lambda: np.array(alphabet.inside_bits(symbols)))


def test_a_stream_that_ends_too_early_is_refused(loops: Any) -> None:
    tables = ans.Tables(np.array([[2000, 2000, 96]]))
    table, symbol = np.zeros(900, np.int64), np.arange(900) % 3
    coded = ans.encode(tables, [(table, symbol)], 8)
    alphabet = Alphabet(0, ((9, 4),))
    with compiled.using(loops):
        with pytest.raises(CorruptionError, match="ends too early"):
            ans.Decoder(tables, coded[:40], 8).take(table)
        with pytest.raises(CorruptionError, match="ends too early"):
            alphabet.read(np.zeros(8, np.int64), bytes(8), 0)


@pytest.fixture(scope="module")
def sample() -> tuple[Model, Objects]:
    """The bundled jets and the released model for them."""
    model = Model.load(ROOT / "onnx" / "jets-wide.onnx")
    with open_events(ROOT / "tests" / "data" / "sample.root") as events:
        collection = events.collection("Jet")
        names = [feature.name for feature in model.manifest.features]
        return model, events.objects(collection, names, model.manifest.conditions, 0, 1200)


def test_a_chunk_has_the_same_bytes_and_values_whoever_works(
    loops: Any, sample: tuple[Model, Objects]
) -> None:
    model, objects = sample
    codec = chunk_codec(model)
    with compiled.using(None):
        written = codec.encode(objects, 0)
        read = codec.decode(objects.counts, objects.events, written, list(written))
    with compiled.using(loops):
        assert codec.encode(objects, 0) == written
        again = codec.decode(objects.counts, objects.events, written, list(written))
    assert {name: column.tobytes() for name, column in again.items()} == {
        name: column.tobytes() for name, column in read.items()
    }


def test_lifting_has_the_same_payloads_and_integers_whoever_works(
    loops: Any, sample: tuple[Model, Objects]
) -> None:
    model, objects = sample
    features = model.manifest.features
    integers = {
        feature.name: feature.lattice.to_integers(objects.columns[feature.name], feature.bound)[0]
        for feature in features
    }
    lattices = {feature.name: feature.lattice for feature in features}
    predictors = fit(integers, lattices, objects.counts, objects.events, settings=Settings(objects=3000))
    lifting = Lifting(LiftingSpec(predictors), features)
    with compiled.using(None):
        payloads = lifting.encode(objects.counts, dict(integers), objects.events)
    with compiled.using(loops):
        assert lifting.encode(objects.counts, dict(integers), objects.events) == payloads
        decoded = dict(lifting.decode(objects.counts, payloads, objects.events, list(integers)))
    for name, q in integers.items():
        np.testing.assert_array_equal(decoded[name].to_events(), q, err_msg=name)


def test_numba_is_loaded_when_the_work_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    state = compiled._Switch
    monkeypatch.setattr(state, "decided", False)
    monkeypatch.setattr(state, "loops", None)
    monkeypatch.setattr(state, "values", 0)
    monkeypatch.setattr(state, "least", 1000)
    with compiled.unloaded():
        assert compiled.loops_for(5000) is None
    assert compiled.loops_for(900) is None
    assert not state.decided, "what was done without it counts for nothing"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert compiled.loops_for(200) is None
    assert state.decided, "without numba NumPy goes on, and nobody asks again"
