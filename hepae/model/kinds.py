"""Kinds of models: which entry of the metadata holds their manifest, and what their networks may consist of.

The operators of a kind are those that its exporter writes, with the attributes that it writes, and no others. Those of
models that compress stand on the page of the format (docs/format/v1.md, section 4) too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from hepae import limits
from hepae.errors import ModelRejectedError

__all__ = ["COMPRESSING", "MANIFEST_KEY", "OPERATORS", "Kind", "Operators", "operators"]

Operators = Mapping[str, frozenset[str]]
"""Names of the attributes that each operator may have."""

MANIFEST_KEY: Final = "hepae_manifest"


def operators(**attributes: str) -> Operators:
    """A table of operators from the names of their attributes.

    Examples
    --------
    >>> sorted(operators(Conv="kernel_shape pads")["Conv"])
    ['kernel_shape', 'pads']
    """
    return {name: frozenset(names.split()) for name, names in attributes.items()}


@dataclass(frozen=True)
class Kind:
    """A kind of models.

    Parameters
    ----------
    key
        Entry of the metadata that holds the manifest.
    operators
        What the networks may consist of, given the manifest.
    """

    key: str
    operators: Callable[[bytes], Operators]


OPERATORS: Final[Mapping[str, Operators]] = {
    "lifting": operators(),
    "masked": operators(Add="", Cast="to", Clip="", Floor="", MatMul="", Max="", Min="", Mul=""),
    "bottleneck": operators(
        Add="",
        Conv="kernel_shape pads",
        Elu="",
        Gemm="transB",
        Identity="",
        LeakyRelu="alpha",
        Mul="",
        Relu="",
        Reshape="",
        Sigmoid="",
        Tanh="",
    ),
}
"""By codec. The networks of ``masked`` are exact in any order of sums; those of ``bottleneck`` are not."""


class _Codec(msgspec.Struct):
    codec: str


class _Manifest(msgspec.Struct):
    """As much of a manifest as tells the codec."""

    codec: _Codec


def _of_codec(manifest: bytes) -> Operators:
    limits.check("manifest bytes", len(manifest), limits.MAX_MANIFEST_BYTES)
    try:
        codec = msgspec.json.decode(manifest, type=_Manifest).codec.codec
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise ModelRejectedError("the manifest does not parse", got=problem) from None
    if codec not in OPERATORS:
        raise ModelRejectedError("an unknown codec", expected=", ".join(OPERATORS), got=codec)
    return OPERATORS[codec]


COMPRESSING: Final = Kind(MANIFEST_KEY, _of_codec)
