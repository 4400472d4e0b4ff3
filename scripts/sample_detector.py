"""The detector of the bundled sample: what it sees of the particles of Pythia, jets, and all that is known of a jet.

A sketch: acceptance, track efficiency, and Gaussian resolutions of the size that CMS and ATLAS have.
"""

from __future__ import annotations

from typing import Final

import awkward as ak
import fastjet
import numpy as np
import vector
from numpy.typing import NDArray

vector.register_awkward()

RADIUS: Final = 0.4
JET_PT, JET_ETA = 20.0, 4.7
TRACK_PT, TRACK_ETA = 0.5, 2.5
MUON_PT, MUON_ETA = 3.0, 2.4
ISOLATION: Final = 0.15
MUON_MASS, PION_MASS = 0.105658, 0.139570


def bottom(code: ak.Array) -> ak.Array:
    """Is this the PDG code of a hadron with a b quark?"""
    return (np.abs(code) // 100 % 10 == 5) | (np.abs(code) // 1000 % 10 == 5)


def charmed(code: ak.Array) -> ak.Array:
    """Is this the PDG code of a hadron with a c quark?"""
    return (np.abs(code) // 100 % 10 == 4) | (np.abs(code) // 1000 % 10 == 4)


def detect(particles: ak.Array, rng: np.random.Generator) -> ak.Array:
    """Candidates of the detector: what of the particles is seen, as what, and how well."""
    counts = ak.num(particles)
    flat = ak.flatten(particles)
    pt, eta, phi = (ak.to_numpy(column) for column in (flat.pt, flat.eta, flat.phi))
    energy, code = ak.to_numpy(flat.E), ak.to_numpy(flat.id)
    species = np.abs(code)
    charge = pdg_charge(code)
    in_tracker = (np.abs(eta) < TRACK_ETA) & (pt > TRACK_PT) & (rng.random(len(pt)) < 0.95)
    muon = (species == 13) & (np.abs(eta) < MUON_ETA) & (pt > MUON_PT) & (rng.random(len(pt)) < 0.97)
    track = (charge != 0) & (species != 13) & in_tracker
    photon = ((species == 22) | (species == 11)) & ~track
    tower = ~track & ~photon & (species != 13)
    forward = np.abs(eta) > 3.0
    momentum = pt * np.cosh(eta)
    stochastic = np.where(photon, np.where(forward, 1.0, 0.05), np.where(forward, 1.5, 1.0))
    constant = np.where(photon, np.where(forward, 0.1, 0.01), np.where(forward, 0.1, 0.05))
    resolution = np.where(
        track | muon, np.hypot(0.008, 1.5e-4 * pt), np.hypot(stochastic / np.sqrt(energy), constant)
    )
    scale = np.maximum(1.0 + resolution * rng.normal(size=len(pt)), 0.0)
    angle = np.where(track | muon, 5e-4, np.where(photon & ~forward, 4e-3, 2.5e-2))
    seen_pt = pt * scale
    seen_eta = eta + angle * rng.normal(size=len(pt))
    seen_phi = np.remainder(phi + angle * rng.normal(size=len(pt)) + np.pi, 2 * np.pi) - np.pi
    enough = np.where(track | muon, momentum > 0, energy * scale > np.where(tower, 1.0, 0.5))
    kept = (track | muon | photon | tower) & enough & (np.abs(seen_eta) < 5.0) & (seen_pt > 0)
    d0 = impact_parameter(flat) + rng.normal(size=len(pt)) * np.hypot(0.02, 0.1 / np.maximum(pt, 0.1))
    kind = np.select([muon, track & (species == 11), track, photon], [4, 2, 0, 3], 1)
    mass = np.select([muon, kind == 0, kind == 1], [MUON_MASS, PION_MASS, 0.4976], 0.0)
    columns = {"pt": seen_pt, "eta": seen_eta, "phi": seen_phi, "mass": mass, "kind": kind}
    columns |= {"charge": np.where(track | muon, charge, 0), "d0": np.abs(d0)}
    columns |= {"significance": np.abs(d0) / np.hypot(0.02, 0.1 / np.maximum(pt, 0.1))}
    candidates = ak.zip(
        {name: ak.unflatten(column, counts) for name, column in columns.items()}, with_name="Momentum4D"
    )
    return candidates[ak.unflatten(kept, counts)]


def pdg_charge(code: NDArray[np.int32]) -> NDArray[np.int32]:
    """Electric charge of the stable particles that Pythia leaves."""
    positive: NDArray[np.bool_] = np.isin(np.abs(code), [211, 321, 2212, 3222, 3112, 3312, 3334])
    negative_baryon = np.isin(np.abs(code), [3112, 3312, 3334])
    lepton = np.isin(np.abs(code), [11, 13])
    charge: NDArray[np.int32] = np.sign(code) * (positive.astype(np.int32) - 2 * negative_baryon - lepton)
    return charge


def impact_parameter(particles: ak.Array) -> NDArray[np.float64]:
    """Distance (mm) of the straight line through the production vertex from the beam."""
    cross = particles.vertexX * particles.py - particles.vertexY * particles.px
    distance: NDArray[np.float64] = ak.to_numpy(cross) / np.maximum(ak.to_numpy(particles.pt), 1e-9)
    return distance


def cluster(
    candidates: ak.Array, radius: float = RADIUS, least_pt: float = JET_PT / 2
) -> tuple[ak.Array, ak.Array]:
    """Jets before calibration and their constituents, in no particular order."""
    inputs = ak.zip(
        {"px": candidates.px, "py": candidates.py, "pz": candidates.pz, "E": candidates.E},
        with_name="Momentum4D",
    )
    sequence = fastjet.ClusterSequence(inputs, fastjet.JetDefinition(fastjet.antikt_algorithm, radius))
    index = sequence.constituent_index(least_pt)
    jets = sequence.inclusive_jets(least_pt)
    members = ak.unflatten(candidates[ak.flatten(index, axis=2)], ak.flatten(ak.num(index, axis=2)), axis=1)
    return jets, members


def describe_jets(jets: ak.Array, members: ak.Array, hadrons: ak.Array, muons: ak.Array) -> ak.Array:
    """Calibrated jets with all their features, above threshold and in falling pt."""
    correction = 1.0 + 0.2 * np.exp(-jets.pt / 40.0) + 0.01 * np.minimum(np.abs(jets.eta), 3.0) ** 2
    energy = ak.sum(members.E, axis=2)
    sum_pt = ak.sum(members.pt, axis=2)
    distance = members.deltaR(jets[:, :, None])
    charged = members[members.charge != 0]
    fraction = {kind: ak.sum(members.E[members.kind == kind], axis=2) / energy for kind in range(5)}
    n_all, n_charged = ak.num(members, axis=2), ak.num(charged, axis=2)
    central = np.abs(jets.eta) < TRACK_ETA
    clean = (fraction[1] < 0.9) & (fraction[3] < 0.9) & (n_all > 1)
    tight = clean & (~central | ((fraction[0] > 0) & (n_charged > 0)))
    no_lepton = tight & (fraction[4] < 0.8) & (fraction[2] < 0.8)
    columns = {
        "pt": jets.pt * correction,
        "eta": jets.eta,
        "phi": jets.phi,
        "mass": jets.mass * correction,
        "rawFactor": 1.0 - 1.0 / correction,
        "chHEF": fraction[0],
        "neHEF": fraction[1],
        "chEmEF": fraction[2],
        "neEmEF": fraction[3],
        "muEF": fraction[4],
        "nConstituents": n_all,
        "nCh": n_charged,
        "width": ak.sum(members.pt * distance, axis=2) / sum_pt,
        "ptD": np.sqrt(ak.sum(members.pt**2, axis=2)) / sum_pt,
        "leadFrac": ak.fill_none(ak.max(members.pt, axis=2), 0.0) / sum_pt,
        "leadTrackPt": ak.fill_none(ak.max(charged.pt, axis=2), -99.0),
        "trackCharge": ak.sum(members.charge * np.sqrt(members.pt), axis=2)
        / ak.sum(np.sqrt(members.pt), axis=2),
        "btag": ak.where(central & (n_charged > 0), b_score(charged), -1.0),
        "jetId": 2 * tight + 4 * no_lepton,
        "hadronFlavour": flavour(jets, hadrons),
        "muonIdx": nearest_muon(jets, muons),
    }
    described = ak.zip(columns)
    described = described[(described.pt > JET_PT) & (np.abs(described.eta) < JET_ETA)]
    return described[ak.argsort(described.pt, ascending=False)]


def b_score(charged: ak.Array) -> ak.Array:
    """Between 0 and 1, from the three most displaced of the better tracks."""
    good = charged[(charged.pt > 1.0) & (charged.d0 < 5.0)]
    largest = ak.sort(good.significance, axis=2, ascending=False)[:, :, :3]
    displaced = ak.sum(np.minimum(largest, 20.0), axis=2)
    return 1.0 / (1.0 + np.exp(-(displaced - 14.0) / 4.0))


def flavour(jets: ak.Array, hadrons: ak.Array) -> ak.Array:
    """5, 4 or 0 by the heaviest hadron inside."""
    inside = jets[:, :, None].deltaR(hadrons[hadrons.pt > 5.0][:, None, :]) < RADIUS
    species = ak.broadcast_arrays(hadrons[hadrons.pt > 5.0].id[:, None, :], inside)[0]
    has_bottom = ak.any(inside & bottom(species), axis=2)
    has_charm = ak.any(inside & charmed(species), axis=2)
    return ak.where(has_bottom, 5, ak.where(has_charm, 4, 0))


def nearest_muon(jets: ak.Array, muons: ak.Array) -> ak.Array:
    """Index of the leading muon inside each jet, or -1."""
    inside = jets[:, :, None].deltaR(muons[:, None, :]) < RADIUS
    return ak.where(ak.any(inside, axis=2), ak.fill_none(ak.argmax(inside, axis=2), -1), -1)


def isolation(leptons: ak.Array, candidates: ak.Array) -> ak.Array:
    """Sum of pt of the other candidates around each lepton, over its pt."""
    distance = leptons[:, :, None].deltaR(candidates[:, None, :])
    pt = ak.broadcast_arrays(candidates.pt[:, None, :], distance)[0]
    return ak.sum(pt[(distance < RADIUS) & (distance > 1e-6)], axis=2) / leptons.pt


def select(candidates: ak.Array, kind: int, least_pt: float) -> ak.Array:
    """Candidates of one kind above a threshold, in falling pt, with their isolation."""
    chosen = candidates[(candidates.kind == kind) & (candidates.pt > least_pt)]
    chosen = chosen[ak.argsort(chosen.pt, ascending=False)]
    return ak.with_field(chosen, isolation(chosen, candidates), "relIso")
