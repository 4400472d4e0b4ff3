"""Pretraining that is forgotten, or that changes what was not to be changed; jets tested on that were trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import msgspec

from hepae.errors import SchemaError
from hepae.lab.judge import pretrain_tagger, train_tagger
from hepae.lab.report.roc import auc
from hepae.lab.tagging.detection import held_out, in_common, split
from hepae.lab.tagging.fit import Pretrained, fit_tagger, pretrain
from hepae.lab.tagging.jets import Jets, joined
from hepae.lab.tagging.reading import read_jets
from hepae.lab.tagging.spec import ConstituentView, ImageView, TaggerManifest, TaggerRecipe
from hepae.lab.tagging.tagger import Tagger

QUICK = TaggerRecipe(ConstituentView(30), width=16, epochs=10, batch_size=32, threads=1)
AFTER = msgspec.structs.replace(QUICK, epochs=2, learning_rate=1e-4)


@pytest.fixture(scope="module")
def halves(constituents_root: Path) -> list[tuple[Jets, np.ndarray]]:
    """Jets to train on first, and jets to train on then; 300 each."""
    jets, labels = read_jets(constituents_root, "FatJet_isTop")
    return [(jets.take(rows), labels[rows]) for rows in split(len(jets), 0.5, 0)]


@pytest.fixture(scope="module")
def start(halves: list[tuple[Jets, np.ndarray]]) -> Pretrained:
    return pretrain(*halves[0], QUICK)


def test_a_pretrained_tagger_begins_where_the_other_training_ended(
    halves: list[tuple[Jets, np.ndarray]], start: Pretrained
) -> None:
    begun, anew = (fit_tagger(*halves[1], AFTER, start=one) for one in (start, None))
    losses = [of.manifest.training.history[0][1] for of in (begun, anew)]
    assert losses[0] < losses[1] - 0.05
    assert auc(begun.scores(halves[1][0]), halves[1][1]) > auc(anew.scores(halves[1][0]), halves[1][1])


def test_training_that_does_no_good_leaves_the_start_as_it_was(
    halves: list[tuple[Jets, np.ndarray]], start: Pretrained
) -> None:
    rash = msgspec.structs.replace(AFTER, epochs=1, learning_rate=30.0)
    alone = msgspec.structs.replace(AFTER, epochs=1, learning_rate=0.0)
    scores = [fit_tagger(*halves[1], of, start=start).scores(halves[1][0]) for of in (rash, alone)]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    assert np.ptp(scores[0]) > 0.5


def test_the_manifest_says_where_a_tagger_began(
    halves: list[tuple[Jets, np.ndarray]], start: Pretrained
) -> None:
    tagger = fit_tagger(*halves[1], AFTER, start=start)
    assert tagger.manifest.pretraining == start.training
    assert start.training.events == 300
    assert len(start.training.history) <= QUICK.epochs
    assert Tagger(tagger.data).manifest == tagger.manifest


def test_manifests_of_before_are_read(halves: list[tuple[Jets, np.ndarray]]) -> None:
    manifest = fit_tagger(*halves[1], msgspec.structs.replace(AFTER, epochs=1)).manifest
    known = msgspec.json.decode(manifest.to_json())
    del known["pretraining"]
    assert TaggerManifest.from_json(msgspec.json.encode(known)) == manifest


def test_a_start_of_another_shape_is_refused(
    halves: list[tuple[Jets, np.ndarray]], start: Pretrained
) -> None:
    for other in ({"width": 20}, {"view": ConstituentView(31)}, {"view": ImageView()}):
        with pytest.raises(SchemaError, match="another view or width"):
            fit_tagger(*halves[1], msgspec.structs.replace(AFTER, **other), start=start)


def test_networks_on_images_begin_from_others_too(halves: list[tuple[Jets, np.ndarray]]) -> None:
    recipe = TaggerRecipe(ImageView(), width=4, epochs=1, batch_size=64, threads=1)
    start = pretrain_tagger(*halves[0], recipe)
    still = msgspec.structs.replace(recipe, learning_rate=0.0, weight_decay=0.0)
    tagger = train_tagger(*halves[1], still, 0.5, "Constituent", "FatJet_isTop", start=start)
    assert tagger.manifest.pretraining is not None
    assert tagger.manifest.pretraining.events == 300
    assert len(held_out(tagger, 300)) == 150


def test_jets_in_common_are_counted(halves: list[tuple[Jets, np.ndarray]]) -> None:
    before, after = halves[0][0], halves[1][0]
    assert in_common(before, after) == 0
    assert in_common(joined([before, after.take(np.arange(7))]), after) == 7
