"""The one door to the codecs: the parts of a model, and what a file holds of a chunk, to columns.

Nothing here opens a file or a network, so that a native twin can stand in for it: what it is handed are plain bytes,
arrays, tables, and networks as functions of arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from hepae.arrays import Array, Columns, Integers, Values
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.chunk import ChunkCodec, IntegerCodec
from hepae.core.features import as_exact
from hepae.core.lifting.codec import Lifting
from hepae.core.manifest import Manifest
from hepae.core.masked.codec import Masked
from hepae.core.masked.spec import MaskedSpec
from hepae.core.network import Network
from hepae.core.prediction.predictors import LiftingSpec
from hepae.errors import SchemaError

__all__ = ["ModelParts", "chunk_codec", "codec_of", "decode"]


class ModelParts(Protocol):
    """What of a model a codec is made of; `hepae.model.model.Model` is one.

    Attributes
    ----------
    manifest
        What the model is for.
    networks, tables
        By name.
    sha256
        Name of the model: 64 hexadecimal digits.
    data
        The file, for native code.
    """

    @property
    def manifest(self) -> Manifest: ...

    @property
    def networks(self) -> Mapping[str, Network]: ...

    @property
    def tables(self) -> Mapping[str, Array]: ...

    @property
    def sha256(self) -> str: ...

    @property
    def data(self) -> bytes: ...


def codec_of(parts: ModelParts) -> ChunkCodec | Bottleneck:
    """What encodes and decodes with a model: chunk by chunk, or event by event."""
    spec = parts.manifest.codec
    if isinstance(spec, BottleneckSpec):
        return Bottleneck(spec, parts.networks, parts.tables)
    return chunk_codec(parts)


def chunk_codec(parts: ModelParts, exact: bool = False) -> ChunkCodec:
    """What encodes and decodes chunks with a model.

    Parameters
    ----------
    parts
        Of the model.
    exact
        For values that were restored before: they lie on the lattice already, and are kept bit for bit, so that
        bounds do not add up.

    Raises
    ------
    SchemaError
        If the codec of the model has no chunks.
    """
    manifest = parts.manifest
    spec, features = manifest.codec, manifest.features
    codec: IntegerCodec
    match spec:
        case LiftingSpec():
            codec = Lifting(spec, features)
        case MaskedSpec():
            codec = Masked(spec, features, parts.networks, parts.tables, parts.data, manifest.conditions)
        case BottleneckSpec():
            raise SchemaError("a model without chunks", where=parts.sha256, got=manifest.codec_name)
    if exact:
        features = as_exact(features)
    return ChunkCodec(codec, manifest.codec_name, features, manifest.conditions, bytes.fromhex(parts.sha256))


def decode(
    parts: ModelParts,
    counts: Integers,
    conditions: Columns,
    frames: Mapping[str, bytes],
    names: Sequence[str],
) -> dict[str, Values]:
    """Restored columns of one chunk.

    Parameters
    ----------
    parts
        Of the model that wrote the chunk. Whoever decodes many chunks keeps its `chunk_codec`.
    counts : int64[n_events]
        Objects of each event.
    conditions
        Event-level columns [n_events] that the codec is conditioned on, by branch.
    frames
        Bytes by short name of the feature: of the features asked for and of those they are predicted from.
    names
        Short names of the features asked for.

    Returns
    -------
    dict
        Values [n_objects] by short name, in the dtype of the feature.

    Raises
    ------
    CorruptionError
        If a frame is damaged, belongs to another model or chunk, or its events are not those given.
    """
    return chunk_codec(parts).decode(counts, conditions, frames, names)
