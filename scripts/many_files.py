"""Compress a few hundred files over a dask cluster of two worker processes, one of which is killed on the way.

    python scripts/many_files.py --files 200

Prints what came out, and how much faster two workers are than one. The files are slices of the bundled sample; nothing
is kept unless a folder is named. Needs `pip install 'hepae[hooks]'`.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, LocalCluster

import hepae
from hepae.root import NewBranch, RootWriter, TreeReader, open_source

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "sample.root"
BOUNDS = ["*=abs:1e-3", "pt,mass,leadTrackPt=rel:1e-3"]


def main() -> None:
    """Make the files, compress them, count and time."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="hepae-many-") as temporary:
        folder = options.folder or Path(temporary)
        files = slices(folder / "in", options.files, options.events)
        model = hepae.train(
            [SAMPLE], collection="Jet", bounds=BOUNDS, recipe=hepae.Recipe(codec="lifting", effort="fast")
        )
        show_killed(files, folder / "out", model)
        show_speed(files[: options.timed], folder, model, options.repeat)


def arguments() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description="many files over a dask cluster")
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--events", type=int, default=1200, help="events in each")
    parser.add_argument("--timed", type=int, default=40, help="files in each measurement of speed")
    parser.add_argument("--repeat", type=int, default=3, help="measurements of speed")
    parser.add_argument("--folder", type=Path, help="keep everything here")
    return parser.parse_args()


def slices(folder: Path, files: int, events: int) -> list[Path]:
    """So many files with runs of events of the sample, each beginning elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_source(SAMPLE) as source:
        tree = source.tree("Events")
        starts = [number * (tree.num_entries - events) // max(files - 1, 1) for number in range(files)]
        paths = [folder / f"events_{number:04}.root" for number in range(files)]
        for start, path in zip(starts, paths, strict=True):
            write_slice(tree, path, start, start + events)
    return paths


def write_slice(tree: TreeReader, path: Path, start: int, stop: int) -> None:
    """One file with the events ``start`` to ``stop``."""
    plan = [NewBranch(b.name, b.dtype, b.title, b.counter, b.shape) for b in tree.branches.values()]
    with RootWriter(path) as out:
        new = out.new_tree(tree.name, plan, tree.title)
        new.append({name: tree.read(name, start, stop) for name in tree.branches})
        new.finish()


@contextmanager
def cluster(workers: int) -> Iterator[Client]:
    """Worker processes of one thread each, which have imported hepae already."""
    options = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(**options) as local, Client(local) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(workers)
        client.run(importable)
        yield client


def compressed(files: list[Path], out: Path, model: hepae.Model, client: Client) -> hepae.ManyFiles:
    """All files over the workers."""
    executor = client.get_executor()  # type: ignore[no-untyped-call]
    return hepae.compress_files(files, out, model=model, executor=executor)


def importable() -> str:
    """Version of hepae in a worker."""
    return hepae.__version__


def show_killed(files: list[Path], out: Path, model: hepae.Model) -> None:
    """Two workers; the first is killed when a quarter of the files is done."""
    with cluster(2) as client:
        victim = min(client.run(os.getpid).values())
        killer = threading.Thread(target=kill_when, args=(victim, out, len(files) // 4))
        killer.start()
        began = time.perf_counter()
        done = compressed(files, out, model, client)
        seconds = time.perf_counter() - began
        killer.join()
        again = compressed(files, out, model, client)
    kept = sum(hepae.verify(outcome.source, outcome.target).kept for outcome in done.outcomes)
    before, after = (sum(path.stat().st_size for path in paths) for paths in (files, out.glob("*.root")))
    leftovers = len(list(out.glob(".*.part")))
    print(f"{len(files)} files on 2 workers, one killed: {seconds:.1f} s, {len(done.failed)} failed")
    print(f"verified by another process: {kept} of {len(files)}; leftovers: {leftovers}")
    print(f"{before:,} B before, {after:,} B after")
    print(f"run again: {sum(outcome.state == 'present' for outcome in again.outcomes)} found done")
    for outcome in done.failed + again.failed:
        print(f"failed: {outcome.source}: {outcome.error}")


def kill_when(process: int, out: Path, files: int) -> None:
    """Kill a process as soon as so many outputs are there."""
    while len(list(out.glob("*.root"))) < files:
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)


def show_speed(files: list[Path], folder: Path, model: hepae.Model, repeat: int) -> None:
    """One worker and two, in turns, on the same files."""
    taken: dict[int, list[float]] = {1: [], 2: []}
    busiest: dict[int, list[float]] = {1: [], 2: []}
    for turn in range(repeat):
        for workers in taken:
            with cluster(workers) as client:
                # the first file of each worker loads the model and warms it up
                compressed(files[:workers], folder / f"warm-{turn}-{workers}", model, client)
                began, before = time.perf_counter(), client.run(time.process_time)
                done = compressed(files, folder / f"timed-{turn}-{workers}", model, client)
                taken[workers].append(time.perf_counter() - began)
                after = client.run(time.process_time)
                busiest[workers].append(max(after[worker] - before[worker] for worker in before))
                assert not done.failed
    for what, seconds in (("wall clock", taken), ("CPU of the busiest worker", busiest)):
        listed = {workers: ", ".join(f"{one:.2f}" for one in found) for workers, found in seconds.items()}
        one, two = (statistics.median(found) for found in seconds.values())
        print(
            f"{what}, {len(files)} files: 1 worker {listed[1]} s; 2 workers {listed[2]} s; medians {one / two:.2f}"
        )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
