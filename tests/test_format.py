"""Risk: files that only hepae can read. A reader written from docs/format/v1.md alone restores the same bits."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import msgspec
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.arithmetic import exact as exactmath
from hepae.core.arithmetic import kinematics
from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.manifest import Manifest
from hepae.core.masked.alphabet import Alphabet
from hepae.core.masked.spec import MaskedSpec, Shape
from hepae.core.prediction import columns as c
from hepae.core.prediction.evaluation import Evaluation
from hepae.core.prediction.predictors import Lookup, Predictor, Predictors
from hepae.core.prediction.tables import Period, Term, Widths
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Inserted, Integer, Lattice, Linear, Log, Pattern
from hepae.core.versioned import Training
from hepae.errors import HepaeError
from hepae.learn.masked.export import IntegerLayer, IntegerNetwork, export
from hepae.learn.recipe import recipe_of
from hepae.model.assembly import assemble
from hepae.model.model import Model
from hepae.root.columns import Jagged
from hepae.stored.event_payload import checks_of
from hepae.testing.files import jets, write_events
from tests import format_numbers as numbers
from tests import format_reader
from tests.format_lifting import Lifting

BOUNDS = ["*=abs:1e-3", "pt,mass,leadTrackPt=rel:1e-3"]
LIFTING = recipe_of({"codec": "lifting"})
SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, -999.0, 3e38, 1e-42, -7.5, np.pi], np.float32)


def compressed(
    original: Path, folder: Path, bounds: list[str], features: list[str] | None = None, **choices: object
) -> Path:
    small = folder / "small.root"
    recipe = recipe_of({"codec": "lifting", "train_objects": 3000, **choices})
    hepae.compress(
        original, small, collection="Jet", features=features, bounds=bounds, recipe=recipe, threads=1
    )
    return small


def require_same(file: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The restored values of the second reader, after comparing them bit for bit with those of hepae."""
    second = format_reader.restore(file)
    with uproot.open(file) as opened:
        names = [
            name
            for name in opened["Events"].keys(recursive=False)
            if name.endswith("__hepae") and name[0] != "n"
        ]
        assert sorted(second) == sorted(name.removesuffix("__hepae") for name in names)
        for name in names:
            counts, values = second[name.removesuffix("__hepae")]
            first = opened["Events"][name].array()
            assert ak.num(first).tolist() == counts.tolist()
            flat = np.asarray(ak.flatten(first))
            assert flat.dtype == values.dtype
            assert flat.tobytes() == values.tobytes()
    return second


def test_the_reader_imports_nothing_of_hepae() -> None:
    names: list[str] = []
    for part in Path(format_reader.__file__).parent.glob("format_*.py"):
        tree = ast.parse(part.read_text())
        names += [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
        names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {"numpy", "uproot", "tests.format_chunk"} <= set(names)
    assert not [name for name in names if name.startswith("hepae") or name == "hepae.testing.files"]


def test_the_sample_reads_the_same_with_all_features(sample_root: Path, tmp_path: Path) -> None:
    second = require_same(compressed(sample_root, tmp_path, BOUNDS, effort="fast"))
    assert len(second) > 8


def test_conditions_and_many_chunks(
    sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hepae.limits.EVENTS_PER_CHUNK", 700)
    features = ["pt", "eta", "phi", "mass", "nCh"]
    conditions = ("MET", "METphi", "weight", "HLT_PFJet80")
    require_same(compressed(sample_root, tmp_path, BOUNDS[:1], features, conditions=conditions))


@pytest.mark.parametrize("bound", ["*=exact", "*=rel:1e-3", "*=bits:9", "*=abs:1e-2"])
def test_values_that_are_no_numbers(bound: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    counts, columns = jets(500, most=9)
    for values in columns.values():
        if values.dtype == np.float32:
            chosen = rng.random(len(values)) < 0.05
            values[chosen] = rng.choice(SPECIAL, chosen.sum())
    columns["double"] = columns["mass"].astype(np.float64) * 1e-300
    columns["id"] = rng.integers(0, 2**64, len(columns["pt"]), np.uint64)
    columns["small"] = rng.integers(-128, 128, len(columns["pt"])).astype(np.int8)
    original = write_events(tmp_path / "a.root", counts, columns)
    require_same(compressed(original, tmp_path, [bound], dither=bound in ("*=rel:1e-3", "*=abs:1e-2")))


def masked_model(rng: np.random.Generator, names: list[str]) -> Model:
    """A masked model made by hand: without and with networks, side by side and not, around a circle, random tables."""
    alphabet = Alphabet(-120, ((5, 2), (1, 8), (0, 30), (2, 10), (6, 2)))
    here = Lookup(c.Here("a"), -40, 0, (1, 30, 80))
    sources = (
        here,
        Lookup(c.Neighbour("e", -1), -100, 1, (1, 50, 100)),
        Lookup(c.Count(), 0, 0, (1, 3, 9)),
    )
    inputs = (
        *sources,
        Lookup(c.Predicted("b"), -100, 0, (1, 90, 200)),
        Lookup(c.PredictedOffset("b"), 0, 0, (1, 64)),
        Lookup(c.Condition("met"), -5000, 4, (1, 500, 700)),
    )
    terms = (Term(0, (0, -4000, 77, 4000)), Term(2, (9, -300, 0, 1000)))
    predictors = Predictors(
        (
            Predictor("a"),
            Predictor("b", 33, terms),
            Predictor("d", 0, terms[:1], c.Here("b"), Period(-100, 150)),
            Predictor("e", 5, (Term(1, (1, 2, 3000, -4)),)),
        ),
        sources,
    )
    seen: list[tuple[int, ...]] = [(), (0, 3, 4, 5), (0, 1, 5), (0, 1, 2)]
    anchors, levels = (0, 3, 20, alphabet.n_bins - 1), (3, 2)
    shapes, networks, tables = [], {}, {}
    for place, (name, inner) in enumerate(zip(names, seen, strict=True)):
        shapes.append(Shape(name, alphabet, inner, levels if inner else (), anchors if inner else ()))
        if not inner:
            tables[f"marginal{place}"] = rng.integers(0, 250, alphabet.n_bins).astype(np.uint8)
            continue
        weights = [rng.integers(-90, 90, shape) for shape in ((8, len(inner)), (8,), (2, 8), (2,))]
        layers = IntegerLayer(weights[0], weights[1]), IntegerLayer(weights[2], weights[3] * 20)
        networks[f"cell{place}"] = export(IntegerNetwork(layers, levels))
        for part, shape in (("hidden", (2, 6)), ("hidden_bias", (6,)), ("out", (6, 4)), ("out_bias", (4,))):
            tables[f"{part}{place}"] = rng.integers(-100, 100, shape).astype(np.int16)
    integer, exact = Lattice("int32", Integer()), Bound("exact")
    features = tuple(FeatureSpec(name, f"Jet_{name}", "int32", "", exact, integer) for name in names)
    codec = MaskedSpec(predictors, tuple(shapes), inputs, ("d", "e"))
    manifest = Manifest(1, "Jet", "nJet", features, ("met",), codec, Training("test", 1, 0, 0))
    return Model.from_bytes(assemble(manifest, networks, tables))


@pytest.mark.parametrize("mode", [0, 1], ids=["plain", "coded"])
def test_masked_reads_the_same(mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # random tables never pay: take the form that is to be seen, not the smaller one
    def chosen(*given: Any, key: Callable[[Any], int] | None = None) -> Any:
        return min(*given) if key is None else given[1 - mode]

    monkeypatch.setattr("hepae.core.masked.codec.min", chosen, raising=False)
    rng = np.random.default_rng(21)
    counts = rng.integers(0, 10, 400)
    n = int(counts.sum())
    columns = {
        "a": rng.normal(0, 20, n).astype(np.int32),
        "b": rng.normal(0, 30, n).astype(np.int32),
        "d": rng.integers(-100, 151, n).astype(np.int32),
        "e": rng.normal(0, 8, n).astype(np.int32) * 3,
    }
    columns["a"][::40] = 10**6  # outside the bins
    events = {"met": rng.normal(0, 50, 400).astype(np.float32)}
    original = write_events(tmp_path / "a.root", counts, columns, events)
    hepae.compress(
        original, tmp_path / "small.root", collection="Jet", model=masked_model(rng, list(columns))
    )
    with uproot.open(tmp_path / "small.root") as file:
        for name in columns:
            stored = file["Events"][f"Jet_{name}__hepae"].array(format_reader.BYTES, library="np")
            assert format_reader.parse(stored[0].tobytes())[5][0] >> 4 & 3 == mode, name
    require_same(tmp_path / "small.root")


def test_a_chunk_foreign_to_the_model_brings_its_own_lattice(tmp_path: Path) -> None:
    counts, columns = jets(300)
    first = write_events(tmp_path / "a.root", counts, columns)
    model = hepae.train([first], collection="Jet", bounds=["pt,mass=rel:1e-3"], recipe=LIFTING)
    foreign = {**columns, "pt": columns["pt"] * np.float32(1e-6)}
    second = write_events(tmp_path / "b.root", counts, foreign)
    hepae.compress(second, tmp_path / "small.root", collection="Jet", model=model)
    with uproot.open(tmp_path / "small.root") as file:
        stored = file["Events"]["Jet_pt__hepae"].array(format_reader.BYTES, library="np")
    assert format_reader.parse(stored[0].tobytes())[4]  # the override
    require_same(tmp_path / "small.root")


@pytest.mark.parametrize(
    "name", ["log", "exp", "cosh", "sinh", "cos", "sin", "arctan2", "table_log", "table_arctan2"]
)
def test_elementary_functions_have_the_same_bits(name: str) -> None:
    rng = np.random.default_rng(7)
    x = np.concatenate([rng.normal(0, 10.0**k, 300) for k in range(-12, 13)])
    special = [0.0, -0.0, 1.0, -1.0, 0.5, np.pi, np.pi / 2, 709.0, 710.0, 2.0**-1000, 2.0**1000]
    x = np.concatenate([x, special])
    if name.endswith("log"):
        x = np.abs(x[x != 0])
    arguments = (x,) if "arctan2" not in name else (x, rng.permutation(x))
    second = {"cos": lambda x: numbers.cos_sin(x)[0], "sin": lambda x: numbers.cos_sin(x)[1]}
    found = second.get(name) or getattr(numbers, name.replace("_", ""))
    assert found(*arguments).tobytes() == getattr(exactmath, name)(*arguments).tobytes()


LATTICES = {
    "pt": Lattice("float32", Log(20.0, 1.002, 40_000), (Inserted(-1), Inserted(3, 0xC479C000))),
    "eta": Lattice(
        "float32", Linear(0.002), (Inserted(0, 0x80000000), Inserted(0), Inserted(40, 0x7FC00001))
    ),
    "mass": Lattice("float32", Pattern(11), (Inserted(5),)),
    "n": Lattice("uint8", Integer()),
    "phi": Lattice("float64", Linear(0.002)),
}


def columns_of_every_kind() -> list[c.Column]:
    """All columns that lifting knows, for predicting phi; formulas land on lattices of every kind."""
    names, targets, values = list(kinematics.FORMULAS), list(LATTICES), ("pt", "eta", "mass", "pt")
    formulas = [
        c.FormulaPoint(name, targets[k % 5], values[: len(kinematics.FORMULAS[name].needs)])
        for k, name in enumerate([*names, *names[::-1]])
    ]
    recoil = c.Recoil("pt", "phi", "met", "met_phi")
    return [
        *formulas, *map(c.FormulaOffset, formulas), c.Here("pt"), c.Latent("eta"), c.Neighbour("phi", -1),
        c.Neighbour("phi", -2), c.Neighbour("pt", 1), c.Product(("pt", "mass"), (3, -2), 1), c.Count(), c.Rank(),
        c.Mix(("pt", "eta", "mass"), (5, -3, 7), 2), c.Blend("phi", ("eta", "pt"), (0.3, -0.001), 0.25),
        c.Condition("met"), c.Condition("met_phi", 64.0), recoil, c.Recoil("pt", "phi"), c.RecoilSize(recoil),
        c.RecoilSize(recoil, relative=False), c.When("first", c.Condition("met")), c.RecoilPoint(recoil),
        c.RecoilPoint(c.Recoil("pt", "phi")), c.Ceiling(recoil), c.Ceiling(c.Recoil("pt", "phi")),
        c.Apart(c.Neighbour("pt", -1), c.RecoilPoint(recoil)),
        c.When("later", c.Neighbour("phi", -1)), c.When("last", c.Neighbour("eta", -1)),
    ]  # fmt: skip


def test_every_column_table_and_class_is_the_same() -> None:
    """Also with places beyond the last rank, values that are not finite, and tables that are left at either end."""
    rng = np.random.default_rng(11)
    kinds = columns_of_every_kind()
    sources = tuple(Lookup(kind, -300, k % 4, (1, 7, 80, 500)) for k, kind in enumerate(kinds))
    terms = tuple(
        Term(k, tuple(rng.integers(-9000, 9000, 5).tolist())) for k in rng.permutation(len(kinds)).tolist()
    )
    predictors = Predictors(
        (
            Predictor("pt"),
            Predictor("eta", 77, (Term(kinds.index(c.Here("pt")), (1, 2, 300, -4, 5)),)),
            Predictor("mass"),
            Predictor("n"),
            Predictor(
                "phi",
                -999,
                terms,
                c.Recoil("pt", "phi"),
                Period(-1571, 1571),
                Widths(5, terms[:9], (-800, 0, 1)),
            ),
        ),
        sources,
    )
    counts = rng.integers(0, 11, 300)
    n = int(counts.sum())
    q = {
        "pt": rng.integers(-3, 2500, n),
        "eta": rng.integers(-2500, 2500, n),
        "mass": rng.integers(480_000, 540_000, n) * rng.choice([1, -1], n),
        "n": rng.integers(0, 256, n),
        "phi": rng.integers(-1571, 1572, n),
    }
    events = {
        "met": rng.choice(np.float32([np.nan, np.inf, 0.0, -0.0, 33.3, 1e30, 1e-30]), 300),
        "met_phi": rng.uniform(-4, 4, 300),
    }
    first = Evaluation(predictors, LATTICES, counts, events)
    manifest = {
        "codec": {"predictors": msgspec.to_builtins(predictors)},
        "features": [{"name": name, "lattice": msgspec.to_builtins(one)} for name, one in LATTICES.items()],
    }
    second = Lifting(manifest, counts, events)
    with np.errstate(all="ignore"):
        for name in q:
            first.encode(name, first.order.to_ranks(q[name]))
            second.decode_feature(name, pack(q[name][second.order]))
            assert second.latents[name].tolist() == first.context.latents[name].tolist(), name
        for kind in kinds:
            found = second.integers(msgspec.to_builtins(kind))
            assert found.tolist() == kind.read(first.context, None).tolist(), kind
        assert second.classes("phi").tolist() == first.classes("phi").tolist()
        assert second.prediction("phi").tolist() == first.predict("phi").tolist()


def test_checksums_of_bottleneck_events_are_those_of_the_page() -> None:
    rng = np.random.default_rng(1)
    counts = np.array([2, 0, 1])
    model = np.full(3, 0xDEADBEEF, np.uint32)
    escapes = Jagged(np.array([14, 0, 28]), rng.integers(0, 256, 42).astype(np.uint8))
    latents = Jagged(2 * counts, rng.normal(size=6).astype(np.float32))
    codes = Jagged(counts, rng.integers(0, 65536, 3).astype(np.uint16))
    columns = [model, escapes, latents, codes]
    whole = 2**64

    def mix(x: int) -> int:
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % whole
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % whole
        return x ^ (x >> 31)

    def key(j: int) -> int:
        return mix((j + 1) * 0x9E3779B97F4A7C15 % whole) | 1

    expected = []
    for event in range(3):
        total = 0
        for b, column in enumerate([counts, *columns]):
            one = column.values if isinstance(column, Jagged) else column
            sizes = column.counts if isinstance(column, Jagged) else np.ones(3, np.int64)
            words = one.view(f"u{one.itemsize}")[sizes[:event].sum() : sizes[: event + 1].sum()]
            total += sum((int(w) + 1) * key(b) * key(i) for i, w in enumerate(words))
        expected.append(mix(total % whole) >> 32)
    assert checks_of(counts, columns).tolist() == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "int32"},
        {"dtype": "float128"},
        {"grid": {"type": "linear", "step": 0.0}},
        {"grid": {"type": "log", "first": 1.0, "base": 1.0, "top": 5}},
        {"grid": {"type": "log", "first": 1.0, "base": 1.1, "top": -5}},
        {"grid": {"type": "pattern", "shift": -1}},
        {"grid": {"type": "pattern", "shift": 24}},
        {"grid": {"type": "integer"}},
        {"inserted": [{"at": 3}, {"at": 2, "bits": 7}]},
        {"inserted": [{"at": 3}, {"at": 3}]},
        {"inserted": [{"at": 1, "bits": 1 << 32}]},
        {"inserted": [{"at": 1 << 63}]},
        {"inserted": [{"at": k, "bits": k} for k in range(65)]},
    ],
    ids=str,
)
def test_lattices_that_the_page_forbids_are_refused(changes: dict[str, Any]) -> None:
    good = {"dtype": "float32", "grid": {"type": "linear", "step": 0.1}, "inserted": [{"at": 0}]}
    assert msgspec.convert(good, Lattice).escape == 0
    with pytest.raises(HepaeError):
        msgspec.convert({**good, **changes}, Lattice)
