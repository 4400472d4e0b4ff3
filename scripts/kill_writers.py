"""Kill `compress` and `decompress` with SIGKILL at every write, fsync and rename, and at random times.

    python scripts/kill_writers.py --kills 500 --seed 1

After each kill the target is the old file, byte for byte, or the whole new one; no temporary is left after the next
run. Half of the kills happen in the middle of a step (a write that is killed has written half; one in five is around
the rename), half at any time.
Each run is a fork of this process, so that 500 take minutes.
"""

from __future__ import annotations

import argparse
import io
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import hepae
from hepae.errors import HepaeError
from hepae.recipe import recipe_of

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "sample.root"
OLD = b"what was here before"
BUFFER = 1 << 14
"""Bytes of each write: small, so that there are many."""

LATE, ANY_STEP = 0.2, 0.3
"""Shares of the kills around the rename and at any step; the others are at any time."""

LAST_STEPS = 10
"""From the flush before the rename to the end."""


class Death:
    """Counts steps, and kills this process in the middle of one of them; 0 for none."""

    def __init__(self, step: int) -> None:
        self.step, self.steps = step, 0

    def __call__(self, before: Callable[[], object] | None = None) -> None:
        """Another step; ``before`` is done before dying."""
        self.steps += 1
        if self.steps == self.step:
            if before is not None:
                before()
            os.kill(os.getpid(), signal.SIGKILL)


def install(death: Death) -> None:
    """Let everything that changes the disk count."""
    system: Any = os
    opened, fsync = Path.open, os.fsync
    names = ("replace", "touch", "unlink", "chmod")
    originals: dict[str, Callable[..., Any]] = {name: getattr(Path, name) for name in names}

    class Stream(io.FileIO):
        def write(self, data: Any) -> int:
            death(lambda: io.FileIO.write(self, bytes(data)[: len(data) // 2]))
            return super().write(data) or 0

    def open_counted(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode == "wb":
            return io.BufferedWriter(Stream(path, "wb"), BUFFER)
        return opened(path, mode, *arguments, **options)

    def counted(name: str) -> Callable[..., Any]:
        def call(path: Path, *arguments: Any, **options: Any) -> Any:
            death()
            done = originals[name](path, *arguments, **options)
            death()
            return done

        return call

    def fsync_counted(descriptor: Any) -> None:
        death()
        fsync(descriptor)
        death()

    patched: Any = Path
    patched.open, system.fsync = open_counted, fsync_counted
    for name in names:
        setattr(patched, name, counted(name))


@dataclass(frozen=True)
class Job:
    """Something that writes a file, and the bytes that it writes when nobody kills it."""

    name: str
    run: Callable[[Path], object]
    new: bytes
    steps: int
    seconds: float


def forked(
    run: Callable[[Path], object], target: Path, step: int = 0, after: float | None = None
) -> tuple[bool, int]:
    """Run in a child, killed at that step or after so many seconds: whether it died, and the steps it made."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        death = Death(step)
        install(death)
        code = 1
        try:
            run(target)
            os.write(write, death.steps.to_bytes(4, "little"))
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    told = os.read(read, 4)
    os.close(read)
    died = os.WIFSIGNALED(status)
    if not died and os.waitstatus_to_exitcode(status):
        raise HepaeError("a run that was not killed failed", where=target, got=status)
    return died, int.from_bytes(told, "little")


def jobs(folder: Path) -> list[Job]:
    """`compress` and `decompress` of the bundled sample, each run once to the end."""
    model = hepae.train([SAMPLE], collection="Muon", recipe=recipe_of({"codec": "lifting"}))
    small = folder / "small.root"
    hepae.compress(SAMPLE, small, model=model, threads=1)
    found = []
    for name, run in (
        ("compress", lambda target: hepae.compress(SAMPLE, target, model=model, threads=2)),
        ("decompress", lambda target: hepae.decompress(small, target)),
    ):
        target = folder / f"{name}.reference"
        began = time.perf_counter()
        _, steps = forked(run, target)
        found.append(Job(name, run, target.read_bytes(), steps, time.perf_counter() - began))
    return found


def kill(job: Job, folder: Path, rng: np.random.Generator) -> str:
    """One kill, and what the target is after it.

    Raises
    ------
    HepaeError
        If it is neither the old file nor the new one.
    """
    target = folder / f"{job.name}.root"
    existed = bool(rng.random() < 0.7)
    if existed:
        target.write_bytes(OLD)
    else:
        target.unlink(missing_ok=True)
    chance = rng.random()
    if chance < LATE:
        died, _ = forked(job.run, target, step=job.steps - int(rng.integers(LAST_STEPS)))
    elif chance < LATE + ANY_STEP:
        died, _ = forked(job.run, target, step=int(rng.integers(1, job.steps + 1)))
    else:
        died, _ = forked(job.run, target, after=float(rng.uniform(0, 1.1 * job.seconds)))
    found = target.read_bytes() if target.exists() else None
    if found == job.new:
        return f"{job.name}: {'killed, ' if died else 'finished, '}new"
    if died and found == (OLD if existed else None):
        return f"{job.name}: killed, {'old' if existed else 'none'}"
    raise HepaeError(
        f"{job.name} left something half", where=target, got=None if found is None else len(found)
    )


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng, found = np.random.default_rng(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="hepae-kills-") as name:
        folder = Path(name)
        ready = jobs(folder)
        for number in range(options.kills):
            found[kill(ready[number % len(ready)], folder, rng)] += 1
        left = {path.name for path in folder.iterdir() if path.suffix == ".part"}
        for job in ready:
            job.run(folder / f"{job.name}.root")
        stray = [path.name for path in folder.iterdir() if path.suffix == ".part"]
    print(
        f"{options.kills} kills: {dict(sorted(found.items()))}; {len(left)} temporaries left before the last run"
    )
    if stray:
        print(f"left after it: {stray}")
    return int(bool(stray))


if __name__ == "__main__":
    sys.exit(main())
