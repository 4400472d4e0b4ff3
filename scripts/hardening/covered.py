"""What `coverage json` says the tests run, as a page: all of hepae, and the parts that must be run whole.

    coverage json -o coverage.json
    python -m scripts.hardening.covered coverage.json --evidence docs/evidence/coverage.md

The exit code is 1 where less is covered than must be.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from scripts.hardening import evidence

VALUES = (
    *(
        "hepae/core/values/*",
        "hepae/core/arithmetic/tabulated.py",
        "hepae/core/coding/*",
        "hepae/core/chunk.py",
    ),
    "hepae/stored/event_payload.py",
)
"""What values depend on."""

WRITER = (
    *(f"hepae/root/file/{name}.py" for name in ("atomic", "writer", "container", "records")),
    *("hepae/root/ttree/writer.py", "hepae/root/ttree/baskets.py", "hepae/root/rntuple/clusters.py"),
)
"""What an output depends on."""


@dataclass(frozen=True)
class Part:
    """Files by pattern, and the least share of their statements and branches that the tests run, in per cent."""

    patterns: tuple[str, ...]
    least: int


PARTS = {"everything": Part(("*",), 95), "values": Part(VALUES, 100), "writer": Part(WRITER, 100)}
TEXT = "Statements and branches that the tests run. Made by `make coverage`."
COLUMNS = ("part", "files", "statements", "branches", "covered", "must be", "not covered")


def rows(files: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """A row for each part, from the files of a JSON report."""
    for name, part in PARTS.items():
        chosen = {
            path: said for path, said in files.items() if any(fnmatchcase(path, p) for p in part.patterns)
        }
        sums = [said["summary"] for said in chosen.values()]
        there = sum(one["num_statements"] + one["num_branches"] for one in sums)
        run = sum(one["covered_lines"] + one["covered_branches"] for one in sums)
        missing = [f"{path} {line}" for path, said in chosen.items() for line in said["missing_lines"]]
        yield {
            "part": name,
            "files": len(chosen),
            "statements": sum(one["num_statements"] for one in sums),
            "branches": sum(one["num_branches"] for one in sums),
            "covered": f"{100 * run / max(there, 1):.2f} %",
            "must be": f"{part.least} %",
            "not covered": ", ".join(missing) if part.least == 100 else "",
        }


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("report", type=Path, help="what `coverage json` wrote")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    found = list(rows(json.loads(options.report.read_text(encoding="utf-8"))["files"]))
    for row in found:
        print(", ".join(f"{word} {evidence.shown(value)}" for word, value in row.items()))
    if options.evidence is not None:
        sources = ("hepae", "tests", "scripts/hardening")
        evidence.Page(options.evidence, "Coverage", TEXT, COLUMNS, sources, ("coverage",)).note(found)
    return int(any(float(str(row["covered"])[:-2]) < PARTS[str(row["part"])].least for row in found))


if __name__ == "__main__":
    sys.exit(main())
