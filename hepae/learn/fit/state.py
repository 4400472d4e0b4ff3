"""State of a fit: training and validation events in rank order, and what a candidate column costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats, Integers
from hepae.core.prediction.columns import Column
from hepae.core.prediction.context import Context
from hepae.core.prediction.predictors import Lookup, Predictor
from hepae.core.prediction.ranks import LAST_RANK, RankOrder
from hepae.core.prediction.tables import FRACTION_BITS, Term
from hepae.core.values.lattice import Lattice
from hepae.learn.fit import candidates
from hepae.learn.fit.additive import Additive, Candidate

__all__ = ["NO_LINKS", "Fitting", "Links", "Sample", "Settings", "columns_of", "split_events", "take_sample"]


VALIDATION_SHARE: Final = 0.25
BYTES_PER_KNOT: Final = 1.5
BYTES_PER_TERM: Final = 6.0
RANKED_GAIN: Final = 0.04
"""The same for going through the ranks one by one, where a feature is predicted from itself."""

KEPT_OF_WIDTH: Final = 24.0
"""Tables are rounded to this fraction of the usual residual: finer would cost bytes and change nothing."""


@dataclass(frozen=True)
class Settings:
    """How hard to try.

    Parameters
    ----------
    terms, width_terms
        Most tables in a prediction, and in the width of its residual.
    knots
        Knots of a table.
    classes
        Most classes of residuals.
    objects
        Objects to fit on; more are sampled by event.
    seed
        Of the split into training and validation events.
    first_plain
        Fit no tables for the first feature. Its distribution ends sharply, at the threshold of the objects and at
        what bounds them (`core.prediction.columns.Ceiling`), from which it may be taken; tables would blur these ends.
    least_gain
        Bits per object that a term must save besides its bytes, for the time that reading it takes.
    ancestor_gain
        The same for each further feature that must be decoded to read this one.
    looks
        Most features before it that a feature may look at: those that say most by themselves, and no combinations of
        them. All, and combinations, where it is None, which takes ten times as long for fifty features.
    contexts
        Whether classes of residuals are those of the values of one or two columns, not of an expected width: found
        in a tenth of the time.
    budget
        Most columns that must be decoded to read another, across all tables; any number where it is None.
    """

    terms: int = 7
    width_terms: int = 3
    knots: int = 16
    classes: int = 6
    objects: int = 60_000
    seed: int = 0
    first_plain: bool = False
    least_gain: float = 0.006
    ancestor_gain: float = 0.003
    looks: int | None = None
    contexts: bool = False
    budget: int | None = None


@dataclass(frozen=True)
class Links:
    """What rows are linked to.

    Attributes
    ----------
    given, lattices
        Columns of linked rows of other tables, float64[n_objects] with no number where there is none, and their
        lattices.
    needs
        For each the columns that must be decoded to read it.
    indices
        Features that name rows of other tables: they are coded first, without what they give.
    mothers
        Features that name a row before of the same table.
    prices
        What decoding columns of other tables costs, in columns of this one, where that is not 1.
    """

    given: Mapping[str, Floats]
    lattices: Mapping[str, Lattice]
    needs: Mapping[str, Set[str]]
    indices: Sequence[str] = ()
    mothers: Sequence[str] = ()
    prices: Mapping[str, float] = field(default_factory=dict)

    @property
    def first(self) -> tuple[str, ...]:
        """The features that are coded before all others."""
        return (*self.mothers, *self.indices)


NO_LINKS: Final = Links({}, {}, {})


@dataclass
class Sample:
    """One part of the events, objects in random order, so that the first of them stand for all.

    Attributes
    ----------
    context
        What is known, in rank order.
    rows
        The random order.
    q
        Integers of all features, in random order.
    """

    context: Context
    rows: Integers
    q: dict[str, Integers]

    def read(self, column: Column) -> Integers:
        """A column in random order."""
        return column.read(self.context, None)[self.rows]

    def put_latents(self, name: str, latents: Integers) -> None:
        """Make the latents of a feature known, given in random order."""
        ordered = np.empty_like(latents)
        ordered[self.rows] = latents
        self.context.latents[name] = ordered

    def values(self, name: str, most: int) -> Floats:
        """Restored values of a feature, of the first so many objects in random order."""
        return self.context.lattices[name].centres(self.q[name][:most])


@dataclass
class Fitting:
    """State while the predictors of one feature after the other are found.

    Attributes
    ----------
    train, validation
        The two parts of the events.
    n_objects
        Objects in all, for what a byte of the model is worth.
    roles, met
        Kinematic roles of features and of event-level branches.
    conditions
        Event-level branches, with the scale of their linear column.
    totals
        Event-level branches that are components of the sum of all objects, by role, where events hold many.
    sources, pool
        Sources in use; columns looked at so far.
    latents
        Features whose latents say more than themselves.
    positive
        Features that are nearly always positive.
    links
        What objects are linked to.
    ancestors
        What must be decoded before each feature.
    """

    train: Sample
    validation: Sample
    settings: Settings
    n_objects: int
    roles: Mapping[str, str]
    met: Mapping[str, str]
    conditions: Mapping[str, float | None]
    totals: Mapping[str, str]
    positive: list[str]
    links: Links = NO_LINKS
    sources: list[Lookup] = field(default_factory=list)
    pool: dict[Column, Candidate | None] = field(default_factory=dict)
    latents: list[str] = field(default_factory=list)
    ancestors: dict[str, set[str]] = field(default_factory=dict)

    @property
    def crowded(self) -> bool:
        """Whether events hold many objects."""
        return self.train.context.order.last > LAST_RANK

    def candidate(self, column: Column) -> Candidate | None:
        """The column with its knots and indices, made once; None where there is nothing to look at."""
        if column not in self.pool:
            values = self.train.read(column)
            source = candidates.make_source(column, values, self.settings.knots)
            if source is None:
                self.pool[column] = None
            else:
                validation = source.index(self.validation.read(column))
                self.pool[column] = Candidate(source, source.index(values), validation)
        return self.pool[column]

    def table_bytes(self, candidate: Candidate) -> float:
        """What a table of this source adds to the model, about."""
        return BYTES_PER_KNOT * (len(candidate.source.knots) + 1) + BYTES_PER_TERM

    def cost(self, name: str, candidate: Candidate, chosen: Sequence[Candidate]) -> float:
        """Bits per object that the bytes of one more table, and the time to read what it needs, are worth."""
        decoded = self.closure(other.source.column for other in chosen)
        further = self.closure([candidate.source.column]) - decoded
        if not self.affordable((decoded | further) - {name}):
            return float("inf")
        model = 8.0 * self.table_bytes(candidate) / max(self.n_objects, 1)
        time = self.settings.least_gain + self.settings.ancestor_gain * self.price(further - {name})
        return model + time + RANKED_GAIN * (name in further)

    def affordable(self, needed: Set[str], generously: bool = False) -> bool:
        """Whether a feature may be predicted from so many others, those that they need included; from twice as many
        where that saves much.
        """
        return self.settings.budget is None or self.price(needed) <= self.settings.budget * (1 + generously)

    def price(self, needed: Iterable[str]) -> float:
        """What decoding columns costs, in columns of this table."""
        return sum(self.links.prices.get(name, 1.0) for name in needed)

    def closure(self, columns: Iterable[Column]) -> set[str]:
        """The columns that must be decoded to read these, those of other tables included."""
        looked = list(columns)
        needs = {name for column in looked for name in column.needs}
        linked = [self.links.needs[name] for column in looked for name in column.given]
        return needs.union(*linked, *(self.ancestors.get(name, set()) for name in needs))

    def terms(self, model: Additive, bits: int, grain: float) -> tuple[Term, ...]:
        """Tables of a fit in 2**-bits, rounded to powers of two not above ``grain``."""
        step = 2.0 ** np.floor(np.log2(max(grain * 2.0**bits, 1.0)))
        return tuple(
            Term(self.source(c.source), tuple(int(v) for v in np.rint(values * (2.0**bits / step)) * step))
            for c, values in zip(model.chosen, model.values, strict=True)
        )

    def source(self, source: Lookup) -> int:
        """The number of a source, which is in use from now on."""
        if source not in self.sources:
            self.sources.append(source)
        return self.sources.index(source)


def table_grain(residuals: Floats) -> float:
    """How finely tables need be given."""
    return max(
        float(np.median(np.abs(residuals))) / KEPT_OF_WIDTH if len(residuals) else 0.0, 2.0**-FRACTION_BITS
    )


def columns_of(predictor: Predictor, sources: Sequence[Lookup]) -> list[Column]:
    """What a predictor and its classes look at."""
    terms = predictor.terms + (predictor.widths.terms if predictor.widths else ())
    found = [sources[term.source].column for term in terms]
    return found if predictor.base is None else [*found, predictor.base]


def split_events(counts: NDArray[np.int64], settings: Settings) -> tuple[Integers, Integers]:
    """Events to fit on and to validate with, whole events, at most so many objects in all."""
    shuffled = np.random.default_rng(settings.seed).permutation(len(counts))
    enough = int(np.searchsorted(np.cumsum(counts[shuffled]), settings.objects / (1 - VALIDATION_SHARE))) + 1
    shuffled = shuffled[:enough]
    held = int(len(shuffled) * VALIDATION_SHARE)
    return np.sort(shuffled[held:]), np.sort(shuffled[:held])


def take_sample(
    chosen: Integers,
    integers: Mapping[str, Integers],
    lattices: Mapping[str, Lattice],
    counts: NDArray[np.int64],
    events: Mapping[str, NDArray[np.generic]],
    last_rank: int = LAST_RANK,
    given: Mapping[str, Floats] | None = None,
) -> Sample:
    """Some events: their features, event-level columns [n_events], and given columns [n_objects]."""
    mask = np.zeros(len(counts), bool)
    mask[chosen] = True
    rows = np.repeat(mask, counts)
    order = RankOrder(counts[mask], last_rank)
    beside = {name: np.asarray(column)[mask] for name, column in events.items()}
    beside |= {name: column[rows] for name, column in (given or {}).items()}
    context = Context(order, lattices, beside)
    q = {name: order.to_ranks(column[rows]) for name, column in integers.items()}
    context.known.update(q)
    shuffled = np.random.default_rng(0).permutation(order.n_objects)
    return Sample(context, shuffled, {name: column[shuffled] for name, column in q.items()})
