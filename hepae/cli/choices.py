"""What several commands let a user choose: what to train on, with which bounds, and how; and the file that says so."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from hepae.errors import InputError, SchemaError
from hepae.learn.recipe import CHOICES, CODECS, EFFORTS

__all__ = [
    "BOUNDS_HELP",
    "bounds_option",
    "choices_of",
    "is_whole",
    "names_said",
    "recipe_choices",
    "training_options",
]

BOUNDS_HELP = (
    "NAMES=BOUND, repeatable; names with or without prefix, wildcards allowed; BOUND is abs:E, rel:R, bits:N or exact "
    "(the default)"
)


def training_options(part: argparse.ArgumentParser) -> None:
    """Add the options that say what to train on, and how; all but the tree and the bounds."""
    _model(part.add_argument_group("a model of a collection"))
    _architecture(part.add_argument_group("bottleneck (float autoencoder)"))


def bounds_option(part: argparse.ArgumentParser) -> None:
    """Add the option ``--bound``."""
    part.add_argument("--bound", action="append", default=[], metavar="NAMES=BOUND", help=BOUNDS_HELP)


def _model(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--collection", action="append", help="such as Jet; repeatable for whole files")
    group.add_argument(
        "--features", type=names_said, action="extend", help="only these features, such as pt,eta,phi,mass"
    )
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with the same words as the options"
    )
    group.add_argument("--codec", choices=CODECS, help="default: masked")
    group.add_argument(
        "--condition",
        dest="conditions",
        type=names_said,
        action="extend",
        help="event branches to condition on: MET,METphi",
    )
    group.add_argument("--effort", choices=EFFORTS, help="chunked codecs: size against time")
    group.add_argument(
        "--dither",
        action="store_true",
        default=None,
        help="fill the cells of the lattice evenly, against combs",
    )
    group.add_argument(
        "--kinematics", type=_roles, metavar="ROLE=FEATURE,…", help="roles that names do not tell"
    )
    group.add_argument("--seed", type=int, metavar="N")
    group.add_argument("--train-objects", type=int, metavar="N", help="train on at most this many objects")
    group.add_argument("--device", help="where torch trains: cpu (default), cuda")


def _architecture(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--preset", help="architecture by name: fast (default), AE_3D_200, 200-200-20, 400-400-200, …"
    )
    group.add_argument("--layers", type=_sizes, help="widths of the encoder's hidden layers: 200,100,50")
    group.add_argument("--latents", type=int, help="number of latents")
    group.add_argument("--activation", help="tanh, leaky_relu, elu, relu or silu")
    group.add_argument("--batch-norm", action=argparse.BooleanOptionalAction, default=None)
    group.add_argument("--dropout", type=float)
    group.add_argument(
        "--residual", action=argparse.BooleanOptionalAction, default=None, help="residual blocks"
    )
    group.add_argument(
        "--shortcut", action=argparse.BooleanOptionalAction, default=None, help="linear skip connections"
    )
    group.add_argument("--scaling", help="minmax, standard, minmax-standard or standard-minmax")
    group.add_argument("--epochs", type=int)
    group.add_argument("--batch-size", type=int)
    group.add_argument("--learning-rate", type=float)
    group.add_argument("--schedule", help="one-cycle or plateau")
    group.add_argument("--patience", type=int, help="epochs without progress after which to stop")
    group.add_argument("--validation", type=float, help="share of the events held back for validation")
    group.add_argument("--latent-dtype", choices=("float32", "float16", "uint16", "uint8"))
    group.add_argument(
        "--latents-only", action="store_true", default=None, help="no corrections and no bound"
    )
    group.add_argument("--checkpoint", help="resume from this file and save to it")


def names_said(text: str) -> tuple[str, ...]:
    """Names that an option lists, divided by commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(int(size) for size in text.replace("-", ",").split(","))


def _roles(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in names_said(text))


def choices_of(options: argparse.Namespace) -> dict[str, Any]:
    """Options of the command line over those of the TOML file, whose bounds come first: later ones win."""
    names = {*CHOICES, "collection", "features", "tree", "bound", "only", "skip"}
    given = {name: value for name, value in vars(options).items() if name in names and value is not None}
    configured = _configured(options.config) if options.config else {}
    unknown = sorted(set(configured) - names - {"condition", "keep"})
    if unknown:
        raise SchemaError("unknown words in the configuration", where=options.config, got=", ".join(unknown))
    if "condition" in configured:
        configured["conditions"] = configured.pop("condition")
    if "keep" in configured:  # another word for skip: both may be said
        configured["skip"] = [*_listed(configured.get("skip", [])), *_listed(configured.pop("keep"))]
    bounds = [*_listed(configured.pop("bound", [])), *given.pop("bound")]
    nothing: dict[str, Any] = {"collection": None, "features": None, "tree": None, "only": (), "skip": ()}
    return {**nothing, **configured, **given, "bound": bounds}


def _configured(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise InputError("the configuration cannot be read", where=path, got=problem.strerror) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError("the configuration is not TOML", where=path, got=problem) from None


def _listed(said: object) -> list[str]:
    """A list of a TOML file, or what stands for it: one word, or of bounds a table of names."""
    if isinstance(said, dict):
        return [f"{names}={bound}" for names, bound in said.items()]
    return [str(one) for one in said] if isinstance(said, list) else [str(said)]


def recipe_choices(choices: dict[str, Any]) -> dict[str, Any]:
    """Those of the choices that are of training."""
    return {name: choice for name, choice in choices.items() if name in CHOICES}


def is_whole(choices: dict[str, Any]) -> bool:
    """Whether whole files are meant: nothing was said that only a model of a collection has a use for."""
    said = [
        name
        for name, choice in recipe_choices(choices).items()
        if choice not in (None, False) and name != "dither"
    ]
    collections = [choices["collection"]] if isinstance(choices["collection"], str) else choices["collection"]
    return not said and not collections and choices["features"] is None
