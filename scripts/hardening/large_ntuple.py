"""RNTuples in files beyond 2 GiB, where positions take 8 bytes: written, compressed, decompressed, skimmed, read.

    python -m scripts.hardening.large_ntuple --folder FOLDER --evidence docs/evidence/large.md

An RNTuple with an array of random numbers, which stays as it is, and columns that are compressed, is written with
another one behind it; four such files take 10 GB in the folder. hepae, plain uproot and the ROOT wheel open each, and
read the last entries.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import awkward as ak
import numpy as np
import uproot

import hepae
from hepae.files.skim.file import skim
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import Compression
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.plain import append_cluster, plain_header
from hepae.root.ttree.plan import NewBranch
from scripts.hardening import evidence
from tests.root_process import in_root

PER_CLUSTER, NUMBERS = 200_000, 64
"""Entries, of 512 bytes each and more: a cluster has 100 MB, as ROOT's have."""
CLUSTERS = 28
LAST = 5
"""Entries that are compared."""
QUICK = Compression("zstd", 1)
PLAN = (
    NewBranch("noise", "float64", "", None, (NUMBERS,), QUICK),
    NewBranch("event", "uint64", compression=QUICK),
    NewBranch("pt", "float32", "", "", (), QUICK),
)
RUNS = (NewBranch("run", "uint32", compression=QUICK),)
CUT = f"event >= {PER_CLUSTER}"
COLUMNS = ("file", "GB", "entries", "CPU seconds", "verified", "uproot", "ROOT")
SOURCES = ("hepae/root", "hepae/files", "hepae/stored", "scripts/hardening/large_ntuple.py")
TEXT = """
RNTuples in files beyond 2 GiB: an array of random numbers that is kept, columns that are compressed, a second RNTuple
behind. *verified*: `hepae verify` against the original; *uproot*, *ROOT*: the last entries are those that were written,
of the fields that are not compressed. Made by
`python -m scripts.hardening.large_ntuple --folder FOLDER --evidence docs/evidence/large.md`.
"""
Made = TypeVar("Made")
READ = """
result = []
for name, field in (("Events", "noise"), ("Runs", "run")):
    frame = ROOT.RDataFrame(name, paths[0])
    total = frame.Count().GetValue()
    last = frame.Range(total - 5, total).AsNumpy([field])[field]
    result.append([total, [list(map(float, row)) if field == "noise" else float(row) for row in last]])
"""


@dataclass(frozen=True)
class Last:
    """The last entries of a file."""

    entries: int
    noise: list[list[float]]


def main() -> int:
    """Write, and look at, each file; 1 if anything is not as it was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="where 10 GB have room")
    parser.add_argument("--evidence", type=Path, help="page to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        rows = list(shown(Path(name)))
    if options.evidence:
        evidence.Page(options.evidence, "Large RNTuples", TEXT, COLUMNS, SOURCES, ("ROOT", "uproot")).note(
            rows
        )
    return int(any("differs" in row.values() for row in rows))


def shown(folder: Path) -> Iterator[dict[str, object]]:
    """A row for each file."""
    plain, small, back, some = (folder / f"{name}.root" for name in ("plain", "small", "back", "some"))
    seconds, last = timed(lambda: written(plain))
    yield row("as written", plain, seconds, last, None)
    seconds, _ = timed(lambda: hepae.compress(plain, small, skip=["noise", "run"]))
    yield row("compressed", small, seconds, last, plain)
    seconds, _ = timed(lambda: hepae.decompress(small, back))
    small.unlink()
    yield row("decompressed", back, seconds, last, plain)
    back.unlink()
    seconds, _ = timed(lambda: skim(plain, some, CUT, tree="Events"))
    yield row("skimmed", some, seconds, Last(last.entries - PER_CLUSTER, last.noise), None)


def written(path: Path) -> Last:
    """A file of more than 2 GiB; its last entries."""
    rng = np.random.default_rng(1)
    noise = rng.random((PER_CLUSTER, NUMBERS))
    with RootWriter(path, ntuples=True) as out:
        events = out.new_ntuple("Events", plain_header("Events", "many events", PLAN))
        for number in range(CLUSTERS):
            counts = np.arange(PER_CLUSTER) % 3
            noise[:, 0] = number
            columns: dict[str, Column] = {
                "noise": noise,
                "event": np.arange(PER_CLUSTER, dtype=np.uint64) + np.uint64(number * PER_CLUSTER),
                "pt": Jagged(counts, np.round(rng.exponential(30, int(counts.sum()))).astype(np.float32)),
            }
            append_cluster(events, PLAN, columns, PER_CLUSTER)
        events.finish()
        runs = out.new_ntuple("Runs", plain_header("Runs", "", RUNS))
        append_cluster(runs, RUNS, {"run": np.arange(LAST, dtype=np.uint32)}, LAST)
        runs.finish()
    return Last(CLUSTERS * PER_CLUSTER, noise[-LAST:].tolist())


def row(name: str, path: Path, seconds: float, last: Last, original: Path | None) -> dict[str, object]:
    """What a file is, and what readers make of it."""
    size = path.stat().st_size
    assert size > 1 << 31
    found = {
        "verified": word(original is None or hepae.verify(original, path).kept),
        "uproot": word(of_uproot(path) == last),
        "ROOT": word(of_root(path) == last),
    }
    values = {"file": name, "GB": size / 1e9, "entries": last.entries, "CPU seconds": seconds, **found}
    print(*values.values(), sep=" | ", flush=True)
    return values


def word(same: bool) -> str:
    """An outcome in a word."""
    return "same" if same else "differs"


def of_uproot(path: Path) -> Last:
    """What plain uproot reads, and hepae of the entries that it restores."""
    with uproot.open(path) as file:
        entries = file["Events"].num_entries
        noise = file["Events"]["noise"].array(entry_start=entries - LAST)
        assert file["Runs"]["run"].array().to_list() == [*range(LAST)]
    with open_source(path) as source, hepae.open(path) as file:
        assert source.tree("Runs").num_entries == LAST
        numbers = file["Events"]["event"].array(entry_start=entries - LAST)
        counts = ak.num(file["Events"]["pt"].array(entry_start=entries - LAST)).to_list()
    total = CLUSTERS * PER_CLUSTER
    assert numbers.to_list() == [*range(total - LAST, total)]
    assert counts == [(PER_CLUSTER - LAST + n) % 3 for n in range(LAST)]
    return Last(entries, noise.to_list())


def of_root(path: Path) -> Last:
    """What ROOT reads."""
    (entries, noise), runs = in_root(READ, path)
    assert runs == [LAST, [float(n) for n in range(LAST)]]
    return Last(entries, noise)


def timed(work: Callable[[], Made]) -> tuple[float, Made]:
    """Seconds of the processor in this process, and what came of it."""
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


if __name__ == "__main__":
    sys.exit(main())
