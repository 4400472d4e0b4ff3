"""The lifting codec: integers minus exact-integer predictions, packed with pcodec.

An invertible integer autoencoder: each latent is the lattice integer of a feature minus its prediction from the
features before it (`core.prediction.evaluation`). Latents are grouped by their class, so that narrow ones do not pay
for wide ones, and packed; classes that are alike in a chunk share a block (`core.lifting.groups`). Where this does not
pay, the feature is packed as it is: it is never larger than that, whatever the model was fitted on.

A payload is a block of `core.coding.integers`, or several one after the other, all in rank order; the high half of
its first byte says which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Columns, Integers
from hepae.core import native
from hepae.core.coding.integers import KIND, pack, unpack, unpack_narrow
from hepae.core.coding.varint import read_varint, varint
from hepae.core.features import FeatureSpec
from hepae.core.lifting.groups import groups_of
from hepae.core.native import NativeCodec, NativeLatents
from hepae.core.prediction.context import Memory
from hepae.core.prediction.derived import smallest, unbundled, with_derived
from hepae.core.prediction.evaluation import Evaluation, prepared
from hepae.core.prediction.predictors import LiftingSpec, carriers
from hepae.core.prediction.ranks import Ranked
from hepae.core.values.lattice import Lattice
from hepae.errors import CorruptionError

__all__ = ["Lifting"]


PLAIN: Final = 0
"""The integers themselves, one block."""
LATENTS: Final = 1
"""The latents, one block."""
CLASSES: Final = 2
"""The latents, one block for each class. No longer written."""
GROUPS: Final = 3
"""The latents class by class, one block for each group of classes."""
AROUND: Final = 4
"""Added to the kind: residuals were taken around the circle of the feature."""


class Lifting:
    """Encode and decode chunks.

    Parameters
    ----------
    spec
        Parameters from the manifest.
    features
        The features of the manifest, for their lattices.
    given
        Lattices of given columns, by name.
    """

    def __init__(
        self, spec: LiftingSpec, features: Sequence[FeatureSpec], given: Mapping[str, Lattice] | None = None
    ) -> None:
        self.predictors, self.prepared = spec.predictors, prepared(spec.predictors)
        lattices = {feature.name: feature.lattice for feature in features}
        self.predictors.require(lattices)
        self.features, self._writers = tuple(features), dict[tuple[str, ...], NativeCodec | None]()
        self.spec, self.given_lattices = spec, dict(given or {})
        self.lattices = {**lattices, **self.given_lattices}

    def ancestors(self, feature: str) -> tuple[str, ...]:
        """Features whose payloads are needed to decode this one, itself left out."""
        return carriers(self.predictors.derived, self.prepared.ancestors[feature], feature)

    def given(self, feature: str) -> frozenset[str]:
        """Given columns that are read to decode this feature."""
        return self.prepared.given[feature]

    def predicts(self, feature: str) -> bool:
        """Whether a feature has a prediction or classes."""
        return not self.predictors[feature].trivial or self.predictors[feature].n_classes > 1

    def is_plain(self, feature: str, payload: bytes) -> bool:
        """Whether a payload is a block of the integers as they are."""
        return unbundled(self.predictors.derived, {feature: payload})[feature][0] >> KIND == PLAIN

    def native(self, features: Sequence[FeatureSpec], conditions: Sequence[str], model: bytes) -> NativeCodec:
        """What decodes the same in native code."""
        return NativeCodec(features, self.spec, self.given_lattices, conditions, model)

    def encode(self, counts: Integers, integers: dict[str, Integers], events: Columns) -> dict[str, bytes]:
        """One payload for each feature.

        Parameters
        ----------
        counts
            Objects per event, int64[n_events].
        integers
            Lattice integers int64[n_objects] by feature, in event order. They are taken out: a chunk is in memory once.
        events
            Event-level columns that the predictors are conditioned on, [n_events].
        """
        derived = self.predictors.derived
        every = with_derived(derived, integers, self.lattices)
        integers.clear()
        return smallest(derived, every, lambda chosen: self._encoded(counts, chosen, events))

    def _encoded(self, counts: Integers, integers: dict[str, Integers], events: Columns) -> dict[str, bytes]:
        writer = self._writer(tuple(sorted(events.keys() - self.given_lattices.keys())))
        if writer is not None:
            names = [one.name for one in self.predictors.derived]
            latents = NativeLatents(writer, counts, events, names)
            return {
                name: self._smallest(name, *latents.find(name, integers.pop(name)))
                for name in self.prepared.order
            }
        evaluation = Evaluation(self.predictors, self.lattices, counts, events)
        return {
            name: self._smallest(
                name, *_codable(evaluation, name, evaluation.order.to_ranks(integers.pop(name)))
            )
            for name in self.prepared.order
        }

    def _writer(self, conditions: tuple[str, ...]) -> NativeCodec | None:
        """What finds the same latents in native code; None where nothing does."""
        if native.module() is None:
            return None
        if conditions not in self._writers:
            try:
                self._writers[conditions] = self.native(self.features, conditions, bytes(32))
            except native.refusals():
                self._writers[conditions] = None
        return self._writers[conditions]

    def _smallest(
        self, name: str, q: Integers, latents: Integers, classes: Sequence[Integers], around: bool
    ) -> bytes:
        """The smallest payload of a feature."""
        choices, mark = [pack(q)], AROUND if around else 0
        if not self.predictors[name].trivial:
            choices.append(_marked(LATENTS | mark, pack(latents)))
        if classes:
            ranked = self.prepared.ranked[name]
            choices.append(bytes([(GROUPS | mark) << KIND]) + _blocks(classes, ranked))
        return min(choices, key=len)

    def decode(
        self,
        counts: Integers,
        payloads: Mapping[str, bytes],
        events: Columns,
        features: Sequence[str],
        memory: Memory | None = None,
    ) -> Iterator[tuple[str, Ranked]]:
        """Lattice integers of the features asked for, each as soon as it is known: it is in the cache then.

        Parameters
        ----------
        payloads
            Payloads of these features and of their ancestors.
        memory
            Features of the chunk that were decoded before and need no payload; those decoded now are added.

        Raises
        ------
        CorruptionError
            If a payload does not hold what it should.
        """
        evaluation = Evaluation(self.predictors, self.lattices, counts, events, memory)
        known = evaluation.context.known
        needed = set(features).union(*(self.prepared.ancestors[name] for name in features)) - set(known)
        payloads = unbundled(self.predictors.derived, payloads)
        for name in self.prepared.order:
            if name in needed:
                _decoded(evaluation, name, payloads[name])
                evaluation.forget(name, latents=not evaluation.prepared.wants_latent[name])
            if name in features:
                yield name, Ranked(known[name], evaluation.order)


def _codable(
    evaluation: Evaluation, name: str, q: Integers
) -> tuple[Integers, Integers, list[Integers], bool]:
    """What `NativeLatents.find` gives, from integers in rank order, which become known."""
    latents = evaluation.encode(name, q)
    n_classes = evaluation.prepared.features[name].n_classes
    classes = _by_class(latents, evaluation.classes(name), n_classes) if n_classes > 1 else []
    around = evaluation.around(name, q)
    evaluation.forget(name, latents=not evaluation.prepared.wants_latent[name])
    return q, latents, classes, around


def _marked(kind: int, block: bytes) -> bytes:
    """A block with the kind of the payload in its first byte."""
    return bytes([block[0] | kind << KIND]) + block[1:]


def _by_class(latents: Integers, classes: NDArray[np.uint8], n_classes: int) -> list[Integers]:
    """The latents of each class, in order."""
    ends = np.cumsum(np.bincount(classes, minlength=n_classes))
    return np.split(latents[np.argsort(classes, kind="stable")], ends[:-1])


def _blocks(classes: Sequence[Integers], ranked: bool) -> bytes:
    """The group of each class, its count where that is not known, and the blocks of the groups."""
    groups = groups_of(classes)
    out = _sized(pack(groups))
    if ranked:
        out += _sized(pack(np.array([len(latents) for latents in classes], np.int64)))
    last = int(groups.max())
    for group in range(last + 1):
        block = pack(np.concatenate([classes[k] for k in np.flatnonzero(groups == group).tolist()]))
        out += block if group == last else _sized(block)
    return out


def _sized(block: bytes) -> bytes:
    """A block after its length."""
    return varint(len(block)) + block


def _decoded(evaluation: Evaluation, name: str, payload: bytes) -> Integers:
    """The integers of one feature in rank order, which become known."""
    if not payload:
        raise CorruptionError("a payload is empty", where=name)
    n, marked = evaluation.order.n_objects, payload[0] >> KIND
    kind, around = marked & ~AROUND, bool(marked & AROUND)
    if marked == PLAIN:
        q = unpack(payload, n)
        if evaluation.prepared.wants_latent[name]:
            evaluation.encode(name, q)
        else:
            evaluation.put(name, q)
        return q
    if kind == LATENTS:
        return evaluation.decode(name, unpack_narrow(payload, n), around=around)
    if kind not in (CLASSES, GROUPS):
        raise CorruptionError("unknown mode of a payload", where=name, got=marked)
    n_classes, ranked = evaluation.prepared.features[name].n_classes, evaluation.prepared.ranked[name]
    stored = (_by_group if kind == GROUPS else _class_by_class)(name, payload, n_classes, ranked)
    if ranked:
        dealt = _ClassLatents(stored.counted(name, n), stored)
        return _decoded_by_rank(evaluation, name, dealt, around)
    classes = evaluation.classes(name)
    dealt = _ClassLatents(np.bincount(classes, minlength=n_classes), stored)
    latents = np.empty(n, np.int64)
    dealt.deal(name, classes, latents)
    return evaluation.decode(name, latents, around=around)


@dataclass(frozen=True)
class _Stored:
    """A payload of classes.

    Attributes
    ----------
    groups
        The group of each class, int64[n_classes].
    counts
        Latents of each class, int64[n_classes]; zeros where they are not stored.
    blocks
        The block of each group.
    """

    groups: Integers
    counts: Integers
    blocks: Sequence[bytes]

    def counted(self, name: str, n: int) -> Integers:
        """Latents of each class, int64[n_classes], where they are stored: n in all."""
        if self.counts.min() < 0 or self.counts.max() > n or self.counts.sum() != n:
            raise CorruptionError(
                "classes of other latents", where=name, expected=n, got=self.counts.tolist()
            )
        return self.counts


def _by_group(name: str, payload: bytes, n_classes: int, ranked: bool) -> _Stored:
    block, at = _sized_block(name, payload, 1)
    groups, counts = unpack(block, n_classes), np.zeros(n_classes, np.int64)
    if groups.min() < 0 or groups.max() >= n_classes:
        raise CorruptionError("a group of classes that cannot be", where=name, got=groups.tolist())
    if ranked:
        block, at = _sized_block(name, payload, at)
        counts = unpack(block, n_classes)
    blocks = []
    for _ in range(int(groups.max())):
        block, at = _sized_block(name, payload, at)
        blocks.append(block)
    return _Stored(groups, counts, [*blocks, payload[at:]])


def _class_by_class(name: str, payload: bytes, n_classes: int, ranked: bool) -> _Stored:
    blocks, counts, at = [], np.zeros(n_classes, np.int64), 1
    for number in range(n_classes):
        if ranked:
            count, at = read_varint(payload, at, name)
            counts[number] = min(count, limits.MAX_OBJECTS_PER_CHUNK + 1)
        block, at = (
            _sized_block(name, payload, at) if number < n_classes - 1 else (payload[at:], len(payload))
        )
        blocks.append(block)
    return _Stored(np.arange(n_classes), counts, blocks)


def _sized_block(name: str, payload: bytes, at: int) -> tuple[bytes, int]:
    """A block that stands after its length, and where the next one begins."""
    length, start = read_varint(payload, at, name)
    if length > len(payload) - start:
        got = len(payload) - start
        raise CorruptionError("a payload is cut short", where=name, expected=length, got=got)
    return payload[start : start + length], start + length


class _ClassLatents:
    """The latents of the classes, each dealt out in order to the objects of its class."""

    def __init__(self, counts: Integers, stored: _Stored) -> None:
        sizes = np.bincount(stored.groups, counts).astype(np.int64).tolist()
        parts = [unpack_narrow(block, size) for block, size in zip(stored.blocks, sizes, strict=True)]
        self._latents = np.concatenate(parts)
        order = np.argsort(stored.groups, kind="stable")  # of classes, as their latents stand
        self._ends = np.empty_like(counts)
        self._ends[order] = np.cumsum(counts[order])
        self._next = self._ends - counts

    def deal(self, name: str, classes: NDArray[np.uint8], out: Integers) -> None:
        """The next latents, for objects of these classes."""
        counts = np.bincount(classes, minlength=len(self._next))
        end = self._next + counts
        if np.any(end > self._ends):
            raise CorruptionError("a class of latents is too short", where=name, got=self._ends.tolist())
        order = np.argsort(classes, kind="stable")
        # where the latents of a class go on, less where its objects begin among the sorted ones
        shift = self._next - (np.cumsum(counts) - counts)
        out[order] = np.take(self._latents, np.arange(len(order)) + np.repeat(shift, counts))
        self._next = end


def _decoded_by_rank(evaluation: Evaluation, name: str, dealt: _ClassLatents, around: bool) -> Integers:
    """The same where the class of an object can depend on this feature of the objects before it."""
    order = evaluation.order
    q, latents = evaluation.begin(name), np.empty(order.n_objects, np.int64)
    evaluation.context.latents[name] = latents
    for rank in range(order.n_ranks):
        part = latents[order.part(rank)]
        dealt.deal(name, evaluation.classes(name, rank), part)
        prediction = evaluation.predict(name, rank)
        evaluation.put(name, evaluation.restored(name, part, prediction, around=around), rank)
    evaluation.put(name, q)
    return q
