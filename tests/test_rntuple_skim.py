"""Chosen entries of RNTuples: every kind of field, and clusters that are kept whole copied as they are."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import CutError, UnsupportedError
from hepae.files.skim.file import skim
from hepae.root.file.source import open_source
from tests.root_ntuples import shown, write_attributes, write_cms, write_kinds
from tests.root_process import needs_root

SHARED = Path(__file__).parents[1] / "../shared/data/zoo"
ZOO = sorted(SHARED.glob("skhep__*rntuple*.root"))


def arrays(path: Path, name: str) -> ak.Array:
    with uproot.open(path) as file:
        return file[name].arrays()


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two clusters of flat numbers, lists, lists of lists and strings, with an RNTuple and a histogram beside them."""
    path = tmp_path / "a.root"
    data = ak.Array(
        {
            "n": np.arange(6),
            "jets": [[1.5, 2.5], [], [3.5], [4.5], [5.5, 6.5, 7.5], []],
            "deep": [[[1], []], [], [[2, 3]], [[]], [], [[4], [5, 6]]],
            "name": ["a", "", "bc", "def", "g", ""],
        }
    )
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", data.layout.form).extend(data)
        file["Events"].extend(data)
        file.mkrntuple("Runs", {"run": np.arange(2)})
        file["h"] = np.histogram([1.0, 2.0])
    return path


@pytest.mark.parametrize("cut", ["n % 2 == 0", "n == 5", "n > 9", "jets[0] > 2", "n >= 0 && Entry$ >= 6"])
def test_entries_that_pass_are_kept(small: Path, tmp_path: Path, cut: str) -> None:
    data = arrays(small, "Events")
    n, first, entry = data["n"], ak.fill_none(ak.firsts(data["jets"]), 0), np.arange(12)
    keep = {"n % 2 == 0": n % 2 == 0, "n == 5": n == 5, "n > 9": n > 9, "jets[0] > 2": first > 2}
    done = skim(small, tmp_path / "out.root", cut, tree="Events")
    expected = data[keep.get(cut, entry >= 6)]
    assert (done.events_before, done.events_after) == (12, len(expected))
    found = arrays(tmp_path / "out.root", "Events")
    assert str(found.type) == str(expected.type)
    assert ak.array_equal(found, expected)
    with uproot.open(tmp_path / "out.root") as file:
        assert file["Runs"].num_entries == 2
        assert file["h"].values().sum() == 2


def test_a_cluster_that_is_kept_whole_stays_as_it_is(small: Path, tmp_path: Path) -> None:
    skim(small, tmp_path / "out.root", "n >= 0 && Entry$ >= 6", tree="Events")
    with open_source(small) as source, open_source(tmp_path / "out.root") as out:
        before, after = (file.ntuple(file.key("Events")) for file in (source, out))
        assert len(after.clusters) == 1
        for column in range(len(before.schema.columns)):
            assert after.sealed(after.clusters[0], column) == before.sealed(before.clusters[1], column)


def test_a_cut_on_a_field_that_is_not_there_is_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(CutError, match="nothing"):
        skim(small, tmp_path / "out.root", "nothing > 1", tree="Events")
    assert not (tmp_path / "out.root").exists()


@needs_root
@pytest.mark.root
def test_a_file_of_cms(tmp_path: Path) -> None:
    path = write_cms(tmp_path / "cms.root", 200, 0, 60, 130)
    skim(path, tmp_path / "out.root", "event % 3000 == 0 || Entry$ >= 180", tree="Events")
    keep = [i for i in range(200) if i % 3 == 0 or i >= 180]
    expected = arrays(path, "Events")[keep]
    assert ak.array_equal(arrays(tmp_path / "out.root", "Events"), expected)
    before, after = (shown(file, 200)["Events;1"].splitlines() for file in (path, tmp_path / "out.root"))
    fields = (len(before) - 1) // 200
    lines = [before[1 + fields * i : 1 + fields * (i + 1)] for i in keep]
    assert after == [f"{len(keep)} events as CMS writes them", *(line for part in lines for line in part)]


@needs_root
@pytest.mark.root
def test_every_kind_of_field(tmp_path: Path) -> None:
    path, out = tmp_path / "kinds.root", tmp_path / "out.root"
    write_kinds(path)
    skim(path, out, "Entry$ % 3 != 1", tree="T")
    keep = [i for i in range(40) if i % 3 != 1]
    before, after = (shown(file)["T;1"].splitlines() for file in (path, out))
    fields = (len(before) - 1) // 40
    lines = [before[1 + fields * i : 1 + fields * (i + 1)] for i in keep]
    assert after[1:] == [line for part in lines for line in part]


@pytest.mark.shared
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_files_of_others(path: Path, tmp_path: Path) -> None:
    with open_source(path) as source:
        name = next(key.path for key in source.keys if key.classname == "ROOT::RNTuple")
        if len(source.ntuple(source.key(name)).schema.fields) > 1000:
            pytest.skip("uproot takes half a minute for so many fields")
    expected = arrays(path, name)[::2]
    skim(path, tmp_path / "out.root", "Entry$ % 2 == 0", tree=name)
    assert ak.array_equal(arrays(tmp_path / "out.root", name), expected, equal_nan=True)


@needs_root
@pytest.mark.root
def test_attributes_of_ranges_are_not_left_behind(tmp_path: Path) -> None:
    path = write_attributes(tmp_path / "attributes.root")
    with pytest.raises(UnsupportedError, match="attributes"):
        skim(path, tmp_path / "out.root", "x > 3", tree="T")
    assert not (tmp_path / "out.root").exists()


def compressible(path: Path) -> Path:
    """An RNTuple in two clusters that becomes smaller, with a field that has to be kept."""
    numbers = np.arange(6000)
    counts = numbers % 3
    data = ak.Array(
        {
            "n": numbers,
            "half": numbers // 2,
            "jets": ak.unflatten(np.arange(int(counts.sum())), counts),
            "noise": np.random.default_rng(1).random(6000),
        }
    )
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", data.layout.form).extend(data[:3000])
        file["Events"].extend(data[3000:])
    return path


@pytest.mark.parametrize("cut", ["n % 3 == 1", "n >= 3000", "Sum$(jets) > 4000 && noise < 0.5", "n < 0"])
def test_a_compressed_rntuple_stays_compressed(tmp_path: Path, cut: str) -> None:
    plain, small = compressible(tmp_path / "plain.root"), tmp_path / "small.root"
    hepae.compress(plain, small, skip=["noise"])
    skim(plain, tmp_path / "plain_out.root", cut, tree="Events")
    done = skim(small, tmp_path / "out.root", cut, tree="Events")
    expected = arrays(tmp_path / "plain_out.root", "Events")
    assert done.events_after == len(expected)
    if len(expected):
        with open_source(tmp_path / "out.root") as source:
            assert "Events__hepae" in {key.path for key in source.keys}
            assert set(source.tree("Events").branches) == {"noise", "hepae"}
    hepae.decompress(tmp_path / "out.root", tmp_path / "back.root")
    found = arrays(tmp_path / "back.root", "Events")
    assert str(found.type) == str(expected.type)
    assert ak.array_equal(found, expected)


@needs_root
@pytest.mark.root
def test_a_compressed_file_of_cms(tmp_path: Path) -> None:
    path, small = write_cms(tmp_path / "cms.root", 3000, 0, 600, 1700), tmp_path / "small.root"
    hepae.compress(path, small)
    skim(path, tmp_path / "plain_out.root", "nElectron == 2 || Entry$ >= 2400", tree="Events")
    skim(small, tmp_path / "out.root", "nElectron == 2 || Entry$ >= 2400", tree="Events")
    hepae.decompress(tmp_path / "out.root", tmp_path / "back.root")
    assert (
        shown(tmp_path / "back.root", 2000)["Events;1"]
        == shown(tmp_path / "plain_out.root", 2000)["Events;1"]
    )
