"""Results as tables for people, or as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from hepae.core.values.names import printable
from hepae.shown.notebook import sizes

__all__ = [
    "Result",
    "compression",
    "facts",
    "fitted",
    "listed",
    "rewritten",
    "show",
    "table",
    "whole_file",
]

Result = Mapping[str, Any]


def show(result: Result, shown: Callable[[Result, Console], None], as_json: bool) -> None:
    """Print a result in one of the two ways."""
    if as_json:
        text = msgspec.json.encode(result, enc_hook=str)
        sys.stdout.write(msgspec.json.format(text).decode() + "\n")
        return
    # a file or a pipe has no width of its own: give it that of a wide page
    console = Console(width=None if sys.stdout.isatty() else 150)
    shown(_as_text(result), console)


def _as_text(value: Any) -> Any:
    """A result whose strings, names from files among them, are nothing but text to a terminal and to rich."""
    if isinstance(value, str):
        return escape(printable(value))
    if isinstance(value, Mapping):
        return {_as_text(name): _as_text(one) for name, one in value.items()}
    return [_as_text(one) for one in value] if isinstance(value, list | tuple) else value


def facts(result: Result, console: Console) -> None:
    """Names and values, one a line."""
    shown = Table(show_header=False, box=None, pad_edge=False)
    shown.add_column(no_wrap=True)
    shown.add_column(overflow="fold")
    for name, value in result.items():
        shown.add_row(name.replace("_", " "), _written(value))
    console.print(shown)


def rewritten(result: Result, console: Console) -> None:
    """What became of a file, or of several: sentences, then the bytes."""
    for line in result.get("said", ()):
        console.print(line, highlight=False, soft_wrap=True)
    several = "files" if result.get("files", 1) > 1 else "file"
    console.print(f"{several}: {sizes(result['bytes_before'], result['bytes_after'])}")


def _written(value: object) -> str:
    """Integers with separators, seconds with two decimals."""
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


FEATURE_COLUMNS: Final = (
    "feature",
    "bound",
    "before, B",
    "after, B",
    "bits/object",
    "worst/bound",
    "escapes",
    "grid",
    "plain",
)


def compression(result: Result, console: Console, *, verbose: bool = False) -> None:
    """What `hepae compress` did with a collection: its sizes, and a row a feature where all is asked for."""
    objects = max(result["objects"], 1)
    if verbose:
        fitted(console, FEATURE_COLUMNS, [_feature_row(row, objects) for row in result["features"]])
        console.print()
    before, after = result["collection_before"], result["collection_after"]
    model = result["model_bytes"]
    console.print(
        f"{len(result['features'])} features of {result['objects']:,} objects in {result['events']:,} events: "
        f"{sizes(before, after)}, {8 * after / objects:.1f} bits an object"
    )
    console.print(
        f"codec {result['codec']}, the model "
        + (f"{model:,} B" if model else f"by reference: readers need {result['model']}"),
        soft_wrap=True,
    )
    _ending(result, console, result["train_seconds"])
    _next(result["target"], console)
    if result["warning"]:
        console.print(f"[yellow]{result['warning']}[/yellow]")


def _feature_row(row: Result, objects: int) -> list[str]:
    return [
        row["branch"],
        row["bound"],
        f"{row['bytes_before']:,}" if row["bytes_before"] else "",
        f"{row['bytes_after']:,}",
        f"{8 * row['bytes_after'] / objects:.2f}",
        f"{row['worst']:.3f}",
        str(row["escapes"]),
        row["grid"],
        "" if row["fallback"] is None else f"{row['fallback']:.0%}",
    ]


def _ending(result: Result, console: Console, train_seconds: float = 0.0) -> None:
    """The last lines about a compressed file: its size, times, and what can be done next."""
    before, after = result["file_before"], result["file_after"]
    console.print(f"file: {sizes(before, after)}")
    spent = f"{result['encode_seconds']:.1f} s to compress, {result['verify_seconds']:.1f} s to verify"
    trained = f"{train_seconds:.1f} s to train, " if train_seconds else ""
    console.print(f"every value compared with the input; {trained}{spent}")
    for line in result.get("left", ()):
        console.print(line, soft_wrap=True)


def _next(target: str, console: Console) -> None:
    """What can be done with a compressed file."""
    console.print(
        f"next: `hepae inspect {target}`; in Python, `import hepae` and read as before; `hepae decompress` restores",
        soft_wrap=True,
    )


def whole_file(result: Result, console: Console, *, verbose: bool = False) -> None:
    """What `hepae compress` did with a whole file: a row a tree, and the sizes."""
    rows = [
        [
            row["path"],
            f"{row['entries']:,}",
            f"{row['before']:,}",
            f"{row['after']:,}",
            f"{row['after'] / max(row['before'], 1):.3f}",
            f"{len(row['replaced']):,}",
            f"{len(row['kept']):,}",
        ]
        for row in result["trees"]
    ]
    columns = ("tree", "entries", "before, B", "after, B", "after/before", "branches", "kept")
    if rows:
        fitted(console, columns, rows)
    if verbose:
        for row in result["trees"]:
            listed(f"left as they are in {row['path']}", row["kept"], console)
    if result["model"]:
        _with_model(result, console)
    _ending(result, console)
    if result["repacked"]:
        console.print("every reader of ROOT files reads it, without hepae")
    elif rows:
        _next(result["target"], console)


def _with_model(result: Result, console: Console) -> None:
    """What a model of a data set did: how much is predicted, what it does not know, what the file does not have."""
    predicted = sum(row["predicted"] for row in result["trees"])
    console.print(f"model {result['model'][:12]}…: {predicted:,} columns are predicted from others")
    for row in result["trees"]:
        for what, names in (
            ("columns that the model does not know are coded plainly", row["unknown"]),
            ("columns of the model are not in the file", row["missing"]),
            ("columns keep the bounds of the model, which are tighter than what was asked", row["tighter"]),
        ):
            listed(f"{row['path']}: {len(names):,} {what}", names, console)


MOST_LISTED = 12


def listed(title: str, names: Iterable[str], console: Console) -> None:
    """Names on one line, cut where there are many."""
    shown = list(names)
    if shown:
        more = f" and {len(shown) - MOST_LISTED} more" if len(shown) > MOST_LISTED else ""
        line = f"{title}: {', '.join(shown[:MOST_LISTED])}{more}"
        console.print(line, highlight=False, soft_wrap=True)


def table(*columns: str) -> Table:
    """A table without lines: the first two columns to the left, numbers to the right."""
    made = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        made.add_column(column, justify="left" if place < 2 else "right", no_wrap=True)
    return made


NAME_WIDTH = 30
"""Characters that names have at least where a table is too wide; longer ones go on in the next line."""


def fitted(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], spare: Sequence[str] = ()
) -> None:
    """Print a table with as many of its columns as the width has room for; no number is cut.

    Those of ``spare`` go first, then the last ones. A first column that is too wide goes on in the next line.
    """
    dropped: list[int] = []
    order = [columns.index(name) for name in spare if name in columns]
    order += [at for at in range(len(columns) - 1, 0, -1) if at not in order]
    while not _fits(console, columns, rows, dropped):
        dropped.append(order[len(dropped)])
    if dropped:
        names = ", ".join(columns[at] for at in sorted(dropped))
        left = f"no room for: {names} (a wider terminal, a pipe or --json has them)"
        console.print(left, highlight=False, style="dim", soft_wrap=True)


def _fits(
    console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], dropped: Sequence[int]
) -> bool:
    """Print a table without some of its columns if that has room, or nothing else can be dropped."""
    kept = [at for at in range(len(columns)) if at not in dropped]
    shown = table(*(columns[at] for at in kept))
    for row in rows:
        shown.add_row(*(row[at] for at in kept))
    for at, column in zip(kept[1:], shown.columns[1:], strict=True):
        column.justify = "right" if all(_is_number(row[at]) for row in rows) else "left"
    shown.columns[0].no_wrap, shown.columns[0].overflow = False, "fold"
    wide = console.measure(shown, options=console.options.update_width(10_000)).maximum
    first = max((cell_len(Text.from_markup(row[0]).plain) for row in rows), default=0)
    if len(kept) > 1 and wide - max(first - NAME_WIDTH, 0) > console.width:
        return False
    shown.columns[0].max_width = max(console.width - (wide - max(first, len(columns[0]))), 1)
    console.print(shown)
    return True


def _is_number(cell: str) -> bool:
    """Whether a cell of a table, with its markup, is a number or empty."""
    return Text.from_markup(cell).plain[:1] in ("", *"0123456789+-.")
