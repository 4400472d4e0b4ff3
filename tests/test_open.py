"""`hepae.open`, `hepae.iterate` and `hepae.concatenate` speak uproot's words on compressed files of every kind."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.read.opened import OpenedDirectory
from tests.compressed import SAMPLE

KINDS = ["model", "whole"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sample with jets compressed by a model, and as a whole."""
    made = {kind: tmp_path_factory.mktemp("open") / f"{kind}.root" for kind in KINDS}
    recipe = hepae.Recipe(codec="lifting", effort="fast")
    hepae.compress(SAMPLE, made["model"], collection="Jet", features=["pt", "eta", "phi"], recipe=recipe)
    hepae.compress(SAMPLE, made["whole"], only=["Jet_pt", "Jet_eta", "nJet", "MET"])
    return made


@pytest.fixture
def original() -> Any:
    """The tree of the original."""
    with uproot.open({SAMPLE: "Events"}) as tree:
        yield tree


@pytest.mark.parametrize("kind", KINDS)
def test_a_tree_is_uproots_under_the_original_names(small: dict[str, Path], kind: str, original: Any) -> None:
    with hepae.open(f"{small[kind]}:Events") as tree:
        assert isinstance(tree, uproot.TTree)
        assert tree.keys() == original.keys()
        assert tree.typenames() == original.typenames()
        wanted = {"cut": "nJet >= 3", "aliases": {"lead": "Jet_pt[:, :1]"}, "entry_stop": 700}
        assert ak.array_equal(
            tree.arrays(["lead", "Jet_eta", "MET"], **wanted),
            original.arrays(["lead", "Jet_eta", "MET"], **wanted),
        )
        chosen = tree.arrays(filter_name=["Jet_p*", "/M.*/"], entry_stop=3)
        assert set(chosen.fields) == set(original.keys(filter_name=["Jet_p*", "/M.*/"]))
        assert tree["Jet_pt"].array(library="np")[5].tolist() == original["Jet_pt"].array()[5].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_steps_of_memory_go_through_all_entries(small: dict[str, Path], kind: str, original: Any) -> None:
    with hepae.open(small[kind]) as file:
        parts = list(file["Events"].iterate(["Jet_pt", "MET"], step_size="50 kB"))
    assert len(parts) > 1
    assert ak.array_equal(ak.concatenate(parts), original.arrays(["Jet_pt", "MET"]))


@pytest.mark.parametrize("kind", KINDS)
def test_names_paths_cycles_and_what_is_missing(small: dict[str, Path], kind: str, original: Any) -> None:
    with hepae.open(small[kind]) as file:
        assert file.keys() == uproot.open(SAMPLE).keys()
        assert file.classnames() == uproot.open(SAMPLE).classnames()
        assert "Events" in file
        assert "Events;1" in file
        assert "hepae_schemas" not in file
        assert ak.array_equal(file["Events/Jet_eta"].array(), original["Jet_eta"].array())
        assert dict(file.items())["Events;1"].keys() == original.keys()
        assert [type(item) for item in file.values()] == [type(item) for item in uproot.open(SAMPLE).values()]
        for missing in ("Event", "Events/Jet_pT", "Events;7"):
            with pytest.raises(KeyError):
                file[missing]


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_trees_pickle(small: dict[str, Path], kind: str, original: Any) -> None:
    file = hepae.open(small[kind])
    for copied in (pickle.loads(pickle.dumps(file))["Events"], pickle.loads(pickle.dumps(file["Events"]))):
        assert ak.array_equal(copied["Jet_pt"].array(), original["Jet_pt"].array())


def test_directories_are_opened_alike(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("sub/deep/T", {"x": "float32"}).extend({"x": ak.Array([1.0, 2.0])})
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root", only=["*"])
    with hepae.open(tmp_path / "b.root") as file:
        assert file.keys(cycle=False) == ["sub", "sub/deep", "sub/deep/T"]
        assert isinstance(file["sub"]["deep"], OpenedDirectory)
        assert file["sub/deep"].keys(cycle=False) == ["T"]
        assert pickle.loads(pickle.dumps(file["sub/deep"]))["T"]["x"].array().tolist() == [1.0, 2.0]
    assert hepae.open(f"{tmp_path / 'b.root'}:sub/deep/T/x").array().tolist() == [1.0, 2.0]


@pytest.mark.parametrize("small", [False, True], ids=["plain", "compressed"])
def test_rntuples_in_directories_are_opened_by_their_paths(small: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    numbers = np.floor(np.random.default_rng(1).exponential(500, 30_000)).astype("f4")
    with uproot.recreate(path) as file:
        file.mkrntuple("sub/below/numbers", {"x": numbers})
    if small:
        hepae.compress(path, tmp_path / "b.root", only=["*"])
        path = tmp_path / "b.root"
        with uproot.open(path) as file:
            assert "hepae_schemas" in file
    with hepae.open(path) as file:
        for one in (file["sub/below/numbers"], file["sub"]["below/numbers"], file["sub/below"]["numbers;1"]):
            assert one["x"].array().to_list() == numbers.tolist()


def test_many_files_of_different_kinds(small: dict[str, Path], original: Any) -> None:
    both = [f"{small['model']}:Events", {str(small["whole"]): "Events"}, f"{SAMPLE}:Events"]
    joined = hepae.concatenate(both, ["Jet_pt", "MET"], cut="MET > 50")
    alone = original.arrays(["Jet_pt", "MET"], cut="MET > 50")
    assert ak.array_equal(joined, ak.concatenate([alone] * 3))
    glob = f"{small['model'].parent}/mod*.root"
    steps = list(hepae.iterate([glob, str(small["whole"])], ["Jet_pt"], step_size=1000))
    assert [len(step) for step in steps] == [1000, 1000, 400] * 2
    frames = hepae.concatenate(both[:2], ["MET"], library="pd")
    assert frames.index.tolist() == list(range(2 * original.num_entries))
    parts = list(hepae.iterate(both[:2], ["MET"], step_size=1000, library="pd", report=True))
    assert [n for frame, _ in parts for n in frame.index] == frames.index.tolist()
    assert [told.global_entry_start for _, told in parts] == [0, 1000, 2000, 2400, 3400, 4400]


@pytest.mark.parametrize(
    ("start", "stop"), [(None, 100), (2300, 2500), (-50, None), (2400, 2400), (7, -4700)]
)
def test_a_range_of_entries_is_of_all_files_together(
    small: dict[str, Path], original: Any, start: int | None, stop: int | None
) -> None:
    """As uproot has it: not so many of each file."""
    both = [f"{small['model']}:Events", f"{small['whole']}:Events"]
    met = ak.concatenate([original["MET"].array()] * 2)
    found = hepae.concatenate(both, ["MET"], entry_start=start, entry_stop=stop)
    assert found.MET.to_list() == met[start:stop].to_list()
    with pytest.raises(TypeError, match="entry_start"):
        next(hepae.iterate(both, ["MET"], entry_start=7))


def test_a_tree_must_be_named_where_there_are_several() -> None:
    with pytest.raises(hepae.errors.CollectionError, match="which tree"):
        hepae.concatenate(str(SAMPLE.with_name("ntuple.root")))
    with pytest.raises(TypeError, match="one file"):
        hepae.open({"a.root": "T", "b.root": "T"})
