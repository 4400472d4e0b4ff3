"""Risk: jets of many constituents that come back changed, or cost more than their columns one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.lifting.codec import Lifting
from hepae.core.prediction.derived import smallest, unbundled, with_derived
from hepae.core.prediction.predictors import LiftingSpec, carriers
from hepae.core.values.bounds import parse, parse_assignments
from hepae.core.values.lattice import Integer, Lattice, Linear
from hepae.core.values.objects import Collection, Objects
from hepae.errors import CorruptionError, ModelRejectedError
from hepae.input.events import open_events
from hepae.learn.fit.derived import last_rank, polar
from hepae.learn.fit.prediction import fit
from hepae.learn.masked.efforts import EFFORTS, Effort
from hepae.learn.masked.integer_network import Size
from hepae.learn.modelling import feature_specs, model_of
from hepae.learn.recipe import recipe_of
from hepae.testing.files import write_events
from tests import format_reader

BOUNDS = ("E,px,py,pz=rel:1e-3",)
BOTTLENECK_BOUNDS = ("E,px,py,pz=abs:0.02",)
"""Relative bounds of components that may be near zero are beyond float networks, which hepae says."""
JET = ("FatJet_pt", "FatJet_eta", "FatJet_phi", "FatJet_mass")
FEATURES = ("E", "px", "py", "pz", "type")


def bounds_of(codec: str) -> tuple[str, ...]:
    return BOTTLENECK_BOUNDS if codec == "bottleneck" else BOUNDS


def recipe(codec: str) -> Any:
    if codec == "bottleneck":
        return recipe_of({"codec": codec, "epochs": 2, "layers": (16,)})
    return recipe_of({"codec": codec, "effort": "fast", "conditions": JET})


def objects(path: Path, n_events: int, conditions: tuple[str, ...] = JET) -> tuple[Objects, Collection]:
    with open_events(path, None) as events:
        found = events.collection("Constituent")
        return events.objects(found, FEATURES, conditions, 0, n_events), found


@pytest.fixture(scope="session")
def models(constituents_root: Path) -> dict[str, hepae.Model]:
    """A model of each codec, trained on a part of the bundled fat jets for seconds."""
    brief = Effort((Size((8,), (6, 4), 8, 8),), samples=150_000)
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EFFORTS, "fast", brief)
        for codec, n_events in (("lifting", 300), ("masked", 120), ("bottleneck", 120)):
            conditions = () if codec == "bottleneck" else JET
            part = objects(constituents_root, n_events, conditions)
            found[codec] = model_of(*part, FEATURES, parse_assignments(bounds_of(codec)), recipe(codec))
    return found


@pytest.mark.parametrize("codec", ["lifting", "masked", "bottleneck"])
def test_constituents_come_back_within_their_bounds_and_in_their_jets(
    codec: str, models: dict[str, hepae.Model], constituents_root: Path, tmp_path: Path
) -> None:
    small, restored = tmp_path / "small.root", tmp_path / "restored.root"
    hepae.compress(constituents_root, small, collection="Constituent", model=models[codec])
    hepae.decompress(small, restored)
    assert hepae.verify(constituents_root, restored, bounds=bounds_of(codec)).kept
    with uproot.open(constituents_root) as one, uproot.open(restored) as other:
        first, second = one["Jets"].arrays(), other["Jets"].arrays()
    assert ak.array_equal(first.nConstituent, second.nConstituent)
    assert ak.array_equal(first.Constituent_type, second.Constituent_type)
    pt = {
        name: np.hypot(jets.Constituent_px, jets.Constituent_py)
        for name, jets in (("a", first), ("b", second))
    }
    assert ak.max(abs(pt["b"] - pt["a"]) / (pt["a"] + 10)) <= 4e-3


@pytest.mark.parametrize("codec", ["lifting", "masked"])
def test_one_feature_is_restored_by_itself(
    codec: str, models: dict[str, hepae.Model], constituents_root: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small.root"
    hepae.compress(constituents_root, small, collection="Constituent", model=models[codec])
    with hepae.open(small) as file:
        whole = file["Jets"].arrays([f"Constituent_{name}" for name in FEATURES])
        for name in ("type", "pz", "px"):
            alone = file["Jets"].arrays([f"Constituent_{name}"], entry_start=100, entry_stop=200)
            assert ak.array_equal(alone[f"Constituent_{name}"], whole[f"Constituent_{name}"][100:200])


def test_a_second_reader_restores_the_same_bits(
    models: dict[str, hepae.Model], constituents_root: Path, tmp_path: Path
) -> None:
    part, _ = objects(constituents_root, 60)
    original = write_events(
        tmp_path / "few.root", part.counts, part.columns, part.events, collection="Constituent"
    )
    for codec in ("lifting", "masked"):
        small = tmp_path / f"{codec}.root"
        hepae.compress(original, small, collection="Constituent", model=models[codec])
        second = format_reader.restore(small)
        with uproot.open(small) as file:
            for name in FEATURES:
                mine = np.asarray(ak.flatten(file[f"Events/Constituent_{name}__hepae"].array()))
                assert mine.tobytes() == second[f"Constituent_{name}"][1].tobytes()


def test_momenta_cost_less_than_column_by_column(
    models: dict[str, hepae.Model], constituents_root: Path
) -> None:
    from hepae.core.decode import chunk_codec
    from hepae.lab.bench.alternatives import available

    whole, _ = objects(constituents_root, 600)
    manifest = models["lifting"].manifest
    assert [one.name for one in manifest.codec.predictors.derived] == ["pt", "eta", "phi"]
    assert manifest.codec.predictors.last_rank > 20
    (pcodec,) = [one for one in available() if one.name == "lattice + pcodec"]
    apart = sum(len(pcodec.encode(whole.columns[f.name], f.bound, f.lattice).data) for f in manifest.features)
    size = {
        codec: sum(map(len, chunk_codec(models[codec]).encode(whole, 0).values()))
        for codec in ("lifting", "masked")
    }
    assert apart > 1.3 * size["lifting"]
    assert apart > 1.35 * size["masked"]


def test_particles_that_are_no_jets_cost_hardly_more_than_plain_coding(
    models: dict[str, hepae.Model],
) -> None:
    from hepae.core.decode import chunk_codec
    from hepae.lab.bench.alternatives import available

    rng = np.random.default_rng(4)
    counts = rng.integers(0, 60, 300)
    n = int(counts.sum())
    columns: dict[str, Any] = {
        name: (rng.normal(size=n) * 10.0 ** rng.uniform(-3, 3, n)).astype(np.float32) for name in FEATURES[:4]
    }
    columns["type"] = rng.integers(-128, 127, n).astype(np.int8)
    odd = rng.random(n) < 0.05
    columns["px"][odd] = rng.choice(np.float32([np.nan, np.inf, -0.0, 0.0, 3e38, 1e-42]), odd.sum())
    events = {name: rng.normal(size=300).astype(np.float32) * 1e3 for name in JET}
    events["FatJet_pt"][:3] = np.nan, np.inf, 0.0
    whole = Objects(counts, columns, events)
    for codec in ("lifting", "masked"):
        chunks = chunk_codec(models[codec])
        frames = chunks.encode(whole, 0)
        restored = chunks.decode(counts, events, frames, FEATURES)
        (pcodec,) = [one for one in available() if one.name == "lattice + pcodec"]
        apart = sum(
            len(pcodec.encode(columns[f.name], f.bound, f.lattice).data)
            for f in models[codec].manifest.features
        )
        assert sum(map(len, frames.values())) < 1.01 * apart + 4096
        np.testing.assert_array_equal(restored["type"], columns["type"])


def test_derived_features_are_put_in_front_of_their_carrier_and_taken_off() -> None:
    lattices = {name: Lattice("float64", Linear(0.01)) for name in ("px", "py", "pz")}
    rng = np.random.default_rng(1)
    integers = {name: rng.integers(-9000, 9000, 50) for name in lattices}
    derived = tuple(polar(integers, lattices, {name: name for name in lattices}).values())
    every = with_derived(derived, integers, lattices)
    assert list(every) == ["px", "py", "pz", "pt", "eta", "phi"]
    pt = np.hypot(integers["px"], integers["py"]) * 0.01
    found = next(one for one in derived if one.name == "pt").lattice.centres(every["pt"])
    np.testing.assert_allclose(found, pt, rtol=0.01)
    payloads = smallest(derived, every, lambda q: {name: bytes([len(name)]) * (2 + len(name)) for name in q})
    assert set(payloads) == set(lattices)
    assert unbundled(derived, payloads)["eta"] == b"\3" * 5
    assert unbundled(derived, payloads)["px"] == b"\2" * 4
    assert carriers(derived, ("eta", "py"), "px") == ("py",)
    assert carriers(derived, ("eta", "py"), "pz") == ("px", "py")
    for cut in range(len(payloads["px"]) - 3):
        with pytest.raises(CorruptionError, match="cut short"):
            unbundled(derived, {"px": payloads["px"][:cut]})


def test_nothing_is_derived_where_it_is_there_or_where_momenta_are_exact() -> None:
    integers = {name: np.arange(1, 9) for name in ("px", "py", "pz", "pt")}
    lattices = {name: Lattice("float64", Linear(0.01)) for name in integers}
    assert polar(integers, lattices, {name: name for name in integers}) == {}
    whole = {name: Lattice("int32", Integer()) for name in integers}
    assert polar(integers, whole, {name: name for name in ("px", "py", "pz")}) == {}
    assert last_rank(np.array([3, 0, 8])) == 6
    assert last_rank(np.array([40, 0, 80])) == 80
    assert last_rank(np.array([4000])) == 255


def test_a_feature_derived_from_one_before_it_is_refused(constituents_root: Path) -> None:
    whole, collection = objects(constituents_root, 100, ())
    specs = feature_specs(whole, collection, FEATURES, parse_assignments(BOUNDS))
    integers = {s.name: s.lattice.to_integers(whole.columns[s.name], s.bound)[0] for s in specs}
    lattices = {s.name: s.lattice for s in specs}
    predictors = fit(integers, lattices, whole.counts, {})
    lifting = Lifting(LiftingSpec(predictors), specs)
    payloads = lifting.encode(whole.counts, dict(integers), {})
    found = dict(lifting.decode(whole.counts, payloads, {}, FEATURES))
    assert all(np.array_equal(found[name].to_events(), integers[name]) for name in FEATURES)
    order = ["px", *(name for name in predictors.order if name != "px")]
    with pytest.raises(ModelRejectedError, match="derived from none that follow it"):
        type(predictors)(
            tuple(type(predictors[name])(name) for name in order),
            (),
            predictors.derived,
            predictors.last_rank,
        )
    assert parse("rel:1e-3").kind == "rel"
