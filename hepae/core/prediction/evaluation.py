"""Predict lattice integers from what is already known: exact integers, the same on every machine.

How another codec uses this (all arrays are in rank order, see `hepae.core.prediction.ranks.RankOrder`)::

    predictors: Predictors                              # frozen, from the manifest or from learn.fit.prediction.fit()
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
    source.index(source.column.read(evaluation.context, None))  # int64 index of any source, for conditional tables

``around`` says whether the residuals of a feature with a `Period` were taken around the circle; the writer asks
`Evaluation.around(name, q)` and stores the answer (it is False only for chunks with values off the circle).

`predictors.ancestors(name)` names the features that must be decoded before ``name``.

The prediction is ``base + (constant + sum of table[index]) >> FRACTION_BITS``. Each table is an integer function of one
integer column (`core.prediction.columns`), given in the model by its values at a few knots and expanded on loading by
integer interpolation: one look-up per object covers linear, quadratic, logarithmic … dependences at once. Sums are
exact integers in any order. Indices are clipped to the table, so data foreign to the model are predicted badly but
never out of bounds.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Columns, Integers, Narrow
from hepae.core.arithmetic.memory import keep_freed_memory
from hepae.core.prediction.context import Context, Memory
from hepae.core.prediction.predictors import Predictors
from hepae.core.prediction.ranks import RankOrder
from hepae.core.prediction.tables import FRACTION_BITS, TableSum, Term
from hepae.core.values.lattice import Lattice

__all__ = ["Evaluation", "Prepared", "prepared"]

BLOCK: Final = 20_480
"""Objects summed at once, so that what is looked up stays in the cache."""


class Prepared:
    """Predictors made ready: tables expanded, dependences resolved. The same for all chunks."""

    def __init__(self, predictors: Predictors) -> None:
        keep_freed_memory()
        self.sources = sources = predictors.sources
        self.features = {predictor.feature: predictor for predictor in predictors.features}
        self.ranked = {name: predictors.ranked(name) for name in self.features}
        sums = {name: [p.terms, p.widths.terms if p.widths else ()] for name, p in self.features.items()}
        used = [term.source for terms in sums.values() for term in (*terms[0], *terms[1])]
        self.shared = [used.count(number) > 1 for number in range(len(sources))]
        self.order = predictors.order
        self.ancestors = {name: predictors.ancestors(name) for name in self.features}
        self.given = {name: predictors.given(name) for name in self.features}
        self.wants_latent = {name: predictors.wants_latent(name) for name in self.features}
        self.predictions = {
            name: self._tables(p.constant + (1 << (FRACTION_BITS - 1)), p.terms)
            for name, p in self.features.items()
        }
        self.widths = {
            name: self._tables(p.widths.constant, p.widths.terms)
            for name, p in self.features.items()
            if p.widths is not None
        }
        self.edges = {
            name: np.array(p.widths.edges, np.int64)
            for name, p in self.features.items()
            if p.widths is not None
        }

    def _tables(self, constant: int, terms: Sequence[Term]) -> TableSum:
        """The sum of these terms, its tables expanded."""
        tables = [(term.source, self.sources[term.source].table(term.values)) for term in terms]
        return TableSum(constant, tables)


@functools.lru_cache(maxsize=64)
def prepared(predictors: Predictors) -> Prepared:
    """Predictors made ready, once."""
    return Prepared(predictors)


class Evaluation:
    """Predictions for one chunk, as its features become known.

    Parameters
    ----------
    predictors
        The predictors.
    lattices
        Lattice of each feature that has a branch.
    counts
        Objects per event, int64[n_events].
    events
        Event-level columns [n_events] by branch name.
    memory
        Features decoded before, which are known; those decoded now are added.
    """

    def __init__(
        self,
        predictors: Predictors,
        lattices: Mapping[str, Lattice],
        counts: Integers,
        events: Columns,
        memory: Memory | None = None,
    ) -> None:
        self.predictors, self.prepared = predictors, prepared(predictors)
        self.order = RankOrder(counts, predictors.last_rank)
        self.context = Context(self.order, predictors.lattices(lattices), events, memory)
        self._indices: dict[int, Integers] = {}

    def _index(self, number: int, rank: int | None) -> Integers:
        """Index of each object into the tables of a source."""
        if number in self._indices:
            return self.context.part(self._indices[number], rank)
        source = self.prepared.sources[number]
        if rank is not None and not self.context.unfinished.isdisjoint(source.column.needs):
            return source.place(source.column.read(self.context, rank))
        index = source.place(source.column.read(self.context, None))
        if rank is not None or self.prepared.shared[number]:
            self._indices[number] = index
        return self.context.part(index, rank)

    @np.errstate(all="ignore")
    def predict(self, feature: str, rank: int | None = None) -> Integers:
        """Prediction for the objects of one rank, or for all."""
        fine = self._sum(self.prepared.predictions[feature], rank)
        prediction = fine >> FRACTION_BITS
        base = self.prepared.features[feature].base
        if base is not None:
            prediction += base.read(self.context, rank)
        if rank is None:
            self.context.predictions[feature], self.context.fine[feature] = prediction, fine
        return prediction

    @np.errstate(all="ignore")
    def classes(self, feature: str, rank: int | None = None) -> NDArray[np.uint8]:
        """Class of the expected width of the residual, 0 for the narrowest."""
        widths = self.prepared.features[feature].widths
        if widths is None:
            return np.zeros(self.order.size(rank), np.uint8)
        scores = self._sum(self.prepared.widths[feature], rank)
        return np.searchsorted(self.prepared.edges[feature], scores, "right").astype(np.uint8)

    def _sum(self, tables: TableSum, rank: int | None) -> Integers:
        size = self.order.size(rank)
        if not tables.tables:
            return np.full(size, tables.constant, np.int64)
        out = np.empty(size, np.int64)
        pairs = [(self._index(source, rank), table) for source, table in tables.tables]
        found, total = (np.empty(min(BLOCK, size), tables.dtype) for _ in range(2))
        for start in range(0, size, BLOCK):
            block = out[start : start + BLOCK]
            one, summed = found[: len(block)], total[: len(block)]
            for number, (index, table) in enumerate(pairs):
                table.take(index[start : start + BLOCK], 0, one if number else summed, "clip")
                if number:
                    summed += one
            np.add(summed, tables.constant, out=block)
        return out

    def begin(self, feature: str) -> Integers:
        """Make room for a feature that is decoded rank by rank; it is finished when `put` as a whole."""
        self.context.unfinished.add(feature)
        if feature not in self.context.known:
            self.context.known[feature] = np.zeros(self.order.n_objects, np.int64)
        return self.context.known[feature]

    def put(self, feature: str, q: Integers, rank: int | None = None) -> None:
        """Make the integers of a feature known: of one rank, or of all objects."""
        if rank is None:
            self.context.known[feature] = q
            self.context.unfinished.discard(feature)
        else:
            self.begin(feature)[self.order.part(rank)] = q

    def forget(self, feature: str, *, latents: bool) -> None:
        """Drop what only a feature itself needs while it is coded: its prediction, and where asked its latents."""
        self.context.predictions.pop(feature, None)
        self.context.fine.pop(feature, None)
        if latents:
            self.context.latents.pop(feature, None)

    def residuals(self, feature: str, q: Integers, prediction: Integers, *, around: bool) -> Integers:
        """Integers minus prediction; ``around`` the circle of the feature where that is so for the whole chunk."""
        period = self.prepared.features[feature].period
        if period is None or not around:
            return q - prediction
        return _wrapped(q - prediction, -(period.length // 2), period.length)

    def restored(self, feature: str, residuals: Narrow, prediction: Integers, *, around: bool) -> Integers:
        """Integers of residuals; ``around`` the circle where the residuals were."""
        period = self.prepared.features[feature].period
        if period is None or not around:
            return residuals + prediction
        return _wrapped(residuals + prediction, period.low, period.length)

    def around(self, feature: str, q: Integers) -> bool:
        """Whether the residuals of these integers are taken around the circle."""
        period = self.prepared.features[feature].period
        return period is not None and period.holds(q)

    def encode(self, feature: str, q: Integers) -> Integers:
        """Residuals of a feature, whose integers become known."""
        self.context.known[feature] = q
        if not self.prepared.ranked[feature]:
            latents = self.residuals(feature, q, self.predict(feature), around=self.around(feature, q))
            self.context.latents[feature] = latents
            return latents
        self.context.unfinished.add(feature)
        latents = self.context.latents[feature] = np.empty(self.order.n_objects, np.int64)
        around = self.around(feature, q)
        for rank in range(self.order.n_ranks):
            part = self.order.part(rank)
            latents[part] = self.residuals(feature, q[part], self.predict(feature, rank), around=around)
        self.put(feature, q)
        return latents

    def decode(self, feature: str, latents: Narrow, *, around: bool) -> Integers:
        """Integers of a feature from its residuals, in whatever dtype; they become known."""
        if self.prepared.wants_latent[feature]:
            self.context.latents[feature] = latents.astype(np.int64, copy=False)
        if self.prepared.ranked[feature]:
            q = self.begin(feature)
            for rank in range(self.order.n_ranks):
                part = self.order.part(rank)
                prediction = self.predict(feature, rank)
                q[part] = self.restored(feature, latents[part], prediction, around=around)
        else:
            q = self.restored(feature, latents, self.predict(feature), around=around)
        self.put(feature, q)
        return q


def _wrapped(values: Integers, low: int, length: int) -> Integers:
    """Values moved by whole periods into ``low`` and the next ``length - 1`` integers.

    The quotient is taken in float64, several times faster than the remainder of int64 and exact below 2**52.
    """
    turns = np.floor((values - low) / length)
    turns *= length
    return values - turns.astype(np.int64)
