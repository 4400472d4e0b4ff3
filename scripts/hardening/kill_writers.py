"""Kill `compress` and `decompress` with SIGKILL at every write, fsync and rename, and at random times.

    python -m scripts.hardening.kill_writers --kills 500 --seed 1

After each kill the target is the old file, byte for byte, or the whole new one; no temporary is left after the next
run. First every step of both is killed in its middle (a write that is killed has written half; whatever else changes
the disk is killed before and after), once with an old file in the place of the target and once without; the other
kills come at any time. With fewer kills than there are steps, steps and times are drawn. Each run is a fork of this
process, so that 500 take minutes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hepae
from hepae.errors import HepaeError
from hepae.learn.recipe import recipe_of
from scripts.hardening import evidence

SAMPLE = Path(__file__).parent.parent.parent / "tests" / "data" / "sample.root"
OLD = b"what was here before"
BUFFER = 1 << 14
"""Bytes of each write: small, so that there are many."""

SOURCES = ("hepae/files", "hepae/root", "hepae/stored", "hepae/read", "scripts/hardening/kill_writers.py")

MIDDLE, BEFORE, AFTER = "in the middle of", "before", "after"
ANY_TIME = "at any time"


class Death:
    """Notes steps, and kills this process in the middle of one of them; 0 for none."""

    def __init__(self, step: int) -> None:
        self.step, self.steps = step, list[str]()

    def __call__(self, name: str, first: Callable[[], object] | None = None) -> None:
        """Another step; ``first`` is done before dying."""
        self.steps.append(name)
        if len(self.steps) == self.step:
            if first is not None:
                first()
            os.kill(os.getpid(), signal.SIGKILL)


def install(death: Death) -> None:
    """Let everything that changes the disk count."""
    system: Any = os
    opened, fsync = Path.open, os.fsync
    names = {"replace": "rename", "touch": "touch", "unlink": "unlink", "chmod": "chmod"}
    originals: dict[str, Callable[..., Any]] = {name: getattr(Path, name) for name in names}

    class Stream(io.FileIO):
        def write(self, data: Any) -> int:
            death(f"{MIDDLE} a write", lambda: io.FileIO.write(self, bytes(data)[: len(data) // 2]))
            return super().write(data) or 0

    def open_counted(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode == "wb":
            return io.BufferedWriter(Stream(path, "wb"), BUFFER)
        return opened(path, mode, *arguments, **options)

    def counted(name: str) -> Callable[..., Any]:
        def call(path: Path, *arguments: Any, **options: Any) -> Any:
            death(f"{BEFORE} {names[name]}")
            done = originals[name](path, *arguments, **options)
            death(f"{AFTER} {names[name]}")
            return done

        return call

    def fsync_counted(descriptor: Any) -> None:
        death(f"{BEFORE} fsync")
        fsync(descriptor)
        death(f"{AFTER} fsync")

    patched: Any = Path
    patched.open, system.fsync = open_counted, fsync_counted
    for name in names:
        setattr(patched, name, counted(name))


@dataclass(frozen=True)
class Job:
    """Something that writes a file: the bytes and the steps when nobody kills it."""

    name: str
    run: Callable[[Path], object]
    new: bytes
    steps: list[str]
    seconds: float


@dataclass(frozen=True)
class Kill:
    """A job, whether there is an old file, and the step to kill it at; 0 for any time."""

    job: Job
    existed: bool
    step: int

    @property
    def place(self) -> str:
        """Where it is killed, in words."""
        return self.job.steps[self.step - 1] if self.step else ANY_TIME


def forked(
    run: Callable[[Path], object], target: Path, step: int = 0, after: float | None = None
) -> tuple[bool, list[str]]:
    """Run in a child, killed at that step or after so many seconds: whether it died, and the steps of a whole run."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        death = Death(step)
        install(death)
        code = 1
        try:
            run(target)
            os.write(write, json.dumps(death.steps).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    told = os.read(read, 1 << 16)
    os.close(read)
    died = os.WIFSIGNALED(status)
    if not died and os.waitstatus_to_exitcode(status):
        raise HepaeError("a run that was not killed failed", where=target, got=status)
    return died, json.loads(told) if told else []


def jobs(folder: Path) -> list[Job]:
    """`compress` and `decompress` of the bundled sample, each run once to the end."""
    model = hepae.train([SAMPLE], collection="Muon", recipe=recipe_of({"codec": "lifting"}))
    small = folder / "small.root"
    hepae.compress(SAMPLE, small, model=model, threads=1, force=True)
    found = []
    for name, run in (
        ("compress", lambda target: hepae.compress(SAMPLE, target, model=model, threads=2, force=True)),
        ("decompress", lambda target: hepae.decompress(small, target, force=True)),
    ):
        target = folder / f"{name}.root"
        target.write_bytes(OLD)
        began = time.perf_counter()
        _, steps = forked(run, target)
        found.append(Job(name, run, target.read_bytes(), steps, time.perf_counter() - began))
    return found


def planned(ready: Sequence[Job], kills: int, rng: np.random.Generator) -> Iterator[Kill]:
    """Every step of every job, then any time; half and half where there are fewer kills than steps."""
    every = [
        Kill(job, existed, step + 1)
        for job in ready
        for existed in (True, False)
        for step in range(len(job.steps))
    ]
    if kills < len(every):
        every = [every[number] for number in rng.permutation(len(every))[: (kills + 1) // 2]]
    yield from every
    for number in range(kills - len(every)):
        yield Kill(ready[number % len(ready)], bool(rng.random() < 0.5), 0)


def outcome(kill: Kill, folder: Path, rng: np.random.Generator) -> str:
    """Do it: what the target is after it.

    Raises
    ------
    HepaeError
        If it is neither the old file nor the new one.
    """
    job, target = kill.job, folder / f"{kill.job.name}.root"
    target.unlink(missing_ok=True)
    if kill.existed:
        target.write_bytes(OLD)
    after = None if kill.step else float(rng.uniform(0, 1.1 * job.seconds))
    died, _ = forked(job.run, target, kill.step, after)
    found = target.read_bytes() if target.exists() else None
    if found == job.new:
        return "the new file" if died else "not killed in time"
    if died and found == (OLD if kill.existed else None):
        return "the old file" if kill.existed else "no file, as before"
    raise HepaeError(
        f"{job.name}, killed {kill.place}, left something half",
        where=target,
        got=None if found is None else len(found),
    )


OUTCOMES = ("the old file", "no file, as before", "the new file", "not killed in time")


def page(path: Path) -> evidence.Page:
    """The page that tells of it."""
    return evidence.Page(
        path,
        "Killed while they write",
        "`compress` and `decompress` of the bundled sample are killed with SIGKILL, at every step that changes the\n"
        "disk and at any time. After each kill the target is compared byte for byte: anything but the old file (or\n"
        "none, where there was none) and the whole new one ends the run with an error. Made by `make kills`.",
        ("killed", "kills", *OUTCOMES, "something half"),
        SOURCES,
        ("numpy", "uproot"),
    )


def rows(found: Counter[tuple[str, str]]) -> list[dict[str, object]]:
    """The rows of that page: each place, and all."""
    places = sorted({place for place, _ in found}, key=lambda place: (place == ANY_TIME, place))
    sums: dict[str, dict[str, int]] = {
        place: {word: found[place, word] for word in OUTCOMES} for place in places
    }
    sums["all"] = {word: sum(row[word] for row in sums.values()) for word in OUTCOMES}
    return [
        {"killed": place, "kills": sum(row.values()), **row, "something half": 0}
        for place, row in sums.items()
    ]


def stray(folder: Path) -> list[str]:
    """Temporaries that are there."""
    return [path.name for path in folder.iterdir() if path.suffix == ".part"]


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    rng, found = np.random.default_rng(options.seed), Counter[tuple[str, str]]()
    with tempfile.TemporaryDirectory(prefix="hepae-kills-") as name:
        folder = Path(name)
        ready = jobs(folder)
        for kill in planned(ready, options.kills, rng):
            found[kill.place, outcome(kill, folder, rng)] += 1
        left = stray(folder)
        for job in ready:
            job.run(folder / f"{job.name}.root")
        after = stray(folder)
    for row in rows(found):
        print(", ".join(f"{word}: {evidence.shown(value)}" for word, value in row.items()))
    print(f"temporaries left by the kills: {len(left)}; after the next run: {after}")
    if options.evidence is not None and not after:
        page(options.evidence).note(rows(found))
    return int(bool(after))


if __name__ == "__main__":
    sys.exit(main())
