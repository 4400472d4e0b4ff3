"""Risk: a released model that this version cannot open or that breaks its bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

import hepae

MODELS = Path(__file__).parent.parent / "onnx"


@pytest.mark.parametrize("name", ["jets-four-vector", "jets-wide"])
def test_a_released_model_compresses_the_sample_it_was_made_for(
    name: str, sample_root: Path, tmp_path: Path
) -> None:
    done = hepae.compress(sample_root, tmp_path / "a.root", model=hepae.Model.load(MODELS / f"{name}.onnx"))
    result = hepae.verify(sample_root, tmp_path / "a.root")
    assert result.kept
    assert sum(check.compressed for check in result.columns()) == len(done.features)
    assert done.collection_after < 0.35 * done.collection_before
