"""Results as tables for people, or as JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

__all__ = ["compression", "facts", "inspection", "show", "verification"]

Result = Mapping[str, Any]


def show(result: Result, table: Callable[[Result, Console], None], as_json: bool) -> None:
    """Print a result in one of the two ways."""
    if as_json:
        text = msgspec.json.encode(result, enc_hook=str)
        sys.stdout.write(msgspec.json.format(text).decode() + "\n")
        return
    # a file or a pipe has no width of its own: give it that of a wide page
    console = Console(width=None if sys.stdout.isatty() else 150)
    table(result, console)


def facts(result: Result, console: Console) -> None:
    """Names and values, one a line."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in result.items():
        table.add_row(name, f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))
    console.print(table)


def compression(result: Result, console: Console) -> None:
    """What `hepae compress` did: a row a feature."""
    objects = max(result["objects"], 1)
    table = _table("feature", "bound", "grid", "before, B", "after, B", "bits/object", "escapes", "worst/bound")
    for row in result["features"]:
        table.add_row(
            row["branch"],
            row["bound"],
            row["grid"],
            f"{row['bytes_before']:,}" if row["bytes_before"] else "",
            f"{row['bytes_after']:,}",
            f"{8 * row['bytes_after'] / objects:.2f}",
            str(row["escapes"]),
            f"{row['worst']:.3f}",
        )
    console.print(table)
    facts({name: value for name, value in result.items() if name != "features"}, console)


def verification(result: Result, console: Console) -> None:
    """What `hepae verify` found: compressed features, a line for the rest, and the worst offenders."""
    table = _table("branch", "bound", "values", "identical", "worst error", "worst/bound", "before, B", "after, B")
    checks = list(result["checks"].values())
    for check in checks:
        if check["compressed"] or check["violations"] or check["identical"] != check["values"]:
            table.add_row(
                check["branch"],
                check["bound"],
                f"{check['values']:,}",
                f"{check['identical']:,}",
                f"{check['worst_error']:.4g}",
                f"[red]{check['worst']:.4g}[/red]" if check["violations"] else f"{check['worst']:.4g}",
                f"{check['bytes_before']:,}" if check["bytes_before"] else "",
                f"{check['bytes_after']:,}",
            )
    if table.row_count:
        console.print(table)
    same = sum(check["identical"] == check["values"] for check in checks)
    console.print(f"{len(checks)} branches compared over {result['events']:,} events, {same} of them bit for bit the same")
    for difference in result["differences"]:
        console.print(f"[red]{difference}[/red]", highlight=False)
    for one in result["offenders"]:
        console.print(
            f"[red]{one['branch']}[/red], event {one['event']}, object {one['object']}: "
            f"stored {one['stored']!r}, restored {one['restored']!r}, {one['excess']:.4g} of the bound"
        )
    console.print("[green]every value is within its bound[/green]" if result["kept"] else "[red]the promise was not kept[/red]")


def inspection(result: Result, console: Console) -> None:
    """What `hepae inspect` saw."""
    console.print(f"[bold]{result['file']}[/bold], {result['bytes']:,} B")
    for tree in result["trees"]:
        console.print(f"\n[bold]{tree['name']}[/bold] ({tree['kind']}), {tree['entries']:,} entries")
        for collection in tree["collections"]:
            _collection(collection, console)
        if tree["event_branches"]:
            console.print("event branches: " + ", ".join(tree["event_branches"]), highlight=False, soft_wrap=True)
        if tree["other_branches"]:
            console.print(f"{tree['other_branches']} other branches, passed through")
    for name, title in (("objects", "other keys"), ("models", "models")):
        if result[name]:
            console.print(f"{title}: " + ", ".join(result[name]), highlight=False, soft_wrap=True)


def _collection(collection: Result, console: Console) -> None:
    counter = f", counted by {collection['counter']}" if collection["counter"] else ""
    codec = f", compressed with {collection['codec']}" if collection["codec"] else ""
    console.print(f"collection [bold]{collection['name']}[/bold]{counter}{codec}, {collection['objects']:,} objects")
    table = _table("feature", "dtype", "on disk, B", "in memory, B", "mantissa bits", "smallest", "largest", "not finite")
    for row in collection["features"]:
        table.add_row(
            row["name"],
            row["dtype"],
            f"{row['bytes_on_disk']:,}",
            f"{row['bytes_in_memory']:,}",
            "" if row["mantissa_bits"] is None else str(row["mantissa_bits"]),
            "" if row["smallest"] is None else f"{row['smallest']:.6g}",
            "" if row["largest"] is None else f"{row['largest']:.6g}",
            f"{row['not_finite']:.3%}" if row["not_finite"] else "0",
        )
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < 2 else "right", no_wrap=True)
    return table
