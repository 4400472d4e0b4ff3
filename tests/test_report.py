"""A report that cannot be opened, hides a violation, or writes over what it reports on."""

from __future__ import annotations

import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("mplhep")
pytest.importorskip("vector")

import uproot

import hepae
from hepae.cli import main
from hepae.errors import OutputError
from hepae.lab.report.compared import Comparison
from hepae.lab.report.comparison import compare
from hepae.lab.report.figures import corner_figure, correlation_figure, panel_figure, png, sizes_figure
from hepae.lab.report.histograms import write_histograms
from hepae.lab.report.page import _bounds, _training, write_report
from hepae.lab.report.panels import feature_panel, histograms_of, moving, observable_panels
from hepae.lab.report.text import bars
from hepae.learn.recipe import Recipe

HERE = Path(__file__).parent
BOUNDS = ["pt,E=rel:1e-3", "eta,phi=abs:1e-3"]
FEATURES = ["pt", "eta", "phi", "E"]


def silent(phase: str, done: int, total: int, note: str = "") -> None:
    """Report nothing."""


@pytest.fixture(scope="module")
def small(sample_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "small.root"
    hepae.compress(sample_csv, path, collection="Jet", bounds=BOUNDS, recipe=Recipe(codec="lifting"))
    return path


@pytest.fixture(scope="module")
def comparison(sample_csv: Path, small: Path) -> Comparison:
    return compare(sample_csv, small)


class Parsed(HTMLParser):
    """Tags that were opened and not closed, sources, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.sources += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which every command and every Python block of the tutorial was run, the long one left out."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "sample.csv").symlink_to(HERE / "data" / "sample.csv")
    text = (HERE.parent / "docs" / "tutorial.md").read_text(encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for language, block in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if language == "python":
                exec(compile(block, "tutorial.md", "exec"), {})
                continue
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ hepae "))
                if words[0] != "experiments":
                    assert main(words) == 0, line
    return folder


def test_the_page_is_whole_small_and_needs_no_network(tutorial: Path) -> None:
    text = (tutorial / "report.html").read_text(encoding="utf-8")
    page = Parsed(text)
    assert not page.open
    assert all(source.startswith(("data:", "#")) for source in page.sources)
    assert "<script" not in text
    assert not re.search(r"url\(|@import", text)
    assert len(text) < 5 << 20
    for word in ("Jet_pt", "rel:0.001", "Space-like", "two leading", "bits per object", "every bound kept"):
        assert word.lower() in (page.words + text).lower()


def test_histograms_count_every_object(tmp_path: Path, comparison: Comparison) -> None:
    panels = [*map(feature_panel, comparison.features), *observable_panels(comparison)]
    path = tmp_path / "report.root"
    write_histograms(path, histograms_of(panels, comparison))
    with uproot.open(path) as file:
        for name in FEATURES:
            for part in ("before", "after", "residual"):
                assert file[f"{name}/{part}"].values(flow=True).sum() == comparison.objects
        assert file["correlation/before"].values()[0, 0] == pytest.approx(1.0)
        assert file["HT/before"].values(flow=True).sum() == comparison.events


def test_a_report_does_not_replace_what_it_is_about(sample_csv: Path, small: Path) -> None:
    before = small.read_bytes()
    with pytest.raises(OutputError, match="is the input"):
        write_report(compare(sample_csv, small), small.with_suffix(".html"), silent)
    assert small.read_bytes() == before


def test_what_is_compared_is_what_is_in_the_files(
    comparison: Comparison, sample_csv: Path, small: Path
) -> None:
    with hepae.open(small) as file:
        restored = np.concatenate(list(file["Events"]["Jet_pt"].array(library="np")))
    assert np.array_equal(comparison.feature("pt").after, restored)
    assert comparison.kept
    assert comparison.feature("Jet_pt").check.worst <= 1.0
    assert comparison.collection_before == comparison.objects * 16
    assert 0 < comparison.collection_after < comparison.collection_before
    assert comparison.file_after == small.stat().st_size


def test_a_violation_is_shown_and_the_exit_code_says_so(
    tmp_path: Path, sample_csv: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "report.html"
    monkeypatch.setattr("hepae.lab.report.page.feature_panel", lambda feature: None)
    monkeypatch.setattr("hepae.lab.report.page._sections", lambda *_: [])
    monkeypatch.setattr("hepae.lab.report.page.histograms_of", lambda *_: {})
    assert main(["report", str(sample_csv), str(small), "-o", str(target), "--bound", "pt=abs:1e-9"]) == 1
    assert 'class="tile bad"' in target.read_text(encoding="utf-8")


def test_bins_that_differ_are_counted_and_the_remedy_is_named(sample_csv: Path, tmp_path: Path) -> None:
    recipe = Recipe(codec="lifting", effort="fast")
    hepae.compress(sample_csv, tmp_path / "b.root", collection="Jet", bounds=["*=abs:0.2"], recipe=recipe)
    found = compare(sample_csv, tmp_path / "b.root")
    check = found.feature("eta").check
    assert check.combed_50 > 25
    page = _bounds(found, [feature_panel(feature) for feature in found.features])
    assert f"<td>{check.combed_50} / {check.combed_100}</td>" in page
    assert page.count("compress with --dither") == 1


def test_a_restored_file_can_be_reported_on(tmp_path: Path, sample_csv: Path, small: Path) -> None:
    restored = tmp_path / "restored.root"
    hepae.decompress(small, restored)
    found = compare(sample_csv, restored, collection="Jet", bounds=BOUNDS)
    assert found.kept
    assert found.manifest is None
    assert not found.feature("pt").exact
    assert "restored one" in _training(found)


def test_figures_are_drawn_without_warnings(comparison: Comparison) -> None:
    panels = [feature_panel(comparison.features[0]), *observable_panels(comparison)]
    corner = corner_figure(comparison, ["pt", "eta"])
    assert corner is not None
    for figure in (
        *map(panel_figure, panels[:2]),
        corner,
        correlation_figure(comparison),
        sizes_figure(comparison),
    ):
        assert png(figure, dpi=40).startswith(b"\x89PNG")


@pytest.mark.parametrize("what", ["pt", "mass", "sizes", "correlations", "corner"])
def test_plots_in_a_terminal(
    what: str, sample_csv: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", what, str(sample_csv), str(small)]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 3


@pytest.mark.parametrize("ending", ["png", "pdf"])
def test_plots_in_files(ending: str, tmp_path: Path, sample_csv: Path, small: Path) -> None:
    target = tmp_path / f"pt.{ending}"
    assert main(["plot", "pt", str(sample_csv), str(small), "-o", str(target)]) == 0
    assert target.read_bytes()[:4] in (b"\x89PNG", b"%PDF")


@pytest.mark.parametrize(("what", "word"), [("ptt", "did you mean pt"), ("loss", "no loss curve")])
def test_what_cannot_be_plotted_is_named(
    what: str, word: str, sample_csv: Path, small: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plot", what, str(sample_csv), str(small)]) == 2
    assert word in capsys.readouterr().err


def test_only_what_moved_is_in_the_corner(comparison: Comparison) -> None:
    assert {pair.name for pair in moving(comparison)} == set(FEATURES)


def test_bars_are_as_tall_as_what_they_show() -> None:
    lines = bars(np.array([0.0, 1.0, 2.0, 4.0]), height=4)
    assert [sum(line[column] == "█" for line in lines) for column in range(4)] == [0, 1, 2, 4]
