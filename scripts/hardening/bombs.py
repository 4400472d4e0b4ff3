"""Every attack under a limit of memory: each is dealt with within two seconds and a gigabyte.

    python -m scripts.hardening.bombs --evidence docs/evidence/bombs.md

Each attack of tests/attacks runs in a fork of this process under ``RLIMIT_DATA`` (what it allocates; ``RLIMIT_AS``
would count the address space that ONNX Runtime and NumPy reserve and never touch). Seconds are of processor time.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.hardening import evidence
from tests.attacks import files
from tests.attacks.attack import MOST_SECONDS, Attack, attempt
from tests.attacks.catalogue import ATTACKS

LIMIT = 1 << 30
SOURCES = (
    *(
        "hepae/core",
        "hepae/model",
        "hepae/root",
        "hepae/stored",
        "hepae/read",
        "hepae/input",
        "hepae/limits.py",
    ),
    *("tests/attacks", "scripts/hardening/bombs.py"),
)


@dataclass(frozen=True)
class Blow:
    """What an attack came to: whether it was repelled, processor seconds, peak memory of the process in MB."""

    group: str
    name: str
    repelled: bool
    seconds: float
    megabytes: float


def blow(attack: Attack, folder: Path) -> Blow:
    """Run an attack in a child."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
            code = int(not attempt(attack, folder).repelled)
        finally:
            os._exit(code)
    _, status, used = os.wait4(child, 0)
    seconds, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6
    group, _, name = attack.name.partition(": ")
    return Blow(group, name, os.waitstatus_to_exitcode(status) == 0, seconds, megabytes)


def page(path: Path) -> evidence.Page:
    """The page that tells of it."""
    return evidence.Page(
        path,
        "Hostile models, files and texts under a limit of memory",
        "Every attack of tests/attacks in a process that may allocate 1 GiB (`RLIMIT_DATA`): sizes that lie,\nnetworks "
        "that make large arrays, payloads and baskets that claim billions of values, and the rest. Each gets the\n"
        f"refusal it must get, in at most {MOST_SECONDS:g} s of processor time. The memory is that of the whole\n"
        "process, interpreter and libraries included. Made by `make bombs`.",
        ("attacks on", "attacks", "repelled", "slowest, s", "largest, MB"),
        SOURCES,
        ("numpy", "uproot", "onnx", "onnxruntime"),
    )


def rows(blows: Sequence[Blow]) -> list[dict[str, object]]:
    """The rows of that page, one for each group."""
    groups = {
        group: [one for one in blows if one.group == group] for group in sorted({b.group for b in blows})
    }
    return [
        {
            "attacks on": group,
            "attacks": len(found),
            "repelled": sum(one.repelled and one.seconds <= MOST_SECONDS for one in found),
            "slowest, s": f"{max(one.seconds for one in found):.2f}",
            "largest, MB": max(one.megabytes for one in found),
        }
        for group, found in groups.items()
    ]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    files.compressed()  # what many attacks change is made before they are measured
    blows = []
    for attack in ATTACKS:
        with tempfile.TemporaryDirectory(prefix="hepae-bomb-") as folder:
            blows.append(blow(attack, Path(folder)))
    failed = [one for one in blows if not one.repelled or one.seconds > MOST_SECONDS]
    for one in failed or sorted(blows, key=lambda one: -one.megabytes)[:5]:
        print(
            f"{one.group}: {one.name}: repelled {one.repelled}, {one.seconds:.2f} s, {one.megabytes:.0f} MB"
        )
    print(f"{len(blows)} attacks under {LIMIT >> 20} MiB, {len(failed)} not repelled in time")
    if options.evidence is not None:
        page(options.evidence).note(rows(blows))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
