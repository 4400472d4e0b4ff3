"""How to train: the choices that a user has for each codec, with defaults that need none. No PyTorch here.

A choice that does nothing for the codec is an error, so that nobody waits for an effect that never comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from hepae import limits
from hepae.core.bottleneck.scaling import Scaling
from hepae.core.bottleneck.spec import LatentDtype
from hepae.errors import SchemaError, nearest
from hepae.learn.bottleneck.presets import (
    LARGEST_SEED,
    Activation,
    Architecture,
    Hyperparameters,
    Schedule,
    preset,
)

__all__ = [
    "CHOICES",
    "CODECS",
    "EFFORTS",
    "BottleneckChoices",
    "Choices",
    "LiftingChoices",
    "MaskedChoices",
    "Recipe",
    "names_of",
    "recipe_of",
]

EFFORTS: Final = ("fast", "default", "best")


class SharedChoices(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="codec"):
    """Choices that every codec has a use for.

    Parameters
    ----------
    seed
        Seed of the split by event and of the initial weights.
    train_objects
        At most this many objects are trained on, from runs of events evenly spread over the input.
    """

    seed: int = 1
    train_objects: int = 250_000

    def __post_init__(self) -> None:
        limits.check("seed", self.seed, LARGEST_SEED)
        if self.train_objects < 1:
            raise SchemaError("nothing to train on", where="train_objects", got=self.train_objects)


class ChunkedChoices(SharedChoices, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Choices for the codecs that code chunks of events.

    Parameters
    ----------
    conditions
        Event-level branches that the model may use and that stay in the file as they are, such as MET.
    effort
        How much size matters against training and reading time.
    dither
        Values fill their cells evenly, instead of standing in their middles.
    kinematics
        Roles of features that names do not tell, such as ``{"energy": "E"}``.
    """

    conditions: tuple[str, ...] = ()
    effort: Literal["fast", "default", "best"] = "default"
    dither: bool = False
    kinematics: dict[str, str] = {}


class MaskedChoices(ChunkedChoices, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="masked"):
    """The smallest files."""


class LiftingChoices(ChunkedChoices, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="lifting"):
    """The fastest reading."""


class BottleneckChoices(
    SharedChoices, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="bottleneck"
):
    """A float autoencoder with corrections.

    Parameters
    ----------
    preset
        Architecture by name, or layers written out, such as ``200-100-50``.
    layers, latents, activation, batch_norm, dropout, residual, shortcut, convolutions, beta
        As in `hepae.learn.bottleneck.presets.Architecture`; None for what the preset says.
    device
        Where torch trains: ``cpu``, ``cuda``, ``cuda:1``.
    checkpoint
        Path from which training resumes, and to which it saves.
    scaling, latent_dtype, latents_only, validation, epochs, batch_size, schedule, learning_rate, weight_decay, \
find_rate, patience, threads
        As in `hepae.learn.bottleneck.presets.Hyperparameters`.
    """

    preset: str = "fast"
    layers: tuple[int, ...] | None = None
    latents: int | None = None
    activation: Activation | None = None
    batch_norm: bool | None = None
    dropout: float | None = None
    residual: bool | None = None
    shortcut: bool | None = None
    convolutions: tuple[int, ...] | None = None
    beta: float | None = None
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
    threads: int | None = None
    device: str = "cpu"
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.hyperparameters  # refuses values that cannot be

    @property
    def architecture(self) -> Architecture:
        """That of the preset, with the changes that were asked for."""
        names = Architecture.__struct_fields__
        changes = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return msgspec.structs.replace(preset(self.preset), **changes)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """What the training of the autoencoder takes."""
        names = (name for name in Hyperparameters.__struct_fields__ if name != "architecture")
        return Hyperparameters(self.architecture, **{name: getattr(self, name) for name in names})


Choices = MaskedChoices | LiftingChoices | BottleneckChoices

BY_CODEC: Final[dict[str, type[Choices]]] = {
    "masked": MaskedChoices,
    "lifting": LiftingChoices,
    "bottleneck": BottleneckChoices,
}
CODECS: Final = tuple(BY_CODEC)


def names_of(codec: str) -> tuple[str, ...]:
    """Names of the choices that a codec has a use for."""
    return BY_CODEC[codec].__struct_fields__


CHOICES: Final = ("codec", *dict.fromkeys(name for codec in CODECS for name in names_of(codec)))
"""Words that `recipe_of` understands."""


@dataclass(frozen=True, init=False)
class Recipe:
    """How to train: a codec and choices for it.

    Parameters
    ----------
    codec
        ``masked`` (smallest files, the default), ``lifting`` (fastest reading) or ``bottleneck`` (float autoencoder).
    **choices
        The parameters of `MaskedChoices`, `LiftingChoices` or `BottleneckChoices`.

    Attributes
    ----------
    choices
        All choices of the codec, defaults too.
    given
        Those that were made, ``codec`` among them.

    Raises
    ------
    SchemaError
        If there is no such codec, it has no use for a choice, or a choice cannot be.

    Examples
    --------
    >>> Recipe(codec="lifting", effort="fast").choices.seed
    1
    >>> Recipe(codec="bottleneck", preset="AE_3D_200", activation="elu").choices.architecture.layers
    (200, 100, 50)
    """

    choices: Choices
    given: Mapping[str, Any] = field(compare=False, repr=False)

    def __init__(self, *, codec: str | None = None, **choices: Any) -> None:
        _require_use(codec or CODECS[0], choices)
        try:
            converted = msgspec.convert({"codec": codec or CODECS[0], **choices}, Choices)
        except msgspec.ValidationError as problem:
            raise SchemaError("not a choice for training", got=str(problem)) from None
        object.__setattr__(self, "choices", converted)
        object.__setattr__(self, "given", choices if codec is None else {"codec": codec, **choices})

    @property
    def codec(self) -> str:
        """Name of the codec."""
        return str(self.choices.__struct_config__.tag)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Event-level branches that the model may use."""
        return () if isinstance(self.choices, BottleneckChoices) else self.choices.conditions

    def replaced(self, **choices: Any) -> Recipe:
        """The same recipe with other choices."""
        return Recipe(**{**self.given, **choices})


def recipe_of(choices: Mapping[str, Any]) -> Recipe:
    """A recipe from loose choices, as a command line or a TOML file gives them; None means the default.

    Raises
    ------
    SchemaError
        As `Recipe`.

    Examples
    --------
    >>> recipe_of({"codec": "lifting", "seed": None}).codec
    'lifting'
    """
    return Recipe(**{name: choice for name, choice in choices.items() if choice is not None})


def _require_use(codec: str, choices: Mapping[str, Any]) -> None:
    """Refuse choices that would do nothing."""
    if codec not in CODECS:
        hint = nearest(codec, CODECS) or None
        raise SchemaError("no such codec", expected=", ".join(CODECS), got=codec, hint=hint)
    useless = [name for name in choices if name not in names_of(codec)]
    if not useless:
        return
    unknown = [name for name in useless if name not in CHOICES]
    if unknown:
        hint = nearest(unknown[0], CHOICES) or None
        raise SchemaError(
            "not a choice for training", expected=", ".join(CHOICES), got=", ".join(unknown), hint=hint
        )
    others = [other for other in CODECS if all(name in names_of(other) for name in useless)]
    raise SchemaError(
        f"choices that do nothing for the codec {codec}",
        expected=", ".join(names_of(codec)),
        got=", ".join(useless),
        hint=f"leave them out, or choose the codec {' or '.join(others)}" if others else "leave them out",
    )
