"""Which columns of a table predict each other, from a sample of it, in seconds. No I/O.

The search is that of the lifting codec, narrowed: a column looks at the few that say most about it, and small columns
take no part. What does not become smaller by it is left to plain coding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic.kinematics import find_roles
from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.lifting.codec import Lifting
from hepae.core.plain import codec
from hepae.core.prediction.predictors import LiftingSpec
from hepae.core.tables.columns import EVENTS
from hepae.core.tables.links import Linked, linked_values
from hepae.core.tables.schema import PlainCodec
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import KINDS
from hepae.core.values.nested import Nested
from hepae.learn.fit.one_thread import one_thread
from hepae.learn.fit.prediction import fit
from hepae.learn.fit.rows import constant_rows
from hepae.learn.fit.state import Links, Settings
from hepae.learn.whole.links import RowLink, find_links, short_names
from hepae.learn.whole.matches import ROWS_OF_ONE, Searched, find_matches, matched, with_matches
from hepae.learn.whole.methods import best_methods
from hepae.learn.whole.paying import JSON_BYTES, only, paying
from hepae.learn.whole.plan import feature_of
from hepae.learn.whole.sums import find_sums
from hepae.learn.whole.tables import Found
from hepae.progress import Report, silent

__all__ = ["lifted_tables"]

FEWEST_ROWS: Final = 2000
"""Rows of the sample below which predictions cost more bytes than they save."""

LEAST_SHARE: Final = 0.001
"""Columns with a smaller share of the bytes of their table take no part: nothing to gain, and much to try."""

LEAST_BYTES: Final = 4096
"""What all predictions of a table must save in a file besides their own size."""

ENTRIES_OF_ROWS: Final = 6000
"""Entries from which rows that every entry has are fitted."""

KINEMATICS: Final = ("pt", "eta", "phi", "mass")
"""Of linked rows these say something of any column."""

QUICK: Final = Settings(
    objects=20_000,
    terms=4,
    width_terms=0,
    least_gain=0.02,
    ancestor_gain=0.1,
    looks=8,
    contexts=True,
    budget=6,
)
"""A table of 50 columns is searched in ten seconds."""


@dataclass
class _Table:
    """The columns of a table that may predict each other: numbers, features, integers, plain sizes in one order."""

    name: str
    numbers: list[int]
    features: dict[str, FeatureSpec]
    integers: dict[str, Integers]
    plain: dict[str, int]
    counts: Integers
    linked: dict[str, Linked]
    links: Links


@dataclass(frozen=True)
class _Lifted:
    """A codec of a table, and bits of a row for each of its columns: by itself, and predicted."""

    codec: PlainCodec
    bits: Mapping[int, tuple[float, float]]


class _Sample:
    """Columns of a sample as features, each made once.

    Parameters
    ----------
    found, columns, bounds, dither
        As in `lifted_tables`.
    """

    def __init__(
        self, found: Found, columns: Mapping[str, Nested], bounds: Mapping[str, Bound], dither: bool
    ) -> None:
        self.found, self.columns, self.bounds, self.dither = found, columns, bounds, dither
        self.ancestors: dict[int, set[str]] = {}
        self.entries = next((len(c.levels[0] if c.levels else c.values) for c in columns.values()), 0)
        counters = {table.counter for table in found.tables[1:]}
        self.features = {
            n: self._feature(column.name)
            for n, column in enumerate(found.columns)
            if n not in counters and not column.shape and column.dtype in KINDS and column.name in columns
        }

    def _feature(self, name: str) -> FeatureSpec:
        bound = self.bounds.get(name, Bound("exact"))
        return feature_of(name, self.columns[name], bound, self.dither and name in self.bounds)

    def add(self, number: int) -> None:
        """A column that was made."""
        self.features[number] = self._feature(self.found.columns[number].name)

    def integers(self, number: int) -> Integers:
        """Lattice integers of a column."""
        feature = self.features[number]
        return feature.lattice.to_integers(self.columns[feature.name].values, feature.bound)[0]

    def plain_size(self, number: int) -> int:
        """Bytes of a column that is coded by itself; of one with a bound about as many as its lattice needs."""
        name = self.features[number].name
        if name in self.bounds:
            return len(pack(self.integers(number)))
        values = self.columns[name].values
        return len(codec.encode(values, best_methods(values)))

    def restored(self, number: int) -> Nested:
        """A column as a reader restores it."""
        feature = self.features[number]
        column = self.columns[feature.name]
        if feature.name not in self.bounds:
            return column
        q, escaped = feature.lattice.to_integers(column.values, feature.bound)
        return Nested(column.levels, feature.lattice.to_values(q, escaped))

    def rows(self, number: int) -> int:
        """Rows of a column."""
        return len(self.columns[self.features[number].name].values)

    def prices(self, table: int) -> dict[str, float]:
        """What columns of other tables cost to decode, in columns of a table.

        A column of some rows an entry costs about what a small one does, since chunks have their price too. One of many
        costs by its rows: a muon's generator particle is found by decoding thirty particles of the event.
        """
        own = max((self.rows(n) for n in self.features if self.found.columns[n].table == table), default=1)
        usual = ROWS_OF_ONE * max(own, self.entries)
        return {
            self.features[n].name: max(self.rows(n) / usual, 1.0)
            for n in self.features
            if self.found.columns[n].table != table
        }

    def needs(self, linked: Linked) -> set[str]:
        """The columns that are decoded to read a linked one."""
        made_of = linked.needs
        names = {self.found.columns[n].name for n in made_of}
        return names.union(*(self.ancestors.get(n, set()) for n in made_of))

    def learn(self, codec: PlainCodec) -> None:
        """Note what the columns of a codec need, for tables that are linked to theirs."""
        for number, needed in codec.needs.items():
            names = {self.found.columns[n].name for n in needed}
            self.ancestors[number] = names.union(*(self.ancestors.get(n, set()) for n in needed))

    def given(self, link: RowLink) -> dict[str, tuple[Linked, Floats]]:
        """Columns of linked rows: those that have a counterpart in this table, and the kinematics."""
        index, there = self.features[link.index].name, short_names(self.found, link.other)
        here = short_names(self.found, link.table)
        wanted = [*(other for _, other in link.pairs), *(there[role] for role in KINEMATICS if role in there)]
        wanted += [number for name, number in there.items() if name in here and number in self.features]
        counts = self.columns[index].levels[0].astype(np.int64)
        out = {}
        for number in dict.fromkeys(wanted):
            feature = self.features[number]
            name = f"{feature.name}[{index}]"
            one = Linked(name=name, column=number, index=link.index, lattice=feature.lattice)
            out[name] = one, linked_values(one, {n: self.restored(n) for n in one.needs}, counts)
        return out

    def sums(self, targets: Sequence[int]) -> dict[str, tuple[Linked, Floats]]:
        """What the rows of other tables say of columns of the event table."""
        lattices = {number: feature.lattice for number, feature in self.features.items()}
        restored = {feature.name: self.restored(number) for number, feature in self.features.items()}
        entries = np.ones(len(self.restored(targets[0]).values), np.int64)
        return {
            one.name: (one, linked_values(one, {n: self.restored(n) for n in one.needs}, entries))
            for one in find_sums(self.found, restored, lattices, targets)
        }


def lifted_tables(
    found: Found,
    sample: Mapping[str, Nested],
    bounds: Mapping[str, Bound],
    scale: float,
    dither: bool = False,
    report: Report = silent,
    objects: int = QUICK.objects,
) -> Searched:
    """A codec for each table whose columns become smaller by predicting each other, and from linked rows.

    Rows that are matched with the nearest of another table get a column for it in ``found``.

    Parameters
    ----------
    found
        Tables and columns of a tree.
    sample
        Values of its columns for some entries.
    bounds
        Bounds of the columns that are not exact, by name.
    scale
        Entries of the tree over entries of the sample.
    dither
        Whether the cells of lossy columns are filled evenly.
    report
        Told how far the work is.
    objects
        Rows of a table that predictions are fitted on.
    """
    columns = _Sample(found, sample, bounds, dither)
    lattices = {n: feature.lattice for n, feature in columns.features.items()}
    links = find_links(found, sample, lattices)
    matches = find_matches(found, sample, lattices, links)
    columns.columns = {**sample, **matched(found, matches, sample)}
    links = with_matches(links, matches)
    for match in matches:
        columns.add(match.link.index)
    codecs: list[PlainCodec] = []
    bits: dict[int, tuple[float, float]] = {}
    # the event table comes last: its columns are predicted from the rows of all others
    order = [*links, *(n for n in range(1, len(found.tables)) if n not in links), EVENTS]
    for done, number in enumerate(order):
        with one_thread():
            members = _table_of(columns, number, links.get(number, []))
            lifted = _lifted(members, scale, objects) if members is not None else None
        if lifted is not None:
            codecs.append(lifted.codec)
            columns.learn(lifted.codec)
            bits |= lifted.bits
        report("predicting", done + 1, len(found.tables), found.tables[number].name)
    return Searched(codecs, matches, bits=bits)


def _table_of(columns: _Sample, number: int, links: Sequence[RowLink]) -> _Table | None:
    """The columns of a table that have a say; None where there are too few rows or columns."""
    found = columns.found
    numbers = [n for n in columns.features if found.columns[n].table == number]
    if not numbers or len(columns.columns[columns.features[numbers[0]].name].values) < FEWEST_ROWS:
        return None
    sizes = {n: columns.plain_size(n) for n in numbers}
    least = LEAST_SHARE * sum(sizes.values())
    mothers = [link.index for link in links if link.within]
    chosen = [n for n in numbers if sizes[n] >= least or n in mothers]
    features = {columns.features[n].name: columns.features[n] for n in chosen}
    integers = {name: columns.integers(n) for n, name in zip(chosen, features, strict=True)}
    levels = columns.columns[columns.features[chosen[0]].name].levels
    counts = levels[-1].astype(np.int64) if levels else np.ones(len(next(iter(integers.values()))), np.int64)
    plain = {name: sizes[n] for n, name in zip(chosen, features, strict=True)}
    given = {name: one for link in links if not link.within for name, one in columns.given(link).items()}
    if number == EVENTS:
        given |= columns.sums(chosen)
    linked = {name: one for name, (one, _) in given.items()}
    offered = Links(
        {name: values for name, (_, values) in given.items()},
        {name: one.lattice for name, one in linked.items()},
        {name: columns.needs(one) for name, one in linked.items()},
        [columns.features[link.index].name for link in links if not link.within and link.index in chosen],
        [columns.features[n].name for n in mothers],
        columns.prices(number),
    )
    return _Table(found.tables[number].name, chosen, features, integers, plain, counts, linked, offered)


def _lifted(table: _Table, scale: float, objects: int) -> _Lifted | None:
    """The predictions of a table that pay; None where there are none."""
    lattices = {name: feature.lattice for name, feature in table.features.items()}
    roles = _roles(table.name, table.integers)
    links = table.links
    predictors = fit(
        table.integers,
        lattices,
        table.counts,
        {},
        roles=roles,
        settings=_settings(table, objects),
        linked=links,
    )
    coding = Lifting(LiftingSpec(predictors), list(table.features.values()), links.lattices)
    payloads = coding.encode(table.counts, dict(table.integers), links.given)
    sizes = {name: len(body) for name, body in payloads.items()}
    keep = paying(table.plain, sizes, {name: set(coding.ancestors(name)) for name in sizes})
    if predictors.derived:  # they hang together: all or none
        keep, kept = set(sizes), predictors
    else:
        kept = only(predictors, keep)
    saved = sum(table.plain[name] - sizes[name] for name in keep)
    if saved * scale < LEAST_BYTES + JSON_BYTES * len(msgspec.json.encode(kept)):
        return None
    pairs = [(n, f) for n, f in zip(table.numbers, table.features.values(), strict=True) if f.name in keep]
    used = {name for one in kept.features for name in kept.given(one.feature)}
    linked = tuple(one for name, one in table.linked.items() if name in used)
    codec = PlainCodec(tuple(n for n, _ in pairs), tuple(f for _, f in pairs), LiftingSpec(kept), linked)
    each = 8.0 / max(int(table.counts.sum()), 1)
    bits = {n: (each * table.plain[f.name], each * sizes[f.name]) for n, f in pairs}
    return _Lifted(codec, bits)


def _settings(table: _Table, objects: int) -> Settings:
    """How hard to try: rows that every entry has are fitted one from the others, for which entries count."""
    rows = constant_rows(table.counts)
    return replace(QUICK, objects=max(objects, ENTRIES_OF_ROWS * rows))


def _roles(table: str, names: Iterable[str]) -> dict[str, str]:
    """Kinematic roles of columns, told by their names without the prefix of the table."""
    short = {name.removeprefix(table).lstrip("_."): name for name in names}
    return {role: short[one] for role, one in find_roles(short).items()}
