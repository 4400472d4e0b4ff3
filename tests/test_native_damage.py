"""Risk: damaged bytes are undefined behaviour in C++, an exception of another kind, or wrong values."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import hepae
from tests.native_build import needs_compiler, program, sanitizers
from tests.native_cases import event_case, golden_case, stored_events, tree_case
from tests.whole_samples import write_nano

pytestmark = [pytest.mark.native, needs_compiler]
GOLDEN = Path(__file__).parent / "golden" / "v1"
DAMAGES = 400


def require_refused(case: Path) -> None:
    """Damage a case under the sanitizers: each damage is refused, or changes nothing."""
    command = [program("damage", *sanitizers()), case, "1", "0", str(DAMAGES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    refused = int(done.stdout.split(" refused")[0].split()[-1])
    assert refused > DAMAGES // 2, done.stdout


@pytest.mark.parametrize("name", ["lifting-dtypes", "masked-dtypes", "masked-dither"])
def test_damaged_frames_and_models_are_refused(name: str, tmp_path: Path) -> None:
    require_refused(golden_case(GOLDEN / f"{name}.root", tmp_path / "case"))


@pytest.mark.parametrize("name", ["bottleneck-float32", "bottleneck-uint8", "bottleneck-float16"])
def test_damaged_events_and_their_models_are_refused(name: str, tmp_path: Path) -> None:
    """Those that are sealed again may be other events; nothing else may."""
    require_refused(event_case(*stored_events(GOLDEN / f"{name}.root"), tmp_path / "case"))


def test_damaged_streams_and_schemas_are_refused(tmp_path: Path) -> None:
    write_nano(tmp_path / "nano.root", 2000, 1)
    hepae.compress(tmp_path / "nano.root", tmp_path / "small.root")
    command = [
        program("damage", *sanitizers()),
        tree_case(tmp_path / "small.root", "Events", tmp_path / "case"),
    ]
    done = subprocess.run(
        [*command, "1", "0", str(DAMAGES)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
