"""Risk: a collection with next to nothing in it cannot be compressed, warns, or keeps a machine busy for minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hepae
from hepae.core.values.lattice import Integer, Lattice
from hepae.learn.fit import prediction
from hepae.learn.recipe import CODECS, Recipe
from hepae.root.file.source import open_source
from hepae.testing.files import write_events
from tests.root_process import in_root, needs_root

BOUNDS = ["*=abs:1e-3", "pt=rel:1e-3", "odd*=exact"]
EVENTS = {
    "no events": np.zeros(0, np.int64),
    "all events empty": np.zeros(50, np.int64),
    "one object": np.array([0, 1, 0], np.int64),
    "two objects of one event": np.array([2], np.int64),
    "two events": np.array([1, 1], np.int64),
    "ten objects": np.array([3, 0, 1, 0, 2, 0, 4], np.int64),
}


def columns(n: int) -> dict[str, np.ndarray]:
    """Usual columns, constant ones, and ones that are no numbers."""
    rng = np.random.default_rng(n)
    found: dict[str, np.ndarray] = {
        "pt": rng.exponential(40, n).astype(np.float32),
        "eta": rng.normal(0, 2, n).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        "mass": rng.exponential(9, n).astype(np.float32),
        "nConst": rng.poisson(9, n).astype(np.int32),
        "tight": rng.random(n) < 0.5,
    }
    for number, value in enumerate((0.0, -999.0, np.nan, np.inf)):
        found[f"constant{number}"] = np.full(n, value, np.float32)
        found[f"odd{number}"] = np.full(n, value, np.float64)
    found["oddHuge"] = np.full(n, 1e30, np.float32)
    return found


def recipe(codec: str, **choices: Any) -> Recipe:
    quick = {"epochs": 1, "layers": (4,)} if codec == "bottleneck" else {"effort": "fast"}
    return Recipe(codec=codec, **quick, **choices)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("counts", EVENTS.values(), ids=EVENTS)
def test_few_objects_come_back(codec: str, counts: np.ndarray, tmp_path: Path) -> None:
    source = write_events(tmp_path / "a.root", counts, columns(int(counts.sum())))
    done = hepae.compress(source, tmp_path / "b.root", bounds=BOUNDS, recipe=recipe(codec))
    assert (done.events, done.objects) == (len(counts), int(counts.sum()))
    assert hepae.verify(source, tmp_path / "b.root", bounds=BOUNDS).kept
    hepae.decompress(tmp_path / "b.root", tmp_path / "c.root")
    assert hepae.verify(source, tmp_path / "c.root", bounds=BOUNDS).kept


@pytest.mark.parametrize("codec", CODECS)
def test_a_sample_without_objects_trains_a_model_that_keeps_its_bounds(codec: str, tmp_path: Path) -> None:
    """Of many events few are trained on, and all objects are in the others."""
    counts = np.zeros(5000, np.int64)
    counts[333] = 7
    source = write_events(tmp_path / "a.root", counts, columns(7))
    chosen = recipe(codec, train_objects=1)
    model = hepae.train([source], bounds=BOUNDS, recipe=chosen)
    assert model.manifest.training.objects == 0
    done = hepae.compress(source, tmp_path / "b.root", model=model)
    assert done.objects == 7
    assert hepae.verify(source, tmp_path / "b.root", bounds=BOUNDS).kept


@pytest.mark.parametrize("codec", CODECS)
def test_objects_in_training_or_validation_events_alone(codec: str, tmp_path: Path) -> None:
    """One event has so many objects that predictions are searched for, and all others have none."""
    counts = np.zeros(100, np.int64)
    counts[41] = 2 * prediction.FEWEST_OBJECTS
    source = write_events(tmp_path / "a.root", counts, columns(int(counts.sum())))
    for seed in (1, 3):  # on either side of the split of `lifting` and `masked`
        chosen = recipe(codec, seed=seed)
        hepae.compress(source, tmp_path / f"{seed}.root", bounds=BOUNDS, recipe=chosen)


@pytest.mark.parametrize("codec", ["lifting", "masked"])
def test_nothing_is_searched_for_where_nothing_can_be_learnt(
    codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = np.ones(25, np.int64)
    features = {f"x{number}": np.random.default_rng(number).normal(0, 1, 25) for number in range(60)}
    source = write_events(tmp_path / "a.root", counts, features)
    monkeypatch.setattr(prediction, "_fit_feature", None)
    model = hepae.train([source], recipe=recipe(codec))
    predictors: Any = model.manifest.codec.predictors  # type: ignore[union-attr]
    assert not predictors.sources
    assert all(predictors[name].trivial for name in features)


def test_columns_that_hold_next_to_nothing_are_coded_as_they_are() -> None:
    counts = np.ones(1000, np.int64)
    rng = np.random.default_rng(1)
    flag = np.zeros(1000, np.int64)
    flag[::300] = 1
    integers = {"constant": np.full(1000, 7), "rare": flag, "noise": rng.integers(0, 1000, 1000)}
    lattices = {name: Lattice("int64", Integer()) for name in integers}
    found = prediction.fit(integers, lattices, counts, {}, order=("noise", "constant", "rare"))
    assert found["constant"].trivial
    assert found["rare"].trivial


EXTENDED = r"""
ROOT.gInterpreter.Declare('''
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <vector>
void extended(const char *path) {
  auto model = ROOT::RNTupleModel::Create();
  auto x = model->MakeField<float>("x");
  auto pt = model->MakeField<std::vector<float>>("Jet_pt");
  auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "Events", path);
  for (int i = 0; i < 100; i++) { *x = i; pt->assign(i % 3, i); writer->Fill(); }
  writer->CommitCluster(true);
  auto updater = writer->CreateModelUpdater();
  updater->BeginUpdate();
  auto y = updater->MakeField<float>("y");
  auto eta = updater->MakeField<std::vector<float>>("Jet_eta");
  updater->CommitUpdate();
  for (int i = 0; i < 50; i++) { *x = i; pt->assign(i % 3, i); *y = 2 * i; eta->assign(i % 3, -i); writer->Fill(); }
  writer->CommitCluster(true);
  updater->BeginUpdate();
  updater->MakeField<std::vector<float>>("Jet_phi");
  updater->CommitUpdate();
}''')
ROOT.extended(paths[0])
result = None
"""


@needs_root
@pytest.mark.root
def test_fields_that_were_added_to_an_rntuple_later(tmp_path: Path) -> None:
    """They have no pages in the clusters before, or in none at all."""
    in_root(EXTENDED, tmp_path / "a.root")
    with open_source(tmp_path / "a.root") as source:
        tree = source.tree("Events")
        assert tree.num_entries == 150
        sizes = {name: tree.bytes_on_disk(name) for name in tree.branches}
        y, eta = tree.read("y", 0, 150), tree.read("Jet_eta", 90, 110)
    assert sizes["y"][1] == 4 * 50
    assert sizes["Jet_phi"] == (0, 0)
    assert np.asarray(y).tolist() == [0.0] * 100 + [2.0 * i for i in range(50)]
    assert eta.counts.tolist() == [0] * 10 + [i % 3 for i in range(10)]
