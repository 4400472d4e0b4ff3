"""How to train: the choices that a user has, with defaults that need none. No PyTorch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from hepae.errors import SchemaError
from hepae.learn.bottleneck import presets

__all__ = ["CHOICES", "CODECS", "EFFORTS", "Recipe", "recipe_of"]

CODECS = ("masked", "lifting", "bottleneck")
EFFORTS = ("fast", "default", "best")


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Choices for training.

    Parameters
    ----------
    codec
        ``masked`` (smallest files), ``lifting`` (fastest reading) or ``bottleneck`` (float autoencoder).
    conditions
        Event-level branches that the model may use and that stay in the file as they are, such as MET.
    effort
        Chunked codecs: how much size matters against training and reading time.
    dither
        Chunked codecs: values fill their cells evenly, instead of standing in their middles.
    kinematics
        Chunked codecs: roles of features that names do not tell, such as ``{"energy": "E"}``.
    seed
        Seed of the split by event and of the initial weights.
    train_objects
        At most this many objects are trained on, from runs of events evenly spread over the input.
    device
        Where torch trains: ``cpu``, ``cuda``, ``cuda:1``.
    checkpoint
        Path from which training resumes, and to which it saves.
    bottleneck
        Architecture, scaling and optimisation of a float autoencoder.
    """

    codec: Literal["masked", "lifting", "bottleneck"] = "masked"
    conditions: tuple[str, ...] = ()
    effort: Literal["fast", "default", "best"] = "default"
    dither: bool = False
    kinematics: dict[str, str] = {}
    seed: int = 1
    train_objects: int = 250_000
    device: str = "cpu"
    checkpoint: str | None = None
    bottleneck: presets.Hyperparameters = presets.Hyperparameters()


ARCHITECTURE = presets.Architecture.__struct_fields__
OPTIMISATION = tuple(
    name
    for name in presets.Hyperparameters.__struct_fields__
    if name not in ("architecture", *Recipe.__struct_fields__)
)
CHOICES = (
    *(name for name in Recipe.__struct_fields__ if name != "bottleneck"),
    "preset",
    *ARCHITECTURE,
    *OPTIMISATION,
)
"""Words that `recipe_of` understands."""


def recipe_of(choices: Mapping[str, Any]) -> Recipe:
    """A recipe from loose choices, as a command line or a TOML file gives them; None means the default.

    Raises
    ------
    SchemaError
        If a choice has no such name or type.

    Examples
    --------
    >>> recipe_of({"codec": "lifting", "seed": None}).codec
    'lifting'
    >>> recipe_of({"preset": "AE_3D_200", "activation": "elu"}).bottleneck.architecture.layers
    (200, 100, 50)
    """
    given = {name: choice for name, choice in choices.items() if choice is not None}
    unknown = sorted(set(given) - set(CHOICES))
    if unknown:
        raise SchemaError("not a choice for training", expected=", ".join(CHOICES), got=", ".join(unknown))
    try:
        architecture: dict[str, Any] = msgspec.structs.asdict(presets.preset(given.pop("preset", "fast")))
        architecture |= {name: given.pop(name) for name in ARCHITECTURE if name in given}
        optimisation = {name: given.pop(name) for name in OPTIMISATION if name in given}
        shared = {name: given[name] for name in ("seed", "device") if name in given}
        given["bottleneck"] = {**optimisation, **shared, "architecture": architecture}
        return msgspec.convert(given, Recipe, str_keys=True)
    except msgspec.ValidationError as problem:
        raise SchemaError("not a choice for training", got=str(problem)) from None
