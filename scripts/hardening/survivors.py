"""What `mutmut run` left behind, as a page: how many mutants of each module were killed, and which survived.

    mutmut run; python -m scripts.hardening.survivors --evidence docs/evidence/mutation.md

`mutmut show NAME` shows what a survivor changes. The exit code is 1 where more than a tenth of the mutants of a module
survived.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from scripts.hardening import evidence

RESULTS = Path("mutants/hepae")
SURVIVED, NO_TESTS = 0, 33
"""Exit codes that mutmut notes: the tests passed; no test runs the function. Any other is a mutant that was noticed."""

LEAST = 0.9
TEXT = (
    "Each mutant of a function has one operator, constant, condition or argument changed; it is killed when a test\n"
    "fails. Messages of errors are not changed. Made by `make mutants` (mutmut), which also names the survivors;\n"
    "`mutmut show NAME` shows what one changes."
)
COLUMNS = ("module", "mutants", "killed", "share", "survived in")


def rows(folder: Path) -> Iterator[dict[str, object]]:
    """A row for each module that has mutants."""
    for path in sorted(folder.rglob("*.meta")):
        codes: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        alive = Counter(function(name) for name, code in codes.items() if code in (SURVIVED, NO_TESTS))
        killed = len(codes) - alive.total()
        source = str(path.relative_to(folder.parent)).removesuffix(".meta")
        if codes:
            yield {
                "module": source, "mutants": len(codes), "killed": killed, "share": f"{killed / len(codes):.1%}",
                "survived in": ", ".join(f"{name} {count}" for name, count in alive.items()) or "none",
            }  # fmt: skip


def page(path: Path) -> evidence.Page:
    """The page that tells of it."""
    return evidence.Page(path, "Mutation testing of bounds and lattice", TEXT, COLUMNS)


def function(mutant: str) -> str:
    """The function or method that a mutant is of: ``parse`` of ``hepae.core.values.bounds.x_parse__mutmut_3``."""
    name = mutant.rpartition(".")[2].rpartition("__mutmut_")[0].removeprefix("x")
    return name.strip("\u01c1").replace("\u01c1", ".") if "\u01c1" in name else name.removeprefix("_")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evidence", type=Path, help="page to note the outcome in")
    options = parser.parse_args()
    found = list(rows(RESULTS))
    for row in found:
        print(
            f"{row['module']}: {row['killed']} of {row['mutants']} killed; survived in {row['survived in']}"
        )
    if options.evidence is not None:
        page(options.evidence).note(found)
    return 0 if found and all(float(str(row["share"]).rstrip("%")) >= 100 * LEAST for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
