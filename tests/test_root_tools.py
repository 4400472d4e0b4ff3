"""Risk: a physicist runs ROOT's own tools on a compressed file, and it restores wrongly without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import CorruptionError, HepaeError, MissingModelError
from tests.compressed import SAMPLE, compressed
from tests.root_process import in_root, needs_root

pytestmark = [pytest.mark.root, needs_root]

TOOLS = """
where = paths.pop()
result = {}
for codec, first, second in (("bottleneck", *paths[:2]), ("lifting", *paths[2:])):
    merger = ROOT.TFileMerger(False)
    merger.OutputFile(f"{where}/{codec}-hadd.root", "RECREATE")
    merger.AddFile(first)
    merger.AddFile(second)
    assert merger.Merge()
    source = ROOT.TFile.Open(first)
    tree = source.Get("Events")
    copies = {
        "fast": lambda: tree.CloneTree(-1, "fast"),
        "slow": lambda: tree.CloneTree(-1),
        "skim": lambda: tree.CopyTree("nJet >= 2 && MET < 50"),
        "head": lambda: tree.CopyTree("", "", 100),
        "tail": lambda: tree.CopyTree("", "", 100, 50),
    }
    for name, copied in copies.items():
        target = ROOT.TFile.Open(f"{where}/{codec}-{name}.root", "RECREATE")
        copied().Write()
        source.Get("hepae_models").CloneTree(-1, "fast").Write()
        target.Close()
    target = ROOT.TFile.Open(f"{where}/{codec}-alone.root", "RECREATE")
    tree.CloneTree(-1, "fast").Write()
    target.Close()
    drawn = [tree.Draw(name, "nJet > 2", "goff") for name in ("MET", "Muon_pt", "Jet_btag", "Jet_pt__hepae")]
    ROOT.gROOT.GetListOfCleanups()
    chain = ROOT.TChain("Events")
    chain.Add(first)
    chain.Add(second)
    result[codec] = {
        "drawn": drawn,
        "chain": [chain.GetEntries(), chain.Draw("MET", "nJet > 2", "goff")],
        "titles": [tree.GetBranch(name).GetTitle() for name in ("Jet_btag", "Jet_pt__hepae")],
    }
    source.Close()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    where = tmp_path_factory.mktemp("root")
    files = [compressed(codec, seed) for codec in ("bottleneck", "lifting") for seed in (1, 2)]
    return where, in_root(TOOLS, *files, where)


def arrays(path: Path) -> ak.Array:
    with hepae.open(path) as file:
        return file["Events"].arrays(filter_name="[JM]*")


def same(before: ak.Array, after: ak.Array) -> bool:
    return before.fields == after.fields and all(
        ak.array_equal(before[name], after[name], equal_nan=True) for name in before.fields
    )


@pytest.mark.parametrize("codec", ["bottleneck", "lifting"])
def test_hadd_of_files_of_different_models(made: tuple[Path, Any], codec: str) -> None:
    where, _ = made
    path = where / f"{codec}-hadd.root"
    with uproot.open(path) as file:
        assert file["hepae_models"].num_entries == 2
        with uproot.open(SAMPLE) as original:
            assert np.allclose(file["metOfAllEvents"].values(), 2 * original["metOfAllEvents"].values())
    expected = ak.concatenate([arrays(compressed(codec, seed)) for seed in (1, 2)])
    assert same(expected, arrays(path))


@pytest.mark.parametrize("codec", ["bottleneck", "lifting"])
@pytest.mark.parametrize("how", ["fast", "slow"])
def test_clones_restore(made: tuple[Path, Any], codec: str, how: str) -> None:
    assert same(arrays(compressed(codec)), arrays(made[0] / f"{codec}-{how}.root"))
    assert hepae.verify(SAMPLE, compressed(codec)).kept


def test_an_event_skim_of_events_for_themselves_restores(made: tuple[Path, Any]) -> None:
    where, _ = made
    before = arrays(compressed("bottleneck"))
    with hepae.open(SAMPLE) as file:
        plain = file["Events"].arrays(["nJet", "MET"])
    keep = np.asarray((plain.nJet >= 2) & (plain.MET < 50))
    assert 0 < keep.sum() < len(keep)
    assert same(before[keep], arrays(where / "bottleneck-skim.root"))
    assert same(before[:100], arrays(where / "bottleneck-head.root"))


@pytest.mark.parametrize("how", ["skim", "head", "tail"])
def test_a_chunk_of_which_events_were_dropped_is_refused_by_name(made: tuple[Path, Any], how: str) -> None:
    path = made[0] / f"lifting-{how}.root"
    with hepae.open(path) as file, pytest.raises(CorruptionError, match=r"dropped|changed") as refused:
        file["Events"].arrays(["Jet_pt"])
    assert "hepae skim" in str(refused.value)
    with uproot.open(path) as file:  # the rest of the file is as ROOT wrote it
        assert len(file["Events/MET"].array()) == file["Events"].num_entries
    with pytest.raises(HepaeError):
        hepae.decompress(path, made[0] / "restored.root")


@pytest.mark.parametrize("codec", ["bottleneck", "lifting"])
def test_a_tree_without_its_models_names_the_model(made: tuple[Path, Any], codec: str) -> None:
    with (
        hepae.open(made[0] / f"{codec}-alone.root") as file,
        pytest.raises(MissingModelError, match="SHA-256"),
    ):
        file["Events"].arrays(["Jet_pt"])


@pytest.mark.parametrize("codec", ["bottleneck", "lifting"])
def test_untouched_branches_are_drawn_and_chained(made: tuple[Path, Any], codec: str) -> None:
    with hepae.open(SAMPLE) as file:
        events = file["Events"].arrays(["nJet", "Muon_pt", "MET", "Jet_btag"])
    chosen = events[events.nJet > 2]
    said = made[1][codec]
    expected = [len(chosen), ak.sum(ak.num(chosen.Muon_pt)), ak.sum(ak.num(chosen.Jet_btag))]
    assert said["drawn"][:3] == expected
    if codec == "bottleneck":
        assert said["drawn"][3] == expected[2]
    assert said["chain"] == [4800, 2 * len(chosen)]
    assert "[hepae v1 collection=Jet feature=pt" in said["titles"][1]


def test_plain_and_compressed_files_that_hadd_joined_are_refused(tmp_path: Path) -> None:
    """ROOT keeps the branches of the first file: of the other's values nothing is there, or garbage."""
    whole = tmp_path / "whole.root"
    hepae.compress(SAMPLE, whole)
    merges = {
        tmp_path / f"{kind}-{order}.root": files
        for kind, small in (
            ("lifting", compressed("lifting")),
            ("bottleneck", compressed("bottleneck")),
            ("whole", whole),
        )
        for order, files in (("first", (SAMPLE, small)), ("last", (small, SAMPLE)))
    }
    code = """
result = []
for target, first, second in zip(*[iter(paths)] * 3):
    merger = ROOT.TFileMerger(False)
    merger.OutputFile(target, "RECREATE")
    merger.AddFile(first), merger.AddFile(second)
    result.append(bool(merger.Merge()))
"""
    in_root(code, *(path for target, files in merges.items() for path in (target, *files)))
    for path in merges:
        with pytest.raises(HepaeError, match=r"merged|not there for every entry|dropped") as caught:
            hepae.open(path)["Events"]["Jet_pt"].array()
        assert "is the file damaged" not in str(caught.value), path.name
        with pytest.raises(HepaeError):
            hepae.decompress(path, tmp_path / "back.root")
        with pytest.raises(HepaeError):
            plainly(path)


def plainly(path: Path) -> Any:
    """What uproot alone gives."""
    tree = uproot.open(path)["Events"]
    return tree["Jet_pt" if "Jet_pt" in tree else "Jet_pt__hepae"].array()
