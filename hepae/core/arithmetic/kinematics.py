"""What four-vectors say about each other.

Each formula is a short function of float64 arrays made of IEEE operations and `exact` only, so that writer
and reader get the same bits. The formulas predict *restored* values from restored values: what they leave is coded,
so they need not be exact, only reproducible.

Sources: the coordinates are those of the LHC experiments, pt, phi in the transverse plane and the pseudorapidity
eta along the beam (PDG, Review of Particle Physics, Kinematics): px = pt cos(phi), pz = pt sinh(eta),
E**2 = (pt cosh(eta))**2 + m**2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import numpy as np

from hepae.arrays import Floats
from hepae.core.arithmetic import exact as exactmath
from hepae.errors import SchemaError

__all__ = ["FORMULAS", "ROLES", "find_met", "find_roles", "find_totals", "parse_roles"]


ROLES: Final[dict[str, re.Pattern[str]]] = {
    role: re.compile(pattern, re.IGNORECASE)
    for role, pattern in {
        "pt": r"pt|p_t|et",
        "eta": r"eta",
        "phi": r"phi",
        "mass": r"m|mass",
        "E": r"e|energy",
        "px": r"px|p_x",
        "py": r"py|p_y",
        "pz": r"pz|p_z",
    }.items()
}
"""Names by which the components of a four-vector go, in any case."""


def energy(pt: Floats, cosh_eta: Floats, mass: Floats) -> Floats:
    """E of pt, eta and mass."""
    p = pt * cosh_eta
    return np.sqrt(p * p + mass * mass)


def energy_massless(pt: Floats, cosh_eta: Floats) -> Floats:
    """E of a massless object: its momentum."""
    return pt * cosh_eta


def energy_cartesian(px: Floats, py: Floats, pz: Floats) -> Floats:
    """E of a massless object with this momentum."""
    return np.sqrt(px * px + py * py + pz * pz)


def energy_cartesian_massive(px: Floats, py: Floats, pz: Floats, mass: Floats) -> Floats:
    """E of a momentum and a mass."""
    return np.sqrt(px * px + py * py + pz * pz + mass * mass)


def component(pt: Floats, along: Floats) -> Floats:
    """A component of the momentum: pt times cos(phi), sin(phi) or sinh(eta)."""
    return pt * along


def component_along(along: Floats, sine: Floats, cosine: Floats) -> Floats:
    """py of px and the azimuth."""
    return along * (sine / np.where(cosine == 0.0, 1.0, cosine))


def component_across(along: Floats, pt: Floats, sine: Floats) -> Floats:
    """py of px, pt and the side on which the azimuth is."""
    size = np.sqrt(np.maximum(pt * pt - along * along, 0.0))
    return np.where(sine < 0.0, -size, size)


def component_beam(px: Floats, py: Floats, sinh_eta: Floats) -> Floats:
    """pz of px, py and eta."""
    return transverse(px, py) * sinh_eta


def transverse(px: Floats, py: Floats) -> Floats:
    """Transverse momentum."""
    return np.sqrt(px * px + py * py)


def azimuth(px: Floats, py: Floats) -> Floats:
    """Azimuth, -pi to pi."""
    return exactmath.arctan2(py, px)


def pseudorapidity(px: Floats, py: Floats, pz: Floats) -> Floats:
    """Pseudorapidity asinh(pz/pt); ±30 along the beam."""
    along = np.abs(pz) / np.maximum(transverse(px, py), 1e-12)
    size = exactmath.log(np.maximum(along + np.sqrt(along * along + 1.0), 1.0))
    size = np.minimum(size, exactmath.ETA_LARGEST)
    return np.where(pz < 0.0, -size, size)


def invariant_mass(pt: Floats, cosh_eta: Floats, E: Floats) -> Floats:
    """Mass of pt, eta, E; 0 where rounding leaves it imaginary."""
    p = pt * cosh_eta
    return np.sqrt(np.maximum(E - p, 0.0) * (E + p))


class Formula(NamedTuple):
    """A formula: the role it predicts, the roles it needs, the function of each that is tabulated, the function."""

    target: str
    needs: tuple[str, ...]
    transforms: tuple[str, ...]
    function: Callable[..., Floats]


_VALUES = ("value", "value", "value", "value")

FORMULAS: Final = {
    "energy": Formula("E", ("pt", "eta", "mass"), ("value", "cosh", "value"), energy),
    "energy_massless": Formula("E", ("pt", "eta"), ("value", "cosh"), energy_massless),
    "energy_cartesian_massive": Formula("E", ("px", "py", "pz", "mass"), _VALUES, energy_cartesian_massive),
    "energy_cartesian": Formula("E", ("px", "py", "pz"), _VALUES[:3], energy_cartesian),
    "mass": Formula("mass", ("pt", "eta", "E"), ("value", "cosh", "value"), invariant_mass),
    "px": Formula("px", ("pt", "phi"), ("value", "cos"), component),
    "py": Formula("py", ("pt", "phi"), ("value", "sin"), component),
    "pz": Formula("pz", ("pt", "eta"), ("value", "sinh"), component),
    "py_along": Formula("py", ("px", "phi", "phi"), ("value", "sin", "cos"), component_along),
    "py_across": Formula("py", ("px", "pt", "phi"), ("value", "value", "sin"), component_across),
    "pz_cartesian": Formula("pz", ("px", "py", "eta"), ("value", "value", "sinh"), component_beam),
    "pt": Formula("pt", ("px", "py"), _VALUES[:2], transverse),
    "phi": Formula("phi", ("px", "py"), _VALUES[:2], azimuth),
    "eta": Formula("eta", ("px", "py", "pz"), _VALUES[:3], pseudorapidity),
}
"""Formulas by name."""


def find_roles(names: Iterable[str]) -> dict[str, str]:
    """Which features are components of a four-vector, by their names: role to feature.

    Examples
    --------
    >>> find_roles(["Pt", "eta", "btag", "E"])
    {'pt': 'Pt', 'eta': 'eta', 'E': 'E'}
    """
    found: dict[str, str] = {}
    for name in names:
        for role, pattern in ROLES.items():
            if role not in found and pattern.fullmatch(name):
                found[role] = name
                break
    return found


def find_met(branches: Iterable[str]) -> dict[str, str]:
    """The event-level branches of the missing transverse momentum, by their names, or none.

    Examples
    --------
    >>> find_met(["run", "MET_pt", "MET_phi"])
    {'met': 'MET_pt', 'met_phi': 'MET_phi'}
    """
    known = list(branches)
    for branch in known:
        stem = re.sub(r"(?i)_?(pt|_et)$", "", branch) or branch
        for angle in (f"{stem}_phi", f"{stem}phi", f"{stem}Phi", f"{stem}_Phi"):
            if re.search(r"(?i)met|missing", branch) and angle != branch and angle in known:
                return {"met": branch, "met_phi": angle}
    return {}


def find_totals(branches: Iterable[str]) -> dict[str, str]:
    """Event-level branches that are components of one four-vector, such as that of the jet of an entry.

    Examples
    --------
    >>> find_totals(["FatJet_pt", "FatJet_phi", "FatJet_isTop"])
    {'pt': 'FatJet_pt', 'phi': 'FatJet_phi'}
    """
    last = {branch.rsplit("_", 1)[-1]: branch for branch in branches}
    return {role: last[name] for role, name in find_roles(last).items()}


def parse_roles(text: str, names: Iterable[str]) -> dict[str, str]:
    """An explicit mapping, ``pt=ptReg,E=energy``; empty text means none of the features.

    Examples
    --------
    >>> parse_roles("pt=ptReg", ["ptReg", "eta"])
    {'pt': 'ptReg'}
    """
    known = set(names)
    roles: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        role, _, name = (word.strip() for word in part.partition("="))
        if role not in ROLES or name not in known:
            raise SchemaError(
                "not a kinematic role and a feature",
                where=part,
                expected=f"one of {', '.join(ROLES)} = a feature",
            )
        roles[role] = name
    return roles


def roles_of(needs: tuple[str, ...], roles: Mapping[str, str]) -> tuple[str, ...] | None:
    """The features that play those roles, or None where one is missing."""
    return tuple(roles[role] for role in needs) if all(role in roles for role in needs) else None
