"""Risk: a float32 somewhere among 2**32 that comes back out of its bound. One in 4,096 of them; the script has all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scripts import exhaustive


@pytest.mark.parametrize("bound", exhaustive.BOUNDS)
def test_a_stratified_million_of_all_floats_is_within_its_bound(bound: str) -> None:
    stored = exhaustive.stratified(seed=int.from_bytes(bound.encode()[-2:]))
    back = exhaustive.restored(stored, bound)
    bad = exhaustive.violations(stored, back, bound)
    assert not len(bad), [f"{stored[i]:08x} {back[i]:08x}" for i in bad[:5]]
    assert bound == "exact" or (stored != back).sum() > 1000


def test_the_oracle_sees_violations() -> None:
    stored = np.array([1.0, np.nan, 0.0, -0.0, 1e-40, np.inf, 100.0], np.float32).view(np.uint32)
    back = np.array([1.01, 0.0, -0.0, 0.0, 2e-40, 3e38, 100.2], np.float32).view(np.uint32)
    assert exhaustive.violations(stored, back, "abs:1e-3").tolist() == [0, 1, 2, 3, 5, 6]
    assert exhaustive.violations(stored, back, "rel:2.5e-3").tolist() == [0, 1, 2, 3, 4, 5]
    assert exhaustive.violations(stored, back, "bits:7").tolist() == [0, 1, 2, 3, 4, 5]
    assert exhaustive.violations(stored, back, "exact").tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert exhaustive.violations(stored, stored.copy(), "exact").tolist() == []


def test_a_part_is_resumed_where_it_was_stopped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "state.json"
    assert exhaustive.run([1040], ["rel:1e-3"], state, 1) == 0
    assert exhaustive.run([1040, 3000], ["rel:1e-3"], state, 1) == 0
    assert "1 blocks in" in capsys.readouterr().out.splitlines()[-1]
