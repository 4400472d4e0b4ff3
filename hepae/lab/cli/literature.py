"""Commands for those who compare: experiments, report, plot."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hepae.cli import tables
from hepae.cli.arguments import add_force, local, location
from hepae.cli.progress import Reporter, reporter
from hepae.errors import InputError, SchemaError, nearest
from hepae.input.events import is_csv
from hepae.model.model import Model
from hepae.root.file.atomic import check_target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hepae.lab.report.compared import Comparison

__all__ = ["add_experiments", "add_plot", "add_report"]

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: name, function, help, example."""

FORMATS = (".png", ".pdf", ".svg")
OVERVIEWS = ("sizes", "correlations", "corner", "loss")


def add_experiments(add: Add) -> None:
    """Add `hepae experiments` to a parser."""
    part = add("experiments", experiments, "run a grid of trainings and tabulate what each keeps, loses and costs",
               "hepae experiments scripts/grids/published.toml -o published --data ../shared/data")  # fmt: skip
    part.add_argument("grid", type=Path, help="TOML file; see hepae/lab/experiments/grid.py")
    part.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="where results go; resumed"
    )
    part.add_argument(
        "--data", type=Path, metavar="DIR", help="where the data are (default: beside the grid)"
    )
    part.add_argument("--quick", action="store_true", help="two epochs of 20,000 objects each: does it run?")


def add_report(add: Add) -> None:
    """Add `hepae report` to a parser."""
    part = add("report", report, "make a page of what a compressed file keeps and loses, and its histograms",
               "hepae report events.root small.root -o report.html")  # fmt: skip
    _pair(part)
    part.add_argument(
        "-o", "--output", type=local, required=True, help="HTML file to write; histograms go beside it"
    )
    add_force(part)


def add_plot(add: Add) -> None:
    """Add `hepae plot` to a parser."""
    part = add("plot", plot, "draw one plot of a report, in the terminal or into a file",
               "hepae plot pt events.root small.root -o pt.pdf")  # fmt: skip
    part.add_argument(
        "what",
        help=f"a feature, an observable (mass, dijet_mass, HT, MHT: four-vectors), {', '.join(OVERVIEWS)}; of names "
        "that are both, 'feature:mass'",
    )
    _pair(part)
    part.add_argument("-o", "--output", type=local, help="png, pdf or svg; the terminal without")
    add_force(part)
    part.add_argument(
        "--features", type=_names, default=(), help="corner: these features, such as pt,eta,phi"
    )


def _pair(part: argparse.ArgumentParser) -> None:
    part.add_argument("original", type=location)
    part.add_argument("file", type=location, help="compressed or restored file")
    part.add_argument("--collection", help="such as Jet; default: the whole file, or the first "
                      "that is compressed")  # fmt: skip
    part.add_argument(
        "--bound", action="append", default=[], metavar="NAMES=BOUND", help="bounds of a restored file"
    )
    part.add_argument("--model", type=location, action="append", default=[], help="model held by reference")
    part.add_argument("--tree", help="name of the tree in the original")


def experiments(options: argparse.Namespace) -> int:
    """`hepae experiments`."""
    from hepae.lab.experiments.running import run_grid

    with reporter() as progress:
        outcomes, failures = run_grid(
            options.grid, options.output, data_folder=options.data, quick=options.quick, report=progress
        )
    result = {
        "outcomes": [
            {"name": one.name, "stored": one.stored, "loss": one.quality.loss, "bits": one.bits}
            for one in outcomes
        ],
        "failures": {one.name: one.reason for one in failures},
        "table": str(options.output / "results.md"),
    }
    tables.show(result, _experiments, options.json)
    return 1 if failures else 0


def _experiments(result: tables.Result, console: Console) -> None:
    table = tables.table("experiment", "stored", "loss", "bits/object")
    for row in result["outcomes"]:
        bits = "" if row["bits"] is None else f"{row['bits']:.1f}"
        table.add_row(row["name"], row["stored"], f"{row['loss']:.2e}", bits)
    console.print(table)
    for name, reason in result["failures"].items():
        console.print(f"[red]{name}[/red]: {reason}", highlight=False)
    console.print(f"all columns: {result['table']}", highlight=False)


def report(options: argparse.Namespace) -> int:
    """`hepae report`."""
    from hepae.lab.report.histograms import check_pages
    from hepae.lab.report.page import write_report
    from hepae.lab.report.whole import is_whole

    check_pages(options.output, (options.original, options.file), force=options.force)
    if options.collection is None and not is_csv(options.original) and is_whole(options.file):
        return _whole_report(options)
    with reporter() as progress:
        comparison = _compared(options, progress)
        histograms = write_report(comparison, options.output, progress, force=options.force)
    facts = {
        "page": str(options.output),
        "bytes": options.output.stat().st_size,
        "histograms": str(histograms),
        "bits per object": 8 * comparison.collection_after / max(1, comparison.objects),
        "every bound kept": comparison.kept,
        **({"histograms that differ": comparison.combs} if comparison.combs else {}),
    }
    tables.show(facts, tables.facts, options.json)
    return 0 if comparison.kept else 1


def _whole_report(options: argparse.Namespace) -> int:
    """The report of a file that is compressed as a whole."""
    from hepae.lab.report.whole import compare_whole
    from hepae.lab.report.whole_page import write_whole_report

    models = [Model.load(path) for path in options.model]
    with reporter() as progress:
        comparison = compare_whole(
            options.original,
            options.file,
            bounds=options.bound,
            tree=options.tree,
            models=models,
            report=progress,
        )
        histograms = write_whole_report(comparison, options.output, progress, force=options.force)
    facts = {
        "page": str(options.output),
        "bytes": options.output.stat().st_size,
        "histograms": str(histograms),
        "before, bytes": comparison.original.size,
        "after, bytes": comparison.file.size,
        "coarsened columns": sum(map(len, comparison.coarsened.values())),
        "every bound kept": comparison.checked.kept,
    }
    tables.show(facts, tables.facts, options.json)
    return 0 if comparison.checked.kept else 1


def plot(options: argparse.Namespace) -> int:
    """`hepae plot`."""
    if options.output is not None and options.output.suffix.lower() not in FORMATS:
        raise InputError(
            "a figure of an unknown format", expected=", ".join(FORMATS), got=options.output.name
        )
    if options.output is not None:
        check_target(options.output, (options.original, options.file), force=options.force)
    with reporter() as progress:
        comparison = _compared(options, progress)
    if options.output is None:
        Console().print(_in_terminal(comparison, options))
        return 0
    from hepae.lab.report.figures import save

    save(_figure(comparison, options), options.output, force=options.force)
    tables.show({"figure": str(options.output)}, tables.facts, options.json)
    return 0


def _compared(options: argparse.Namespace, progress: Reporter) -> Comparison:
    from hepae.lab.report import figures  # noqa: F401 - refuse before the work, not after it
    from hepae.lab.report.comparison import compare

    return compare(
        options.original,
        options.file,
        collection=options.collection,
        bounds=options.bound,
        tree=options.tree,
        models=[Model.load(path) for path in options.model],
        report=progress,
    )


def _figure(comparison: Comparison, options: argparse.Namespace) -> Figure:
    from hepae.lab.report import figures

    if options.what == "sizes":
        return figures.sizes_figure(comparison)
    if options.what == "correlations":
        return figures.correlation_figure(comparison)
    if options.what == "corner":
        figure = figures.corner_figure(comparison, options.features)
        if figure is None:
            raise InputError("nothing to draw: every value is the same, bit for bit", where=comparison.file)
        return figure
    if options.what == "loss":
        return figures.loss_figure(_history(comparison))
    return figures.panel_figure(_panel(comparison, options.what))


def _in_terminal(comparison: Comparison, options: argparse.Namespace) -> Any:
    from hepae.lab.report import text

    if options.what == "sizes":
        return text.sizes_text(comparison)
    if options.what == "correlations":
        return text.correlation_text(comparison)
    if options.what == "corner":
        return text.corner_text(comparison, options.features)
    if options.what == "loss":
        return text.loss_text(_history(comparison))
    return text.panel_text(_panel(comparison, options.what))


def _panel(comparison: Comparison, what: str) -> Any:
    """An observable of that name, else a feature."""
    from hepae.lab.report.panels import feature_panel, observable_panels

    physics = {panel.name: panel for panel in observable_panels(comparison)}
    if what in physics:
        return physics[what]
    name = what.removeprefix("feature:")
    features = [feature.name for feature in comparison.features]
    if name not in (*features, *(feature.branch for feature in comparison.features)):
        known = (*features, *physics, *OVERVIEWS)
        raise SchemaError(
            "nothing of that name to plot",
            expected=", ".join(known),
            got=what,
            hint=nearest(what, known) or None,
        )
    return feature_panel(comparison.feature(name))


def _history(comparison: Comparison) -> tuple[tuple[float, float], ...]:
    history = () if comparison.manifest is None else comparison.manifest.training.history
    if not history:
        raise InputError(
            "no loss curve: nothing was trained by descent, or the file carries no model",
            where=comparison.file,
        )
    return history


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
