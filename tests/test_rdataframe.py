"""Risk: RDataFrame sees other values than uproot, or none; the native decoder breaks a bound inside ROOT."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
import hepae.rdataframe
from hepae.errors import MissingExtraError, UnsupportedError
from tests.compressed import SAMPLE, compressed
from tests.root_process import in_root, needs_root

READ = """
import hepae.rdataframe, numpy as np
from hepae.errors import HepaeError

def rows(frame, columns):
    arrays = frame.AsNumpy(columns)
    return {key: [np.asarray(row).tolist() for row in arrays[key]] for key in columns}

def refusal(*arguments, open=hepae.rdataframe.native):
    try:
        open(*arguments)
    except HepaeError as problem:
        return [type(problem).__name__, str(problem)]

lifting, bottleneck, whole = paths
restored = hepae.rdataframe.open(lifting, ["Jet_pt", "MET"], entry_start=10).Define("HT", "Sum(Jet_pt)")
native = hepae.rdataframe.native(bottleneck, ["Jet_pt", "Jet_muonIdx"]).Define("HT", "Sum(Jet_pt)")
result = {
    "open": rows(restored, ["Jet_pt", "MET", "HT"]),
    "native": rows(native, ["Jet_pt", "Jet_muonIdx", "Jet_btag", "HT"]),
    "names": [str(name) for name in hepae.rdataframe.open(lifting, entry_stop=5).GetColumnNames()],
    "chunked": refusal(lifting),
    "unknown": refusal(bottleneck, ["Jet_mess"]),
    "whole": rows(hepae.rdataframe.open(whole, ["Jet_pt", "MET"]), ["Jet_pt", "MET"]),
    "of whole": refusal(whole, open=hepae.rdataframe.open),
}
ROOT.EnableImplicitMT(2)
result["threads"] = refusal(bottleneck, open=hepae.rdataframe.open)
"""


@pytest.fixture(scope="module")
def read(whole: Path) -> Any:
    return in_root(READ, compressed("lifting"), compressed("bottleneck"), whole)


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


@needs_root
@pytest.mark.root
def test_the_native_decoder_keeps_the_bounds(read: Any) -> None:
    with hepae.open(SAMPLE) as file:
        true = file["Events"].arrays(["Jet_pt", "Jet_muonIdx", "Jet_btag"])
    stored = ak.to_numpy(ak.flatten(true.Jet_pt)).astype(float)
    restored = ak.to_numpy(ak.flatten(ak.Array(read["native"]["Jet_pt"])))
    assert (np.abs(restored - stored) <= 1e-3 * np.abs(stored)).all()
    assert (restored != stored).any()
    assert read["native"]["Jet_muonIdx"] == true.Jet_muonIdx.to_list()
    assert read["native"]["Jet_btag"] == true.Jet_btag.to_list()  # not compressed
    assert np.allclose(read["native"]["HT"], ak.sum(true.Jet_pt, axis=1), rtol=1e-3)


@needs_root
@pytest.mark.root
def test_what_has_no_native_decoder_is_refused(read: Any) -> None:
    assert read["chunked"][0] == "UnsupportedError"
    assert "hepae.rdataframe.open" in read["chunked"][1]
    assert read["unknown"][0] == "CollectionError"
    assert "Jet_mass" in read["unknown"][1]


def test_without_root_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ROOT", None)
    with pytest.raises(MissingExtraError, match=r"hepae\[root\]"):
        hepae.rdataframe.open(SAMPLE)
