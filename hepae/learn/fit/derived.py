"""Which features to derive from others, and how many ranks to go through one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.predictors import Derived
from hepae.core.prediction.ranks import LAST_RANK
from hepae.core.values.lattice import Grid, Lattice, Linear, Log

__all__ = ["is_crowded", "last_rank", "polar"]


CARTESIAN: Final = ("px", "py", "pz")
CROWD: Final = 0.25
"""Share of the objects beyond the last rank from which more ranks pay."""
MOST_RANKS: Final = 255
TINY: Final = 1e-4
LARGEST_RATIO: Final = 1e12
COARSENESS: Final = 1.0
"""Spacing of derived features in units of that of the features that they are derived from."""


def last_rank(counts: Integers) -> int:
    """From which rank on objects are taken as one: more where events hold many objects."""
    beyond = int(np.maximum(counts - LAST_RANK, 0).sum())
    if beyond <= CROWD * counts.sum():
        return LAST_RANK
    return int(min(counts.max(), MOST_RANKS))


def is_crowded(last: int) -> bool:
    """Whether events hold many objects, as jets hold constituents."""
    return last > LAST_RANK


def polar(
    integers: Mapping[str, Integers], lattices: Mapping[str, Lattice], roles: Mapping[str, str]
) -> dict[str, Derived]:
    """pt, eta and phi by role, where features are px, py and pz and none of them is there."""
    if not set(CARTESIAN) <= roles.keys() or roles.keys() & {"pt", "eta", "phi"}:
        return {}
    px, py, pz = (roles[role] for role in CARTESIAN)
    values = [lattices[name].centres(integers[name]) for name in (px, py, pz)]
    pt = kinematics.transverse(values[0], values[1])
    usual = pt[(pt > 0) & np.isfinite(pt)]
    spacing = _relative_spacing(lattices[px], usual) * COARSENESS
    if len(usual) == 0 or not 0.0 < spacing < 0.5:
        return {}
    first = float(np.quantile(usual, TINY, method="lower")) / (1.0 + spacing)
    grids: dict[str, Grid] = {
        "pt": Log(first, 1.0 + spacing, int(math.log(LARGEST_RATIO) / math.log1p(spacing))),
        "eta": Linear(spacing),
        "phi": Linear(spacing),
    }
    features = {"pt": (px, py), "eta": (px, py, pz), "phi": (px, py)}
    return {
        role: Derived(_free(role, integers), role, features[role], Lattice("float64", grid))
        for role, grid in grids.items()
    }


def _relative_spacing(lattice: Lattice, magnitudes: Floats) -> float:
    """Distance of neighbouring points of a lattice over their size, in the middle of these magnitudes."""
    if isinstance(lattice.grid, Log):
        return lattice.grid.base - 1.0
    if isinstance(lattice.grid, Linear) and len(magnitudes):
        return lattice.grid.step / float(np.median(magnitudes))
    return 0.0


def _free(name: str, taken: Mapping[str, object]) -> str:
    return name if name not in taken else _free(f"{name}_", taken)
