"""The manifest: what a model is for, typed and versioned. The only place that knows the fields.

A manifest is JSON in the metadata of the ONNX file. Unknown fields, missing fields and wrong types are refused, so a
file that a later version of the format wrote is never half understood.
"""

from __future__ import annotations

from hepae import limits
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.features import FeatureSpec
from hepae.core.masked.spec import MaskedSpec
from hepae.core.prediction.predictors import LiftingSpec
from hepae.core.values.names import is_name
from hepae.core.versioned import Training, Versioned
from hepae.errors import ModelRejectedError

__all__ = ["Manifest"]

CodecSpec = BottleneckSpec | LiftingSpec | MaskedSpec


class Manifest(Versioned, frozen=True, forbid_unknown_fields=True):
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

    def require_sense(self) -> None:
        """Refuse names that cannot stand in a title or in generated code, and lattices of another dtype."""
        limits.check("features", len(self.features), limits.MAX_FEATURES, least=1)
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
