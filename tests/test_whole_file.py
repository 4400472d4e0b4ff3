"""A whole file: every tree compressed without a bound, read by plain uproot as the original, and given back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import CorruptionError
from hepae.files.decompress.file import restore_file
from hepae.files.pipeline import compress
from hepae.merge import merge
from hepae.read.interpretation import AsHepae
from hepae.root.file.source import open_source
from hepae.skim import skim

ENTRIES = 3000


def equal(one: Any, other: Any) -> bool:
    return str(one.type) == str(other.type) and ak.array_equal(one, other, equal_nan=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jets with a counter, numbers and flags of the event, fixed arrays, strings, a second tree, a histogram."""
    rng = np.random.default_rng(1)
    counts = rng.poisson(3, ENTRIES)
    jets = int(counts.sum())

    def jagged(values: np.ndarray) -> ak.Array:
        return ak.unflatten(values, counts)

    columns = {
        "run": np.full(ENTRIES, 7, np.uint32),
        "event": np.arange(ENTRIES, dtype=np.uint64) + 2**60,
        "HLT_a": rng.random(ENTRIES) < 0.1,
        "cov": rng.normal(size=(ENTRIES, 3)).astype(np.float32),
        "Jet_pt": jagged(rng.exponential(30, jets).astype(np.float32)),
        "Jet_eta": jagged(rng.normal(0, 2, jets)),
        "Jet_id": jagged(rng.integers(0, 7, jets).astype(np.int32)),
        "tag": ak.Array(["a", "", "long" * 100] * (ENTRIES // 3)),
    }
    path = tmp_path_factory.mktemp("whole") / "events.root"
    with uproot.recreate(path) as file:
        types = {
            name: values.dtype if isinstance(values, np.ndarray) else values.type.content
            for name, values in columns.items()
        }
        types["cov"] = "3 * float32"
        tree = file.mktree("dir/Events", types, counter_name=lambda name: "nJet")
        for start in (0, 1000):
            stop = 1000 if start == 0 else ENTRIES
            tree.extend({name: values[start:stop] for name, values in columns.items()})
        runs = file.mktree("Runs", {"genEventSumw": "float64"})
        runs.extend({"genEventSumw": np.array([3.5, 4.5])})
        file["h"] = np.histogram(rng.normal(size=100))
    return path


@pytest.fixture(scope="module")
def small(original: Path) -> Path:
    path = original.with_name("small.root")
    compress(original, path)
    return path


@pytest.fixture
def trees(original: Path, small: Path) -> Iterator[tuple[Any, Any]]:
    with uproot.open(original) as before, uproot.open(small) as after:
        yield before["dir/Events"], after["dir/Events"]


def test_the_file_is_smaller(original: Path, small: Path) -> None:
    assert small.stat().st_size < 0.9 * original.stat().st_size


def test_uproot_sees_the_original_branches(trees: tuple[Any, Any]) -> None:
    before, after = trees
    assert after.keys() == before.keys()
    assert after.num_entries == before.num_entries
    for name in before.keys():  # noqa: SIM118 - a tree is no dict
        assert after[name].typename == before[name].typename
        assert after[name].title == before[name].title
        assert equal(before[name].array(), after[name].array())


def test_every_way_of_reading_gives_the_same(trees: tuple[Any, Any]) -> None:
    before, after = trees
    names, run = ["Jet_pt", "run"], {"entry_start": 990, "entry_stop": 1020}
    assert equal(before.arrays(names, **run), after.arrays(names, **run))
    assert equal(before.arrays("Jet_pt * 2", cut="nJet > 2"), after.arrays("Jet_pt * 2", cut="nJet > 2"))
    one, other = (tree.arrays(["cov", "Jet_id"], library="np") for tree in trees)
    assert one["cov"].tobytes() == other["cov"].tobytes()
    assert all(map(np.array_equal, one["Jet_id"], other["Jet_id"]))
    chunks = [chunk.Jet_eta for chunk in after.iterate(["Jet_eta"], step_size=700)]
    assert equal(ak.concatenate(chunks), before["Jet_eta"].array())


def test_the_original_comes_back(original: Path, small: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.root"
    with open_source(small) as source:
        restore_file(back, source)
    with uproot.open(original) as before, uproot.open(back) as after:
        assert set(after.keys()) == set(before.keys())
        for path in ("dir/Events", "Runs"):
            assert after[path].keys() == before[path].keys()
            for name, branch in before[path].items():
                assert equal(branch.array(), after[path][name].array())
                assert after[path][name].compression == branch.compression
        assert np.array_equal(before["h"].values(), after["h"].values())


def test_entries_that_another_program_dropped_are_an_error(small: Path, tmp_path: Path) -> None:
    """A tree that lost entries, but kept the payload tree beside it."""
    with open_source(small) as source:
        payload = source.directory["dir/Events__hepae"]
        assert payload["entries"].array().to_list() == [ENTRIES]
    from hepae.root.ttree.reader import TTreeReader
    from hepae.stored.payload import Payload

    with open_source(small) as source, pytest.raises(CorruptionError, match="not there for every entry"):
        Payload(TTreeReader(source.directory["dir/Events__hepae"], "small"), ENTRIES - 1)


def test_one_of_two_compressed_trees_is_restored_and_the_other_stays(small: Path, tmp_path: Path) -> None:
    """Whole files, and payload branches with their models."""
    hepae.decompress(small, tmp_path / "half.root", tree="Runs")
    with uproot.open(small) as before, uproot.open(tmp_path / "half.root") as half:
        assert "Runs__hepae;1" in before
        assert "Runs__hepae;1" not in half
        for path in ("dir/Events", "Runs"):
            for name, branch in before[path].items():
                assert equal(branch.array(), half[path][name].array())
    hepae.decompress(tmp_path / "half.root", tmp_path / "back.root")
    assert hepae.verify(small, tmp_path / "back.root").kept


def test_models_stay_for_a_tree_that_stays_compressed(tmp_path: Path) -> None:
    jets = ak.unflatten(np.random.default_rng(1).exponential(40, 600).astype("f4"), np.full(200, 3))
    with uproot.recreate(tmp_path / "0.root") as file:
        for tree in ("nominal", "JES_up", "JES_down"):
            file.mktree(tree, {"Jet": "var * {pt: float32}"}).extend({"Jet": ak.zip({"pt": jets})})
    options = {"collection": "Jet", "bounds": ["pt=abs:1e-3"], "recipe": hepae.Recipe(codec="lifting")}
    for number, tree in enumerate(("nominal", "JES_up")):
        hepae.compress(tmp_path / f"{number}.root", tmp_path / f"{number + 1}.root", tree=tree, **options)
    hepae.decompress(tmp_path / "2.root", tmp_path / "one.root", tree="nominal")
    hepae.decompress(tmp_path / "2.root", tmp_path / "all.root")
    for name, compressed in (("one.root", {"JES_up"}), ("all.root", set())):
        with hepae.open(tmp_path / name) as file:
            for tree in ("nominal", "JES_up", "JES_down"):
                restored = file[tree]["Jet_pt"]
                assert isinstance(restored.interpretation, AsHepae) == (tree in compressed)
                assert ak.all(abs(restored.array() - jets) <= 1e-3)
        assert ("hepae_models" in uproot.open(tmp_path / name)) == bool(compressed)


def test_trees_with_equal_branches_keep_their_names_and_titles(tmp_path: Path) -> None:
    """Trees of systematic variations differ by name, title and values only."""
    names = {"nominal": "as measured", "JES_up": "energies up"}
    with uproot.recreate(tmp_path / "two.root") as file:
        for number, (name, title) in enumerate(names.items()):
            tree = file.mktree(name, {"x": "float32"}, title=title)
            tree.extend({"x": np.arange(5000, dtype=np.float32) % 77 + number})
    compress(tmp_path / "two.root", tmp_path / "small.root")
    with open_source(tmp_path / "small.root") as source:
        restore_file(tmp_path / "back.root", source)
    for path in (tmp_path / "small.root", tmp_path / "back.root"):
        with uproot.open(path) as file:
            assert {name: file[name].title for name in names} == names
            assert [file[name].name for name in names] == list(names)
            assert file["JES_up"]["x"].array()[0] == 1


def test_a_compressed_collection_is_compressed_with_its_file_and_comes_back_in_two_steps(
    tmp_path: Path,
) -> None:
    """Payload branches are branches like others, and need their models after the first step."""
    paths = [tmp_path / f"{number}.root" for number in range(5)]
    jets = ak.unflatten(np.random.default_rng(1).exponential(40, 6000).astype("f4"), np.full(2000, 3))
    with uproot.recreate(paths[0]) as file:
        tree = file.mktree("Events", {"Jet": "var * {pt: float32}", "event": "int64"})
        tree.extend({"Jet": ak.zip({"pt": jets}), "event": np.arange(2000) * 3 + 2**40})
    recipe = hepae.Recipe(codec="lifting")
    hepae.compress(paths[0], paths[1], collection="Jet", bounds=["pt=abs:1e-3"], recipe=recipe)
    hepae.compress(paths[1], paths[2])
    assert hepae.decompress(paths[2], paths[3]) == ["Events"]
    assert hepae.decompress(paths[3], paths[4]) == ["Events"]
    assert hepae.verify(paths[1], paths[3]).kept
    for path in paths[1:]:
        with hepae.open(path) as compressed:
            assert ak.all(abs(compressed["Events"]["Jet_pt"].array() - jets) <= 1e-3)
    skim(paths[2], tmp_path / "skim.root", "nJet > 2")
    merge(tmp_path / "merged.root", [paths[2], paths[2]], force=True)
    for path, times in ((tmp_path / "skim.root", 1), (tmp_path / "merged.root", 2)):
        hepae.decompress(path, tmp_path / "back.root", force=True)
        with hepae.open(tmp_path / "back.root") as back:
            expected = ak.concatenate([jets] * times)
            assert ak.all(abs(back["Events"]["Jet_pt"].array() - expected) <= 1e-3)
