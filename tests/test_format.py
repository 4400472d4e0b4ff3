"""Risk: files that only hepae can read. A reader written from docs/format/v1.md alone restores the same bits."""

from __future__ import annotations

import ast
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.recipe import recipe_of
from tests import format_reader
from tests.files import jets, write_events

BOUNDS = ["*=abs:1e-3", "pt,mass,leadTrackPt=rel:1e-3"]
SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, -999.0, 3e38, 1e-42, -7.5, np.pi], np.float32)


def compressed(
    original: Path, folder: Path, bounds: list[str], features: list[str] | None = None, **choices: object
) -> Path:
    small = folder / "small.root"
    recipe = recipe_of({"codec": "lifting", **choices})
    hepae.compress(
        original, small, collection="Jet", features=features, bounds=bounds, recipe=recipe, threads=1
    )
    return small


def require_same(file: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The restored values of the second reader, after comparing them bit for bit with those of hepae."""
    second = format_reader.restore(file)
    with uproot.open(file) as opened:
        names = [
            name
            for name in opened["Events"].keys(recursive=False)
            if name.endswith("__hepae") and name[0] != "n"
        ]
        assert sorted(second) == sorted(name.removesuffix("__hepae") for name in names)
        for name in names:
            counts, values = second[name.removesuffix("__hepae")]
            first = opened["Events"][name].array()
            assert ak.num(first).tolist() == counts.tolist()
            flat = np.asarray(ak.flatten(first))
            assert flat.dtype == values.dtype
            assert flat.tobytes() == values.tobytes()
    return second


def test_the_reader_imports_nothing_of_hepae() -> None:
    names: list[str] = []
    for part in Path(format_reader.__file__).parent.glob("format_*.py"):
        tree = ast.parse(part.read_text())
        names += [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
        names += [str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert {"numpy", "uproot", "tests.format_chunk"} <= set(names)
    assert not [name for name in names if name.startswith("hepae") or name == "tests.files"]


def test_the_sample_reads_the_same_with_all_features(sample_root: Path, tmp_path: Path) -> None:
    second = require_same(compressed(sample_root, tmp_path, BOUNDS))
    assert len(second) > 8


def test_conditions_and_many_chunks(
    sample_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hepae.limits.EVENTS_PER_CHUNK", 700)
    features = ["pt", "eta", "phi", "mass", "nCh"]
    conditions = ("MET", "METphi", "weight", "HLT_PFJet80")
    require_same(compressed(sample_root, tmp_path, BOUNDS[:1], features, conditions=conditions))


@pytest.mark.parametrize("bound", ["*=exact", "*=rel:1e-3", "*=bits:9", "*=abs:1e-2"])
def test_values_that_are_no_numbers(bound: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    counts, columns = jets(500, most=9)
    for values in columns.values():
        if values.dtype == np.float32:
            chosen = rng.random(len(values)) < 0.05
            values[chosen] = rng.choice(SPECIAL, chosen.sum())
    columns["double"] = columns["mass"].astype(np.float64) * 1e-300
    columns["id"] = rng.integers(0, 2**64, len(columns["pt"]), np.uint64)
    columns["small"] = rng.integers(-128, 128, len(columns["pt"])).astype(np.int8)
    require_same(compressed(write_events(tmp_path / "a.root", counts, columns), tmp_path, [bound]))
