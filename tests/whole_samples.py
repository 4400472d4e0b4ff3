"""Small files with several trees and objects, made by uproot and by ROOT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from tests.root_process import in_root

ROOT_FILE = """
from array import array
import sys
path, entries, seed = paths[0], int(paths[1]), int(paths[2])
ROOT.gRandom.SetSeed(seed + 1)
file = ROOT.TFile(path, "recreate", "", 207)
tree = ROOT.TTree("Events", "events of a test")
n, x, y = array("i", [0]), array("f", [0.0] * 20), array("d", [0.0, 0.0])
tree.Branch("n", n, "n/I")
tree.Branch("x", x, "x[n]/F").SetTitle("a title")
tree.Branch("pair", y, "first/D:second/D")
numbers, texts, text = ROOT.std.vector("float")(), ROOT.std.vector("string")(), ROOT.std.string()
tree.Branch("numbers", numbers), tree.Branch("texts", texts), tree.Branch("text", text)
momentum = ROOT.TLorentzVector()
tree.Branch("momentum", momentum)
tree.Branch("unsplit", momentum, 32000, 0)
clones = ROOT.TClonesArray("TLorentzVector", 10)
tree.Branch("clones", clones)
objects = ROOT.TObjArray()
tree.Branch("objects", objects, 32000, 0)
tree.Branch("late", y, "late/D").SetCompressionSettings(505)
tree.SetAutoFlush(70)
tree.SetAlias("double_n", "2 * n")
h1, h2 = ROOT.TH1F("h1", "", 10, 0, 1), ROOT.TH2D("h2", "", 4, 0, 1, 3, 0, 1)
weighted, profile = ROOT.TH1D("weighted", "", 5, 0, 1), ROOT.TProfile("profile", "", 5, 0, 1)
cube, small = ROOT.TH3F("cube", "", 2, 0, 1, 2, 0, 1, 2, 0, 1), ROOT.TH1C("small", "", 1, 0, 1)
weighted.Sumw2()
for i in range(entries):
    n[0] = ROOT.gRandom.Integer(20 if seed else 10)
    for at in range(n[0]):
        x[at] = ROOT.gRandom.Uniform()
    y[0], y[1] = ROOT.gRandom.Gaus(), i
    numbers.clear(), texts.clear(), clones.Clear(), objects.Clear()
    for at in range(i % 4):
        numbers.push_back(at + 0.5), texts.push_back("t" * at)
        clones.ConstructedAt(at).SetPtEtaPhiM(at + 1, 0.1, 0.2, i)
    held = [ROOT.TNamed("name%d" % at, "of entry %d" % i) for at in range(i % 3)]
    for one in held:
        objects.Add(one)
    text.assign("entry %d" % i)
    momentum.SetPtEtaPhiM(i + 1, 0.1, 0.2, 0.3)
    tree.Fill()
    u, v, w = (ROOT.gRandom.Uniform() for _ in range(3))
    h1.Fill(u), h2.Fill(u, v), weighted.Fill(u, w), profile.Fill(u, v), cube.Fill(u, v, w), small.Fill(0.5)
tree.Write()
runs = ROOT.TTree("Runs", "")
runs.Branch("weight", y, "weight/D"), runs.Fill(), runs.Write()
for one in (h1, weighted, cube, small):
    one.Write()
file.mkdir("plots", "of a test").cd()
h2.Write(), profile.Write()
file.Close()
result = 0
"""


def write_with_root(path: Path, entries: int, seed: int) -> None:
    """A file with most kinds of branches and of histograms."""
    in_root(ROOT_FILE, path, Path(str(entries)), Path(str(seed)))


def write_nano(path: Path, entries: int, seed: int) -> None:
    """Events like those of NanoAOD, sums of weights by run, a tree in a directory, a histogram, a string."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3 + seed, entries)

    def jagged(values: Any) -> ak.Array:
        return ak.unflatten(values, counts)

    jets = int(counts.sum())
    columns = {
        "run": np.full(entries, 7, np.uint32),
        "event": np.arange(entries, dtype=np.uint64) + 2**60,
        "HLT_a": rng.random(entries) < 0.1,
        "cov": rng.normal(size=(entries, 3)).astype(np.float32),
        "Jet_pt": jagged(rng.exponential(30, jets).astype(np.float32)),
        "Jet_id": jagged(rng.integers(0, 7, jets).astype(np.int32)),
    }
    types: dict[str, Any] = {"run": "uint32", "event": "uint64", "HLT_a": "bool", "cov": "3 * float32"}
    types |= {"Jet_pt": "var * float32", "Jet_id": "var * int32"}
    with uproot.recreate(path, compression=uproot.LZMA(7)) as file:
        tree = file.mktree("Events", types, counter_name=lambda name: "nJet")
        for start in range(0, entries, 250):
            tree.extend({name: values[start : start + 250] for name, values in columns.items()})
        runs = file.mktree("Runs", {"genEventSumw": "float64"})
        extra = file.mktree("dir/Extra", {"w": "float32"})
        if entries:
            runs.extend({"genEventSumw": np.array([3.5 + seed, 4.5])})
            extra.extend({"w": rng.random(9).astype(np.float32)})
        file["h"] = np.histogram(rng.random(entries), bins=5, range=(0, 1))
        file["tag"] = "v9"


def arrays_of(path: Path, tree: str) -> ak.Array:
    """All branches of a tree, as plain uproot reads them."""
    with uproot.open(path) as file:
        return file[tree].arrays()
