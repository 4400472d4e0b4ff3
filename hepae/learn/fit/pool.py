"""The columns that a fit may choose from for one feature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats, Integers
from hepae.core.prediction.columns import Blend, Column, Here, MassShell, Mix
from hepae.learn.fit import additive, candidates
from hepae.learn.fit.additive import Candidate
from hepae.learn.fit.state import Fitting

__all__ = ["blends", "mass_shells", "pool_for", "telling"]


MIX_BITS: Final = 16
MIX_MOST: Final = 5
MIX_LEAST: Final = 0.25
"""A feature that moves a linear combination by less than this (standard deviation) is left out of it."""

BLEND_UNITS: Final = 100.0
"""Residuals of combinations of values are weighted on this part of the target's own spread."""

PRODUCTS: Final = 6

TOLD: Final = 0.05
"""Share of a feature that another must tell by itself to be looked at."""

MOST_KINDS: Final = 8
SLOW: Final = 0.02
"""An object is slow if its squared mass is more than this share of its squared energy."""
FEWEST_SLOW: Final = 30
SLOW_SHARE: Final = 0.02
"""Without so many slow objects of a kind it counts as massless."""


def pool_for(
    state: Fitting, name: str, known: Sequence[str], y: NDArray[np.generic], further: Sequence[Column]
) -> list[Candidate]:
    """Candidates for a target of one feature: simple columns, a linear combination, the best products.

    Parameters
    ----------
    y
        The target, for the choice of the combination and the products.
    further
        More columns to offer.
    """
    latents = [other for other in state.latents if other in known]
    columns = list(candidates.simple(name, known, latents, state.conditions, state.roles))
    combined = state.settings.looks is None
    columns += [*(_mixes(state, known, y) if combined else []), *further]
    pool = [state.candidate(column) for column in columns]
    return [c for c in pool if c is not None] + (_best_products(state, known, y) if combined else [])


def telling(state: Fitting, known: Sequence[str], q: Integers, most: int) -> list[str]:
    """The features that say most about another by themselves, in their order."""
    seen = {name: state.candidate(Here(name)) for name in known}
    tables = {name: candidate for name, candidate in seen.items() if candidate is not None}
    y = np.asarray(q, np.float64)
    scores = additive.scores(y - np.median(y), list(tables.values()))
    best = sorted(zip(scores, tables, strict=True), reverse=True)[:most]
    best = [(score, other) for score, other in best if score >= TOLD]
    return [name for name in known if name in {chosen for _, chosen in best}]


def _mixes(state: Fitting, known: Sequence[str], y: NDArray[np.generic]) -> list[Column]:
    """A robust linear combination of the features before, weights in powers of two fractions."""
    if len(known) < 2:
        return []
    rows = slice(0, additive.SCORED)
    columns = np.stack([state.train.q[name][rows] for name in known], axis=1).astype(np.float64)
    kept, weights = _combined(columns, np.asarray(y[rows], np.float64), MIX_LEAST)
    if len(kept) < 2:
        return []
    integers = np.rint(weights * (1 << MIX_BITS)).astype(np.int64)
    return [Mix(tuple(known[int(i)] for i in kept), tuple(int(w) for w in integers), MIX_BITS)]


def blends(state: Fitting, name: str, known: Sequence[str]) -> list[Column]:
    """A robust linear combination of restored values, for features whose lattice is not linear in them."""
    lattices = state.train.context.lattices
    if len(known) < 2 or lattices[name].even:
        return []
    values = {other: state.train.values(other, additive.SCORED) for other in (*known, name)}
    target = values[name]
    unit = float(np.median(np.abs(target - np.median(target)))) / BLEND_UNITS
    columns = np.stack([values[other] for other in known], axis=1)
    if unit <= 0.0 or not np.all(np.isfinite(columns)):
        return []
    kept, weights = _combined(columns, target / unit, 1.0)
    factors = tuple(round(float(w) * unit, 9) for w in weights)
    constant = float(np.median(target - columns[:, kept] @ np.asarray(factors)))
    if not np.all(np.isfinite((*factors, constant))):  # a fit of wild values may diverge
        return []
    return [Blend(name, tuple(known[int(i)] for i in kept), factors, constant)]


def _combined(columns: Floats, target: Floats, least: float) -> tuple[Integers, Floats]:
    """The few columns [n, m] that move a linear combination for the target by so much, and their weights."""
    tamed, goal = additive.tamed(columns), additive.tamed(target)
    kept, weights = np.arange(columns.shape[1]), additive.linear(tamed, goal)
    while len(kept) > MIX_MOST or (len(kept) > 1 and _moves(columns, kept, weights).min() < least):
        drop = max(1, (len(kept) - MIX_MOST) // 3)
        kept = np.sort(kept[np.argsort(-_moves(columns, kept, weights))][: len(kept) - drop])
        weights = additive.linear(tamed[:, kept], goal)
    return kept, weights


def mass_shells(state: Fitting, name: str, known: Sequence[str]) -> list[Column]:
    """The energy of a momentum, with the usual mass of each kind of object; kinds are those of a feature before."""
    roles = state.roles
    if roles.get("E") != name or not {"px", "py", "pz"} <= roles.keys():
        return []
    momentum = (roles["px"], roles["py"], roles["pz"])
    kinds = [other for other in known if len(np.unique(state.train.q[other])) <= MOST_KINDS]
    if not set(momentum) <= set(known) or not kinds:
        return []
    values = [state.train.values(other, len(state.train.rows)) for other in (*momentum, name)]
    square = values[3] ** 2 - values[0] ** 2 - values[1] ** 2 - values[2] ** 2
    # slow objects tell the mass, fast ones the rounding of their momenta
    slow = np.abs(square) > SLOW * values[3] ** 2
    found: list[Column] = []
    for kind in kinds:
        q = state.train.q[kind]
        low, high = int(q.min()), int(q.max())
        if high - low < MOST_KINDS:
            squares = [square[(q == k) & slow] for k in range(low, high + 1)]
            masses = [_usual_mass(of_kind, int(np.sum(q == low + k))) for k, of_kind in enumerate(squares)]
            found.append(MassShell(name, momentum, kind, low, tuple(masses)))
    return found


def _usual_mass(squares: Floats, objects: int) -> float:
    """Root of the commonest squared mass of slow objects: the median of the shortest half."""
    if len(squares) < max(FEWEST_SLOW, SLOW_SHARE * objects):
        return 0.0
    ordered = np.sort(squares)
    half = len(ordered) // 2
    start = int(np.argmin(ordered[half:] - ordered[: len(ordered) - half]))
    middle = float(np.median(ordered[start : start + half]))
    return round(float(np.sqrt(max(middle, 0.0))), 6)


def _moves(columns: Floats, kept: Integers, weights: Floats) -> Floats:
    """By how much each column moves the combination: a standard deviation."""
    return np.asarray(np.abs(weights) * columns[:, kept].std(axis=0), np.float64)


def _best_products(
    state: Fitting, known: Sequence[str], y: NDArray[np.generic], most: int = PRODUCTS
) -> list[Candidate]:
    """The few products and ratios that say most about the target."""
    found = [c for c in map(state.candidate, candidates.products(known, state.positive)) if c is not None]
    centred = np.asarray(y, np.float64)
    centred = centred - (float(np.median(centred)) if len(y) else 0.0)
    scores = additive.scores(centred, found)
    return [found[i] for i in sorted(range(len(found)), key=lambda i: -scores[i])[:PRODUCTS]]
