"""Which columns of a table predict each other, from a sample of it, in seconds. No I/O.

The search is that of the lifting codec, narrowed: a column looks at the few that say most about it, and small columns
take no part. What does not become smaller by it is left to plain coding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Integers
from hepae.core.arithmetic.kinematics import find_roles
from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.lifting.codec import Lifting
from hepae.core.plain import codec
from hepae.core.prediction.predictors import LiftingSpec, Predictors
from hepae.core.prediction.tables import Term
from hepae.core.tables.schema import PlainCodec
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import KINDS
from hepae.core.values.lattice_fit import fit_lattice
from hepae.core.values.nested import Nested
from hepae.learn.fit.prediction import fit
from hepae.learn.fit.state import Settings
from hepae.learn.whole.methods import best_methods
from hepae.learn.whole.plan import feature_of
from hepae.learn.whole.tables import Found
from hepae.progress import Report, silent

__all__ = ["lifted_tables"]

FEWEST_ROWS: Final = 2000
"""Rows of the sample below which predictions cost more bytes than they save."""

LEAST_SHARE: Final = 0.005
"""Columns with a smaller share of the bytes of their table take no part: nothing to gain, and much to try."""

LEAST_GAIN: Final = 0.01
"""Part of its bytes that a column must save, for the time that reading what it is predicted from takes."""

LEAST_BYTES: Final = 4096
"""What all predictions of a table must save in a file besides their own size."""

JSON_BYTES: Final = 0.3
"""What a byte of predictions takes in the file, as compressed JSON."""

QUICK: Final = Settings(objects=10_000, terms=4, width_terms=0, least_gain=0.02, looks=8)
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


def lifted_tables(
    found: Found,
    sample: Mapping[str, Nested],
    bounds: Mapping[str, Bound],
    scale: float,
    dither: bool = False,
    report: Report = silent,
) -> list[PlainCodec]:
    """A codec for each table whose columns become smaller by predicting each other.

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
    """
    codecs = []
    for number, table in enumerate(found.tables):
        members = _table_of(found, number, sample, bounds, dither)
        if members is not None and (lifted := _lifted(members, scale)) is not None:
            codecs.append(lifted)
        report("predicting", number + 1, len(found.tables), table.name)
    return codecs


def _table_of(
    found: Found, number: int, sample: Mapping[str, Nested], bounds: Mapping[str, Bound], dither: bool
) -> _Table | None:
    """The columns of a table that have a say; None where there are too few rows or columns."""
    counters = {table.counter for table in found.tables}
    numbers = [
        n
        for n, column in enumerate(found.columns)
        if column.table == number and not column.shape and column.dtype in KINDS and column.name in sample
        if n not in counters
    ]
    columns = {n: sample[found.columns[n].name] for n in numbers}
    if len(numbers) < 2 or len(columns[numbers[0]].values) < FEWEST_ROWS:
        return None
    sizes = {n: _plain_size(columns[n], bounds.get(found.columns[n].name)) for n in numbers}
    least = LEAST_SHARE * sum(sizes.values())
    chosen = [n for n in numbers if sizes[n] >= least]
    exact = Bound("exact")
    features = {
        name: feature_of(name, columns[n], bounds.get(name, exact), dither and name in bounds)
        for n in chosen
        for name in [found.columns[n].name]
    }
    integers = {
        name: feature.lattice.to_integers(sample[name].values, feature.bound)[0]
        for name, feature in features.items()
    }
    levels = columns[numbers[0]].levels
    counts = levels[-1].astype(np.int64) if levels else np.ones(len(columns[numbers[0]].values), np.int64)
    plain = {name: sizes[n] for n, name in zip(chosen, features, strict=True)}
    return _Table(found.tables[number].name, chosen, features, integers, plain, counts)


def _plain_size(column: Nested, bound: Bound | None) -> int:
    """Bytes of a column that is coded by itself; of one with a bound about as many as its lattice needs."""
    if bound is None:
        return len(codec.encode(column.values, best_methods(column.values)))
    lattice = fit_lattice(column.values, bound)
    return len(pack(lattice.to_integers(column.values, bound)[0]))


def _lifted(table: _Table, scale: float) -> PlainCodec | None:
    """The predictions of a table that pay; None where there are none."""
    if len(table.numbers) < 2:
        return None
    lattices = {name: feature.lattice for name, feature in table.features.items()}
    roles = _roles(table.name, table.integers)
    predictors = fit(table.integers, lattices, table.counts, {}, roles=roles, settings=QUICK)
    coding = Lifting(LiftingSpec(predictors), list(table.features.values()))
    sizes = {name: len(body) for name, body in coding.encode(table.counts, dict(table.integers), {}).items()}
    keep = _paying(table.plain, sizes, {name: set(coding.ancestors(name)) for name in sizes})
    if predictors.derived:  # they hang together: all or none
        keep, kept = set(sizes), predictors
    else:
        kept = _only(predictors, keep)
    saved = sum(table.plain[name] - sizes[name] for name in keep)
    if saved * scale < LEAST_BYTES + JSON_BYTES * len(msgspec.json.encode(kept)):
        return None
    pairs = [(n, f) for n, f in zip(table.numbers, table.features.values(), strict=True) if f.name in keep]
    return PlainCodec(tuple(n for n, _ in pairs), tuple(f for _, f in pairs), LiftingSpec(kept))


def _paying(
    plain: Mapping[str, int], coded: Mapping[str, int], ancestors: Mapping[str, set[str]]
) -> set[str]:
    """The columns that become smaller, with those that they are predicted from; none that costs more than it gives."""
    keep: set[str] = set()
    gains = {name: plain[name] - coded[name] for name in plain}
    for name in sorted(gains, key=lambda name: -gains[name]):
        further = ({name} | ancestors[name]) - keep
        if gains[name] >= LEAST_GAIN * plain[name] and sum(gains[one] for one in further) > 0:
            keep |= further
    return keep


def _only(predictors: Predictors, keep: set[str]) -> Predictors:
    """The predictors of some features, with the sources that they look at and no others."""
    kept = [predictor for predictor in predictors.features if predictor.feature in keep]
    used = sorted({term.source for predictor in kept for term in predictor.all_terms})
    number = {source: place for place, source in enumerate(used)}

    def renumbered(terms: tuple[Term, ...]) -> tuple[Term, ...]:
        return tuple(msgspec.structs.replace(term, source=number[term.source]) for term in terms)

    features = [
        msgspec.structs.replace(
            one,
            terms=renumbered(one.terms),
            widths=one.widths and msgspec.structs.replace(one.widths, terms=renumbered(one.widths.terms)),
        )
        for one in kept
    ]
    sources = tuple(predictors.sources[source] for source in used)
    return msgspec.structs.replace(predictors, features=tuple(features), sources=sources)


def _roles(table: str, names: Iterable[str]) -> dict[str, str]:
    """Kinematic roles of columns, told by their names without the prefix of the table."""
    short = {name.removeprefix(table).lstrip("_."): name for name in names}
    return {role: short[one] for role, one in find_roles(short).items()}
