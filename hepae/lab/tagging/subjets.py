"""Two and three subjets of each jet: where they are, what they weigh, how well they hold the jet.

from hepae.arrays import Array, Integers

Axes that minimise the pt-weighted square distances of constituents (the k-means of S. Lloyd, IEEE Trans. Inf. Theory 28
(1982) 129), as the exclusive cones of I. Stewart et al., arXiv:1508.01516, do; N-subjettiness about them:
J. Thaler, K. Van Tilburg, arXiv:1011.2268. A top is three quarks, two of them from a W, and the masses of pairs say so.
"""

from __future__ import annotations

from itertools import combinations
from typing import Final

import numpy as np

from hepae.arrays import Array, Integers

__all__ = ["OF_CONSTITUENT", "OF_JET", "log_mass", "subjet_features"]


ITERATIONS: Final = 8
MOST: Final = 3

OF_JET: Final = tuple(
    name
    for count in range(1, MOST + 1)
    for name in (
        f"log_tau{count}",
        f"log_tau{count}_squared",
        *(f"log_mass_of_{k + 1}_of_{count}" for k in range(count) if count > 1),
        *(f"log_share_of_{k + 1}_of_{count}" for k in range(count) if count > 1),
        *(f"log_mass_of_{i + 1}_{j + 1}_of_{count}" for i, j in combinations(range(count), 2)),
    )
)
"""Of jets: subjets in falling pt. Ratios of N-subjettiness are differences of these logarithms."""

OF_CONSTITUENT: Final = (
    "log_nearest",
    *(f"{what}_{k + 1}" for what in ("log_other", "in") for k in range(MOST)),
)
"""Of constituents: distance to the nearest of three axes, to the others (0 for its own), and which is its own."""


def subjet_features(
    momenta: Array, share: Array, eta: Array, phi: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Features of constituents [n, N] and of jets [n].

    Parameters
    ----------
    momenta : [n, N, 4]
        E, px, py, pz; zeros where there is no constituent.
    share, eta, phi : [n, N]
        Share of the jet's pt, and direction about its axis; zeros where there is no constituent.
    """
    of_jet: dict[str, Array] = {}
    for count in range(1, MOST + 1):
        own, square = _clustered(np.stack([eta, phi], axis=-1), share, count)
        nearest = square.min(axis=2)
        of_jet[f"log_tau{count}"] = _log((share * np.sqrt(nearest)).sum(axis=1), 1e-4)
        of_jet[f"log_tau{count}_squared"] = _log((share * nearest).sum(axis=1), 1e-5)
        if count > 1:
            member = own[..., None] == np.arange(count)
            subjets = np.matmul(np.swapaxes(member, 1, 2).astype(momenta.dtype), momenta)
            shares = (member * share[..., None]).sum(axis=1)
            for k in range(count):
                of_jet[f"log_mass_of_{k + 1}_of_{count}"] = log_mass(subjets[:, k])
                of_jet[f"log_share_of_{k + 1}_of_{count}"] = _log(shares[:, k], 1e-3)
            for i, j in combinations(range(count), 2):
                of_jet[f"log_mass_of_{i + 1}_{j + 1}_of_{count}"] = log_mass(subjets[:, i] + subjets[:, j])
    others = np.where(member, 0.0, 0.5 * _log(square, 1e-6))
    of_constituent = {"log_nearest": 0.5 * _log(nearest, 1e-6)}
    of_constituent |= {f"log_other_{k + 1}": others[..., k] for k in range(MOST)}
    of_constituent |= {f"in_{k + 1}": member[..., k] for k in range(MOST)}
    return of_constituent, of_jet


def _clustered(place: Array, weight: Array, count: int) -> tuple[Integers, Array]:
    """Cluster of each constituent [n, N], in falling weight, and square distances to all axes [n, N, count].

    The first axis begins at the hardest constituent, each further one at that of largest weight times square distance.
    """
    jets = np.arange(len(place))
    square = np.zeros((*weight.shape, 0))
    for _ in range(count):
        far = weight * square.min(axis=2) if square.shape[2] else weight
        axis = place[jets, far.argmax(axis=1)]
        square = np.append(square, _square(place, axis[:, None]), axis=2)
    for _ in range(ITERATIONS):
        member = (square.argmin(axis=2)[..., None] == np.arange(count)) * weight[..., None]
        total = member.sum(axis=1)
        centre = np.matmul(np.swapaxes(member, 1, 2), place) / np.maximum(total, 1e-12)[..., None]
        square = np.where(total[:, None] > 0, _square(place, centre), square)
    order = np.argsort(-total, axis=1, kind="stable")
    square = np.take_along_axis(square, order[:, None], axis=2)
    return square.argmin(axis=2), square


def _square(place: Array, axes: Array) -> Array:
    """Square distances [n, N, count] of places [n, N, 2] and axes [n, count, 2]."""
    return np.asarray(np.square(place[:, :, None] - axes[:, None]).sum(axis=-1))


def _log(values: Array, least: float) -> Array:
    return np.log(np.maximum(values, least))


def log_mass(momentum: Array) -> Array:
    """Logarithm of the mass of four-vectors [..., 4]; masses below 0.3 count as that."""
    square = momentum[..., 0] ** 2 - np.square(momentum[..., 1:]).sum(axis=-1)
    return 0.5 * _log(square, 0.1)
