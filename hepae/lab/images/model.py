"""An image autoencoder ready to use: images to latents and back, and how far a jet is from those it knows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array
from hepae.core.network import Network, Shape
from hepae.errors import ModelRejectedError
from hepae.lab.images.spec import KIND, ImageManifest
from hepae.model.files import located, read_model, write_model
from hepae.model.runtime import session

__all__ = ["ImageModel", "divergence"]

Images = NDArray[np.float32]

TILE: Final = 256
"""Jets that go through a network together: their images fit into the caches."""

LEAST_PROBABILITY: Final = 1e-7


class ImageModel:
    """Made by `from_bytes` or `load`; networks run in ONNX Runtime, and PyTorch is not needed.

    Attributes
    ----------
    data
        The ONNX file.
    manifest
        What the model is for.
    sha256
        Name of the model: hexadecimal digest of the file.
    """

    def __init__(self, data: bytes, threads: int = 1) -> None:
        from hepae.model.admission import admit  # imports onnx, which `import hepae` does not

        parts = admit(data, KIND)
        self.data, self.sha256 = data, parts.sha256
        self.manifest = ImageManifest.from_json(parts.manifest)
        latents, shape = (None, self.manifest.recipe.latents), (None, *self.manifest.image.shape)
        outputs: dict[str, Shape] = {"latents": latents}
        if self.manifest.variational:
            outputs["log_variances"] = latents
        self._encoder = _network(parts.networks, "encoder", {"images": shape}, outputs, threads)
        self._decoder = _network(parts.networks, "decoder", {"latents": latents}, {"images": shape}, threads)

    @classmethod
    def from_bytes(cls, data: bytes, threads: int = 1) -> ImageModel:
        """Admit and open a model.

        Raises
        ------
        ModelRejectedError
            If it is not an image autoencoder that hepae made; see `hepae.model.admission`.
        """
        return cls(data, threads)

    @classmethod
    def load(cls, path: str | Path, threads: int = 1) -> ImageModel:
        """Read a model file and open it."""
        data = read_model(path)
        with located(path):
            return cls(data, threads)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the model file; one that exists is replaced only with ``force``."""
        write_model(path, self.data, force=force)

    def encode(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Latents of images, and the logarithms of their variances where the model is variational.

        Parameters
        ----------
        images : float32[n, channels, pixels, pixels]
            As the manifest's ``image.images`` makes them.

        Returns
        -------
        latents, log_variances : float32[n, latents]
        """
        parts = [self._encoder(images=tile) for tile in _tiles(images)]
        if not parts:
            empty = np.zeros((0, self.manifest.recipe.latents), np.float32)
            return empty, empty if self.manifest.variational else None
        latents = np.concatenate([part["latents"] for part in parts])
        if not self.manifest.variational:
            return latents, None
        return latents, np.concatenate([part["log_variances"] for part in parts])

    def decode(self, latents: NDArray[np.float32]) -> Images:
        """Images float32[n, channels, pixels, pixels] of latents [n, latents]."""
        parts = [self._decoder(latents=tile)["images"] for tile in _tiles(latents)]
        return np.concatenate(parts) if parts else np.zeros((0, *self.manifest.image.shape), np.float32)

    def loss(self, images: Images, restored: Images) -> NDArray[np.float32]:
        """Reconstruction loss of each image, float32[n], summed over pixels; 0 for a perfect one.

        For ``mse`` the squared error; for ``bce`` the binary cross-entropy less that of the image with itself.
        """
        tiles = zip(_tiles(images), _tiles(restored), strict=True)
        of = _cross_entropy if self.manifest.recipe.loss == "bce" else _squared
        parts = [of(image, other).sum(axis=(1, 2, 3)) for image, other in tiles]
        return np.concatenate([np.zeros(0, np.float32), *parts]).astype(np.float32)


def divergence(latents: NDArray[np.float32], log_variances: NDArray[np.float32]) -> NDArray[np.float32]:
    """Kullback-Leibler divergence of each jet's latents from the standard normal distribution, float32[n], in nats."""
    terms = np.square(latents) + np.exp(log_variances) - log_variances - 1
    return np.asarray(0.5 * terms.sum(axis=1), np.float32)


def _tiles(arrays: Array) -> list[Array]:
    return [arrays[start : start + TILE] for start in range(0, len(arrays), TILE)]


def _squared(image: Images, restored: Images) -> Array:
    return np.asarray(np.square(image - restored))


def _cross_entropy(image: Images, restored: Images) -> Array:
    """Of pixels as chances: ``t log(t/p) + (1 - t) log((1 - t)/(1 - p))``."""
    t = np.clip(image.astype(np.float64), 0, 1)
    p = np.clip(restored.astype(np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    own = np.where(t > 0, t * np.log(np.where(t > 0, t, 1)), 0) + (1 - t) * np.log1p(-np.where(t < 1, t, 0))
    return np.asarray(own - t * np.log(p) - (1 - t) * np.log1p(-p))


def _network(
    networks: dict[str, bytes], name: str, inputs: dict[str, Shape], outputs: dict[str, Shape], threads: int
) -> Network:
    if name not in networks:
        raise ModelRejectedError("an image model without its network", expected=name)
    network = session(networks[name], threads)
    got = (dict(network.inputs), dict(network.outputs))
    if got != (inputs, outputs):
        expected = (inputs, outputs)
        raise ModelRejectedError("a network of another shape", where=name, expected=expected, got=got)
    return network
