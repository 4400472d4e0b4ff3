"""A tagger that is ready to use: jets in, the chance that each is signal out."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from hepae.arrays import Floats
from hepae.errors import HepaeError, ModelRejectedError
from hepae.lab.tagging.jets import Jets
from hepae.lab.tagging.spec import KIND, TaggerManifest, members
from hepae.model.files import read_model, write_model
from hepae.model.runtime import session

__all__ = ["Tagger"]

JETS_AT_ONCE: Final = 512

LOGITS: Final = "logits"
CLASSES: Final = 2


class Tagger:
    """Made by `hepae.lab.tagging.fit.fit_tagger` or `load`; runs in ONNX Runtime, and PyTorch is not needed.

    Attributes
    ----------
    data
        The ONNX file.
    manifest
        What it was trained on and how.
    sha256
        Hexadecimal digest of the file.
    """

    def __init__(self, data: bytes, threads: int = 1) -> None:
        from hepae.model.admission import admit  # imports onnx, which `import hepae` does not

        parts = admit(data, KIND)
        self.data, self.sha256 = data, parts.sha256
        self.manifest = TaggerManifest.from_json(parts.manifest)
        if sorted(parts.networks) != sorted(members(self.manifest.recipe)):
            expected = self.manifest.recipe.members
            raise ModelRejectedError("networks missing", expected=expected, got=", ".join(parts.networks))
        inputs = {name: (None, *shape) for name, shape in self.manifest.recipe.view.shapes.items()}
        self._networks = [session(network, threads) for network in parts.networks.values()]
        for network in self._networks:
            got = (dict(network.inputs), dict(network.outputs))
            if got != (inputs, {LOGITS: (None, CLASSES)}):
                raise ModelRejectedError("a tagger of another shape", expected=inputs, got=got)

    @classmethod
    def load(cls, path: str | Path, threads: int = 1) -> Tagger:
        """Open a file.

        Raises
        ------
        InputError
            If it cannot be read.
        ModelRejectedError
            If it is not an admitted tagger.
        """
        data = read_model(path)
        try:
            return cls(data, threads)
        except HepaeError as problem:
            raise ModelRejectedError("not a tagger to be used", where=path, got=problem) from None

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the ONNX file; one that exists is replaced only with ``force``."""
        write_model(path, self.data, force=force)

    def scores(self, jets: Jets) -> Floats:
        """The chance that each jet is signal, float64[n]: softmax of the mean logits of the members."""
        parts = [np.zeros(0)]
        for start in range(0, len(jets), JETS_AT_ONCE):
            tile = jets.take(np.arange(start, min(start + JETS_AT_ONCE, len(jets))))
            inputs = self.manifest.recipe.view.inputs(tile)
            logits = np.mean(
                [network(**inputs)[LOGITS].astype(np.float64) for network in self._networks], axis=0
            )
            parts.append(1 / (1 + np.exp(np.clip(logits[:, 0] - logits[:, 1], -700, 700))))
        return np.concatenate(parts)
