"""Risk: a false alarm of verify, because another library reads the objects of a branch wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import hepae


@pytest.mark.shared
@pytest.mark.parametrize("bound", ["*=rel:1e-3", "*=abs:0.01"])
def test_objects_with_a_version_of_their_own_are_measured_by_their_layout(
    shared: Callable[[str], Path], tmp_path: Path, bound: str
) -> None:
    """uproot takes the byte counts inside for values, so that a change of one value looks like many."""
    source, small = shared("zoo/skhep__uproot-issue-513.root"), tmp_path / "small.root"
    hepae.compress(source, small, bounds=[bound])
    result = hepae.verify(source, small, bounds=[bound])
    assert result.kept
    columns = result.trees["TrkAnaNeg/trkana"].columns
    assert all(columns[f"demc/_opos.fCoordinates.f{axis}"].kept for axis in "XYZ")
