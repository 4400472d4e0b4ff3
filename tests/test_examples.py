"""Risk: an example does not run, or an analysis in it notices the compression."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.root_process import needs_root

HERE = Path(__file__).parent.parent
EXAMPLES = HERE / "examples"


def run(example: str) -> str:
    """Run a script in a process of its own; its exit code is 1 where histograms differ."""
    kept = str(HERE / "build" / "cache")  # the compiled decoder, as tests/root_process.py keeps it
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONWARNINGS": "ignore", "XDG_CACHE_HOME": kept}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-3000:])
    return done.stdout


@pytest.mark.slow
def test_a_processor_of_coffea_fills_the_same_histograms() -> None:
    pytest.importorskip("coffea")
    shown = run("coffea_dijets.py")
    assert "mass: 0 bins differ, exact" in shown
    assert "ht: 0 bins differ, exact" in shown


@needs_root
@pytest.mark.root
@pytest.mark.slow
def test_an_analysis_with_rdataframe_fills_the_same_histogram() -> None:
    assert "; 0 of 52 bins differ" in run("rdataframe_dijets.py")


def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ntuple.root").symlink_to(HERE / "tests" / "data" / "ntuple.root")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "first_steps.ipynb").read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, cell in enumerate(cells):
        exec(compile(cell, f"cell {number}", "exec"), names)
    assert len(cells) >= 5
    assert (tmp_path / "bounded.root").stat().st_size < (tmp_path / "small.root").stat().st_size


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.ipynb")]
    assert len(files) >= 3
    assert not [file.name for file in files if f"examples/{file.name}" not in listed]
