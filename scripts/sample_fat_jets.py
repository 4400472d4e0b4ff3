"""The fat jets of the bundled sample: QCD and hadronic tops, anti-kt 0.8, each with its constituents."""

from __future__ import annotations

from typing import Any, Final

import awkward as ak
import numpy as np
import vector

from scripts.sample_detector import cluster, detect
from scripts.sample_generator import generate

vector.register_awkward()

RADIUS: Final = 0.8
LEAST_PT, MOST_PT, MOST_ETA = 550.0, 650.0, 2.0
CONSTITUENT_PT: Final = 2.0
MOST_CONSTITUENTS: Final = 200
TYPES: Final = (2, 1, 2, 0, 2)
"""Calorimeter or tracker by the kind of a candidate of the detector."""

EVENTS_PER_JET: Final = 4
"""So many events hold one leading jet in the range of pt, with a margin."""

TITLES: Final = {
    "FatJet_pt": "transverse momentum (GeV)",
    "FatJet_eta": "pseudorapidity",
    "FatJet_phi": "azimuth",
    "FatJet_mass": "mass (GeV)",
    "FatJet_isTop": "1 for a hadronic top, 0 for QCD",
    "nConstituent": "constituents above 2 GeV, in falling pt",
    "Constituent_E": "energy (GeV)",
    "Constituent_px": "momentum along x (GeV)",
    "Constituent_py": "momentum along y (GeV)",
    "Constituent_pz": "momentum along the beam (GeV)",
    "Constituent_type": "0 for ECAL (photons), 1 for HCAL (neutral hadrons), 2 for tracks",
}


def fat_jets(n_jets: int, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    """Branches of so many jets, half of them tops, shuffled."""
    parts = [of_process(name, n_jets // 2, seed + place, rng) for place, name in enumerate(("qcd", "tops"))]
    order = rng.permutation(n_jets // 2 * 2)
    return {name: ak.concatenate([part[name] for part in parts])[order] for name in parts[0]}


def of_process(name: str, n_jets: int, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    """The leading jets of events of one process, where they are in the range."""
    particles = generate(f"hard {name}", EVENTS_PER_JET * n_jets, seed).particles
    jets, members = cluster(detect(particles, rng), RADIUS, LEAST_PT)
    falling = ak.argsort(jets.pt, ascending=False)
    jets, members = ak.firsts(jets[falling]), ak.firsts(members[falling])
    good = ak.fill_none((jets.pt < MOST_PT) & (np.abs(jets.eta) < MOST_ETA), False)
    jets, members = (ak.drop_none(column[good][:n_jets], axis=0) for column in (jets, members))
    if len(jets) < n_jets:
        raise SystemExit(f"only {len(jets)} of {n_jets} jets: more events are needed")
    members = members[members.pt > CONSTITUENT_PT]
    members = members[ak.argsort(members.pt, ascending=False)][:, :MOST_CONSTITUENTS]
    types = ak.unflatten(np.take(TYPES, ak.to_numpy(ak.flatten(members.kind))), ak.num(members))
    return branches(jets, members, types, name == "tops")


def branches(jets: ak.Array, members: ak.Array, types: ak.Array, is_top: bool) -> dict[str, Any]:
    """Branches of jets of one kind and of their constituents."""
    columns = {f"FatJet_{what}": getattr(jets, what) for what in ("pt", "eta", "phi", "mass")}
    columns |= {f"Constituent_{what}": getattr(members, what) for what in ("E", "px", "py", "pz")}
    found = {what: ak.values_astype(column, np.float32) for what, column in columns.items()}
    return {
        **{what: column for what, column in found.items() if what.startswith("FatJet")},
        "FatJet_isTop": np.full(len(jets), is_top, np.int8),
        **{what: column for what, column in found.items() if what.startswith("Constituent")},
        "Constituent_type": ak.values_astype(types, np.int8),
    }
