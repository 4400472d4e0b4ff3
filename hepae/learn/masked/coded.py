"""The training data of the masked codec: symbols, what networks may see, which bins tables are given at."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Integers, Values
from hepae.core.masked.alphabet import Alphabet, fit_alphabet
from hepae.core.masked.shapes import LOG_UNIT, interpolate
from hepae.core.prediction.context import Reach
from hepae.core.prediction.evaluation import Evaluation
from hepae.core.prediction.predictors import Lookup, Predictors
from hepae.core.values.lattice import Lattice
from hepae.learn.masked.efforts import Effort
from hepae.learn.masked.integer_network import Plan, Size

__all__ = ["Coded", "anchors_of", "mask_of", "plan_of", "static_table"]


VALIDATION: Final = 0.1
LARGEST_LOG: Final = 255
PRIOR: Final = 0.5


@dataclass(frozen=True)
class Coded:
    """Residuals and symbols of all objects, in rank order, and which objects are trained on."""

    evaluation: Evaluation
    alphabets: Mapping[str, Alphabet]
    symbols: Mapping[str, Integers]
    training: Integers
    validation: Integers

    @property
    def n_objects(self) -> int:
        return self.evaluation.order.n_objects

    @classmethod
    def of(
        cls,
        integers: Mapping[str, Integers],
        lattices: Mapping[str, Lattice],
        counts: Integers,
        events: Mapping[str, NDArray[np.generic]],
        predictors: Predictors,
        effort: Effort,
        seed: int,
    ) -> Coded:
        evaluation = Evaluation(predictors, lattices, counts, events)
        held = np.random.default_rng(seed).random(len(counts)) < VALIDATION
        held_objects = evaluation.order.spread(held)
        training, validation = np.flatnonzero(~held_objects), np.flatnonzero(held_objects)
        residuals = _residuals(evaluation, integers)
        alphabets = {name: fit_alphabet(column, effort.bins) for name, column in residuals.items()}
        return cls(evaluation, alphabets, _symbols(alphabets, residuals), training, validation)

    def image(
        self, integers: Mapping[str, Integers], lattices: Mapping[str, Lattice], events: Mapping[str, Values]
    ) -> Coded:
        """The same objects with other integers, in bins that were made for the objects as they are."""
        predictors, counts = self.evaluation.predictors, self.evaluation.order.counts
        evaluation = Evaluation(predictors, lattices, counts, events)
        symbols = _symbols(self.alphabets, _residuals(evaluation, integers))
        return dataclasses.replace(self, evaluation=evaluation, symbols=symbols)


def _residuals(evaluation: Evaluation, integers: Mapping[str, Integers]) -> dict[str, Integers]:
    """What predictions leave of each feature, in rank order."""
    known = evaluation.context.known
    # all of them, because what is decoded together may look at each other in objects before
    known.update({name: evaluation.order.to_ranks(column) for name, column in integers.items()})
    return {name: evaluation.encode(name, known[name]) for name in evaluation.predictors.order}


def _symbols(alphabets: Mapping[str, Alphabet], residuals: Mapping[str, Integers]) -> dict[str, Integers]:
    return {name: alphabets[name].split(column)[0] for name, column in residuals.items()}


def static_table(data: Coded, name: str) -> NDArray[np.uint8]:
    """A single table for all objects: by how many 1/LOG_UNIT of a binary digit each bin is below the commonest."""
    counts = np.bincount(data.symbols[name], minlength=data.alphabets[name].n_bins + 1)[:-1] + PRIOR
    below = np.rint(LOG_UNIT * np.log2(counts.max() / counts))
    return np.asarray(np.minimum(below, LARGEST_LOG), np.uint8)


def anchors_of(data: Coded, name: str, gap: int) -> tuple[int, ...]:
    """Bins at which tables are given: every few bins, and around those that stick out."""
    bins = data.alphabets[name].n_bins
    if bins <= 6 * gap:
        return tuple(range(bins))
    share = np.bincount(data.symbols[name], minlength=bins + 1)[:bins] / max(data.n_objects, 1)
    spikes = np.flatnonzero(share > 2.5 / bins)
    beside = np.concatenate([spikes - 1, spikes, spikes + 1])
    every = np.append(np.arange(0, bins, gap), bins - 1)
    return tuple(int(bin_) for bin_ in np.union1d(every, beside[(beside >= 0) & (beside < bins)]))


def mask_of(
    predictors: Predictors, sources: Sequence[Lookup], together: Collection[str]
) -> NDArray[np.bool_]:
    """Which inputs the network of each feature may see: [features, inputs].

    Features decoded ``together`` rank by rank, and others that are predicted so anyway, may be looked at in objects
    before; for the rest it does not pay.
    """
    mask = np.zeros((len(predictors.order), len(sources)), bool)
    before: set[str] = set()
    for row, name in enumerate(predictors.order):
        ranked = name in together or predictors.ranked(name)
        for number, source in enumerate(sources):
            column = source.column
            own = name in column.needs or not before.issuperset(column.needs)
            seen = column.within(Reach.of(name, before, together))
            mask[row, number] = seen and not (ranked and column.whole) and (ranked or not own)
        before.add(name)
    return mask


def plan_of(data: Coded, mask: NDArray[np.bool_], size: Size) -> Plan:
    interpolations, fine = [], 1 << 12
    for name in data.symbols:
        anchors = anchors_of(data, name, size.gap)
        matrix = interpolate(np.eye(len(anchors), dtype=np.int64) * fine, anchors) / fine
        interpolations.append(matrix.astype(np.float32))
    return Plan(mask, interpolations, size)
