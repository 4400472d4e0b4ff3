"""`hepae bench` from the command line: what it measures adds up, and the table shows it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from hepae import cli
from hepae.core.values.objects import Objects
from hepae.lab.bench.run import split_events
from hepae.lab.cli.bench import table

BOUNDS = ("--bound", "pt,mass=rel:1e-3", "--bound", "eta,phi=abs:1e-3")
METHODS = "lifting, fast"


def test_every_method_is_measured_within_its_bound_and_shown(
    sample_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "plot.png"
    words = [
        "--collection",
        "Jet",
        "--features",
        "pt,eta,phi,mass",
        "--held-out",
        "0.2",
        "--methods",
        METHODS,
    ]
    assert cli.main(["bench", str(sample_root), *words, *BOUNDS, "--json", "--plot", str(plot)]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {row["method"]: row for row in result["methods"]}
    assert {"raw", "rounded + LZMA-9", "lattice + pcodec", f"hepae {METHODS}"} <= set(rows)
    assert rows["raw"]["total"] == 16
    assert rows["raw"]["worst"] == 0
    for row in rows.values():
        assert row["worst"] <= 1, row["method"]
        assert sum(row["by_feature"].values()) == pytest.approx(row["payload"])
        assert all(row[speed] > 0 for speed in ("encode", "restore", "encode_all", "restore_all", "one"))
    assert rows[f"hepae {METHODS}"]["payload"] < rows["lattice + pcodec"]["payload"]
    assert rows[f"hepae {METHODS}"]["model"] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    console = Console(record=True, width=200)
    table(result, console)
    shown = console.export_text()
    assert all(f"{8 * row['total']:.1f}" in shown for row in rows.values())
    assert "20% of the events held out" in shown


def test_events_are_trained_on_or_reported_and_never_both() -> None:
    counts = np.array([2, 0, 3, 1, 4, 1, 2, 5, 0, 3])
    objects = Objects(counts, {"number": np.arange(counts.sum())}, {"event": np.arange(len(counts))})
    training, reported = split_events(objects, 0.3, seed=5)
    assert reported.n_events == 3
    assert sorted([*training.events["event"], *reported.events["event"]]) == list(range(10))
    assert sorted([*training.columns["number"], *reported.columns["number"]]) == list(range(counts.sum()))
    again = split_events(objects, 0.3, seed=5)[1]
    assert again.events["event"].tolist() == reported.events["event"].tolist()
    everything = split_events(objects, 0.0, seed=5)
    assert everything[0] is everything[1] is objects
