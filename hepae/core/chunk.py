"""A chunk of a collection to frames and back: the data path of the chunked codecs, without I/O.

values --lattice--> integers --codec--> payloads --frame--> bytes, one frame for each feature, and the same in reverse.
What was foreign to the model (a lattice fitted to other data, so that many values escape) is coded plainly on a
lattice of its own, so that a bad model costs bytes and never more than the plain coding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Columns, Integers, Values
from hepae.core import native
from hepae.core.arithmetic.denormals import kept_subnormals
from hepae.core.coding.frame import LOW, Frame, Header, belongs, checksum, parse, serialise
from hepae.core.coding.integers import pack, unpack
from hepae.core.coding.varint import read_varint, varint
from hepae.core.features import FeatureSpec
from hepae.core.locks import computed_once
from hepae.core.native import NativeChunk, NativeCodec
from hepae.core.prediction.context import Memory
from hepae.core.prediction.ranks import Ranked
from hepae.core.values.bounds import accept
from hepae.core.values.dither import places
from hepae.core.values.lattice import Lattice
from hepae.core.values.lattice_fit import fit_lattice
from hepae.core.values.objects import Objects
from hepae.errors import BoundViolationError, CorruptionError, report_it

__all__ = ["ChunkCodec", "IntegerCodec", "OpenChunk"]


FOREIGN = 0.02
"""Share of escapes from which a lattice of its own is worth trying."""


class IntegerCodec(Protocol):
    """What lifting and masked have in common: integers to payloads and back, one payload a feature."""

    def encode(self, counts: Integers, integers: dict[str, Integers], events: Columns) -> dict[str, bytes]:
        """One payload for each feature, whose integers are taken out of ``integers``."""

    def decode(
        self,
        counts: Integers,
        payloads: Mapping[str, bytes],
        events: Columns,
        features: Sequence[str],
        memory: Memory | None = None,
    ) -> Iterator[tuple[str, Ranked]]:
        """The integers of the features asked for; ``payloads`` or ``memory`` holds their ancestors too.

        Each comes as soon as it is known, while it is in the cache.
        """

    def ancestors(self, feature: str) -> tuple[str, ...]:
        """Features whose payloads are needed to decode this one, itself left out."""

    def given(self, feature: str) -> frozenset[str]:
        """The given columns that are read to decode this feature."""

    def predicts(self, feature: str) -> bool:
        """Whether the model has something to say of a feature."""

    def is_plain(self, feature: str, payload: bytes) -> bool:
        """Whether a payload holds the integers as they are."""

    def native(
        self, features: Sequence[FeatureSpec], conditions: Sequence[str], model: bytes
    ) -> NativeCodec | None:
        """What decodes the same in native code, None where nothing does."""


class ChunkCodec:
    """Encodes and decodes whole chunks with one model.

    Parameters
    ----------
    codec
        A chunked codec, built from the model.
    name
        Its name, for the frames.
    features
        The features of the manifest, in its order.
    conditions
        Event-level columns the codec is conditioned on.
    model
        SHA-256 of the model, 32 bytes.
    """

    def __init__(
        self,
        codec: IntegerCodec,
        name: str,
        features: Sequence[FeatureSpec],
        conditions: Sequence[str],
        model: bytes,
    ) -> None:
        self.integer_codec, self.name, self.conditions, self.model = codec, name, tuple(conditions), model
        self.features = {feature.name: feature for feature in features}
        self.numbers = {feature.name: number for number, feature in enumerate(features)}

    @computed_once
    def native(self) -> NativeCodec | None:
        """What decodes the same in native code; None where nothing does, or it is not installed."""
        if native.module() is None:
            return None
        try:
            return self.integer_codec.native(tuple(self.features.values()), self.conditions, self.model)
        except native.refusals():
            return None

    @kept_subnormals()
    def encode(self, objects: Objects, sequence: int) -> dict[str, bytes]:
        """Frames of a chunk, keyed by feature name.

        Parameters
        ----------
        objects
            Whole events with every feature and condition of the model, and the columns given to it.
        sequence
            Number of the chunk in its file, so that equal chunks have different names.

        Raises
        ------
        BoundViolationError
            If a value as restored is out of its bound, which would be a defect of hepae.
        """
        context = self.context(objects.counts, objects.events)
        found = {name: self._to_lattice(name, objects.columns[name], context) for name in self.features}
        integers = {name: q for name, (q, *_) in found.items()}
        beside = {name: one[1:] for name, one in found.items()}
        del found  # the codec lets go of the integers one by one
        payloads = self.integer_codec.encode(objects.counts, integers, objects.events)
        chunk = checksum([_u64(context), _u64(sequence), *payloads.values()]) & LOW
        frames = {}
        for name, (escaped, override, content) in beside.items():
            sizes = objects.n_events, objects.n_objects
            header = Header(self.name, self.numbers[name], self.model[:4], chunk, content, *sizes)
            frames[name] = serialise(Frame(header, escaped, override, payloads[name]), context)
        return frames

    def fell_back(self, feature: str, frame: Frame) -> bool:
        """Whether the model did not help with this feature of a chunk: it is coded plainly, or on its own lattice."""
        plain = self.integer_codec.predicts(feature) and self.integer_codec.is_plain(feature, frame.payload)
        return plain or bool(frame.override)

    def needs(self, features: Sequence[str]) -> list[str]:
        """The features asked for and those they are predicted from, in the order of the manifest."""
        needed = set(features).union(*(self.integer_codec.ancestors(name) for name in features))
        return [name for name in self.features if name in needed]

    def given(self, features: Sequence[str]) -> set[str]:
        """The given columns that are read to decode these features."""
        return {name for feature in features for name in self.integer_codec.given(feature)}

    def decode(
        self,
        counts: Integers,
        events: Columns,
        frames: Mapping[str, bytes],
        features: Sequence[str],
        where: str = "",
    ) -> dict[str, Values]:
        """Restored columns of the features asked for.

        Parameters
        ----------
        counts
            Objects per event of this chunk, from the counter branch.
        events
            The conditioning columns of these events.
        frames
            Bytes of the frames of at least ``needs(features)``.

        Raises
        ------
        CorruptionError
            If a frame is damaged, belongs to another model or chunk, or its events are not those given.
        """
        return OpenChunk(self, counts, events, where).decode(frames, features)

    def restored(self, name: str, integers: Ranked, frame: Frame, context: int, where: str) -> Values:
        """Values of a feature from its integers, and from what its frame holds beside them."""
        dtype = np.dtype(self.features[name].dtype)
        if len(frame.escaped) % dtype.itemsize:
            raise CorruptionError(
                "an escaped value is cut short",
                where=f"{where}{name}",
                expected=dtype,
                got=len(frame.escaped),
            )
        escaped = np.frombuffer(frame.escaped, f"<u{dtype.itemsize}").astype(f"u{dtype.itemsize}")
        values = self._values(name, integers.to_events(), escaped, frame.override)
        if content_of(values, context) != frame.header.content:
            raise CorruptionError(
                "restored values do not carry their checksum",
                where=f"{where}{name}",
                hint=f"the decoder of this machine differs from the writer's; {report_it()}",
            )
        return values

    def as_read(self, name: str, values: Values) -> Values:
        """Values of a feature as a reader will restore them."""
        feature = self.features[name]
        return values if feature.bound.kind == "exact" else self._coded(name, values)[3]

    def _to_lattice(self, name: str, values: Values, context: int) -> tuple[Integers, bytes, bytes, int]:
        """Integers of a feature, its escaped values and override, and the checksum of what is restored from them."""
        q, bits, override, restored = self._coded(name, values)
        self._require_bound(name, values, restored)
        escaped = bits.astype(bits.dtype.newbyteorder("<")).tobytes()
        return q, escaped, override, content_of(restored, context)

    def _coded(
        self, name: str, values: Values
    ) -> tuple[Integers, NDArray[np.unsignedinteger], bytes, Values]:
        """Integers of a feature, bits of what escapes, its override, and what is restored from them."""
        feature = self.features[name]
        q, bits = feature.lattice.to_integers(values, feature.bound, self._places(name, len(values)))
        override = b""
        if len(bits) > FOREIGN * len(values):
            override, own_bits = _own_lattice(values, feature, len(bits))
            q, bits = (np.zeros_like(q), own_bits) if override else (q, bits)
        return q, bits, override, self._values(name, q, bits, override)

    def _values(
        self, name: str, integers: Integers, escaped: NDArray[np.unsignedinteger], override: bytes
    ) -> Values:
        if not override:
            place = self._places(name, len(integers))
            return self.features[name].lattice.to_values(integers, escaped, place)
        lattice, packed = _parse_override(override, name)
        if lattice.dtype != self.features[name].dtype:
            raise CorruptionError(
                "a lattice override of another dtype",
                where=name,
                expected=self.features[name].dtype,
                got=lattice.dtype,
            )
        return lattice.to_values(unpack(packed, len(integers)), escaped)

    def _places(self, name: str, objects: int) -> Integers | None:
        """The dither of a feature, None without."""
        return places(objects, self.numbers[name]) if self.features[name].dither else None

    def _require_bound(self, name: str, stored: Values, restored: Values) -> None:
        kept = accept(stored, restored, self.features[name].bound)
        if not kept.all():
            worst = int(np.flatnonzero(~kept)[0])
            raise BoundViolationError(
                "a restored value is out of its bound",
                where=f"{self.features[name].branch}, object {worst}",
                expected=f"{stored[worst]!r} within {self.features[name].bound}",
                got=repr(restored[worst]),
            )

    def context(self, counts: Integers, events: Columns) -> int:
        """Checksum of what a chunk is decoded with beside its frames."""
        return checksum([self.model, counts.astype("<i8"), *(events[name] for name in self.conditions)])

    def require_place(
        self, name: str, frame: Frame, events: int, objects: int, context: int, chunk: int, where: str
    ) -> None:
        """Refuse a frame that belongs elsewhere."""
        header = frame.header
        checks: list[tuple[str, object, object]] = [
            ("a frame of another codec", self.name, header.codec),
            ("a frame of another model", self.model[:4].hex(), header.model.hex()),
            ("a frame of another feature", self.numbers[name], header.feature),
            ("a frame of another chunk", chunk, header.chunk),
            ("events of a chunk were dropped or added", events, header.events),
            ("objects of a chunk were dropped or added", objects, header.objects),
            ("counts or conditions of a chunk were changed", True, belongs(frame, context)),
        ]
        for what, expected, got in checks:
            if expected != got:
                raise CorruptionError(
                    what,
                    where=f"{where}{name}",
                    expected=expected,
                    got=got,
                    hint="decompress before you skim, or skim with `hepae skim`",
                )


class OpenChunk:
    """A chunk that is read feature by feature: what was decoded for one is there for the next.

    Parameters
    ----------
    codec, counts, events, where
        As in `ChunkCodec.decode`.
    """

    def __init__(self, codec: ChunkCodec, counts: Integers, events: Columns, where: str = "") -> None:
        self.codec, self.counts, self.events, self.where = codec, counts, dict(events), where
        self.columns: dict[str, Values] = {}
        self._memory = Memory()
        self._chunk: int | None = None
        self._native: NativeChunk | None = None
        self._begun = False
        self._frames: dict[str, bytes] = {}

    @property
    def nbytes(self) -> int:
        """Size in memory of what is kept."""
        kept = (
            self._native.nbytes + sum(map(len, self._frames.values()))
            if self._native
            else self._memory.nbytes
        )
        return kept + sum(column.nbytes for column in self.columns.values())

    def needs(self, features: Sequence[str]) -> list[str]:
        """Features whose frames are needed for those asked for."""
        known = self._native.is_decoded if self._native else self._memory.known.__contains__
        return [name for name in self.codec.needs(features) if name in features or not known(name)]

    @kept_subnormals()
    def decode(self, frames: Mapping[str, bytes], features: Sequence[str]) -> dict[str, Values]:
        """Restored columns of the features asked for, from the frames of `needs`; see `ChunkCodec.decode`."""
        restored = self._natively(frames, features)
        if restored is None:
            restored = self._with_numpy({**self._frames, **frames}, features)
            self._frames.clear()
        self.columns |= restored
        return {name: restored[name] for name in features}

    def _natively(self, frames: Mapping[str, bytes], features: Sequence[str]) -> dict[str, Values] | None:
        """The same in native code; None where NumPy decodes, now and for the rest of the chunk."""
        try:
            if not self._begun and self.codec.native:
                self._native = NativeChunk(self.codec.native, self.counts, self.events)
            self._begun = True
            if not self._native:
                return None
            restored = self._native.decode(frames, self.events, features)
        except native.refusals():
            self._native, self._begun = None, True
            return None
        self._frames |= frames
        return restored

    def _with_numpy(self, frames: Mapping[str, bytes], features: Sequence[str]) -> dict[str, Values]:
        parsed = {name: parse(frames[name], f"{self.where}{name}") for name in self.needs(features)}
        context = self.codec.context(self.counts, self.events)
        chunk = parsed[features[0]].header.chunk if self._chunk is None else self._chunk
        for name, frame in parsed.items():
            sizes = len(self.counts), int(self.counts.sum())
            self.codec.require_place(name, frame, *sizes, context, chunk, self.where)
        payloads = {name: frame.payload for name, frame in parsed.items()}
        # an error leaves half a feature behind, which must not be taken for a whole one
        memory, self._memory = self._memory, Memory()
        decoded = self.codec.integer_codec.decode(self.counts, payloads, self.events, features, memory)
        restored = {
            name: self.codec.restored(name, integers, parsed[name], context, self.where)
            for name, integers in decoded
        }
        self._memory, self._chunk = memory, chunk
        return restored


def content_of(values: Values, context: int) -> int:
    """What a frame says of its restored values: 32 bits of a checksum that knows the surroundings too."""
    return checksum([_u64(context), values]) & LOW


def _u64(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _own_lattice(
    values: Values, feature: FeatureSpec, escapes: int
) -> tuple[bytes, NDArray[np.unsignedinteger]]:
    """An override for a feature whose values are foreign to the model's lattice; empty where it does not pay."""
    lattice = fit_lattice(values, feature.bound)
    q, bits = lattice.to_integers(values, feature.bound)
    if 2 * len(bits) > escapes:
        return b"", bits
    text = msgspec.json.encode(lattice, order="deterministic")
    return varint(len(text)) + text + pack(q), bits


def _parse_override(override: bytes, where: str) -> tuple[Lattice, bytes]:
    length, at = read_varint(override, 0, where)
    limits.check("lattice bytes", length, min(limits.MAX_MANIFEST_BYTES, len(override) - at), where)
    text, packed = override[at : at + length], override[at + length :]
    try:
        return msgspec.json.decode(text, type=Lattice), packed
    except msgspec.MsgspecError as problem:
        raise CorruptionError("a lattice override does not parse", where=where, got=str(problem)) from None
