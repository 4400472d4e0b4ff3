"""Damaged frames, events, models, streams and schemas in the C++ decoders, under AddressSanitizer and UBSan.

    python -m scripts.hardening.native_damage --damages 100000 --evidence docs/evidence/native.md

Each damage must give the values of the undamaged bytes or a CorruptionError. Checksums are made anew after most of
them, so that what is behind them is reached. ``--case NAME --first N --damages 1`` does one again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import hepae
from scripts.hardening.evidence import Page
from tests.native_build import program, sanitizers
from tests.native_cases import event_case, golden_case, stored_events, tree_case
from tests.whole_samples import write_nano

ROOT: Final = Path(__file__).parent.parent.parent
GOLDEN: Final = ROOT / "tests" / "golden" / "v1"
FRAMES: Final = (
    "lifting-dtypes",
    "lifting-jets",
    "lifting-dither",
    "lifting-foreign",
    "masked-dtypes",
    "masked-dither",
    "masked-jets",
)
"""Golden files, whose frames and models are damaged."""
EVENTS: Final = ("bottleneck-float32", "bottleneck-uint8", "bottleneck-float16")
"""Golden files, whose branches and models are damaged."""
TREES: Final = ("ntuple", "nano")
"""Trees that are compressed as a whole, whose streams and schemas are damaged."""
STEP: Final = 500
"""Damages of one run of the program."""
LARGEST: Final = "max_allocation_size_mb=3000"


def page(path: Path) -> Page:
    """The page of evidence."""
    return Page(
        path,
        "Damages in the C++ decoders",
        f"{__doc__}\n\nOf trees, others are values of a bundle that was sealed again: it has no second checksum."
        " Of events, others are events that were sealed again.",
        ("case", "damages", "same", "refused", "others", "seconds"),
        ("native/include/hepae", "native/tests/damage.cpp", "scripts/hardening/native_damage.py"),
    )


def made(name: str, folder: Path) -> Path:
    """The case of that name."""
    if name in FRAMES:
        return golden_case(GOLDEN / f"{name}.root", folder / name)
    if name in EVENTS:
        return event_case(*stored_events(GOLDEN / f"{name}.root"), folder / name)
    source = ROOT / "tests" / "data" / "ntuple.root"
    if name == "nano":
        source = folder / "nano.root"
        write_nano(source, 2000, 1)
    hepae.compress(source, folder / "small.root", force=True)
    return tree_case(folder / "small.root", "Events", folder / name)


def damage(case: Path, seed: int, first: int, last: int) -> tuple[list[int], str]:
    """How often values were the same, refused, others; and what the program says where it ends otherwise."""
    command = [str(program("damage", *sanitizers(), "-O1")), str(case), str(seed), str(first), str(last)]
    environment = {**os.environ, "ASAN_OPTIONS": LARGEST}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        return [0, 0, 0], done.stderr
    return [int(part.split()[0]) for part in done.stdout.split(",")[:3]], ""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--damages", type=int, default=2000, help="of each case")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", choices=FRAMES + EVENTS + TREES)
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for name in [options.case] if options.case else FRAMES + EVENTS + TREES:
            case, outcomes, last = made(name, Path(folder)), [0, 0, 0], options.first + options.damages
            began = time.monotonic()
            for first in range(options.first, last, STEP):
                more, problem = damage(case, options.seed, first, min(first + STEP, last))
                outcomes = [a + b for a, b in zip(outcomes, more, strict=True)]
                if problem:
                    failed = True
                    print(f"{name}, damages from {first} on: {problem}")
            same, refused, others = outcomes
            print(f"{name}: {same} same, {refused} refused, {others} others", flush=True)
            if options.evidence is not None:
                row = {
                    "case": name,
                    "damages": sum(outcomes),
                    "same": same,
                    "refused": refused,
                    "others": others,
                }
                page(options.evidence).note([{**row, "seconds": round(time.monotonic() - began)}])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
