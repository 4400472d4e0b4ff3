"""The native twin of the decoders, where the package `hepae-native` is installed: the same bits, several times faster.

Whatever it refuses is decoded by NumPy again, which says what is wrong: errors are the same with it and without it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, Final

import msgspec
import numpy as np

from hepae.arrays import Columns, Integers, Values
from hepae.core.arithmetic.memory import keep_freed_memory
from hepae.core.features import FeatureSpec
from hepae.core.values.lattice import Lattice

hepae_native: Any
try:
    hepae_native = importlib.import_module("hepae_native")
except ImportError:
    hepae_native = None

__all__ = ["SWITCH", "NativeChunk", "NativeCodec", "NativeLatents", "NativeResiduals", "module", "refusals"]

SWITCH: Final = "HEPAE_NATIVE"
"""Environment variable: 0 for NumPy alone, whatever is installed."""


def module() -> ModuleType | None:
    """The extension, None where it is not installed or not wanted."""
    return None if os.environ.get(SWITCH) == "0" else hepae_native


def refusals() -> tuple[type[Exception], ...]:
    """What the extension raises where it does not decode."""
    return () if hepae_native is None else (hepae_native.CorruptionError,)


class NativeCodec:
    """What decodes chunks of one codec.

    Parameters
    ----------
    features
        The features of the codec.
    lifting
        How they are predicted; None where each is coded by itself.
    given
        Lattices of given columns, by name.
    conditions
        Event-level columns that the codec looks at.
    model
        SHA-256 of the model, 32 bytes.
    onnx
        The file of the model, where networks and tables of it are needed; it says what ``lifting`` and ``given`` say.

    Raises
    ------
    hepae_native.CorruptionError
        If the extension does not know something of it.
    """

    def __init__(
        self,
        features: Sequence[FeatureSpec],
        lifting: msgspec.Struct | None,
        given: Mapping[str, Lattice],
        conditions: Sequence[str],
        model: bytes,
        onnx: bytes = b"",
    ) -> None:
        keep_freed_memory()  # the columns of the next chunk fit where those of this one were
        self.given = {name: number for number, name in enumerate(given)}
        self.numbers = {feature.name: number for number, feature in enumerate(features)}
        self.dtypes = {feature.name: np.dtype(feature.dtype) for feature in features}
        self.conditions = tuple(conditions)
        self.codec = (
            hepae_native.Codec.of_model(onnx, model)
            if onnx
            else hepae_native.Codec(_parts(features, lifting, given, self.conditions), model)
        )
        self._made_of = features, lifting, given, conditions, model, onnx

    def __reduce__(self) -> tuple[Any, ...]:
        return NativeCodec, self._made_of


def _parts(
    features: Sequence[FeatureSpec],
    lifting: msgspec.Struct | None,
    given: Mapping[str, Lattice],
    conditions: Sequence[str],
) -> bytes:
    """What a codec without a model file is made of, as JSON."""
    parts: dict[str, Any] = {
        "features": list(features),
        "given": [{"name": name, "lattice": lattice} for name, lattice in given.items()],
        "conditions": conditions,
    }
    if lifting is not None:
        parts["lifting"] = lifting
    return msgspec.json.encode(parts)


class NativeChunk:
    """A chunk that is decoded feature by feature; see `hepae.core.chunk.OpenChunk`.

    Parameters
    ----------
    codec
        Of the chunk.
    counts : int64[n_events]
        Objects of each event.
    events
        Event-level columns that the codec looks at.
    """

    def __init__(self, codec: NativeCodec, counts: Integers, events: Columns) -> None:
        self.codec = codec
        columns = [np.ascontiguousarray(events[name]) for name in codec.conditions]
        raw = [column.tobytes() for column in columns]
        self._chunk = hepae_native.Chunk(codec.codec, np.ascontiguousarray(counts, np.int64), raw)
        for column in columns:
            self._chunk.add_condition(column.astype(np.float64))

    @property
    def nbytes(self) -> int:
        """Size in memory of what is known of the chunk."""
        return int(self._chunk.nbytes)

    def is_decoded(self, feature: str) -> bool:
        """Whether a feature needs no frame any more."""
        return bool(self._chunk.is_decoded(self.codec.numbers[feature]))

    def decode(
        self, frames: Mapping[str, bytes], given: Columns, features: Iterable[str]
    ) -> dict[str, Values]:
        """Restored columns [n_objects] of the features asked for.

        Parameters
        ----------
        frames
            Of these features and of those they are predicted from, but for those that are decoded already.
        given
            Columns [n_objects] of other tables, by the names that predictions know them by.
        features
            Names.

        Raises
        ------
        hepae_native.CorruptionError
            If the extension does not decode the frames.
        """
        for name in given.keys() & self.codec.given.keys():
            number = self.codec.given[name]
            if not self._chunk.has_given(number):
                self._chunk.give(number, np.ascontiguousarray(given[name], np.float64))
        names, numbers = list(features), self.codec.numbers
        given_frames = [(numbers[name], bytes(frame)) for name, frame in frames.items()]
        columns = self._chunk.decode(given_frames, [numbers[name] for name in names])
        return {
            name: column.view(self.codec.dtypes[name]) for name, column in zip(names, columns, strict=True)
        }


class NativeLatents:
    """The latents of a chunk that is written with lifting, feature by feature in coding order.

    Parameters
    ----------
    codec
        Of the chunk.
    counts : int64[n_events]
        Objects of each event.
    events
        Event-level columns that the codec looks at, and columns of other tables [n_objects] that are given to it.
    derived
        Names of features without a branch, which follow those that have one.
    """

    def __init__(self, codec: NativeCodec, counts: Integers, events: Columns, derived: Sequence[str]) -> None:
        self._numbers = {name: number for number, name in enumerate([*codec.numbers, *derived])}
        self._latents = hepae_native.Latents(codec.codec, np.ascontiguousarray(counts, np.int64))
        for name in codec.conditions:
            self._latents.add_condition(np.ascontiguousarray(events[name], np.float64))
        for name, number in codec.given.items():
            if name in events:
                self._latents.give(number, np.ascontiguousarray(events[name], np.float64))

    def find(self, feature: str, q: Integers) -> tuple[Integers, Integers, list[Integers], bool]:
        """How a feature may be coded, from its integers int64[n_objects] in the order of events.

        Returns
        -------
        tuple
            In rank order: integers and latents int64[n_objects], the latents of each class, none where there is but
            one; and whether latents are taken around the circle of the feature.
        """
        found = self._latents.find(self._numbers[feature], np.ascontiguousarray(q, np.int64))
        integers, latents, by_class, counts, around = found
        return integers, latents, np.split(by_class, np.cumsum(counts)[:-1]) if counts else [], around


class NativeResiduals:
    """What the masked codec codes of a chunk that is written, feature by feature in coding order.

    Parameters
    ----------
    codec
        Of the chunk.
    counts : int64[n_events]
        Objects of each event.
    events
        Event-level columns that the codec looks at.
    derived
        Names of features without a branch, which follow those that have one.
    """

    def __init__(self, codec: NativeCodec, counts: Integers, events: Columns, derived: Sequence[str]) -> None:
        self._numbers = {name: number for number, name in enumerate([*codec.numbers, *derived])}
        self._residuals = hepae_native.Residuals(codec.codec, np.ascontiguousarray(counts, np.int64))
        for name in codec.conditions:
            self._residuals.add_condition(np.ascontiguousarray(events[name], np.float64))

    def put(self, feature: str, q: Integers) -> None:
        """The integers int64[n_objects] of a feature in the order of events.

        Those of features that are decoded together come before the first of them is coded.
        """
        self._residuals.put(self._numbers[feature], np.ascontiguousarray(q, np.int64))

    def code(self, feature: str) -> tuple[int, bytes, bytes, Integers, bool]:
        """How a feature is coded.

        Returns
        -------
        tuple
            Half the number of lanes, the coded symbols, raw bits inside the bins, residuals int64 outside all bins; and
            whether residuals are taken around the circle of the feature.
        """
        pairs, symbols, raw, outside, around = self._residuals.code(self._numbers[feature])
        return pairs, symbols, raw, outside, around
