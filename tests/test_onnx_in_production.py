"""Risk: the examples for programs without hepae rot, or restore other values than hepae."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hepae.core.values.bounds import accept
from hepae.export import write_onnx
from hepae.root.file.source import open_source
from tests.compressed import SAMPLE, compressed, model

SCRIPTS = Path(__file__).parent.parent / "scripts" / "onnx_in_production"
MODULES = ("jsroot", "onnxruntime-node")


@pytest.mark.parametrize("script", ["restore.py", "restore.mjs"])
def test_restored_without_hepae_within_the_bounds(script: str, tmp_path: Path) -> None:
    interpreter = sys.executable if script.endswith(".py") else shutil.which("node")
    if script.endswith(".mjs") and not all((SCRIPTS / "node_modules" / name).exists() for name in MODULES):
        pytest.skip(
            "node packages are not installed: npm install --ignore-scripts in scripts/onnx_in_production"
        )
    if interpreter is None:
        pytest.skip("node is not installed")
    path = compressed("bottleneck")
    write_onnx(path, tmp_path)
    command = [
        interpreter,
        script,
        str(path),
        str(tmp_path),
        "--events",
        "500",
        "--values",
        str(tmp_path / "values.json"),
    ]
    done = subprocess.run(command, cwd=SCRIPTS, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "jets/s" in done.stdout
    assert "99th percentile" in done.stdout
    values = json.loads((tmp_path / "values.json").read_text())
    with open_source(SAMPLE) as source:
        tree = source.tree("Events")
        for feature in model("bottleneck").manifest.features:
            stored = tree.read(feature.branch, 0, 500).values
            restored = np.array(values[feature.name], np.float64).astype(feature.dtype)
            assert accept(stored, restored, feature.bound).all(), feature.name
