"""Judges that see what is not there, or do not see what is; taggers tested on what they were trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

pytest.importorskip("torch")

import msgspec
import torch

import hepae
from hepae.cli import main
from hepae.core.values.bounds import parse
from hepae.core.values.lattice_fit import fit_lattice
from hepae.errors import CollectionError, InputError, ModelRejectedError
from hepae.lab.images.spec import ImageSpec
from hepae.lab.judge import judge, train_tagger
from hepae.lab.report.roc import auc
from hepae.lab.tagging.detection import held_out, mixed, split
from hepae.lab.tagging.detector import detect
from hepae.lab.tagging.export import export_tagger
from hepae.lab.tagging.features import CONSTITUENT, EXTRA, JET, constituent_features
from hepae.lab.tagging.figures import compare_scores
from hepae.lab.tagging.fit import fit_tagger
from hepae.lab.tagging.jets import Jets, joined
from hepae.lab.tagging.networks import ImageNetwork, thinned, turned
from hepae.lab.tagging.reading import read_jets
from hepae.lab.tagging.spec import ConstituentView, ImageView, TaggerRecipe
from hepae.lab.tagging.tagger import Tagger
from hepae.model.runtime import session

LABEL = "FatJet_isTop"
QUICK = TaggerRecipe(ConstituentView(50), width=16, epochs=12, batch_size=32, threads=1)


@pytest.fixture(scope="module")
def sample(constituents_root: Path) -> tuple[Jets, np.ndarray]:
    return read_jets(constituents_root, LABEL)


@pytest.fixture(scope="module")
def tagger(sample: tuple[Jets, np.ndarray]) -> Tagger:
    return train_tagger(*sample, QUICK, 0.7, "Constituent", LABEL)


def on_lattice(jets: Jets, bound: str) -> Jets:
    """What any codec restores under this bound."""
    columns = dict(jets.columns)
    for name in ("E", "px", "py", "pz"):
        lattice = fit_lattice(columns[name], parse(bound))
        columns[name] = lattice.to_values(*lattice.to_integers(columns[name], parse(bound)))
    return replace(jets, columns=columns)


def jet_of(pt: object, eta: object, phi: object) -> Jets:
    pt, eta, phi = (np.asarray(part, float) for part in (pt, eta, phi))
    columns = {
        "E": pt * np.cosh(eta),
        "px": pt * np.cos(phi),
        "py": pt * np.sin(phi),
        "pz": pt * np.sinh(eta),
    }
    return Jets(np.array([len(pt)]), {**columns, "type": np.zeros(len(pt), np.int8)})


def test_features_of_a_jet_do_not_depend_on_where_it_is() -> None:
    random = np.random.default_rng(1)
    pt, eta, phi = (
        np.sort(random.exponential(20, 12))[::-1],
        random.normal(0, 0.2, 12),
        random.normal(0, 0.2, 12),
    )
    here, there = (
        constituent_features(jet_of(pt, eta + a, phi + b), 10) for a, b in ((0.0, 0.0), (0.0, 3.1))
    )
    np.testing.assert_allclose(here[0], there[0], atol=2e-5)
    np.testing.assert_allclose(here[1], there[1], atol=2e-5)
    boosted = constituent_features(jet_of(pt, eta + 1.3, phi), 10)
    moved = [
        name
        for k, name in enumerate(CONSTITUENT)
        if not np.allclose(here[0][..., k], boosted[0][..., k], atol=2e-5)
    ]
    assert moved == ["log_E"]


def test_features_are_those_of_the_formulae() -> None:
    jets = jet_of([30.0, 10.0], [0.1, -0.1], [0.2, -0.2])
    features, whole = constituent_features(jets, 3, "masses")
    row = dict(zip(CONSTITUENT + EXTRA["masses"], features[0, 1].tolist(), strict=True))
    p = {name: column.sum() for name, column in jets.columns.items()}
    axis = np.hypot(p["px"], p["py"])
    assert row["share"] == pytest.approx(10 / axis)
    assert row["deta"] == pytest.approx(-0.1 - np.arctanh(p["pz"] / p["E"]), abs=1e-6)
    assert row["dphi"] == pytest.approx(-0.2 - np.arctan2(p["py"], p["px"]), abs=1e-6)
    assert row["log_mass_share"] == pytest.approx(-16, abs=1e-3)
    of_jet = dict(zip(JET, whole[0].tolist(), strict=True))
    mass = np.sqrt(p["E"] ** 2 - p["px"] ** 2 - p["py"] ** 2 - p["pz"] ** 2)
    assert of_jet["log_mass"] == pytest.approx(np.log(mass), abs=1e-5)
    assert of_jet["log_mass_of_1_2_of_2"] == pytest.approx(np.log(mass), abs=1e-5)
    assert not features[0, 2].any(), "there is no third constituent"


def test_kinds_are_told_by_type_and_mass() -> None:
    masses, types = (
        np.array([0.106, 0.1396, 0.494, 0.938, 0.0, 0.94, 0.0005]),
        np.array([2, 2, 2, 2, 0, 1, 2]),
    )
    pt = np.linspace(9, 3, 7)
    jets = jet_of(pt, np.linspace(-0.3, 0.3, 7), np.zeros(7))
    jets.columns["E"] = np.hypot(jets.columns["E"], masses)
    jets.columns["type"] = types
    told = constituent_features(jets, 7, "kinds")[0][0, :, len(CONSTITUENT) :]
    names = [[name for name, on in zip(EXTRA["kinds"], row, strict=True) if on] for row in told]
    assert names == [["muon"], [], ["kaon"], ["proton"], [], ["neutron"], ["electron"]]


def test_what_has_no_direction_is_left_out_and_a_jet_may_have_nothing() -> None:
    jets = joined([jet_of([], [], []), jet_of([20.0, 5.0], [0.1, 0.3], [0.0, 0.2]), jet_of([], [], [])])
    lost = joined([jet_of([20.0, 5.0, 0.0, 1.0], [0.1, 0.3, 0.0, 0.0], [0.0, 0.2, 0.0, 0.0])])
    lost.columns["px"][3] = np.nan
    features, whole = constituent_features(jets, 4)
    assert np.isfinite(features).all()
    assert np.isfinite(whole).all()
    assert not features[[0, 2]].any()
    np.testing.assert_array_equal(constituent_features(lost, 4)[0][0], features[1])


def test_a_tagger_learns_and_gives_the_same_scores_from_its_file(
    sample: tuple[Jets, np.ndarray], tagger: Tagger, tmp_path: Path
) -> None:
    jets, labels = sample
    rows = held_out(tagger, len(jets))
    scores = tagger.scores(jets.take(rows))
    assert auc(scores, labels[rows]) > 0.8
    tagger.save(tmp_path / "tagger.onnx")
    np.testing.assert_array_equal(Tagger.load(tmp_path / "tagger.onnx").scores(jets.take(rows)), scores)


def test_the_same_seed_gives_the_same_tagger_and_members_are_averaged(
    sample: tuple[Jets, np.ndarray],
) -> None:
    jets, labels = (part for part in sample)
    brief = msgspec.structs.replace(QUICK, epochs=1, width=8)
    assert fit_tagger(jets, labels, brief).data == fit_tagger(jets, labels, brief).data
    both = fit_tagger(jets, labels, msgspec.structs.replace(brief, members=2)).scores(jets)
    alone = [
        fit_tagger(jets, labels, msgspec.structs.replace(brief, seed=seed)).scores(jets) for seed in (1, 2)
    ]
    logits = np.mean([np.log(scores / (1 - scores)) for scores in alone], axis=0)
    np.testing.assert_allclose(both, 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_a_tagger_on_images_learns(sample: tuple[Jets, np.ndarray]) -> None:
    jets, labels = sample
    recipe = TaggerRecipe(
        ImageView(ImageSpec(pixels=16)), width=4, epochs=12, batch_size=32, learning_rate=4e-3, threads=1
    )
    tagger = train_tagger(jets, labels, recipe, 0.7, "Constituent", LABEL)
    rows = held_out(tagger, len(jets))
    assert auc(tagger.scores(jets.take(rows)), labels[rows]) > 0.75


def test_half_of_the_images_are_mirrored_at_the_line_of_the_second_constituent() -> None:
    here = jet_of([90.0, 50.0, 20.0], [0.1, 0.4, 0.3], [0.2, 0.2, 0.45])
    there = jet_of([90.0, 50.0, 20.0], [0.1, 0.4, 0.3], [0.2, 0.2, -0.05])
    spec = ImageSpec(channels=("track", "ecal"), flip=False, normalise="none")
    image, mirrored = (torch.from_numpy(spec.images(jet.counts, jet.columns))[0] for jet in (here, there))
    shown = turned({"images": image.repeat(64, 1, 1, 1)})["images"]
    as_it_was = (shown == image).flatten(1).all(1)
    assert 10 < int(as_it_was.sum()) < 54
    off_the_line = torch.tensor([abs(k - 19.5) > 1 for k in range(40)])
    for other in shown[~as_it_was]:
        torch.testing.assert_close(other[..., off_the_line], mirrored[..., off_the_line])


def test_a_mirrored_image_has_the_same_logits_as_the_image() -> None:
    torch.manual_seed(0)
    network = ImageNetwork({"images": (2, 12, 12)}, 4, 0.0).eval()
    images = 100 * torch.rand(20, 2, 12, 12) * (torch.rand(20, 2, 12, 12) < 0.1)
    exported = session(export_tagger(network, {"images": images.numpy()}).SerializeToString())
    logits, mirrored = (exported(images=x.numpy())["logits"] for x in (images, images.flip(3)))
    np.testing.assert_allclose(logits, mirrored, atol=1e-6)
    with torch.no_grad():
        one, other = network.seen(images), network.seen(images.flip(3))
    assert float((one - other).abs().max()) > 1e-3
    np.testing.assert_allclose(logits, (one + other) / 2, atol=1e-5)


def test_what_is_left_out_in_training_is_a_share_of_pixels_or_of_whole_constituents() -> None:
    ones = {"images": torch.ones(50, 2, 10, 10)}
    assert float(thinned(ones, 0.3)["images"].mean()) == pytest.approx(0.7, abs=0.03)
    kept = thinned({"constituents": torch.ones(200, 10, 5)}, 0.3)["constituents"]
    assert set(kept.sum(2).unique().tolist()) == {0.0, 5.0}
    assert float(kept.mean()) == pytest.approx(0.7, abs=0.05)


def test_no_jet_is_both_trained_on_and_tested(tagger: Tagger, sample: tuple[Jets, np.ndarray]) -> None:
    jets = len(sample[0])
    trained, tested = split(jets, 0.7, QUICK.seed)
    assert sorted([*trained, *tested]) == list(range(jets))
    np.testing.assert_array_equal(held_out(tagger, jets), tested)
    assert len(held_out(tagger, jets + 1)) == jets + 1, "another file"


def test_a_detector_is_shown_each_jet_once(sample: tuple[Jets, np.ndarray]) -> None:
    jets = sample[0]
    marked = replace(jets, columns={**jets.columns, "E": jets.columns["E"] + 1000})
    rows = np.array([5, 2, 7, 0])
    shown, restored = mixed(jets, marked, rows, seed=3)
    assert restored.sum() == 2
    np.testing.assert_array_equal(shown.counts, jets.counts[rows])
    np.testing.assert_array_equal(shown.columns["px"], jets.take(rows).columns["px"])
    np.testing.assert_array_equal(shown.columns["E"] > 900, np.repeat(restored, shown.counts))


def test_identical_files_are_judged_to_differ_in_nothing(constituents_root: Path, tagger: Tagger) -> None:
    verdict, _ = judge(constituents_root, constituents_root, tagger=tagger, recipe=QUICK)
    assert verdict.moved == 0
    assert all(figure.difference == figure.difference_error == 0 for figure in verdict.figures.values())
    assert verdict.figures["AUC"].original > 0.8
    detection = verdict.detections[0]
    assert abs(detection.auc - 0.5) < 4 * detection.error


def test_a_coarse_file_is_seen_and_a_fine_one_is_not(
    constituents_root: Path, sample: tuple[Jets, np.ndarray], tagger: Tagger, tmp_path: Path
) -> None:
    coarse = tmp_path / "coarse.root"
    recipe = hepae.Recipe(codec="lifting", effort="fast")
    bounds = ["E,px,py,pz=rel:0.3"]
    hepae.compress(constituents_root, coarse, collection="Constituent", bounds=bounds, recipe=recipe)
    verdict, _ = judge(constituents_root, coarse, tagger=tagger, recipe=QUICK)
    detection, figure = verdict.detections[0], verdict.figures["AUC"]
    assert detection.auc > 0.5 + 3 * detection.error
    assert figure.difference < -2 * figure.difference_error
    assert verdict.moved > 0.05
    fine = detect(sample[0], on_lattice(sample[0], "rel:1e-3"), QUICK)
    assert fine.auc < 0.5 + 3 * fine.error


def test_masses_of_constituents_give_away_what_directions_do_not(sample: tuple[Jets, np.ndarray]) -> None:
    restored = on_lattice(sample[0], "rel:1e-3")
    seen = detect(sample[0], restored, QUICK, "masses")
    assert seen.auc > 0.5 + 3 * seen.error


def test_infinite_rejections_do_not_differ_and_have_no_error() -> None:
    labels = np.arange(40) % 2 == 0
    figure = compare_scores(labels * 0.8, labels * 0.9, labels)["rejection at 50 %"]
    assert (figure.original, figure.restored, figure.difference) == (np.inf, np.inf, 0.0)
    assert np.isnan(figure.error)


def test_files_of_other_jets_and_what_is_no_tagger_are_refused(
    constituents_root: Path, sample_root: Path, tmp_path: Path, sample: tuple[Jets, np.ndarray]
) -> None:
    with pytest.raises(CollectionError, match="FatJet_isTop"):
        read_jets(constituents_root, "FatJet_isTp")
    with pytest.raises(CollectionError, match=r"Constituent_E.*`hepae report` compares any file"):
        judge(constituents_root, sample_root)
    jets, labels = sample
    with pytest.raises(InputError, match="different jets"):
        mixed(jets, jets.take(np.arange(3)), np.arange(3), 0)
    with pytest.raises(InputError, match="too few"):
        fit_tagger(jets.take(np.arange(10)), labels[:10], QUICK)
    with pytest.raises(InputError, match="share"):
        train_tagger(jets, labels, QUICK, 1.0, "Constituent", LABEL)
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ModelRejectedError, match="tagger"):
        Tagger.load(tmp_path / "text.onnx")
    with pytest.raises(InputError, match="cannot be read"):
        Tagger.load(tmp_path / "missing.onnx")


def test_the_command_trains_saves_and_judges(
    constituents_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["judge", str(constituents_root), str(constituents_root), "--no-detector"]
    trained = [
        *words,
        "--save-tagger",
        str(tmp_path / "tagger.onnx"),
        "--epochs",
        "1",
        "--width",
        "8",
        "--threads",
        "1",
    ]
    assert main(trained) == 0
    assert "180 jets that the tagger was not trained on; 0.000% changed sides" in capsys.readouterr().out
    assert main([*words, "--tagger", str(tmp_path / "tagger.onnx"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["tagger"] == Tagger.load(tmp_path / "tagger.onnx").sha256
    assert told["figures"]["accuracy"]["difference"] == 0
    assert main([*words, "--label", "nothing"]) == 2


def test_jets_are_taken_in_any_order(sample: tuple[Jets, np.ndarray]) -> None:
    jets = sample[0]
    rows = np.random.default_rng(0).permutation(len(jets))
    expected = ak.unflatten(jets.columns["px"], jets.counts)[rows]
    taken = jets.take(rows)
    np.testing.assert_array_equal(taken.columns["px"], ak.flatten(expected).to_numpy())
