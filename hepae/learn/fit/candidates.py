"""Which columns a prediction may try: everything known before, neighbours, products, kinematics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from hepae.arrays import Integers
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.columns import (
    Ceiling,
    Column,
    Condition,
    Count,
    FormulaPoint,
    Here,
    Latent,
    Neighbour,
    Product,
    Rank,
    Recoil,
    RecoilSize,
    When,
)
from hepae.core.prediction.context import MISSING, Context
from hepae.core.prediction.predictors import LARGEST_TABLE, Lookup

__all__ = ["bases", "ceiling", "make_source", "products", "simple"]


EVERY_VALUE: Final = 20
"""Columns with no more values than this get a knot at each."""

FREQUENT: Final = 0.02
"""A value that often gets a knot of its own and one on either side, for a step."""

MOST_KINDS: Final = 512
RARE: Final = 1e-3
"""Of columns with no more values than that, rare ones far from the others count as the last one before them: a single
nucleus among generator particles would put all kinds of mesons together.
"""

ANGLE_UNITS: Final = 64.0


def make_source(column: Column, values: Integers, knots: int) -> Lookup | None:
    """A source with knots at the quantiles of the column; None where there is nothing to look at."""
    present = values[values != MISSING]
    if len(present) == 0:
        return None
    unique, counts = np.unique(present, return_counts=True)
    if len(unique) < 2 and len(present) == len(values):
        return None
    if unique[0] < -(1 << 60) or unique[-1] > (1 << 60):
        return None
    if _shift(unique) and len(unique) <= MOST_KINDS:
        usual = counts > RARE * counts.sum()
        unique, counts = (unique[usual], counts[usual]) if usual.any() else (unique, counts)
    low, shift = int(unique[0]), _shift(unique)
    at = unique if len(unique) <= EVERY_VALUE else _quantile_knots(unique, counts, knots)
    index = np.unique(((at - low) >> shift) + 1)
    return Lookup(column, low, shift, tuple(int(k) for k in index))


def _shift(unique: Integers) -> int:
    """How coarse the index of a table has to be for values, which rise."""
    return max(0, int(unique[-1] - unique[0] + 1).bit_length() - (LARGEST_TABLE.bit_length() - 2))


def _quantile_knots(unique: Integers, counts: Integers, knots: int) -> Integers:
    share = np.cumsum(counts) / counts.sum()
    inner = unique[np.searchsorted(share, np.linspace(0, 1, knots)[1:-1]).clip(0, len(unique) - 1)]
    often = unique[counts > FREQUENT * counts.sum()] if len(unique) > 4 * EVERY_VALUE else unique[:0]
    around = np.concatenate([often - 1, often, often + 1])
    around = around[(around >= unique[0]) & (around <= unique[-1])]
    return np.unique(np.concatenate([unique[[0, -1]], inner, around]))


def simple(
    feature: str,
    known: Sequence[str],
    latents: Sequence[str],
    conditions: Mapping[str, float | None],
    roles: Mapping[str, str],
) -> list[Column]:
    """Columns of one feature or of the event, for predicting ``feature`` from those known.

    Parameters
    ----------
    known
        Features before it.
    latents
        Those of them whose latents say more than themselves.
    conditions
        Event-level branches, with the scale of their linear column or None where there is none.
    roles
        Kinematic roles, for the recoil.
    """
    columns: list[Column] = [Here(name) for name in known]
    columns += [Latent(name) for name in latents]
    columns += [
        Neighbour(feature, -1),
        Neighbour(feature, -2),
        Count(),
        Rank(),
        When("last", Neighbour(feature, -1)),
    ]
    # the masked codec decodes the momentum of one object after the other
    momentum = {roles[role] for role in ("pt", "eta", "phi") if role in roles}
    offsets = (-1,) if feature in momentum else (-1, 1)
    columns += [Neighbour(name, offset) for name in known for offset in offsets]
    for branch, scale in conditions.items():
        columns += [Condition(branch), When("first", Condition(branch)), When("later", Condition(branch))]
        if scale is not None:
            columns.append(Condition(branch, scale))
    if roles.get("phi") == feature:
        columns += [
            RecoilSize(r, relative) for r in _recoils(feature, known, roles, {}) for relative in (True, False)
        ]
    return columns


def products(known: Sequence[str], positive: Sequence[str]) -> Iterator[Column]:
    """Products and ratios of pairs of positive features."""
    usable = [name for name in known if name in positive]
    for i, first in enumerate(usable):
        for second in usable[:i]:
            yield Product((first, second), (1, -1), 0)
            yield Product((first, second), (1, 1), 0)


def bases(
    feature: str, known: Sequence[str], roles: Mapping[str, str], met: Mapping[str, str]
) -> list[Column]:
    """Kinematic predictions of a feature in units of its own lattice.

    Parameters
    ----------
    met
        Event-level branches of the missing transverse momentum: ``{"met": …, "met_phi": …}`` or empty.
    """
    found: list[Column] = []
    for name, formula in kinematics.FORMULAS.items():
        features = kinematics.roles_of(formula.needs, roles)
        if roles.get(formula.target) == feature and features and set(features) <= set(known):
            found.append(FormulaPoint(name, feature, features))
    if roles.get("phi") == feature:
        found += _recoils(feature, known, roles, met)
        if met:
            found += _recoils(feature, known, roles, {})
    return found


def ceiling(feature: str, roles: Mapping[str, str], met: Mapping[str, str]) -> Column | None:
    """What bounds the pt of an object, or nearly so; phi must be decoded together with it."""
    if roles.get("pt") != feature or "phi" not in roles:
        return None
    return Ceiling(Recoil(feature, roles["phi"], met.get("met", ""), met.get("met_phi", "")))


def _recoils(
    feature: str, known: Sequence[str], roles: Mapping[str, str], met: Mapping[str, str]
) -> list[Recoil]:
    """Recoils that may be looked at while ``feature`` is predicted."""
    pt, phi = roles.get("pt"), roles.get("phi")
    if pt is None or phi is None or not {pt, phi} <= {*known, feature} or pt == feature:
        return []
    return [Recoil(pt, phi, met.get("met", ""), met.get("met_phi", ""))]


def usable(column: Column, context: Context) -> bool:
    """Whether a column can be read at all from what the context holds."""
    return all(name in context.known for name in column.needs)
