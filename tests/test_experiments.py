"""Grids that are misread, results that are mixed up or lost, trainings that are run twice."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

pytest.importorskip("torch")
pytest.importorskip("vector")

import numpy as np
import torch

import hepae
from hepae.cli import main
from hepae.errors import InputError, SchemaError
from hepae.lab.experiments.grid import read_grid
from hepae.lab.experiments.outcome import CORRECTED, LATENTS
from hepae.lab.experiments.running import run_grid
from hepae.learn.bottleneck.learning_rate import find_learning_rate
from hepae.learn.bottleneck.networks import Autoencoder
from hepae.learn.bottleneck.presets import Architecture, Hyperparameters
from hepae.learn.descent import Sample
from hepae.learn.recipe import recipe_of
from hepae.model.model import Model

GRIDS = Path(__file__).parent.parent / "scripts" / "grids"
DATA = """
[data.jets]
file = "sample.csv"
collection = "Jet"
features = ["E", "pt", "eta", "phi"]
bounds = ["E,pt=rel:1e-3", "eta,phi=abs:1e-3"]
"""


def silent(phase: str, done: int, total: int, note: str) -> None:
    """Report nothing."""


def grid(folder: Path, runs: str) -> Path:
    path = folder / "grid.toml"
    path.write_text(DATA + runs)
    return path


@pytest.mark.parametrize("name", ["published.toml", "architectures.toml"])
def test_the_grids_that_come_with_hepae_are_understood(name: str) -> None:
    data, experiments = read_grid(GRIDS / name)
    assert {one.data for one in experiments} <= set(data)
    assert all(one.published for one in experiments) or name != "published.toml"


def test_lists_make_one_experiment_of_each_combination(tmp_path: Path) -> None:
    path = grid(
        tmp_path, '[[run]]\nname="a"\ndata="jets"\nlayers=[[8],[8,4]]\nseed=[1,2,3]\nactivation="elu"\n'
    )
    found = read_grid(path)[1]
    assert len({one.name for one in found}) == len(found) == 6
    assert found[-1].name == "a (layers=8-4, seed=3)"
    assert found[-1].recipe.choices.architecture.layers == (8, 4)
    assert found[-1].recipe.choices.architecture.activation == "elu"


def test_a_network_of_the_literature_has_no_skip_connections(tmp_path: Path) -> None:
    found = read_grid(grid(tmp_path, '[[run]]\nname="a"\ndata="jets"\nlayers=[8]\n'))[1]
    assert not found[0].recipe.choices.architecture.shortcut


@pytest.mark.parametrize(
    ("runs", "word"),
    [
        ('[[run]]\nname="a"\ndata="jets"\nactivaton="elu"', "activaton"),
        ('[[run]]\nname="a"\ndata="jet"', "jet"),
        ('[[run]]\nname="a"\ndata="jets"\nbaseline="magic"', "magic"),
        ('[[run]]\nname="a"\ndata="jets"\nepochs="many"', "epochs"),
        ('[[run]]\nname="a"\ndata="jets"\n[[run]]\nname="a"\ndata="jets"', "same name"),
    ],
)
def test_what_is_wrong_in_a_grid_is_named(tmp_path: Path, runs: str, word: str) -> None:
    with pytest.raises(SchemaError, match=word):
        read_grid(grid(tmp_path, runs))


def test_a_grid_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_grid(tmp_path / "none.toml")


RUNS = """
[[run]]
name = "net"
data = "jets"
published = "a figure"
published_loss = 0.5
layers = [8]
latents = 3
epochs = 2

[[run]]
name = "flat"
data = "jets"
baseline = "constant-mass"

[[run]]
name = "lifting"
data = "jets"
codec = "lifting"
"""


def test_a_grid_is_run_once_and_resumed(
    tmp_path: Path, sample_csv: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = grid(tmp_path, RUNS), tmp_path / "out"
    outcomes, failures = run_grid(path, out, data_folder=sample_csv.parent, report=silent)
    assert not failures
    assert [one.stored for one in outcomes] == [LATENTS, CORRECTED, "constant-mass", "lifting"]
    alone, corrected, _, lifting = outcomes
    assert corrected.quality.loss < 1e-6 < alone.quality.loss
    for one in (corrected, lifting):
        assert one.quality.features["pt"].relative.worst <= 1e-3
        assert one.quality.features["eta"].absolute.worst <= 1e-3
    assert alone.bits is not None
    assert corrected.bits is not None
    assert 0 < alone.bits < corrected.bits
    assert alone.parameters == sum(p.numel() for p in Autoencoder(4, Architecture((8,), 3)).parameters())
    assert alone.speed is not None
    assert alone.speed.network_encode_ms is not None
    assert lifting.speed is not None
    assert lifting.speed.network_encode_ms is None

    assert Model.load(out / "best_jets.onnx").manifest.codec_name == "bottleneck"
    table = (out / "results.csv").read_text().splitlines()
    assert len(table) == 5
    assert "5.00e-01" in (out / "results.md").read_text()
    assert (out / "residuals.csv").read_text().count("\n") > 4 * 8

    made = {one: one.stat().st_mtime_ns for one in (out / "runs").iterdir()}
    path.write_text(path.read_text().replace("a figure", "another figure"))
    assert main(["experiments", str(path), "-o", str(out), "--data", str(sample_csv.parent), "--json"]) == 0
    assert {one: one.stat().st_mtime_ns for one in (out / "runs").iterdir()} == made
    assert len(msgspec.json.decode(capsys.readouterr().out)["outcomes"]) == 4
    assert "another figure" in (out / "results.md").read_text()


def test_an_experiment_that_fails_is_named_and_the_others_run(tmp_path: Path, sample_csv: Path) -> None:
    runs = '[[run]]\nname="bad"\ndata="jets"\nlayers=[4]\nepochs=1\nbounds=["pt=abs:1e-30"]\n'
    runs += '[[run]]\nname="flat"\ndata="jets"\nbaseline="constant-mass"\n'
    outcomes, failures = run_grid(
        grid(tmp_path, runs), tmp_path / "out", data_folder=sample_csv.parent, report=silent
    )
    assert [one.name for one in failures] == ["bad"]
    assert [one.name for one in outcomes] == ["flat"]


def sample_of(features: int) -> Sample:
    rng = np.random.default_rng(3)
    inputs = rng.uniform(size=(400, features)).astype(np.float32)
    return Sample(inputs, np.ones(inputs.shape, bool), np.arange(300), np.arange(300, 400))


def test_the_range_test_finds_a_rate_that_learns_and_leaves_the_network_alone() -> None:
    torch.manual_seed(1)
    network, sample = Autoencoder(4, Architecture((16,), 3, "tanh")), sample_of(4)
    before = [p.detach().clone() for p in network.parameters()]
    rate = find_learning_rate(network, sample, Hyperparameters())
    assert 1e-6 < rate < 0.1
    assert rate == find_learning_rate(network, sample, Hyperparameters())
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


@pytest.mark.parametrize("more", [{}, {"beta": 1e-8, "shortcut": True, "batch_norm": True}])
def test_convolutions_go_through_export_admission_and_back(
    more: dict[str, object], sample_csv: Path, tmp_path: Path
) -> None:
    choices = {
        "codec": "bottleneck",
        "convolutions": (4, 6),
        "layers": (8,),
        "latents": 3,
        "epochs": 1,
        **more,
    }
    bounds = ["E,pt=rel:1e-3", "eta,phi=abs:1e-3"]
    model = hepae.train([sample_csv], collection="Jet", bounds=bounds, recipe=recipe_of(choices))
    done = hepae.compress(sample_csv, tmp_path / "small.root", model=model)  # compares every value
    assert max(feature.worst for feature in done.features) <= 1.0
    assert "conv-4-6" in model.manifest.codec.architecture


def test_a_variational_network_draws_in_training_only() -> None:
    torch.manual_seed(1)
    network = Autoencoder(4, Architecture((8,), 3, beta=0.5))
    x = torch.rand(16, 4)
    network.eval()
    assert torch.equal(network(x), network(x))
    assert network.penalty() == 0.0
    network.train()
    assert not torch.equal(network(x), network(x))
    assert isinstance(network.penalty(), torch.Tensor)
    assert network.penalty().detach() > 0
