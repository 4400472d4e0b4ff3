"""A model of a data set applied to the columns of a file: what is known of them is kept where it pays. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.lifting.codec import Lifting
from hepae.core.plain import codec as plain
from hepae.core.prediction.predictors import LiftingSpec, carriers
from hepae.core.tables.columns import EVENTS, ColumnSpec
from hepae.core.tables.dataset import KnownMatch, KnownTree
from hepae.core.tables.links import Linked, Only, linked_values
from hepae.core.tables.schema import PlainCodec
from hepae.core.values.bounds import Bound
from hepae.core.values.nested import Nested
from hepae.learn.whole.links import RowLink
from hepae.learn.whole.matches import INDEX, Match, Search, Searched, nearest_rows
from hepae.learn.whole.methods import best_methods
from hepae.learn.whole.paying import FRAME_BYTES, only, paying
from hepae.learn.whole.tables import Found
from hepae.progress import Report

__all__ = ["search_of"]

TRIED: Final = 10_000
"""Entries of a file on which it is seen whether a prediction pays there. What describes classes takes the same bytes in
few entries as in many: on 3,000 of them a tenth of a percent of the bytes are lost."""

ESCAPE_BYTES: Final = 2
"""What a value that is not on the lattice of the model costs besides its own bytes: its place in the chunk."""


def search_of(known: KnownTree, price: float) -> Search:
    """What stands in for the search of predictions: those of a model.

    Columns are told by name. One that the file does not have is left out, with what is predicted from it; so is what
    does not become smaller in a sample of the file.

    Parameters
    ----------
    known
        What the model knows of the tree.
    price
        What a byte of predictions takes in the file, as compressed JSON or by reference.
    """
    return partial(_applied, known, price)


def _applied(
    known: KnownTree,
    price: float,
    found: Found,
    sample: Mapping[str, Nested],
    bounds: Mapping[str, Bound],
    scale: float,
    dither: bool,
    report: Report,
) -> Searched:
    """The codecs of a model for the columns of a file; parameters as of `lifted_tables`."""
    every = max(map(len, sample.values()), default=0)
    entries = min(every, TRIED)
    few = {name: column.cut(0, entries) for name, column in sample.items()}
    columns, chosen = len(found.columns), list(known.matches)
    while True:
        tree = _Resolved(known, found, chosen)
        codecs = _paying_codecs(tree, few, price, scale * every / entries if entries else 0.0, report)
        used = {number for codec in codecs for one in codec.linked for number in one.needs}
        idle = [match for match in tree.matches if tree.matches[match].link.index not in used]
        if not idle and len(tree.matches) == len(chosen):
            break
        # the number of a nearest row costs bytes: without one that nobody looks at, once more
        del found.columns[columns:]
        chosen = [match for match in tree.matches if match not in idle]
    methods = {tree.numbers[n]: ways for n, ways in enumerate(known.methods) if ways and n in tree.numbers}
    return Searched(codecs, list(tree.matches.values()), methods)


def _paying_codecs(
    tree: _Resolved, few: Mapping[str, Nested], price: float, scale: float, report: Report
) -> list[PlainCodec]:
    """The codecs that make the columns of a file smaller."""
    made = {tree.name(match.link.index): nearest_rows(match, few) for match in tree.matches.values()}
    trial = _Trial(tree, {**few, **made}, price, scale)
    resolved = map(tree.codec, tree.known.codecs)
    codecs = []
    for done, codec in enumerate(resolved):
        if codec is not None and (kept := trial.kept(codec)) is not None:
            codecs.append(kept)
        report("predicting", done + 1, len(tree.known.codecs), "")
    return codecs


class _Resolved:
    """The columns of a model as those of a file.

    Parameters
    ----------
    known
        What the model knows.
    found
        Tables and columns of the file; columns of matches are added to it.
    matches
        Those of the model that are wanted.

    Attributes
    ----------
    numbers
        Columns of the file by those of the model.
    matches
        Matches of the file by those of the model.
    """

    def __init__(self, known: KnownTree, found: Found, matches: Sequence[KnownMatch]) -> None:
        self.known, self.found = known, found
        there = {column.name: number for number, column in enumerate(found.columns)}
        own = {match.index for match in known.matches}
        self.numbers = {
            n: there[column.name]
            for n, column in enumerate(known.columns)
            if n not in own
            and column.name in there
            and self._alike(column, found.columns[there[column.name]])
        }
        self.matches: dict[KnownMatch, Match] = {}
        for match in matches:
            self._add(match)

    def _alike(self, known: ColumnSpec, there: ColumnSpec) -> bool:
        return (known.dtype, known.shape) == (there.dtype, there.shape)

    def name(self, number: int) -> str:
        """Name of a column of the file."""
        return self.found.columns[number].name

    def _add(self, match: KnownMatch) -> None:
        """A match, if its columns are of one table of entries each."""
        if not self.numbers.keys() >= {*match.here, *match.there}:
            return
        here, there = (
            {self.found.columns[self.numbers[n]].table for n in each} for each in (match.here, match.there)
        )
        if len(here) != 1 or len(there) != 1 or not all(map(self._in_entries, here | there)):
            return
        table, other = here.pop(), there.pop()
        self.found.columns.append(ColumnSpec(self.known.columns[match.index].name, INDEX, (), table))
        number = self.numbers[match.index] = len(self.found.columns) - 1
        self.matches[match] = Match(
            RowLink(table, number, other, (), 0.0), self._names(match.here), self._names(match.there)
        )

    def _names(self, numbers: tuple[int, int, int]) -> tuple[str, str, str]:
        """Names of the columns of the file that three of the model are."""
        eta, phi, pt = (self.name(self.numbers[n]) for n in numbers)
        return eta, phi, pt

    def _in_entries(self, table: int) -> bool:
        """Whether the rows of a table are counted in entries."""
        return table != EVENTS and self.found.tables[table].parent == EVENTS

    def codec(self, codec: PlainCodec) -> PlainCodec | None:
        """A codec for the columns of the file, without those that look at what is not there; None for nothing."""
        if codec.lifting is None:
            return None
        features = dict(zip(codec.columns, codec.features, strict=True))
        there = {n: self.found.columns[self.numbers[n]].table for n in features if n in self.numbers}
        if not there:
            return None
        ((table, _),) = Counter(there.values()).most_common(1)
        members = {features[n].name: n for n, mine in there.items() if mine == table}
        linked = {one.name: new for one in codec.linked if (new := self._linked(one, table)) is not None}
        keep = _closed(codec.lifting, set(members), set(linked))
        return _chosen(
            PlainCodec(
                tuple(self.numbers.get(n, -1) for n in codec.columns),
                codec.features,
                codec.lifting,
                tuple(linked.values()),
            ),
            keep,
        )

    def _linked(self, one: Linked, table: int) -> Linked | None:
        if not self.numbers.keys() >= set(one.needs):
            return None
        column = self.numbers[one.column]
        index = None if one.index is None else self.numbers[one.index]
        only = tuple(Only(self.numbers[each.column], each.values) for each in one.only)
        other = self.found.columns[column].table
        own = table == EVENTS if index is None else self._in_entries(table)
        fits = index is None or self.found.columns[index].table == table
        alike = all(self.found.columns[each.column].table == other for each in only)
        if not (own and fits and alike and self._in_entries(other)):
            return None
        return msgspec.structs.replace(one, column=column, index=index, only=only)


def _closed(lifting: LiftingSpec, members: set[str], linked: set[str]) -> set[str]:
    """The features that look at nothing but these members and linked columns; all or none where they hang together."""
    predictors = lifting.predictors
    keep = {name for name in members if predictors.given(name) <= linked}
    while True:
        more = {
            name
            for name in keep
            if keep.issuperset(carriers(predictors.derived, predictors.ancestors(name), name))
        }
        if more == keep:
            break
        keep = more
    if predictors.derived and not keep.issuperset(
        set(predictors.order) - {one.name for one in predictors.derived}
    ):
        return set()
    return keep


def _chosen(codec: PlainCodec, keep: set[str]) -> PlainCodec | None:
    """A codec of some of its columns; None for none."""
    if not keep or codec.lifting is None:
        return None
    predictors = codec.lifting.predictors
    kept = predictors if predictors.derived else only(predictors, keep)
    pairs = [(n, f) for n, f in zip(codec.columns, codec.features, strict=True) if f.name in keep]
    used = {name for one in kept.features for name in kept.given(one.feature)}
    return PlainCodec(
        tuple(n for n, _ in pairs),
        tuple(f for _, f in pairs),
        LiftingSpec(kept),
        tuple(one for one in codec.linked if one.name in used),
    )


class _Trial:
    """Codecs tried on some entries of a file."""

    def __init__(self, tree: _Resolved, columns: Mapping[str, Nested], price: float, scale: float) -> None:
        self.tree, self.columns, self.price, self.scale = tree, columns, price, scale
        self.features = {
            tree.numbers[n]: feature
            for codec in tree.known.codecs
            for n, feature in zip(codec.columns, codec.features, strict=True)
            if n in tree.numbers
        }

    def kept(self, codec: PlainCodec) -> PlainCodec | None:
        """The part of a codec that makes the file smaller; None where none does."""
        assert codec.lifting is not None
        levels = [self.columns[feature.name].levels for feature in codec.features]
        if any(not all(map(np.array_equal, levels[0], other)) for other in levels[1:]):
            return None
        coding = Lifting(codec.lifting, codec.features, {one.name: one.lattice for one in codec.linked})
        plainly = {f.name: self._plain_size(f) for f in codec.features}
        coded = self._coded_sizes(codec, coding)
        per_frame = FRAME_BYTES / self.scale if self.scale else 0.0
        ancestors = {name: set(coding.ancestors(name)) for name in coded}
        keep = paying(plainly, coded, ancestors, per_frame)
        if codec.lifting.predictors.derived:
            keep = set(coded)
        kept = _chosen(codec, keep)
        if kept is None or kept.lifting is None:
            return None
        saved = sum(plainly[name] - coded[name] - per_frame for name in keep) - self._numbers_of_rows(kept)
        cost = self.price * len(msgspec.json.encode(kept))
        return kept if saved * self.scale > cost else None

    def _numbers_of_rows(self, codec: PlainCodec) -> int:
        """Bytes of the numbers of nearest rows that a codec looks at."""
        looked_at = {number for one in codec.linked for number in one.needs}
        made = {match.link.index for match in self.tree.matches.values()} & looked_at
        values = [self.columns[self.tree.name(number)].values for number in made]
        return sum(len(plain.encode(each, best_methods(each))) for each in values)

    def _plain_size(self, feature: FeatureSpec) -> int:
        values = self.columns[feature.name].values
        if feature.bound.kind == "exact":
            return len(plain.encode(values, best_methods(values)))
        return len(pack(feature.lattice.to_integers(values, feature.bound)[0]))

    def _coded_sizes(self, codec: PlainCodec, coding: Lifting) -> dict[str, int]:
        integers: dict[str, Integers] = {}
        escapes: dict[str, int] = {}
        for feature in codec.features:
            q, escaped = feature.lattice.to_integers(self.columns[feature.name].values, feature.bound)
            integers[feature.name] = q
            escapes[feature.name] = len(escaped) * (escaped.dtype.itemsize + ESCAPE_BYTES)
        levels = self.columns[codec.features[0].name].levels
        rows = len(next(iter(integers.values())))
        counts = levels[-1].astype(np.int64) if levels else np.ones(rows, np.int64)
        given = {one.name: self._given(one, counts) for one in codec.linked}
        payloads = coding.encode(counts, integers, given)
        return {name: len(body) + escapes[name] for name, body in payloads.items()}

    def _given(self, one: Linked, counts: Integers) -> Floats:
        return linked_values(one, {number: self._as_read(number) for number in one.needs}, counts)

    def _as_read(self, number: int) -> Nested:
        column, feature = self.columns[self.tree.name(number)], self.features.get(number)
        if feature is None or feature.bound.kind == "exact":
            return column
        q, escaped = feature.lattice.to_integers(column.values, feature.bound)
        return Nested(column.levels, feature.lattice.to_values(q, escaped))
