"""What the rows of an entry say of the entry: sums over them, and the first of them. No I/O.

The scalar sum of jets is a number of the event; the momentum of the first incoming parton is a fraction of the beam's.
A sum may be of some rows only, from a threshold on or of some kinds: a fit of the sums of each kind tells which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hepae.arrays import Array, Floats, Integers
from hepae.core.tables.columns import EVENTS
from hepae.core.tables.links import Linked, Only, linked_values
from hepae.core.tables.schema import COUNTING
from hepae.core.values.lattice import Lattice
from hepae.core.values.nested import Nested
from hepae.learn.fit import additive
from hepae.learn.whole.tables import Found

__all__ = ["find_sums"]

ENTRIES: Final = 6000
"""Entries that sums are tried on."""

ROWS: Final = (0, 1)
"""Single rows that are tried: rows are sorted, or have a meaning by their place."""

THRESHOLDS: Final = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""Of sums: round numbers, in the units that files have."""

LIKE: Final = 0.5
"""Correlation of ranks from which a sum is looked at closely."""

LOOKED_AT: Final = 8
"""Sums that are looked at closely for a column."""

MOST_KINDS: Final = 32
"""A column with more different values is no column of kinds."""

TAKEN: Final = 0.5
"""Rows of a kind are summed if the fit weighs their sum by more."""

LEAST_GAIN: Final = 1.0
"""Bits that an entry must save, and that each choice of rows must save besides."""

DIGITS: Final = 9
"""Of a factor: more than a float32 has."""


@dataclass(frozen=True)
class _Tried:
    """A linked column, and bits that an entry saves with it."""

    linked: Linked
    gain: float


def find_sums(
    found: Found,
    sample: Mapping[str, Nested],
    lattices: Mapping[int, Lattice],
    targets: Sequence[int],
) -> list[Linked]:
    """For each column of the event table the sum, or the row, of another table that says most of it; if any says much.

    Parameters
    ----------
    found
        Tables and columns of a tree.
    sample
        Values of its columns for some entries, as restored.
    lattices
        What values are counted in, by column.
    targets
        Columns of the event table.
    """
    few = {n: sample[c.name].cut(0, ENTRIES) for n, c in enumerate(found.columns) if c.name in sample}
    tried = list(_simple(found, few, lattices))
    if not tried or not targets:
        return []
    entries = len(few[targets[0]].values)
    counts = np.ones(entries, np.int64)
    ranks = np.stack([_standard(linked_values(one, few, counts)) for one in tried])
    kept = []
    for target in targets:
        if np.dtype(found.columns[target].dtype).kind != "f":
            continue
        like = ranks @ _standard(few[target].values) / entries
        near = [int(place) for place in np.argsort(-like)[:LOOKED_AT] if like[place] >= LIKE]
        search = _Search(found, few, lattices, target)
        best = max((search.best(tried[place]) for place in near), key=lambda one: one.gain, default=None)
        if best is not None and best.gain >= LEAST_GAIN:
            kept.append(best.linked)
    return kept


def _simple(found: Found, few: Mapping[int, Nested], lattices: Mapping[int, Lattice]) -> Iterator[Linked]:
    """The sum of all rows, and single rows, of each column of floats of a table that is counted in entries."""
    for number, column in enumerate(found.columns):
        near = column.table != EVENTS and found.tables[column.table].parent == EVENTS
        if near and number in lattices and number in few and np.dtype(column.dtype).kind == "f":
            for row in (None, *ROWS):
                yield Linked(name="", column=number, row=row, lattice=lattices[number])


def _standard(values: Array) -> Floats:
    """Ranks of magnitudes, of mean 0 and spread 1; what is no number is in the middle."""
    real = np.abs(np.asarray(values, np.float64))
    there = np.isfinite(real)
    ranks = np.zeros(len(real))
    if there.any():
        ranks[there] = np.searchsorted(np.sort(real[there]), real[there])
        ranks[there] -= ranks[there].mean()
    return ranks / max(float(ranks.std()), 1e-30)


class _Search:
    """Which sum says most of a column of the event table."""

    def __init__(
        self, found: Found, few: Mapping[int, Nested], lattices: Mapping[int, Lattice], target: int
    ) -> None:
        self.found, self.few, self.lattice, self.target = found, few, lattices[target], target
        self.values = np.asarray(few[target].values, np.float64)
        self.counts = np.ones(len(self.values), np.int64)
        self.q = self.lattice.nearest(self.values)
        self.before = additive.bits(self.q - np.median(self.q))

    def tried(self, linked: Linked) -> _Tried:
        """A linked column with a name, and what it saves."""
        own, other = (self.found.columns[number].name for number in (self.target, linked.column))
        named = Linked(
            name=f"{other}[{own}]", column=linked.column, row=linked.row, factor=linked.factor,
            least=linked.least, only=linked.only, lattice=linked.lattice,
        )  # fmt: skip
        values = linked_values(linked, self.few, self.counts)
        rest = self.q - self.lattice.nearest(np.where(np.isfinite(values), values, np.median(self.values)))
        return _Tried(named, self.before - additive.bits(rest - np.median(rest)))

    def best(self, simple: Linked) -> _Tried:
        """The best choice of rows for a sum, the best factor for a row."""
        if simple.row is not None:
            return self.tried(self._scaled(simple))
        return max(self._choices(simple), key=lambda one: one.gain - LEAST_GAIN * _choices_of(one.linked))

    def _scaled(self, simple: Linked) -> Linked:
        values = linked_values(simple, self.few, self.counts)
        with np.errstate(all="ignore"):
            ratios = self.values / values
        usual = float(np.median(ratios[np.isfinite(ratios)]))
        factor = 1.0 if abs(usual - 1.0) < 0.05 or not np.isfinite(usual) else float(f"{usual:.{DIGITS}g}")
        return Linked(name="", column=simple.column, row=simple.row, factor=factor, lattice=simple.lattice)

    def _choices(self, simple: Linked) -> Iterator[_Tried]:
        yield self.tried(simple)
        for least in THRESHOLDS:
            yield self.tried(Linked(name="", column=simple.column, least=least, lattice=simple.lattice))
        kinds = self._kinds(simple.column)
        alone = [one for kind in kinds if (one := self._of_kinds(simple, (kind,))) is not None]
        yield from alone
        best = max(alone, key=lambda one: one.gain, default=None)
        if best is not None and best.gain >= LEAST_GAIN:
            first = best.linked.only[0].column
            pairs = (self._of_kinds(simple, (first, kind)) for kind in kinds if kind != first)
            yield from (one for one in pairs if one is not None)

    def _of_kinds(self, simple: Linked, kinds: Sequence[int]) -> _Tried | None:
        """The sum over the rows of some kinds; None where there are no such kinds."""
        only = self._taken(simple.column, kinds)
        linked = Linked(name="", column=simple.column, only=only, lattice=simple.lattice)
        return self.tried(linked) if only else None

    def _kinds(self, column: int) -> list[int]:
        """Columns of kinds of the table of a column."""
        table, rows = self.found.columns[column].table, self.few[column].levels[-1]
        return [
            number
            for number, one in enumerate(self.found.columns)
            if one.table == table and not one.shape and one.dtype in COUNTING and number in self.few
            if np.array_equal(self.few[number].levels[-1], rows)
            if 1 < len(np.unique(self.few[number].values)) <= MOST_KINDS
        ]

    def _taken(self, column: int, kinds: Sequence[int]) -> tuple[Only, ...]:
        """The values of kinds whose rows add up to the target: those that a fit of relative sums weighs about one."""
        rows = self.few[column].levels[-1].astype(np.int64)
        values = [self.few[kind].values.astype(np.int64) for kind in kinds]
        pairs, of = np.unique(np.stack(values), axis=1, return_inverse=True)
        relative = self._relative(rows, of.reshape(-1), pairs.shape[1], column)
        if relative is None:
            return ()
        weights = np.linalg.lstsq(relative, np.ones(len(relative)), rcond=None)[0]
        taken = pairs[:, weights > TAKEN]
        return (
            tuple(
                Only(kind, tuple(np.unique(mine).tolist())) for kind, mine in zip(kinds, taken, strict=True)
            )
            if taken.size
            else ()
        )

    def _relative(self, rows: Integers, of: Integers, kinds: int, column: int) -> Floats | None:
        """Sums of each kind over the target, float64[entries, kinds]; None where there are too many kinds."""
        if kinds > 2 * MOST_KINDS:
            return None
        entry = np.repeat(np.arange(len(rows)), rows)
        values = np.asarray(self.few[column].values, np.float64)
        sums = np.bincount(entry * kinds + of, weights=values, minlength=len(rows) * kinds)
        usable = np.isfinite(self.values) & (self.values != 0)
        relative = sums.reshape(len(rows), kinds)[usable] / self.values[usable, None]
        return np.asarray(relative[np.isfinite(relative).all(axis=1)], np.float64)


def _choices_of(linked: Linked) -> int:
    """How many choices of rows a sum makes."""
    return len(linked.only) + (linked.least is not None)
