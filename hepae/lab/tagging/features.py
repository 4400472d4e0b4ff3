"""What a network is told of the constituents of a jet: directions about its axis, momenta, surroundings, subjets.

Features of each constituent as in P. T. Komiske, E. M. Metodiev, J. Thaler, "Energy flow networks", arXiv:1810.05165,
and H. Qu, L. Gouskos, "ParticleNet", arXiv:1902.08570. Beside them, because ten thousand jets are few, what a network
that passes messages would have to learn: the share of the jet's pt within a few distances of each constituent, and
where it is among the subjets.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Booleans, Integers
from hepae.core.values.objects import offsets
from hepae.lab.tagging.jets import Jets
from hepae.lab.tagging.subjets import OF_CONSTITUENT, OF_JET, log_mass, subjet_features

__all__ = ["CONSTITUENT", "EXTRA", "JET", "View", "constituent_features"]


View = Literal["directions", "kinds", "masses"]
"""What is told: momenta and directions; beside them, what each constituent is by its mass, or how far from massless."""

DISTANCES: Final = (0.03, 0.07, 0.15, 0.3)

CONSTITUENT: Final = (
    "present", "share", "deta", "dphi", "log_share", "log_pt", "log_E", "distance",
    "ecal", "hcal", "track", "spread", *(f"within_{distance:g}" for distance in DISTANCES), *OF_CONSTITUENT,
)  # fmt: skip
"""Features of a constituent. The first says whether there is one; the share is that of the jet's pt."""

KINDS: Final = {
    "electron": (2, 0.0, 0.06),
    "muon": (2, 0.09, 0.12),
    "kaon": (2, 0.39, 0.59),
    "proton": (2, 0.74, 1.14),
    "neutron": (1, 0.7, np.inf),
}
"""Type, least and largest mass in GeV of what is told from pions and K_L: a muon or a hard kaon tells of a b quark."""

EXTRA: Final[dict[View, tuple[str, ...]]] = {
    "directions": (),
    "kinds": tuple(KINDS),
    "masses": ("log_mass_share",),
}
"""Further features of each view: which of `KINDS`; log(|E² − p²| / E²), from -16 (massless in float32) to 0."""

JET: Final = ("log_mass", "log_constituents", "log_pt", *OF_JET)
"""Features of a jet: of all of its constituents, and of the subjets of the first."""

JETS_AT_ONCE: Final = 256
FAINT: Final = 1e-6
"""Logarithms of shares begin here."""


def constituent_features(
    jets: Jets, constituents: int = 100, view: View = "directions"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Features of the first constituents of each jet, and of each jet.

    Parameters
    ----------
    jets
        Constituents in falling transverse momentum. What has no direction (no transverse momentum, or not finite) is
        left out.
    constituents
        N: the first of each jet; a jet with fewer is filled up with zeros.
    view
        Adds `EXTRA`.

    Returns
    -------
    float32[n, N, features]
        `CONSTITUENT`, and `EXTRA` of the view.
    float32[n, jet features]
        `JET`.

    Examples
    --------
    >>> one = {"E": [5.0], "px": [3.0], "py": [0.0], "pz": [4.0], "type": [2]}
    >>> features, jet = constituent_features(Jets(np.array([1]), {k: np.array(v) for k, v in one.items()}), 2)
    >>> features.shape, features[0, 0, :4].tolist(), round(float(np.exp(jet[0, 2])), 3)
    ((1, 2, 23), [1.0, 1.0, 0.0, 0.0], 3.0)
    """
    names = CONSTITUENT + EXTRA[view]
    features = np.zeros((len(jets), constituents, len(names)), np.float32)
    whole = np.zeros((len(jets), len(JET)), np.float32)
    for run, part in _runs(jets):
        features[run], whole[run] = _features(part, constituents, names)
    return features, whole


def _runs(jets: Jets) -> Iterator[tuple[slice, Jets]]:
    """Some jets at a time, because surroundings are pairs."""
    edges = offsets(jets.counts)
    for start in range(0, len(jets), JETS_AT_ONCE):
        run = slice(start, min(start + JETS_AT_ONCE, len(jets)))
        rows = slice(edges[run.start], edges[run.stop])
        yield run, Jets(jets.counts[run], {name: column[rows] for name, column in jets.columns.items()})


def _features(jets: Jets, constituents: int, names: tuple[str, ...]) -> tuple[Array, Array]:
    p, lost = _momenta(jets)
    owner = np.repeat(np.arange(len(jets)), jets.counts)
    axis = {name: np.bincount(owner, component, len(jets)) for name, component in p.items()}
    axis["pt"] = np.maximum(np.hypot(axis["px"], axis["py"]), FAINT)
    axis["|p|"] = np.bincount(owner, np.sqrt(p["px"] ** 2 + p["py"] ** 2 + p["pz"] ** 2), len(jets))
    flat = _about_axis(p, lost, axis, owner)
    flat |= {kind: jets.columns["type"] == k for k, kind in enumerate(("ecal", "hcal", "track"))}
    flat |= _masses(p, jets.columns["type"])
    place, there = _first(jets.counts, constituents)
    if len(owner):
        there &= ~lost[place]

    def dense(column: Array) -> Array:
        return np.where(there, column[place], 0) if len(owner) else np.zeros(there.shape)

    found = {name: dense(column) for name, column in flat.items() if name in names}
    near = _surroundings(found["share"], found["deta"], found["dphi"])
    momenta = _massless(axis["pt"][:, None] * found["share"], found["deta"], found["dphi"])
    of_constituent, of_jet = subjet_features(momenta, found["share"], found["deta"], found["dphi"])
    found |= {name: np.where(there, values, 0) for name, values in (near | of_constituent).items()}
    found["present"] = there
    momenta = _massless(axis["pt"][owner] * flat["share"], flat["deta"], flat["dphi"])
    total = np.stack([np.bincount(owner, component, len(jets)) for component in momenta.T], axis=-1)
    of_jet["log_mass"] = log_mass(total)
    of_jet["log_constituents"] = np.log(np.maximum(jets.counts, 1))
    of_jet["log_pt"] = np.log(axis["pt"])
    return _stacked(found, names), _stacked(of_jet, JET)


def _stacked(found: dict[str, Array], names: tuple[str, ...]) -> Array:
    return np.stack([found[name] for name in names], axis=-1)


def _momenta(jets: Jets) -> tuple[dict[str, Array], Booleans]:
    """Energies and momenta in float64, all 0 for constituents without direction, and which these are."""
    p = {name: np.array(jets.columns[name], np.float64) for name in ("E", "px", "py", "pz")}
    pt = np.hypot(p["px"], p["py"])
    lost = ~((pt > 0) & np.isfinite(pt) & np.isfinite(p["pz"]) & np.isfinite(p["E"]))
    for component in p.values():
        component[lost] = 0.0
    return p, lost


def _massless(pt: Array, eta: Array, phi: Array) -> Array:
    """Four-vectors [..., 4] of massless constituents, seen from a frame that moves along the beam with the jet.

    Masses of jets and subjets are made of these, not of the energies in the file: E² − p² is a small difference of
    large numbers, and an error of 1e-3 in either moves the mass of a forward jet by ten GeV.
    """
    return np.stack([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)], axis=-1)


def _about_axis(
    p: dict[str, Array], lost: Booleans, axis: dict[str, Array], owner: Integers
) -> dict[str, Array]:
    """Features of constituents one by one, [sum of counts]."""
    pt = np.hypot(p["px"], p["py"])
    # pseudorapidity of constituents, rapidity of the massive jet: differences survive boosts along the beam
    transverse_mass = np.sqrt(np.maximum(axis["|p|"] ** 2 - axis["pz"] ** 2, axis["pt"] ** 2))
    eta = np.arcsinh(p["pz"] / np.where(lost, 1.0, pt)) - np.arcsinh(axis["pz"] / transverse_mass)[owner]
    phi = np.arctan2(p["py"], p["px"]) - np.arctan2(axis["py"], axis["px"])[owner]
    phi -= 2 * np.pi * np.rint(phi / (2 * np.pi))
    share = pt / axis["pt"][owner]
    return {
        "share": share,
        "deta": eta,
        "dphi": phi,
        "log_share": np.log(np.maximum(share, FAINT)),
        "log_pt": np.log(np.maximum(pt, FAINT)),
        "log_E": np.log(np.maximum(p["E"], FAINT)),
        "distance": np.hypot(eta, phi),
    }


def _first(counts: Integers, constituents: int) -> tuple[Integers, Booleans]:
    """Rows of the first constituents of each jet, [n, N], and whether they are there; row 0 where not."""
    place = np.arange(constituents)
    there = place < counts[:, None]
    return np.where(there, offsets(counts)[:-1, None] + place, 0), there


def _masses(p: dict[str, Array], types: Array) -> dict[str, Array]:
    """`EXTRA` of all views, [sum of counts]."""
    square = p["E"] ** 2
    left = np.abs(square - p["px"] ** 2 - p["py"] ** 2 - p["pz"] ** 2)
    mass = np.sqrt(left)
    share = np.log(np.clip(left / np.maximum(square, 1e-12), np.exp(-16), 1.0))
    kinds = {
        kind: (types == of_type) & (mass >= least) & (mass < most)
        for kind, (of_type, least, most) in KINDS.items()
    }
    return {"log_mass_share": share, **kinds}


def _surroundings(share: Array, eta: Array, phi: Array) -> dict[str, Array]:
    """Logarithm of the share of pt near each constituent, in Gaussian windows, and of the mean square distance."""
    z, x, y = (part.astype(np.float32) for part in (share, eta, phi))
    square = (x[:, :, None] - x[:, None]) ** 2 + (y[:, :, None] - y[:, None]) ** 2
    found = {"spread": np.log(np.maximum(np.matmul(square, z[..., None])[..., 0], 1e-5))}
    for distance in DISTANCES:
        window = np.exp(square * np.float32(-0.5 / distance**2))
        found[f"within_{distance:g}"] = np.log(np.maximum(np.matmul(window, z[..., None])[..., 0], FAINT))
    return found
