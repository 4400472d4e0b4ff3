"""Does an analysis notice? A tagger on original and restored jets, and a classifier that tries to tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hepae.arrays import Booleans
from hepae.errors import InputError
from hepae.extras import needed
from hepae.lab.tagging.detection import Detection, held_out, split
from hepae.lab.tagging.features import View
from hepae.lab.tagging.figures import Figure, compare_scores
from hepae.lab.tagging.jets import Jets
from hepae.lab.tagging.reading import read_jets
from hepae.lab.tagging.spec import Split, TaggerRecipe
from hepae.lab.tagging.tagger import Tagger
from hepae.progress import Report, silent

if TYPE_CHECKING:
    from hepae.lab.tagging.fit import Pretrained

__all__ = ["Verdict", "judge", "pretrain_tagger", "train_tagger"]


@dataclass(frozen=True)
class Verdict:
    """All that `hepae judge` says.

    Attributes
    ----------
    tagger
        SHA-256 of the tagger.
    jets
        Jets that the figures are of, none of which the tagger was trained on.
    moved
        Share of these whose side of one half changed.
    """

    original: str
    restored: str
    tagger: str
    jets: int
    figures: dict[str, Figure]
    moved: float
    detections: list[Detection] = field(default_factory=list)


def judge(
    original: str | Path,
    restored: str | Path,
    *,
    label: str = "FatJet_isTop",
    collection: str = "Constituent",
    tree: str | None = None,
    tagger: Tagger | None = None,
    recipe: TaggerRecipe | None = None,
    train: float = 0.7,
    detectors: Sequence[View] = ("directions",),
    report: Report = silent,
) -> tuple[Verdict, Tagger]:
    """Compare restored jets with the original ones by what a tagger makes of them.

    Parameters
    ----------
    original, restored
        ROOT files with one jet an entry, compressed or not.
    label
        Branch with one number a jet, not zero for signal.
    collection
        Constituents with E, px, py, pz, type.
    tree
        Name of the tree.
    tagger
        Made before; one is trained on the original where none is given.
    recipe
        How to train tagger and detectors.
    train
        Share of the jets to train on. All figures are of the others.
    detectors
        What detectors are shown; one is trained for each.
    report
        Called with the phase, epochs done and in all, and the validation loss.

    Returns
    -------
    Verdict
    Tagger
        The tagger that judged.

    Raises
    ------
    InputError
        If the files do not hold the same jets.
    MissingExtraError
        If something is to be trained and PyTorch is not installed.

    Examples
    --------
    >>> verdict, tagger = judge("fat_jets.root", "restored.root")  # doctest: +SKIP
    >>> verdict.figures["accuracy"].difference  # doctest: +SKIP
    -0.0002
    """
    before, labels = read_jets(original, label, collection, tree)
    after, same = read_jets(restored, label, collection, tree)
    if not (np.array_equal(labels, same) and np.array_equal(before.counts, after.counts)):
        raise InputError("the files do not hold the same jets in the same order", where=restored)
    recipe = recipe or TaggerRecipe()
    if tagger is None:
        tagger = train_tagger(before, labels, recipe, train, collection, label, report)
    rows = held_out(tagger, len(before))
    scores = [tagger.scores(jets.take(rows)) for jets in (before, after)]
    moved = float(np.mean((scores[0] > 0.5) != (scores[1] > 0.5)))
    figures = compare_scores(scores[0], scores[1], labels[rows])
    verdict = Verdict(str(original), str(restored), tagger.sha256, len(rows), figures, moved)
    for view in detectors:
        verdict.detections.append(_detected(before, after, recipe, view, train, report))
    return verdict, tagger


def train_tagger(
    jets: Jets,
    labels: Booleans,
    recipe: TaggerRecipe,
    train: float,
    collection: str,
    label: str,
    report: Report = silent,
    start: Pretrained | None = None,
) -> Tagger:
    """A tagger trained on a share of the jets of a file, chosen by the seed of the recipe; see `judge`.

    Its weights begin at random, or from those of `pretrain_tagger`.
    """
    with needed("training a tagger"):
        from hepae.lab.tagging.fit import fit_tagger
    if not 0 < train < 1:
        raise InputError("a share to train on that cannot be", expected="between 0 and 1", got=train)
    rows, _ = split(len(jets), train, recipe.seed)
    return fit_tagger(
        jets.take(rows),
        labels[rows],
        recipe,
        collection,
        label,
        Split(recipe.seed, len(jets), train),
        lambda epoch: report("tagger", epoch.number, epoch.total, f"{epoch.validation_loss:.4f}"),
        start,
    )


def pretrain_tagger(
    jets: Jets, labels: Booleans, recipe: TaggerRecipe, report: Report = silent
) -> Pretrained:
    """A network trained on jets of another file, all of them; see `hepae.lab.tagging.fit.pretrain`."""
    with needed("training a tagger"):
        from hepae.lab.tagging.fit import pretrain
    return pretrain(
        jets,
        labels,
        recipe,
        lambda epoch: report("pretraining", epoch.number, epoch.total, f"{epoch.validation_loss:.4f}"),
    )


def _detected(
    before: Jets, after: Jets, recipe: TaggerRecipe, view: View, train: float, report: Report
) -> Detection:
    with needed("training a tagger"):
        from hepae.lab.tagging.detector import detect
    phase = f"detector, {view}"
    return detect(
        before,
        after,
        recipe,
        view,
        train,
        lambda epoch: report(phase, epoch.number, epoch.total, f"{epoch.validation_loss:.4f}"),
    )
