"""Classes of a feature by what is known beside it: one for each value of another column, or of two others together.

Flags, kinds and row numbers are not near to a prediction, they are likely or unlikely after what is known; and a number
that no sum of tables predicts may have another distribution. Each class is packed by itself, so that its values have
probabilities of their own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Integers
from hepae.core.prediction.columns import Column
from hepae.core.prediction.predictors import Lookup
from hepae.core.prediction.tables import WIDTH_BITS, Term, Widths
from hepae.learn.fit.additive import Candidate
from hepae.learn.fit.state import RANKED_GAIN, Fitting

__all__ = ["MOST_VALUES", "fit_contexts"]

MOST_VALUES: Final = 512
"""Distinct values of what counts as categorical: each is told apart; of others quantiles are."""

QUANTILES: Final = 96

MOST_CLASSES: Final = 240
"""A class is a byte (`hepae.core.prediction.evaluation`)."""

FEWEST_CLASSES: Final = 6
"""Classes of a column below which its values are not put together: too little of it would be left."""

FIRSTS: Final = 6
SECONDS: Final = 12
"""Columns that are tried as the first and as the second one."""

CELL_BITS: Final = 6.0
"""What a value of a class takes in a block besides its occurrences, about: less than in a block of its own, since
classes that are alike share blocks (`hepae.core.lifting.groups`). With 4 tables of few rows lose their predictions.
"""

BIAS: Final = 1.0
"""What the entropy of a sample is too small by for each value of a class: 0.7 bits and some (G. Miller, 1955)."""

LEAST: Final = 0.02
"""Bits per object that contexts must save, and a second column again."""


@dataclass(frozen=True)
class _Context:
    """A column as a context: the class of each object, how many classes, bits per object with them."""

    candidate: Candidate
    classes: Integers
    n: int
    bits: float


def fit_contexts(
    state: Fitting, name: str, used: Collection[Column], pool: Sequence[Candidate], rest: Integers
) -> tuple[float, Widths | None]:
    """Bits per residual with the best classes, what describes them included, and these classes, if any pay.

    Parameters
    ----------
    name
        The feature.
    used
        Columns that its prediction looks at.
    pool
        Columns to choose from.
    rest
        What the prediction leaves in training events.
    """
    target = _Target(state, name, used, rest)
    tried = [target.alone(candidate) for candidate in pool if len(candidate.source.knots) < MOST_CLASSES]
    firsts = sorted((one for one in tried if one is not None), key=lambda one: one.bits)
    if not firsts or firsts[0].bits > target.bits - LEAST:
        return target.bits, None
    best, chosen = firsts[0].bits, [firsts[0]]
    for first in firsts[:FIRSTS]:
        for second in firsts[:SECONDS]:
            both = target.together(first, second)
            if both is not None and both[0] < best - LEAST * (len(chosen) == 1):
                best, chosen = both
    return best, _widths(state, chosen)


class _Target:
    """What classes are to tell apart, as small numbers."""

    def __init__(self, state: Fitting, name: str, used: Collection[Column], rest: Integers) -> None:
        self.state, self.name, self.used = state, name, list(used)
        self.before = state.closure(self.used)
        self.ranked = any(name in column.needs for column in self.used)
        edges, width = np.unique(rest), 0.0
        if len(edges) > MOST_VALUES:
            edges = _edges(rest)
            widths = np.diff(np.concatenate([edges, [int(rest.max()) + 1]]))
            width = float(np.mean(np.log2(widths[np.searchsorted(edges, rest, "right") - 1])))
        self.coded, self.values, self.inside = np.searchsorted(edges, rest, "right"), len(edges) + 1, width
        self.bits = self._entropy(np.zeros(len(rest), np.int64), 1)

    def alone(self, candidate: Candidate) -> _Context | None:
        """A column as the only context; None where reading it costs too much."""
        cost = self._cost([candidate.source.column])
        if cost is None:
            return None
        classes, n = _cells(candidate, candidate.train), len(candidate.source.knots) + 1
        return _Context(candidate, classes, n, self._entropy(classes, n) + cost)

    def together(self, first: _Context, second: _Context) -> tuple[float, list[_Context]] | None:
        """Bits per object with the classes of two columns, and these: rare values of the larger go together where there
        would be too many. None where that is of no use, or the cost is too high.
        """
        few, many = sorted((first, second), key=lambda one: one.n)
        most = MOST_CLASSES // few.n
        if first is second or most < min(many.n, FEWEST_CLASSES):
            return None
        cost = self._cost([first.candidate.source.column, second.candidate.source.column])
        if cost is None:
            return None
        both = [one if one is few or one.n <= most else _coarser(one, most) for one in (first, second)]
        classes, n = both[0].classes * both[1].n + both[1].classes, both[0].n * both[1].n
        return self._entropy(classes, n) + cost, both

    def _cost(self, columns: Sequence[Column]) -> float | None:
        """Bits that the time to read columns is worth; None beyond the budget."""
        needed = self.state.closure([*self.used, *columns]) - {self.name}
        if not self.state.affordable(needed) and not needed <= self.before:
            return None
        own = any(self.name in column.needs for column in columns)
        settings = self.state.settings
        further = settings.ancestor_gain * self.state.price(needed - self.before)
        return further + RANKED_GAIN * (own and not self.ranked)

    def _entropy(self, classes: Integers, n: int) -> float:
        joint = np.bincount(classes * self.values + self.coded, minlength=n * self.values)
        joint = joint.reshape(n, self.values)
        totals = joint.sum(axis=1)
        filled, used = joint[joint > 0], totals[totals > 0]
        bits = float(np.sum(used * np.log2(used)) - np.sum(filled * np.log2(filled))) + BIAS * len(filled)
        described = CELL_BITS * len(filled) / max(self.state.n_objects, 1)
        return bits / max(len(self.coded), 1) + described + self.inside


def _edges(rest: Integers) -> Integers:
    """Where cells of many values begin: at quantiles, and on both sides of what is frequent."""
    quantiles = np.quantile(rest, np.linspace(0, 1, QUANTILES)[:-1], method="lower")
    usual = quantiles[1:][quantiles[1:] == quantiles[:-1]]
    return np.unique(np.concatenate([quantiles, usual, usual + 1]))


def _cells(candidate: Candidate, index: Integers) -> Integers:
    """Between which knots objects lie, 0 where the column is missing."""
    return np.asarray(np.searchsorted(candidate.source.knots, index, "right"), np.int64)


def _coarser(context: _Context, most: int) -> _Context:
    """The same with so many classes at most: the rarest go together with a neighbour, one after the other."""
    counts = np.bincount(context.classes, minlength=context.n)[1:].tolist()  # what is missing stays apart
    first, *knots = context.candidate.source.knots
    while len(counts) >= most:
        rare = min(range(len(counts)), key=counts.__getitem__)
        upper = rare + 1 < len(counts) and (rare == 0 or counts[rare + 1] < counts[rare - 1])
        below = rare if upper else rare - 1
        counts[below : below + 2] = [counts[below] + counts[below + 1]]
        del knots[below]
    source = msgspec.structs.replace(context.candidate.source, knots=(first, *knots))
    candidate = replace(context.candidate, source=source)
    return _Context(candidate, _cells(candidate, candidate.train), len(counts) + 1, context.bits)


def _widths(state: Fitting, chosen: Sequence[_Context]) -> Widths:
    """Tables whose sum is the number of the class, an edge below each."""
    unit, step, most = 1 << WIDTH_BITS, 1, 0
    terms = []
    for one in reversed(chosen):
        source = one.candidate.source if step == 1 else _stepped(one.candidate)
        numbers = np.searchsorted(one.candidate.source.knots, (0, *source.knots), "right")
        terms.append(Term(state.source(source), tuple(unit * step * int(k) for k in numbers)))
        most, step = most + step * (one.n - 1), step * one.n
    return Widths(0, tuple(terms), tuple(unit * k for k in range(1, most + 1)))


def _stepped(candidate: Candidate) -> Lookup:
    """A source with knots at both ends of what lies between two of its knots, so that tables can have steps."""
    knots = candidate.source.knots
    if np.isin(candidate.train, (0, *knots)).all():
        return candidate.source
    both = sorted({*knots, *(knot - 1 for knot in knots[1:])})
    return msgspec.structs.replace(candidate.source, knots=tuple(both))
