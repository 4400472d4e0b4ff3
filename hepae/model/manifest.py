"""The manifest: what a model is for, typed and versioned. The only place that knows the fields.

A manifest is JSON in the metadata of the ONNX file. Unknown fields, missing fields and wrong types are refused, so a
file that a later version of the format wrote is never half understood.
"""

from __future__ import annotations

from typing import Protocol, TypeVar

import msgspec

from hepae import limits
from hepae.codecs.bottleneck import BottleneckSpec
from hepae.codecs.features import FeatureSpec
from hepae.codecs.lifting import LiftingSpec
from hepae.codecs.masked import MaskedSpec
from hepae.errors import ModelRejectedError
from hepae.names import is_name

__all__ = ["Manifest", "Training", "parsed"]

CodecSpec = BottleneckSpec | LiftingSpec | MaskedSpec


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a model comes from: enough to make it again, nothing of the machine that made it.

    Parameters
    ----------
    hepae
        Version that trained the model.
    seed
        Seed of the split and of the initial weights.
    events, objects
        How much it was trained on.
    history
        Training and validation loss by epoch: one pair an epoch; empty where nothing was trained by descent.
    """

    hepae: str
    seed: int
    events: int
    objects: int
    history: tuple[tuple[float, float], ...] = ()


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that a reader needs to know besides the networks.

    Parameters
    ----------
    format
        Version of the file format, `hepae.limits.FORMAT_VERSION`.
    collection, counter
        Name of the collection (``Jet``) and of the branch that counts it (``nJet``; None where it is implicit).
    features
        The compressed features, in the order of the file.
    conditions
        Event-level branches that the codec is conditioned on. They must be in the file, bit for bit.
    codec
        Parameters of the codec, told apart by their tag.
    training
        Provenance.
    """

    format: int
    collection: str
    counter: str | None
    features: tuple[FeatureSpec, ...]
    conditions: tuple[str, ...]
    codec: CodecSpec
    training: Training

    @property
    def codec_name(self) -> str:
        """``bottleneck``, ``lifting`` or ``masked``."""
        return str(self.codec.__struct_config__.tag)

    def feature(self, name: str) -> FeatureSpec:
        """The feature of that short or branch name; KeyError where there is none."""
        for feature in self.features:
            if name in (feature.name, feature.branch):
                return feature
        raise KeyError(name)

    def to_json(self) -> bytes:
        """Canonical JSON: the same manifest gives the same bytes."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Parse and check.

        Raises
        ------
        LimitError
            If the text is longer than a manifest may be.
        ModelRejectedError
            If it is not a manifest of this format version.
        """
        manifest = parsed(text, cls)
        limits.check("features", len(manifest.features), limits.MAX_FEATURES, least=1)
        manifest.require_sense()
        return manifest

    def require_sense(self) -> None:
        """Refuse names that cannot stand in a title or in generated code, and lattices of another dtype."""
        names = [self.collection, *self.conditions] + ([] if self.counter is None else [self.counter])
        names += [name for feature in self.features for name in (feature.name, feature.branch)]
        for name in names:
            if not is_name(name):
                raise ModelRejectedError("a name that cannot be", where="manifest", got=repr(name[:80]))
        for feature in self.features:
            if feature.lattice.dtype != feature.dtype:
                raise ModelRejectedError(
                    "a lattice of another dtype than its feature's",
                    where=feature.name,
                    expected=feature.dtype,
                    got=feature.lattice.dtype,
                )


class Versioned(Protocol):
    """A manifest that says which version of the format it is of."""

    @property
    def format(self) -> int: ...


Kind = TypeVar("Kind", bound=Versioned)


def parsed(text: bytes, kind: type[Kind]) -> Kind:
    """A manifest of some kind from its JSON, of this version of the format; see `Manifest.from_json`."""
    limits.check("manifest bytes", len(text), limits.MAX_MANIFEST_BYTES)
    try:
        manifest = msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise ModelRejectedError("the manifest does not parse", got=str(problem)) from None
    if manifest.format != limits.FORMAT_VERSION:
        expected = limits.FORMAT_VERSION
        raise ModelRejectedError("another version of the format", expected=expected, got=manifest.format)
    return manifest
