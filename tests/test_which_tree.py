"""Risk: the largest tree of a file is taken, and not the one that holds what is asked for."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import InputError
from hepae.skim import skim

LIFTING = hepae.Recipe(codec="lifting")


def write(path: Path, trees: dict[str, int]) -> Path:
    """Trees with jets, and a longer one without."""
    random = np.random.default_rng(3)
    with uproot.recreate(path) as file:
        file.mktree("ParameterSets", {"number": "int32"}).extend({"number": np.arange(5000, dtype=np.int32)})
        for name, entries in trees.items():
            pt = ak.unflatten(random.exponential(40, 3 * entries).astype("f4"), np.full(entries, 3))
            file.mktree(name, {"Jet": "var * {pt: float32}"}).extend({"Jet": ak.zip({"pt": pt})})
    return path


def test_the_tree_that_has_the_collection_is_taken(tmp_path: Path) -> None:
    source, small = write(tmp_path / "a.root", {"Events": 400}), tmp_path / "b.root"
    model = hepae.train([source], collection="Jet", recipe=LIFTING)
    for options in ({"collection": "Jet", "recipe": LIFTING}, {"model": model}):
        done = hepae.compress(source, small, **options)
        assert done.events == 400
        assert hepae.verify(source, small).kept
    hepae.decompress(small, tmp_path / "c.root")
    assert hepae.verify(source, tmp_path / "c.root").kept
    assert skim(small, tmp_path / "d.root", "Jet_pt[0] > 20").events_before == 400


def test_of_several_trees_that_have_it_none_is_taken_silently(tmp_path: Path) -> None:
    source = write(tmp_path / "a.root", {"nominal": 400, "JES_up": 300})
    with pytest.raises(
        InputError, match=r"several trees have what is asked for .*nominal, JES_up; name one: --tree"
    ):
        hepae.compress(source, tmp_path / "b.root", collection="Jet", recipe=LIFTING)
    assert (
        hepae.compress(source, tmp_path / "b.root", collection="Jet", tree="JES_up", recipe=LIFTING).events
        == 300
    )
    assert hepae.verify(source, tmp_path / "b.root").kept
