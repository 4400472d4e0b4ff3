"""Predictors of lattice integers: small frozen descriptions that round-trip through the manifest.

See `hepae.core.prediction.evaluation` for what they mean and how they are evaluated.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np

from hepae import limits
from hepae.arrays import Integers
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.columns import Column
from hepae.core.prediction.context import Reach
from hepae.core.prediction.ranks import LAST_RANK
from hepae.core.prediction.tables import Period, Term, Widths, expand
from hepae.core.values.lattice import Lattice
from hepae.errors import ModelRejectedError

__all__ = ["Derived", "LiftingSpec", "Lookup", "Predictor", "Predictors", "carriers", "trivial"]


LARGEST_TABLE_VALUE: Final = 1 << 44
LARGEST_TABLE: Final = 1 << 17
LARGEST_RANK: Final = 1024


class Lookup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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
        return self.column.optional

    def index(self, column: Integers) -> Integers:
        """Index of each object into the tables of this source: 0 where missing, else 1 to the last knot."""
        place = self.place(column)
        return np.clip(place, 0, self.knots[-1]) if self.optional else np.clip(place + 1, 1, self.knots[-1])

    def place(self, column: Integers) -> Integers:
        """The same for tables that are read with clipping, and that lack the entry for missing unless optional.

        What is below `low`, which no column was when the model was fitted, counts as missing where that is possible.
        """
        if self.shift:
            place = column - self.low
            place >>= self.shift
            if self.optional:
                place += 1
            return place
        origin = self.low - 1 if self.optional else self.low
        return column - origin if origin else column

    def table(self, values: tuple[int, ...]) -> Integers:
        """The whole table of values at the knots, without the entry for missing unless objects lack the column."""
        return expand(self.knots, values)[0 if self.optional else 1 :]


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
    def all_terms(self) -> tuple[Term, ...]:
        """Terms of the prediction and of the classes."""
        return self.terms + (self.widths.terms if self.widths else ())

    @property
    def n_classes(self) -> int:
        return len(self.widths.edges) + 1 if self.widths else 1

    @property
    def trivial(self) -> bool:
        """Whether the prediction is the same for all objects."""
        return not self.terms and self.base is None


class Derived(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature computed from others.

    Parameters
    ----------
    name
        Its short name, of no other feature.
    formula
        One of `hepae.core.arithmetic.kinematics.FORMULAS` without tabulated functions: ``pt``, ``eta`` or ``phi``.
    features
        What the formula needs. The first carries the payload.
    lattice
        Of the derived values.
    """

    name: str
    formula: str
    features: tuple[str, ...]
    lattice: Lattice

    def __post_init__(self) -> None:
        formula = kinematics.FORMULAS.get(self.formula)
        plain = formula is not None and set(formula.transforms) == {"value"}
        if formula is None or not plain or len(formula.needs) != len(self.features):
            raise ModelRejectedError("a feature is derived by no formula", where=self.name, got=self.formula)

    @property
    def carrier(self) -> str:
        """The feature in front of whose payload that of this one travels."""
        return self.features[0]


class Predictors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The predictors of all features in coding order, and the sources that their tables share.

    Parameters
    ----------
    features
        In coding order, derived ones too.
    sources
        What tables look at.
    derived
        Features without a branch, computed from others.
    last_rank
        From which rank on objects are taken as one.

    Raises
    ------
    ModelRejectedError
        If a feature is predicted twice, or a table does not fit its source.
    """

    features: tuple[Predictor, ...]
    sources: tuple[Lookup, ...] = ()
    derived: tuple[Derived, ...] = ()
    last_rank: int = LAST_RANK

    def __post_init__(self) -> None:
        limits.check("last rank", self.last_rank, LARGEST_RANK, least=1)
        without_branch = {one.name for one in self.derived}
        for one in self.derived:
            later = self.order[self.order.index(one.name) :] if one.name in self.order else ()
            if not set(one.features) <= set(later) - without_branch:
                raise ModelRejectedError("a feature is derived from none that follow it", where=one.name)
        seen: set[str] = set()
        for predictor in self.features:
            if predictor.feature in seen:
                raise ModelRejectedError("a feature is predicted twice", where=predictor.feature)
            _check(predictor, self.sources)
            seen.add(predictor.feature)
        # a term of a few bytes in a manifest becomes a table of a megabyte
        used = [term.source for predictor in self.features for term in predictor.all_terms]
        entries = sum(self.sources[number].knots[-1] for number in used)
        limits.check("entries in all tables", entries, limits.MAX_TABLE_ENTRIES)

    def __getitem__(self, feature: str) -> Predictor:
        for predictor in self.features:
            if predictor.feature == feature:
                return predictor
        raise KeyError(feature)

    @property
    def order(self) -> tuple[str, ...]:
        """Names of the features in coding order."""
        return tuple(predictor.feature for predictor in self.features)

    def lattices(self, of_branches: Mapping[str, Lattice]) -> dict[str, Lattice]:
        """Lattices of all features, given those of the features that have a branch."""
        return {**of_branches, **{one.name: one.lattice for one in self.derived}}

    def columns(self, feature: str) -> list[Column]:
        """The columns that the prediction and the classes of a feature look at."""
        predictor = self[feature]
        found = [self.sources[term.source].column for term in predictor.all_terms]
        return found if predictor.base is None else [*found, predictor.base]

    def ranked(self, feature: str) -> bool:
        """Whether a feature is predicted from itself in objects before, so that ranks must be decoded in turn."""
        return any(feature in column.needs for column in self.columns(feature))

    def parents(self, feature: str) -> tuple[str, ...]:
        """The features that its prediction looks at directly."""
        needs = {name for column in self.columns(feature) for name in column.needs} - {feature}
        return tuple(name for name in self.order if name in needs)

    def ahead(self, together: Collection[str] = ()) -> tuple[str, Column] | None:
        """A feature, and a column of its prediction that is not known yet when features are decoded in order.

        Parameters
        ----------
        together
            Features that are decoded side by side, so that each may be looked at in objects before by all of them.
        """
        before: set[str] = set()
        for name in self.order:
            for column in self.columns(name):
                if not column.within(Reach.of(name, before, together)):
                    return name, column
            before.add(name)
        return None

    def require_behind(self, together: Collection[str] = ()) -> None:
        """Refuse predictions from what is not known yet.

        Raises
        ------
        ModelRejectedError
            If there is one that is `ahead`.
        """
        found = self.ahead(together)
        if found is not None:
            raise ModelRejectedError("a prediction looks ahead", where=found[0], got=found[1])

    def require(self, features: Collection[str]) -> None:
        """Refuse other features than these and those derived.

        Raises
        ------
        ModelRejectedError
            If one of them is not predicted, or one that is predicted is not of them.
        """
        expected = set(features).union(one.name for one in self.derived)
        if set(self.order) != expected or len(expected) != len(features) + len(self.derived):
            names = sorted(set(self.order) ^ expected)
            raise ModelRejectedError("predictors and features differ", got=", ".join(names[:8]))

    def ancestors(self, feature: str) -> tuple[str, ...]:
        """The features that must be decoded before this one, in coding order; those that it carries are among them."""
        found: set[str] = set()
        waiting = [feature]
        while waiting:
            name = waiting.pop()
            for parent in (*self.parents(name), *self.carried(name)):
                if parent not in found:
                    found.add(parent)
                    waiting.append(parent)
        return tuple(name for name in self.order if name in found)

    def given(self, feature: str) -> frozenset[str]:
        """The given columns that are read to decode a feature, those of its ancestors included."""
        names = (feature, *self.ancestors(feature))
        return frozenset(given for name in names for column in self.columns(name) for given in column.given)

    def carried(self, feature: str) -> tuple[str, ...]:
        """The derived features whose payloads travel with that of this one."""
        return tuple(one.name for one in self.derived if one.carrier == feature)

    def wants_latent(self, feature: str) -> bool:
        """Whether some source is the latent of this feature."""
        return any(feature in source.column.latents for source in self.sources)


def carriers(derived: Sequence[Derived], ancestors: Sequence[str], feature: str) -> tuple[str, ...]:
    """The features with a branch whose payloads hold these ancestors, ``feature`` itself left out."""
    by = {one.name: one.carrier for one in derived}
    found = dict.fromkeys(by.get(name, name) for name in ancestors)
    return tuple(name for name in found if name != feature)


def _check(predictor: Predictor, sources: tuple[Lookup, ...]) -> None:
    where = predictor.feature
    largest = abs(predictor.constant)
    terms = predictor.all_terms
    for term in terms:
        if not 0 <= term.source < len(sources):
            raise ModelRejectedError("no such source", where=where, got=term.source)
        if len(term.values) != len(sources[term.source].knots) + 1:
            raise ModelRejectedError("a table does not fit its source", where=where, got=len(term.values))
        largest += max(abs(value) for value in term.values)
    limits.check("prediction", largest, LARGEST_TABLE_VALUE, where)


class LiftingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="codec", tag="lifting"):
    """Parameters of the lifting codec.

    Parameters
    ----------
    predictors
        How each feature is predicted, in coding order.

    Raises
    ------
    ModelRejectedError
        If a prediction looks at a feature that comes after it.
    """

    predictors: Predictors

    def __post_init__(self) -> None:
        self.predictors.require_behind()


def trivial(features: tuple[str, ...]) -> Predictors:
    """Predictors that predict nothing: every feature coded as it is.

    Examples
    --------
    >>> trivial(("pt", "eta")).order
    ('pt', 'eta')
    """
    return Predictors(tuple(Predictor(feature) for feature in features))
