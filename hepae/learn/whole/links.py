"""Which rows name rows of other tables: integer columns that are row numbers, told by what they save. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.core.tables.columns import EVENTS
from hepae.core.tables.links import along
from hepae.core.tables.schema import COUNTING
from hepae.core.values.lattice import Lattice
from hepae.core.values.nested import Nested
from hepae.learn.fit import additive
from hepae.learn.whole.tables import Found

__all__ = ["RowLink", "above", "find_links", "gain_of", "in_order", "paired", "short_names"]

INSIDE: Final = 0.999
"""Share of the numbers of an index that must be rows of the other table: files have a few that were cut."""

LEAST_LINKED: Final = 0.02
"""Share of rows that must be linked."""

FEWEST_LINKED: Final = 200

LEAST_GAIN: Final = 4.5
"""Bits that a linked row must save, all its columns together: less is chance. In a NanoAOD-like file the rows that
indices name save 6 to 80, and those that small numbers such as flags happen to be 3.4 at most: leading rows are alike.
"""

TRIED: Final = 20_000
"""Rows on which a link is tried."""


@dataclass(frozen=True)
class RowLink:
    """A column of a table that names rows of another, or of the same, with the bits that it saves in the sample.

    Attributes
    ----------
    table, index, other
        Numbers of the table, of the column, of the other table.
    pairs
        Columns of the table, and what each is compared with in the other.
    gain
        Bits.
    """

    table: int
    index: int
    other: int
    pairs: tuple[tuple[int, int], ...]
    gain: float

    @property
    def within(self) -> bool:
        """Whether rows name rows of their own table."""
        return self.table == self.other


def find_links(
    found: Found, sample: Mapping[str, Nested], lattices: Mapping[int, Lattice]
) -> dict[int, list[RowLink]]:
    """The links that save something, by table, without circles; tables in the order in which they can be read.

    Parameters
    ----------
    found
        Tables and columns of a tree.
    sample
        Values of its columns for some entries.
    lattices
        What values are counted in, by column.
    """
    tables = [n for n, table in enumerate(found.tables) if n != EVENTS and table.parent == EVENTS]
    rows = {n: counts for n in tables if (counts := _counts(found, n, sample)) is not None}
    tried = [
        link
        for table in rows
        for index in _indices(found, table, sample)
        if (link := _best(found, sample, lattices, rows, table, index)) is not None
    ]
    kept: dict[int, list[RowLink]] = {}
    for link in sorted(tried, key=lambda one: -one.gain):
        if link.within or link.table not in above(kept, link.other):
            kept.setdefault(link.table, []).append(link)
    return in_order({table: kept.get(table, []) for table in rows})


def in_order(links: Mapping[int, list[RowLink]]) -> dict[int, list[RowLink]]:
    """Links by table, each table after those that it is linked to."""
    order: list[int] = []
    for table in links:
        order += [one for one in above(links, table) if one not in order]
    return {table: links.get(table, []) for table in order}


def above(links: Mapping[int, Sequence[RowLink]], table: int) -> list[int]:
    """The tables that a table is predicted from, directly or not, and itself last."""
    tables: list[int] = []
    for link in links.get(table, ()):
        if not link.within:
            tables += [one for one in above(links, link.other) if one not in tables]
    return [*tables, table]


def _counts(found: Found, table: int, sample: Mapping[str, Nested]) -> NDArray[np.int64] | None:
    """Rows of a table in each entry of the sample, int64[entries]."""
    for column in found.columns:
        if column.table == table and column.name in sample:
            return sample[column.name].levels[0].astype(np.int64)
    return None


def _indices(found: Found, table: int, sample: Mapping[str, Nested]) -> list[int]:
    """Columns that may hold row numbers."""
    columns = [
        (n, sample[column.name].values)
        for n, column in enumerate(found.columns)
        if column.table == table and column.dtype in COUNTING and not column.shape and column.name in sample
    ]
    return [
        n
        for n, values in columns
        if len(values) and (values >= 0).any() and values.min() >= -1 and values.max() > 0
    ]


def _best(
    found: Found,
    sample: Mapping[str, Nested],
    lattices: Mapping[int, Lattice],
    rows: Mapping[int, NDArray[np.int64]],
    table: int,
    index: int,
) -> RowLink | None:
    """The table whose rows an index names, if any."""
    numbers = sample[found.columns[index].name].values.astype(np.int64)
    counts = rows[table]
    if len(numbers) != counts.sum():
        return None
    own = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts)
    named = numbers >= 0
    if named.sum() < max(FEWEST_LINKED, LEAST_LINKED * len(numbers)):
        return None
    links = []
    for other, others in rows.items():
        limit = own if other == table else np.repeat(others, counts)
        if (numbers[named] < limit[named]).mean() >= (1.0 if other == table else INSIDE):
            pairs = paired(found, lattices, table, other)
            gain = gain_of(found, sample, lattices, pairs, (others, numbers, counts))
            links.append(RowLink(table, index, other, pairs, gain))
    best = max(links, key=lambda link: link.gain, default=None)
    enough = best is not None and best.gain >= LEAST_GAIN * named.sum()
    return best if enough else None


def short_names(found: Found, table: int) -> dict[str, int]:
    """Columns of a table by their names without what they have in common."""
    prefix = found.tables[table].name
    return {
        column.name.rpartition("/")[2].removeprefix(prefix).lstrip("_.").lower(): n
        for n, column in enumerate(found.columns)
        if column.table == table and not column.shape
    }


def paired(
    found: Found, lattices: Mapping[int, Lattice], table: int, other: int
) -> tuple[tuple[int, int], ...]:
    """Columns of floats with equal short names."""
    here, there = short_names(found, table), short_names(found, other)
    return tuple(
        (n, there[name])
        for name, n in here.items()
        if name in there
        and n in lattices
        and there[name] in lattices
        and np.dtype(found.columns[n].dtype).kind == "f"
        and np.dtype(found.columns[there[name]].dtype).kind == "f"
    )


def gain_of(
    found: Found,
    sample: Mapping[str, Nested],
    lattices: Mapping[int, Lattice],
    pairs: Sequence[tuple[int, int]],
    link: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
) -> float:
    """Bits that the differences from linked rows save, in the whole sample; a column that loses is not compared."""
    others, numbers, counts = link
    total = 0.0
    for here, there in pairs:
        values = along(sample[found.columns[there].name].values, others, numbers, counts)
        linked = np.flatnonzero(np.isfinite(values))
        part = linked[:: max(len(linked) // TRIED, 1)]
        if len(part) < FEWEST_LINKED:
            continue
        lattice, own = lattices[here], sample[found.columns[here].name].values[part]
        q = lattice.nearest(np.asarray(own, np.float64))
        rest = q - lattice.nearest(values[part])
        before, after = (_bits(x) for x in (q, rest))
        total += max(before - after, 0.0) * len(linked)
    return total


def _bits(q: NDArray[np.int64]) -> float:
    centred = np.asarray(q - np.median(q), np.float64)
    return additive.bits(centred)
