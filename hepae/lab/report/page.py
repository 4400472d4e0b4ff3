"""The report: one self-contained HTML page, and the histograms of it in a ROOT file."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path

from hepae.lab.report import figures
from hepae.lab.report.compared import Comparison
from hepae.lab.report.histograms import check_pages, write_histograms
from hepae.lab.report.panels import Panel, feature_panel, histograms_of, moving, observable_panels
from hepae.lab.report.parts import document, grid, picture, table, tiles
from hepae.lab.report.provenance import provenance
from hepae.progress import Report
from hepae.root.file.atomic import atomic_output

__all__ = ["page", "write_report"]


def write_report(comparison: Comparison, target: Path, report: Report, *, force: bool = False) -> Path:
    """Write the page, and ``NAME.root`` beside it with the histograms.

    Parameters
    ----------
    comparison
        What `hepae.lab.report.comparison.compare` read.
    target
        The page to write, such as ``report.html``.
    report
        Told how far the work is.
    force
        Replace files that exist, which is an error otherwise.

    Returns
    -------
    Path
        The ROOT file.

    Raises
    ------
    OutputError
        If a file cannot be written, or is one of those compared.
    """
    inputs = comparison.original, comparison.file
    histograms = check_pages(target, inputs, force=force)
    panels = [feature_panel(feature) for feature in comparison.features]
    physics = list(observable_panels(comparison))
    text = page(comparison, panels, physics, report)
    with atomic_output(target, inputs, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")
    write_histograms(histograms, histograms_of([*panels, *physics], comparison), force=force)
    return histograms


def page(comparison: Comparison, panels: Sequence[Panel], physics: Sequence[Panel], report: Report) -> str:
    """The page as HTML: no script, no network, pictures inline."""
    title = f"{comparison.collection}: {Path(comparison.original).name} and {Path(comparison.file).name}"
    return document(title, _verdict(comparison), dict(_sections(comparison, panels, physics, report)))


def _sections(
    comparison: Comparison, panels: Sequence[Panel], physics: Sequence[Panel], report: Report
) -> Iterator[tuple[str, str]]:
    yield (
        "Sizes",
        _sizes(comparison) + picture(figures.sizes_figure(comparison), "bits per object by feature"),
    )
    yield "Bounds", _bounds(comparison, panels)
    if physics:
        yield "Physics", _physics_table(physics) + grid(physics, report, "physics")
    yield "Features", grid(panels, report, "features")
    yield (
        "Correlations",
        picture(figures.correlation_figure(comparison), "correlation matrices before and after"),
    )
    corner = figures.corner_figure(comparison)
    if corner is not None:
        shown, all_moving = min(figures.MOST_IN_CORNER, len(moving(comparison))), len(moving(comparison))
        words = (
            "Histograms on the diagonal; below it residual against residual, coloured by their correlation, with "
            "points for objects beyond one standard deviation (thinned)."
        )
        if shown < all_moving:
            words += (
                f" The first {shown} of {all_moving} features that are not bit for bit the same; "
                "<code>hepae plot corner</code> draws any others."
            )
        yield "Residuals", f"<p>{words}</p>" + picture(corner, "corner plot of residuals")
    yield "Training", _training(comparison)
    yield "Provenance", table(["", ""], provenance(comparison.original, comparison.file), "facts")


def _verdict(comparison: Comparison) -> str:
    ratio = comparison.collection_before / max(1, comparison.collection_after)
    figures_of = {
        "collection, before : after": f"{ratio:.2f}",
        "bits per object": f"{8 * comparison.collection_after / max(1, comparison.objects):.1f}",
        "events": f"{comparison.events:,}",
        "objects": f"{comparison.objects:,}",
        "every bound kept": "yes" if comparison.kept else "NO",
    }
    return tiles(figures_of, comparison.differences)


def _sizes(comparison: Comparison) -> str:
    objects = max(1, comparison.objects)
    lines = [
        ("the file", comparison.file_before, comparison.file_after),
        (
            f"the collection {comparison.collection}, compressed features",
            comparison.collection_before,
            comparison.collection_after,
        ),
        ("the model", 0, comparison.model_bytes),
    ]
    rows = [
        [
            name,
            f"{before:,}" if before else "",
            f"{after:,}",
            f"{before / after:.2f}" if before and after else "",
            f"{8 * after / objects:.2f}",
        ]
        for name, before, after in lines
    ]
    return table(["", "before, bytes", "after, bytes", "ratio", "bits per object"], rows)


def _bounds(comparison: Comparison, panels: Sequence[Panel]) -> str:
    rows = []
    for feature, panel in zip(comparison.features, panels, strict=True):
        check, spread = feature.check, panel.residuals
        rows.append(
            [
                feature.branch,
                str(feature.before.dtype),
                check.bound if feature.compressed else "not compressed",
                f"{check.identical / max(1, check.values):.2%}",
                "" if feature.escapes is None else f"{feature.escapes:,}",
                f"{check.worst:.3f}" if check.bound not in ("exact", "none") else "",
                *(
                    "0" if feature.exact else f"{x:.3g}"
                    for x in (spread.absolute.bias, spread.absolute.rms, check.worst_error)
                ),
                "0" if feature.exact else f"{spread.relative.worst:.3g}",
                "" if check.bound in ("exact", "none") else f"{check.combed_50} / {check.combed_100}",
                f"{check.bytes_after:,}",
            ]
        )
    heads = [
        "branch",
        "dtype",
        "bound",
        "identical",
        "escapes",
        "worst / bound",
        "bias",
        "rms",
        "worst",
        "worst, relative",
        "bins, of 50 / 100",
        "bytes",
    ]
    words = (
        "Worst errors and identical values are of every value in the file, checked one by one; bias and rms of those "
        "drawn below. Bins: how many of a histogram of 50, and of 100, hold more or less than before by more than the "
        "square root of what they held."
    )
    combs = f"<p>{html.escape(comparison.combs)}</p>" if comparison.combs else ""
    return f"<p>{words}</p>{combs}" + table(heads, rows)


def _physics_table(physics: Sequence[Panel]) -> str:
    rows = []
    for panel in physics:
        a, r = panel.residuals.absolute, panel.residuals.relative
        rows.append(
            [
                panel.title,
                *(f"{x:.3g}" for x in (a.bias, a.rms, a.worst)),
                *(f"{x:.2e}" for x in (*r.quantiles[:3:2], r.rms)),
            ]
        )
    mass = next((panel for panel in physics if panel.name == "mass"), None)
    words = "Masses of space-like four-vectors (|p| &gt; E) are negative: −√(p² − E²)."
    if mass is not None:
        before, after = (_below_zero(mass, part) for part in ("before", "after"))
        words += f" Space-like before: {before:.2%}, after: {after:.2%}."
    heads = ["", "bias", "rms", "worst", "relative: median", "95 %", "rms"]
    return f"<p>{words}</p>" + table(heads, rows)


def _below_zero(panel: Panel, part: str) -> float:
    filled = getattr(panel, part)
    counts, edges = filled.values(flow=True), filled.axes[0].edges
    below = float(counts[0]) + float(counts[1:-1][edges[1:] <= 0].sum())
    return below / max(1.0, float(counts.sum()))


def _training(comparison: Comparison) -> str:
    manifest = comparison.manifest
    if manifest is None:
        return "<p>The file carries no model: it is a restored one, or holds its model by reference.</p>"
    training = manifest.training
    rows = [
        ["codec", manifest.codec_name],
        ["SHA-256", comparison.sha256],
        ["trained on", f"{training.events:,} events, {training.objects:,} objects, seed {training.seed}"],
        ["conditions", ", ".join(manifest.conditions) or "none"],
    ]
    facts = table(["", ""], rows, "facts")
    if not training.history:
        return facts + "<p>The predictors were fitted directly: there is no loss curve.</p>"
    return facts + picture(figures.loss_figure(training.history), "loss by epoch")
