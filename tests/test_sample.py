"""The bundled sample is what the README and the other tests take it for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepae.input.csvio import read_csv

SCRIPT = Path(__file__).parent.parent / "scripts" / "make_sample.py"


@pytest.fixture(scope="module")
def events(sample_root: Path) -> Any:
    with uproot.open(sample_root) as file:
        return file["Events"].arrays()


def flat(column: Any) -> Any:
    return ak.to_numpy(ak.flatten(column))


def test_size_keys_and_baskets(sample_root: Path, sample_csv: Path) -> None:
    assert sample_root.stat().st_size < 1_500_000
    assert sample_csv.stat().st_size < 80_000
    with uproot.open(sample_root) as file:
        assert file.classnames() == {
            "Events;1": "TTree",
            "metOfAllEvents;1": "TH1D",
            "provenance;1": "TObjString",
        }
        assert {branch.num_baskets for branch in file["Events"].branches} == {6}
        assert all(branch.title for branch in file["Events"].branches)
        assert file["Events"]["nJet"].typename == file["Events"]["nMuon"].typename == "uint32_t"


def test_the_ntuple_has_what_whole_files_have(sample_root: Path) -> None:
    path = sample_root.with_name("ntuple.root")
    assert path.stat().st_size < 300_000
    with uproot.open(path) as file, uproot.open(sample_root) as sample:
        assert file.classnames() == {
            "Events;1": "TTree",
            "Runs;1": "TTree",
            "MET;1": "TH1D",
            "provenance;1": "TObjString",
        }
        events, known = file["Events"], sample["Events"]
        assert events.num_entries == 1200
        for name in ("Jet_pt", "Muon_charge", "HLT_PFJet80", "MET"):
            assert ak.array_equal(events[name].array(), known[name].array(entry_stop=1200), dtype_exact=False)
        assert events["Vertex_z"].typename == "std::vector<float>"
        assert events["LHEScaleWeight"].typename == "std::vector<float>"
        weights = events["genWeight"].array(library="np").astype(np.float64)
        assert file["Runs/genEventSumw"].array(library="np") == pytest.approx([weights.sum()])
        assert file["MET"].values(flow=True).sum() == pytest.approx(weights.sum())


def test_collections_and_dtypes(events: Any) -> None:
    assert len(events) == 2400
    assert len([name for name in events.fields if name.startswith("Jet_")]) == 21
    for collection in ("Jet", "Muon"):
        for name in events.fields:
            if name.startswith(f"{collection}_"):
                assert ak.array_equal(ak.num(events[name]), events[f"n{collection}"], dtype_exact=False)
    dtypes = {
        flat(events[name]).dtype.name for name in events.fields if "_" in name and name != "HLT_PFJet80"
    }
    assert dtypes == {"float32", "uint8", "int16", "int32", "bool"}
    assert {
        events[name].type.content.primitive for name in ("run", "event", "process", "weight", "HLT_PFJet80")
    } == {
        "uint32",
        "uint64",
        "int8",
        "float32",
        "bool",
    }


def test_jets_look_like_jets(events: Any) -> None:
    pt, eta, phi = flat(events.Jet_pt), flat(events.Jet_eta), flat(events.Jet_phi)
    assert pt.min() > 20
    assert np.abs(eta).max() < 4.7
    assert np.abs(phi).max() <= np.float32(np.pi)
    assert ak.all(events.Jet_pt[:, :-1] >= events.Jet_pt[:, 1:])
    fractions = sum(flat(events[f"Jet_{name}EF"]) for name in ("chH", "neH", "chEm", "neEm", "mu"))
    np.testing.assert_allclose(fractions, 1, atol=1e-6)
    tops, multijets = (events[events.process == code] for code in (1, 0))
    assert len(tops) == len(multijets) == 1200
    assert ak.mean(tops.nJet) > ak.mean(multijets.nJet) + 1
    score, flavour = flat(events.Jet_btag), flat(events.Jet_hadronFlavour)
    assert np.median(score[flavour == 5]) > 0.7 > 0.2 > np.median(score[flavour == 0])


def test_the_oddities_of_real_files_are_there(events: Any) -> None:
    assert ak.sum(events.nJet == 0) > 5
    assert np.sum(flat(events.Jet_btag) == -1) > 1000
    assert np.sum(flat(events.Jet_leadTrackPt) == -99) > 1000
    assert np.sum(flat(events.Jet_mass) < 0) > 5
    assert np.sum(flat(events.Jet_muonIdx) == -1) > 5000
    assert events.event[0] > 2**32


def test_the_csv_has_the_first_events(sample_csv: Path, events: Any) -> None:
    csv = read_csv(sample_csv)
    assert csv.n_events == 300
    assert all(csv.n_objects.values())
    jets = csv.read("Jet")
    np.testing.assert_array_equal(jets.events["event"], ak.to_numpy(events.event[:300]).astype(np.int64))
    np.testing.assert_allclose(jets.events["MET"], 1e3 * ak.to_numpy(events.MET[:300]), rtol=1e-5)
    assert set(jets.events["process"]) == {"qcd", "ttbar"}


def test_fat_jets_are_the_sum_of_their_constituents(constituents_root: Path) -> None:
    assert constituents_root.stat().st_size < 400_000
    with uproot.open(constituents_root) as file:
        tree = file["Jets"]
        assert all(branch.title for branch in tree.branches)
        jets = tree.arrays()
    assert len(jets) == 600
    assert ak.sum(jets.FatJet_isTop) == 300
    energy, px, py, pz = (
        ak.values_astype(jets[f"Constituent_{name}"], np.float64) for name in ("E", "px", "py", "pz")
    )
    pt = np.hypot(px, py)
    assert ak.all(pt[:, :-1] >= pt[:, 1:])
    assert ak.min(pt) > 1.999
    jet_pt = ak.to_numpy(np.hypot(ak.sum(px, axis=1), ak.sum(py, axis=1)))
    assert np.median(jet_pt / ak.to_numpy(jets.FatJet_pt)) > 0.95  # softer constituents are left out
    photons = jets.Constituent_type == 0
    np.testing.assert_allclose(
        flat(energy[photons]), flat(np.sqrt(pt[photons] ** 2 + pz[photons] ** 2)), rtol=1e-6
    )
    assert set(flat(jets.Constituent_type)) == {0, 1, 2}
    mass = {is_top: np.median(jets.FatJet_mass[jets.FatJet_isTop == is_top]) for is_top in (0, 1)}
    assert mass[1] > 150 > 100 > mass[0]


def test_the_script_makes_the_same_again(tmp_path: Path, events: Any) -> None:
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    for place in ("one", "two"):
        command = [sys.executable, str(SCRIPT), str(tmp_path / place), "--events", "40", "--csv-events", "40"]
        command += ["--fat-jets", "4"]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    first, second = (
        uproot.open(tmp_path / place / "sample.root")["Events"].arrays() for place in ("one", "two")
    )
    assert first.fields == events.fields
    for name in first.fields:
        assert ak.array_equal(first[name], second[name])
    jets = [uproot.open(tmp_path / place / "constituents.root")["Jets"].arrays() for place in ("one", "two")]
    assert all(ak.array_equal(jets[0][name], jets[1][name]) for name in jets[0].fields)
    assert (tmp_path / "one/sample.csv").read_bytes() == (tmp_path / "two/sample.csv").read_bytes()


def test_simulated_fat_jets_have_the_branches_and_the_range_of_the_file(
    tmp_path: Path, constituents_root: Path
) -> None:
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    command = [sys.executable, "-m", "scripts.simulate_fat_jets", "--jets", "60"]
    for place, seed in (("one", "5"), ("again", "5"), ("other", "6")):
        words = [*command, "--seed", seed, "-o", str(tmp_path / f"{place}.root")]
        subprocess.run(words, check=True, capture_output=True, timeout=300, cwd=SCRIPT.parent.parent)
    jets, again, other = (
        uproot.open(tmp_path / f"{place}.root")["Jets"].arrays() for place in ("one", "again", "other")
    )
    with uproot.open(constituents_root) as file:
        assert jets.fields == file["Jets"].keys()
    assert all(ak.array_equal(jets[name], again[name]) for name in jets.fields)
    assert not np.isin(flat(jets.FatJet_pt[:, None]), flat(other.FatJet_pt[:, None])).any()
    assert (len(jets), ak.sum(jets.FatJet_isTop)) == (60, 30)
    assert 550 < ak.min(jets.FatJet_pt) < ak.max(jets.FatJet_pt) < 650
    px, py = (ak.values_astype(jets[f"Constituent_{name}"], np.float64) for name in ("px", "py"))
    total = ak.to_numpy(np.hypot(ak.sum(px, axis=1), ak.sum(py, axis=1)))
    np.testing.assert_allclose(total, ak.to_numpy(jets.FatJet_pt), rtol=1e-5)
    pt = np.hypot(px, py)
    assert ak.all(pt[:, :-1] >= pt[:, 1:])
