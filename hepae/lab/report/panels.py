"""What the plots show, as `hist` objects: each quantity before, after, and its residual."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import hist
import numpy as np

from hepae.arrays import Floats, Values
from hepae.lab.report.compared import Comparison, FeaturePair
from hepae.lab.report.observables import OBSERVABLES, observables_of
from hepae.lab.report.residuals import Residuals, difference, relative, residuals_of

__all__ = [
    "Panel",
    "correlations",
    "feature_panel",
    "histograms_of",
    "moving",
    "observable_panels",
    "residual_of",
]

Histogram: TypeAlias = "hist.Hist[Any]"

BINS = 60
INTEGER_BINS = 80
WIDE = 30.0
"""Positive quantities whose range spans more than this factor get logarithmic bins."""
SEEN = (0.001, 0.999)
SEEN_OBSERVABLE = (0.002, 0.98)
RESIDUAL_SEEN = 0.995


@dataclass(frozen=True)
class Panel:
    """One quantity before and after.

    Attributes
    ----------
    name, title
        Short name, and what stands at the axis.
    before, after, residual
        Histograms; the first two share an axis.
    residual_title
        What the residual is.
    bound
        Half the width that is allowed, in the unit of the residual; None where nothing is promised.
    exact
        Whether every value is the same bit for bit.
    residuals
        In numbers.
    """

    name: str
    title: str
    before: Histogram
    after: Histogram
    residual: Histogram
    residual_title: str
    bound: float | None
    exact: bool
    residuals: Residuals


def feature_panel(pair: FeaturePair) -> Panel:
    """A feature."""
    axis = _axis(pair.name, pair.before, pair.before, SEEN)
    residual, title, bound = residual_of(pair)
    return Panel(
        pair.name,
        pair.branch,
        _filled(axis, pair.before),
        _filled(axis, pair.after),
        _residual(residual, bound),
        title,
        bound,
        pair.exact,
        residuals_of(pair.before, pair.after),
    )


def residual_of(pair: FeaturePair) -> tuple[Floats, str, float | None]:
    """The residual in the way in which the feature is bounded, its title, and the bound."""
    bound = pair.bound
    if bound is not None and bound.kind in ("rel", "bits"):
        return relative(pair.before, pair.after), "(restored − original) / |original|", bound.relative
    size = bound.size if bound is not None and bound.kind == "abs" else None
    return difference(pair.before, pair.after), "restored − original", size


def observable_panels(comparison: Comparison) -> Iterator[Panel]:
    """Mass, dijet mass, HT and missing HT; none where the objects have no four-vectors."""
    before = observables_of(comparison.counts, comparison.before)
    after = observables_of(comparison.counts, comparison.after)
    if before is None or after is None:
        return
    for name, title in OBSERVABLES.items():
        old, new = before.values[name], after.values[name]
        if not len(old):
            continue
        axis = _axis(name, old, new, SEEN_OBSERVABLE)
        found = residuals_of(old, new)
        yield Panel(
            name,
            f"{comparison.collection}: {title}",
            _filled(axis, old),
            _filled(axis, new),
            _residual(difference(old, new), None),
            "restored − original",
            None,
            found.identical == found.values,
            found,
        )


def histograms_of(panels: Sequence[Panel], comparison: Comparison) -> dict[str, Histogram]:
    """All histograms by their path in ``report.root``."""
    found = {}
    for panel in panels:
        for part in ("before", "after", "residual"):
            found[f"{panel.name}/{part}"] = getattr(panel, part)
    names, before, after = correlations(comparison)
    for part, matrix in (("before", before), ("after", after)):
        axes = [
            hist.axis.Regular(len(names), 0, len(names), name=n, label=", ".join(names)) for n in ("x", "y")
        ]
        table: Histogram = hist.Hist(*axes)
        table.values()[...] = matrix
        found[f"correlation/{part}"] = table
    return found


def correlations(comparison: Comparison) -> tuple[list[str], Floats, Floats]:
    """Names of the features that vary, and their correlation matrices before and after."""
    varying = [
        f
        for f in comparison.features
        if len(f.before) > 1 and np.ptp(_finite(f.before).astype(np.float64)) > 0
    ]
    names = [feature.name for feature in varying]
    return names, _correlation([f.before for f in varying]), _correlation([f.after for f in varying])


def moving(comparison: Comparison) -> list[FeaturePair]:
    """The features that are not the same bit for bit."""
    return [feature for feature in comparison.features if not feature.exact]


def _correlation(columns: Sequence[Values]) -> Floats:
    if not columns:
        return np.zeros((0, 0))
    table = np.stack([column.astype(np.float64) for column in columns])
    table = table[:, np.isfinite(table).all(axis=0)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            np.nan_to_num(np.atleast_2d(np.corrcoef(table))) if table.shape[1] > 1 else np.eye(len(columns))
        )


def _finite(values: Values) -> Values:
    found = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return found if len(found) else np.zeros(1, values.dtype)


def _axis(name: str, before: Values, after: Values, seen: tuple[float, float]) -> Any:
    values = _finite(before)
    if values.dtype.kind in "biu":
        low, high = int(values.min()), int(np.quantile(values.astype(np.float64), seen[1]))
        step = -(-(high - low + 1) // INTEGER_BINS)
        bins = (high - low) // step + 1
        return hist.axis.Regular(bins, low - 0.5, low - 0.5 + bins * step, name=name)
    low, high = np.quantile(values.astype(np.float64), seen)
    low = min(low, float(np.quantile(_finite(after).astype(np.float64), seen[0])))
    if not high > low:
        low, high = low - 0.5 * max(1.0, abs(low)), low + 0.5 * max(1.0, abs(low))
    if low > 0 and high / low > WIDE:
        return hist.axis.Variable(np.geomspace(low, high, BINS + 1), name=name)
    return hist.axis.Regular(BINS, low, high, name=name)


def _filled(axis: Any, values: Values) -> Histogram:
    filled: Histogram = hist.Hist(axis)
    filled.fill(_finite(values).astype(np.float64))
    return filled


def _residual(residual: Floats, bound: float | None) -> Histogram:
    found = residual[np.isfinite(residual)]
    reach = (
        1.08 * bound
        if bound
        else 1.1 * float(np.quantile(np.abs(found), RESIDUAL_SEEN))
        if len(found)
        else 0.0
    )
    reach = reach if reach > 0 else 1.0
    return _filled(hist.axis.Regular(BINS + 1, -reach, reach, name="residual"), found)
