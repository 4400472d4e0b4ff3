"""Risk: a result that floods a notebook, or a name from a file that becomes markup there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import hepae
from hepae.files.verify.result import ColumnCheck, TreeCheck, Verification
from hepae.shown.bars import in_notebook
from hepae.shown.notebook import MOST_ROWS, html_table
from tests.compressed import SAMPLE

NTUPLE = SAMPLE.with_name("ntuple.root")


def test_results_are_a_line_in_python_and_a_table_in_a_notebook(tmp_path: Path) -> None:
    small, jets = tmp_path / "small.root", tmp_path / "jets.root"
    results = [
        hepae.inspect(NTUPLE),
        hepae.compress(NTUPLE, small, bounds={"Jet_pt,Jet_mass": "rel:1e-3"}, only=["Jet_*"]),
        hepae.verify(NTUPLE, small, bounds={"Jet_pt,Jet_mass": "rel:1e-3"}),
        hepae.compress(SAMPLE, jets, collection="Jet", features=["pt"], recipe=hepae.Recipe(codec="lifting")),
        hepae.compress_files([NTUPLE], tmp_path / "many"),
    ]
    for result in results:
        assert len(repr(result)) < 300, result
        assert repr(result).startswith(f"<{type(result).__name__}")
        assert "</table>" in result._repr_html_()
    assert "Events" in results[1]._repr_html_()
    assert f"{small.stat().st_size:,} B after" in repr(results[1])


def test_names_are_text_and_rows_are_counted() -> None:
    page = html_table("<b>", ["x"], [[f"<script>{n}"] for n in range(MOST_ROWS + 3)])
    assert "<script" not in page
    assert "<b>" not in page
    assert page.endswith("<p>and 3 more</p>")


def test_a_notebook_shows_progress_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, line: Any) -> None:
            shown.append(line._repr_html_())

    def display(line: Any, display_id: bool) -> Handle:
        assert display_id
        shown.append(line._repr_html_())
        return Handle()

    shell = SimpleNamespace(kernel=object(), execution_count=1)
    ipython = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    in_notebook("<reading>", 1, 4, "a & b")
    in_notebook("<reading>", 4, 4)
    assert "&lt;reading&gt;" in shown[0]
    assert 'value="1" max="4"' in shown[0]
    assert "a &amp; b" in shown[0]
    assert shown[-1] == ""
    in_notebook("<reading>", 1, 1)
    assert 'value="1" max="1"' in shown[-2], "a phase that was done begins again"
    assert shown[-1] == ""


def test_a_cell_that_failed_is_not_written_into_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[str]] = []

    class Handle:
        def __init__(self, cell: list[str]) -> None:
            self.cell = cell

        def update(self, line: Any) -> None:
            self.cell.append(line._repr_html_())

    def display(line: Any, display_id: bool) -> Handle:
        made.append([line._repr_html_()])
        return Handle(made[-1])

    shell = SimpleNamespace(kernel=object(), execution_count=7)
    ipython = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    in_notebook("writing", 1, 4)  # and then an error
    shell.execution_count = 8
    in_notebook("writing", 2, 4)
    in_notebook("writing", 4, 4)
    assert len(made) == 2
    assert len(made[0]) == 1
    assert made[1][-1] == ""


def test_elsewhere_progress_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = SimpleNamespace(get_ipython=lambda: object())
    for module in (None, ipython):  # no IPython, and IPython in a terminal
        monkeypatch.setitem(sys.modules, "IPython", module)
        in_notebook("reading", 1, 4)


def test_every_phase_of_work_comes_to_its_end(tmp_path: Path) -> None:
    """A bar that stands at three quarters says that something was left out."""
    small, bounded, back, cut, merged, smaller, other = (tmp_path / f"{number}.root" for number in range(7))
    last: dict[tuple[str, str], tuple[int, int]] = {}

    def told(work: str) -> Any:
        return lambda phase, done, total, note="": last.update({(work, phase): (done, total)})

    hepae.compress(NTUPLE, small, report=told("compress"))
    hepae.compress(NTUPLE, bounded, bounds={"Jet_pt": "rel:1e-3"}, report=told("bounds"))
    hepae.verify(NTUPLE, bounded, report=told("verify"))
    hepae.decompress(small, back, report=told("decompress"))
    hepae.skim(small, cut, "nJet > 3", report=told("skim"))
    hepae.merge(merged, [small, cut], report=told("merge"))
    hepae.repack(NTUPLE, smaller, report=told("repack"))
    model = hepae.train_dataset([NTUPLE], report=told("train"))
    hepae.compress(NTUPLE, other, model=model, report=told("model"))
    assert {"compressing", "predicting", "repacking", "verifying", "restoring", "merging"} <= {
        p for _, p in last
    }
    assert {work: ends for work, ends in last.items() if ends[0] != ends[1]} == {}


def test_combs_name_the_tree_where_there_are_several() -> None:
    check = ColumnCheck("pt", combed_50=3, combed_100=40)
    trees = {name: TreeCheck(1, {"pt": check}) for name in ("nominal", "JES")}
    assert "nominal/pt in 3 of 50" in Verification("a.root", "b.root", trees).combs
