"""Risk: what a newcomer meets in the first hour: a sentence that is false, something left out without a word."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import pytest
import uproot
from rich.console import Console

import hepae
from hepae import cli
from hepae.cli import inspection, verification
from hepae.cli.tables import fitted
from hepae.errors import BoundError, CutError, MissingModelError
from tests.compressed import SAMPLE
from tests.root_process import in_root, needs_root

NTUPLE = SAMPLE.with_name("ntuple.root")
Said = Callable[..., tuple[int, str]]

TEXTS = """
file, tree = ROOT.TFile(paths[0], "RECREATE"), ROOT.TTree("nominal", "")
sample, number = ROOT.std.string("a"), ROOT.std.vector["int"]([0])
tracks = ROOT.std.vector["std::vector<float>"]()
tree.Branch("sample", sample)
tree.Branch("tracks", tracks)
hits = ROOT.std.vector["std::vector<std::vector<float>>"]()
tree.Branch("hits", hits)
tree.Branch("number", number.data(), "number/I")
for entry in range(300):
    sample.assign("ttbar" if entry % 3 else "x" * 300)
    number[0] = entry
    tracks.clear()
    tracks.push_back(ROOT.std.vector["float"]([entry, 0.5]))
    hits.clear()
    hits.push_back(tracks)
    tree.Fill()
tree.Write()
result = [tree.GetEntries('sample=="ttbar" && number > 9')]
file.Close()
"""

FRAMES = """
import hepae.rdataframe
result = []
for path in paths:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        frame = hepae.rdataframe.open(path, tree="nominal")
    result.append([str(frame.Sum("number").GetValue()), [str(one.message) for one in told]])
    try:
        hepae.rdataframe.open(path, ["numbre"])
    except hepae.errors.CollectionError as error:
        result[-1].append(str(error))
"""


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    def call(*words: object) -> tuple[int, str]:
        code = cli.main([str(word) for word in words])
        both = capsys.readouterr()
        return code, both.out + both.err

    return call


def test_only_a_file_that_needs_no_hepae_is_said_to_need_none(said: Said, tmp_path: Path) -> None:
    small, again = tmp_path / "small.root", tmp_path / "again.root"
    assert "next: " in said("compress", NTUPLE, small)[1]
    text = said("compress", small, again)[1]
    assert "compressed already" in text
    assert "without hepae" not in text


def test_columns_without_room_are_named() -> None:
    console = Console(width=40, record=True, file=None)
    with console.capture() as shown:
        fitted(console, ("name", "first", "second" * 5), [["a" * 12, "1", "2"]])
    assert f"no room for: {'second' * 5}" in shown.get()


def test_patterns_are_divided_by_commas_and_headers_are_counted(said: Said) -> None:
    code, text = said("inspect", NTUPLE, "Jet_pt,Jet_eta", "MET")
    assert code == 0
    assert all(f"\n{name} " in text for name in ("Jet_pt", "Jet_eta", "MET"))
    assert "headers and all else:" in text
    tables = hepae.inspect(NTUPLE)
    in_tables = sum(table.on_disk for tree in tables.trees for table in tree.tables)
    assert tables.rest == NTUPLE.stat().st_size - in_tables > 0
    for words in (("inspect", NTUPLE, "--tree", "Runs"), ("inspect", SAMPLE.with_suffix(".csv"))):
        assert "headers and all else" not in said(*words)[1], "what was not looked at is no header"


def test_verifying_what_was_compressed_with_bounds_says_how(said: Said, tmp_path: Path) -> None:
    small, back = tmp_path / "small.root", tmp_path / "back.root"
    hepae.compress(NTUPLE, small, bounds=["Jet_pt=rel:1e-3"])
    hepae.decompress(small, back)
    code, text = said("verify", NTUPLE, back)
    assert code == 1
    assert "--bound" in text.replace("\n", " ")
    code, text = said("verify", NTUPLE, back, "--bound", "Jet_pt=rel:1e-3")
    assert code == 0
    assert "nobody gave" not in text


def test_a_bound_that_only_integers_match_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BoundError, match="no float matches"):
        hepae.compress(NTUPLE, tmp_path / "small.root", bounds=["n*et=abs:1"])
    hepae.compress(NTUPLE, tmp_path / "small.root", bounds=["n*et=exact"])


def test_a_file_whose_model_is_elsewhere_is_no_broken_promise(tmp_path: Path) -> None:
    small = tmp_path / "small.root"
    hepae.compress(NTUPLE, small, model=hepae.train_dataset([NTUPLE]), embed=False)
    with pytest.raises(MissingModelError):
        hepae.verify(NTUPLE, small)


def test_a_skim_says_which_tree_was_cut(said: Said, tmp_path: Path) -> None:
    text = said("skim", NTUPLE, tmp_path / "one.root", "--cut", "genEventCount > 0")[1]
    assert "tree Runs: 1 of 1 entries pass genEventCount > 0\n" in text
    assert re.search(r"^file: [0-9,]+ B before, [0-9,]+ B after, [01]\.[0-9]{3} of it$", text, re.MULTILINE)


def test_no_digit_that_decides_is_dropped_at_80_columns(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = tmp_path / "small.root"
    hepae.compress(NTUPLE, small, bounds=["Jet_pt=rel:1e-3"])
    facts = asdict(hepae.inspect(NTUPLE, values=["Jet_*"]))
    lines = on_a_terminal(80, partial(inspection._page, ["Jet_*"], facts))
    (heading,) = (line.split() for line in lines if line.startswith("column "))
    assert {"smallest", "largest"} <= set(heading)
    assert max(map(len, lines)) <= 80
    checked = hepae.verify(NTUPLE, small)
    result = {**asdict(checked), "kept": checked.kept, "combs": checked.combs}
    (heading,) = (
        line for line in on_a_terminal(80, partial(verification.table, result)) if "worst/bound" in line
    )
    assert "out of bound" in heading


def on_a_terminal(width: int, shown: Callable[[Console], None]) -> list[str]:
    """The lines of a page in so many columns."""
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        shown(console)
    return capture.get().splitlines()


def test_what_was_meant_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for words, expected in (
        (["compres", "a", "b"], "did you mean compress"),
        (["compress", "a", "b", "-o", "c"], "usage: hepae compress"),
        (["compress", "a", "b", "--bounds", "c"], "did you mean --bound"),
    ):
        with pytest.raises(SystemExit):
            cli.main(words)
        assert expected in capsys.readouterr().err


def test_tables_of_one_empty_column_have_its_name(tmp_path: Path) -> None:
    source, small = tmp_path / "in.root", tmp_path / "small.root"
    with uproot.recreate(source) as file:
        empty = ak.values_astype(ak.Array([[]] * 50), "f4")
        names = ("FatJet_area", "FatJet_eta", "FatJet_pt")
        tree = file.mktree(
            "Events", dict.fromkeys(names, "var * float32"), counter_name=lambda name: f"n{name}"
        )
        tree.extend(dict.fromkeys(names, empty))
    hepae.compress(source, small, only=["*"])
    for path in (source, small):
        labels = {table.name for tree in hepae.inspect(path).trees for table in tree.tables}
        assert {"FatJet_eta", "FatJet_pt"} <= labels
        assert not [label for label in labels if "'" in label]


@needs_root
@pytest.mark.root
def test_texts_of_the_standard_library_are_cut_on(tmp_path: Path) -> None:
    source, small, cut = (tmp_path / f"{name}.root" for name in ("in", "small", "cut"))
    (passing,) = in_root(TEXTS, source)
    hepae.compress(source, small)
    for path in (source, small):
        hepae.skim(path, cut, 'sample=="ttbar" && number > 9')
        with uproot.open(cut) as file:
            assert file["nominal"].num_entries == passing
            assert set(file["nominal"]["sample"].array(library="np")) == {"ttbar"}
    for path in (source, small):
        with pytest.raises(CutError, match=r"std::vector<std::vector<float>>"):
            hepae.skim(path, cut, "tracks > 1")
        with pytest.raises(CutError) as refused:
            hepae.skim(path, cut, "trackss > 1")
        assert "tracks" not in str(refused.value.hint), "a name that would be refused too is no advice"


@needs_root
@pytest.mark.root
def test_a_data_frame_says_what_it_leaves_out(tmp_path: Path) -> None:
    source, small = tmp_path / "in.root", tmp_path / "small.root"
    in_root(TEXTS, source)
    hepae.compress(source, small, only=["*"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = in_root("import warnings\nimport hepae\n" + FRAMES, source, small)
    assert told[0][1] == [], "ROOT reads what is not compressed by itself"
    assert any("left out: " in one and "hits" in one for one in told[1][1])
    assert not any("tracks" in one for one in told[1][1]), "vectors in vectors are decoded in the event loop"
    for total, _, misspelt in told:
        assert float(total) == sum(range(300))
        assert "did you mean number" in misspelt


def test_bounds_that_a_model_keeps_tighter_are_named(said: Said, tmp_path: Path) -> None:
    model, small = tmp_path / "model.onnx", tmp_path / "small.root"
    hepae.train_dataset([NTUPLE], bounds=["Jet_pt=rel:1e-3"]).save(model)
    text = said("compress", NTUPLE, small, "--model", model, "--bound", "Jet_pt=rel:1e-2,Jet_eta=abs:1e-3")[1]
    assert "a bound" in text  # two bounds in one option are refused
    bounds = ("--bound", "Jet_pt=rel:1e-2", "--bound", "Jet_eta=abs:1e-3")
    text = said("compress", NTUPLE, small, "--model", model, *bounds)[1]
    assert "2 columns keep the bounds of the model" in text
    assert "Jet_eta, Jet_pt" in text


def test_compress_and_verify_say_the_same_bytes(tmp_path: Path) -> None:
    small = tmp_path / "small.root"
    done = hepae.compress(NTUPLE, small)
    checked = hepae.verify(NTUPLE, small)
    for tree in done.trees:
        columns = checked.trees[tree.path].columns.values()
        assert sum(check.bytes_after for check in columns) == tree.after


@pytest.mark.parametrize("bounds", [{"Jet_pt": 1e-3}, "Jet_pt=rel:1e-3", ["Jet_pt=1e-3"], {"Jet_pt": "1 %"}])
def test_bounds_that_are_none_are_refused_with_what_is_one(bounds: Any, tmp_path: Path) -> None:
    with pytest.raises(BoundError, match=r"expected .*rel:"):
        hepae.compress(NTUPLE, tmp_path / "small.root", bounds=bounds)
