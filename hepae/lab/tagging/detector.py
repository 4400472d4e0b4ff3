"""A classifier trained to tell restored jets from original ones."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hepae.lab.report.roc import auc, bootstrap
from hepae.lab.tagging.detection import Detection, mixed, split
from hepae.lab.tagging.features import View
from hepae.lab.tagging.fit import TaggerEpoch, fit_tagger
from hepae.lab.tagging.jets import Jets
from hepae.lab.tagging.spec import ConstituentView, TaggerRecipe

__all__ = ["detect"]


def detect(
    original: Jets,
    restored: Jets,
    recipe: TaggerRecipe | None = None,
    view: View = "directions",
    train: float = 0.7,
    progress: Callable[[TaggerEpoch], None] | None = None,
) -> Detection:
    """Train a classifier on some of the jets, each shown as it was or as restored, and test it on the others.

    Parameters
    ----------
    original, restored
        The same jets in the same order.
    recipe
        How to train one network on constituents; of a recipe for images only seed, threads and device are used.
    view
        What is shown: `hepae.lab.tagging.features`.
    train
        Share of the jets to train on.
    progress
        Called after each epoch.

    Examples
    --------
    >>> detect(jets, jets).auc  # doctest: +SKIP
    0.497
    """
    recipe = recipe or TaggerRecipe()
    if isinstance(recipe.view, ConstituentView):
        shown = ConstituentView(recipe.view.constituents, view)
        recipe = msgspec.structs.replace(recipe, view=shown, members=1)
    else:
        recipe = TaggerRecipe(
            ConstituentView(view=view), seed=recipe.seed, threads=recipe.threads, device=recipe.device
        )
    rows, others = split(len(original), train, recipe.seed)
    jets, labels = mixed(original, restored, rows, recipe.seed)
    detector = fit_tagger(jets, labels, recipe, label="restored", progress=progress)
    jets, labels = mixed(original, restored, others, recipe.seed + 1)
    scores = detector.scores(jets)
    error = bootstrap(auc, scores, labels)
    return Detection(auc(scores, labels), error, view, len(rows), len(others))
