"""Every float32 there is, under bounds of every kind, against an oracle of its own: no violation in 2**32 patterns.

    python -m scripts.hardening.exhaustive --state exhaustive.json # all of it: a quarter of an hour of one core
    python -m scripts.hardening.exhaustive --parts 0:4 --case rel:1e-3        # some of it

Where it was stopped it goes on. The patterns are cut into 256 parts by their first byte. The oracle is written here, in
NumPy float64 and on bit patterns: it shares no code with `hepae.core.values.bounds`. What was found is told in
`docs/evidence/exhaustive.md`; the state belongs to the sources that it was made with and to no others.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepae.core.arithmetic.memory import keep_freed_memory
from hepae.core.values.bounds import parse
from hepae.core.values.dither import places
from hepae.core.values.lattice import Lattice
from hepae.core.values.lattice_fit import fit_lattice
from hepae.errors import InputError
from scripts.hardening import evidence

PARTS = 256
PART = (1 << 32) // PARTS
BLOCK = 1 << 18
"""Patterns at once: their arrays stay in the cache of a core."""

SOURCES = tuple(
    f"hepae/core/{name}.py"
    for name in (
        "values/bounds",
        "values/lattice",
        "values/lattice_fit",
        "arithmetic/tabulated",
        "values/dither",
    )
)

Patterns = NDArray[np.uint32]


@dataclass(frozen=True)
class Case:
    """A bound, the mantissa bits of the data that the lattice is fitted to, and whether it is dithered."""

    bound: str
    mantissa: int = 23
    dither: bool = False

    def __str__(self) -> str:
        data = f", data of {self.mantissa} mantissa bits" if self.mantissa < 23 else ""
        return f"{self.bound}{data}{', dither' if self.dither else ''}"


CASES = {
    str(case): case
    for case in (
        *map(Case, ("abs:1e-3", "abs:0.1", "abs:1e-5", "rel:1e-3", "rel:1e-2", "rel:1e-5")),
        *map(Case, ("bits:9", "bits:4", "bits:16", "exact")),
        *(Case("exact", mantissa=mantissa) for mantissa in (10, 4)),
        *(Case(bound, dither=True) for bound in ("abs:1e-3", "rel:1e-3", "bits:9")),
    )
}


def patterns(start: int) -> Patterns:
    """A block of patterns, one after the other."""
    return np.asarray(np.arange(BLOCK, dtype=np.uint32) + np.uint32(start))


def stratified(seed: int, bits: int = 20) -> Patterns:
    """Of each run of 2**(32 - bits) patterns one, at random: every sign and exponent alike."""
    step = 1 << 32 - bits
    offset = np.random.default_rng(seed).integers(0, step, 1 << bits, np.uint32)
    return np.asarray(np.arange(1 << bits, dtype=np.uint32) * np.uint32(step) + offset)


@cache
def lattice(case: Case) -> Lattice:
    """The lattice of a feature like pt, with small numbers of every magnitude, sentinels, NaN and -0.0 among them."""
    rng = np.random.default_rng(1)
    values = (20 * (1 + rng.pareto(2.5, 20_000))).astype(np.float32)
    values[::20] = 10.0 ** rng.uniform(-37, 1, len(values[::20]))
    bits = values.view(np.uint32)
    bits &= np.uint32(2**32 - (1 << 23 - case.mantissa))
    values[1::20], values[2::40] = -999, -0.0
    bits[3::50] = 0x7FC01234
    return fit_lattice(values, parse(case.bound), case.dither)


def restored(stored: Patterns, case: Case) -> Patterns:
    """To the lattice and back."""
    found = lattice(case)
    place = places(len(stored), 3) if case.dither else None
    q, escaped = found.to_integers(stored.view(np.float32), parse(case.bound), place)
    return found.to_values(q, escaped, place).view(np.uint32)


def violations(stored: Patterns, restored: Patterns, bound: str) -> NDArray[np.int64]:
    """Where a restored pattern breaks the promise.

    Finite numbers other than zero are within the bound; all else is the same bit for bit: NaN with its payload,
    infinities, both zeros.
    """
    kind, _, size = bound.partition(":")
    same = stored == restored
    if kind == "exact":
        return np.flatnonzero(~same)
    exponent, fraction = (stored >> 23) & 0xFF, stored & 0x7FFFFF
    number = (exponent != 0xFF) & ((exponent != 0) | (fraction != 0))
    with np.errstate(all="ignore"):
        x, y = (bits.view(np.float32).astype(np.float64) for bits in (stored, restored))
        allowed = (
            float(size)
            if kind == "abs"
            else np.abs(x) * (2.0 ** -(int(size) + 1) if kind == "bits" else float(size))
        )
        within = np.abs(y - x) <= allowed
    return np.flatnonzero(~(same | (number & within)))


@dataclass(frozen=True)
class Found:
    """What a part came to: violations, patterns that were moved (rightly or not), CPU seconds."""

    violations: int
    moved: int
    seconds: float
    first: str = ""


def check(job: tuple[str, int]) -> Found:
    """Check a part."""
    keep_freed_memory()
    case, start = CASES[job[0]], job[1] * PART
    began, broken, moved, first = time.process_time(), 0, 0, ""
    for block in range(start, start + PART, BLOCK):
        stored = patterns(block)
        back = restored(stored, case)
        moved += int(np.count_nonzero(stored != back))
        bad = violations(stored, back, case.bound)
        broken += len(bad)
        if len(bad) and not first:
            first = f"{stored[bad[0]]:08x} came back as {back[bad[0]]:08x}"
    return Found(broken, moved, time.process_time() - began, first)


State = dict[str, Any]


def read_state(path: Path | None) -> State:
    """What is done already.

    Raises
    ------
    InputError
        If that was done with other sources, of which it says nothing here.
    """
    sources = evidence.digest(SOURCES)
    state: State = {"sources": sources, "cases": {}}
    if path is not None and path.exists():
        state = json.loads(path.read_text())
        if state["sources"] != sources:
            raise InputError(
                "a state of other sources",
                where=path,
                expected=sources,
                got=state["sources"],
                hint="delete it",
            )
    return state


def note(state: State, case: str, part: int, found: Found) -> None:
    """Add a part to the state."""
    row = state["cases"].setdefault(case, {"parts": [], "violations": 0, "moved": 0, "seconds": 0.0})
    row["parts"].append(part)
    row["violations"] += found.violations
    row["moved"] += found.moved
    row["seconds"] = round(row["seconds"] + found.seconds, 3)
    row["date"] = evidence.now()


def run(parts: Sequence[int], cases: Iterable[str], path: Path | None, workers: int) -> State:
    """Check parts that the state has not, and note them in it."""
    state = read_state(path)
    jobs = [
        (c, part)
        for c in cases
        for part in parts
        if part not in state["cases"].get(c, {"parts": ()})["parts"]
    ]
    with ProcessPoolExecutor(workers) as pool:
        for number, (job, found) in enumerate(zip(jobs, pool.map(check, jobs), strict=True), 1):
            note(state, *job, found)
            if found.violations:
                print(f"{job[0]}, part {job[1]}: {found.violations} violations, {found.first}", flush=True)
            if path is not None and (number % 16 == 0 or number == len(jobs)):
                path.with_suffix(".part").write_text(json.dumps(state))
                path.with_suffix(".part").replace(path)
    return state


def page(path: Path) -> evidence.Page:
    """The page that tells of it."""
    return evidence.Page(
        path,
        "Every float32 under bounds of every kind",
        "Every one of the 2^32 bit patterns is put on the lattice of a feature like a transverse momentum (with\n"
        "sentinels, NaN and numbers of every magnitude) and restored; an oracle that shares no code with hepae\n"
        "compares. `moved` counts the patterns that came back as another float within the bound: the others came\n"
        "back bit for bit. Made by `make exhaustive`, which goes on where it was stopped.",
        ("case", "patterns", "of all", "violations", "moved", "CPU seconds"),
        SOURCES,
        ("numpy",),
    )


def rows(state: State) -> list[Mapping[str, object]]:
    """The rows of that page."""
    return [
        {
            "case": name,
            "patterns": len(row["parts"]) * PART,
            "of all": f"{len(row['parts']) / PARTS:.0%}",
            "violations": row["violations"],
            "moved": row["moved"],
            "CPU seconds": row["seconds"],
            "run (UTC)": row["date"],
            "sources": state["sources"],
        }
        for name, row in state["cases"].items()
    ]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default=f"0:{PARTS}", metavar="FIRST:LAST[:STEP]", help=f"of {PARTS}")
    parser.add_argument("--case", action="append", choices=CASES, help="only these")
    parser.add_argument("--state", type=Path, help="file to note what is done in, and to resume from")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    parts = range(*map(int, options.parts.split(":")))
    state = run(parts, options.case or CASES, options.state, options.workers)
    for row in rows(state):
        print(", ".join(f"{name} {evidence.shown(value)}" for name, value in row.items()))
    if options.evidence is not None:
        page(options.evidence).note(rows(state))
    return int(any(row["violations"] for row in state["cases"].values()))


if __name__ == "__main__":
    sys.exit(main())
