"""The same RDataFrame analysis on a file as it is and compressed; the columns are decoded in C++ in the event loop.

    python examples/rdataframe_dijets.py [FILE]

The first run compiles the decoder, which takes half a minute; it is kept.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import ROOT

import hepae
import hepae.rdataframe

SAMPLE = Path(__file__).parent.parent / "tests" / "data" / "ntuple.root"
COLUMNS = ["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "HLT_PFJet80", "genWeight"]


def histogram_of(frame: Any) -> Any:
    """The mass of the two leading jets of triggered events; nothing in it knows of hepae."""
    pairs = frame.Filter("HLT_PFJet80 && Jet_pt.size() > 1")
    mass = (
        "ROOT::VecOps::InvariantMass(Take(Jet_pt, 2), Take(Jet_eta, 2), Take(Jet_phi, 2), Take(Jet_mass, 2))"
    )
    return pairs.Define("mass", mass).Histo1D(
        ("mass", "dijet mass;m [GeV]", 50, 0, 1000), "mass", "genWeight"
    )


def main(source: Path) -> int:
    """Compress, fill from both, compare; 1 where a bin differs."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.root"
        hepae.compress(source, small)
        before = histogram_of(ROOT.RDataFrame("Events", str(source), COLUMNS))
        after = histogram_of(hepae.rdataframe.open(str(small), COLUMNS))
        bins = range(before.GetNbinsX() + 2)
        differ = sum(before.GetBinContent(n) != after.GetBinContent(n) for n in bins)
        sizes = source.stat().st_size, small.stat().st_size
    print(f"bytes: {sizes[0]:,} before, {sizes[1]:,} after")
    print(f"{before.GetEntries():.0f} events; {differ} of {len(bins)} bins differ")
    return int(differ > 0)


if __name__ == "__main__":
    ROOT.gROOT.SetBatch(True)
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE))
