"""Commands for jets as images and for anomaly scores: images, score."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from hepae.cli import tables
from hepae.cli.arguments import add_force, local, location
from hepae.cli.progress import reporter
from hepae.lab.images.pixels import CHANNELS, Alignment, Normalisation
from hepae.lab.images.spec import ImageRecipe, ImageSpec, Loss
from hepae.model.model import Model
from hepae.root.file.atomic import atomic_output

if TYPE_CHECKING:
    from hepae.lab.images.model import ImageModel

__all__ = ["add_images", "add_score"]

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: name, function, help, example."""


def add_images(add: Add) -> None:
    """Add `hepae images` to a parser."""
    part = add("images", write, "jets as images: write them, train autoencoders of them, draw them",
               "hepae images train jets.root -o vae.onnx --beta 1 --cut 'FatJet_isTop == 0'")  # fmt: skip
    # each of its commands says what is run instead
    parts = part.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _write(parts)
    _train(parts)
    _draw(parts)


def add_score(add: Add) -> None:
    """Add `hepae score` to a parser."""
    part = add("score", score, "write how far each jet is from those that a model was trained on, as a branch",
               "hepae score vae.onnx jets.root scored.root")  # fmt: skip
    part.add_argument(
        "model", type=location, help="of `hepae images train`, or of `hepae train --codec bottleneck`"
    )
    _input_output(part)
    part.add_argument(
        "--name", default="hepae", help="branches are called FatJet_NAME_score, FatJet_NAME_kl, …"
    )
    part.add_argument("--jet", help="what stands for FatJet in them; default: the prefix of most branches")
    part.add_argument("--latents", action="store_true", help="write the latents too")
    part.add_argument("--threads", type=int, default=1)


def _part(parts: Any, name: str, run: Callable[..., int], text: str, example: str) -> argparse.ArgumentParser:
    part: argparse.ArgumentParser = parts.add_parser(
        name, help=text, description=text, epilog=f"example: {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    part.set_defaults(run=run)
    part.add_argument("--json", action="store_true", help="print the result as JSON")
    return part


def _write(parts: Any) -> None:
    part = _part(parts, "write", write, "write a copy of a file with an image for every jet, as a branch",
                 "hepae images write jets.root images.root --channels ecal,hcal,track")  # fmt: skip
    _input_output(part)
    _image(part)
    part.add_argument("--branch", default="FatJet_image", help="name of the branch (default: FatJet_image)")


def _train(parts: Any) -> None:
    part = _part(parts, "train", train, "train an autoencoder of images and export it to ONNX",
                 "hepae images train jets.root -o vae.onnx --beta 1 --cut 'FatJet_isTop == 0'")  # fmt: skip
    part.add_argument("files", nargs="+", type=location, help="ROOT files, one jet an entry")
    part.add_argument("-o", "--output", type=local, required=True, help="the model to write (.onnx)")
    add_force(part)
    part.add_argument("--tree", help="name of the tree")
    _image(part)
    _choice(part)
    given = msgspec.structs.fields(ImageRecipe)
    group = part.add_argument_group("network and training")
    group.add_argument("--loss", choices=get_args(Loss), help="of pixels (default: bce)")
    helps = {
        "latents": "numbers between encoder and decoder", "beta": "variational, with this weight of the divergence",
        "warm_up": "share of the epochs in which that weight grows",
        "draws": "particles that an image stands for, for --loss bce",
        "noise": "of a pixel, for --loss mse",
        "filters": "channels of the first convolution", "hidden": "units of the dense layer", "epochs": None,
        "batch_size": None, "learning_rate": None, "validation": "share of the jets", "seed": None, "threads": None,
    }  # fmt: skip
    for field in given:
        if field.name in helps:
            kind = float if "float" in str(field.type) else int
            text = helps[field.name] or ""
            default = "" if field.default is None else f" (default: {field.default})"
            option = f"--{field.name.replace('_', '-')}"
            group.add_argument(option, type=kind, help=f"{text}{default}".strip())
    group.add_argument("--device", help="where torch trains: cpu (default), cuda")


def _draw(parts: Any) -> None:
    part = _part(parts, "draw", draw, "draw what a model makes of jets: images beside their reconstructions, the mean "
                 "image, losses, and for variational models what each latent does",
                 "hepae images draw vae.onnx jets.root -o pictures")  # fmt: skip
    part.add_argument("model", type=location)
    part.add_argument("file", type=location, help="ROOT file, one jet an entry")
    part.add_argument("-o", "--output", type=local, required=True, metavar="DIR", help="where pictures go")
    add_force(part)
    part.add_argument("--tree", help="name of the tree")
    _choice(part)


def _input_output(part: argparse.ArgumentParser) -> None:
    part.add_argument("input", type=location, help="ROOT file, compressed by hepae or not")
    part.add_argument("output", type=local, help="ROOT file to write: all of the input, and the new branches")
    add_force(part)
    part.add_argument("--tree", help="name of the tree")
    part.add_argument("--model", dest="models", type=location, action="append", default=[],
                      help="model that the input holds by reference")  # fmt: skip


def _image(part: argparse.ArgumentParser) -> None:
    group = part.add_argument_group("images")
    group.add_argument("--constituents", help="collection of constituents; default: the one with px, py, pz")
    group.add_argument("--pixels", type=int, default=40, help="along either axis (default: 40)")
    group.add_argument("--half-width", type=float, default=0.8, help="in eta and phi (default: 0.8)")
    group.add_argument(
        "--channels", type=_names, default=("all",), help=f"of {', '.join(CHANNELS)} (default: all)"
    )
    group.add_argument("--no-flip", dest="flip", action="store_false", help="do not mirror")
    group.add_argument("--normalise", choices=get_args(Normalisation), default="sum")
    group.add_argument(
        "--align", choices=get_args(Alignment), default="constituents",
        help="centred on the leading constituent, turned by the second; or by moments of all",
    )  # fmt: skip
    group.add_argument(
        "--power", type=float, default=1.0, help="raise pixels to it: below 1 lifts the faint ones"
    )


def _choice(part: argparse.ArgumentParser) -> None:
    part.add_argument("--cut", help="only entries such as 'FatJet_isTop == 0'")
    part.add_argument(
        "--entries", type=_range, default=(0, None), metavar="FIRST:LAST", help="such as 0:14000"
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _range(text: str) -> tuple[int, int | None]:
    first, _, last = text.partition(":")
    return int(first or 0), int(last) if last else None


def _spec(options: argparse.Namespace) -> ImageSpec:
    names = ("pixels", "half_width", "channels", "flip", "normalise", "power", "align")
    return ImageSpec(**{name: getattr(options, name) for name in names})


def write(options: argparse.Namespace) -> int:
    """`hepae images write`."""
    from hepae.lab.images.writing import write_images

    with reporter() as report:
        count = write_images(
            options.input,
            options.output,
            _spec(options),
            branch=options.branch,
            constituents=options.constituents,
            tree=options.tree,
            models=[Model.load(path) for path in options.models],
            force=options.force,
            report=report,
        )
    result = {"output": str(options.output), "images": count, "bytes": options.output.stat().st_size}
    tables.show(result, tables.facts, options.json)
    return 0


def train(options: argparse.Namespace) -> int:
    """`hepae images train`."""
    from hepae.lab.images.modelling import train_images

    names = (field.name for field in msgspec.structs.fields(ImageRecipe))
    choices = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    with atomic_output(options.output, options.files, force=options.force) as temporary, reporter() as report:
        model = train_images(
            options.files,
            image=_spec(options),
            recipe=ImageRecipe(**choices),
            constituents=options.constituents,
            tree=options.tree,
            cut=options.cut,
            entries=options.entries,
            report=report,
        )
        model.save(temporary, force=True)
    tables.show(_facts(model, options.output), tables.facts, options.json)
    return 0


def _facts(model: ImageModel, path: Path) -> dict[str, object]:
    manifest = model.manifest
    facts: dict[str, object] = {
        "model": str(path),
        "sha256": model.sha256,
        "bytes": len(model.data),
        "trained on": f"{manifest.training.objects} jets",
        "validation loss": f"{manifest.training.history[-1][1]:.5g} ({manifest.recipe.loss})",
    }
    if manifest.variational:
        facts["divergence, nats"] = f"{manifest.divergences[-1]:.4g}"
    return facts


def draw(options: argparse.Namespace) -> int:
    """`hepae images draw`."""
    from hepae.lab.images.figures import draw_model
    from hepae.lab.images.model import ImageModel

    model = ImageModel.load(options.model)
    paths = draw_model(
        model,
        options.file,
        options.output,
        tree=options.tree,
        cut=options.cut,
        entries=options.entries,
        force=options.force,
    )
    tables.show({path.stem: str(path) for path in paths}, tables.facts, options.json)
    return 0


def score(options: argparse.Namespace) -> int:
    """`hepae score`."""
    from hepae.lab.scoring import load_model
    from hepae.lab.scoring import score as run

    with reporter() as report:
        done = run(
            options.input,
            options.output,
            load_model(options.model, options.threads),
            name=options.name,
            jet=options.jet,
            latents=options.latents,
            tree=options.tree,
            models=[Model.load(path) for path in options.models],
            force=options.force,
            report=report,
        )
    result = asdict(done)
    result |= {f"mean {name}": f"{mean:.5g}" for name, mean in result.pop("means").items()}
    tables.show(result, tables.facts, options.json)
    return 0
