"""What an analysis makes of jets: mass from the four-vector, dijet mass, HT and the recoil, before and after.

The point is the jet mass. It is the small difference of two large numbers, E and |p|, so it shows at once what a mean
squared error of scaled features hides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import vector

from hepae.arrays import Columns, Floats, Integers
from hepae.core.arithmetic.kinematics import find_roles
from hepae.core.values.objects import offsets

__all__ = ["OBSERVABLES", "Observables", "four_vectors", "observables_of"]


OBSERVABLES = {
    "mass": "mass from the four-vector",
    "dijet_mass": "mass of the two leading objects",
    "HT": "HT, scalar sum of pt",
    "MHT": "missing HT, |vector sum of pt|",
}
"""Names and titles."""

ENERGIES = (
    ("pt", "eta", "phi", "E"),
    ("px", "py", "pz", "E"),
    ("pt", "eta", "phi", "mass"),
    ("px", "py", "pz", "mass"),
)
"""Components that make a four-vector, the best first: with the energy, because that is what tells the mass apart."""


@dataclass(frozen=True)
class Observables:
    """Observables of a run of events.

    Attributes
    ----------
    values
        By name, float64: ``mass`` of each object, ``dijet_mass`` of each event with two or more, ``HT`` and ``MHT`` of
        each event. Masses of space-like four-vectors are negative: -sqrt(p² - E²).
    space_like
        Share of objects with |p| > E.
    """

    values: dict[str, Floats]
    space_like: float


def four_vectors(columns: Columns) -> Any:
    """The objects as an array of the package ``vector``, in float64; None where components are missing.

    Examples
    --------
    >>> one = {"pt": np.array([3.0]), "eta": np.array([0.0]), "phi": np.array([0.0]), "E": np.array([5.0])}
    >>> four_vectors(one).mass.tolist()
    [4.0]
    """
    roles = find_roles(columns)
    for needed in ENERGIES:
        if all(role in roles for role in needed):
            return vector.array({role: columns[roles[role]].astype(np.float64) for role in needed})
    return None


def observables_of(counts: Integers, columns: Columns) -> Observables | None:
    """Observables of whole events; None where the objects have no four-vectors.

    Parameters
    ----------
    counts
        Objects per event.
    columns
        Features of all objects in event order; the leading objects come first in their event.
    """
    objects = four_vectors(columns)
    if objects is None:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        mass = np.asarray(objects.mass)
        pt, px, py = (np.asarray(getattr(objects, name)) for name in ("pt", "px", "py"))
        first = offsets(counts)[:-1][counts > 1]
        dijet = np.asarray((objects[first] + objects[first + 1]).mass)
        event = np.repeat(np.arange(len(counts)), counts)
        px, py, ht = (np.bincount(event, weights=x, minlength=len(counts)) for x in (px, py, pt))
        values = {"mass": mass, "dijet_mass": dijet, "HT": ht, "MHT": np.hypot(px, py)}
        return Observables(values, float(np.mean(mass < 0)) if len(mass) else 0.0)
