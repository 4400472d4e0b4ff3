"""Predict lattice integers from what is already known: exact integers, the same on every machine.

How another codec uses this (all arrays are in rank order, see `hepae.codecs.ranks.RankOrder`)::

    predictors: Predictors                              # frozen, from the manifest or from hepae.fit.prediction.fit()
    evaluation = Evaluation(predictors, lattices, counts, events)
    order = evaluation.order                            # RankOrder: to_ranks, to_events, starts, n_ranks, part(rank)
    for predictor in predictors.features:               # coding order; .feature is the name
        name = predictor.feature
        # writing: the integers are known
        latents = evaluation.encode(name, q)            # int64[n] residuals; afterwards name may be used as a source
        classes = evaluation.classes(name)              # uint8[n], expected width of the residual (0 = narrowest)
        # reading, features without own context: all objects at once
        prediction = evaluation.predict(name)           # int64[n]
        # reading, features with own context (predictors.ranked(name)): rank by rank
        evaluation.begin(name)
        for rank in range(order.n_ranks):
            prediction = evaluation.predict(name, rank) # int64[order.size(rank)]
            classes = evaluation.classes(name, rank)
            q = evaluation.restored(name, latents, prediction, around=...)
            evaluation.put(name, q, rank)
        evaluation.put(name, whole)                     # at the end, or at once when there is no own context
    evaluation.decode(name, latents, around=...)        # does all of the reading side when all latents are at hand
    evaluation.index(source)                            # int64 column of a source (number), for conditional tables

``around`` says whether the residuals of a feature with a `Period` were taken around the circle; the writer asks
`Evaluation.around(name, q)` and stores the answer (it is False only for chunks with values off the circle).

`predictors.ancestors(name)` names the features that must be decoded before ``name``.

The prediction is ``base + (constant + sum of table[index]) >> FRACTION_BITS``. Each table is an integer function of one
integer column (`hepae.codecs.columns`), given in the model by its values at a few knots and expanded on loading by
integer interpolation: one look-up per object covers linear, quadratic, logarithmic … dependences at once. Sums are
exact integers in any order. Indices are clipped to the table, so data foreign to the model are predicted badly but
never out of bounds.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.codecs.columns import (
    MISSING,
    Column,
    Condition,
    Context,
    Latent,
    Neighbour,
    Recoil,
    RecoilSize,
)
from hepae.codecs.ranks import RankOrder
from hepae.errors import ModelRejectedError
from hepae.lattice import Lattice

__all__ = [
    "FRACTION_BITS",
    "Evaluation",
    "Period",
    "Predictor",
    "Predictors",
    "Source",
    "Term",
    "Widths",
    "expand",
]

Integers = NDArray[np.int64]

FRACTION_BITS: Final = 6
WIDTH_BITS: Final = 8
BLOCK: Final = 8192
LARGEST_TABLE_VALUE: Final = 1 << 44
LARGEST_TABLE: Final = 1 << 17


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column as the index of tables: ``((column - low) >> shift) + 1``, 0 where the column is missing.

    Parameters
    ----------
    column
        What is looked at.
    low, shift
        Origin and coarseness of the index.
    knots
        Rising indices, from 1, at which tables are given; the last is the last index.
    """

    column: Column
    low: int
    shift: int
    knots: tuple[int, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in pairwise(self.knots))
        if not self.knots or not rising or self.knots[0] != 1 or not 0 <= self.shift < 62:
            raise ModelRejectedError("knots of a table do not rise from 1", got=self.knots[:4])
        limits.check("table", self.knots[-1], LARGEST_TABLE)

    @property
    def optional(self) -> bool:
        """Whether some objects lack this column."""
        return isinstance(self.column, Neighbour | Condition | Recoil | RecoilSize)

    def index(self, column: Integers) -> Integers:
        """Index of each object into the tables of this source."""
        if not self.optional:
            index = column - (self.low - (1 << self.shift))
            if self.shift:
                index >>= self.shift
            return np.clip(index, 1, self.knots[-1], out=index)
        index = ((np.maximum(column, self.low) - self.low) >> self.shift) + 1
        np.minimum(index, self.knots[-1], out=index)
        index[column == MISSING] = 0
        return index


class Term(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of one source: the value for missing objects, then the values at the knots, in 2**-FRACTION_BITS."""

    source: int
    values: tuple[int, ...]


class Period(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature on a circle: integers ``low`` to ``high``, after which ``low`` comes again."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not self.low < self.high <= self.low + (1 << 40):
            raise ModelRejectedError("not a period", got=(self.low, self.high))


class Widths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Expected width of the residual: a sum of tables (in 2**-WIDTH_BITS), cut at rising edges into classes."""

    constant: int
    terms: tuple[Term, ...]
    edges: tuple[int, ...]


class Predictor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one feature is predicted.

    Parameters
    ----------
    feature
        Short name of the feature.
    constant
        Added to the sum of the tables, in 2**-FRACTION_BITS.
    terms
        Tables to sum.
    base
        Column in units of the feature's lattice that is added as it is, or None.
    period
        For a feature on a circle.
    widths
        Classes of residuals, or None for a single class.
    """

    feature: str
    constant: int = 0
    terms: tuple[Term, ...] = ()
    base: Column | None = None
    period: Period | None = None
    widths: Widths | None = None

    @property
    def n_classes(self) -> int:
        return len(self.widths.edges) + 1 if self.widths else 1

    @property
    def trivial(self) -> bool:
        """Whether the prediction is the same for all objects."""
        return not self.terms and self.base is None


class Predictors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The predictors of all features in coding order, and the sources that their tables share.

    Raises
    ------
    ModelRejectedError
        If a predictor looks at a feature that comes after it, or a table does not fit its source.
    """

    features: tuple[Predictor, ...]
    sources: tuple[Source, ...] = ()

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for predictor in self.features:
            _check(predictor, self.sources, seen)
            seen.add(predictor.feature)

    def __getitem__(self, feature: str) -> Predictor:
        for predictor in self.features:
            if predictor.feature == feature:
                return predictor
        raise KeyError(feature)

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the features in coding order."""
        return tuple(predictor.feature for predictor in self.features)

    def columns(self, feature: str) -> list[Column]:
        """The columns that the prediction and the classes of a feature look at."""
        predictor = self[feature]
        terms = predictor.terms + (predictor.widths.terms if predictor.widths else ())
        found = [self.sources[term.source].column for term in terms]
        return found if predictor.base is None else [*found, predictor.base]

    def ranked(self, feature: str) -> bool:
        """Whether a feature is predicted from itself in objects before, so that ranks must be decoded in turn."""
        return any(feature in column.needs for column in self.columns(feature))

    def parents(self, feature: str) -> tuple[str, ...]:
        """The features that its prediction looks at directly."""
        needs = {name for column in self.columns(feature) for name in column.needs} - {feature}
        return tuple(name for name in self.order if name in needs)

    def ancestors(self, feature: str) -> tuple[str, ...]:
        """The features that must be decoded before this one, in coding order."""
        found: set[str] = set()
        waiting = [feature]
        while waiting:
            for name in self.parents(waiting.pop()):
                if name not in found:
                    found.add(name)
                    waiting.append(name)
        return tuple(name for name in self.order if name in found)

    def wants_latent(self, feature: str) -> bool:
        """Whether some source is the latent of this feature."""
        return any(isinstance(s.column, Latent) and s.column.feature == feature for s in self.sources)


def _check(predictor: Predictor, sources: tuple[Source, ...], before: set[str]) -> None:
    where = predictor.feature
    if where in before:
        raise ModelRejectedError("a feature is predicted twice", where=where)
    largest = abs(predictor.constant)
    terms = predictor.terms + (predictor.widths.terms if predictor.widths else ())
    for term in terms:
        if not 0 <= term.source < len(sources):
            raise ModelRejectedError("no such source", where=where, got=term.source)
        if len(term.values) != len(sources[term.source].knots) + 1:
            raise ModelRejectedError("a table does not fit its source", where=where, got=len(term.values))
        largest += max(abs(value) for value in term.values)
    limits.check("prediction", largest, LARGEST_TABLE_VALUE, where)
    columns = [sources[term.source].column for term in terms]
    for column in [*columns, *([predictor.base] if predictor.base else [])]:
        behind = isinstance(column, Recoil | RecoilSize) or (
            isinstance(column, Neighbour) and column.offset < 0
        )
        allowed = before | {where} if behind else before
        if not set(column.needs) <= allowed:
            raise ModelRejectedError("a predictor looks ahead", where=where, got=column)


def expand(knots: tuple[int, ...], values: tuple[int, ...]) -> Integers:
    """The whole table of values given at knots: exact integer interpolation, rounded down.

    Examples
    --------
    >>> expand((1, 3, 4), (-7, 0, 10, 11)).tolist()
    [-7, 0, 5, 10, 11]
    """
    at = np.arange(1, knots[-1] + 1, dtype=np.int64)
    x, y = np.asarray(knots, np.int64), np.asarray(values[1:], np.int64)
    piece = np.minimum(np.searchsorted(x, at, "right") - 1, max(len(x) - 2, 0))
    after = np.minimum(piece + 1, len(x) - 1)
    run = np.maximum(x[after] - x[piece], 1)
    table = y[piece] + ((y[after] - y[piece]) * (at - x[piece])) // run
    return np.concatenate([np.asarray(values[:1], np.int64), table])


class _Tables(msgspec.Struct, frozen=True):
    """Expanded tables of a predictor: source number and table."""

    constant: int
    tables: tuple[tuple[int, NDArray[np.integer]], ...]


def _expanded(constant: int, terms: tuple[Term, ...], sources: tuple[Source, ...]) -> _Tables:
    tables = [(term.source, expand(sources[term.source].knots, term.values)) for term in terms]
    largest = abs(constant) + sum(int(np.abs(table).max()) for _, table in tables)
    dtype = np.int32 if largest < 2**31 else np.int64
    return _Tables(constant, tuple((source, table.astype(dtype)) for source, table in tables))


@functools.lru_cache(maxsize=512)
def _prediction_tables(predictor: Predictor, sources: tuple[Source, ...]) -> _Tables:
    return _expanded(predictor.constant, predictor.terms, sources)


@functools.lru_cache(maxsize=512)
def _width_tables(widths: Widths, sources: tuple[Source, ...]) -> _Tables:
    return _expanded(widths.constant, widths.terms, sources)


class Evaluation:
    """Predictions for one chunk, as its features become known.

    Parameters
    ----------
    predictors
        The predictors.
    lattices
        Lattice of each feature.
    counts
        Objects per event, int64[n_events].
    events
        Event-level columns [n_events] by branch name.
    """

    def __init__(
        self,
        predictors: Predictors,
        lattices: Mapping[str, Lattice],
        counts: NDArray[np.int64],
        events: Mapping[str, NDArray[np.generic]],
    ) -> None:
        self.predictors = predictors
        self.order = RankOrder(counts)
        self.context = Context(self.order, lattices, events)
        self._indices: dict[int, Integers] = {}
        self._unfinished = ""

    def index(self, source: int, rank: int | None = None) -> Integers:
        """Index of each object into the tables of a source."""
        if source in self._indices:
            return self.context.part(self._indices[source], rank)
        description = self.predictors.sources[source]
        if rank is not None and self._unfinished in description.column.needs:
            return description.index(description.column.read(self.context, rank))
        self._indices[source] = description.index(description.column.read(self.context, None))
        return self.context.part(self._indices[source], rank)

    def predict(self, feature: str, rank: int | None = None) -> Integers:
        """Prediction for the objects of one rank, or for all."""
        predictor = self.predictors[feature]
        tables = _prediction_tables(predictor, self.predictors.sources)
        prediction = self._sum(tables, rank, 1 << (FRACTION_BITS - 1)) >> FRACTION_BITS
        if predictor.base is not None:
            prediction += predictor.base.read(self.context, rank)
        return prediction

    def classes(self, feature: str, rank: int | None = None) -> NDArray[np.uint8]:
        """Class of the expected width of the residual, 0 for the narrowest."""
        widths = self.predictors[feature].widths
        size = self.order.n_objects if rank is None else self.order.size(rank)
        classes = np.zeros(size, np.uint8)
        if widths is not None:
            score = self._sum(_width_tables(widths, self.predictors.sources), rank, 0)
            for edge in widths.edges:
                classes += score >= edge
        return classes

    def _sum(self, tables: _Tables, rank: int | None, half: int) -> Integers:
        size = self.order.n_objects if rank is None else self.order.size(rank)
        out = np.full(size, tables.constant + half, np.int64)
        if not tables.tables:
            return out
        pairs = [(self.index(source, rank), table) for source, table in tables.tables]
        buffer = np.empty(min(BLOCK, size), pairs[0][1].dtype)
        for start in range(0, size, BLOCK):
            block = out[start : start + BLOCK]
            total = np.full(len(block), 0, buffer.dtype)
            for index, table in pairs:
                np.take(table, index[start : start + BLOCK], out=buffer[: len(block)], mode="clip")
                total += buffer[: len(block)]
            block += total
        return out

    def begin(self, feature: str) -> Integers:
        """Make room for a feature that is decoded rank by rank; it is finished when `put` as a whole."""
        self._unfinished = feature
        return self.context.known.setdefault(feature, np.zeros(self.order.n_objects, np.int64))

    def put(self, feature: str, q: Integers, rank: int | None = None) -> None:
        """Make the integers of a feature known: of one rank, or of all objects."""
        if rank is None:
            self.context.known[feature] = q
            self._unfinished = ""
        else:
            self.begin(feature)[self.order.part(rank)] = q

    def residuals(self, feature: str, q: Integers, prediction: Integers) -> Integers:
        """Integers minus prediction, around the circle where there is one."""
        period = self.predictors[feature].period
        if period is None or not _within(period, q):
            return q - prediction
        length = period.high - period.low + 1
        return (q - prediction + length // 2) % length - length // 2

    def restored(self, feature: str, residuals: Integers, prediction: Integers, *, around: bool) -> Integers:
        """Integers of residuals; ``around`` the circle where the residuals were."""
        period = self.predictors[feature].period
        if period is None or not around:
            return residuals + prediction
        length = period.high - period.low + 1
        return (residuals + prediction - period.low) % length + period.low

    def around(self, feature: str, q: Integers) -> bool:
        """Whether the residuals of these integers are taken around the circle."""
        period = self.predictors[feature].period
        return period is not None and _within(period, q)

    def encode(self, feature: str, q: Integers) -> Integers:
        """Residuals of a feature, whose integers become known."""
        self.context.known[feature] = q
        if self.predictors.ranked(feature):
            self._unfinished = feature
            ranks = range(self.order.n_ranks)
            prediction = np.concatenate(
                [np.empty(0, np.int64), *(self.predict(feature, rank) for rank in ranks)]
            )
        else:
            prediction = self.predict(feature)
        self.put(feature, q)
        latents = self.residuals(feature, q, prediction)
        self.context.latents[feature] = latents
        return latents

    def decode(self, feature: str, latents: Integers, *, around: bool) -> Integers:
        """Integers of a feature from its residuals; they become known."""
        if self.predictors.ranked(feature):
            q = self.begin(feature)
            for rank in range(self.order.n_ranks):
                part = self.order.part(rank)
                prediction = self.predict(feature, rank)
                q[part] = self.restored(feature, latents[part], prediction, around=around)
        else:
            q = self.restored(feature, latents, self.predict(feature), around=around)
        self.put(feature, q)
        self.context.latents[feature] = latents
        return q


def _within(period: Period, q: Integers) -> bool:
    return len(q) == 0 or (int(q.min()) >= period.low and int(q.max()) <= period.high)


def trivial(features: tuple[str, ...]) -> Predictors:
    """Predictors that predict nothing: every feature coded as it is.

    Examples
    --------
    >>> trivial(("pt", "eta")).order
    ('pt', 'eta')
    """
    return Predictors(tuple(Predictor(feature) for feature in features))
