"""What `hepae inspect` and a dry run of `hepae compress` say: a table of tables for each tree, columns on demand."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from hepae.cli.arguments import Add, location
from hepae.cli.choices import names_said
from hepae.cli.progress import reporter
from hepae.cli.tables import Result, facts, fitted, listed, show
from hepae.errors import InputError, nearest
from hepae.shown.notebook import counted

if TYPE_CHECKING:
    from hepae.core.tables.dataset import KnownTree
    from hepae.model.dataset import DatasetModel

__all__ = ["add_inspect", "dry_run", "inspect"]

MOST_TREES = 12
MOST_TABLES = 25
MOST_COARSENED = 40
"""Columns with bounds that a dry run lists."""

MOST_NEEDS = 3
"""Names of columns that a column is predicted from; --json has all."""

COMPRESS = (
    "`hepae compress IN OUT` stores every value exactly;\n`hepae compress --dry-run IN` estimates the sizes."
)
DECOMPRESS = "`hepae decompress` gives the original back."
COLUMNS_HINT = "`--columns`, or a pattern such as 'Jet_*', lists columns."


def add_inspect(add: Add) -> None:
    """Add `hepae inspect` to a parser."""
    part = add(
        "inspect",
        inspect,
        "show what is in a file: trees, tables, columns, bytes, bounds",
        "hepae inspect events.root 'Jet_*'",
    )
    part.add_argument("file", type=location, help="ROOT or CSV file, or a model (.onnx)")
    part.add_argument(
        "patterns",
        nargs="*",
        default=[],
        type=names_said,
        metavar="PATTERNS",
        help="list these columns, with range and precision in use: 'Jet_*,run'",
    )
    part.add_argument("--columns", action="store_true", help="list all columns")
    part.add_argument("--tree", help="only this tree")


def inspect(options: argparse.Namespace) -> int:
    """`hepae inspect`."""
    from hepae.files.inspect.file import inspect as run

    if Path(options.file).suffix == ".onnx":
        return _inspect_model(options)
    patterns = _patterns(options)
    show_facts(asdict(run(options.file, options.tree, patterns)), patterns, options.json)
    return 0


def _inspect_model(options: argparse.Namespace) -> int:
    """Of a model file what it is for."""
    from hepae.cli.models import dataset_facts, load_model, model_facts, predicted_columns
    from hepae.model.dataset import DatasetModel

    model, patterns = load_model(options.file), _patterns(options)
    if not isinstance(model, DatasetModel):
        if patterns or options.tree:
            hint = "a model of a collection is shown whole: leave out --columns, --tree and names"
            raise InputError(
                "a model of one collection has no columns of files", where=options.file, hint=hint
            )
        show(model_facts(model, options.file), facts, options.json)
        return 0
    known = dataset_facts(model, options.file, trees := _trees(model, options))
    columns = [
        column
        for tree in trees
        for column in predicted_columns(tree)
        if any(fnmatchcase(column["column"], pattern) for pattern in patterns)
    ]
    show({**known, "columns": columns} if patterns else known, partial(_model_page, known), options.json)
    return 0


def _trees(model: DatasetModel, options: argparse.Namespace) -> list[KnownTree]:
    """The trees of a model that are shown: all, or the one that was named.

    Raises
    ------
    InputError
        If the model does not know it.
    """
    trees = {tree.tree: tree for tree in model.known.trees}
    if options.tree is None:
        return list(trees.values())
    if options.tree not in trees:
        hint = nearest(options.tree, trees) or None
        raise InputError(
            f"no tree {options.tree!r}", where=options.file, expected=", ".join(trees), hint=hint
        )
    return [trees[options.tree]]


def _model_page(known: Mapping[str, Any], result: Result, console: Console) -> None:
    """What a model is for, and the columns that it predicts."""
    facts(known, console)
    columns = result.get("columns", ())
    if columns:
        rows = [[cell(column, 0) for cell in PREDICTED.values()] for column in columns]
        console.print("\nbits of a row in the sample that it was trained on", highlight=False)
        fitted(console, list(PREDICTED), rows, spare=("predicted from",))


def _patterns(options: argparse.Namespace) -> list[str]:
    """Which columns are listed."""
    return ["*"] if options.columns else [name for names in options.patterns for name in names]


def dry_run(options: argparse.Namespace, choices: Mapping[str, Any]) -> int:
    """`hepae compress --dry-run`."""
    from hepae.files.compress.narrowing import narrowing_of
    from hepae.files.inspect.estimate import estimate
    from hepae.files.inspect.file import inspect as run
    from hepae.learn.whole.lifted import lifted_tables

    collections = choices["collection"] or ()
    narrowing = narrowing_of(
        choices["only"],
        choices["skip"],
        (collections,) if isinstance(collections, str) else collections,
        choices["tree"],
    )
    facts = run(options.files[0])
    with reporter() as report:
        dither = bool(choices.get("dither"))
        estimate(facts, choices["bound"], narrowing, dither, report, search=lifted_tables)
    columns = [column for tree in facts.trees for column in tree.columns]
    coarsened = [column.name for column in columns if column.bound not in ("", "exact") and not column.kept]
    show_facts(asdict(facts), coarsened[:MOST_COARSENED], options.json)
    return 0


def show_facts(result: Result, patterns: Sequence[str], as_json: bool) -> None:
    """Print what is known of a file: all of it as JSON, or a page and the columns that patterns match."""
    show(result, partial(_page, patterns), as_json)


def _page(patterns: Sequence[str], result: Result, console: Console) -> None:
    after = result["after"]
    estimate = (
        "" if after is None else f"; about {after:,} B compressed, {after / max(result['size'], 1):.3f} of it"
    )
    console.print(f"[bold]{result['path']}[/bold]: {result['size']:,} B{estimate}", highlight=False)
    trees = sorted(result["trees"], key=lambda tree: -sum(table["on_disk"] for table in tree["tables"]))
    for tree in trees[:MOST_TREES]:
        _tree(tree, result["size"], patterns, console)
    if len(trees) > MOST_TREES:
        more = counted(len(trees) - MOST_TREES, "more tree")
        console.print(f"\nand {more}; --json has them all", highlight=False)
    if result["rest"] is not None:
        share = result["rest"] / max(result["size"], 1)
        console.print(f"\nheaders and all else: {result['rest']:,} B, {share:.1%}", highlight=False)
    keys = {f"{key['path']};{key['cycle']}": key["classname"] for key in result["keys"]}
    if keys or result["models"]:
        console.print()
    listed("other objects", [f"{name} ({kind})" for name, kind in keys.items()], console)
    models = [f"{sha256} ({size:,} B)" for sha256, size in result["models"].items()]
    listed("models (SHA-256)", models, console)
    if after is None and trees and not patterns:
        _hint(trees, console)


def _hint(trees: Sequence[Result], console: Console) -> None:
    lines = [COLUMNS_HINT]
    if any(tree["compressed"] for tree in trees):
        lines.insert(0, DECOMPRESS)
    elif any(table["bounds"] for tree in trees for table in tree["tables"]):
        lines.insert(0, COMPRESS)
    console.print("\n" + "\n".join(lines), highlight=False)


def _tree(tree: Result, size: int, patterns: Sequence[str], console: Console) -> None:
    state = ", compressed" if tree["compressed"] else ""
    state += f": {tree['kept']}" if tree["kept"] else ""
    console.print(
        f"\n[bold]{tree['path']}[/bold]: {tree['classname']}, {counted(tree['entries'], 'entry')}{state}",
        highlight=False,
    )
    tables = tree["tables"]
    spare = (
        []
        if tree["compressed"] or any(table["after"] is not None for table in tables)
        else [*PLANNED.values()]
    )
    fitted(
        console, *_columns_with_content(TABLES, tables[:MOST_TABLES], size, tree["compressed"]), spare=spare
    )
    if len(tables) > MOST_TABLES:
        rest = sum(table["on_disk"] for table in tables[MOST_TABLES:])
        console.print(
            f"and {counted(len(tables) - MOST_TABLES, 'smaller table')} of {rest:,} B; --json has them all",
            highlight=False,
        )
    _kept(tree, console)
    chosen = [column for column in tree["columns"] if any(_matches(column["name"], one) for one in patterns)]
    if chosen:
        console.print()
        fitted(console, *_columns_with_content(COLUMNS, chosen, size, tree["compressed"]), spare=spare)


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)


def _kept(tree: Result, console: Console) -> None:
    """Why branches stay as they are: a line for each reason."""
    reasons: dict[str, list[Result]] = {}
    for column in tree["columns"]:
        if column["kept"]:
            reasons.setdefault(column["kept"], []).append(column)
    for reason, columns in reasons.items():
        names = ", ".join(column["name"] for column in columns[:4])
        more = f" and {len(columns) - 4:,} more" if len(columns) > 4 else ""
        size = sum(column["on_disk"] for column in columns)
        console.print(f"kept, {size:,} B, {reason}: {names}{more}", highlight=False, soft_wrap=True)


Cell = Callable[[Result, int], str]


def _columns_with_content(
    cells: Mapping[str, Cell], rows: Sequence[Result], size: int, compressed: bool
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a table, without the columns that have nothing in any row."""
    texts = [[cell(row, size) for cell in cells.values()] for row in rows]
    names = [name if compressed else PLANNED.get(name, name) for name in cells]
    full = [at for at in range(len(names)) if any(row[at] for row in texts)]
    return [names[at] for at in full], [[row[at] for at in full] for row in texts]


def _fate(table: Result, _: int) -> str:
    """Bounds of the columns of a table, and how many stay."""
    parts = dict(table["bounds"])
    if table["kept"]:
        parts["kept"] = table["kept"]
    if len(parts) == 1:
        return str(next(iter(parts)))
    shown = sorted(parts.items(), key=lambda item: -item[1])
    return ", ".join(f"{number:,} {word}" for word, number in shown)


def _number(name: str) -> Cell:
    return lambda row, _: "" if row[name] is None else f"{row[name]:,}"


def _ratio(row: Result, _: int) -> str:
    return "" if row["after"] is None or not row["on_disk"] else f"{row['after'] / row['on_disk']:.3f}"


def _share(row: Result, size: int) -> str:
    return f"{row['on_disk'] / size:.1%}" if row["on_disk"] and size else ""


def _of_values(name: str, written: Callable[[Any], str]) -> Cell:
    def cell(row: Result, _: int) -> str:
        known = row["values"] is not None and row["values"][name] is not None
        return written(row["values"][name]) if known else ""

    return cell


def _stored(column: Result, _: int) -> str:
    return (
        f"{column['bound']}{', ' + column['codec'] if column['codec'] else ''}" if column["bound"] else "kept"
    )


def _first(name: str) -> Cell:
    """The first columns that a column is predicted from, and how many more there are."""

    def cell(column: Result, _: int) -> str:
        names, more = column[name][:MOST_NEEDS], len(column[name]) - MOST_NEEDS
        return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")

    return cell


def _bits(name: str) -> Cell:
    return lambda column, _: "" if column[name] is None else f"{column[name]:.1f}"


def _saved(column: Result, _: int) -> str:
    alone, predicted = column["bits_alone"], column["bits_predicted"]
    return f"{1 - predicted / alone:.0%}" if alone else ""


# the last of a table is dropped first where the terminal is narrow
PLANNED = {"stored": "would be stored"}
TABLES: dict[str, Cell] = {
    "table": lambda table, _: str(table["name"]),
    "rows": _number("rows"),
    "columns": _number("columns"),
    "on disk, B": lambda table, _: f"{table['on_disk']:,}" if table["on_disk"] else "",
    "after, B": _number("after"),
    "ratio": _ratio,
    "stored": _fate,
    "share": _share,
}
COLUMNS: dict[str, Cell] = {
    "column": lambda column, _: str(column["name"]),
    "type": lambda column, _: str(column["dtype"]),
    "on disk, B": lambda column, _: f"{column['on_disk']:,}" if column["on_disk"] else "",
    "after, B": _number("after"),
    "ratio": _ratio,
    "stored": _stored,
    "predicted from": _first("needs"),
    "mantissa": _of_values("mantissa", str),
    "smallest": _of_values("low", lambda value: f"{value:.6g}"),
    "largest": _of_values("high", lambda value: f"{value:.6g}"),
    "not finite": _of_values("non_finite", lambda share: f"{share:.3%}" if share else ""),
}
PREDICTED: dict[str, Cell] = {
    "column": lambda column, _: str(column["column"]),
    "by itself": _bits("bits_alone"),
    "predicted": _bits("bits_predicted"),
    "saves": _saved,
    "columns read": _number("columns_read"),
    "predicted from": _first("predicted_from"),
}
