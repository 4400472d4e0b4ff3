"""Rows that lie near to rows of another table: links that the file does not name, kept in a column of hepae's own.

A parton of the matrix element is a generator particle, a trigger object a jet. The number of the nearest row costs a
few bits, and saves what the direction and the momentum of the row say again. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats
from hepae.core.tables.columns import EVENTS, ColumnSpec
from hepae.core.tables.schema import PlainCodec
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Lattice
from hepae.core.values.nested import Nested
from hepae.learn.whole.links import RowLink, above, gain_of, in_order, paired, short_names
from hepae.learn.whole.tables import Found
from hepae.progress import Report

__all__ = [
    "INDEX",
    "ROWS_OF_ONE",
    "Match",
    "Search",
    "Searched",
    "find_matches",
    "matched",
    "nearest_rows",
    "with_matches",
]

INDEX: Final = "int16"
"""Of rows in an entry; in tables with more rows in one, none is named beyond."""

FARTHEST: Final = 0.5
"""Squared distance in eta, phi and the logarithm of pt beyond which a row is near to none."""

SMALLEST: Final = 1e-3
"""Transverse momenta below are taken as this: their logarithm says nothing."""

TRIED: Final = 1500
"""Entries in which matches are tried."""

FEWEST_ROWS: Final = 1000

LEAST_GAIN: Final = 6.0
"""Bits that a row must save besides its number: chance saves about what the number costs."""

ROWS_OF_ONE: Final = 8
"""Rows of another table, for each row or entry of this one, that are decoded at the price of one."""

PAIRS: Final = 1 << 22
"""Pairs of rows compared at once: bounded memory. Rows of an entry with more are matched with none."""


@dataclass(frozen=True)
class Match:
    """Rows of a table and the nearest rows of another.

    Attributes
    ----------
    link
        The link that the numbers make; its index is the column of hepae's own.
    here, there
        Names of eta, phi and pt in both tables.
    """

    link: RowLink
    here: tuple[str, str, str]
    there: tuple[str, str, str]


@dataclass
class Searched:
    """How the columns of a tree predict each other.

    Attributes
    ----------
    codecs
        Codecs of columns that predict each other, each for one table.
    matches
        Rows that are matched with rows of other tables, each with a column that is made while writing.
    methods
        Methods of plain coding of columns, by number, where they are known already.
    bits
        Of columns of the codecs, by number, the bits of a row of the sample: by itself, and predicted.
    """

    codecs: Sequence[PlainCodec] = ()
    matches: Sequence[Match] = ()
    methods: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    bits: Mapping[int, tuple[float, float]] = field(default_factory=dict)


Search = Callable[[Found, Mapping[str, Nested], Mapping[str, Bound], float, bool, Report], Searched]
"""Finds which columns of a tree predict each other (`hepae.learn.whole.lifted.lifted_tables`)."""


def find_matches(
    found: Found,
    sample: Mapping[str, Nested],
    lattices: Mapping[int, Lattice],
    links: Mapping[int, Sequence[RowLink]],
) -> list[Match]:
    """The best match of each table that has none of the file's own links, where it pays; no circles.

    Each adds a column to ``found``.

    Parameters
    ----------
    found
        Tables and columns of a tree.
    sample
        Values of its columns for some entries.
    lattices
        What values are counted in, by column.
    links
        The links that the file has, by table.
    """
    directions = {
        table: names
        for table, spec in enumerate(found.tables)
        if table != EVENTS and spec.parent == EVENTS
        if (names := _direction(found, table, sample)) is not None
    }
    few = {name: sample[name].cut(0, TRIED) for names in directions.values() for name in names}
    tried = [
        one
        for table in directions
        if not links.get(table)
        for other in directions.keys() - {table}
        if _is_near_in_size(sample[directions[table][0]], sample[directions[other][0]])
        if (one := _tried(found, few, sample, lattices, directions, (table, other))) is not None
    ]
    chosen: dict[int, list[RowLink]] = {table: list(each) for table, each in links.items()}
    matches: list[Match] = []
    for match in sorted(tried, key=lambda one: -one.link.gain):
        table = match.link.table
        if not chosen.get(table) and table not in above(chosen, match.link.other):
            chosen[table] = [match.link]
            matches.append(_with_column(found, match))
    return matches


def _is_near_in_size(here: Nested, there: Nested) -> bool:
    """Whether decoding the rows of another table costs about what those of this one do."""
    return len(there.values) <= ROWS_OF_ONE * max(len(here.values), len(here.levels[0]))


def _with_column(found: Found, match: Match) -> Match:
    link = match.link
    name = f"{found.tables[link.table].name}@{found.tables[link.other].name}#"
    found.columns.append(ColumnSpec(name, INDEX, (), link.table))
    numbered = RowLink(link.table, len(found.columns) - 1, link.other, link.pairs, link.gain)
    return Match(numbered, match.here, match.there)


def _direction(found: Found, table: int, sample: Mapping[str, Nested]) -> tuple[str, str, str] | None:
    """Names of eta, phi and pt of a table, if it has them."""
    short = short_names(found, table)
    if not {"eta", "phi", "pt"} <= short.keys():
        return None
    names = tuple(found.columns[short[role]].name for role in ("eta", "phi", "pt"))
    floats = all(name in sample and sample[name].values.dtype.kind == "f" for name in names)
    return (names[0], names[1], names[2]) if floats else None


def _tried(
    found: Found,
    few: Mapping[str, Nested],
    sample: Mapping[str, Nested],
    lattices: Mapping[int, Lattice],
    directions: Mapping[int, tuple[str, str, str]],
    tables: tuple[int, int],
) -> Match | None:
    table, other = tables
    here, there = directions[table], directions[other]
    pairs = paired(found, lattices, table, other)
    match = Match(RowLink(table, -1, other, pairs, 0.0), here, there)
    rows = nearest_rows(match, few)
    if len(rows.values) < FEWEST_ROWS * TRIED / max(len(sample[here[0]].levels[0]), TRIED):
        return None
    cut = {found.columns[n].name for pair in pairs for n in pair}
    columns = {name: sample[name].cut(0, TRIED) for name in cut}
    counts, others = rows.levels[0], few[there[0]].levels[0].astype(np.int64)
    gain = gain_of(found, columns, lattices, pairs, (others, rows.values.astype(np.int64), counts))
    gain -= _entropy(rows.values) * len(rows.values)
    if gain < LEAST_GAIN * len(rows.values):
        return None
    return Match(RowLink(table, -1, other, pairs, gain), here, there)


def matched(found: Found, matches: Sequence[Match], columns: Mapping[str, Nested]) -> dict[str, Nested]:
    """The columns that matches add, by name."""
    return {found.columns[one.link.index].name: nearest_rows(one, columns) for one in matches}


def with_matches(
    links: Mapping[int, Sequence[RowLink]], matches: Sequence[Match]
) -> dict[int, list[RowLink]]:
    """Links by table with those of matches, tables in the order in which they can be read."""
    every = {table: list(each) for table, each in links.items()}
    for match in matches:
        every.setdefault(match.link.table, []).append(match.link)
    return in_order(every)


def _entropy(values: NDArray[np.int16]) -> float:
    shares = np.unique(values, return_counts=True)[1] / max(len(values), 1)
    return float(-(shares * np.log2(shares)).sum())


def nearest_rows(match: Match, columns: Mapping[str, Nested]) -> Nested:
    """For each row the number of the nearest row of the other table in its entry, int16; -1 where none is near."""
    levels = columns[match.here[0]].levels
    counts, others = levels[0].astype(np.int64), columns[match.there[0]].levels[0].astype(np.int64)
    agree = all(np.array_equal(columns[name].levels[0], counts) for name in match.here)
    agree = agree and all(np.array_equal(columns[name].levels[0], others) for name in match.there)
    if not agree:  # this chunk has rows of its own: nothing is matched
        return Nested((counts,), np.full(int(counts.sum()), -1, np.int16))
    here = [np.asarray(columns[name].values, np.float64) for name in match.here]
    there = [np.asarray(columns[name].values, np.float64) for name in match.there]
    out = np.full(len(here[0]), -1, np.int16)
    starts = np.concatenate([[0], np.cumsum(counts)]), np.concatenate([[0], np.cumsum(others)])
    compared = np.where(counts * others > PAIRS, 0, others)
    for low, high in _runs(counts * compared):
        mine, theirs = (slice(int(edges[low]), int(edges[high])) for edges in starts)
        parts = [one[mine] for one in here], [one[theirs] for one in there]
        out[mine] = _nearest(*parts, counts[low:high], others[low:high], compared[low:high])
    return Nested((counts,), out)


def _runs(pairs: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Runs of entries with so many pairs at most, or one entry."""
    ends = np.cumsum(pairs)
    edges = [0]
    while edges[-1] < len(pairs):
        done = int(ends[edges[-1] - 1]) if edges[-1] else 0
        edges.append(max(int(np.searchsorted(ends, done + PAIRS, "right")), edges[-1] + 1))
    return list(pairwise(edges))


def _nearest(
    here: Sequence[Floats],
    there: Sequence[Floats],
    counts: NDArray[np.int64],
    others: NDArray[np.int64],
    compared: NDArray[np.int64],
) -> NDArray[np.int16]:
    """The nearest row of all pairs of rows of some entries; `compared`: those of the other, all or none."""
    candidates = np.repeat(compared, counts)
    row = np.repeat(np.arange(len(candidates)), candidates)
    place = np.arange(len(row)) - np.repeat(np.cumsum(candidates) - candidates, candidates)
    first = np.repeat(np.repeat(np.cumsum(others) - others, counts), candidates)
    with np.errstate(all="ignore"):
        eta, phi, pt = (one[row] for one in here)
        eta_there, phi_there, pt_there = (one[first + place] for one in there)
        turn = phi - phi_there
        turn -= 2 * np.pi * np.rint(turn / (2 * np.pi))
        ratio = np.log(np.maximum(pt, SMALLEST)) - np.log(np.maximum(pt_there, SMALLEST))
        distance = np.square(eta - eta_there) + np.square(turn) + np.square(ratio)
    distance = np.where(np.isfinite(distance) & (place < np.iinfo(INDEX).max), distance, np.inf)
    order = np.lexsort((distance, row))
    nearest = order[np.concatenate([np.ones(min(len(row), 1), bool), row[order][1:] != row[order][:-1]])]
    out = np.full(len(candidates), -1, np.int16)
    near = nearest[distance[nearest] < FARTHEST]
    out[row[near]] = place[near]
    return out
