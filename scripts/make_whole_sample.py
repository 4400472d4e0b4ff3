"""Make the bundled sample of whole files: events of ``sample.root`` as an n-tuple with all that such files have.

    python -m scripts.make_whole_sample tests/data/sample.root tests/data/ntuple.root

writes a TTree ``Events`` (jets and muons with counters, flags, weights, ``std::vector`` branches without a counter, a
string), a TTree ``Runs`` with the sums of weights, a histogram, and a line on where it comes from. Vertices and
variations of weights are drawn at random, triggers are thresholds on the leading jet; all else is of the sample.
Needs ROOT.
"""

from __future__ import annotations

import argparse
from array import array
from pathlib import Path
from typing import Any, Final

import awkward as ak
import numpy as np
import ROOT
import uproot

EVENTS: Final = 1200
SEED: Final = 7
LZMA_9: Final = 209
FLUSH: Final = 400
"""Events of a basket, as in ``sample.root``."""

MOST: Final = 64
"""Objects of an event for which there is room."""

COLLECTIONS: Final = {
    "Jet": ("pt", "eta", "phi", "mass", "btag", "chHEF", "nConstituents", "jetId", "muonIdx"),
    "Muon": ("pt", "eta", "phi", "mass", "charge", "relIso", "tightId"),
}
SCALARS: Final = ("run", "luminosityBlock", "event", "MET", "METphi", "HLT_PFJet80")
TRIGGERS: Final = (40, 140, 200, 320)
"""GeV, of further triggers."""

BEAM_SPREAD: Final = 4.5
"""Standard deviation of the places of vertices along the beam, cm."""

SCALES: Final = (0.5, 1.0, 2.0)
"""Factors on the scales of renormalisation and of factorisation; the weights vary as their logarithms."""

LEAF: Final = {
    "bool": "O",
    "int16": "S",
    "int32": "I",
    "uint32": "i",
    "uint64": "l",
    "uint8": "b",
    "float32": "F",
}
"""ROOT's letters for types of leaves (``TTree::Branch``)."""


def columns_of(path: Path, rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Any], list[int]]:
    """Columns of numbers, and of ``std::vector``, and the process of each event."""
    with uproot.open(path) as file:
        events = file["Events"].arrays(entry_stop=EVENTS)
        jagged = {f"{name}_{feature}" for name, features in COLLECTIONS.items() for feature in features}
        process = np.asarray(events["process"])
        numbers = {
            name: events[name] for name in (*SCALARS, *(f"n{name}" for name in COLLECTIONS), *sorted(jagged))
        }
        weights = np.asarray(events["weight"])
        lead = np.array([float(event[0]) if len(event) else 0.0 for event in events["Jet_pt"]])
    numbers["genWeight"] = weights
    numbers |= {f"HLT_PFJet{threshold}": lead > threshold for threshold in TRIGGERS}
    vertices = 1 + rng.poisson(4, EVENTS)
    slopes = rng.normal(0.1, 0.02, (EVENTS, 2))
    logs = np.log([(first, second) for first in SCALES for second in SCALES])
    vectors = {
        "LHEScaleWeight": [1 + np.round(logs @ slope, 4) for slope in slopes],
        "Vertex_z": [np.round(rng.normal(0, BEAM_SPREAD, n), 3) for n in vertices],
        "Vertex_nTracks": [2 + rng.poisson(30, n) for n in vertices],
    }
    return numbers, vectors, process.tolist()


def fill(tree: Any, numbers: dict[str, Any], vectors: dict[str, Any], processes: list[int]) -> None:
    """Give a tree branches, and fill them event by event, as ROOT does."""
    held: dict[str, np.ndarray[Any, Any]] = {}
    counters = {f"n{name}" for name in COLLECTIONS}
    for name in sorted(numbers, key=lambda name: name not in counters):
        values = numbers[name]
        prefix = name.partition("_")[0]
        flat = ak.to_numpy(values if values.ndim == 1 else ak.flatten(values))
        held[name] = np.zeros(1 if values.ndim == 1 else MOST, flat.dtype)
        size = "" if values.ndim == 1 else f"[n{prefix}]"
        tree.Branch(name, held[name], f"{name}{size}/{LEAF[flat.dtype.name]}")
    kinds = {name: "float" if values[0].dtype.kind == "f" else "int" for name, values in vectors.items()}
    made = {name: ROOT.std.vector(kind)() for name, kind in kinds.items()}
    process = ROOT.std.string()
    for name, vector in made.items():
        tree.Branch(name, vector)
    tree.Branch("process", process)
    for event in range(EVENTS):
        for name, values in numbers.items():
            one = np.atleast_1d(np.asarray(values[event]))
            held[name][: len(one)] = one
        for name, vector in made.items():
            vector.assign(vectors[name][event].tolist())
        process.assign(("qcd", "ttbar")[processes[event]])
        tree.Fill()


def fill_runs(tree: Any, weights: np.ndarray[Any, Any]) -> None:
    """One run: how many events, and the sums of their weights and of the squares."""
    run, count = array("I", [1]), array("L", [len(weights)])
    sums = [array("d", [float(np.sum(weights.astype(np.float64) ** power))]) for power in (1, 2)]
    tree.Branch("run", run, "run/i")
    tree.Branch("genEventCount", count, "genEventCount/l")
    tree.Branch("genEventSumw", sums[0], "genEventSumw/D")
    tree.Branch("genEventSumw2", sums[1], "genEventSumw2/D")
    tree.Fill()


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sample", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    numbers, vectors, processes = columns_of(options.sample, np.random.default_rng(SEED))
    file = ROOT.TFile(str(options.target), "recreate", "", LZMA_9)
    tree = ROOT.TTree("Events", "QCD multijets and top pairs")
    tree.SetAutoFlush(FLUSH)
    fill(tree, numbers, vectors, processes)
    tree.Write()
    runs = ROOT.TTree("Runs", "sums of weights")
    fill_runs(runs, numbers["genWeight"])
    runs.Write()
    missing = ROOT.TH1D("MET", "missing transverse momentum;GeV;events", 60, 0, 300)
    for value, weight in zip(numbers["MET"].tolist(), numbers["genWeight"].tolist(), strict=True):
        missing.Fill(value, weight)
    missing.Write()
    ROOT.TObjString(f"{EVENTS} events of {options.sample.name}, scripts/make_whole_sample.py").Write(
        "provenance"
    )
    file.Close()


if __name__ == "__main__":
    main()
