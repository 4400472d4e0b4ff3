"""Honest metrics of one way to store a collection: the loss of the literature beside what a physicist looks at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from hepae.arrays import Columns, Values
from hepae.core.arithmetic.kinematics import find_roles
from hepae.core.bottleneck.scaling import Transform, chooses_log, fit_transform
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.manifest import Manifest
from hepae.core.values.objects import Objects
from hepae.lab.report.observables import observables_of
from hepae.lab.report.residuals import Residuals, residuals_of

__all__ = ["Quality", "constant_mass", "quality_of", "scaled_loss", "transforms_of"]


class Quality(msgspec.Struct, frozen=True):
    """What was preserved of held-back events.

    Parameters
    ----------
    loss
        Mean squared error of the features in the scaling of the training: the published figure of merit.
    loss_minmax
        The same with every feature scaled to [0, 1], energies by their logarithm, for comparison across scalings.
    features
        Residuals by feature.
    observables
        Residuals of mass, dijet mass, HT and MHT; empty where there are no four-vectors.
    space_like, space_like_before
        Share of objects whose four-vector has |p| > E; before: of the original, which is rounded too.
    """

    loss: float
    loss_minmax: float
    features: dict[str, Residuals]
    observables: dict[str, Residuals]
    space_like: float
    space_like_before: float


def quality_of(
    before: Objects, after: Columns, transforms: Mapping[str, Transform], minmax: Mapping[str, Transform]
) -> Quality:
    """Quality of restored columns.

    Parameters
    ----------
    before
        Held-back events.
    after
        Their features as restored.
    transforms
        Scaling of the training, by feature; those without are not in the loss.
    minmax
        Scaling to [0, 1].
    """
    merged = {name: after.get(name, column) for name, column in before.columns.items()}
    old, new = observables_of(before.counts, before.columns), observables_of(before.counts, merged)
    return Quality(
        scaled_loss(before.columns, merged, transforms),
        scaled_loss(before.columns, merged, minmax),
        {name: residuals_of(column, merged[name]) for name, column in before.columns.items()},
        {}
        if old is None or new is None
        else {n: residuals_of(old.values[n], new.values[n]) for n in old.values},
        0.0 if new is None else new.space_like,
        0.0 if old is None else old.space_like,
    )


def scaled_loss(before: Columns, after: Columns, transforms: Mapping[str, Transform]) -> float:
    """Mean squared error of scaled features; values out of the domain of a transform do not count.

    Examples
    --------
    >>> half = Transform("linear", 0.0, 0.5, -10.0, 10.0)
    >>> scaled_loss({"x": np.array([1.0, 2.0])}, {"x": np.array([1.0, 4.0])}, {"x": half})
    0.5
    """
    squares, count = 0.0, 0
    for name, transform in transforms.items():
        (x, valid), (y, _) = transform.forward(before[name]), transform.forward(after[name])
        squares += float(np.sum((y.astype(np.float64) - x)[valid] ** 2))
        count += int(np.count_nonzero(valid))
    return squares / count if count else 0.0


def transforms_of(
    objects: Objects, features: Sequence[str], manifest: Manifest | None
) -> tuple[dict[str, Transform], dict[str, Transform]]:
    """The scaling that a model was trained with, and the one to [0, 1]; without a network both are the same."""
    minmax = {}
    for name in features:
        values = objects.columns[name]
        minmax[name] = fit_transform(name, values, "minmax", chooses_log(name, values, relative=False))
    if manifest is None or not isinstance(manifest.codec, BottleneckSpec):
        return minmax, minmax
    return {column.name: column.transform for column in manifest.codec.columns}, minmax


def constant_mass(columns: Columns) -> dict[str, Values]:
    """The simplest way to keep three numbers of four: E from pt, eta and one ratio of mass to momentum for all.

    The ratio is the one with the smallest mean squared error of log E.

    Parameters
    ----------
    columns
        Features with pt, eta and E among them.
    """
    roles = find_roles(columns)
    pt, eta, energy = (columns[roles[role]].astype(np.float64) for role in ("pt", "eta", "E"))
    momentum = pt * np.cosh(eta)
    factor = float(np.exp(np.mean(np.log(energy / momentum))))
    return {**columns, roles["E"]: (factor * momentum).astype(columns[roles["E"]].dtype)}
