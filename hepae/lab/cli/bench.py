"""`hepae bench`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from hepae.cli import tables
from hepae.cli.arguments import add_force, local, location
from hepae.cli.choices import bounds_option, choices_of, recipe_choices, training_options
from hepae.cli.progress import reporter
from hepae.errors import SchemaError
from hepae.learn.recipe import Recipe, names_of, recipe_of
from hepae.root.file.atomic import check_target

__all__ = ["METHODS", "add_bench", "bench"]

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: name, function, help, example."""

METHODS: Mapping[str, Mapping[str, Any]] = {
    "hepae bottleneck": {"codec": "bottleneck"},
    "hepae lifting, fast": {"codec": "lifting", "effort": "fast"},
    "hepae lifting": {"codec": "lifting"},
    "hepae masked, fast": {"codec": "masked", "effort": "fast"},
    "hepae masked": {"codec": "masked", "effort": "default"},
    "hepae masked, best": {"codec": "masked", "effort": "best"},
}


def add_bench(add: Add) -> None:
    """Add `hepae bench` to a parser."""
    part = add("bench", bench, "size, speed and worst error of hepae and of the alternatives, in one run",
               "hepae bench events.root --collection Jet --bound '*=rel:1e-3' --held-out 0.2")  # fmt: skip
    part.add_argument("file", type=location, help="ROOT or CSV file")
    part.add_argument(
        "--held-out", type=float, default=0.0, metavar="SHARE", help="report events not trained on"
    )
    part.add_argument(
        "--methods", type=_methods, help="only these of hepae, such as 'lifting;masked;masked, fast'"
    )
    part.add_argument("--no-alternatives", action="store_true", help="only hepae")
    part.add_argument("--plot", type=local, help="picture of size against speed (png, pdf, svg)")
    add_force(part)
    part.add_argument("--tree", help="name of the tree; default: the one that has the collection")
    bounds_option(part)
    training_options(part)


def _methods(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(";"))


def bench(options: argparse.Namespace) -> int:
    """Measure, show the table, draw the plot."""
    from hepae.lab.bench.run import bench as run

    if options.plot is not None:
        check_target(options.plot, (options.file,), force=options.force)
    choices = choices_of(options)
    wanted = [
        name for name in METHODS if options.methods is None or name.removeprefix("hepae ") in options.methods
    ]
    common = recipe_choices(choices)
    with reporter() as report:
        measured = run(
            options.file,
            collection=choices["collection"],
            features=choices["features"],
            bounds=choices["bound"],
            tree=choices["tree"],
            recipes=_recipes(wanted, common),
            held_out=options.held_out,
            alternatives=not options.no_alternatives,
            seed=common.get("seed") or 1,
            report=report,
        )
    if options.plot is not None:
        from hepae.lab.bench.plot import plot

        title = f"{Path(options.file).name}: size against speed at the same bounds"
        plot(measured, options.plot, title, force=options.force)
    rows = [{**asdict(one), "total": one.total} for one in measured]
    tables.show(
        {"file": str(options.file), "held_out": options.held_out, "methods": rows}, table, options.json
    )
    return 0 if all(one.worst <= 1 or not one.method.startswith("hepae") for one in measured) else 1


def _recipes(methods: Sequence[str], common: Mapping[str, Any]) -> dict[str, Recipe]:
    """A recipe for each method, with the choices that its codec has a use for."""
    known = {name: names_of(METHODS[name]["codec"]) for name in methods}
    decided = {"codec", *(["effort"] if all("effort" in METHODS[name] for name in methods) else [])}
    useless = [
        word for word in common if word in decided or not any(word in names for names in known.values())
    ]
    if useless:
        raise SchemaError(
            "choices that do nothing for these methods",
            expected="choices of their codecs",
            got=", ".join(useless),
            hint="choose methods with --methods",
        )
    own = {name: {word: common[word] for word in common if word in known[name]} for name in methods}
    return {name: recipe_of({**own[name], **METHODS[name]}) for name in methods}


def table(result: Mapping[str, Any], console: Console) -> None:
    """A row for each method."""
    speeds = "encode", "restore", "encode, all", "restore, all"
    shown = tables.table(
        "method", "bits/object", "of it model", "worst/bound", *speeds, "one/all", "train, s"
    )
    for row in result["methods"]:
        shown.add_row(
            row["method"],
            f"{8 * row['total']:.1f}",
            f"{8 * row['model']:.1f}" if row["model"] else "",
            f"[red]{row['worst']:.3f}[/red]" if row["worst"] > 1 else f"{row['worst']:.3f}",
            *(f"{row[name]:.1f}" for name in ("encode", "restore", "encode_all", "restore_all")),
            f"{row['one']:.2f}",
            f"{row['train_seconds']:.0f}" if row["train_seconds"] else "",
        )
    console.print(shown)
    held = result["held_out"]
    events = f"{held:.0%} of the events held out" if held else "all events"
    console.print(f"speeds in MB/s of the columns as stored; one/all: time of one feature; {events}")
