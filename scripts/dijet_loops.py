"""Time an event loop of RDataFrame: the dijet mass from an original, a ZSTD-5 copy of it, and what hepae made of it.

    python -m scripts.dijet_loops nano_like.root --work /tmp/dijets --evidence docs/evidence/event_loops.md

Files that are not in the folder yet are made: the copy with ROOT, `hepae compress` with its defaults, and one with
`--collection Jet --codec lifting`. Each loop runs in a process of its own, by turns, in C++ (a compiled macro) and in
Python (text that ROOT compiles within the loop, for all alike), with one and with two threads. What counts are the
seconds of the event loop, the smallest of all rounds, and the seconds of CPU in it. All histograms must be those of
the original.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from hepae.root.headers import include_folder
from scripts.hardening.evidence import Page

MACRO: Final = """
#include <hepae/datasource.hpp>
#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>
#include <TH1D.h>

ROOT::RDF::RResultPtr<TH1D> dijet_mass(ROOT::RDataFrame frame)
{
   using ROOT::RVecF;
   const auto two = [](const RVecF &pt) { return pt.size() > 1; };
   const auto mass = [](const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecF &m) {
      return ROOT::VecOps::InvariantMass(Take(pt, 2), Take(eta, 2), Take(phi, 2), Take(m, 2));
   };
   auto dijets = frame.Filter(two, {"Jet_pt"}).Define("m", mass, {"Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"});
   return dijets.Histo1D<float>({"m", "dijet mass", 100, 0, 1000}, "m");
}

ROOT::RDF::RResultPtr<TH1D> of_root(const char *file) { return dijet_mass(ROOT::RDataFrame("Events", file)); }

ROOT::RDF::RResultPtr<TH1D> of_hepae(const char *file)
{
   return dijet_mass(ROOT::RDataFrame(std::make_unique<hepae::DataSource>(file, "Events")));
}
"""
"""The same loop over either; hepae's headers are compiled with it."""

LOOP: Final = """
import json, os, sys, time
import ROOT
ROOT.gErrorIgnoreLevel = ROOT.kError
path, compressed, language, threads, macro = json.loads(sys.argv[1])
if threads > 1:
    ROOT.EnableImplicitMT(threads)
if language == "C++":
    assert ROOT.gSystem.Load(macro) >= 0
    ROOT.gInterpreter.Declare('''
#include <ROOT/RDataFrame.hxx>
#include <TH1D.h>
ROOT::RDF::RResultPtr<TH1D> of_root(const char *file);
ROOT::RDF::RResultPtr<TH1D> of_hepae(const char *file);
''')
    histogram = (ROOT.of_hepae if compressed else ROOT.of_root)(path)
else:
    if compressed:
        import hepae.rdataframe
        frame = hepae.rdataframe.open(path, tree="Events")
    else:
        frame = ROOT.RDataFrame("Events", path)
    mass = "ROOT::VecOps::InvariantMass(Take(Jet_pt, 2), Take(Jet_eta, 2), Take(Jet_phi, 2), Take(Jet_mass, 2))"
    dijets = frame.Filter("Jet_pt.size() > 1").Define("m", mass)
    histogram = dijets.Histo1D(("m", "dijet mass", 100, 0.0, 1000.0), "m")
began, cpu = time.perf_counter(), time.process_time()
found = [histogram.GetBinContent(at) for at in range(102)]
print("\\nresult " + json.dumps([time.perf_counter() - began, time.process_time() - cpu, found]))
"""

COPY: Final = """
import sys, ROOT
original, target = sys.argv[1:]
source = ROOT.TFile.Open(original)
copy = ROOT.TFile(target, "RECREATE", "", 505)  # ZSTD, level 5
source.Get("Events").CloneTree(-1).Write()
copy.Close()
"""

PAGE: Final = Page(
    Path("docs/evidence/event_loops.md"),
    "Event loops",
    """
The dijet mass of 30,000 NanoAOD-like events with RDataFrame, in C++ (a compiled macro) and in Python (text that ROOT
compiles within the loop, for all alike): seconds of the event loop, the smallest of some rounds that took turns with
those of the other files, and seconds of CPU in it. Every histogram is that of the original, bin by bin. Made by
`scripts/dijet_loops.py`.
""",
    ("file", "language", "threads", "bytes", "seconds", "CPU seconds", "load"),
    ("native/include/hepae/datasource.hpp", "scripts/dijet_loops.py"),
    key=3,
)


def run(code: str, *words: object) -> str:
    """The output of code in a process of its own."""
    here = Path(__file__).parent.parent
    environment = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def compiled(folder: Path) -> Path:
    """The macro as a library, compiled by ROOT with optimisation."""
    source = folder / "dijet_mass.C"
    if not source.exists() or source.read_text() != MACRO:
        source.write_text(MACRO)
    code = (
        "import sys, ROOT\n"
        f"ROOT.gSystem.AddIncludePath('-I{include_folder()}')\n"
        "assert ROOT.gSystem.CompileMacro(sys.argv[1], 'kO')\n"
    )
    run(code, source)
    return source.with_name("dijet_mass_C.so")


def compress(*words: str) -> Callable[[Path, Path], None]:
    """What makes a file with `hepae compress` and these options."""

    def made(original: Path, target: Path) -> None:
        command = [sys.executable, "-m", "hepae", "compress", *words, str(original), str(target)]
        subprocess.run(command, check=True)

    return made


FILES: Final[Mapping[str, Callable[[Path, Path], object]]] = {
    "ZSTD-5": lambda original, target: run(COPY, original, target),
    "hepae compress": compress(),
    "hepae compress --collection Jet --codec lifting": compress("--collection", "Jet", "--codec", "lifting"),
}
NAMES: Final = {"ZSTD-5": "zstd5", "hepae compress": "default"}


def files(original: Path, folder: Path) -> dict[str, Path]:
    """All files by their names, made where they are missing."""
    found = {"original (LZMA-9)": original}
    for name, make in FILES.items():
        target = folder / f"{NAMES.get(name, 'lifting')}.root"
        if not target.exists():
            make(original, target)
        found[name] = target
    return found


def timed(path: Path, compressed: bool, language: str, threads: int, macro: Path) -> tuple[float, float, Any]:
    """Seconds and seconds of CPU of a loop, and the bins."""
    words = json.dumps([str(path), compressed, language, threads, str(macro)])
    seconds, cpu, bins = json.loads(run(LOOP, words).rpartition("result ")[2])
    return seconds, cpu, bins


def measure(
    found: Mapping[str, Path], macro: Path, languages: Sequence[str], rounds: int
) -> list[dict[str, object]]:
    """A row for each file, language and number of threads."""
    best: dict[tuple[str, str, int], tuple[float, float, float]] = {}
    expected: dict[str, object] = {}
    cases = [(one, language, threads) for language in languages for threads in (1, 2) for one in found]
    for _ in range(rounds):
        for case in cases:
            name, language, threads = case
            seconds, cpu, bins = timed(found[name], name.startswith("hepae"), language, threads, macro)
            if expected.setdefault(language, bins) != bins:
                raise SystemExit(f"{case}: another histogram than that of the original")
            best[case] = min(best.get(case, (float("inf"), 0.0, 0.0)), (seconds, cpu, os.getloadavg()[0]))
    return [
        {
            "file": name,
            "language": language,
            "threads": threads,
            "bytes": found[name].stat().st_size,
            "seconds": f"{seconds:.3f}",
            "CPU seconds": f"{cpu:.3f}",
            "load": f"{load:.1f}",
        }
        for (name, language, threads), (seconds, cpu, load) in best.items()
    ]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("original", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="folder for what is made")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--languages", default="C++,Python")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    found = files(options.original, options.work)
    rows = measure(found, compiled(options.work), options.languages.split(","), options.rounds)
    for row in rows:
        print(*row.values(), sep="\t")
    if options.evidence is not None:
        Page(options.evidence, PAGE.title, PAGE.text, PAGE.columns, PAGE.sources, key=PAGE.key).note(rows)


if __name__ == "__main__":
    main()
