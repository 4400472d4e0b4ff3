"""Risk: dither that moves a zero, costs bytes, or leaves a comb where it should remove one."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

import hepae
from hepae.cli import main
from hepae.core.features import FeatureSpec
from hepae.core.values.bounds import EXACT, accept, bits_equal, parse
from hepae.core.values.combs import comb_over
from hepae.core.values.dither import places
from hepae.core.values.lattice import Lattice, Pattern
from hepae.core.values.lattice_fit import MOST_INSERTED, fit_lattice
from hepae.errors import BoundError, ModelRejectedError
from hepae.learn.recipe import Recipe
from hepae.testing.files import write_events

BOUNDS = ["abs:1e-3", "abs:0.05", "rel:1e-2", "bits:6"]


def fractions(n: int, seed: int = 1) -> np.ndarray:
    """Energy fractions: 30 % zeros, a fifth of them negative, 5 % ones, some NaN and -99."""
    rng = np.random.default_rng(seed)
    values = rng.beta(0.7, 2.0, n).astype(np.float32)
    kind = rng.random(n)
    for share, value in ((0.38, -99.0), (0.37, np.nan), (0.35, 1.0), (0.30, 0.0), (0.06, -0.0)):
        values[kind < share] = value
    return values


def dithered(values: np.ndarray, bound: str) -> tuple[Lattice, np.ndarray, int]:
    """The lattice, the restored values, and the number of escapes."""
    lattice, place = fit_lattice(values, parse(bound), dither=True), places(len(values), 3)
    q, escaped = lattice.to_integers(values, parse(bound), place)
    return lattice, lattice.to_values(q, escaped, place), len(escaped)


@pytest.mark.parametrize("bound", BOUNDS)
def test_frequent_exact_values_stay_as_they_are_without_escapes(bound: str) -> None:
    values = fractions(20_000)
    _, restored, escapes = dithered(values, bound)
    assert accept(values, restored, parse(bound)).all()
    exact = (values == 0) | (values == 1) | (values == -99) | np.isnan(values)
    assert bits_equal(values[exact], restored[exact]).all()
    assert np.signbit(restored[values == 0]).sum() == np.signbit(values[values == 0]).sum() > 1000
    assert not bits_equal(values[~exact], restored[~exact]).any()
    assert escapes < 5


@pytest.mark.parametrize("bound", ["abs:1e-3", "rel:1e-2"])
def test_zeros_have_a_point_among_many_frequent_values(bound: str) -> None:
    rng = np.random.default_rng(2)
    values = rng.choice(np.linspace(0.1, 0.9, 83), 50_000).astype(np.float32)
    values[rng.random(50_000) < 0.004] = 0.0
    lattice, restored, escapes = dithered(values, bound)
    assert len(lattice.inserted) <= MOST_INSERTED + 1
    assert not restored[values == 0].any()
    assert escapes == 0


def test_dither_on_a_grid_without_cells_is_refused() -> None:
    lattice = Lattice("float32", Pattern(3))
    with pytest.raises(ModelRejectedError, match="dither on a grid without cells"):
        FeatureSpec("pt", "Jet_pt", "float32", "", EXACT, lattice, dither=True)


def jets_with_fractions(path: Path, events: int) -> Path:
    """Jets of which a fraction is 30 % zeros, and a width that its bound turns into a comb."""
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 6, events)
    n = int(counts.sum())
    columns = {
        "pt": (20 * (1 + rng.pareto(2.5, n))).astype(np.float32),
        "neEmEF": fractions(n),
        "width": rng.beta(2, 20, n).astype(np.float32),
    }
    return write_events(path, counts, columns)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jets_with_fractions(tmp_path_factory.mktemp("dither") / "a.root", 8000)


def compressed(original: Path, target: Path, bound: str, dither: bool) -> hepae.files.summary.Compression:
    recipe = Recipe(codec="lifting", effort="fast", dither=dither)
    bounds = ["pt=rel:1e-3", f"neEmEF={bound}", "width=abs:1e-3"]
    return hepae.compress(original, target, collection="Jet", bounds=bounds, recipe=recipe)


@pytest.fixture(scope="module")
def pair(original: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The file compressed without and with dither."""
    folder = tmp_path_factory.mktemp("pair")
    for dither in (False, True):
        compressed(original, folder / f"{dither}.root", "abs:1e-3", dither)
    return {dither: folder / f"{dither}.root" for dither in (False, True)}


# at abs:0.05 small values share the cell of zero, and what tells them apart with dither costs 10 %
@pytest.mark.parametrize("bound", ["abs:1e-3", "rel:1e-2", "bits:6"])
def test_a_column_with_many_zeros_is_as_small_with_dither(bound: str, original: Path, tmp_path: Path) -> None:
    features = {}
    for dither in (False, True):
        done = compressed(original, tmp_path / "b.root", bound, dither)
        features[dither] = next(one for one in done.features if one.branch == "Jet_neEmEF")
        (tmp_path / "b.root").unlink()
    assert not features[True].fallback
    assert features[True].escapes < 5
    assert features[True].bytes_after < 1.03 * features[False].bytes_after


def test_restored_files_keep_zeros_and_bounds(original: Path, pair: dict[bool, Path]) -> None:
    assert hepae.verify(original, pair[True]).kept
    with hepae.open(original) as before, hepae.open(pair[True]) as after:
        stored, restored = (
            ak.to_numpy(ak.flatten(file["Events"]["Jet_neEmEF"].array())) for file in (before, after)
        )
    assert bits_equal(stored[stored == 0], restored[stored == 0]).all()


def test_combs_are_counted_as_they_are_defined() -> None:
    values = np.random.default_rng(5).uniform(0, 1, 40_000)
    restored = np.rint(values / 0.03) * 0.03
    comb = comb_over(values)
    assert comb is not None
    for start in range(0, 40_000, 10_000):
        comb.add(values[start : start + 10_000], restored[start : start + 10_000])
    for bins in (50, 100):
        before, after = (np.histogram(v, bins, (comb.low, comb.high))[0] for v in (values, restored))
        assert comb.different(bins) == np.sum(np.abs(after - before) > np.sqrt(np.maximum(before, 1)))


def test_what_has_no_range_has_no_combs() -> None:
    big, tiny = np.finfo(np.float64).max, 5e-324
    for values in ([], [np.nan], [2.0, 2.0], [-big, big], [0.0, tiny], [np.inf, -np.inf, 1.0]):
        assert comb_over(np.array(values)) is None


def test_verify_counts_combs_names_the_remedy_and_succeeds(
    original: Path, pair: dict[bool, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(original), str(pair[False])]) == 0
    out = capsys.readouterr().out
    assert out.count("--dither") == 1
    assert "Jet_width in" in out
    assert main(["verify", str(original), str(pair[True])]) == 0
    assert "--dither" not in capsys.readouterr().out
    assert main(["verify", str(original), str(pair[False]), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    columns = result["trees"]["Events"]["columns"]
    assert columns["Jet_width"]["combed_100"] > 60
    assert columns["Jet_pt"]["combed_50"] == columns["nJet"]["combed_50"] == 0
    assert "Jet_width" in result["combs"]


def test_dither_of_what_is_exact_is_an_error(original: Path, tmp_path: Path) -> None:
    recipe = Recipe(codec="lifting", dither=True)
    with pytest.raises(BoundError, match="dither where everything is exact"):
        hepae.compress(original, tmp_path / "b.root", collection="Jet", recipe=recipe)
    assert not (tmp_path / "b.root").exists()
