"""Risk: a float32 somewhere among 2**32 that comes back out of its bound. One in 4,096 of them; the script has all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hepae.errors import InputError
from scripts.hardening import exhaustive


@pytest.mark.parametrize("case", exhaustive.CASES.values(), ids=str)
def test_a_stratified_million_of_all_floats_is_within_its_bound(case: exhaustive.Case) -> None:
    stored = exhaustive.stratified(seed=int.from_bytes(case.bound.encode()[-2:]))
    back = exhaustive.restored(stored, case)
    bad = exhaustive.violations(stored, back, case.bound)
    assert not len(bad), [f"{stored[i]:08x} {back[i]:08x}" for i in bad[:5]]
    assert case.bound == "exact" or (stored != back).sum() > 1000


def test_the_oracle_sees_violations() -> None:
    stored = np.array([1.0, np.nan, 0.0, -0.0, 1e-40, np.inf, 100.0], np.float32).view(np.uint32)
    back = np.array([1.01, 0.0, -0.0, 0.0, 2e-40, 3e38, 100.2], np.float32).view(np.uint32)
    assert exhaustive.violations(stored, back, "abs:1e-3").tolist() == [0, 1, 2, 3, 5, 6]
    assert exhaustive.violations(stored, back, "rel:2.5e-3").tolist() == [0, 1, 2, 3, 4, 5]
    assert exhaustive.violations(stored, back, "bits:7").tolist() == [0, 1, 2, 3, 4, 5]
    assert exhaustive.violations(stored, back, "exact").tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert exhaustive.violations(stored, stored.copy(), "exact").tolist() == []


def test_blocks_and_parts_make_up_all_patterns() -> None:
    assert exhaustive.PARTS * exhaustive.PART == 2**32
    assert exhaustive.PART % exhaustive.BLOCK == 0
    last = exhaustive.patterns(2**32 - exhaustive.BLOCK)
    assert [last[0], last[-1]] == [2**32 - exhaustive.BLOCK, 2**32 - 1]


def test_a_part_is_resumed_where_it_was_stopped_and_told(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = exhaustive.run([65], ["abs:0.1"], state, 1)["cases"]["abs:0.1"]
    both = exhaustive.run([65, 66], ["abs:0.1"], state, 1)["cases"]["abs:0.1"]
    assert (first["parts"], both["parts"]) == ([65], [65, 66])
    assert both["violations"] == 0
    assert both["moved"] > first["moved"] > 0
    page = exhaustive.page(tmp_path / "page.md")
    page.note(exhaustive.rows(json.loads(state.read_text())))
    assert page.rows()[0][:4] == ("abs:0.1", f"{2 * exhaustive.PART:,}", "1%", "0")


def test_a_state_of_other_sources_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"sources": "0", "cases": {}}')
    with pytest.raises(InputError, match="other sources"):
        exhaustive.run([], [], state, 1)
