"""What `hepae verify` found, on a page: the trees, then the columns that were coarsened or that differ."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any

from rich.console import Console

from hepae.cli.tables import Result, fitted

__all__ = ["table"]

MOST_TREES = 12
MOST_COLUMNS = 25
MOST_SENTENCES = 15
"""Together with the offenders, no more than a page."""

# the last of a table is dropped first where the terminal is narrow
TREE_COLUMNS = ("tree", "entries", "columns", "same", "within bounds", "not kept", "before, B", "after, B")
COLUMN_COLUMNS = ("column", "bound", "worst/bound", "worst error", "out of bound", "values", "not same", "escapes",
                  "before, B", "after, B")  # fmt: skip

WITH_BOUNDS = (
    "columns that nobody gave a bound must be exact; a restored file does not say which\n"
    "bounds were asked for: name them as for compress, `--bound 'Jet_*=rel:1e-3'`"
)


def table(result: Result, console: Console) -> None:
    """Print what was found."""
    trees = result["trees"]
    fitted(console, TREE_COLUMNS, [_tree_row(*item) for item in list(trees.items())[:MOST_TREES]])
    _more(console, len(trees) - MOST_TREES, "trees")
    several = len(trees) > 1
    rows = [
        (f"{name}: {check['name']}" if several else check["name"], check)
        for name, tree in trees.items()
        for check in tree["columns"].values()
        if not _same(check)
    ]
    rows.sort(key=lambda row: (_kept(row[1]), -row[1]["worst"], row[0]))
    if rows:
        console.print()
        fitted(console, COLUMN_COLUMNS, [_column_row(*row) for row in rows[:MOST_COLUMNS]])
        _more(console, len(rows) - MOST_COLUMNS, "columns that are not the same bit for bit")
    _sentences(result, console)
    _outcome(result, console)


def _tree_row(name: str, tree: Result) -> list[str]:
    columns = list(tree["columns"].values())
    same = sum(map(_same, columns))
    bad = sum(not _kept(check) for check in columns)
    sizes = [sum(check[size] for check in columns) for size in ("bytes_before", "bytes_after")]
    within = len(columns) - same - bad
    return [
        name,
        f"{tree['entries']:,}",
        f"{len(columns):,}",
        f"{same:,}",
        f"{within:,}",
        f"[red]{bad:,}[/red]" if bad else "0",
        *(f"{size:,}" for size in sizes),
    ]


def _column_row(name: str, check: Result) -> list[str]:
    bad = check["violations"] > 0
    relative = check["bound"].startswith(("rel", "bits"))
    worst = "changed" if check["changed"] else f"{check['worst']:.4g}"
    if bad and check["bound"] == "exact":
        worst = ""  # no part of a bound
    return [
        name,
        check["bound"],
        worst if _kept(check) else f"[red]{worst}[/red]",
        f"{check['worst_error']:.3g}" + (" rel" if relative else ""),
        f"[red]{check['violations']:,}[/red]" if bad else "0",
        f"{check['values']:,}",
        f"{check['values'] - check['identical']:,}",
        f"{check['escapes']:,}" if check["compressed"] else "",
        f"{check['bytes_before']:,}" if check["bytes_before"] else "",
        f"{check['bytes_after']:,}",
    ]


def _sentences(result: Result, console: Console) -> None:
    """Differences, and the worst values."""
    lines = [f"[red]{one}[/red]" for one in result["differences"][:MOST_SENTENCES]]
    if lines or result["offenders"]:
        console.print()
    _lines(console, lines)
    _more(console, len(result["differences"]) - MOST_SENTENCES, "differences")
    _lines(
        console,
        (
            f"[red]{one['tree']}, {one['column']}[/red], entry {one['entry']}, value {one['index']}: "
            f"{one['stored']!r} before, {one['restored']!r} after, {_allowed(one['excess'])}"
            for one in result["offenders"]
        ),
    )


def _allowed(excess: float) -> str:
    """How far a value is out of its bound."""
    return f"{excess:.4g} of what is allowed" if isfinite(excess) else "which has to be the same bits"


def _outcome(result: Result, console: Console) -> None:
    checks = [check for tree in result["trees"].values() for check in tree["columns"].values()]
    same = sum(map(_same, checks))
    objects = f", and {result['objects']:,} other objects" if result["objects"] else ""
    console.print()
    text = f"{len(checks):,} columns compared, {same:,} of them bit for bit the same{objects}"
    console.print(text, highlight=False)
    if result["backups"]:
        console.print(
            f"left out, as the newest cycle holds all of it: {', '.join(result['backups'])}", highlight=False
        )
    unclaimed = sum(check["bound"] == "none" for check in checks)
    if unclaimed:
        console.print(f"[yellow]no bound was claimed for {unclaimed} columns (latents only)[/yellow]")
    if result["combs"]:
        _lines(console, [f"[yellow]{result['combs']}[/yellow]"])
    kept = "every value with a bound is within it" if unclaimed else "every value is within its bound"
    if result["kept"]:
        console.print(f"[green]{kept}, and all else is as it was[/green]")
    else:
        console.print("[red]the promise was not kept[/red]")
        if any(check["bound"] == "exact" and check["violations"] for check in checks):
            _lines(console, [WITH_BOUNDS])


def _lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def _more(console: Console, more: int, what: str) -> None:
    if more > 0:
        console.print(f"and {more:,} more {what}; --json has them all", highlight=False)


def _kept(check: Result) -> bool:
    return not check["violations"] and not check["changed"]


def _same(check: Any) -> bool:
    return _kept(check) and check["identical"] == check["values"]
