"""The masked codec: residuals of exact predictions, coded with tables that a network chooses for each object.

Feature by feature, in the order of the predictors: a residual is split into a symbol (a bin) and its place inside
the bin. For each object a small exact-integer network looks at what is known and names a cell of a grid
(`core.masked.shapes`); the table of that cell codes the symbol (`core.coding.ans`). Features that a network does not
help have a single table. Where plain coding comes out smaller, a chunk's feature is coded plainly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hepae import limits
from hepae.arrays import Array, Columns, Integers
from hepae.core import native
from hepae.core.coding import ans
from hepae.core.coding.integers import KIND, pack, unpack
from hepae.core.coding.varint import read_varint, varint
from hepae.core.features import FeatureSpec
from hepae.core.locks import computed_once
from hepae.core.masked.inputs import Inputs
from hepae.core.masked.shapes import frequencies, log_tables, uniform
from hepae.core.masked.spec import MaskedSpec, Shape, network_name, table_names
from hepae.core.native import NativeCodec, NativeResiduals
from hepae.core.network import Network
from hepae.core.prediction.context import Memory
from hepae.core.prediction.derived import smallest, unbundled, with_derived
from hepae.core.prediction.evaluation import Evaluation
from hepae.core.prediction.predictors import carriers
from hepae.core.prediction.ranks import Ranked
from hepae.errors import CorruptionError, ModelRejectedError

__all__ = ["Masked"]


PLAIN: Final = 0
CODED: Final = 1
AROUND: Final = 4
"""In the high half of the first byte of a payload, as for lifting: how it is coded, whether around the circle."""

BLOCK: Final = 8192
"""Objects that a network sees at once: small enough for the cache."""

OBJECTS_PER_LANE: Final = 32
OBJECTS_PER_PAID_LANE: Final = 1024
MOST_LANES: Final = 2048


@dataclass(frozen=True)
class _ReadyShape:
    """A shape ready for use: its coding tables, the last of which is for what the others have no room for."""

    shape: Shape
    inputs: Integers
    network: Network | None
    tables: ans.Tables

    @property
    def last(self) -> int:
        return int(self.tables.n_tables) - 1

    @property
    def other(self) -> int:
        """Symbol for "look in the last table"; there, for "outside"."""
        return int(self.tables.n_symbols) - 1


class Masked:
    """Encodes and decodes chunks; see `hepae.core.chunk.IntegerCodec`.

    Parameters
    ----------
    spec
        From the manifest.
    features
        The features of the manifest.
    networks, tables
        Of the model.
    data
        The file of the model, from which native code takes networks and tables; empty where NumPy does all.
    conditions
        Event-level columns that the model looks at, in the order of the file.
    """

    def __init__(
        self,
        spec: MaskedSpec,
        features: Sequence[FeatureSpec],
        networks: Mapping[str, Network],
        tables: Mapping[str, Array],
        data: bytes = b"",
        conditions: Sequence[str] = (),
    ) -> None:
        self.spec, self._networks, self._tables, self._data = spec, networks, tables, data
        self._features, self._conditions = tuple(features), tuple(conditions)
        self._lattices = {feature.name: feature.lattice for feature in features}
        spec.predictors.require(self._lattices)
        self._places = {shape.feature: place for place, shape in enumerate(spec.shapes)}
        self._ready: dict[str, _ReadyShape] = {}
        parents = {shape.feature: spec.parents(shape) for shape in spec.shapes}
        self._ancestors = {name: self._find_ancestors(name, parents) for name in self._places}
        self._ranked = {shape.feature: spec.ranked(shape) for shape in spec.shapes}

    def ancestors(self, feature: str) -> tuple[str, ...]:
        """Features whose payloads are needed to decode this one, itself left out."""
        return carriers(self.spec.predictors.derived, self._ancestors[feature], feature)

    def given(self, feature: str) -> frozenset[str]:
        """None: a model is for one table."""
        return frozenset()

    def _find_ancestors(self, feature: str, parents: Mapping[str, set[str]]) -> tuple[str, ...]:
        """Features that must be decoded before this one, derived ones too."""
        found: set[str] = set()
        waiting = [feature]
        while waiting:
            name = waiting.pop()
            for parent in parents[name].union(self.spec.predictors.carried(name)) - found:
                found.add(parent)
                waiting.append(parent)
        return tuple(name for name in self._places if name in found - {feature})

    def predicts(self, feature: str) -> bool:
        """Always: there is a coding table for each feature."""
        return feature in self._places

    def is_plain(self, feature: str, payload: bytes) -> bool:
        """Whether a payload is a block of the integers as they are."""
        return _is_plain(feature, unbundled(self.spec.predictors.derived, {feature: payload})[feature])

    def native(
        self, features: Sequence[FeatureSpec], conditions: Sequence[str], model: bytes
    ) -> NativeCodec | None:
        """What decodes the same in native code, None without the file of the model."""
        return NativeCodec(features, None, {}, conditions, model, self._data) if self._data else None

    def encode(self, counts: Integers, integers: dict[str, Integers], events: Columns) -> dict[str, bytes]:
        """One payload for each feature, whose integers are taken out of ``integers``."""
        derived = self.spec.predictors.derived
        every = with_derived(derived, integers, self._lattices)
        integers.clear()
        return smallest(derived, every, lambda chosen: self._encoded(counts, chosen, events))

    @computed_once
    def _writer(self) -> NativeCodec | None:
        """What codes the same in native code; None where nothing does, or it is not installed."""
        if native.module() is None:
            return None
        try:
            return self.native(self._features, self._conditions, bytes(32))
        except native.refusals():
            return None

    def _encoded(self, counts: Integers, integers: dict[str, Integers], events: Columns) -> dict[str, bytes]:
        if self._writer is not None:
            return self._encoded_natively(self._writer, counts, integers, events)
        evaluation = Evaluation(self.spec.predictors, self._lattices, counts, events)
        inputs = Inputs(self.spec.inputs, evaluation.context)
        payloads = {}
        for name in self.spec.together:
            evaluation.context.known[name] = evaluation.order.to_ranks(integers[name])
        for name in self._places:
            in_events = integers.pop(name)
            q = evaluation.order.to_ranks(in_events)
            residuals = evaluation.encode(name, q)
            coded = self._code(name, evaluation, inputs, residuals, evaluation.around(name, q))
            payloads[name] = min(coded, pack(in_events), key=len)
            inputs.fill(inputs.latents_of(name))
            evaluation.forget(name, latents=not evaluation.prepared.wants_latent[name])
        return payloads

    def _encoded_natively(
        self, writer: NativeCodec, counts: Integers, integers: dict[str, Integers], events: Columns
    ) -> dict[str, bytes]:
        derived = [one.name for one in self.spec.predictors.derived]
        residuals, payloads = NativeResiduals(writer, counts, events, derived), {}
        for name in self.spec.together:
            residuals.put(name, integers[name])
        for name in self._places:
            q = integers.pop(name)
            if name not in self.spec.together:
                residuals.put(name, q)
            payloads[name] = min(_payload(*residuals.code(name)), pack(q), key=len)
        return payloads

    def _code(
        self, name: str, evaluation: Evaluation, inputs: Inputs, residuals: Integers, around: bool
    ) -> bytes:
        feature = self._feature(name)
        symbols, inside, widths = feature.shape.alphabet.split(residuals)
        outside = residuals[symbols == feature.other]
        inputs.fill(feature.shape.inputs)
        cells = _cells(feature, inputs, 0, len(residuals))
        segments = []
        ranked = self._ranked[name]
        for part in _parts(evaluation, ranked):
            segments += _two_passes(feature, cells[part], symbols[part])
        raw = ans.write_bits(inside, widths)
        lanes = _lanes(len(residuals), 0 if ranked else len(raw))
        hidden, raw = _hide(raw, lanes, ranked)
        return _payload(lanes // 2, ans.encode(feature.tables, segments, lanes, hidden), raw, outside, around)

    def decode(
        self,
        counts: Integers,
        payloads: Mapping[str, bytes],
        events: Columns,
        features: Sequence[str],
        memory: Memory | None = None,
    ) -> Iterator[tuple[str, Ranked]]:
        """The integers of the features asked for, each as soon as it is known.

        ``payloads`` holds those of their ancestors too.

        What is in ``memory`` was decoded before and needs no payload; what is decoded now is added to it.
        """
        evaluation = Evaluation(self.spec.predictors, self._lattices, counts, events, memory)
        known = evaluation.context.known
        inputs = Inputs(self.spec.inputs, evaluation.context)
        needed = set(features).union(*(self._ancestors[name] for name in features)) - set(known)
        payloads = unbundled(self.spec.predictors.derived, payloads)
        try:
            for names in self._groups():
                waiting = [name for name in names if name in needed]
                if waiting and self._ranked[names[0]]:
                    self._decode_ranks(waiting, evaluation, inputs, payloads)
                elif waiting:
                    self._decode(names[0], evaluation, inputs, payloads[names[0]])
                yield from (
                    (name, Ranked(known[name], evaluation.order)) for name in names if name in features
                )
        finally:
            for name in evaluation.context.unfinished:
                del known[name]  # half decoded: something was wrong with a payload

    def _groups(self) -> list[tuple[str, ...]]:
        """The features in coding order, those that are decoded together as one."""
        together = self.spec.together
        alone = [(name,) for name in self._places if name not in together]
        place = self._places[together[0]] if together else 0
        return [*alone[:place], together, *alone[place:]] if together else list(alone)

    def _decode(self, name: str, evaluation: Evaluation, inputs: Inputs, payload: bytes) -> None:
        """Decode a feature that need not wait for objects before."""
        if _is_plain(name, payload):
            evaluation.encode(name, evaluation.order.to_ranks(unpack(payload, evaluation.order.n_objects)))
            return
        stream = _Stream(self._feature(name), payload, evaluation.order.n_objects, hides=True)
        prediction = evaluation.predict(name)
        inputs.fill(stream.feature.shape.inputs)
        latents = stream.residuals(_cells(stream.feature, inputs, 0, evaluation.order.n_objects))
        stream.finish()
        evaluation.put(name, evaluation.restored(name, latents, prediction, around=stream.around))
        evaluation.context.latents[name] = latents
        evaluation.forget(name, latents=False)

    def _decode_ranks(
        self, names: Sequence[str], evaluation: Evaluation, inputs: Inputs, payloads: Mapping[str, bytes]
    ) -> None:
        """Decode features together, rank by rank."""
        order, context = evaluation.order, evaluation.context
        streams: dict[str, _Stream | None] = {}
        for name in names:
            if _is_plain(name, payloads[name]):
                context.known[name] = order.to_ranks(unpack(payloads[name], order.n_objects))
                streams[name] = None
            else:
                evaluation.begin(name)
                streams[name] = _Stream(self._feature(name), payloads[name], order.n_objects, hides=False)
            context.latents[name] = np.zeros(order.n_objects, np.int64)
        around = {
            name: stream.around if stream else evaluation.around(name, context.known[name])
            for name, stream in streams.items()
        }
        for rank in range(order.n_ranks):
            part = order.part(rank)
            for name, stream in streams.items():
                prediction = evaluation.predict(name, rank)
                q = context.known[name][part]
                if stream is None:
                    latents = evaluation.residuals(name, q, prediction, around=around[name])
                else:
                    inputs.fill(stream.feature.shape.inputs, rank)
                    latents = stream.residuals(_cells(stream.feature, inputs, part.start, part.stop))
                    q[:] = evaluation.restored(name, latents, prediction, around=around[name])
                context.latents[name][part] = latents
        for name, stream in streams.items():
            if stream:
                stream.finish()
            evaluation.put(name, context.known[name])

    def _shape(self, name: str) -> Shape:
        return self.spec.shapes[self._places[name]]

    def _feature(self, name: str) -> _ReadyShape:
        if name not in self._ready:
            place = self._places[name]
            shape = self.spec.shapes[place]
            self._ready[name] = _ReadyShape(
                shape,
                np.array(shape.inputs, np.int64),
                self._network(place, shape) if shape.levels else None,
                ans.Tables(self._frequencies(shape, table_names(place))),
            )
        return self._ready[name]

    def _network(self, place: int, shape: Shape) -> Network:
        network = self._networks.get(network_name(place))
        if network is None or set(network.inputs) != {"levels"} or set(network.outputs) != {"cell"}:
            raise ModelRejectedError("a network of the model is missing or another", where=shape.feature)
        return network

    def _frequencies(self, shape: Shape, names: Mapping[str, str]) -> Integers:
        bins = shape.alphabet.n_bins
        last = uniform(bins)
        try:
            if shape.levels:
                weights = {part: self._tables[name] for part, name in names.items() if part != "marginal"}
                logs = log_tables(shape.levels, shape.anchors, weights)
            else:
                logs = -self._tables[names["marginal"]].astype(np.int64)[None, :]
        except KeyError as problem:
            raise ModelRejectedError(
                "a table of the model is missing", where=shape.feature, got=problem
            ) from None
        if logs.ndim != 2 or logs.shape[1] != bins:
            raise ModelRejectedError("coding tables do not fit the bins", expected=bins, got=logs.shape)
        return np.concatenate([frequencies(logs), last])


def _is_plain(name: str, payload: bytes) -> bool:
    """Whether a payload is a block of the integers as they are."""
    if not payload:
        raise CorruptionError("a payload is empty", where=name)
    return payload[0] >> KIND == PLAIN


def _payload(pairs: int, symbols: bytes, raw: bytes, outside: Integers, around: bool) -> bytes:
    """The payload of a feature: so many pairs of lanes, coded symbols, raw bits, and residuals outside all bins."""
    head = bytes([(CODED | AROUND * around) << KIND]) + varint(pairs) + varint(len(symbols))
    if not len(outside):
        return head + varint(0) + symbols + raw
    return head + varint(len(outside)) + varint(len(raw)) + symbols + raw + pack(outside)


def _parts(evaluation: Evaluation, ranked: bool) -> list[slice]:
    """The pieces in which a feature is decoded."""
    order = evaluation.order
    return [order.part(k) for k in range(order.n_ranks)] if ranked else [slice(0, order.n_objects)]


def _cells(feature: _ReadyShape, inputs: Inputs, start: int, stop: int) -> Integers:
    """Which coding table each object takes."""
    cells = np.zeros(stop - start, np.int64)
    if feature.network is None:
        return cells
    for first in range(start, stop, BLOCK):
        part = slice(first, min(first + BLOCK, stop))
        found = feature.network(levels=inputs.rows(feature.inputs, part))["cell"]
        if found.shape != (1, part.stop - part.start):
            raise ModelRejectedError("cells and objects differ", where=feature.shape.feature, got=found.shape)
        cells[part.start - start : part.stop - start] = found[0]
    if len(cells) and not 0 <= cells.min() <= cells.max() < feature.last:
        raise ModelRejectedError("a network names no cell", where=feature.shape.feature, got=int(cells.max()))
    return cells


def _two_passes(feature: _ReadyShape, cells: Integers, symbols: Integers) -> list[tuple[Integers, Integers]]:
    """Symbols with their own tables, then those that had no room there with the last table."""
    has_room = feature.tables.frequencies[cells, symbols] > 0
    rest = symbols[~has_room | (symbols == feature.other)]
    return [(cells, np.where(has_room, symbols, feature.other)), (np.full(len(rest), feature.last), rest)]


def _lanes(objects: int, raw_bytes: int) -> int:
    """Lanes that cost nothing since raw bits hide in them, or few that do cost. An even number: whole bytes."""
    free = min(objects // OBJECTS_PER_LANE, 8 * raw_bytes // ans.PRECISION, MOST_LANES)
    return max(free, objects // OBJECTS_PER_PAID_LANE, 2) & ~1


def _hide(raw: bytes, lanes: int, ranked: bool) -> tuple[Integers | None, bytes]:
    """Final states of the lanes made of the first raw bits, and the raw bits that are left."""
    size = lanes * ans.PRECISION // 8
    if ranked or size > len(raw):
        return None, raw
    return ans.read_bits(raw[:size], np.full(lanes, ans.PRECISION)), raw[size:]


class _Stream:
    """A payload that is being decoded."""

    def __init__(self, feature: _ReadyShape, payload: bytes, objects: int, hides: bool) -> None:
        where, kind = feature.shape.feature, payload[0] >> KIND
        if payload[0] not in (CODED << KIND, (CODED | AROUND) << KIND):
            raise CorruptionError("a payload has a bad header", where=where, got=payload[:8].hex())
        pairs, at = read_varint(payload, 1, where)
        coded, at = read_varint(payload, at, where)
        outside, at = read_varint(payload, at, where)
        raw = len(payload) - at - coded
        if outside:
            raw, at = read_varint(payload, at, where)
        limits.check("residuals outside", outside, objects, where)
        if not 0 <= raw <= len(payload) - at - coded:
            raise CorruptionError("a payload is cut short", where=where, got=len(payload))
        body = memoryview(payload)[at:]
        self.feature, self.around, self._hides = feature, bool(kind & AROUND), hides
        self._decoder = ans.Decoder(feature.tables, body[:coded], 2 * pairs)
        self._raw = bytes(body[coded : coded + raw])
        self._outside = unpack(bytes(body[coded + raw :]), outside) if outside else np.empty(0, np.int64)
        self._bit = 0

    def residuals(self, cells: Integers) -> Integers:
        """The next residuals. Where bits hide in the states, this must be all of them at once."""
        other = self.feature.other
        symbols = self._decoder.take(cells)
        second = np.flatnonzero(symbols == other)
        symbols[second] = self._decoder.take(np.full(len(second), self.feature.last))
        alphabet = self.feature.shape.alphabet
        bits = alphabet.inside_bits(symbols)
        if self._hides:
            self._reveal(bits)
        residuals = alphabet.read(symbols, self._raw, self._bit)
        self._bit += bits
        outside = second[symbols[second] == other]
        if len(outside):
            residuals[outside] = self._from_outside(len(outside))
        return residuals

    def _reveal(self, bits: int) -> None:
        """Put the bits hidden in the final states before the others, where the writer had enough to fill them."""
        states = self._decoder.finish()
        if ans.bits_to_bytes(bits) * 8 >= len(states) * ans.PRECISION:
            self._raw = ans.write_bits(states, np.full(len(states), ans.PRECISION)) + self._raw

    def _from_outside(self, more: int) -> Integers:
        found, self._outside = self._outside[:more], self._outside[more:]
        if len(found) != more:
            raise CorruptionError("too few residuals outside the bins", where=self.feature.shape.feature)
        return found

    def finish(self) -> None:
        """Check that everything was used."""
        self._decoder.finish()
        if ans.bits_to_bytes(self._bit) != len(self._raw) or len(self._outside):
            raise CorruptionError("bits are left over", where=self.feature.shape.feature, got=len(self._raw))
