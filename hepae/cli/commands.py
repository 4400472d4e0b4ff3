"""What each command does: options in, a result shown, an exit code out."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from rich.console import Console

from hepae.cli import tables, verification
from hepae.cli.arguments import Add, add_force, local, location
from hepae.cli.choices import (
    BOUNDS_HELP,
    bounds_option,
    choices_of,
    is_whole,
    recipe_choices,
    training_options,
)
from hepae.cli.inspection import add_inspect
from hepae.cli.models import dataset_facts, load_model, model_facts
from hepae.cli.progress import reporter
from hepae.input.events import is_csv
from hepae.learn.recipe import recipe_of
from hepae.root.file.atomic import atomic_output
from hepae.root.file.source import size_of

__all__ = ["add_commands", "decompress", "train", "verify"]


def add_commands(add: Add) -> None:
    """Add the commands of this module to a parser."""
    add_inspect(add)
    part = add(
        "train", train, "train a model of whole files, or of a collection, and export it to ONNX",
        "hepae train a.root b.root -o jets.onnx --collection Jet --bound 'pt,mass=rel:1e-3'",
    )  # fmt: skip
    part.add_argument("files", nargs="+", type=location, help="ROOT or CSV files to train on")
    part.add_argument("-o", "--output", type=local, required=True, help="the model to write (.onnx)")
    add_force(part)
    part.usage = "hepae train [options] FILE [FILE ...] -o MODEL"
    bounds_option(part)
    part.add_argument("--tree", help="name of the tree; default: the one that has the collection")
    training_options(part)
    part = add(
        "decompress", decompress, "restore the original layout of a compressed file",
        "hepae decompress small.root restored.root",
    )  # fmt: skip
    part.add_argument("input", type=location, help="file written by `hepae compress`")
    part.add_argument("output", type=local, help="ROOT file to write")
    add_force(part)
    part.add_argument("--model", type=location, action="append", default=[], help="model held by reference")
    part.add_argument("--tree", help="name of the tree")
    part.add_argument(
        "--format", choices=("ttree", "rntuple"), help="what trees become (default: what they were)"
    )
    part = add(
        "verify", verify, "compare every value with the original; exit code 1 on a violation",
        "hepae verify events.root small.root",
    )  # fmt: skip
    part.add_argument("original", type=location)
    part.add_argument("file", type=location, help="compressed or restored file")
    part.add_argument("--bound", action="append", default=[], metavar="NAMES=BOUND", help=BOUNDS_HELP)
    part.add_argument("--model", type=location, action="append", default=[], help="model held by reference")
    part.add_argument(
        "--tree", action="append", metavar="PATH", help="only this tree of the original; repeatable"
    )
    part.add_argument(
        "--recompressed",
        action="store_true",
        help="branches may be compressed otherwise, as `hepae repack` does",
    )


def train(options: argparse.Namespace) -> int:
    """`hepae train`."""
    from hepae.learn.modelling import train as fit

    choices = choices_of(options)
    if is_whole(choices) and not any(map(is_csv, options.files)):
        return _train_dataset(options, choices)
    with atomic_output(options.output, options.files, force=options.force) as temporary, reporter() as report:
        model = fit(
            options.files,
            collection=choices["collection"],
            features=choices["features"],
            bounds=choices["bound"],
            tree=choices["tree"],
            recipe=recipe_of(recipe_choices(choices)),
            report=report,
        )
        model.save(temporary, force=True)
    tables.show(model_facts(model, options.output), tables.facts, options.json)
    return 0


def _train_dataset(options: argparse.Namespace, choices: dict[str, Any]) -> int:
    """`hepae train` without a collection: a model of whole files."""
    from hepae.files.dataset import train_dataset

    with atomic_output(options.output, options.files, force=options.force) as temporary, reporter() as report:
        model = train_dataset(
            options.files,
            bounds=choices["bound"],
            only=choices["only"],
            skip=choices["skip"],
            tree=choices["tree"],
            dither=bool(choices.get("dither")),
            report=report,
        )
        model.save(temporary, force=True)
    tables.show(dataset_facts(model, options.output), tables.facts, options.json)
    return 0


def decompress(options: argparse.Namespace) -> int:
    """`hepae decompress`."""
    from hepae.files.decompress.file import decompress as run

    models = [load_model(path) for path in options.model]
    with reporter() as report:
        restored = run(
            options.input,
            options.output,
            tree=options.tree,
            models=models,
            container=options.format,
            force=options.force,
            report=report,
        )
    facts = {
        "source": str(options.input),
        "target": str(options.output),
        "restored": list(restored),
        "bytes_before": size_of(options.input),
        "bytes_after": size_of(options.output),
    }
    tables.show(facts, _decompressed, options.json)
    return 0


def _decompressed(result: tables.Result, console: Console) -> None:
    names = ", ".join(result["restored"])
    told = f"restored: {names}" if names else "nothing is compressed here, the file is copied as it is"
    tables.rewritten({**result, "said": [told]}, console)


def verify(options: argparse.Namespace) -> int:
    """`hepae verify`."""
    from hepae.files.verify.run import verify as run

    models = [load_model(path) for path in options.model]
    with reporter() as report:
        result = run(
            options.original,
            options.file,
            bounds=options.bound,
            tree=options.tree or None,
            models=models,
            recompressed=options.recompressed,
            report=report,
        )
    tables.show(
        {**asdict(result), "kept": result.kept, "combs": result.combs}, verification.table, options.json
    )
    return 0 if result.kept else 1
