"""Tops as anomalies among QCD jets: trains image autoencoders on QCD jets, scores jets that they never saw, draws.

    python scripts/image_anomalies.py ../shared/data/fat_jets.root -o anomalies

Three models (plain, variational, beta-variational) are trained on the QCD jets among the first 14,000 entries; scores
of all jets are written with `hepae.lab.scoring`, and ROC curves, areas and rejections are those of the other 6,001
entries, beside two baselines that need no network. Models that are there already are not trained again.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepae.lab.images.figures import (
    average_figure,
    average_image,
    loss_figure,
    reconstruction_figure,
    roc_figure,
    traversal_figure,
)
from hepae.lab.images.model import ImageModel
from hepae.lab.images.modelling import read_images, train_images
from hepae.lab.images.spec import ImageRecipe, ImageSpec
from hepae.lab.report.figures import png, save
from hepae.lab.report.histograms import write_histograms
from hepae.lab.report.roc import auc, bootstrap, rejection, roc
from hepae.lab.scoring import score
from hepae.root import open_source

TRAINED = 14_000
RECIPES = {
    "AE": ImageRecipe(threads=1),
    "VAE": ImageRecipe(latents=16, beta=1.0, threads=1),
    "beta-VAE": ImageRecipe(latents=16, beta=4.0, threads=1),
}
CHANNELS = ("ecal", "hcal", "track")
EXAMPLES = 3


def main() -> None:
    """Train, score, tabulate, draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("jets", type=Path, help="fat_jets.root")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each model, for the table")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    models = {
        (name, seed): trained(options.jets, options.output, name, seed)
        for seed in range(1, options.seeds + 1)
        for name in RECIPES
    }
    scores, labels = scored(options.jets, options.output, models)
    table = tabulated(scores, labels)
    (options.output / "table.md").write_text(table)
    print(table)
    draw(
        options.jets,
        options.output,
        {name: model for (name, seed), model in models.items() if seed == 1},
        scores,
        labels,
    )


def trained(jets: Path, folder: Path, name: str, seed: int) -> ImageModel:
    """A model of QCD jets, from its file if it is there."""
    path = folder / f"{name}-{seed}.onnx"
    if not path.exists():
        began = time.process_time()
        recipe = RECIPES[name]
        recipe = ImageRecipe(latents=recipe.latents, beta=recipe.beta, threads=recipe.threads, seed=seed)
        train_images([jets], recipe=recipe, cut="FatJet_isTop == 0", entries=(0, TRAINED)).save(
            path, force=True
        )
        print(f"{name}, seed {seed}: trained in {time.process_time() - began:.0f} s of one core", flush=True)
    return ImageModel.load(path)


Scores = dict[str, list[NDArray[np.float64]]]


def scored(
    jets: Path, folder: Path, models: dict[tuple[str, int], ImageModel]
) -> tuple[Scores, NDArray[np.int8]]:
    """Scores of the jets that were not trained on, by name, one array a seed; and which are tops."""
    scores: Scores = {}
    for (name, seed), model in models.items():
        path = folder / f"{name}-{seed}.root"
        score(jets, path, model, latents=True, force=True)
        loss = column(path, "FatJet_hepae_score")
        scores.setdefault(f"{name}: loss", []).append(loss)
        if model.manifest.variational:
            divergence = column(path, "FatJet_hepae_kl")
            scores.setdefault(f"{name}: divergence", []).append(divergence)
            both = model.manifest.recipe.draws * loss + divergence
            scores.setdefault(f"{name}: both, in nats", []).append(both)
    scores["jet mass"] = [column(jets, "FatJet_mass")]
    scores["number of constituents"] = [column(jets, "nConstituent")]
    return scores, column(jets, "FatJet_isTop").astype(np.int8)


def column(path: Path, branch: str) -> NDArray[np.float64]:
    """Values of a branch for the entries of the test."""
    with open_source(path) as source:
        tree = source.tree()
        return np.asarray(tree.read(branch, TRAINED, tree.num_entries), np.float64)


def tabulated(scores: Scores, labels: NDArray[np.int8]) -> str:
    """Area and rejections of each score; of several seeds their mean, and the larger of spread and bootstrap error."""
    lines = ["| score | area under the curve | rejection at 50 % | at 30 % |", "|---|---|---|---|"]
    for name, runs in scores.items():
        areas = [auc(run, labels) for run in runs]
        spread = float(np.std(areas, ddof=1)) if len(areas) > 1 else 0.0
        error = max(spread, bootstrap(auc, runs[0], labels))
        rejections = [np.mean([rejection(run, labels, share) for run in runs]) for share in (0.5, 0.3)]
        lines.append(
            f"| {name} | {np.mean(areas):.3f} ± {error:.3f} | {rejections[0]:.1f} | {rejections[1]:.1f} |"
        )
    return "\n".join(lines) + "\n"


def draw(
    jets: Path, folder: Path, models: dict[str, ImageModel], scores: Scores, labels: NDArray[np.int8]
) -> None:
    """The figures of docs/images.md."""
    kinds = {"QCD": "FatJet_isTop == 0", "top": "FatJet_isTop == 1"}
    three = ImageSpec(channels=CHANNELS)
    averages = {}
    for kind, cut in kinds.items():
        images = read_images(jets, three, cut=cut)
        averages[kind] = [average_image(images[:, place], label=kind) for place in range(len(CHANNELS))]
    save(average_figure(averages, CHANNELS), folder / "images_average.png", force=True)
    histograms = {
        f"{kind}/{name}": one
        for kind, row in averages.items()
        for name, one in zip(CHANNELS, row, strict=True)
    }
    write_histograms(folder / "averages.root", histograms)
    examples = np.concatenate(
        [
            read_images(jets, ImageSpec(), cut=cut, entries=(TRAINED, TRAINED + 60))[:EXAMPLES]
            for cut in kinds.values()
        ]
    )
    restored = {name: model.decode(model.encode(examples)[0])[:, 0] for name, model in models.items()}
    names = [kind for kind in kinds for _ in range(EXAMPLES)]
    save(
        reconstruction_figure(examples[:, 0], restored, names),
        folder / "images_reconstructions.png",
        force=True,
    )
    save(loss_figure(list(models.values())), folder / "images_losses.png", force=True)
    qcd = read_images(jets, ImageSpec(), cut=kinds["QCD"], entries=(TRAINED, None))
    for name in ("VAE", "beta-VAE"):
        figure = traversal_figure(models[name], models[name].encode(qcd)[0])
        (folder / f"images_traversal_{name}.png").write_bytes(png(figure, dpi=110))
    shown = (
        "jet mass",
        "number of constituents",
        "AE: loss",
        "VAE: loss",
        "VAE: both, in nats",
        "beta-VAE: both, in nats",
    )
    curves = {name: (*roc(scores[name][0], labels), auc(scores[name][0], labels)) for name in shown}
    save(roc_figure(curves), folder / "images_roc.png", force=True)


if __name__ == "__main__":
    main()
