"""The figures of a report. Drawn without pyplot, so nothing of the process is changed and no window opens."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, cast

import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from hepae.arrays import Floats
from hepae.lab.report.compared import Comparison
from hepae.lab.report.panels import Panel, correlations, moving, residual_of
from hepae.root.file.atomic import atomic_output

__all__ = [
    "MOST_IN_CORNER",
    "corner_figure",
    "correlation_figure",
    "loss_figure",
    "panel_figure",
    "png",
    "save",
    "sizes_figure",
    "styled",
]


MOST_IN_CORNER: Final = 8
MOST_POINTS: Final = 250
ANNOTATED: Final = 8
FEW_ENTRIES: Final = 25
LEAST_REST: Final = 0.01
NOTHING: Final = 1e-12

BEFORE, AFTER, RESIDUAL, LIMIT, GREY = "#c5d3e0", "#c1440e", "#33658a", "#1a1a1a", "#6b6b6b"
EDGE: Final = "#7f97ad"
CORRELATION: Final = "RdBu_r"

STYLE: Final[dict[str, Any]] = {
    "font.family": "sans-serif",
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.labelsize": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": True,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "pdf.fonttype": 42,
}


@contextmanager
def styled() -> Iterator[None]:
    """The look of the figures, for what is drawn inside."""
    with mpl.rc_context(cast(Any, STYLE)):
        yield


def png(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as PNG."""
    out = io.BytesIO()
    with styled():
        figure.savefig(out, format="png", dpi=dpi, metadata={"Software": None})
    return out.getvalue()


def save(figure: Figure, path: Path, *, force: bool = False) -> None:
    """A figure as a file, in the format that its name says; one that exists is replaced only with ``force``."""
    with styled(), atomic_output(path, force=force) as temporary:
        figure.savefig(temporary, format=path.suffix[1:])


def _figure(width: float, height: float) -> Figure:
    figure = Figure((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


Given = ParamSpec("Given")
Drawing = TypeVar("Drawing", bound=Figure | None)


def _drawn(draw: Callable[Given, Drawing]) -> Callable[Given, Drawing]:
    @functools.wraps(draw)
    def inside(*given: Given.args, **named: Given.kwargs) -> Drawing:
        with styled():
            return draw(*given, **named)

    return inside


@_drawn
def panel_figure(panel: Panel) -> Figure:
    """Original and restored over each other, their ratio, and the residual beside them."""
    figure = _figure(7.2, 2.75)
    left, right = np.ravel(cast(Any, figure.subfigures(1, 2, width_ratios=[1.35, 1])))
    main, ratio = left.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    mplhep.histplot(
        panel.before,
        ax=main,
        histtype="fill",
        color=BEFORE,
        edgecolor=EDGE,
        lw=0.6,
        label="original",
        flow="none",
    )
    mplhep.histplot(
        panel.after,
        ax=main,
        histtype="step",
        color=AFTER,
        lw=1.1,
        label="restored",
        flow="none",
        yerr=False,
        w2method="sqrt",  # not drawn, but computed: by scipy otherwise, which need not be there
    )
    edges, logarithmic = panel.before.axes[0].edges, _logarithmic(panel.before.axes[0].edges)
    if logarithmic:
        main.set_xscale("log")
        main.xaxis.set_minor_formatter(NullFormatter())
    counts = panel.before.values()
    if counts.max(initial=0) > 200 * max(1.0, float(np.median(counts))):
        main.set_yscale("log")
        main.set_ylim(0.5, None)
    main.set(
        xlabel="",
        ylabel="objects" if panel.bound or panel.name not in ("HT", "MHT", "dijet_mass") else "events",
    )
    main.set_xlim(edges[0], edges[-1])
    main.set_title(panel.title, loc="left", fontweight="bold")
    main.legend(loc="best", ncols=1)
    _draw_ratio(ratio, panel)
    ratio.set_xlabel(panel.name)
    _draw_residual(right.subplots(), panel)
    return figure


def _logarithmic(edges: Floats) -> bool:
    return bool(edges[0] > 0 and not np.isclose(edges[1] - edges[0], edges[-1] - edges[-2]))


def _draw_ratio(axes: Axes, panel: Panel) -> None:
    """Restored over original; the band is the statistical error of the original."""
    before, after = panel.before.values(), panel.after.values()
    edges = panel.before.axes[0].edges
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient, error = after / before, 1 / np.sqrt(before)
    axes.stairs(1 + error, edges, baseline=1 - error, fill=True, color=BEFORE, lw=0)
    filled = np.where(before >= FEW_ENTRIES / 5, quotient, np.nan)
    axes.stairs(filled, edges, baseline=None, color=AFTER, lw=1.0)
    far = np.abs(filled - 1)[before >= FEW_ENTRIES]
    reach = min(1.0, max(0.02, 1.3 * float(np.nanmax(far, initial=0.0))))
    axes.set(ylim=(1 - reach, 1 + reach), ylabel="restored\n/ original", xlabel="")
    axes.axhline(1, color=GREY, lw=0.5, zorder=0)


def _draw_residual(axes: Axes, panel: Panel) -> None:
    axes.set_title("residual", loc="left")
    if panel.exact:
        axes.set_axis_off()
        axes.text(
            0.5,
            0.5,
            "every value is the same,\nbit for bit",
            ha="center",
            va="center",
            transform=axes.transAxes,
        )
        return
    mplhep.histplot(panel.residual, ax=axes, histtype="fill", color=RESIDUAL, flow="none")
    if panel.bound is not None:
        for side in (-panel.bound, panel.bound):
            axes.axvline(side, color=LIMIT, lw=1, ls="--")
        axes.set_title(f"residual, bound ±{panel.bound:g}", loc="left")
    relative = panel.bound is not None and "/" in panel.residual_title
    spread = panel.residuals.relative if relative else panel.residuals.absolute
    words = f"bias {spread.bias:.1e}   rms {spread.rms:.1e}   worst {spread.worst:.1e}"
    axes.set(xlabel=f"{panel.residual_title}\n{words}", ylabel="", yticks=[])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5))


@_drawn
def correlation_figure(comparison: Comparison) -> Figure:
    """Correlation matrices before and after, and their difference on a scale of its own."""
    names, before, after = correlations(comparison)
    figure = _figure(10.5, 4.0 if len(names) > ANNOTATED else 3.4)
    change = after - before
    reach = max(float(np.abs(change).max(initial=0.0)), 1e-12)
    parts = (
        ("original", before, 1.0, True),
        ("restored", after, 1.0, False),
        ("restored − original", change, reach, False),
    )
    for axes, (title, matrix, limit, first) in zip(figure.subplots(1, 3), parts, strict=True):
        image = axes.imshow(matrix, cmap=CORRELATION, vmin=-limit, vmax=limit)
        axes.set_title(title, loc="left")
        axes.set_xticks(range(len(names)), names, rotation=90)
        axes.set_yticks(range(len(names)), names if first else [])
        axes.tick_params(length=0, labelsize=6.5 if len(names) > ANNOTATED else 8)
        axes.spines[:].set_visible(False)
        figure.colorbar(image, ax=axes, shrink=0.75, pad=0.02).outline.set_visible(False)
        if len(names) <= ANNOTATED:
            _annotate(axes, matrix, limit)
    return figure


def _annotate(axes: Axes, matrix: Floats, limit: float) -> None:
    form = "{:.2f}" if limit == 1.0 else "{:.0e}"
    for (row, column), value in np.ndenumerate(matrix):
        dark = abs(value) > 0.6 * limit
        axes.text(
            column,
            row,
            form.format(value) if abs(value) > NOTHING else "0",
            ha="center",
            va="center",
            fontsize=7,
            color="w" if dark else "k",
        )


@_drawn
def corner_figure(comparison: Comparison, names: Sequence[str] = ()) -> Figure | None:
    """Residuals against each other: histograms on the diagonal, 2-D histograms below it, coloured by correlation.

    Points are objects beyond one standard deviation, thinned. None where nothing moved.

    Parameters
    ----------
    comparison
        What was compared.
    names
        Features to show; the first eight that are not bit for bit the same where there are none.
    """
    pairs = [comparison.feature(name) for name in names] or moving(comparison)[:MOST_IN_CORNER]
    if not pairs:
        return None
    found = [residual_of(pair) for pair in pairs]
    table = np.stack([residual for residual, _, _ in found])
    table = table[:, np.isfinite(table).all(axis=0)]
    if table.shape[1] < 2:
        return None
    limits = [
        bound or float(np.quantile(np.abs(x), 0.998)) or 1.0
        for x, (_, _, bound) in zip(table, found, strict=True)
    ]
    size = len(pairs)
    figure = _figure(max(4.5, 1.25 * size + 0.6), max(4.2, 1.2 * size + 0.4))
    grid = figure.subplots(size, size, sharex="col", squeeze=False)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.nan_to_num(np.atleast_2d(np.corrcoef(table)))
    for row in range(size):
        for column in range(size):
            axes = grid[row, column]
            if column > row:
                axes.set_axis_off()
                continue
            _corner_cell(axes, table, limits, row, column, correlation[row, column])
            if row == size - 1:
                words = "rel." if "/" in found[column][1] else ""
                axes.set_xlabel(f"Δ{pairs[column].name} {words}")
            if column == 0 and row:
                axes.set_ylabel(f"Δ{pairs[row].name}")
    bar = mpl.cm.ScalarMappable(mpl.colors.Normalize(-1, 1), CORRELATION)
    figure.colorbar(bar, ax=grid[: max(1, size // 2), -1], label="correlation", shrink=0.9, aspect=14)
    return figure


def _corner_cell(
    axes: Axes, table: Floats, limits: Sequence[float], row: int, column: int, correlation: float
) -> None:
    reach = 1.1 * limits[column]
    axes.set(xlim=(-reach, reach), yticks=[], xticks=[-limits[column], 0, limits[column]])
    axes.set_xticklabels([f"{-limits[column]:.0e}", "0", f"{limits[column]:.0e}"], fontsize=6)
    x = table[column]
    if row == column:
        axes.hist(x, bins=40, range=(-reach, reach), color=RESIDUAL)
        return
    y, high = table[row], 1.1 * limits[row]
    axes.set_ylim(-high, high)
    counts, xs, ys = np.histogram2d(x, y, bins=24, range=[[-reach, reach], [-high, high]])
    colour: Any = mpl.colormaps[CORRELATION](0.5 + 0.5 * correlation)
    shade = tuple(0.55 * part for part in colour[:3]) if abs(correlation) < 0.3 else colour[:3]
    axes.pcolormesh(
        xs, ys, counts.T, cmap=LinearSegmentedColormap.from_list("", ["white", shade]), rasterized=True
    )
    sigma = max(float(x.std()), 1e-300), max(float(y.std()), 1e-300)
    outside = np.flatnonzero(np.hypot(x / sigma[0], y / sigma[1]) > 1)
    some = outside[:: max(1, len(outside) // MOST_POINTS)]
    axes.plot(x[some], y[some], ".", ms=0.8, color="k", alpha=0.3, rasterized=True)
    axes.text(
        0.96,
        0.93,
        f"{correlation:+.2f}",
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=6.5,
        bbox={"fc": "w", "ec": "none", "alpha": 0.75, "pad": 0.6},
    )


@_drawn
def loss_figure(history: Sequence[tuple[float, float]]) -> Figure:
    """Loss curves: mean squared error of the scaled features, or bits for each object, by epoch."""
    figure = _figure(5.6, 2.9)
    axes = figure.subplots()
    losses = np.asarray(history, np.float64)
    epochs = np.arange(1, len(losses) + 1)
    axes.plot(epochs, losses[:, 0], color=RESIDUAL, lw=1.0, label="training")
    axes.plot(epochs, losses[:, 1], color=AFTER, lw=1.2, label="validation")
    positive = losses[losses > 0]
    if len(positive) and positive.max() > 5 * positive.min():
        axes.set_yscale("log")
    best = int(np.argmin(losses[:, 1]))
    axes.plot(epochs[best], losses[best, 1], "o", ms=4, color=AFTER)
    axes.annotate(
        f"best {losses[best, 1]:.3g}",
        (epochs[best], losses[best, 1]),
        (0, 9),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=AFTER,
    )
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    return figure


@_drawn
def sizes_figure(comparison: Comparison) -> Figure:
    """Bits for each object and feature, before and after."""
    pairs = [pair for pair in comparison.features if pair.compressed]
    objects = max(1, comparison.objects)
    before = [
        8
        * (
            p.check.bytes_before
            or len(p.before) * p.before.dtype.itemsize * comparison.objects // max(1, len(p.before))
        )
        / objects
        for p in pairs
    ]
    after = [8 * p.check.bytes_after / objects for p in pairs]
    names = [pair.name for pair in pairs]
    rest = 8 * comparison.collection_after / objects - sum(after)
    if comparison.manifest is not None and rest > LEAST_REST:
        names, before, after = (
            [*names, "latents, escapes" if comparison.manifest.codec_name == "bottleneck" else "counters"],
            [*before, 0.0],
            [*after, rest],
        )
    figure = _figure(7.2, 0.9 + 0.26 * len(names))
    axes = figure.subplots()
    places = np.arange(len(names))
    axes.barh(places - 0.2, before, 0.38, color=BEFORE, edgecolor=EDGE, lw=0.5, label="original")
    axes.barh(places + 0.2, after, 0.38, color=AFTER, label="compressed")
    for place, value in zip(places, after, strict=True):
        axes.text(value, place + 0.2, f" {value:.1f}", va="center", fontsize=7, color=AFTER)
    axes.set_yticks(places, names)
    axes.set(xlabel="bits per object on disk", ylim=(len(names) - 0.4, -0.6))
    axes.tick_params(axis="y", length=0)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)
    return figure
