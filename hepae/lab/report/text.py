"""The plots of a report for a terminal: bars of blocks, and tables of correlations, as `rich` objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from hepae.arrays import Floats
from hepae.lab.report.compared import Comparison
from hepae.lab.report.panels import Panel, correlations, moving, residual_of

__all__ = ["bars", "corner_text", "correlation_text", "loss_text", "panel_text", "sizes_text"]

Numbers = NDArray[np.floating] | NDArray[np.integer]

BLOCKS = " ▁▂▃▄▅▆▇█"
HEIGHT = 8
DEVIATION = "▼·▲"
STRONG, WEAK = 0.5, 0.1


def bars(values: Numbers, height: int = HEIGHT) -> list[str]:
    """Columns of blocks, one for each value, the tallest over the whole height; lines from top to bottom.

    Examples
    --------
    >>> bars(np.array([0.0, 1.0, 2.0]), height=1)
    [' ▄█']
    """
    top = float(np.max(values, initial=0.0)) or 1.0
    eighths = np.rint(8 * height * np.clip(values, 0, None) / top).astype(int)
    return [
        "".join(BLOCKS[int(np.clip(n - 8 * row, 0, 8))] for n in eighths) for row in reversed(range(height))
    ]


def panel_text(panel: Panel) -> Text:
    """Distribution of the original, where the restored one is higher or lower, and the residual."""
    before, after = panel.before.values(), panel.after.values()
    edges = panel.before.axes[0].edges
    text = Text()
    text.append(f"{panel.title}\n", style="bold")
    text.append("\n".join(bars(before)) + "\n", style="blue")
    sign = np.sign(after - before) * (np.abs(after - before) > np.sqrt(np.maximum(before, 1.0)))
    text.append("".join(DEVIATION[int(s) + 1] for s in sign), style="red")
    text.append("\n" + _ends(edges[0], edges[-1], len(before)) + "\n")
    text.append("▲▼ restored differs by more than the statistical error\n\n", style="dim")
    if panel.exact:
        return text.append("every value is the same, bit for bit\n")
    edges = panel.residual.axes[0].edges
    text.append("\n".join(bars(panel.residual.values(), 5)) + "\n", style="cyan")
    text.append(_ends(edges[0], edges[-1], len(edges) - 1) + "\n")
    allowed = "" if panel.bound is None else f", bound ±{panel.bound:g}"
    spread = panel.residuals.relative if "/" in panel.residual_title else panel.residuals.absolute
    words = f"{panel.residual_title}{allowed}: bias {spread.bias:.2e}, rms {spread.rms:.2e}, worst {spread.worst:.2e}\n"
    return text.append(words)


def correlation_text(comparison: Comparison) -> Table:
    """Correlations of the original below the diagonal, restored minus original above it."""
    names, before, after = correlations(comparison)
    return _matrix(names, np.tril(before) + np.triu(after - before, 1), "original \\ restored − original")


def corner_text(comparison: Comparison, names: Sequence[str] = ()) -> Table:
    """Correlations of the residuals."""
    pairs = [comparison.feature(name) for name in names] or moving(comparison)
    table = np.array([residual_of(pair)[0] for pair in pairs])
    if not len(table):
        return Table(title="every value is the same, bit for bit")
    table = table[:, np.isfinite(table).all(axis=0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        matrix = np.nan_to_num(np.atleast_2d(np.corrcoef(table)))
    return _matrix([f"Δ{pair.name}" for pair in pairs], np.tril(matrix), "correlation of residuals")


def loss_text(history: Sequence[tuple[float, float]], width: int = 72) -> Text:
    """The validation loss by epoch, on a logarithmic scale."""
    losses = np.array([validation for _, validation in history])
    some = losses[np.unique(np.linspace(0, len(losses) - 1, min(width, len(losses))).astype(int))]
    low, high = float(some.min()), float(some.max())
    height = np.log(np.maximum(some, 1e-300) / max(low, 1e-300)) + 0.05 if low > 0 else some
    text = Text("validation loss, logarithmic\n", style="bold")
    text.append("\n".join(bars(height)) + "\n", style="blue")
    return text.append(f"{len(losses)} epochs, from {high:.3g} to {low:.3g}\n")


def sizes_text(comparison: Comparison) -> Text:
    """Bits for each object by feature."""
    pairs = [pair for pair in comparison.features if pair.compressed]
    bits = np.array([8 * pair.check.bytes_after / max(1, comparison.objects) for pair in pairs])
    longest = max((len(pair.name) for pair in pairs), default=0)
    text = Text("bits per object\n", style="bold")
    for pair, value in zip(pairs, bits, strict=True):
        text.append(f"{pair.name:<{longest}} {value:6.2f} ")
        text.append("█" * round(50 * value / max(1e-9, float(bits.max()))) + "\n", style="red")
    return text


def _ends(low: Any, high: Any, width: int) -> str:
    left, right = f"{low:.4g}", f"{high:.4g}"
    return left + right.rjust(max(1, width - len(left)))


def _matrix(names: Sequence[str], matrix: Floats, title: str) -> Table:
    table = Table(title=title, box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for name, row in zip(names, matrix, strict=True):
        cells = [Text(_short(x), style="red" if x > STRONG else "blue" if x < -STRONG else "") for x in row]
        table.add_row(name, *cells)
    return table


def _short(x: float) -> str:
    if x == 0:
        return "·"
    return f"{x:.2f}" if abs(x) > WEAK else f"{x:.0e}"
