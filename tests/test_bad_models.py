"""Risk: a model of other events that makes files larger without a word. Never beyond plain coding, and it is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import hepae
from hepae import cli
from hepae.core.coding.integers import pack
from hepae.core.values.lattice_fit import fit_lattice
from hepae.core.values.objects import Objects
from hepae.files.summary import FeatureReport, warning_of
from hepae.stored.layout import encoder_of
from hepae.testing.files import jets, write_events
from tests.test_promise import BOUNDS, QUICK

CODECS = ("lifting", "masked")


@pytest.fixture(scope="module", params=CODECS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> hepae.Model:
    original = write_events(tmp_path_factory.mktemp("model") / "a.root", *jets(1500))
    return hepae.train([original], collection="Jet", bounds=BOUNDS, recipe=QUICK[request.param])


def random_numbers(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Any bit pattern at all."""
    out = {}
    for name, values in columns.items():
        width = 8 * values.dtype.itemsize
        out[name] = rng.integers(0, 2**width, len(values), f"u{values.dtype.itemsize}").view(values.dtype)
    return {**out, "tight": rng.random(len(columns["tight"])) < 0.5}


def shuffled(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Each feature for itself: nothing follows from anything."""
    return {name: rng.permutation(values) for name, values in columns.items()}


def other_units(columns: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """MeV for GeV, angles uniform: another campaign than the model's."""
    n = len(columns["pt"])
    changed = {
        "pt": 1000 * columns["pt"],
        "mass": 1000 * rng.permutation(columns["mass"]),
        "eta": rng.uniform(-5, 5, n).astype(np.float32),
        "chHEF": rng.random(n).astype(np.float32),
        "nConst": rng.integers(0, 2000, n).astype(np.int32),
    }
    return {**columns, **changed}


def plainly(model: hepae.Model, columns: dict[str, np.ndarray]) -> int:
    """Bytes of the best plain coding: on the model's lattices or on ones of their own, whichever is smaller."""
    total = 0
    for spec in model.manifest.features:
        sizes = []
        for lattice in (spec.lattice, fit_lattice(columns[spec.name], spec.bound)):
            q, escaped = lattice.to_integers(columns[spec.name], spec.bound)
            sizes.append(len(pack(q)) + escaped.nbytes)
        total += min(sizes)
    return total


@pytest.mark.parametrize("change", [random_numbers, shuffled, other_units])
def test_foreign_events_cost_no_more_than_plain_coding_and_4_kib(model: hepae.Model, change: object) -> None:
    counts, columns = jets(4000, seed=3)
    columns = change(columns, np.random.default_rng(9))
    frames = encoder_of(model).encode(Objects(counts, columns), 0)
    coded = sum(len(frame.values) for frame in frames.values())
    assert coded <= 1.01 * plainly(model, columns) + 4096


def test_a_model_that_fits_badly_is_named_in_the_summary(model: hepae.Model, tmp_path: Path, capsys) -> None:
    counts, columns = jets(1500, seed=3)
    model.save(tmp_path / "model.onnx")
    arguments = ["--model", str(tmp_path / "model.onnx")]
    for name, found in (("good", columns), ("bad", random_numbers(columns, np.random.default_rng(9)))):
        original = write_events(tmp_path / f"{name}.root", counts, found)
        done = hepae.compress(original, tmp_path / "x.root", model=model)
        assert hepae.verify(original, tmp_path / "x.root").kept
        shares = {feature.branch: feature.fallback for feature in done.features}
        assert ("fits badly" in done.warning) == (name == "bad"), shares
        assert (shares["Jet_pt"] == 1) == (name == "bad")
        capsys.readouterr()
        assert cli.main(["compress", str(original), str(tmp_path / "y.root"), *arguments, "--force"]) == 0
        assert ("the model fits badly" in capsys.readouterr().out) == (name == "bad")
    assert (
        cli.main(["compress", str(original), str(tmp_path / "y.root"), *arguments, "--json", "--force"]) == 0
    )
    assert "fits badly" in json.loads(capsys.readouterr().out)["warning"]


def test_most_features_decide() -> None:
    def said(*fallbacks: float | None, before: int = 10, after: int = 9) -> str:
        reports = [FeatureReport("x", "exact", "integer", 1, 1, 0, 0.0, share) for share in fallbacks]
        return warning_of(reports, before, after)

    assert "2 of the 3" in said(1.0, 0.6, 0.0)
    assert "1 of the 1" in said(1.0, None, None)
    assert said(1.0, 0.5, 0.0) == said(1.0, 0.0) == said(None, None) == said() == ""
    assert "was 10 bytes and is 10" in said(0.0, None, after=10)
    assert said(0.0, before=0, after=100) == ""  # CSV: there are no bytes to compare with


def test_a_collection_that_becomes_larger_is_said(tmp_path: Path) -> None:
    original = write_events(tmp_path / "a.root", *jets(300))
    bottleneck = hepae.train([original], collection="Jet", bounds=BOUNDS, recipe=QUICK["bottleneck"])
    counts, columns = jets(300, seed=2)
    bad = write_events(tmp_path / "b.root", counts, random_numbers(columns, np.random.default_rng(9)))
    assert "fits badly" in hepae.compress(bad, tmp_path / "c.root", model=bottleneck).warning
