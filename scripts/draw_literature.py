"""Draw what the autoencoders of the literature and hepae's codecs keep of the monojet events.

After ``hepae experiments scripts/grids/published.toml -o published --data DATA``:

    python scripts/draw_literature.py published DATA/monojet_Zp2000.0_DM_50.0_chan3.csv docs/figures
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.chunk import ChunkCodec
from hepae.core.decode import codec_of
from hepae.core.values.objects import Objects
from hepae.input.events import open_events
from hepae.lab.experiments.grid import read_grid
from hepae.lab.experiments.metrics import constant_mass
from hepae.lab.experiments.outcome import LATENTS, Outcome
from hepae.lab.report.figures import save, styled
from hepae.lab.report.observables import observables_of
from hepae.model.model import Model

GRID = Path(__file__).parent / "grids" / "published.toml"
DATA = "monojet"
PUBLISHED = {"published, tanh": 6.8e-7, "published, LeakyReLU": 7.8405e-7}
WAYS = {
    "constant mass ratio": ("constant mass ratio", "#8a8a8a"),
    "skip + 64-64 SiLU": ("autoencoder 4 → 3", "#c1440e"),
    "masked": ("bounded, 1e-3", "#33658a"),
    "masked, tight": ("bounded, 1e-5", "#2d6a4f"),
}
LABELS = {
    "skip + 64-64 SiLU": ("hepae's 4 → 3", (-50, -11)),
    "lifting": ("lifting", (5, 5)),
    "masked": ("masked", (-24, -12)),
    "masked, tight": ("masked, 1e-5", (7, -2)),
}
ORIGINAL = "#c5d3e0"


def main(folder: str, events: str, target: str) -> None:
    outcomes, models = _results(Path(folder))
    with open_events(events) as tree:
        jets = tree.objects(
            tree.collection("Jet"), ("E", "pt", "eta", "phi"), ("MET", "METphi"), 0, tree.num_entries
        )
    Path(target).mkdir(parents=True, exist_ok=True)
    with styled():
        figure = Figure((7.4, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        _losses(left, outcomes)
        _errors(right, jets, models)
        save(figure, Path(target) / "literature.png", force=True)
        figure = Figure((7.4, 3.1), layout="constrained")
        left, right = figure.subplots(1, 2)
        _masses(left, jets, models)
        _errors(right, jets, models)
        save(figure, Path(target) / "jet_mass.png", force=True)


def _results(folder: Path) -> tuple[list[Outcome], dict[str, Model | None]]:
    """Outcomes of the data set, and the models that are drawn."""
    data, experiments = read_grid(GRID)
    outcomes, models = list[Outcome](), dict[str, Model | None]()
    for experiment in experiments:
        digest = experiment.digest(data[experiment.data])
        kept = folder / "runs" / f"{digest}.json"
        if experiment.data != DATA or not kept.exists():
            continue
        outcomes += msgspec.json.decode(kept.read_bytes(), type=list[Outcome])
        if experiment.name in WAYS:
            path = folder / "models" / f"{digest}.onnx"
            models[experiment.name] = Model.load(path) if path.exists() else None
    return outcomes, models


def _losses(axes: Axes, outcomes: list[Outcome]) -> None:
    """Mean squared error against bits for each jet."""
    for outcome in outcomes:
        if outcome.bits is None:
            axes.axhline(outcome.quality.loss, color=WAYS["constant mass ratio"][1], lw=1)
            axes.text(
                152,
                outcome.quality.loss * 0.62,
                "pt, eta, phi exact,\nconstant mass ratio",
                ha="right",
                va="top",
                fontsize=7,
            )
            continue
        alone = outcome.stored == LATENTS
        colour = "#c1440e" if alone else "#33658a"
        axes.plot(outcome.bits, outcome.quality.loss, "o" if alone else "s", color=colour, ms=5, alpha=0.85)
        if outcome.name in LABELS and (alone or outcome.stored in ("lifting", "masked")):
            words, place = LABELS[outcome.name]
            axes.annotate(
                words, (outcome.bits, outcome.quality.loss), place, textcoords="offset points", fontsize=7
            )
    for loss in PUBLISHED.values():
        axes.axhline(loss, color="k", lw=0.7, ls=":")
    axes.text(2, 9e-7, "published", fontsize=7)
    axes.plot([], [], "o", color="#c1440e", label="latents only")
    axes.plot([], [], "s", color="#33658a", label="within bounds")
    axes.set(
        yscale="log",
        xlim=(0, 155),
        xlabel="bits per jet on disk",
        ylabel="mean squared error, scaled features",
    )
    axes.legend(loc="lower left")


def _restored(name: str, model: Model | None, jets: Objects) -> Mapping[str, NDArray[np.generic]]:
    if model is None:
        return constant_mass(jets.columns)
    spec, codec = model.manifest.codec, codec_of(model)
    if isinstance(codec, ChunkCodec):
        return codec.decode(jets.counts, jets.events, codec.encode(jets, 0), list(jets.columns))
    assert isinstance(spec, BottleneckSpec)
    alone = Bottleneck(msgspec.structs.replace(spec, latents_only=True), model.networks, model.tables)
    return alone.decode(alone.encode(jets.columns))


def _mass(jets: Objects, columns: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float64]:
    found = observables_of(jets.counts, columns)
    assert found is not None
    return found.values["mass"] / 1000.0


def _masses(axes: Axes, jets: Objects, models: Mapping[str, Model | None]) -> None:
    """Distributions of the jet mass."""
    edges = np.linspace(-60, 120, 91).tolist()
    axes.hist(_mass(jets, jets.columns), edges, color=ORIGINAL, label="original")
    for name, model in models.items():
        label, colour = WAYS[name]
        mass = _mass(jets, _restored(name, model, jets))
        axes.hist(mass, edges, histtype="step", color=colour, label=label, lw=1.1)
    axes.axvline(0, color="k", lw=0.5)
    axes.set(xlabel="jet mass from the four-vector [GeV]; negative: |p| > E", ylabel="jets")
    axes.legend(fontsize=7)


def _errors(axes: Axes, jets: Objects, models: Mapping[str, Model | None]) -> None:
    """How many jets have a mass that is wrong by more than this."""
    original = _mass(jets, jets.columns)
    shares = np.linspace(0, 1, len(original))
    for name, model in models.items():
        label, colour = WAYS[name]
        error: Any = np.sort(
            np.abs(_mass(jets, _restored(name, model, jets)) - original) / np.maximum(original, 1e-3)
        )
        axes.plot(np.maximum(error, 1e-6), 1 - shares, color=colour, label=label, lw=1.3)
    axes.set(
        xscale="log",
        xlim=(1e-5, 3e3),
        ylim=(0, 1),
        xlabel="relative error of the jet mass",
        ylabel="share of jets beyond",
    )
    axes.legend(fontsize=7, loc="upper right")


if __name__ == "__main__":
    main(*sys.argv[1:])
