"""Fit the predictors of a collection: which columns, which tables, which classes, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic.kinematics import find_met, find_roles, find_totals
from hepae.core.coding.integers import pack
from hepae.core.prediction.columns import Blend, Column, Count, Here, Latent, Neighbour, Rank
from hepae.core.prediction.derived import with_derived
from hepae.core.prediction.predictors import Lookup, Predictor, Predictors
from hepae.core.prediction.tables import FRACTION_BITS, Period, Widths, expand
from hepae.core.values.lattice import Lattice
from hepae.learn.fit import additive, candidates, crowd, links
from hepae.learn.fit.contexts import MOST_VALUES, fit_contexts
from hepae.learn.fit.copies import copied
from hepae.learn.fit.derived import MOST_RANKS, is_crowded, last_rank, polar
from hepae.learn.fit.pool import blends, mass_shells, pool_for, telling
from hepae.learn.fit.rows import each_row, off_before, rows_before
from hepae.learn.fit.state import (
    NO_LINKS,
    Fitting,
    Links,
    Settings,
    columns_of,
    split_events,
    table_grain,
    take_sample,
)
from hepae.learn.fit.widths import fit_widths

__all__ = ["Settings", "coding_order", "fit"]


LARGEST_INTEGER: Final = 1 << 40
"""Features with integers beyond this are coded as they are and never looked at."""

FEWEST_EVENTS: Final = 8
FEWEST_OBJECTS: Final = 300
"""Below, tables cost more bytes than they save: the 60 features of 200 muons of a NanoAOD-like file take 15.3 kB
without and 16.0 kB with them, those of 400 take 26.3 and 26.0 kB, the model counted."""

LEAST_BYTES: Final = 64
"""Columns of fewer are coded as they are: a table takes a quarter of that or more."""

FEW_VALUES: Final = 64
"""With more, a prediction may say more than contexts."""

SHARE_OBJECTS: Final = 20_000
FEWEST_SHARES: Final = 50
FEWEST_PARTS: Final = 3
SHARE_TOLERANCE: Final = 0.05
"""What makes features parts of a whole: how many, seen in how many objects, and how exactly."""

POSITIVE_SHARE: Final = 0.9
DEAR_GAIN: Final = 2.0
"""Bits per object that a base must save if it needs more columns than the budget has, up to twice as many: a parton is
a generator particle but for rounding, whatever that needs.
"""

BASE_GAIN: Final = 0.15
"""A blend takes a while to read, and must save that many bits."""

RARE: Final = 2.0
"""Features of fewer bits than this come early."""

DEFAULT: Final = Settings()

LATENT_GAIN: Final = 0.3
"""Latents say more than the feature itself only where the prediction took away this many bits."""


def fit(
    integers: Mapping[str, Integers],
    lattices: Mapping[str, Lattice],
    counts: NDArray[np.int64],
    events: Mapping[str, NDArray[np.generic]],
    *,
    order: Sequence[str] | None = None,
    roles: Mapping[str, str] | None = None,
    met: Mapping[str, str] | None = None,
    settings: Settings = DEFAULT,
    linked: Links = NO_LINKS,
) -> Predictors:
    """Fit predictors on the lattice integers of a collection.

    Parameters
    ----------
    integers
        int64[n_objects] by feature, objects in event order.
    lattices
        Lattice of each feature.
    counts
        Objects per event.
    events
        Event-level columns to condition on, [n_events].
    order
        Coding order of the features; by default `coding_order`.
    roles
        Kinematic roles of features; by default those of `hepae.core.arithmetic.kinematics.find_roles`.
    met
        Event-level branches that hold the missing transverse momentum, ``{"met": …, "met_phi": …}``; by default
        those of `hepae.core.arithmetic.kinematics.find_met`.
    linked
        What the objects are linked to.
    """
    roles = find_roles(integers) if roles is None else roles
    met = find_met(events) if met is None else met
    chosen, held = split_events(counts, settings)
    if not _teach(counts, chosen, held):
        order = coding_order(integers, roles, lattices) if order is None else order
        return Predictors(tuple(Predictor(name) for name in order))
    by_role = polar(integers, lattices, roles)
    derived = tuple(by_role.values())
    last = min(int(counts.max()), MOST_RANKS) if linked.mothers else last_rank(counts)
    roles = {**roles, **{role: one.name for role, one in by_role.items()}}
    integers = with_derived(derived, integers, lattices)
    lattices = {**lattices, **{one.name: one.lattice for one in derived}}
    order = coding_order(integers, roles, lattices) if order is None else order
    if settings.contexts:
        order = sorted(order, key=lambda name: not _are_few(integers[name], MOST_VALUES))
    order = (*linked.first, *(name for name in order if name not in linked.first))
    known_of = {**lattices, **linked.lattices}
    train = take_sample(chosen, integers, known_of, counts, events, last, linked.given)
    validation = take_sample(held, integers, known_of, counts, events, last, linked.given)
    state = Fitting(
        train,
        validation,
        settings,
        int(counts.sum()),
        roles,
        met,
        {name: _linear_scale(column) for name, column in events.items()},
        find_totals(events) if is_crowded(last) else {},
        [name for name in order if _is_positive(lattices[name], train.q[name])],
        linked,
    )
    known: list[str] = []
    predictors = []
    for name in order:
        predictors.append(_fit_feature(state, name, known))
        state.ancestors[name] = state.closure(columns_of(predictors[-1], state.sources)) - {name}
        if _is_narrow(integers[name]):
            known.append(name)
    return Predictors(tuple(predictors), tuple(state.sources), derived, last)


def _teach(counts: Integers, chosen: Integers, held: Integers) -> bool:
    """Whether enough events to learn from and to validate with have enough objects."""
    enough = min(len(chosen), len(held)) >= FEWEST_EVENTS and int(counts.sum()) >= FEWEST_OBJECTS
    return enough and bool(counts[chosen].any()) and bool(counts[held].any())


def coding_order(
    integers: Mapping[str, Integers], roles: Mapping[str, str], lattices: Mapping[str, Lattice]
) -> tuple[str, ...]:
    """Four-vector first, then shares that add up to one, then from fine to coarse.

    Without such shares, what is nearly constant comes before the rest, because it costs little and says much. Where
    px, py and pz follow from pt, eta and phi, it comes between these and those, because the energy depends on it.
    """
    polar = [roles[role] for role in ("pt", "eta", "phi", "mass") if role in roles]
    cartesian = [roles[role] for role in ("px", "py", "pz", "E") if role in roles]
    first = [*polar, *cartesian]
    sizes = {name: 8.0 * len(pack(q)) / max(len(q), 1) for name, q in integers.items() if name not in first}
    shares = _shares({name: lattices[name].centres(integers[name][:SHARE_OBJECTS]) for name in sizes})
    wide = sorted((name for name in shares if sizes[name] >= RARE), key=lambda name: sizes[name])
    # most follows from the widest; of the others the smoothest comes last, because the sum leaves it no freedom
    shares = [*wide[-1:], *wide[:-1], *sorted(set(shares) - set(wide), key=lambda name: (-sizes[name], name))]
    others = [name for name in sizes if name not in shares]
    rare = sorted((name for name in others if sizes[name] < RARE), key=lambda name: sizes[name])
    rest = sorted((name for name in others if sizes[name] >= RARE), key=lambda name: -sizes[name])
    if {"pt", "px"} <= roles.keys():
        return (*polar, *rare, *cartesian, *shares, *rest)
    return (*first, *shares, *rare, *rest)


def _shares(values: Mapping[str, Floats]) -> list[str]:
    """Features that add up to one, such as energy fractions: those that a linear fit of one gives the weight one."""
    names = [
        name for name, x in values.items() if len(x) >= FEWEST_SHARES and x.min() > -1e9 and x.max() < 1e9
    ]
    if len(names) < FEWEST_PARTS:
        return []
    matrix = np.stack([values[name] for name in names], axis=1)
    scale = np.abs(matrix).max(axis=0)
    weights = np.linalg.lstsq(matrix / np.maximum(scale, 1e-300), np.ones(len(matrix)), rcond=None)[0]
    weights /= np.maximum(scale, 1e-300)
    chosen = [place for place, weight in enumerate(weights) if abs(weight - 1) < SHARE_TOLERANCE]
    off = np.abs(matrix[:, chosen].sum(axis=1) - 1)
    if len(chosen) < FEWEST_PARTS or float(np.median(off)) > SHARE_TOLERANCE:
        return []
    return [names[place] for place in chosen]


def _is_narrow(q: Integers) -> bool:
    return len(q) == 0 or (int(q.min()) > -LARGEST_INTEGER and int(q.max()) < LARGEST_INTEGER)


def _is_positive(lattice: Lattice, q: Integers) -> bool:
    return _is_narrow(q) and float(np.mean(lattice.centres(q) > 0)) > POSITIVE_SHARE


def _linear_scale(column: NDArray[np.generic]) -> float | None:
    values = np.asarray(column).astype(np.float64)
    values = values[np.isfinite(values)]
    spread = float(np.ptp(np.quantile(values, [0.02, 0.98]))) if len(values) else 0.0
    return 1000.0 / spread if spread > 0 else None


def _period(state: Fitting, name: str) -> Period | None:
    """The circle of phi on its lattice, if its values are on one."""
    if state.roles.get("phi") != name:
        return None
    values = state.train.values(name, len(state.train.rows))
    low, high = (-np.pi, np.pi) if values.min() < 0 else (0.0, 2 * np.pi)
    if values.min() < low - 0.01 or values.max() > high + 0.01:
        return None
    ends = state.train.context.lattices[name].nearest(np.array([low, high]))
    first, last = (
        min(int(ends[0]), int(state.train.q[name].min())),
        max(int(ends[1]), int(state.train.q[name].max())),
    )
    return Period(first, last) if last > first else None


def _around(values: Integers, period: Period | None) -> Integers:
    if period is None:
        return values
    length = period.high - period.low + 1
    return (values + length // 2) % length - length // 2


def _fit_feature(state: Fitting, name: str, known: Sequence[str]) -> Predictor:
    q, q_validation = state.train.q[name], state.validation.q[name]
    plain = state.settings.first_plain and not known and not is_crowded(state.train.context.order.last)
    if not _is_narrow(q) or not _is_narrow(q_validation):
        return Predictor(name)
    if plain:
        return Predictor(name, base=_ceiling(state, name))
    if len(pack(q)) + len(pack(q_validation)) < LEAST_BYTES:
        return Predictor(name)
    if state.settings.contexts:
        return _fit_by_context(state, name, known)
    predictor, rest, rest_validation, found = _fit_numbers(state, name, known)
    _known(state, predictor, rest, rest_validation)
    offered = links.columns(state.links, name, known) + (found if predictor.trivial else [])
    widths = _widths(state, predictor, known, offered, rest, rest_validation)
    return msgspec.structs.replace(predictor, widths=widths)


def _fit_numbers(
    state: Fitting, name: str, known: Sequence[str]
) -> tuple[Predictor, Integers, Integers, list[Column]]:
    """What a feature is predicted from, what that leaves in both parts of the events, and the bases that were tried."""
    q, q_validation = state.train.q[name], state.validation.q[name]
    period = _period(state, name)
    found = candidates.bases(name, known, state.roles, state.met) + links.bases(state, name, known)
    found += rows_before(state, name) if state.settings.contexts else []
    if state.settings.looks is not None:
        known = telling(state, known, q, state.settings.looks)
    found += blends(state, name, known)
    if state.crowded:
        found += crowd.bases(name, state.roles, state.totals) + mass_shells(state, name, known)
    found = [base for base in found if state.affordable(state.closure([base]) - {name}, generously=True)]
    tried = [_fit_terms(state, name, known, base, period) for base in _promising(state, name, found, period)]
    sizes = [len(pack(fitted[2])) for fitted in tried]
    pick = -1 if sizes[-1] < sizes[0] - BASE_GAIN * len(q_validation) / 8 else 0
    (predictor, rest, rest_validation), size = tried[pick], float(sizes[pick])
    gain = 8.0 * (len(pack(q_validation)) - size) / max(len(q_validation), 1)
    if gain <= state.settings.least_gain:
        predictor, rest, rest_validation = Predictor(name), q, q_validation
    if gain > LATENT_GAIN:
        state.latents.append(name)
    return predictor, rest, rest_validation, found


def _fit_by_context(state: Fitting, name: str, known: Sequence[str]) -> Predictor:
    """The better of classes by context alone, and of a prediction with classes by context of what it leaves."""
    q, q_validation = state.train.q[name], state.validation.q[name]
    bits, alone = _by_context(state, Predictor(name), known, q, q_validation)
    if alone.widths is not None and _are_few(q, FEW_VALUES):
        return _known(state, alone, q, q_validation)
    best, left = alone, (q, q_validation)
    fitted = _fit_numbers(state, name, known)[:3]
    for predictor, rest, rest_validation in (fitted, *copied(state, name, known)):
        if not predictor.trivial:
            dear = not state.affordable(state.closure(columns_of(predictor, state.sources)) - {name})
            after, classified = _by_context(state, predictor, known, rest, rest_validation)
            if after + DEAR_GAIN * dear < bits:
                best, left, bits = classified, (rest, rest_validation), after
    if isinstance(best.base, Here):
        state.latents.append(name)
    return _known(state, best, *left)


def _known(state: Fitting, predictor: Predictor, rest: Integers, rest_validation: Integers) -> Predictor:
    """A predictor, what it leaves known from now on."""
    state.train.put_latents(predictor.feature, rest)
    state.validation.put_latents(predictor.feature, rest_validation)
    return predictor


def _are_few(q: Integers, most: int) -> bool:
    """Whether there are no more different values than that."""
    return len(np.unique(q[:SHARE_OBJECTS])) <= most


def _by_context(
    state: Fitting, predictor: Predictor, known: Sequence[str], rest: Integers, rest_validation: Integers
) -> tuple[float, Predictor]:
    """A predictor with the classes that columns beside it give, and bits per residual."""
    name = predictor.feature
    columns: list[Column] = [Here(other) for other in known]
    columns += [Latent(other) for other in state.latents if other in known]
    columns += [Neighbour(name, -1), Rank(), Count(), *links.columns(state.links, name, known)]
    pool = [candidate for column in columns if (candidate := state.candidate(column)) is not None]
    pool += each_row(state) + off_before(state, name, rest, rest_validation)
    used = columns_of(predictor, state.sources)
    bits, widths = fit_contexts(state, name, used, pool, rest)
    return bits, msgspec.structs.replace(predictor, widths=widths)


def _widths(
    state: Fitting,
    predictor: Predictor,
    known: Sequence[str],
    offered: Sequence[Column],
    rest: Integers,
    rest_validation: Integers,
) -> Widths | None:
    """Classes by expected width."""
    name = predictor.feature
    pool = pool_for(state, name, known, np.log2(1.0 + np.abs(rest)), offered)
    ranked = any(name in column.needs for column in columns_of(predictor, state.sources))
    avoid = "" if ranked else name
    return fit_widths(state, pool, rest, rest_validation, by_place=predictor.trivial, avoid=avoid)


def _ceiling(state: Fitting, name: str) -> Column | None:
    """What the pt of objects stays below, where this says enough; first objects and later ones apart."""
    base = candidates.ceiling(name, state.roles, state.met)
    if base is None:
        return None
    q, later = state.train.q[name], state.train.read(Rank()) > 0
    gain = additive.bits_of_groups(q, later) - additive.bits_of_groups(q - state.train.read(base), later)
    return base if gain > BASE_GAIN else None


def _promising(
    state: Fitting, name: str, bases: Sequence[Column], period: Period | None
) -> list[Column | None]:
    """The best kinematic base, or none where none helps by itself; both where it is only a blend."""
    q = state.train.q[name]
    losses: list[tuple[float, Column | None]] = [(additive.bits(q - np.median(q)), None)]
    for base in bases:
        rest = _around(q - state.train.read(base), period)
        dear = not state.affordable(state.closure([base]) - {name})
        losses.append((additive.bits(rest - np.median(rest)) + DEAR_GAIN * dear, base))
    best = min(losses, key=lambda pair: pair[0])[1]
    return [None, best] if isinstance(best, Blend) else [best]


def _fit_terms(
    state: Fitting, name: str, known: Sequence[str], base: Column | None, period: Period | None
) -> tuple[Predictor, Integers, Integers]:
    """Predictor with a given base, and what it leaves of training and validation events."""
    y, y_validation = (
        _around(s.q[name] - (s.read(base) if base else 0), period) for s in (state.train, state.validation)
    )
    length = period.length if period else 0
    further = crowd.relative(name, known, state.roles, state.totals, base, length) if state.crowded else []
    pool = pool_for(state, name, known, y, [*further, *links.columns(state.links, name, known)])
    model = additive.grow(
        y.astype(np.float64),
        y_validation.astype(np.float64),
        pool,
        most=state.settings.terms,
        cost=partial(state.cost, name),
    )
    residuals = y - additive.apply(model, [c.train for c in model.chosen], len(y))
    terms = state.terms(model, FRACTION_BITS, table_grain(residuals))
    predictor = Predictor(name, int(np.rint(model.constant * (1 << FRACTION_BITS))), terms, base, period)
    left = [
        _around(values - _evaluate(predictor, state.sources, indices, len(values)), period)
        for values, indices in (
            (y, [c.train for c in model.chosen]),
            (y_validation, [c.validation for c in model.chosen]),
        )
    ]
    return predictor, left[0], left[1]


def _evaluate(
    predictor: Predictor, sources: Sequence[Lookup], indices: Sequence[Integers], size: int
) -> Integers:
    """What the reader will predict, without the base."""
    total = np.full(size, predictor.constant + (1 << (FRACTION_BITS - 1)), np.int64)
    for term, index in zip(predictor.terms, indices, strict=True):
        total += np.take(expand(sources[term.source].knots, term.values), index)
    return total >> FRACTION_BITS
