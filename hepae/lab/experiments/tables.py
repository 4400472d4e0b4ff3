"""Results as tables: one line a way of storing in CSV and Markdown, one line a feature in a second CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hepae.lab.experiments.outcome import Outcome
from hepae.lab.report.residuals import QUANTILES, Residuals

__all__ = ["COSTS", "KEPT", "markdown", "residual_rows", "rows", "write_tables"]

Row = dict[str, Any]
Cell = Callable[[Row], str]


def write_tables(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """``results.csv``, ``residuals.csv`` and ``results.md`` in a folder."""
    (folder / "results.csv").write_text(_csv([rows(one) for one in outcomes]), encoding="utf-8")
    (folder / "residuals.csv").write_text(
        _csv([r for one in outcomes for r in residual_rows(one)]), encoding="utf-8"
    )
    (folder / "results.md").write_text(markdown(outcomes), encoding="utf-8")


def rows(outcome: Outcome) -> Row:
    """One line: what was stored, what it kept, what it cost. Masses are in the unit of the file."""
    quality, speed = outcome.quality, outcome.speed
    row: Row = {
        "name": outcome.name,
        "data": outcome.data,
        "stored": outcome.stored,
        "network": outcome.words,
        "published": outcome.published,
        "published_loss": outcome.published_loss,
        "quick": outcome.quick,
        "epochs": outcome.epochs,
        "loss": quality.loss,
        "loss_minmax": quality.loss_minmax,
        "bits_per_object": outcome.bits,
        "bytes_per_object": None if outcome.bits is None else outcome.bits / 8,
        "space_like": quality.space_like,
        "space_like_before": quality.space_like_before,
    }
    for name, residual in quality.observables.items():
        row[f"{name}_bias"] = residual.absolute.bias
        row[f"{name}_median"] = residual.absolute.quantiles[0]
        row[f"{name}_rms"] = residual.absolute.rms
        row[f"{name}_relative_median"] = residual.relative.quantiles[0]
    row |= {
        "parameters": outcome.parameters or None,
        "model_bytes": outcome.model_bytes or None,
        "train_seconds": outcome.train_seconds or None,
        "encode_ms": speed and speed.encode_ms,
        "decode_ms": speed and speed.decode_ms,
        "network_encode_ms": speed and speed.network_encode_ms,
        "network_decode_ms": speed and speed.network_decode_ms,
        "peak_mb": speed and speed.peak_mb,
    }
    return row


def residual_rows(outcome: Outcome) -> Iterator[Row]:
    """One line for each feature and observable, absolute and relative."""
    parts: list[tuple[str, dict[str, Residuals]]] = [
        ("feature", outcome.quality.features),
        ("observable", outcome.quality.observables),
    ]
    for part, found in parts:
        for name, residuals in found.items():
            for kind, spread in (("absolute", residuals.absolute), ("relative", residuals.relative)):
                yield {
                    "name": outcome.name,
                    "data": outcome.data,
                    "stored": outcome.stored,
                    "part": part,
                    "feature": name,
                    "kind": kind,
                    "values": residuals.values,
                    "identical": residuals.identical,
                    "bias": spread.bias,
                    "rms": spread.rms,
                    "worst": spread.worst,
                    **{f"q{q:g}": x for q, x in zip(QUANTILES, spread.quantiles, strict=True)},
                }


def _number(name: str, form: str = ".3g") -> Cell:
    return lambda row: "" if row.get(name) is None else format(row[name], form)


def _words(name: str) -> Cell:
    return lambda row: str(row[name]).replace("|", "\\|")


KEPT: dict[str, Cell] = {
    "run": _words("name"),
    "network or codec": _words("network"),
    "stored": _words("stored"),
    "epochs": lambda row: str(row["epochs"] or ""),
    "loss": _number("loss", ".2e"),
    "published": _number("published_loss", ".2e"),
    "loss, min-max": _number("loss_minmax", ".2e"),
    "bits/object": _number("bits_per_object", ".1f"),
    "median mass error": _number("mass_relative_median", ".2%"),
    "space-like": _number("space_like", ".1%"),
    "dijet mass": _number("dijet_mass_relative_median", ".1e"),
    "HT": _number("HT_relative_median", ".1e"),
    "MHT": _number("MHT_relative_median", ".1e"),
}
"""What was kept: columns of the first table. Errors of observables are medians of the relative error."""

COSTS: dict[str, Cell] = {
    "run": _words("name"),
    "parameters": _number("parameters", ",d"),
    "model, kB": lambda row: format(row["model_bytes"] / 1e3, ".0f"),
    "training, s": _number("train_seconds", ".0f"),
    "networks: encode, ms": _number("network_encode_ms", ".1f"),
    "decode, ms": _number("network_decode_ms", ".1f"),
    "all: encode, ms": _number("encode_ms", ".1f"),
    "all: decode, ms": _number("decode_ms", ".1f"),
    "peak, MB": _number("peak_mb", ".0f"),
}
"""What it costs: columns of the second table. Times are for 27,945 objects on one thread."""


def markdown(outcomes: Sequence[Outcome]) -> str:
    """Tables by data set."""
    parts = []
    for data in dict.fromkeys(outcome.data for outcome in outcomes):
        found = [rows(outcome) for outcome in outcomes if outcome.data == data]
        costly = {row["name"]: row for row in found if row["model_bytes"]}
        published = {row["name"].partition(" (")[0]: row["published"] for row in found if row["published"]}
        parts += [f"### {data}", _table(KEPT, found), _table(COSTS, list(costly.values()))]
        parts += ["\n".join(f"* {name}: {text}" for name, text in published.items())]
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(columns: dict[str, Cell], found: Sequence[Row]) -> str:
    if not found:
        return ""
    cells = [[cell(row) for cell in columns.values()] for row in found]
    shown = [
        place for place, name in enumerate(columns) if name == "run" or any(line[place] for line in cells)
    ]
    lines = [list(columns), ["---", *["---:"] * (len(columns) - 1)], *cells]
    return "\n".join("| " + " | ".join(line[place] for place in shown) + " |" for line in lines)


def _csv(found: Sequence[Row]) -> str:
    out = io.StringIO()
    columns = list(dict.fromkeys(name for row in found for name in row))
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()
