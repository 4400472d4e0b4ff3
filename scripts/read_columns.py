"""Time what an analysis reads: some columns of a NanoAOD-like file, from the original, a ZSTD-5 copy and hepae's file.

    python -m scripts.read_columns nano_like.root small.root --work /tmp/read --evidence docs/evidence/reading.md

The three are read by turns in one process, each time opened anew; the figures are seconds of CPU, so that other work
on the machine matters less, the smallest and the median of all rounds; then each by itself in a process of its own,
imports and all. ``small.root`` is what `hepae compress` made of the original. The copy is made with ROOT's ``hadd
-f505``; where there is no ROOT it is left out. ``--profile`` shows where hepae's time goes.
"""

from __future__ import annotations

import argparse
import cProfile
import importlib.util
import os
import pstats
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import uproot

import hepae  # noqa: F401 - registers the interpretation of compressed columns
from hepae.core import native
from scripts.hardening import evidence

PAGE = ("file", "decoders", "columns", "file, B", "smallest, s", "median, s", "a process of its own, s")
SOURCES = (
    "hepae/core",
    "hepae/read",
    "hepae/stored",
    "hepae/learn",
    "native/include/hepae",
    "scripts/read_columns.py",
)
TEXT = """
Some columns of a file, as a selection of leptons and jets reads them with uproot: seconds of CPU in one
process, by turns, each file opened anew; then in a process of its own, imports included. The original is
LZMA-9, as NanoAOD is written; the ZSTD-5 copy is made by `hadd -f505`. *Decoders*: of hepae's file, with the
extension `hepae-native` or with NumPy.
"""

COLUMNS = (
    "run,luminosityBlock,event,genWeight,PV_npvsGood,MET_pt,MET_phi,HLT_IsoMu24,"
    "nMuon,Muon_pt,Muon_eta,Muon_phi,Muon_mass,Muon_charge,Muon_tightId,Muon_pfRelIso04_all,"
    "nElectron,Electron_pt,Electron_eta,Electron_phi,Electron_cutBased,"
    "nJet,Jet_pt,Jet_eta,Jet_phi,Jet_mass,Jet_btagDeepFlavB,Jet_jetId"
)
"""What a selection of leptons and jets reads; those that a file lacks are left out."""


def programs() -> str:
    """Where programs are looked for, those of ROOT's wheel among them."""
    found = importlib.util.find_spec("ROOT")
    wheel = [str(Path(found.origin).parent / "bin")] if found is not None and found.origin else []
    return os.pathsep.join([os.environ.get("PATH", ""), *wheel])


def zstd_copy(original: Path, folder: Path) -> Path | None:
    """The original with every basket compressed anew, ZSTD-5; None without ROOT."""
    target, hadd = folder / "zstd5.root", shutil.which("hadd", path=programs())
    if hadd is None:
        return None
    if not target.exists():
        command = [hadd, "-f505", str(target), str(original)]
        subprocess.run(command, check=True, capture_output=True)
    return target


def read(path: Path, tree: str, columns: Sequence[str]) -> float:
    """Seconds of CPU that reading columns takes, the file opened anew."""
    began = time.process_time()
    with uproot.open(path) as file:
        file[tree].arrays(columns)
    return time.process_time() - began


ALONE = """
import sys, uproot
import hepae
with uproot.open(sys.argv[1]) as file:
    file[sys.argv[2]].arrays(sys.argv[3].split(","))
"""


def read_alone(path: Path, tree: str, columns: Sequence[str]) -> float:
    """Seconds of CPU of a process that reads columns and ends."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", ALONE, str(path), tree, ",".join(columns)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rounds(
    files: Mapping[str, Path], tree: str, columns: Sequence[str], times: int
) -> dict[str, list[float]]:
    """Seconds of each file, read by turns; the first turn is left out: modules are imported in it."""
    found: dict[str, list[float]] = {name: [] for name in files}
    for number in range(times + 1):
        for name, path in files.items():
            seconds = read(path, tree, columns)
            if number:
                found[name].append(seconds)
    return found


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("original", type=Path)
    parser.add_argument("small", type=Path)
    parser.add_argument("--work", type=Path, default=Path(), help="folder for the copy")
    parser.add_argument("--tree", default="Events")
    parser.add_argument("--columns", default=COLUMNS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--evidence", type=Path)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    copy = zstd_copy(options.original, options.work)
    files = {"original": options.original, **({"ZSTD-5": copy} if copy else {}), "hepae": options.small}
    with uproot.open(options.original) as file:
        known = set(file[options.tree].keys())
    columns = [name for name in options.columns.split(",") if name in known]
    if options.profile:
        for _ in range(3):  # tables are made when they are first asked for
            read(options.small, options.tree, columns)
        profile = cProfile.Profile()
        profile.runcall(read, options.small, options.tree, columns)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        pstats.Stats(profile).sort_stats("cumtime").print_stats(40)
        return
    seconds = rounds(files, options.tree, columns, options.rounds)
    print(f"{len(columns)} columns of {len(known)}, {options.rounds} rounds, seconds of CPU")
    rows = []
    for name, path in files.items():
        alone = [read_alone(path, options.tree, columns) for _ in range(options.rounds)]
        decoders = "ROOT's" if name != "hepae" else "C++" if native.module() else "NumPy"
        own = min(seconds[name]), statistics.median(seconds[name]), min(alone)
        cells = [f"{path.stat().st_size:,}", *(f"{one:.3f}" for one in own)]
        rows.append(dict(zip(PAGE, [name, decoders, f"{len(columns)} of {len(known)}", *cells], strict=True)))
        print("  ".join(str(cell) for cell in rows[-1].values()))
    if options.evidence:
        evidence.Page(options.evidence, "Reading some columns", TEXT, PAGE, SOURCES, key=2).note(rows)


if __name__ == "__main__":
    main()
