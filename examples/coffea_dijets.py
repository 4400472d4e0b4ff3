"""The same coffea processor on a file as it is, compressed exactly, and compressed with bounds.

    python examples/coffea_dijets.py [FILE]

Exactly compressed, every bin is the same. With bounds, a few events change their bins; the largest change is printed in
units of the statistical error of its bin.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import awkward as ak
import hist
import numpy as np
from coffea import processor
from coffea.nanoevents import NanoAODSchema

import hepae

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "ntuple.root"
BOUNDS = ["Jet_pt,Jet_mass=rel:1e-3", "Jet_eta,Jet_phi=abs:1e-3"]


class Dijets(processor.ProcessorABC):
    """Weighted histograms of the two leading jets; nothing in it knows of hepae."""

    def process(self, events: Any) -> dict[str, hist.Hist]:
        """Called for each chunk of events."""
        jets = events.Jet[(events.Jet.pt > 30) & (events.Jet.jetId > 0)]
        enough = ak.num(jets) >= 2
        pairs, weights = jets[enough], events.genWeight[enough]
        mass = hist.Hist.new.Reg(50, 0, 1000, name="mass", label="dijet mass [GeV]").Weight()
        mass.fill((pairs[:, 0] + pairs[:, 1]).mass, weight=weights)
        total = hist.Hist.new.Reg(50, 0, 1500, name="ht", label="$H_T$ [GeV]").Weight()
        total.fill(ak.sum(jets.pt, axis=1), weight=events.genWeight)
        return {"mass": mass, "ht": total}

    def postprocess(self, accumulator: Any) -> None:
        """Nothing is left to do."""


def histograms_of(path: Path) -> dict[str, hist.Hist]:
    """What the processor makes of a file."""
    run = processor.Runner(processor.IterativeExecutor(status=False), schema=NanoAODSchema, savemetrics=False)
    made: dict[str, hist.Hist] = run(
        {"sample": {"files": {str(path): "Events"}}}, processor_instance=Dijets()
    )
    return made


def main(source: Path) -> int:
    """Compress, run on three files, compare; 1 where an exact bin differs."""
    with tempfile.TemporaryDirectory() as folder:
        exact, bounded = Path(folder) / "exact.root", Path(folder) / "bounded.root"
        hepae.compress(source, exact)
        hepae.compress(source, bounded, bounds=BOUNDS)
        before, same, near = map(histograms_of, (source, exact, bounded))
        sizes = [path.stat().st_size for path in (source, exact, bounded)]
    print("bytes: {:,} as it is, {:,} exact, {:,} with bounds".format(*sizes))
    total = 0
    for name, histogram in before.items():
        values, error = histogram.values(flow=True), np.sqrt(histogram.variances(flow=True))
        moved = np.abs(near[name].values(flow=True) - values)
        differ = int(np.sum(same[name].values(flow=True) != values))
        total += differ
        worst = np.max(np.divide(moved, error, out=np.zeros_like(moved), where=error > 0))
        print(
            f"{name}: {differ} bins differ, exact; with bounds a bin moves by {worst:.2f} of its error at most"
        )
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE))
