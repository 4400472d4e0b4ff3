"""Classes of a feature with few values: one for each value of another column, or of two others together.

Flags, kinds and row numbers are not near to a prediction, they are likely or unlikely after what is known. Each class
is packed by itself, so that its values have probabilities of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers
from hepae.core.coding.integers import pack
from hepae.core.prediction.predictors import Lookup
from hepae.core.prediction.tables import WIDTH_BITS, Term, Widths
from hepae.learn.fit.additive import Candidate
from hepae.learn.fit.state import RANKED_GAIN, Fitting

__all__ = ["contexts_suffice", "fit_contexts", "is_categorical"]

MOST_VALUES: Final = 512
"""Distinct values of what counts as categorical."""

FEW_VALUES: Final = 64
"""With more, a prediction may be better than contexts."""

MOST_CLASSES: Final = 240
"""A class is a byte (`hepae.core.prediction.evaluation`)."""

SECOND: Final = 12
"""Columns that are tried as a second one."""

CELL_BITS: Final = 10.0
"""What a value of a class takes in a block besides its occurrences, about."""

LEAST: Final = 0.02
"""Bits per object that contexts must save, and a second column again."""


def is_categorical(q: Integers) -> bool:
    """Whether a feature has few distinct values."""
    return len(q) > 0 and len(np.unique(q[: 1 << 14])) <= MOST_VALUES


def contexts_suffice(q: Integers) -> bool:
    """Whether values are so few that nothing else need be tried."""
    return len(np.unique(q[: 1 << 14])) <= FEW_VALUES


def fit_contexts(
    state: Fitting, name: str, pool: Sequence[Candidate], q: Integers, q_validation: Integers
) -> tuple[float, Widths | None]:
    """Packed size of the validation values with the best classes, and these classes; without them where none pay.

    Parameters
    ----------
    name
        The feature.
    pool
        Columns to choose from.
    q, q_validation
        Its integers in training and validation events.
    """
    values, coded = np.unique(q, return_inverse=True)
    plain = float(len(pack(q_validation)))
    if len(values) < 2:
        return plain, None
    target = _Target(coded, len(values), RANKED_GAIN, name)
    cells = [(c, _cells(c, c.train), len(c.source.knots) + 1) for c in pool]
    firsts = sorted((target.bits(c, k, n), i) for i, (c, k, n) in enumerate(cells) if n <= MOST_CLASSES)
    if not firsts or firsts[0][0] > target.alone - LEAST:
        return plain, None
    bits, first = firsts[0]
    chosen = [cells[first]]
    one, inner, n = cells[first]
    seconds = []
    for _, other in islice(firsts[1:], SECOND):
        c, k, m = cells[other]
        if n * m <= MOST_CLASSES and c.source != one.source:
            seconds.append((target.bits(c, inner * m + k, n * m), other))
    if seconds and min(seconds)[0] < bits - LEAST:
        chosen.append(cells[min(seconds)[1]])
    return _widths(state, chosen, q_validation, plain)


class _Target:
    """The values that classes are to tell apart, as small numbers."""

    def __init__(self, coded: NDArray[np.intp], values: int, ranked: float, name: str) -> None:
        self.coded, self.values, self.ranked, self.name = coded, values, ranked, name
        self.alone = self._entropy(np.zeros(len(coded), np.int64), 1)

    def bits(self, candidate: Candidate, classes: Integers, n: int) -> float:
        """Bits per object with these classes, what describes them included."""
        return self._entropy(classes, n) + self.ranked * (self.name in candidate.source.column.needs)

    def _entropy(self, classes: Integers, n: int) -> float:
        joint = np.bincount(classes * self.values + self.coded, minlength=n * self.values)
        joint = joint.reshape(n, self.values)
        totals = joint.sum(axis=1)
        filled = joint[joint > 0]
        used = totals[totals > 0]
        bits = float(np.sum(used * np.log2(used)) - np.sum(filled * np.log2(filled)))
        return (bits + CELL_BITS * len(filled)) / max(len(self.coded), 1)


def _cells(candidate: Candidate, index: Integers) -> Integers:
    """Between which knots objects lie, 0 where the column is missing."""
    cells = np.searchsorted(np.asarray(candidate.source.knots), index, "right")
    return np.asarray(cells, np.int64)


def _widths(
    state: Fitting, chosen: Sequence[tuple[Candidate, Integers, int]], q: Integers, plain: float
) -> tuple[float, Widths | None]:
    """Tables whose sum is the number of the class, an edge below each; and the packed size of values by class."""
    unit, steps = 1 << WIDTH_BITS, [1]
    for _, _, n in reversed(chosen[1:]):
        steps.insert(0, steps[0] * n)
    total = np.zeros(len(q), np.int64)
    terms, tables = [], 0.0
    for (candidate, _, _), step in zip(chosen, steps, strict=True):
        source = candidate.source if step == 1 else _stepped(candidate)
        classes = np.searchsorted(candidate.source.knots, (0, *source.knots), "right")
        terms.append(Term(state.source(source), tuple(unit * step * int(k) for k in classes)))
        total += step * _cells(candidate, candidate.validation)
        tables += state.table_bytes(candidate)
    most = int(sum(step * (n - 1) for (_, _, n), step in zip(chosen, steps, strict=True)))
    used = np.unique(total)
    size = tables * len(q) / max(state.n_objects, 1) + sum(len(pack(q[total == k])) + 2 for k in used)
    if size >= plain:
        return plain, None
    return size, Widths(0, tuple(terms), tuple(unit * k for k in range(1, most + 1)))


def _stepped(candidate: Candidate) -> Lookup:
    """A source with knots at both ends of what lies between two of its knots, so that tables can have steps."""
    knots = candidate.source.knots
    if np.isin(candidate.train, (0, *knots)).all():
        return candidate.source
    both = sorted({*knots, *(knot - 1 for knot in knots[1:])})
    return msgspec.structs.replace(candidate.source, knots=tuple(both))
