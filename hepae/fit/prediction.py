"""Fit the predictors of a collection: which columns, which tables, which classes, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.codecs.columns import Column, Context, Mix
from hepae.codecs.prediction import (
    FRACTION_BITS,
    WIDTH_BITS,
    Period,
    Predictor,
    Predictors,
    Source,
    Term,
    Widths,
    expand,
)
from hepae.codecs.ranks import RankOrder
from hepae.coding.integers import pack
from hepae.fit import additive, candidates
from hepae.fit.additive import Additive, Candidate
from hepae.kinematics import find_met, find_roles, nearest_point
from hepae.lattice import Lattice

__all__ = ["Settings", "coding_order", "fit"]

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

LARGEST_INTEGER: Final = 1 << 40
"""Features with integers beyond this are coded as they are and never looked at."""

VALIDATION_SHARE: Final = 0.25
FEWEST_EVENTS: Final = 8
POSITIVE_SHARE: Final = 0.9
BYTES_PER_KNOT: Final = 1.5
ANCESTOR_GAIN: Final = 0.003
"""The same for each further feature that must be decoded to read this one."""

LEAST_GAIN: Final = 0.006
"""Bits per object that a term must save besides its bytes, for the time that reading it takes."""

MIX_BITS: Final = 16
MIX_MOST: Final = 5
MIX_LEAST: Final = 0.25
"""A feature that moves a linear combination by less than this (standard deviation) is left out of it."""

WIDTH_GAIN: Final = 0.004
"""Share of the variance of the width that one more table must explain."""

RARE: Final = 2.0
"""Features of fewer bits than this come early."""

LATENT_GAIN: Final = 0.3
"""Latents say more than the feature itself only where the prediction took away this many bits."""


@dataclass(frozen=True)
class Settings:
    """How hard to try.

    Parameters
    ----------
    terms, width_terms
        Most tables in a prediction, and in the width of its residual.
    knots
        Knots of a table.
    classes
        Most classes of residuals.
    objects
        Objects to fit on; more are sampled by event.
    seed
        Of the split into training and validation events.
    """

    terms: int = 10
    width_terms: int = 4
    knots: int = 16
    classes: int = 6
    objects: int = 60_000
    seed: int = 0


@dataclass
class Sample:
    """One part of the events in rank order, with the integers of all features."""

    context: Context
    q: dict[str, Integers]

    def read(self, column: Column) -> Integers:
        return column.read(self.context, None)


@dataclass
class Fitting:
    """State while the predictors of one feature after the other are found."""

    train: Sample
    validation: Sample
    settings: Settings
    n_objects: int
    roles: Mapping[str, str]
    met: Mapping[str, str]
    conditions: Mapping[str, float | None]
    sources: list[Source]
    pool: dict[Column, Candidate | None]
    latents: list[str]
    positive: list[str]
    ancestors: dict[str, set[str]]

    def candidate(self, column: Column) -> Candidate | None:
        """The column with its knots and indices, made once."""
        if column not in self.pool:
            values = self.train.read(column)
            source = candidates.make_source(column, values, self.settings.knots)
            self.pool[column] = source and Candidate(
                source, source.index(values), source.index(self.validation.read(column))
            )
        return self.pool[column]

    def cost(self, candidate: Candidate, chosen: Sequence[Candidate]) -> float:
        """Bits per object that the bytes of one more table, and the features to decode for it, are worth."""
        size = BYTES_PER_KNOT * (len(candidate.source.knots) + 1) + 6
        decoded = self.closure([other.source.column for other in chosen])
        further = self.closure([candidate.source.column]) - decoded
        return 8.0 * size / max(self.n_objects, 1) + LEAST_GAIN + ANCESTOR_GAIN * len(further)

    def closure(self, columns: Iterable[Column]) -> set[str]:
        """The features that must be decoded to read these columns."""
        needs = {name for column in columns for name in column.needs}
        return needs.union(*(self.ancestors.get(name, set()) for name in needs))

    def term(self, candidate: Candidate, values: Floats, scale: float) -> Term:
        if candidate.source not in self.sources:
            self.sources.append(candidate.source)
        return Term(self.sources.index(candidate.source), tuple(int(v) for v in np.rint(values * scale)))


def fit(
    integers: Mapping[str, Integers],
    lattices: Mapping[str, Lattice],
    counts: NDArray[np.int64],
    events: Mapping[str, NDArray[np.generic]],
    *,
    order: Sequence[str] | None = None,
    roles: Mapping[str, str] | None = None,
    met: Mapping[str, str] | None = None,
    settings: Settings = Settings(),
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
        Kinematic roles of features; by default those of `hepae.kinematics.find_roles`.
    met
        Event-level branches that hold the missing transverse momentum, ``{"met": …, "met_phi": …}``; by default
        those of `hepae.kinematics.find_met`.
    """
    roles = find_roles(integers) if roles is None else roles
    met = find_met(events) if met is None else met
    order = coding_order(integers, roles) if order is None else order
    chosen, held = _split(counts, settings)
    if len(chosen) < FEWEST_EVENTS or len(held) < FEWEST_EVENTS:
        return Predictors(tuple(Predictor(name) for name in order))
    train = _sample(chosen, integers, lattices, counts, events)
    validation = _sample(held, integers, lattices, counts, events)
    state = Fitting(
        train,
        validation,
        settings,
        int(counts.sum()),
        roles,
        met,
        {name: _linear_scale(column) for name, column in events.items()},
        [],
        {},
        [],
        [name for name in order if _is_positive(lattices[name], train.q[name])],
        {},
    )
    known: list[str] = []
    predictors = []
    for name in order:
        predictors.append(_fit_feature(state, name, known))
        state.ancestors[name] = state.closure(_columns(predictors[-1], state.sources)) - {name}
        if _is_narrow(integers[name]):
            known.append(name)
    return Predictors(tuple(predictors), tuple(state.sources))


def coding_order(integers: Mapping[str, Integers], roles: Mapping[str, str]) -> tuple[str, ...]:
    """Four-vector first, then what is nearly constant and so costs little and says much, then from fine to coarse."""
    first = [roles[role] for role in ("pt", "eta", "phi", "mass", "px", "py", "pz", "E") if role in roles]
    sizes = {name: 8.0 * len(pack(q)) / max(len(q), 1) for name, q in integers.items() if name not in first}
    rare = sorted((name for name, size in sizes.items() if size < RARE), key=lambda name: sizes[name])
    rest = sorted((name for name, size in sizes.items() if size >= RARE), key=lambda name: -sizes[name])
    return (*first, *rare, *rest)


def _columns(predictor: Predictor, sources: Sequence[Source]) -> list[Column]:
    """What a predictor and its classes look at."""
    terms = predictor.terms + (predictor.widths.terms if predictor.widths else ())
    found = [sources[term.source].column for term in terms]
    return found if predictor.base is None else [*found, predictor.base]


def _split(counts: NDArray[np.int64], settings: Settings) -> tuple[Integers, Integers]:
    """Events to fit on and to validate with, whole events, at most so many objects in all."""
    shuffled = np.random.default_rng(settings.seed).permutation(len(counts))
    enough = int(np.searchsorted(np.cumsum(counts[shuffled]), settings.objects / (1 - VALIDATION_SHARE))) + 1
    shuffled = shuffled[:enough]
    held = int(len(shuffled) * VALIDATION_SHARE)
    return np.sort(shuffled[held:]), np.sort(shuffled[:held])


def _sample(
    chosen: Integers,
    integers: Mapping[str, Integers],
    lattices: Mapping[str, Lattice],
    counts: NDArray[np.int64],
    events: Mapping[str, NDArray[np.generic]],
) -> Sample:
    mask = np.zeros(len(counts), bool)
    mask[chosen] = True
    rows = np.repeat(mask, counts)
    order = RankOrder(counts[mask])
    context = Context(order, lattices, {name: np.asarray(column)[mask] for name, column in events.items()})
    q = {name: order.to_ranks(column[rows]) for name, column in integers.items()}
    context.known.update(q)
    return Sample(context, q)


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
    values = state.train.context.values(name)
    low, high = (-np.pi, np.pi) if values.min() < 0 else (0.0, 2 * np.pi)
    if values.min() < low - 0.01 or values.max() > high + 0.01:
        return None
    ends = nearest_point(state.train.context.lattices[name], np.array([low, high]))
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
    if not _is_narrow(q) or not _is_narrow(q_validation):
        return Predictor(name)
    period = _period(state, name)
    best: tuple[float, Predictor, Integers, Integers] | None = None
    found = candidates.bases(name, known, state.roles, state.met)
    for base in _promising(state, q, found, period):
        y, y_validation = (
            _around(s.q[name] - (s.read(base) if base else 0), period)
            for s in (state.train, state.validation)
        )
        pool = _pool(state, name, known, y)
        model = additive.grow(
            y.astype(np.float64),
            y_validation.astype(np.float64),
            pool,
            most=state.settings.terms,
            cost=state.cost,
        )
        predictor = Predictor(name, *_rounded(state, model), base, period)
        rest, rest_validation = (
            _around(
                v - _evaluate(predictor, state.sources, [getattr(c, part) for c in model.chosen], len(v)),
                period,
            )
            for v, part in ((y, "train"), (y_validation, "validation"))
        )
        size = float(len(pack(rest_validation)))
        if best is None or size < best[0]:
            best = size, predictor, rest, rest_validation
    assert best is not None
    size, predictor, rest, rest_validation = best
    gain = 8.0 * (len(pack(q_validation)) - size) / max(len(q_validation), 1)
    if gain <= LEAST_GAIN:
        predictor, rest, rest_validation = Predictor(name), q, q_validation
    if gain > LATENT_GAIN:
        state.latents.append(name)
    state.train.context.latents[name], state.validation.context.latents[name] = rest, rest_validation
    widths = _fit_widths(state, name, known, rest, rest_validation)
    return Predictor(name, predictor.constant, predictor.terms, predictor.base, predictor.period, widths)


def _promising(
    state: Fitting, q: Integers, bases: Sequence[Column], period: Period | None
) -> list[Column | None]:
    """The best kinematic base, or none where none helps by itself."""
    losses: list[tuple[float, Column | None]] = [(additive.bits(q - np.median(q)), None)]
    for base in bases:
        rest = _around(q - state.train.read(base), period)
        losses.append((additive.bits(rest - np.median(rest)), base))
    return [min(losses, key=lambda pair: pair[0])[1]]


def _pool(state: Fitting, name: str, known: Sequence[str], y: Integers) -> list[Candidate]:
    latents = [other for other in state.latents if other in known]
    columns = list(candidates.simple(name, known, latents, state.conditions, state.roles))
    columns += _mixes(state, known, y)
    pool = [state.candidate(column) for column in columns]
    return [c for c in pool if c is not None] + _best_products(state, known, y)


def _mixes(state: Fitting, known: Sequence[str], y: Integers) -> list[Column]:
    """A robust linear combination of the features before, weights in powers of two fractions."""
    if len(known) < 2:
        return []
    rows = slice(0, additive.SCORED)
    columns = np.stack([state.train.q[name][rows] for name in known], axis=1).astype(np.float64)
    target, kept = y[rows].astype(np.float64), np.arange(len(known))
    weights = additive.linear(columns, target)
    while len(kept) > MIX_MOST or (len(kept) > 1 and _moves(columns, kept, weights).min() < MIX_LEAST):
        drop = max(1, (len(kept) - MIX_MOST) // 3)
        kept = np.sort(kept[np.argsort(-_moves(columns, kept, weights))][: len(kept) - drop])
        weights = additive.linear(columns[:, kept], target)
    if len(kept) < 2:
        return []
    integers = np.rint(weights * (1 << MIX_BITS)).astype(np.int64)
    return [Mix(tuple(known[i] for i in kept), tuple(int(w) for w in integers), MIX_BITS)]


def _moves(columns: Floats, kept: Integers, weights: Floats) -> Floats:
    """By how much each column moves the combination: a standard deviation."""
    return np.abs(weights) * columns[:, kept].std(axis=0)


def _best_products(state: Fitting, known: Sequence[str], y: Integers, most: int = 6) -> list[Candidate]:
    """The few products and ratios that say most about the target."""
    found = [c for c in map(state.candidate, candidates.products(known, state.positive)) if c is not None]
    centred = y - float(np.median(y)) if len(y) else y.astype(np.float64)
    scores = additive.scores(centred, found)
    return [found[i] for i in sorted(range(len(found)), key=lambda i: -scores[i])[:most]]


def _rounded(state: Fitting, model: Additive) -> tuple[int, tuple[Term, ...]]:
    scale = float(1 << FRACTION_BITS)
    terms = tuple(state.term(c, v, scale) for c, v in zip(model.chosen, model.values, strict=True))
    return int(np.rint(model.constant * scale)), terms


def _evaluate(
    predictor: Predictor, sources: Sequence[Source], indices: Sequence[Integers], size: int
) -> Integers:
    """What the reader will predict, without the base."""
    total = np.full(size, predictor.constant + (1 << (FRACTION_BITS - 1)), np.int64)
    for term, index in zip(predictor.terms, indices, strict=True):
        total += np.take(expand(sources[term.source].knots, term.values), index)
    return total >> FRACTION_BITS


def _fit_widths(
    state: Fitting, name: str, known: Sequence[str], rest: Integers, rest_validation: Integers
) -> Widths | None:
    """Classes of residuals by their expected width, as many as pay."""
    y, y_validation = (np.log2(1.0 + np.abs(r)) for r in (rest, rest_validation))
    pool = _pool(state, name, known, y)
    model = additive.grow(
        y,
        y_validation,
        pool,
        most=state.settings.width_terms,
        cost=lambda *_: WIDTH_GAIN * float(np.var(y_validation)),
        loss=lambda r: float(np.mean(r * r)),
        weights=additive.weights_squared,
    )
    if not model.chosen:
        return None
    score, score_validation = (
        additive.apply(model, [getattr(c, part) for c in model.chosen], len(v))
        for part, v in (("train", rest), ("validation", rest_validation))
    )
    best, size = (), float(len(pack(rest_validation)))
    table_bytes = (
        sum(BYTES_PER_KNOT * len(v) + 6 for v in model.values) * len(rest_validation) / state.n_objects
    )
    for n in range(2, state.settings.classes + 1):
        edges = np.unique(np.quantile(score, np.linspace(0, 1, n + 1)[1:-1]))
        classes = np.searchsorted(edges, score_validation, "right")
        packed = sum(len(pack(rest_validation[classes == k])) for k in range(len(edges) + 1)) + table_bytes
        if packed < size * 0.995 - LEAST_GAIN * len(rest_validation) / 8:
            best, size = tuple(edges), packed
    if not best:
        return None
    scale = float(1 << WIDTH_BITS)
    terms = tuple(state.term(c, v, scale) for c, v in zip(model.chosen, model.values, strict=True))
    return Widths(int(np.rint(model.constant * scale)), terms, tuple(int(np.rint(e * scale)) for e in best))
