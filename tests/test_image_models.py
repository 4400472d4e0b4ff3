"""Risk: an image model that is not what was trained, or a score in a file that lost something else."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest

import hepae
from hepae import cli
from hepae.errors import CollectionError, HepaeError, InputError, ModelRejectedError, SchemaError
from hepae.lab.images import jet_images
from hepae.lab.images.model import ImageModel, divergence
from hepae.lab.images.modelling import read_images, train_images
from hepae.lab.images.pixels import Alignment
from hepae.lab.images.spec import ImageManifest, ImageRecipe, ImageSpec
from hepae.lab.images.writing import write_images
from hepae.lab.report.roc import auc
from hepae.lab.scoring import load_model, score
from hepae.learn.recipe import Recipe
from hepae.model.model import Model
from hepae.root import open_source
from hepae.root.columns import Jagged
from hepae.testing.files import write_events
from tests import compressed
from tests.jet_constituents import write_jets

QCD = "FatJet_isTop == 0"
SMALL = ImageSpec(pixels=16)
QUICK = ImageRecipe(latents=3, filters=4, hidden=32, epochs=12, batch_size=32, threads=1)


def read(path: Path, branch: str) -> np.ndarray:
    with open_source(path) as source:
        tree = source.tree()
        column = tree.read(branch, 0, tree.num_entries)
        return column.values if isinstance(column, Jagged) else np.asarray(column)


@pytest.fixture(scope="module")
def jets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_jets(tmp_path_factory.mktemp("images") / "jets.root")


@pytest.fixture(scope="module")
def models(jets: Path) -> dict[str, ImageModel]:
    recipes = {
        "AE": QUICK,
        "VAE": ImageRecipe(
            latents=3, filters=4, hidden=32, epochs=12, batch_size=32, threads=1, beta=1.0, loss="mse"
        ),
    }
    return {
        name: train_images([jets], image=SMALL, recipe=recipe, cut=QCD, entries=(0, 200))
        for name, recipe in recipes.items()
    }


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_training_lowers_the_loss_of_jets_that_were_held_back(
    name: str, models: dict[str, ImageModel]
) -> None:
    manifest = models[name].manifest
    losses = np.array(manifest.training.history)
    assert len(losses) == manifest.recipe.epochs
    assert losses[-1, 1] < 0.8 * losses[0, 1]
    assert len(manifest.divergences) == (manifest.recipe.epochs if name == "VAE" else 0)
    assert manifest.training.objects == 200
    assert manifest.constituents == "Constituent"


@pytest.mark.parametrize("name", ["AE", "VAE"])
def test_jets_of_another_kind_score_higher_than_unseen_ones_of_the_same(
    name: str, models: dict[str, ImageModel], jets: Path, tmp_path: Path
) -> None:
    score(jets, tmp_path / "scored.root", models[name])
    test = slice(200, None)
    labels = read(jets, "FatJet_isTop")[test]
    assert auc(read(tmp_path / "scored.root", "FatJet_hepae_score")[test], labels) > 0.75


def test_scores_latents_and_divergences_are_branches_and_everything_else_is_kept(
    models: dict[str, ImageModel], jets: Path, tmp_path: Path
) -> None:
    model, target = models["VAE"], tmp_path / "scored.root"
    done = score(jets, target, model, name="vae", latents=True)
    images = read_images(jets, SMALL)
    latents, log_variances = model.encode(images)
    assert log_variances is not None
    loss = model.loss(images, model.decode(latents))
    np.testing.assert_allclose(read(target, "FatJet_vae_score"), loss, rtol=1e-5)
    np.testing.assert_allclose(read(target, "FatJet_vae_kl"), divergence(latents, log_variances), rtol=1e-4)
    np.testing.assert_allclose(read(target, "FatJet_vae_latent"), latents, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        model.decode(read(target, "FatJet_vae_latent")), model.decode(latents), atol=1e-6
    )
    assert done.means["FatJet_vae_score"] == pytest.approx(loss.mean(), rel=1e-5)
    assert done.jets == done.events == 400
    with open_source(jets) as before, open_source(target) as after:
        old, new = before.tree(), after.tree()
        assert list(new.branches)[: len(old.branches)] == list(old.branches)
        for name, branch in old.branches.items():
            assert new.branches[name].title == branch.title
            np.testing.assert_array_equal(read(target, name), read(jets, name))


def test_a_perfect_reconstruction_costs_nothing_and_any_other_something(
    models: dict[str, ImageModel], jets: Path
) -> None:
    images = read_images(jets, SMALL)[:20]
    for model in models.values():
        np.testing.assert_allclose(model.loss(images, images), 0, atol=2e-4)
        assert (model.loss(images, images[::-1]) > 1e-2).all()
        assert model.encode(images[:0])[0].shape == (0, 3)
        assert model.decode(np.zeros((0, 3), np.float32)).shape == (0, 1, 16, 16)


def test_the_divergence_is_that_of_normal_distributions() -> None:
    random = np.random.default_rng(0)
    mean, spread = 0.7, 0.4
    drawn = random.normal(mean, spread, 400_000)
    logs = -0.5 * ((drawn - mean) / spread) ** 2 - np.log(spread) + 0.5 * drawn**2
    found = divergence(np.float32([[mean]]), np.float32([[2 * np.log(spread)]]))
    assert found[0] == pytest.approx(logs.mean(), rel=0.02)


def test_the_same_seed_gives_the_same_model_and_another_one_another(jets: Path) -> None:
    few = {"latents": 2, "filters": 2, "hidden": 8, "epochs": 2, "threads": 1}
    same, again, other = (
        train_images([jets], image=SMALL, recipe=ImageRecipe(seed=seed, **few)).sha256 for seed in (1, 1, 2)
    )
    assert same == again != other


def test_a_model_is_saved_loaded_and_told_from_one_that_compresses(
    models: dict[str, ImageModel], tmp_path: Path
) -> None:
    path = tmp_path / "ae.onnx"
    models["AE"].save(path)
    assert load_model(path).sha256 == ImageModel.load(path).sha256 == models["AE"].sha256
    with pytest.raises(ModelRejectedError, match="hepae_images"):
        Model.load(path)
    compressed.model("lifting").save(tmp_path / "lifting.onnx")
    assert isinstance(load_model(tmp_path / "lifting.onnx"), Model)
    with pytest.raises(ModelRejectedError, match="hepae_manifest"):
        ImageModel.load(tmp_path / "lifting.onnx")


@pytest.mark.parametrize("cut", [0, 1, 100, 2000, -1])
def test_a_model_that_was_cut_is_refused(cut: int, models: dict[str, ImageModel]) -> None:
    with pytest.raises(HepaeError):
        ImageModel.from_bytes(models["AE"].data[:cut])


@pytest.mark.parametrize("seed", range(20))
def test_a_model_with_a_flipped_byte_is_refused_or_harmless(seed: int, models: dict[str, ImageModel]) -> None:
    random = np.random.default_rng(seed)
    data = bytearray(models["VAE"].data)
    # half of them where names, shapes and the manifest are
    place = int(random.integers(len(data) if seed % 2 else 4000))
    data[-1 - place] ^= int(random.integers(1, 256))
    try:
        model = ImageModel.from_bytes(bytes(data))
    except HepaeError:
        return
    assert model.decode(np.zeros((2, 3), np.float32)).shape == (2, 1, 16, 16)
    assert model.sha256 != models["VAE"].sha256


def test_three_channels_make_a_model_of_three_channels(jets: Path) -> None:
    image = ImageSpec(pixels=8, channels=("ecal", "hcal", "track"), normalise="max", power=0.5)
    recipe = ImageRecipe(latents=2, filters=2, hidden=8, epochs=1, beta=0.5, loss="mse")
    model = train_images([jets, jets], image=image, recipe=recipe, entries=(0, 50))
    assert model.manifest.training.objects == 100
    images = read_images(jets, image, entries=(350, None))
    assert images.shape == model.decode(model.encode(images)[0]).shape == (50, 3, 8, 8)


def test_a_manifest_of_words_that_are_unknown_is_refused(models: dict[str, ImageModel]) -> None:
    text = models["AE"].manifest.to_json()
    assert ImageManifest.from_json(text) == models["AE"].manifest
    for wrong in (b"{}", text.replace(b'"power":1.0', b'"power":2.0'), text[:-1] + b',"more":1}'):
        with pytest.raises((ModelRejectedError, SchemaError)):
            ImageManifest.from_json(wrong)


def test_a_manifest_of_before_alignments_means_constituents(models: dict[str, ImageModel]) -> None:
    text = models["AE"].manifest.to_json()
    before = text.replace(b',"align":"constituents"', b"")
    assert before != text
    assert ImageManifest.from_json(before) == models["AE"].manifest


@pytest.mark.parametrize("align", ["constituents", "moments"])
def test_images_are_written_to_root_and_read_back(jets: Path, tmp_path: Path, align: Alignment) -> None:
    target = tmp_path / "images.root"
    image = ImageSpec(pixels=12, channels=("ecal", "hcal", "track"), align=align)
    assert write_images(jets, target, image) == 400
    with open_source(jets) as source:
        columns = (
            source.tree().read("nConstituent", 0, 400),
            *(read(jets, f"Constituent_{name}") for name in ("px", "py", "pz", "type")),
        )
    flat = ak.zip(dict(zip(("px", "py", "pz", "type"), columns[1:], strict=True)))
    expected = jet_images(ak.unflatten(flat, columns[0]), pixels=12, channels=image.channels, align=align)
    np.testing.assert_array_equal(read(target, "FatJet_image"), expected)
    np.testing.assert_array_equal(read(target, "Constituent_px"), read(jets, "Constituent_px"))


def test_compressed_constituents_are_scored_like_their_originals(
    models: dict[str, ImageModel], jets: Path, tmp_path: Path
) -> None:
    bounds = ["E,px,py,pz=abs:1e-4"]
    hepae.compress(
        jets, tmp_path / "small.root", collection="Constituent", bounds=bounds, recipe=Recipe(codec="lifting")
    )
    score(jets, tmp_path / "a.root", models["AE"])
    score(tmp_path / "small.root", tmp_path / "b.root", models["AE"])
    before, after = (read(tmp_path / name, "FatJet_hepae_score") for name in ("a.root", "b.root"))
    assert np.corrcoef(before, after)[0, 1] > 0.99
    hepae.decompress(tmp_path / "b.root", tmp_path / "back.root")
    hepae.decompress(tmp_path / "small.root", tmp_path / "expected.root")
    np.testing.assert_array_equal(
        read(tmp_path / "back.root", "Constituent_px"), read(tmp_path / "expected.root", "Constituent_px")
    )
    np.testing.assert_array_equal(read(tmp_path / "back.root", "FatJet_hepae_score"), after)


def test_bottleneck_models_score_each_jet_by_its_scaled_features(sample_root: Path, tmp_path: Path) -> None:
    model = compressed.model("bottleneck")
    done = score(sample_root, tmp_path / "scored.root", model, latents=True)
    scores = read(tmp_path / "scored.root", "Jet_hepae_score")
    assert done.jets == len(scores) == 12169
    assert (scores >= 0).all()
    latents = read(tmp_path / "scored.root", "Jet_hepae_latent")
    assert latents.shape == (12169, model.manifest.codec.latents)
    np.testing.assert_array_equal(read(tmp_path / "scored.root", "Jet_pt"), read(sample_root, "Jet_pt"))
    columns = {name: read(sample_root, f"Jet_{name}") for name in compressed.FEATURES}
    columns["nConstituents"] = columns["nConstituents"][::-1]
    mixed = write_events(tmp_path / "mixed.root", read(sample_root, "nJet").astype(np.int64), columns)
    score(mixed, tmp_path / "worse.root", model)
    assert read(tmp_path / "worse.root", "Jet_hepae_score").mean() > 1.2 * scores.mean()


def test_what_cannot_be_scored_is_refused_and_nothing_is_written(
    models: dict[str, ImageModel], jets: Path, sample_root: Path, tmp_path: Path
) -> None:
    target = tmp_path / "scored.root"
    with pytest.raises(SchemaError, match="reconstructs nothing"):
        score(sample_root, target, compressed.model("lifting"))
    with pytest.raises(CollectionError):
        score(sample_root, target, models["AE"])
    with pytest.raises(CollectionError):
        score(jets, target, compressed.model("bottleneck"))
    assert not target.exists()
    score(jets, target, models["AE"])
    with pytest.raises(SchemaError, match="FatJet_hepae_score"):
        score(target, tmp_path / "twice.root", models["AE"])
    score(target, tmp_path / "twice.root", models["VAE"], name="vae")
    assert len(read(tmp_path / "twice.root", "FatJet_hepae_score")) == len(
        read(tmp_path / "twice.root", "FatJet_vae_score")
    )


def test_what_cannot_be_trained_on_is_refused(jets: Path) -> None:
    few = {"epochs": 1, "filters": 2, "hidden": 4}
    with pytest.raises(InputError, match="few"):
        train_images([jets], image=SMALL, recipe=ImageRecipe(**few), cut="FatJet_pt < 0")
    with pytest.raises(InputError, match="above 1"):
        train_images([jets], image=ImageSpec(pixels=16, normalise="none"), recipe=ImageRecipe(**few))
    with pytest.raises(SchemaError, match="halved"):
        train_images([jets], image=ImageSpec(pixels=15), recipe=ImageRecipe(**few))
    with pytest.raises(SchemaError, match="device"):
        train_images([jets], image=SMALL, recipe=ImageRecipe(device="abacus", **few))
    for wrong in ({"epochs": 0}, {"noise": 0.0}, {"beta": -1.0}, {"validation": 1.0}):
        with pytest.raises(SchemaError):
            ImageRecipe(**wrong)  # type: ignore[arg-type]


def test_the_commands_train_score_write_and_draw(
    jets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: object) -> dict[str, object]:
        capsys.readouterr()
        assert cli.main([*map(str, words), "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    model, scored = tmp_path / "vae.onnx", tmp_path / "scored.root"
    quick = [
        "--pixels",
        16,
        "--epochs",
        2,
        "--filters",
        2,
        "--hidden",
        8,
        "--latents",
        2,
        "--beta",
        4,
        "--cut",
        QCD,
    ]
    done = run("images", "train", jets, "-o", model, *quick, "--entries", "0:250")
    assert done["trained on"] == "250 jets"
    assert run("score", model, jets, scored, "--name", "x")["jets"] == 400
    assert np.isfinite(read(scored, "FatJet_x_kl")).all()
    shown = "--pixels", 8, "--align", "moments"
    assert run("images", "write", jets, tmp_path / "images.root", *shown)["images"] == 400
    expected = read_images(jets, ImageSpec(pixels=8, align="moments"))
    np.testing.assert_array_equal(read(tmp_path / "images.root", "FatJet_image"), expected)
    drawn = run("images", "draw", model, jets, "-o", tmp_path / "pictures")
    assert set(drawn) == {"average", "reconstructions", "losses", "traversal"}
    assert all(Path(str(path)).read_bytes()[:4] == b"\x89PNG" for path in drawn.values())
    assert cli.main(["images", "train", str(jets), "-o", str(model), "--power", "3"]) == 2
