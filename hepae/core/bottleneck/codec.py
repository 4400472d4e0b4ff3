"""The bottleneck codec: a float autoencoder, and integer corrections that make the bounds hold.

Each object is stored as K latents, from which the decoder predicts its features, and one correction per feature. With
``latents_only`` there are no corrections: the lossy codec of the literature, with no bound claimed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Array, Booleans, Integers, Words
from hepae.core.arithmetic.denormals import kept_subnormals
from hepae.core.bottleneck.corrections import correct, restore
from hepae.core.bottleneck.escapes import Escapes
from hepae.core.bottleneck.spec import BottleneckColumn, BottleneckSpec
from hepae.core.features import FeatureSpec
from hepae.core.network import Network
from hepae.core.values.bounds import native, raw_bits
from hepae.core.values.lattice import KINDS
from hepae.errors import CorruptionError, ModelRejectedError, SchemaError

__all__ = ["Bottleneck", "Encoded", "enters"]

LARGEST_STEP: Final = 2.0**62
"""Between corrected integers."""

TILE: Final = 4096
"""Objects that go through a network together: the fastest for ONNX Runtime, and a bound on memory."""

WIDEST_INTEGER: Final = 4
"""Bytes of the widest integers that go through a network; wider ones are mostly identifiers."""


@dataclass(frozen=True)
class Encoded:
    """A run of encoded objects.

    Attributes
    ----------
    latents : [n, K]
        In the dtype they are stored in (`LatentSpec.stored_dtype`).
    corrections : dict of uint[n]
        Codes by feature; empty for latents only.
    escapes
        Values stored bit for bit.
    """

    latents: Array
    corrections: dict[str, Array]
    escapes: Escapes


def enters(feature: FeatureSpec, latents_only: bool) -> bool:
    """Whether a feature goes through the network; others are left as they are.

    Floats with a bound do, and integers of up to 32 bits; without bounds, all floats.
    """
    dtype = np.dtype(feature.dtype)
    if dtype.kind == "f":
        return latents_only or feature.bound.kind != "exact"
    return dtype.itemsize <= WIDEST_INTEGER


class Bottleneck:
    """Encode and decode objects with a trained model.

    Parameters
    ----------
    spec
        Parameters.
    networks
        ``encoder`` (features float32[n, F] to latents float32[n, K]) and ``decoder``, back.
    tables
        ``probe_latents`` float32[p, K] and ``probe_features`` float32[p, F]: what the decoder gave at export.

    Raises
    ------
    ModelRejectedError
        If the networks or tables are not those of the parameters.
    """

    def __init__(
        self, spec: BottleneckSpec, networks: Mapping[str, Network], tables: Mapping[str, Array]
    ) -> None:
        _check_spec(spec)
        self.spec = spec
        self.networks = networks
        self._probe = tuple(_probe(tables, name, size) for name, size in self._probe_sizes())
        self._decoder: Network | None = None

    @kept_subnormals()
    def encode(self, columns: Mapping[str, Array]) -> Encoded:
        """Encode flat columns.

        Parameters
        ----------
        columns
            One array [n] per feature of the model, in the feature's dtype. Others are ignored.

        Raises
        ------
        SchemaError
            If a feature is missing or of another dtype.
        """
        taken = [self._taken(columns, column) for column in self.spec.columns]
        n = len(taken[0])
        inputs = np.empty((n, len(taken)), np.float32)
        outside = []
        for place, (column, values) in enumerate(zip(self.spec.columns, taken, strict=True)):
            inputs[:, place], domain = column.transform.forward(values)
            outside.append(~domain)
        encoder = self._network("encoder", "features", len(taken), "latents", self.spec.latents)
        latents = self.spec.latent.store(_run(encoder, "features", inputs, "latents", self.spec.latents))
        del inputs  # as large as the chunk, and so is the prediction
        if self.spec.latents_only:
            return Encoded(latents, {}, _escapes(taken, outside))
        predicted = self.predict(latents)
        codes = {
            column.name: correct(column, values, predicted[:, place])
            for place, (column, values) in enumerate(zip(self.spec.columns, taken, strict=True))
        }
        return Encoded(latents, codes, _escapes(taken, [code == 0 for code in codes.values()]))

    @kept_subnormals()
    def predict(self, latents: Array) -> NDArray[np.float32]:
        """What the decoder makes of stored latents [n, K]: float32[n, F] in its own units, for `restore`.

        Raises
        ------
        ModelRejectedError
            If the decoder's results on this machine differ from the writer's by more than the drift allowance.
        """
        if latents.dtype != self.spec.latent.stored_dtype or latents.shape[1:] != (self.spec.latents,):
            raise CorruptionError(
                "latents of another kind",
                expected=f"{self.spec.latent.stored_dtype}[n, {self.spec.latents}]",
                got=f"{latents.dtype}{list(latents.shape)}",
            )
        if self._decoder is None:
            self._decoder = self._probed_decoder()
        loaded = self.spec.latent.load(latents)
        return _run(self._decoder, "latents", loaded, "features", len(self.spec.columns))

    @kept_subnormals()
    def restore(
        self, feature: str, predicted: NDArray[np.float32], codes: Array | None, escapes: Escapes
    ) -> Array:
        """Values [n] of one feature, given what `predict` returned.

        Parameters
        ----------
        feature
            Short name.
        predicted
            Of all features, [n, F].
        codes
            Corrections of this feature, [n]; None for latents only.
        escapes
            Of all features.

        Raises
        ------
        CorruptionError
            If the parts do not fit together.
        """
        place = self._place(feature)
        column = self.spec.columns[place]
        at, bits = escapes.of(place)
        if self.spec.latents_only:
            return _uncorrected(column, predicted[:, place], at, bits)
        if codes is None or len(codes) != len(predicted):
            raise CorruptionError(
                "corrections and latents differ",
                where=feature,
                expected=len(predicted),
                got=0 if codes is None else len(codes),
            )
        return restore(column, codes, predicted[:, place], at, bits)

    def decode(self, encoded: Encoded, features: Sequence[str] | None = None) -> dict[str, Array]:
        """Restore flat columns: those named, or all."""
        predicted = self.predict(encoded.latents)
        names = [column.name for column in self.spec.columns] if features is None else features
        return {
            name: self.restore(name, predicted, encoded.corrections.get(name), encoded.escapes)
            for name in names
        }

    def _place(self, feature: str) -> int:
        names = [column.name for column in self.spec.columns]
        if feature not in names:
            raise SchemaError("not a feature of this bottleneck", expected=", ".join(names), got=feature)
        return names.index(feature)

    @staticmethod
    def _taken(columns: Mapping[str, Array], column: BottleneckColumn) -> Array:
        found = native(columns[column.name]) if column.name in columns else None
        if found is None or found.dtype != column.dtype:
            raise SchemaError(
                "a feature of the model is missing",
                where=column.name,
                expected=column.dtype,
                got="none" if found is None else found.dtype,
            )
        return found

    def _network(self, name: str, source: str, width: int, target: str, height: int) -> Network:
        expected = ({source: (None, width)}, {target: (None, height)})
        if name not in self.networks:
            raise ModelRejectedError("a bottleneck model without its network", expected=name)
        network = self.networks[name]
        got = (dict(network.inputs), dict(network.outputs))
        if got != expected:
            raise ModelRejectedError("a network of another shape", where=name, expected=expected, got=got)
        return network

    def _probe_sizes(self) -> tuple[tuple[str, int], tuple[str, int]]:
        return ("probe_latents", self.spec.latents), ("probe_features", len(self.spec.columns))

    def _probed_decoder(self) -> Network:
        decoder = self._network("decoder", "latents", self.spec.latents, "features", len(self.spec.columns))
        latents, expected = self._probe
        got = decoder(latents=latents)["features"]
        worst = np.abs(got.astype(np.float64) - expected).max(axis=0, initial=0.0)
        for column, drift in zip(self.spec.columns, worst, strict=True):
            if not drift <= column.drift:
                raise ModelRejectedError(
                    "the decoder's results on this machine are too far from the writer's",
                    where=column.name,
                    expected=f"at most {column.drift:.3g}",
                    got=f"{drift:.3g}",
                    hint="try another version of onnxruntime",
                )
        return decoder


def _check_spec(spec: BottleneckSpec) -> None:
    limits.check("latents", spec.latents, limits.MAX_LATENTS, least=1)
    limits.check("columns", len(spec.columns), limits.MAX_FEATURES, least=1)
    numbers = [*spec.latent.low, *spec.latent.step]
    for column in spec.columns:
        if column.dtype not in KINDS:
            raise ModelRejectedError("a column of no dtype", where=column.name, got=column.dtype)
        transform = column.transform
        numbers += [
            transform.shift,
            transform.low,
            transform.high,
            column.drift,
            column.step,
            1 / (transform.scale or np.nan),
        ]
        least = 1.0 if column.is_integer or column.bound.kind in ("rel", "bits") else 0.0
        most = LARGEST_STEP if column.is_integer else math.inf
        known = least < column.step < most or (column.is_integer and column.step == 1)
        if not known or column.drift < 0:
            raise ModelRejectedError("a step or a drift that cannot be", where=column.name, got=column.step)
        if any(not 0 <= bits < 1 << 8 * np.dtype(column.dtype).itemsize for bits in column.frequent):
            raise ModelRejectedError("a frequent value that is none of its dtype", where=column.name)
    sizes = {len(spec.latent.low), len(spec.latent.step)}
    if sizes != {spec.latents if spec.latent.fixed_point else 0} or not all(map(math.isfinite, numbers)):
        raise ModelRejectedError("parameters of the bottleneck that cannot be", got=spec.latent)


def _probe(tables: Mapping[str, Array], name: str, width: int) -> NDArray[np.float32]:
    table = tables.get(name)
    if (
        table is None
        or table.dtype != np.float32
        or table.ndim != 2
        or table.shape[1] != width
        or not len(table)
    ):
        raise ModelRejectedError(
            "a bottleneck model without its probe", expected=f"{name} float32[p, {width}]"
        )
    return table


def _run(
    network: Network, source: str, inputs: NDArray[np.float32], target: str, width: int
) -> NDArray[np.float32]:
    """A network, tile by tile."""
    outputs = np.empty((len(inputs), width), np.float32)
    for start in range(0, len(inputs), TILE):
        outputs[start : start + TILE] = network(**{source: inputs[start : start + TILE]})[target]
    return outputs


def _escapes(taken: Sequence[Array], escaped: Sequence[Booleans]) -> Escapes:
    features, objects = np.nonzero(np.stack(escaped)) if taken else (np.empty(0, int), np.empty(0, int))
    bits = [raw_bits(values)[where].astype(np.uint64) for values, where in zip(taken, escaped, strict=True)]
    order = np.lexsort((features, objects))
    return Escapes(objects[order], features[order], np.concatenate(bits)[order])


def _uncorrected(
    column: BottleneckColumn, predicted: NDArray[np.float32], at: Integers, bits: Words
) -> Array:
    x = column.transform.inverse(predicted)
    dtype = np.dtype(column.dtype)
    if dtype.kind in "iu":
        x = np.clip(np.rint(x), np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = (x > 0.5).astype(dtype) if dtype.kind == "b" else x.astype(dtype)
    patterns = raw_bits(values)
    patterns[at] = bits.astype(patterns.dtype)
    return patterns.view(dtype)
