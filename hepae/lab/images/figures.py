"""Pictures of jet images: averages, reconstructions, what a latent does. Drawn without pyplot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import hist
import matplotlib as mpl
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepae.arrays import Floats
from hepae.errors import InputError
from hepae.lab.images.model import ImageModel
from hepae.lab.images.modelling import read_images
from hepae.lab.report.figures import save, styled
from hepae.root.file.atomic import check_target, output_folder

__all__ = [
    "average_figure",
    "average_image",
    "draw_model",
    "loss_figure",
    "reconstruction_figure",
    "roc_figure",
    "traversal_figure",
]

Images = NDArray[np.float32]
Histogram = Any
"""A ``hist.Hist``, whose types are not the same in all versions that we work with."""

COLOURS: Final = "magma_r"
LINES: Final = ("#c1440e", "#33658a", "#2d6a4f", "#7b4b94", "#8a6d1d", "#6b6b6b", "#1a1a1a")
DECADES: Final = 4.0
STEPS: Final = np.linspace(-3, 3, 7)
SHOWN: Final = 6
FIRST_EPOCHS: Final = 2
MOST_LATENTS: Final = 8
LEAST_SPREAD: Final = 0.2
"""A latent that varies less is hardly used: of a standard normal distribution it would vary by 1."""
MOST_DRAWN: Final = 4000


def average_image(images: Images, half_width: float = 0.8, label: str = "") -> Histogram:
    """The mean image of jets as a histogram in eta and phi from the centre.

    Parameters
    ----------
    images : float32[n, pixels, pixels]
        Of one channel.
    half_width
        What `hepae.images.jet_images` was given.

    Examples
    --------
    >>> average = average_image(np.eye(4, dtype=np.float32)[None])
    >>> average.axes.name, float(average.values().sum())
    (('deta', 'dphi'), 4.0)
    """
    pixels = images.shape[-1]
    axes = [
        hist.axis.Regular(pixels, -half_width, half_width, name=f"d{name}", label=rf"$\Delta\{name}$")
        for name in ("eta", "phi")
    ]
    made: Histogram = hist.Hist(*axes, label=label)
    made.view()[:] = images.mean(axis=0, dtype=np.float64) if len(images) else 0.0
    return made


def average_figure(averages: Mapping[str, Sequence[Histogram]], channels: Sequence[str] = ("all",)) -> Figure:
    """Average images: a row for each kind of jets, a column for each channel, one logarithmic scale."""
    with styled():
        figure = _figure(2.5 * len(channels) + 0.9, 2.3 * len(averages) + 0.2)
        grid = figure.subplots(len(averages), len(channels), squeeze=False, sharex=True, sharey=True)
        largest = max(float(one.values().max()) for row in averages.values() for one in row)
        norm = LogNorm(largest / 10**DECADES, largest)
        for row, (kind, of_kind) in enumerate(averages.items()):
            for column, (channel, one) in enumerate(zip(channels, of_kind, strict=True)):
                axes = grid[row, column]
                mplhep.hist2dplot(one, ax=axes, norm=norm, cmap=COLOURS, cbar=False, flow="none")
                axes.set_facecolor(mpl.colormaps[COLOURS](0.0))
                axes.set_aspect("equal")
                axes.set_title(f"{kind}, {channel}" if channel != "all" else kind, loc="left")
                axes.label_outer()
        shades = mpl.cm.ScalarMappable(norm, COLOURS)
        figure.colorbar(shades, ax=grid, label="mean share of the jet's $p_T$", shrink=0.85, aspect=30)
        return figure


def reconstruction_figure(images: Images, restored: Mapping[str, Images], labels: Sequence[str]) -> Figure:
    """Images [n, pixels, pixels] in the first row, what each model makes of them below, on one scale a column."""
    rows = {"original": images, **restored}
    with styled():
        figure = _figure(1.25 * len(images) + 0.6, 1.25 * len(rows) + 0.25)
        grid = figure.subplots(len(rows), len(images), squeeze=False)
        for row, (name, of_row) in enumerate(rows.items()):
            for column in range(len(images)):
                axes, largest = grid[row, column], float(images[column].max())
                _shown(axes, of_row[column], LogNorm(largest / 10**3, largest, clip=True))
                if row == 0:
                    axes.set_title(labels[column])
            grid[row, 0].set_ylabel(name)
        return figure


def traversal_figure(model: ImageModel, latents: NDArray[np.float32]) -> Figure:
    """What each latent that is used does, the others at their mean: a row for a latent, most informative first.

    Parameters
    ----------
    model
        A variational model.
    latents : float32[n, latents]
        Of a sample: their means and spreads say where to go.
    """
    mean, spread = latents.mean(axis=0), latents.std(axis=0)
    informative = max(1, min(MOST_LATENTS, int((spread > LEAST_SPREAD).sum())))
    chosen = np.argsort(-spread)[:informative]
    given = np.repeat(mean[None], len(chosen) * len(STEPS), axis=0)
    for row, latent in enumerate(chosen):
        given[row * len(STEPS) : (row + 1) * len(STEPS), latent] = mean[latent] + STEPS * spread[latent]
    images = (
        model.decode(given.astype(np.float32))
        .sum(axis=1)
        .reshape(len(chosen), len(STEPS), *model.manifest.image.shape[1:])
    )
    with styled():
        figure = _figure(1.1 * len(STEPS) + 0.7, 1.1 * len(chosen) + 0.3)
        grid = figure.subplots(len(chosen), len(STEPS), squeeze=False)
        largest = float(images.max())
        for (row, column), axes in np.ndenumerate(grid):
            _shown(axes, images[row, column], LogNorm(largest / 10**3, largest, clip=True))
            if row == 0:
                axes.set_title(f"{STEPS[column]:+.0f} σ" if STEPS[column] else "mean")
            if column == 0:
                axes.set_ylabel(f"latent {chosen[row]}\nσ = {spread[chosen[row]]:.2f}")
        return figure


def loss_figure(models: Sequence[ImageModel]) -> Figure:
    """Losses by epoch, one panel a model: reconstruction of training and validation, divergence."""
    with styled():
        figure = _figure(3.2 * len(models) + 0.2, 2.5)
        panels = figure.subplots(1, len(models), squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            _losses(axes, model)
        return figure


def _losses(axes: Axes, model: ImageModel) -> None:
    recipe, losses = model.manifest.recipe, np.asarray(model.manifest.training.history)
    epochs = np.arange(1, len(losses) + 1)
    axes.plot(epochs, losses[:, 0], color=LINES[1], lw=1, label="training")
    axes.plot(epochs, losses[:, 1], color=LINES[0], lw=1.2, label="validation")
    # the first epochs are far above the rest
    later = losses[min(FIRST_EPOCHS, len(losses) - 1) :]
    axes.set(xlabel="epoch", ylabel=f"reconstruction ({recipe.loss}), nats")
    axes.set_ylim(0.98 * losses.min(), 1.03 * later.max())
    kind = "autoencoder" if recipe.beta is None else "variational autoencoder"
    axes.set_title(
        kind if recipe.beta in (None, 1.0) else rf"$\beta$-VAE, $\beta$ = {recipe.beta:g}", loc="left"
    )
    handles = list(axes.lines)
    if recipe.beta is not None:
        other = axes.twinx()
        other.spines["right"].set_visible(True)
        divergences = np.asarray(model.manifest.divergences)
        handles += other.plot(epochs, divergences, color=LINES[2], lw=1, ls="--", label="divergence")
        top = 1.5 * divergences[min(FIRST_EPOCHS, len(losses) - 1) :].max()
        other.set(ylabel="divergence, nats", ylim=(0, top))
    axes.legend(handles=handles, loc="upper right")


def roc_figure(curves: Mapping[str, tuple[Floats, Floats, float]]) -> Figure:
    """Background rejection against signal efficiency; each curve is false and true positive rate, and its area."""
    with styled():
        figure = _figure(4.6, 3.7)
        axes = figure.subplots()
        for (name, (fpr, tpr, area)), colour in zip(curves.items(), LINES, strict=False):
            seen = (fpr > 0) & (tpr > 0.02)
            axes.plot(tpr[seen], 1 / fpr[seen], color=colour, lw=1.2, label=f"{name}, area {area:.3f}")
        line = np.linspace(0.02, 1, 100)
        axes.plot(line, 1 / line, color="#9a9a9a", lw=0.8, ls=":", label="by chance")
        axes.set(
            xlabel="signal efficiency",
            ylabel="background rejection",
            yscale="log",
            xlim=(0, 1),
            ylim=(1, 300),
        )
        axes.legend(loc="upper right")
        return figure


PICTURES = ("average", "reconstructions", "losses")
"""What is drawn of every model."""


def draw_model(
    model: ImageModel,
    path: str | Path,
    folder: str | Path,
    *,
    tree: str | None = None,
    cut: str | None = None,
    entries: tuple[int, int | None] = (0, None),
    force: bool = False,
) -> list[Path]:
    """Draw what a model makes of the jets of a file: PNG files in a folder, which is made if it is not there.

    Raises
    ------
    InputError
        If no jet is left to draw.
    OutputError
        If a picture exists and ``force`` does not say to replace it.
    """
    names = [*PICTURES, *(["traversal"] if model.manifest.variational else [])]
    paths = [Path(folder) / f"{name}.png" for name in names]
    for one in paths if Path(folder).exists() else ():
        check_target(one, (path,), force=force)
    image = model.manifest.image
    stop = min(entries[0] + MOST_DRAWN, entries[1] or entries[0] + MOST_DRAWN)
    images = read_images(
        path, image, constituents=model.manifest.constituents, tree=tree, cut=cut, entries=(entries[0], stop)
    )
    if not len(images):
        raise InputError("no jets to draw", where=path)
    output_folder(folder)
    latents, _ = model.encode(images)
    restored = model.decode(latents[:SHOWN])
    losses = model.loss(images[:SHOWN], restored)
    averages = [average_image(images[:, channel], image.half_width) for channel in range(len(image.channels))]
    figures: dict[str, Any] = {
        "average": average_figure({"mean image": averages}, image.channels),
        "reconstructions": reconstruction_figure(
            images[:SHOWN].sum(axis=1),
            {"restored": restored.sum(axis=1)},
            [f"loss {loss:.2g}" for loss in losses],
        ),
        "losses": loss_figure([model]),
    }
    if model.manifest.variational:
        figures["traversal"] = traversal_figure(model, latents)
    for name, one in zip(names, paths, strict=True):
        save(figures[name], one, force=force)
    return paths


def _figure(width: float, height: float) -> Figure:
    figure = Figure((width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _shown(axes: Axes, image: Images, norm: LogNorm) -> None:
    axes.imshow(
        np.maximum(image, norm.vmin or 0.0).T,
        origin="lower",
        cmap=COLOURS,
        norm=norm,
        interpolation="nearest",
    )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color="#c8c8c8")
