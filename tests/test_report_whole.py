"""A report of a whole file that hides a table, a column that moved, or a violation."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("mplhep")
pytest.importorskip("vector")

import uproot

import hepae
from hepae.cli import main
from hepae.lab.report.bars import bytes_figure
from hepae.lab.report.whole import compare_whole
from hepae.lab.report.whole_page import write_whole_report
from hepae.lab.report.whole_sizes import WholeComparison
from hepae.progress import silent
from tests.whole_samples import write_nano

BOUNDS = ["Jet_pt=rel:1e-2", "cov=abs:1e-2"]


@pytest.fixture(autouse=True)
def without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `lab` does not bring it; mplhep warns where it would be needed."""
    monkeypatch.delitem(sys.modules, "mplhep.error_estimation", raising=False)
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.stats", None)


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "nano.root"
    write_nano(path, 600, 1)
    return path


@pytest.fixture(scope="module")
def small(nano: Path) -> Path:
    path = nano.with_name("small.root")
    hepae.compress(nano, path, bounds=BOUNDS[:1], skip=["run"])
    return path


@pytest.fixture(scope="module")
def comparison(nano: Path, small: Path) -> WholeComparison:
    return compare_whole(nano, small)


def test_bytes_are_those_of_the_files(comparison: WholeComparison, nano: Path) -> None:
    (tree,) = (tree for tree in comparison.trees if tree.path == "Events")
    with uproot.open(nano) as file:
        branches = {branch.name: int(branch.member("fZipBytes")) for branch in file["Events"].branches}
    assert {column.name: column.before for column in tree.columns if column.before} == branches
    kept = {column.name: column.after for column in tree.columns if not column.bound}
    assert kept == {"run": branches["run"]}
    assert next(iter(tree.tables())) == "Jet"
    jets = next(table for table in comparison.original.trees[0].tables if table.name == "Jet")
    assert tree.rows["Jet"] == jets.rows


def test_what_moved_is_drawn_with_its_errors(
    comparison: WholeComparison, nano: Path, small: Path, tmp_path: Path
) -> None:
    assert [pair.name for pair in comparison.coarsened["Events"]] == ["Jet_pt"]
    (pt,) = comparison.coarsened["Events"]
    with uproot.open(nano) as file:
        before = np.concatenate(list(file["Events/Jet_pt"].array(library="np")))
    assert np.array_equal(pt.before, before)
    with uproot.open(small) as file:
        after = np.concatenate(list(file["Events/Jet_pt"].array(library="np")))
    assert np.array_equal(pt.after, after)
    assert not np.array_equal(before, after)
    page = tmp_path / "report.html"
    histograms = write_whole_report(comparison, page, silent)
    text = page.read_text(encoding="utf-8")
    for word in (
        "Jet_pt",
        "rel:0.01",
        "Tables",
        "Columns",
        "Coarsened",
        "dir/Extra",
        f"{nano.stat().st_size:,}",
    ):
        assert word in text
    assert "<script" not in text
    assert '<figure class="wide">' in text, "bars are not made too small to be read on a narrow screen"
    with uproot.open(histograms) as found:
        assert found["Events/Jet_pt/before"].values(flow=True).sum() == len(before)


def test_the_command_line_reports_on_whole_files(
    nano: Path, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    assert main(["report", str(nano), str(small), "-o", str(page)]) == 0
    assert "coarsened columns" in capsys.readouterr().out
    assert main(["report", str(nano), str(small), "-o", str(page)]) == 2
    assert "exists" in capsys.readouterr().err


def test_a_violation_is_shown_and_the_exit_code_says_so(nano: Path, small: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    words = ["report", str(nano), str(small), "-o", str(page), "--bound", "Jet_pt=rel:1e-6"]
    assert main(words) == 1
    assert "<b>NO</b>" in page.read_text(encoding="utf-8")


def test_a_lossless_file_says_so(nano: Path, tmp_path: Path) -> None:
    hepae.compress(nano, tmp_path / "exact.root")
    comparison = compare_whole(nano, tmp_path / "exact.root")
    assert comparison.coarsened == {}
    write_whole_report(comparison, tmp_path / "report.html", silent)
    assert "no column was coarsened" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_rntuple_is_reported_on(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(3), tmp_path / "ntuple.root"
    values = rng.exponential(30, 2000).astype(np.float32)
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", {"pt": values, "id": np.arange(2000, dtype=np.int32)})
    hepae.compress(path, tmp_path / "small.root", bounds=["pt=rel:1e-2"])
    (pt,) = compare_whole(path, tmp_path / "small.root").coarsened["Events"]
    assert np.array_equal(pt.before, values)
    assert 0 < np.max(np.abs(pt.after - values) / values) <= 1e-2


def test_bars_are_as_long_as_their_bytes() -> None:
    (axes,) = bytes_figure(["a", "b"], [4000, 2000], [1000, 2000]).axes
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    assert widths == [[4.0, 2.0], [1.0, 2.0]]


def test_a_report_says_where_it_comes_from(comparison: WholeComparison, small: Path, tmp_path: Path) -> None:
    write_whole_report(comparison, tmp_path / "report.html", silent)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert hashlib.sha256(small.read_bytes()).hexdigest() in text
    assert f"hepae {hepae.__version__}" in text
    assert "SHA-256" in text
