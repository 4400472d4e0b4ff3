"""Risk: a page of mutants that counts a survivor as killed. What mutmut notes is what the page says."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.hardening import survivors


def test_survivors_and_what_no_test_runs_are_not_counted_as_killed(tmp_path: Path) -> None:
    folder = tmp_path / "mutants" / "hepae"
    path = folder / "core" / "values" / "bounds.py.meta"
    path.parent.mkdir(parents=True)
    module = "hepae.core.values.bounds."
    codes = {
        f"{module}x_parse__mutmut_1": 1,
        f"{module}x_parse__mutmut_2": 0,
        f"{module}x__matches__mutmut_1": 33,
        f"{module}x\u01c1Bound\u01c1relative__mutmut_7": 0,
        f"{module}x_error__mutmut_1": -24,  # ran out of time: noticed
    }
    path.write_text(json.dumps({"exit_code_by_key": codes}))
    (row,) = survivors.rows(folder)
    assert (row["module"], row["mutants"], row["killed"]) == ("hepae/core/values/bounds.py", 5, 2)
    assert row["share"] == "40.0%"
    assert row["survived in"] == "parse 1, _matches 1, Bound.relative 1"
