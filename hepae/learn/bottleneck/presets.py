"""What to train and how: architectures named after the literature, and recipes. No PyTorch here."""

from __future__ import annotations

import math
from typing import Final, Literal

import msgspec

from hepae import limits
from hepae.core.bottleneck.scaling import SCALINGS, Scaling
from hepae.core.bottleneck.spec import LatentDtype
from hepae.errors import SchemaError, nearest

__all__ = [
    "ACTIVATIONS",
    "LARGEST_SEED",
    "PRESETS",
    "Activation",
    "Architecture",
    "Hyperparameters",
    "Schedule",
    "preset",
]

Activation = Literal["tanh", "leaky_relu", "elu", "relu", "silu"]
Schedule = Literal["one-cycle", "plateau"]
ACTIVATIONS: Final[tuple[Activation, ...]] = ("tanh", "leaky_relu", "elu", "relu", "silu")

WIDEST_LAYER: Final = 4096
DEFAULT_STEPS: Final = 24_000
SHARE_OF_LATENTS: Final = 0.6
FEW_FEATURES: Final = 5
LARGEST_SEED: Final = 2**32 - 1


class Architecture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The shape of an autoencoder.

    Parameters
    ----------
    layers
        Hidden units of the encoder, from the features to the latents; the decoder mirrors them.
    latents
        K; None for a share of the features: one less of a few, six tenths of many.
    activation
        After each hidden layer.
    batch_norm
        Normalise each hidden layer by batch; folded into the weights at export.
    dropout
        Share of hidden units dropped in training.
    residual
        Add its input to each hidden layer that keeps the width.
    shortcut
        Add a linear map from features to latents, and from latents to features; begins as the principal components.
    convolutions
        Channels of 1-D convolutions along the features, before the encoder's layers; the decoder mirrors them.
    beta
        Weight of the divergence of a variational autoencoder; None for a plain one.
    """

    layers: tuple[int, ...] = (64, 64)
    latents: int | None = None
    activation: Activation = "silu"
    batch_norm: bool = False
    dropout: float = 0.0
    residual: bool = False
    shortcut: bool = False
    convolutions: tuple[int, ...] = ()
    beta: float | None = None

    def __post_init__(self) -> None:
        for width in (*self.layers, *self.convolutions):
            limits.check("hidden units", width, WIDEST_LAYER, least=1)
        if self.latents is not None:
            limits.check("latents", self.latents, limits.MAX_LATENTS, least=1)
        if not 0 <= self.dropout < 1:
            raise SchemaError(
                "a share of dropped units that cannot be", expected="0 <= dropout < 1", got=self.dropout
            )
        if self.beta is not None and not 0 <= self.beta < math.inf:
            raise SchemaError(
                "a weight of the divergence that cannot be", expected="beta >= 0", got=self.beta
            )

    def bottleneck(self, features: int) -> int:
        """K for that many features.

        Examples
        --------
        >>> Architecture().bottleneck(4), Architecture().bottleneck(21), Architecture().bottleneck(1)
        (3, 13, 1)
        """
        if self.latents is not None:
            return self.latents
        return max(1, features - 1 if features <= FEW_FEATURES else round(SHARE_OF_LATENTS * features))

    def describe(self, features: int) -> str:
        """In the literature's notation.

        Examples
        --------
        >>> Architecture((200, 100, 50), 3, "tanh").describe(4)
        '4-200-100-50-3-50-100-200-4 tanh'
        """
        sizes = [features, *self.layers, self.bottleneck(features), *reversed(self.layers), features]
        extras = [word for word in ("batch_norm", "residual", "shortcut") if getattr(self, word)]
        if self.convolutions:
            extras.append("conv-" + "-".join(map(str, self.convolutions)))
        if self.beta is not None:
            extras.append(f"beta={self.beta:g}")
        return " ".join(["-".join(map(str, sizes)), self.activation, *extras])


PRESETS: Final[dict[str, Architecture]] = {
    "fast": Architecture(shortcut=True),
    "AE_3D_200": Architecture((200, 100, 50), 3, "tanh"),
    "200-200-20": Architecture((200, 200, 20), 3, "tanh"),
    "400-400-200": Architecture((400, 400, 200), 3, "leaky_relu"),
    "200-200-200": Architecture((200, 200, 200), None, "leaky_relu", batch_norm=True),
    "200-100-50": Architecture((200, 100, 50), None, "leaky_relu"),
}
"""``fast`` is for production; the others are architectures of the literature, for 4, 25 to 27, and 24 features."""


class Hyperparameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to train.

    Parameters
    ----------
    architecture
        Shape of the networks.
    scaling
        Of the inputs; see `hepae.core.bottleneck.scaling`.
    latent_dtype
        How latents are stored: ``float32``, ``float16``, ``uint16`` or ``uint8`` (fixed-point).
    latents_only
        Store no corrections, claim no bound.
    validation
        Share of the events that is held back for the validation loss.
    epochs
        Passes over the sample; None for as many as make about 24,000 steps, 8 to 400.
    batch_size
        Objects in a step.
    schedule
        ``one-cycle``: the learning rate rises and falls once. ``plateau``: it is halved when the validation loss rests.
    learning_rate, weight_decay
        Of AdamW; the largest rate for ``one-cycle``.
    find_rate
        Let a range test choose the learning rate.
    patience
        Stop after so many epochs without a better validation loss; None: never.
    seed
        Of the split, the initial weights and the order of objects.
    threads
        Threads of PyTorch; None for what it is set to. Results are reproducible for a given number of threads.
    device
        ``cpu``, ``cuda``, …
    """

    architecture: Architecture = PRESETS["fast"]
    scaling: Scaling = "minmax"
    latent_dtype: LatentDtype = "float32"
    latents_only: bool = False
    validation: float = 0.2
    epochs: int | None = None
    batch_size: int = 512
    schedule: Schedule = "one-cycle"
    learning_rate: float = 3e-3
    weight_decay: float = 0.0
    find_rate: bool = False
    patience: int | None = None
    seed: int = 1
    threads: int | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.scaling not in SCALINGS:
            raise SchemaError("no such scaling", expected=", ".join(SCALINGS), got=self.scaling)
        if not 0 <= self.validation < 1:
            raise SchemaError(
                "a validation share that cannot be", expected="0 <= share < 1", got=self.validation
            )
        for name, least in (("batch_size", 1), ("epochs", 0), ("patience", 1), ("threads", 1)):
            number = getattr(self, name)
            if number is not None and number < least:
                raise SchemaError(
                    f"a choice of {name} that cannot be", expected=f"at least {least}", got=number
                )
        limits.check("seed", self.seed, LARGEST_SEED)
        if not (0 < self.learning_rate < math.inf and 0 <= self.weight_decay < math.inf):
            got = (self.learning_rate, self.weight_decay)
            raise SchemaError("a learning rate or weight decay that cannot be", got=got)

    def passes(self, objects: int) -> int:
        """Epochs for that many objects.

        Examples
        --------
        >>> Hyperparameters().passes(18_000), Hyperparameters(epochs=3).passes(18_000), Hyperparameters().passes(0)
        (400, 3, 0)
        """
        if objects == 0 or self.epochs is not None:
            return self.epochs if objects and self.epochs is not None else 0
        return min(400, max(8, round(DEFAULT_STEPS / math.ceil(objects / self.batch_size))))


def preset(name: str) -> Architecture:
    """The architecture of that name, or one written out, such as ``200-100-50``.

    Raises
    ------
    SchemaError
        If it is neither.
    """
    if name in PRESETS:
        return PRESETS[name]
    sizes = name.split("-")
    if all(size.isdecimal() for size in sizes):
        return Architecture(tuple(map(int, sizes)))
    hint = nearest(name, PRESETS) or "or give layer sizes, such as 200-100-50"
    raise SchemaError("no such preset", expected=", ".join(PRESETS), got=name, hint=hint)
