"""The report: one self-contained HTML page, and the histograms of it in a ROOT file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from hepae.lab.report import figures
from hepae.lab.report.compared import Comparison
from hepae.lab.report.histograms import write_histograms
from hepae.lab.report.panels import Panel, feature_panel, histograms_of, moving, observable_panels
from hepae.lab.report.style import STYLE
from hepae.progress import Report
from hepae.root.file.atomic import atomic_output, check_target
from hepae.version import __version__

__all__ = ["check_pages", "page", "write_report"]


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


def check_pages(target: Path, inputs: Iterable[str | Path], *, force: bool = False) -> Path:
    """Refuse a page that cannot be written, or whose histograms cannot; where the histograms go otherwise."""
    histograms, inputs = target.with_suffix(".root"), tuple(inputs)
    for path in (target, histograms):
        check_target(path, inputs, force=force)
    return histograms


def page(comparison: Comparison, panels: Sequence[Panel], physics: Sequence[Panel], report: Report) -> str:
    """The page as HTML: no script, no network, pictures inline."""
    title = f"{comparison.collection}: {Path(comparison.original).name} and {Path(comparison.file).name}"
    sections = dict(_sections(comparison, panels, physics, report))
    links = " ".join(f'<a href="#{_anchor(name)}">{name}</a>' for name in sections)
    body = "\n".join(
        f'<section id="{_anchor(name)}"><h2>{name}</h2>\n{content}</section>'
        for name, content in sections.items()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body>'
        f"<header><h1>{html.escape(title)}</h1>{_verdict(comparison)}</header>\n<nav>{links}</nav>\n"
        f"<main>{body}</main>\n<footer>hepae {__version__}</footer></body></html>\n"
    )


def _sections(
    comparison: Comparison, panels: Sequence[Panel], physics: Sequence[Panel], report: Report
) -> Iterator[tuple[str, str]]:
    yield (
        "Sizes",
        _sizes(comparison) + _picture(figures.sizes_figure(comparison), "bits per object by feature"),
    )
    yield "Bounds", _bounds(comparison, panels)
    if physics:
        yield "Physics", _physics_table(physics) + _grid(physics, report, "physics")
    yield "Features", _grid(panels, report, "features")
    yield (
        "Correlations",
        _picture(figures.correlation_figure(comparison), "correlation matrices before and after"),
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
        yield "Residuals", f"<p>{words}</p>" + _picture(corner, "corner plot of residuals")
    yield "Training", _training(comparison)


def _verdict(comparison: Comparison) -> str:
    ratio = comparison.collection_before / max(1, comparison.collection_after)
    tiles = {
        "collection, before : after": f"{ratio:.2f}",
        "bits per object": f"{8 * comparison.collection_after / max(1, comparison.objects):.1f}",
        "events": f"{comparison.events:,}",
        "objects": f"{comparison.objects:,}",
        "every bound kept": "yes" if comparison.kept else "NO",
    }
    cells = "".join(
        f'<div class="tile{" bad" if value == "NO" else ""}"><b>{value}</b><span>{name}</span></div>'
        for name, value in tiles.items()
    )
    problems = "".join(f"<li>{html.escape(text)}</li>" for text in comparison.differences[:20])
    return f'<div class="tiles">{cells}</div>' + (f'<ul class="bad">{problems}</ul>' if problems else "")


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
    return _table(["", "before, bytes", "after, bytes", "ratio", "bits per object"], rows)


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
    return f"<p>{words}</p>{combs}" + _table(heads, rows)


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
    return f"<p>{words}</p>" + _table(heads, rows)


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
    table = _table(["", ""], rows, "facts")
    if not training.history:
        return table + "<p>The predictors were fitted directly: there is no loss curve.</p>"
    return table + _picture(figures.loss_figure(training.history), "loss by epoch")


def _grid(panels: Sequence[Panel], report: Report, phase: str) -> str:
    pictures = []
    for place, panel in enumerate(panels):
        pictures.append(_picture(figures.panel_figure(panel), f"{panel.title}: original, restored, residual"))
        report(phase, place + 1, len(panels), "")
    return f'<div class="grid">{"".join(pictures)}</div>'


def _picture(figure: Figure, words: str) -> str:
    data = base64.b64encode(figures.png(figure)).decode()
    width = round(96 * figure.get_size_inches()[0])
    return f'<figure><img src="data:image/png;base64,{data}" alt="{html.escape(words)}" width="{width}"></figure>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads) if any(heads) else ""
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    head = f"<thead><tr>{head}</tr></thead>"
    return f'<div class="scroll"><table class="{kind}">{head}<tbody>{body}</tbody></table></div>'


def _anchor(name: str) -> str:
    return name.lower()
