"""Every float32 there is, under bounds of every kind, against an oracle of its own: no violation in 2**32 patterns.

    python scripts/exhaustive.py --state exhaustive.json            # all of it, hours; resumes where it was stopped
    python scripts/exhaustive.py --blocks 0:4 --bound rel:1e-3      # a part

The patterns are cut into 4,096 blocks of 2**20. The oracle is written here, in NumPy float64 and on bit patterns: it
shares no code with `hepae.bounds`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepae.bounds import parse
from hepae.lattice import Lattice
from hepae.lattice_fit import fit_lattice

BLOCK = 1 << 20
BLOCKS = (1 << 32) // BLOCK
BOUNDS = (
    "abs:1e-3", "abs:0.1", "abs:1e-5", "rel:1e-3", "rel:1e-2", "rel:1e-5", "bits:9", "bits:4", "bits:16", "exact",
)  # fmt: skip

Patterns = NDArray[np.uint32]


def patterns(block: int) -> Patterns:
    """The patterns of a block, one after the other."""
    return np.asarray(np.arange(BLOCK, dtype=np.uint32) + np.uint32(block * BLOCK))


def stratified(seed: int, bits: int = 20) -> Patterns:
    """Of each run of 2**(32 - bits) patterns one, at random: every sign and exponent alike."""
    step = 1 << 32 - bits
    offset = np.random.default_rng(seed).integers(0, step, 1 << bits, np.uint32)
    return np.asarray(np.arange(1 << bits, dtype=np.uint32) * np.uint32(step) + offset)


@cache
def lattice(bound: str) -> Lattice:
    """The lattice of a feature like pt, with sentinels, under that bound."""
    rng = np.random.default_rng(1)
    values = (20 * (1 + rng.pareto(2.5, 20_000))).astype(np.float32)
    values[::20] = -999
    values[7::40] = -0.0
    return fit_lattice(values, parse(bound))


def violations(stored: Patterns, restored: Patterns, bound: str) -> NDArray[np.int64]:
    """Where a restored pattern breaks the promise.

    Finite numbers other than zero are within the bound; all else is the same bit for bit: NaN with its payload,
    infinities, both zeros.
    """
    kind, _, size = bound.partition(":")
    exponent, fraction = (stored >> 23) & 0xFF, stored & 0x7FFFFF
    number = (exponent != 0xFF) & ((exponent != 0) | (fraction != 0))
    same = stored == restored
    if kind == "exact":
        return np.flatnonzero(~same)
    with np.errstate(all="ignore"):
        x, y = (bits.view(np.float32).astype(np.float64) for bits in (stored, restored))
        allowed = (
            float(size)
            if kind == "abs"
            else np.abs(x) * (2.0 ** -(int(size) + 1) if kind == "bits" else float(size))
        )
        within = np.abs(y - x) <= allowed
    return np.flatnonzero(~(same | (number & within)))


def restored(stored: Patterns, bound: str) -> Patterns:
    """To the lattice and back."""
    found = lattice(bound)
    q, escaped = found.to_integers(stored.view(np.float32), parse(bound))
    return found.to_values(q, escaped).view(np.uint32)


def check(job: tuple[int, str]) -> tuple[int, str, int, str]:
    """Violations of a block, and the first of them."""
    block, bound = job
    stored = patterns(block)
    back = restored(stored, bound)
    bad = violations(stored, back, bound)
    first = f"{stored[bad[0]]:08x} came back as {back[bad[0]]:08x}" if len(bad) else ""
    return block, bound, len(bad), first


def run(blocks: Iterable[int], bounds: Iterable[str], state: Path | None, workers: int) -> int:
    """Check blocks that the state has not, and note them in it; return the number of violations."""
    done: dict[str, dict[str, int]] = (
        json.loads(state.read_text()) if state is not None and state.exists() else {}
    )
    jobs = [(block, bound) for bound in bounds for block in blocks if str(block) not in done.get(bound, {})]
    began = time.perf_counter()
    with ProcessPoolExecutor(workers) as pool:
        for number, (block, bound, bad, first) in enumerate(pool.map(check, jobs), 1):
            done.setdefault(bound, {})[str(block)] = bad
            if bad:
                print(f"{bound}, block {block}: {bad} violations, {first}")
            if state is not None and (number % 64 == 0 or number == len(jobs)):
                state.with_suffix(".part").write_text(json.dumps(done))
                state.with_suffix(".part").replace(state)
    total = 0
    for bound, found in done.items():
        total += sum(found.values())
        print(f"{bound}: {len(found) * BLOCK:,} patterns, {sum(found.values())} violations")
    print(f"{len(jobs)} blocks in {time.perf_counter() - began:.0f} s")
    return total


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", default=f"0:{BLOCKS}", metavar="FIRST:LAST[:STEP]", help=f"of {BLOCKS}")
    parser.add_argument("--bound", action="append", help="only these")
    parser.add_argument("--state", type=Path, help="file to note what is done in, and to resume from")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    blocks = range(*map(int, options.blocks.split(":")))
    return int(run(blocks, options.bound or BOUNDS, options.state, options.workers) > 0)


if __name__ == "__main__":
    sys.exit(main())
