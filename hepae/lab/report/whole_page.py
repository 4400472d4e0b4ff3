"""The report of a whole file: bytes by table and by column, then the columns that were coarsened."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hepae.files.verify.result import ColumnCheck
from hepae.lab.report.bars import bytes_figure
from hepae.lab.report.histograms import check_pages, write_histograms
from hepae.lab.report.panels import Panel, feature_panel
from hepae.lab.report.parts import document, grid, picture, table, tiles
from hepae.lab.report.provenance import provenance
from hepae.lab.report.whole_sizes import MOST_DRAWN, TreeSizes, WholeComparison
from hepae.progress import Report
from hepae.root.file.atomic import atomic_output
from hepae.shown.notebook import counted

__all__ = ["write_whole_report"]

MOST_BARS = 30
"""Bars of a figure: a screen of them."""

MOST_ROWS = 400
"""Rows of a table of columns: some pages on paper."""

Panels = Mapping[str, Sequence[Panel]]


def write_whole_report(
    comparison: WholeComparison, target: Path, report: Report, *, force: bool = False
) -> Path:
    """Write the page, and ``NAME.root`` beside it with the histograms; parameters and errors as of `write_report`."""
    inputs = comparison.original.path, comparison.file.path
    histograms = check_pages(target, inputs, force=force)
    panels = {tree: [feature_panel(pair) for pair in pairs] for tree, pairs in comparison.coarsened.items()}
    title = f"{Path(comparison.original.path).name} and {Path(comparison.file.path).name}"
    text = document(title, _verdict(comparison), dict(_sections(comparison, panels, report)))
    with atomic_output(target, inputs, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")
    found = {
        f"{tree}/{panel.name.replace('/', '.')}/{part}": getattr(panel, part)
        for tree, own in panels.items()
        for panel in own
        for part in ("before", "after", "residual")
    }
    write_histograms(histograms, found, force=force)
    return histograms


def _verdict(comparison: WholeComparison) -> str:
    before, after = comparison.original.size, comparison.file.size
    checks = [check for tree in comparison.checked.trees.values() for check in tree.columns.values()]
    values = {
        "before, bytes": f"{before:,}",
        "after, bytes": f"{after:,}",
        "after / before": f"{after / max(1, before):.3f}",
        "trees compressed": f"{len(comparison.trees)} of {len(comparison.original.trees)}",
        "columns": f"{len(checks):,}",
        "the same bit for bit": f"{sum(check.same for check in checks):,}",
        "every bound kept": "yes" if comparison.checked.kept else "NO",
    }
    return tiles(values, comparison.checked.differences)


def _sections(comparison: WholeComparison, panels: Panels, report: Report) -> Iterator[tuple[str, str]]:
    yield "Tables", "".join(_tables(tree) for tree in comparison.trees)
    yield "Columns", "".join(_columns(tree) for tree in comparison.trees)
    coarsened = "".join(_coarsened(tree, comparison, own, report) for tree, own in panels.items())
    nothing = "<p>Every value is the same, bit for bit: no column was coarsened.</p>"
    yield "Coarsened", coarsened or nothing
    yield "Provenance", table(["", ""], provenance(comparison.original.path, comparison.file.path), "facts")


def _tables(tree: TreeSizes) -> str:
    sums = {
        name: (len(columns), sum(one.before for one in columns), sum(one.after for one in columns))
        for name, columns in tree.tables().items()
    }
    rows = [
        [name, _count(tree.rows.get(name)), f"{number:,}", f"{before:,}", f"{after:,}", _ratio(before, after)]
        for name, (number, before, after) in sums.items()
    ]
    shown = dict(list(sums.items())[:MOST_BARS])
    figure = bytes_figure(list(shown), [one[1] for one in shown.values()], [one[2] for one in shown.values()])
    words = f"bytes of each table of {tree.path} before and after"
    heads = ["table", "rows", "columns", "before, bytes", "after, bytes", "after / before"]
    return _heading(tree) + picture(figure, words) + table(heads, rows)


def _columns(tree: TreeSizes) -> str:
    largest = sorted(tree.columns, key=lambda column: -max(column.before, column.after))
    shown = largest[:MOST_BARS]
    figure = bytes_figure(
        [column.name for column in shown],
        [column.before for column in shown],
        [column.after for column in shown],
    )
    rows = [
        [
            one.name,
            one.table,
            one.dtype,
            one.bound or "kept",
            f"{one.before:,}",
            f"{one.after:,}",
            _ratio(one.before, one.after),
        ]
        for one in largest[:MOST_ROWS]
    ]
    heads = ["column", "table", "type", "bound", "before, bytes", "after, bytes", "after / before"]
    more = len(largest) - len(rows)
    rest = (
        f"<p>and {more:,} smaller columns; <code>hepae inspect --json</code> has them all</p>"
        if more > 0
        else ""
    )
    words = f"bytes of the {len(shown)} largest columns of {tree.path} before and after"
    return _heading(tree) + picture(figure, words) + table(heads, rows) + rest


def _coarsened(tree: str, comparison: WholeComparison, panels: Sequence[Panel], report: Report) -> str:
    checks = comparison.checked.trees[tree].columns
    moved = [check for check in checks.values() if check.how == "values" and check.identical < check.values]
    heads = [
        "column",
        "bound",
        "worst / bound",
        "worst error",
        "bias",
        "rms",
        "identical",
        "bins, of 50 / 100",
    ]
    rows = [_error_row(checks[panel.name], panel) for panel in panels]
    words = (
        "Worst errors and identical values are of every value in the file, checked one by one; bias and rms of those "
        "drawn. Errors are relative where the bound is, in per cent, and otherwise in the unit of the column. Bins: how"
        " many of a histogram of 50, and of 100, hold more or less than before by more than the square root of what "
        "they held. Below each histogram: the ratio of the two, and the statistical error of the original as a band."
    )
    if len(moved) > len(panels):
        words += f" The {MOST_DRAWN} columns with most bytes of {len(moved):,} that were coarsened."
    combs = f"<p>{html.escape(comparison.checked.combs)}</p>" if comparison.checked.combs else ""
    return f"<h3>{html.escape(tree)}</h3><p>{words}</p>{combs}{table(heads, rows)}{grid(panels, report, 'columns')}"


def _error_row(check: ColumnCheck, panel: Panel) -> list[str]:
    relative = check.bound.startswith(("rel", "bits"))
    spread = panel.residuals.relative if relative else panel.residuals.absolute
    errors = [check.worst_error, spread.bias, spread.rms]
    return [
        check.name,
        check.bound,
        f"{check.worst:.3f}",
        *(f"{100 * error:.3g} %" if relative else f"{error:.3g}" for error in errors),
        f"{check.identical / max(1, check.values):.2%}",
        f"{check.combed_50} / {check.combed_100}",
    ]


def _heading(tree: TreeSizes) -> str:
    return f"<h3>{html.escape(tree.path)}, {counted(tree.entries, 'entry')}</h3>"


def _count(rows: int | None) -> str:
    return "" if rows is None else f"{rows:,}"


def _ratio(before: int, after: int) -> str:
    return f"{after / before:.3f}" if before else ""
