"""What an image autoencoder is for and how it is trained: its typed manifest, its recipe. No PyTorch here."""

from __future__ import annotations

import math
from typing import Final, Literal, get_args

import msgspec

from hepae import limits
from hepae.arrays import Array
from hepae.core.versioned import Training, Versioned
from hepae.errors import SchemaError
from hepae.lab.images.pixels import CHANNELS, Alignment, Normalisation, check_image, fill
from hepae.model.kinds import Kind, operators

__all__ = ["KIND", "MANIFEST_KEY", "OPERATORS", "ImageManifest", "ImageRecipe", "ImageSpec", "Loss"]

MANIFEST_KEY: Final = "hepae_images"
"""Name of the manifest in the metadata of the ONNX file, apart from those of models that compress."""

OPERATORS: Final = operators(
    Clip="",
    Conv="kernel_shape pads strides",
    ConvTranspose="kernel_shape pads strides",
    Div="",
    Elu="",
    Gemm="transB",
    Identity="",
    Mul="",
    Reshape="",
    Sigmoid="",
)
"""What `hepae.lab.images.export` writes."""

KIND: Final = Kind(MANIFEST_KEY, lambda _: OPERATORS)

Loss = Literal["bce", "mse"]

WIDEST: Final = 1024
LARGEST_SEED: Final = 2**32 - 1


class ImageSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How images are made of constituents; see `hepae.images.jet_images`, and the power that pixels are raised to.

    Parameters
    ----------
    power
        Exponent of every pixel after normalisation: below one it lifts the faint ones.
    """

    pixels: int = 40
    half_width: float = 0.8
    channels: tuple[str, ...] = ("all",)
    flip: bool = True
    normalise: Normalisation = "sum"
    power: float = 1.0
    align: Alignment = "constituents"

    def __post_init__(self) -> None:
        check_image(self.pixels, self.half_width, self.channels, self.normalise, self.align)
        if not 0 < self.power <= 1:
            raise SchemaError("a power of pixels that cannot be", expected="0 < power <= 1", got=self.power)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, pixels in eta, pixels in phi."""
        return len(self.channels), self.pixels, self.pixels

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of constituents that are looked at."""
        typed = any(CHANNELS[name] is not None for name in self.channels)
        return ("px", "py", "pz", "type") if typed else ("px", "py", "pz")

    def images(self, counts: Array, columns: dict[str, Array]) -> Array:
        """Images float32[n, *shape] of flat constituents."""
        made = fill(
            counts,
            columns,
            self.pixels,
            self.half_width,
            self.channels,
            self.flip,
            self.normalise,
            self.align,
        )
        return made if self.power == 1 else made**self.power


class ImageRecipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to train an image autoencoder.

    Parameters
    ----------
    latents
        Numbers between encoder and decoder.
    loss
        ``bce``: binary cross-entropy of pixels between 0 and 1, `draws` times; ``mse``: squared error over twice the
        square of `noise`. Both are likelihoods in nats, summed over pixels.
    beta
        Weight of the Kullback-Leibler divergence, summed over latents, in nats: 1 for a variational autoencoder,
        another number for a beta-VAE, None for a plain autoencoder.
    warm_up
        Share of the epochs in which the weight grows from 0 to `beta`.
    draws, noise
        What makes the loss a likelihood, to be weighed against the divergence: the number of particles whose places an
        image stands for, and the Gaussian noise of a pixel.
    filters, hidden
        Channels of the first convolution (doubled at each halving of the image); units of the dense layer.
    epochs, batch_size, learning_rate, validation, seed, threads, device
        As in `hepae.learn.bottleneck.presets.Hyperparameters`; AdamW, one cycle.
    """

    latents: int = 8
    loss: Loss = "bce"
    beta: float | None = None
    warm_up: float = 0.3
    draws: float = 30.0
    noise: float = 0.03
    filters: int = 8
    hidden: int = 128
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 4e-3
    validation: float = 0.1
    seed: int = 1
    threads: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        limits.check("latents", self.latents, limits.MAX_LATENTS, least=1)
        limits.check("seed", self.seed, LARGEST_SEED)
        for name in ("filters", "hidden"):
            limits.check(name, getattr(self, name), WIDEST, least=1)
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise SchemaError(f"{name} that cannot be", expected="at least 1", got=getattr(self, name))
        positive = (self.draws, self.noise, self.learning_rate)
        shares = (self.warm_up, self.validation)
        if not (all(0 < x < math.inf for x in positive) and all(0 <= x < 1 for x in shares)):
            expected = "draws, noise and learning rate above 0, warm-up and validation from 0 to below 1"
            raise SchemaError("a recipe that cannot be", expected=expected, got=(*positive, *shares))
        if self.beta is not None and not 0 <= self.beta < math.inf:
            raise SchemaError(
                "a weight of the divergence that cannot be", expected="beta >= 0", got=self.beta
            )
        if self.loss not in get_args(Loss):
            raise SchemaError("no such loss", expected=", ".join(get_args(Loss)), got=self.loss)


class ImageManifest(Versioned, frozen=True, forbid_unknown_fields=True):
    """All that a reader needs to know besides the networks.

    Parameters
    ----------
    format
        `hepae.limits.FORMAT_VERSION`.
    constituents
        Collection whose objects are the constituents of one jet an entry, such as ``Constituent``.
    image
        How images are made of them.
    recipe
        How the networks were trained: latents, loss, beta.
    training
        Provenance; the history is the reconstruction term of the loss, training and validation, by epoch.
    divergences
        Divergence of the validation jets in nats, by epoch; empty for plain autoencoders.
    """

    constituents: str
    image: ImageSpec
    recipe: ImageRecipe
    training: Training
    divergences: tuple[float, ...] = ()

    @property
    def variational(self) -> bool:
        """Whether latents have a variance."""
        return self.recipe.beta is not None
