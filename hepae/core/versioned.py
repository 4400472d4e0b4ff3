"""What all manifests have in common: JSON of one version of the format, half of which is never understood."""

from __future__ import annotations

from typing import Self

import msgspec

from hepae import limits
from hepae.errors import ModelRejectedError

__all__ = ["Versioned"]


class Versioned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A manifest that says of which version of the format it is.

    Parameters
    ----------
    format
        `hepae.limits.FORMAT_VERSION`.
    """

    format: int

    def to_json(self) -> bytes:
        """Canonical JSON: the same manifest gives the same bytes."""
        return msgspec.json.encode(self, order="deterministic")

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Parse and check.

        Raises
        ------
        LimitError
            If the text is longer than a manifest may be.
        ModelRejectedError
            If it is not a manifest of this kind and of this format version.
        """
        limits.check("manifest bytes", len(text), limits.MAX_MANIFEST_BYTES)
        try:
            manifest = msgspec.json.decode(text, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
            raise ModelRejectedError("the manifest does not parse", got=str(problem)) from None
        if manifest.format != limits.FORMAT_VERSION:
            expected = limits.FORMAT_VERSION
            raise ModelRejectedError("another version of the format", expected=expected, got=manifest.format)
        manifest.require_sense()
        return manifest

    def require_sense(self) -> None:
        """Refuse what no type can."""


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
