"""Risk: RDataFrame sees other values than uproot, or none; the decoder in C++ breaks a bound inside ROOT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest import mock

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
import hepae.rdataframe
from hepae import limits
from hepae.errors import MissingExtraError, UnsupportedError
from tests.chunked import CODECS, chunked
from tests.compressed import SAMPLE, compressed, model
from tests.root_process import in_root, needs_root

READ = """
import hepae.rdataframe, numpy as np
from hepae.errors import HepaeError

def rows(frame, columns):
    arrays = frame.AsNumpy(columns)
    return {key: [np.asarray(row).tolist() for row in arrays[key]] for key in columns}

def refusal(*arguments):
    try:
        hepae.rdataframe.open(*arguments)
    except HepaeError as problem:
        return [type(problem).__name__, str(problem)]

lifting, bottleneck, whole, deep, two, damaged, skimmed, *ntuples = paths
restored = hepae.rdataframe.open(lifting, ["Jet_pt", "MET"], entry_start=10).Define("HT", "Sum(Jet_pt)")
events = hepae.rdataframe.open(bottleneck, ["Jet_pt", "Jet_muonIdx", "Jet_btag"]).Define("HT", "Sum(Jet_pt)")
result = {
    "open": rows(restored, ["Jet_pt", "MET", "HT"]),
    "bottleneck": rows(events, ["Jet_pt", "Jet_muonIdx", "Jet_btag", "HT"]),
    "range": rows(hepae.rdataframe.open(bottleneck, ["Jet_phi"], entry_start=700, entry_stop=1300), ["Jet_phi"]),
    "names": [str(name) for name in hepae.rdataframe.open(lifting, entry_stop=5).GetColumnNames()],
    "unknown": refusal(bottleneck, ["Jet_mess"]),
    "whole": rows(hepae.rdataframe.open(whole, ["Jet_pt", "MET"]), ["Jet_pt", "MET"]),
    "of whole": refusal(whole),
}
try:
    rows(hepae.rdataframe.open(damaged, ["Jet_eta"]), ["Jet_eta"])
except Exception as problem:
    result["damaged"] = str(problem)
plain = ROOT.RDataFrame("Events", two)
plain.Filter("rdfentry_ % 3 == 1").Snapshot("Events", skimmed, [str(name) for name in plain.GetColumnNames()])
other = ROOT.TFile(two)
file = ROOT.TFile(skimmed, "UPDATE")
other.Get("hepae_models").CloneTree().Write()
file.Close()
result["skimmed"] = rows(hepae.rdataframe.open(skimmed, ["Jet_mass"]), ["Jet_mass"])
result["ntuples"] = [rows(hepae.rdataframe.open(one), ["Jet_pt", "Jet_btag", "MET"]) for one in ntuples]
ROOT.EnableImplicitMT(2)
result["threads"] = refusal(deep, ["deep"])
frames = [hepae.rdataframe.open(one) for one in ntuples]
result["sums"] = [one.Define("s", "Sum(ROOT::RVecD(Jet_pt))").Sum("s").GetValue() for one in frames]
many = hepae.rdataframe.open(two, ["Jet_pt", "Jet_mass"])
result["models"] = many.Define("sum", "Sum(ROOT::RVecD(Jet_pt)) + Sum(ROOT::RVecD(Jet_mass))").Sum("sum").GetValue()
result["events"] = int(many.Count().GetValue())
"""


@pytest.fixture(scope="module")
def read(whole: Path, two: Path) -> Any:
    damaged = two.parent / "damaged.root"
    with uproot.open(
        chunked("bottleneck")
    ) as file:  # checksums are as random as numbers are: ROOT stores them as they are
        branch = file["Events"]["Jet_check__hepae"]
        last = int(branch.member("fBasketSeek")[1] + branch.member("fBasketBytes")[1]) - 1
    data = bytearray(chunked("bottleneck").read_bytes())
    data[last] ^= 1
    damaged.write_bytes(data)
    others = whole, deep(two.parent), two, damaged, two.parent / "skimmed.root"
    return in_root(READ, compressed("lifting"), chunked("bottleneck"), *others, *ntuples(two.parent))


def deep(folder: Path) -> Path:
    """Vectors of three levels, which no column of the event loop has."""
    numbers = np.floor(np.random.default_rng(1).exponential(500, 64_000)).astype("f4")
    lists = ak.Array(numbers)
    for _ in range(3):
        lists = ak.unflatten(lists, np.tile([1, 3], len(lists) // 4))
    with uproot.recreate(folder / "deep.root") as file:
        file.mkrntuple("Events", {"deep": lists})
    hepae.compress(folder / "deep.root", folder / "deep-small.root", bounds=["deep=abs:1"])
    return folder / "deep-small.root"


def ntuples(folder: Path) -> list[Path]:
    """RNTuples with a collection that is compressed by a model of each codec, in three chunks, and a plain one."""
    made = [folder / f"{codec}-ntuple.root" for codec in CODECS]
    with mock.patch.object(limits, "EVENTS_PER_CHUNK", 900):
        for path, codec in zip(made, CODECS, strict=True):
            if not path.exists():
                hepae.compress(SAMPLE, path, model=model(codec), container="rntuple")
    if not (folder / "plain.root").exists():
        with uproot.open(SAMPLE) as sample, uproot.recreate(folder / "plain.root") as file:
            file.mkrntuple("Events", sample["Events"].arrays(["Jet_pt", "Jet_btag", "MET"]))
    return [*made, folder / "plain.root"]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of two models, which were merged."""
    merged = tmp_path_factory.mktemp("merged") / "two.root"
    hepae.merge(merged, [chunked("bottleneck"), compressed("bottleneck", 2)])
    return merged


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is compressed as a whole, with a longer tree beside its events, as NanoAOD has."""
    folder = tmp_path_factory.mktemp("whole")
    with uproot.open(SAMPLE) as sample, uproot.recreate(folder / "a.root") as file:
        arrays = {name: sample["Events"][name].array(entry_stop=600) for name in ("Jet_pt", "MET")}
        file.mktree("Events", {name: array.type.content for name, array in arrays.items()}).extend(arrays)
        file.mktree("ParameterSets", {"number": "int32"}).extend({"number": np.arange(9000, dtype="i4")})
    hepae.compress(folder / "a.root", folder / "b.root")
    return folder / "b.root"


@needs_root
@pytest.mark.root
def test_of_a_whole_file_the_tree_with_the_columns_is_read(read: Any, whole: Path) -> None:
    with uproot.open(whole) as file:
        expected = file["Events"].arrays(["Jet_pt", "MET"])
    assert read["whole"]["Jet_pt"] == expected.Jet_pt.to_list()
    assert read["whole"]["MET"] == expected.MET.to_list()
    kind, text = read["of whole"]
    assert kind == "InputError"
    assert "several trees have what is asked for" in text


def test_names_that_no_two_columns_may_share() -> None:
    assert hepae.rdataframe._cpp_names(["a.b", "c"], "file") == {"a.b": "a_b", "c": "c"}
    with pytest.raises(UnsupportedError, match="two columns of one name"):
        hepae.rdataframe._cpp_names(["a.b", "a_b"], "file")


@needs_root
@pytest.mark.root
def test_restored_columns_are_refused_to_an_event_loop_in_threads(read: Any) -> None:
    """It would never end."""
    kind, text = read["threads"]
    assert kind == "UnsupportedError"
    assert "DisableImplicitMT" in text


@needs_root
@pytest.mark.root
def test_restored_columns_are_those_of_uproot(read: Any) -> None:
    with hepae.open(compressed("lifting")) as file:
        expected = file["Events"].arrays(["Jet_pt", "MET"], entry_start=10)
    assert read["open"]["Jet_pt"] == expected.Jet_pt.to_list()
    assert read["open"]["MET"] == expected.MET.to_list()
    assert np.allclose(read["open"]["HT"], ak.sum(expected.Jet_pt, axis=1))
    assert {"Jet_pt", "Jet_btag", "Muon_pt", "MET", "nJet"} <= set(read["names"])
    assert not [name for name in read["names"] if "hepae" in name]


def near(found: Any, expected: ak.Array) -> bool:
    """Whether values are those of Python but for what float networks differ by between machines and libraries."""
    got = ak.Array(found)
    same = ak.num(got).to_list() == ak.num(expected).to_list()
    return same and np.allclose(ak.flatten(got), ak.flatten(expected), rtol=1e-5, atol=2e-5, equal_nan=True)


@needs_root
@pytest.mark.root
def test_float_networks_keep_the_bounds_in_the_event_loop(read: Any) -> None:
    found = read["bottleneck"]
    with hepae.open(SAMPLE) as file:
        true = file["Events"].arrays(["Jet_pt", "Jet_muonIdx", "Jet_btag"])
    stored = ak.to_numpy(ak.flatten(true.Jet_pt)).astype(float)
    restored = ak.to_numpy(ak.flatten(ak.Array(found["Jet_pt"])))
    assert (np.abs(restored - stored) <= 1e-3 * np.abs(stored)).all()
    assert (restored != stored).any()
    assert found["Jet_muonIdx"] == true.Jet_muonIdx.to_list()
    assert found["Jet_btag"] == true.Jet_btag.to_list()  # not compressed
    assert np.allclose(found["HT"], ak.sum(true.Jet_pt, axis=1), rtol=1e-3)


@needs_root
@pytest.mark.root
def test_events_of_float_networks_are_those_of_python(read: Any, two: Path) -> None:
    """In part, of two models in threads, and after a skim with ROOT alone."""
    with hepae.open(chunked("bottleneck")) as file:
        jets = file["Events"].arrays(["Jet_pt", "Jet_phi"])
    assert near(read["bottleneck"]["Jet_pt"], jets.Jet_pt)
    assert near(read["range"]["Jet_phi"], jets.Jet_phi[700:1300])
    with hepae.open(two) as file:
        both = file["Events"].arrays(["Jet_pt", "Jet_mass"])
    assert near(read["skimmed"]["Jet_mass"], both.Jet_mass[1::3])
    assert read["events"] == len(both)
    total = sum(np.sum(ak.to_numpy(ak.flatten(both[name])).astype(float)) for name in both.fields)
    assert read["models"] == pytest.approx(total, rel=1e-6)


@needs_root
@pytest.mark.root
def test_collections_of_rntuples_are_those_of_python(read: Any, two: Path) -> None:
    """Of each codec, with the fields that were kept, in threads too."""
    for found, total, path in zip(read["ntuples"], read["sums"], ntuples(two.parent), strict=True):
        with hepae.open(path) as file:
            expected = file["Events"].arrays(["Jet_pt", "Jet_btag", "MET"])
        assert near(found["Jet_pt"], expected.Jet_pt)
        assert found["Jet_btag"] == expected.Jet_btag.to_list()
        assert found["MET"] == expected.MET.to_list()
        assert total == pytest.approx(
            np.sum(ak.to_numpy(ak.flatten(expected.Jet_pt)).astype(float)), rel=1e-6
        )


@needs_root
@pytest.mark.root
def test_a_damaged_event_and_an_unknown_column_are_refused(read: Any) -> None:
    assert "an event does not carry its checksum" in read["damaged"]
    assert read["unknown"][0] == "CollectionError"
    assert "Jet_mass" in read["unknown"][1]


def test_without_root_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ROOT", None)
    with pytest.raises(MissingExtraError, match=r"hepae\[root\]"):
        hepae.rdataframe.open(SAMPLE)
