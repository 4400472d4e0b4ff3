"""Make the bundled samples: QCD multijets and top pairs from Pythia 8, jets from FastJet.

    python -m scripts.make_sample tests/data

writes ``sample.root`` (a TTree ``Events`` like a small NanoAOD file with anti-kt 0.4 jets, a histogram and a string),
``sample.csv`` (the event format of the DarkMachines challenge, MeV) and ``constituents.root`` (a TTree ``Jets``, one
anti-kt 0.8 jet an entry, and the constituents of each). Needs the extra ``sample``; `make sample` installs it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import awkward as ak
import hist
import numpy as np
import uproot
from numpy.typing import NDArray

from scripts.sample_detector import (
    ISOLATION,
    MUON_PT,
    RADIUS,
    TRACK_ETA,
    cluster,
    describe_jets,
    detect,
    select,
)
from scripts.sample_fat_jets import TITLES as TITLES_OF_FAT_JETS
from scripts.sample_fat_jets import fat_jets
from scripts.sample_generator import Generated, generate

PROCESSES_OF_EVENTS: Final = ("qcd", "ttbar")
EVENTS_PER_BASKET: Final = 400
SMALLEST: Final = uproot.LZMA(9)

TITLES: Final = {
    "run": "run number",
    "luminosityBlock": "luminosity block number",
    "event": "event number",
    "process": "0 for QCD multijets, 1 for top pairs",
    "weight": "generator weight, the cross section in pb shared out over the events of the process",
    "MET": "missing transverse momentum (GeV)",
    "METphi": "azimuth of the missing transverse momentum",
    "HLT_PFJet80": "a jet above 80 GeV at the trigger's resolution",
    "nJet": "anti-kt 0.4 jets above 20 GeV, in falling pt",
    "Jet_pt": "transverse momentum (GeV), calibrated",
    "Jet_eta": "pseudorapidity",
    "Jet_phi": "azimuth",
    "Jet_mass": "mass (GeV), calibrated",
    "Jet_rawFactor": "1 - the factor that undoes the calibration of pt and mass",
    "Jet_chHEF": "charged hadron energy fraction",
    "Jet_neHEF": "neutral hadron energy fraction",
    "Jet_chEmEF": "charged electromagnetic energy fraction",
    "Jet_neEmEF": "neutral electromagnetic energy fraction",
    "Jet_muEF": "muon energy fraction",
    "Jet_nConstituents": "number of constituents",
    "Jet_nCh": "number of charged constituents",
    "Jet_width": "pt-weighted mean distance of the constituents from the axis",
    "Jet_ptD": "root of the sum of pt^2 of the constituents, over the sum of their pt",
    "Jet_leadFrac": "share of the leading constituent in the sum of pt",
    "Jet_leadTrackPt": "pt of the leading charged constituent (GeV), -99 if there is none",
    "Jet_trackCharge": "charge of the constituents, weighted with the root of pt",
    "Jet_btag": "b-tagging score from impact parameters, -1 outside of the tracker",
    "Jet_jetId": "flags: bit 1 is tight, bit 2 is tight with lepton veto",
    "Jet_hadronFlavour": "5 with a b hadron, 4 with a c hadron, 0 otherwise",
    "Jet_muonIdx": "index of the leading muon in the jet, -1 if there is none",
    "nMuon": "muons above 3 GeV, in falling pt",
    "Muon_pt": "transverse momentum (GeV)",
    "Muon_eta": "pseudorapidity",
    "Muon_phi": "azimuth",
    "Muon_mass": "mass (GeV)",
    "Muon_charge": "electric charge",
    "Muon_relIso": "energy around the muon (dR < 0.4) over its pt",
    "Muon_tightId": "isolated and above 10 GeV",
}


@dataclass
class Events:
    """A sample of reconstructed events: awkward arrays and columns of the same length."""

    columns: dict[str, NDArray[Any]]
    jets: ak.Array
    muons: ak.Array
    electrons: ak.Array
    photons: ak.Array


def reconstruct(generated: Generated, rng: np.random.Generator) -> Events:
    """All of the above for the events of both processes, shuffled."""
    candidates = detect(generated.particles, rng)
    muons = select(candidates, 4, MUON_PT)
    jets = describe_jets(*cluster(candidates), generated.hadrons, muons)
    sum_x, sum_y = ak.to_numpy(ak.sum(candidates.px, axis=1)), ak.to_numpy(ak.sum(candidates.py, axis=1))
    n_events = len(jets)
    lead = ak.to_numpy(ak.fill_none(ak.firsts(jets.pt), 0.0))
    columns: dict[str, NDArray[Any]] = {
        "run": np.ones(n_events, np.uint32),
        "luminosityBlock": (np.arange(n_events) // 100 + 1).astype(np.uint32),
        "event": np.uint64(9_000_000_000) + np.arange(n_events, dtype=np.uint64),
        "process": generated.process,
        "weight": generated.weights.astype(np.float32),
        "MET": np.hypot(sum_x, sum_y).astype(np.float32),
        "METphi": np.arctan2(-sum_y, -sum_x).astype(np.float32),
        "HLT_PFJet80": lead * (1 + 0.1 * rng.normal(size=n_events)) > 80.0,
    }
    return Events(columns, jets, muons, select(candidates, 2, 10.0), select(candidates, 3, 20.0))


def jet_columns(jets: ak.Array) -> dict[str, ak.Array]:
    """Branches of the jets in their dtypes."""
    dtypes = {"nConstituents": "uint8", "nCh": "uint8", "jetId": "uint8", "hadronFlavour": "int32"}
    dtypes["muonIdx"] = "int16"
    return {
        f"Jet_{name}": ak.values_astype(jets[name], dtypes.get(name, "float32")) for name in ak.fields(jets)
    }


def muon_columns(muons: ak.Array) -> dict[str, ak.Array]:
    """Branches of the muons in their dtypes."""
    floats = {f"Muon_{name}": muons[name] for name in ("pt", "eta", "phi", "mass", "relIso")}
    return {
        **{name: ak.values_astype(column, np.float32) for name, column in floats.items()},
        "Muon_charge": ak.values_astype(muons.charge, np.int32),
        "Muon_tightId": (muons.relIso < ISOLATION) & (muons.pt > 10.0),
    }


def write_root(path: Path, events: Events, provenance: str) -> None:
    """A TTree with titles, and two other keys as analysis files have them."""
    branches: dict[str, Any] = {**events.columns, **jet_columns(events.jets), **muon_columns(events.muons)}
    with uproot.recreate(path, compression=uproot.ZSTD(5)) as file:
        write_tree(file, "Events", "QCD multijets and top pairs", branches, TITLES)
        histogram = hist.Hist.new.Reg(40, 0, 800, name="met", label="MET (GeV)").Weight()
        histogram.fill(events.columns["MET"], weight=events.columns["weight"])
        file["metOfAllEvents"] = histogram
        file["provenance"] = provenance


def write_tree(
    file: Any, name: str, title: str, branches: Mapping[str, Any], titles: Mapping[str, str]
) -> None:
    """A TTree of these branches, in baskets of a few hundred events."""
    tree = file.mktree(
        name,
        {branch: column_type(column) for branch, column in branches.items()},
        title=title,
        counter_name=lambda branch: "n" + branch.split("_")[0],
    )
    set_titles(tree, titles)
    for first in range(0, len(next(iter(branches.values()))), EVENTS_PER_BASKET):
        tree.extend(
            {branch: column[first : first + EVENTS_PER_BASKET] for branch, column in branches.items()}
        )


def write_fat_jets(path: Path, branches: Mapping[str, Any], compression: Any = SMALLEST) -> None:
    """A TTree with one fat jet an entry, and its constituents."""
    with uproot.recreate(path, compression=compression) as file:
        write_tree(file, "Jets", "QCD jets and hadronic tops", branches, TITLES_OF_FAT_JETS)


def column_type(column: Any) -> str:
    """The type of a branch in the words of uproot."""
    if column.ndim == 1:
        return str(ak.to_numpy(column).dtype)
    return f"var * {ak.to_numpy(ak.flatten(column)).dtype.name}"


def set_titles(tree: Any, titles: Mapping[str, str]) -> None:
    """Titles and unsigned counters as ROOT files of the experiments have them; uproot has no public way to."""
    for branch in tree._cascading._branch_data:
        if branch["kind"] != "record":
            branch["fTitle"] = titles[branch["fName"]]
        if branch["kind"] == "counter":
            branch["dtype"] = np.dtype(">u4")
    tree._cascading._relocate(tree._file, tree._file.sink)


def write_csv(path: Path, events: Events, n_events: int) -> None:
    """The first events in the form of the DarkMachines challenge: jets and b-jets in falling pt, then the others."""
    jets = events.jets
    mass_shell = np.sqrt((jets.pt * np.cosh(jets.eta)) ** 2 + jets.mass**2)
    tagged = (jets.btag > 0.5) & (np.abs(jets.eta) < TRACK_ETA)
    clean = (jets.jetId & 4) > 0
    lines = []
    for entry in range(
        n_events
    ):  # a line of text is made of its pieces: the one place where events are looped over
        objects = [
            csv_object("b" if b else "j", energy, jet)
            for b, good, energy, jet in zip(
                tagged[entry].tolist(),
                clean[entry].tolist(),
                mass_shell[entry].tolist(),
                jets[entry].tolist(),
                strict=True,
            )
            if good
        ]
        for letter, leptons in (("e", events.electrons), ("m", events.muons), ("g", events.photons)):
            for lepton in leptons[entry]:
                if lepton.relIso < ISOLATION and lepton.pt > 10.0:
                    sign = {-1: "-", 0: "", 1: "+"}[int(lepton.charge)]
                    four = {"pt": lepton.pt, "eta": lepton.eta, "phi": lepton.phi}
                    objects.append(csv_object(letter + sign, lepton.E, four))
        columns = {name: column[entry] for name, column in events.columns.items()}
        head = f"{columns['event']};{PROCESSES_OF_EVENTS[columns['process']]};{columns['weight']:.6g};"
        head += f"{1e3 * float(columns['MET']):.6g};{columns['METphi']:.6g};"
        lines.append(head + "".join(objects) + "\n")
    path.write_text("".join(lines))


def csv_object(letter: str, energy: float, four: Mapping[str, float]) -> str:
    """One object, GeV to MeV, with the six digits of the challenge."""
    return f"{letter},{1e3 * energy:.6g},{1e3 * four['pt']:.6g},{four['eta']:.6g},{four['phi']:.6g};"


def main() -> None:
    """Parse the command line and make both files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where sample.root and sample.csv go")
    parser.add_argument(
        "--events", type=int, default=2400, help="half QCD, half top pairs (default: %(default)s)"
    )
    parser.add_argument(
        "--csv-events", type=int, default=300, help="of these in sample.csv (default: %(default)s)"
    )
    parser.add_argument(
        "--fat-jets", type=int, default=600, help="half QCD, half tops (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=2026, help="default: %(default)s")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    parts = [
        generate(name, options.events // 2, options.seed + place)
        for place, name in enumerate(PROCESSES_OF_EVENTS)
    ]
    order = rng.permutation(options.events // 2 * 2)
    generated = Generated(
        ak.concatenate([part.particles for part in parts])[order],
        ak.concatenate([part.hadrons for part in parts])[order],
        np.concatenate([part.weights for part in parts])[order],
        np.concatenate([part.process for part in parts])[order],
    )
    events = reconstruct(generated, rng)
    options.folder.mkdir(parents=True, exist_ok=True)
    provenance = (
        f"Pythia 8.317, anti-kt {RADIUS}, seed {options.seed}, {len(order)} events, scripts/make_sample.py"
    )
    write_root(options.folder / "sample.root", events, provenance)
    write_csv(options.folder / "sample.csv", events, min(options.csv_events, len(order)))
    write_fat_jets(options.folder / "constituents.root", fat_jets(options.fat_jets, options.seed + 2, rng))


if __name__ == "__main__":
    main()
