"""Whether the tests cover what they must, branches counted: 95 % of all, everything of what values depend on.

    coverage json && python -m scripts.hardening.covered coverage.json --evidence docs/evidence/coverage.md

reads what ``make coverage`` measured; the exit code is 1 if a part is covered less than it must be.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from scripts.hardening.evidence import Page, commit, now

FILES = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """Files that belong together, and how much of them must be covered, in per cent."""

    name: str
    patterns: tuple[str, ...]
    least: float


PARTS = (
    Part("everything", ("hepae/*",), 95),
    Part("bounds", ("hepae/core/values/bounds.py",), 100),
    Part("lattice", ("hepae/core/values/[ld]*.py", "hepae/core/arithmetic/tabulated.py"), 100),
    Part("container", ("hepae/core/coding/*", "hepae/core/chunk.py", "hepae/stored/event_payload.py"), 100),
    Part(
        "writer",
        (
            "hepae/stored/layout.py", "hepae/files/encoding.py",
            "hepae/root/file/atomic.py", "hepae/root/file/writer.py",
            "hepae/root/ttree/writer.py", "hepae/root/ttree/header.py", "hepae/root/ttree/baskets.py",
            "hepae/root/rntuple/writer.py", "hepae/root/file/container.py", "hepae/root/file/records.py",
        ),
        100,
    ),
)  # fmt: skip


def measured(part: Part, files: FILES) -> dict[str, object]:
    """A row: how many statements and branches there are, how much of them is covered, and where it is not."""
    mine = {name: data for name, data in files.items() if any(fnmatch(name, one) for one in part.patterns)}
    sums = [data["summary"] for data in mine.values()]
    lines, branches = sum(s["num_statements"] for s in sums), sum(s["num_branches"] for s in sums)
    done = sum(s["covered_lines"] + s["covered_branches"] for s in sums)
    missing = [
        f"{name.removeprefix('hepae/')} {', '.join(_places(data))}"
        for name, data in mine.items()
        if _places(data)
    ]
    return {
        "part": part.name, "files": len(mine), "statements": lines, "branches": branches,
        "covered": f"{100 * done / max(1, lines + branches):.2f} %", "must be": f"{part.least:g} %",
        "not covered": "; ".join(missing) if part.least == 100 else "", "date (UTC)": now(), "commit": commit(),
    }  # fmt: skip


def _places(data: dict[str, Any]) -> list[str]:
    jumps = [
        f"{start}->{stop}" for start, stop in data["missing_branches"] if start not in data["missing_lines"]
    ]
    return [*map(str, data["missing_lines"]), *jumps]


def enough(row: dict[str, object]) -> bool:
    """Whether a part is covered as it must be."""
    covered, least = (float(str(row[column]).removesuffix(" %")) for column in ("covered", "must be"))
    return covered >= least


def page(path: Path) -> Page:
    """The page of evidence."""
    text = (
        "Statements and branches that the tests run. Made by `make coverage`.\n"
        "`hepae/core/compiled/loops.py` is left out: "
        "numba compiles it, and `tests/test_compiled.py` compares it with NumPy bit for bit."
    )
    columns = (
        "part", "files", "statements", "branches", "covered", "must be", "not covered", "date (UTC)", "commit",
    )  # fmt: skip
    return Page(path, "Coverage", text, columns)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("measured", type=Path, help="what coverage json wrote")
    parser.add_argument("--evidence", type=Path, help="page to note the outcome in")
    options = parser.parse_args()
    files = json.loads(options.measured.read_text(encoding="utf-8"))["files"]
    rows = [measured(part, files) for part in PARTS]
    for row in rows:
        print(f"{row['part']}: {row['covered']} (must be {row['must be']}) {row['not covered']}")
    if options.evidence:
        page(options.evidence).note(rows)
    return 0 if all(map(enough, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
