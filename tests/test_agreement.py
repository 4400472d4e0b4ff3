"""Risk: a file that keeps other bounds than those asked for, or an option that is taken and does nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import hepae
from hepae import cli
from hepae.core.values.bounds import Bound, keeps, parse
from hepae.errors import (
    BoundError,
    BoundViolationError,
    CollectionError,
    InputError,
    SchemaError,
    UnsupportedError,
)
from hepae.files.compress import collection
from hepae.files.many.compress import compress_files
from hepae.input.selection import selection_of
from hepae.learn.recipe import CODECS, Recipe, names_of, recipe_of
from hepae.testing.files import jets, write_events

FEATURES = ("pt", "eta", "phi", "nConst")
QUICK = {"codec": "lifting", "effort": "fast", "train_objects": 2000}
MODEL_BOUNDS = ["pt=rel:1e-2", "eta=abs:1e-2"]

Case = tuple[str, dict[str, Any], list[str], str | None]

CASES: list[Case] = [
    # what it is, the request in Python, the same on the command line, what the error names
    ("nothing", {}, [], None),
    ("the collection", {"collection": "Jet"}, ["--collection", "Jet"], None),
    ("another collection", {"collection": "Muon"}, ["--collection", "Muon"], "collection Muon .*model's is Jet"),
    ("the features", {"features": ["Jet_eta", "pt", "nConst", "phi"]}, ["--features", "Jet_eta,pt,nConst,phi"], None),
    ("fewer features", {"features": ["pt", "eta"]}, ["--features", "pt,eta"], "no features phi, nConst"),
    ("more features", {"features": [*FEATURES, "mass"]}, ["--features", "pt,eta,phi,nConst,mass"], "features mass"),
    ("the bound", {"bounds": ["pt=rel:1e-2"]}, ["--bound", "pt=rel:1e-2"], None),
    ("wider", {"bounds": ["Jet_pt=rel:0.1", "eta=abs:1"]}, ["--bound", "Jet_pt=rel:0.1", "--bound", "eta=abs:1"], None),
    ("wider in other words", {"bounds": ["pt=bits:4"]}, ["--bound", "pt=bits:4"], None),
    ("wider than exact", {"bounds": ["phi=abs:1e-3"]}, ["--bound", "phi=abs:1e-3"], None),
    ("exact integers", {"bounds": ["nConst=exact"]}, ["--bound", "nConst=exact"], None),
    ("tighter", {"bounds": ["pt=rel:1e-6"]}, ["--bound", "pt=rel:1e-6"], "pt=rel:1e-06 .*model's is rel:0.01"),
    ("a little tighter", {"bounds": ["pt=rel:9.9999999e-3"]}, ["--bound", "pt=rel:9.9999999e-3"], "rel:0.0099999999"),
    ("tighter in other words", {"bounds": ["pt=bits:6"]}, ["--bound", "pt=bits:6"], "pt=bits:6"),
    ("exact", {"bounds": ["eta=exact"]}, ["--bound", "eta=exact"], "eta=exact .*model's is abs:0.01"),
    ("another kind", {"bounds": ["pt=abs:10"]}, ["--bound", "pt=abs:10"], "pt=abs:10 .*model's is rel:0.01"),
    ("another kind for some", {"bounds": ["*=rel:0.1"]}, ["--bound", "*=rel:0.1"], "eta=rel:0.1"),
    ("a bound of another feature", {"bounds": ["mass=rel:1e-2"]}, ["--bound", "mass=rel:1e-2"], "mass=rel:0.01"),
    ("a bound of integers", {"bounds": ["nConst=abs:1"]}, ["--bound", "nConst=abs:1"], "nConst=abs:1"),
    ("the codec", {"recipe": {"codec": "lifting"}}, ["--codec", "lifting"], None),
    ("another codec", {"recipe": {"codec": "masked"}}, ["--codec", "masked"], "codec masked .*model's is lifting"),
    ("the seed", {"recipe": {"seed": 1}}, ["--seed", "1"], None),
    ("another seed", {"recipe": {"seed": 5}}, ["--seed", "5"], "seed 5 .*model's is 1"),
    ("an effort", {"recipe": {"effort": "fast"}}, ["--effort", "fast"], "effort .*trained already"),
    ("objects", {"recipe": {"train_objects": 9}}, ["--train-objects", "9"], "train_objects"),
    ("conditions", {"recipe": {"conditions": ["MET"]}}, ["--condition", "MET"], "conditions MET .*model's is none"),
    (
        "all of it",
        {"collection": "Muon", "features": ["pt"], "bounds": ["pt=exact"], "recipe": {"codec": "masked"}},
        ["--collection", "Muon", "--features", "pt", "--bound", "pt=exact", "--codec", "masked"],
        "collection Muon .*no features eta, phi, nConst .*bound pt=exact .*codec masked",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A file with a feature that the model does not know, and the model."""
    folder = tmp_path_factory.mktemp("agreement")
    counts, columns = jets(150)
    source = write_events(
        folder / "events.root", counts, {name: columns[name] for name in (*FEATURES, "mass")}
    )
    model = hepae.train([source], features=FEATURES, bounds=MODEL_BOUNDS, recipe=recipe_of(QUICK))
    model.save(folder / "jets.onnx")
    return {"source": source, "model": folder / "jets.onnx"}


def by_compress(files: dict[str, Path], request: dict[str, Any], words: Sequence[str], target: Path) -> str:
    try:
        hepae.compress(files["source"], target, model=hepae.Model.load(files["model"]), **request)
    except SchemaError as problem:
        return str(problem)
    return ""


def by_compress_files(
    files: dict[str, Path], request: dict[str, Any], words: Sequence[str], target: Path
) -> str:
    try:
        model = hepae.Model.load(files["model"])
        done = compress_files([files["source"]], target.parent, model=model, **request)
    except SchemaError as problem:
        return str(problem)
    assert not done.failed
    (target.parent / files["source"].name).rename(target)
    return ""


def by_command(files: dict[str, Path], request: dict[str, Any], words: Sequence[str], target: Path) -> int:
    return cli.main(["compress", str(files["source"]), str(target), "--model", str(files["model"]), *words])


def by_command_for_many(
    files: dict[str, Path], request: dict[str, Any], words: Sequence[str], target: Path
) -> int:
    options = ["--out-dir", str(target.parent), "--model", str(files["model"]), *words]
    code = cli.main(["compress", str(files["source"]), *options])
    if code == 0:
        (target.parent / files["source"].name).rename(target)
    return code


DOORS: list[Callable[..., str | int]] = [by_compress, by_compress_files, by_command, by_command_for_many]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_request_and_a_model_agree_or_nothing_is_written(
    door: Callable[..., str | int],
    case: Case,
    files: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, request, words, named = case
    if "recipe" in request:
        request = {**request, "recipe": recipe_of(request["recipe"])}
    target = tmp_path / "small.root"
    said = door(files, request, words, target)
    error = said if isinstance(said, str) else capsys.readouterr().err
    if named is None:
        assert said in ("", 0), error
        bounds = request.get("bounds", [])
        checked = hepae.verify(files["source"], target, bounds=[*MODEL_BOUNDS, *bounds])
        assert checked.kept
        return

    assert re.search(named, error), error
    assert "train a model" in error
    assert said == 2 or isinstance(said, str)
    assert not target.exists()
    assert not list(tmp_path.glob("**/*.root"))


def test_what_is_written_is_checked_against_the_request(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "require_agreement", lambda *_: None)
    with pytest.raises(BoundViolationError):
        hepae.compress(
            files["source"],
            tmp_path / "a.root",
            bounds=["pt=rel:1e-6"],
            model=hepae.Model.load(files["model"]),
        )
    assert not (tmp_path / "a.root").exists()


@pytest.mark.parametrize(
    ("kept", "wanted", "dtype", "outcome"),
    [
        ("rel:1e-3", "rel:1e-3", "float32", True),
        ("rel:1e-3", "rel:9e-4", "float32", False),
        ("rel:1e-3", "bits:8", "float32", True),
        ("rel:1e-3", "bits:9", "float32", False),
        ("bits:9", "rel:1e-3", "float32", True),
        ("bits:9", "rel:9e-4", "float32", False),
        ("abs:1e-3", "abs:1", "float64", True),
        ("abs:1e-3", "rel:0.5", "float64", False),
        ("abs:1e-3", "bits:1", "float64", False),
        ("rel:1e-3", "abs:1e9", "float32", False),
        ("rel:1e-3", "abs:66", "float16", True),  # the largest value of the dtype is 65504
        ("rel:1e-3", "abs:65", "float16", False),
        ("exact", "exact", "int32", True),
        ("exact", "abs:1e-9", "float32", True),
        ("abs:1e-9", "exact", "float32", False),
    ],
)
def test_a_bound_keeps_another_only_where_it_is_sure(
    kept: str, wanted: str, dtype: str, outcome: bool
) -> None:
    assert keeps(parse(kept), parse(wanted), dtype) is outcome


def test_a_bottleneck_leaves_what_it_cannot_take_as_it_is(files: dict[str, Path], tmp_path: Path) -> None:
    """Exact floats do not go through the network, and so are in no model: asking for them is no disagreement."""
    recipe = Recipe(codec="bottleneck", epochs=1, layers=(4,))
    request: dict[str, Any] = {"features": ["pt", "eta", "phi"], "bounds": ["pt,eta=abs:0.1", "phi=exact"]}
    model = hepae.train([files["source"]], recipe=recipe, **request)
    assert [spec.name for spec in model.manifest.features] == ["pt", "eta"]
    hepae.compress(files["source"], tmp_path / "a.root", model=model, **request)
    with pytest.raises(SchemaError, match=r"bound pt=abs:0\.01"):
        hepae.compress(files["source"], tmp_path / "b.root", model=model, bounds=["pt=abs:0.01"])
    done = compress_files([files["source"]], tmp_path / "many", recipe=recipe, **request)
    assert not done.failed
    with pytest.raises(CollectionError, match="charm"):
        hepae.compress(files["source"], tmp_path / "c.root", model=model, features=["pt", "eta", "charm"])


def test_latents_alone_keep_no_bound(files: dict[str, Path], tmp_path: Path) -> None:
    recipe = Recipe(codec="bottleneck", epochs=1, layers=(4,), latents_only=True)
    for door in (hepae.compress, compress_files):
        with pytest.raises(BoundError, match="latents alone"):
            door(files["source"], tmp_path / "a.root", bounds=["pt=abs:1"], recipe=recipe)
    with pytest.raises(BoundError, match="latents alone"):
        hepae.train([files["source"]], bounds=["pt=abs:1"], recipe=recipe)
    model = hepae.train([files["source"]], features=["pt", "eta"], recipe=recipe)
    with pytest.raises(SchemaError, match=r"bound pt=abs:1 .*keeps none"):
        hepae.compress(files["source"], tmp_path / "b.root", model=model, bounds=["pt=abs:1"])
    hepae.compress(files["source"], tmp_path / "b.root", model=model)


def test_a_selection_is_parsed_once() -> None:
    found = selection_of(["Jet"], ["pt"], ["pt,E=rel:1e-3", ("eta", Bound("abs", 0.1))], "Events")
    assert found.collection == "Jet"
    assert found.bounds == (("pt", Bound("rel", 1e-3)), ("E", Bound("rel", 1e-3)), ("eta", Bound("abs", 0.1)))
    assert selection_of(bounds=found.bounds).bounds == found.bounds
    with pytest.raises(UnsupportedError, match="one collection at a time"):
        selection_of(["Jet", "Muon"])
    for features in ("pt", []):
        with pytest.raises(InputError, match="not a list of features"):
            selection_of(features=features)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("name", "value", "meant_for"),
    [
        ("latents", 3, ("bottleneck",)),
        ("epochs", 2, ("bottleneck",)),
        ("layers", (8,), ("bottleneck",)),
        ("device", "cpu", ("bottleneck",)),
        ("checkpoint", "c.npz", ("bottleneck",)),
        ("effort", "fast", ("masked", "lifting")),
        ("dither", True, ("masked", "lifting")),
        ("conditions", ("MET",), ("masked", "lifting")),
        ("kinematics", {"energy": "E"}, ("masked", "lifting")),
        ("seed", 5, CODECS),
        ("train_objects", 100, CODECS),
    ],
)
def test_a_choice_that_does_nothing_is_an_error(
    codec: str, name: str, value: object, meant_for: tuple[str, ...]
) -> None:
    assert (name in names_of(codec)) is (codec in meant_for)
    if codec in meant_for:
        recipe = Recipe(codec=codec, **{name: value})
        assert getattr(recipe.choices, name) == value
        assert recipe.given == {"codec": codec, name: value}
    else:
        with pytest.raises(SchemaError, match=rf"do nothing for the codec {codec}.*got {name}") as problem:
            Recipe(codec=codec, **{name: value})
        assert " or ".join(meant_for) in str(problem.value)


@pytest.mark.parametrize(
    "wrong",
    [{"codec": "zip"}, {"efort": "fast"}, {"effort": "fats"}, {"train_objects": 0}, {"seed": "many"}],
    ids=str,
)
def test_a_choice_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SchemaError):
        Recipe(**wrong)


def test_seed_and_device_of_a_bottleneck_are_used(files: dict[str, Path]) -> None:
    def trained(seed: int) -> hepae.Model:
        recipe = Recipe(codec="bottleneck", epochs=1, layers=(4,), seed=seed, threads=1)
        return hepae.train([files["source"]], features=["pt", "eta"], bounds=["*=abs:0.1"], recipe=recipe)

    one, other = trained(1), trained(5)
    assert trained(5).sha256 == other.sha256
    assert other.manifest.training.seed == 5
    weights = [hepae.Model.from_bytes(model.data).networks["encoder"] for model in (one, other)]
    assert weights[0] != weights[1]
    for device in ("abacus", "meta", "cuda:99"):
        recipe = Recipe(codec="bottleneck", epochs=1, layers=(4,), device=device)
        with pytest.raises(SchemaError, match="no such device"):
            hepae.train([files["source"]], features=["pt"], bounds=["*=abs:0.1"], recipe=recipe)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--codec", "lifting", "--latents", "3"], "latents"),
        (["--codec", "lifting", "--epochs", "3"], "epochs"),
        (["--layers", "8"], "layers"),
        (["--codec", "masked", "--device", "cuda"], "device"),
        (["--codec", "bottleneck", "--effort", "fast"], "effort"),
        (["--codec", "bottleneck", "--dither"], "dither"),
        (["--collection", "Jet", "--collection", "Muon"], "no collection 'Muon'"),
        (["--collection", "Jet", "--collection", "Muon", "--codec", "lifting"], "Jet, Muon"),
        (["--collection", "Jet", "--only", "Jet_*"], "only"),
        (["--workers", "2"], "--workers"),
        (["--scheduler", "tcp://localhost:1"], "--scheduler"),
        (["--out-dir", "d", "--side-dir", "e"], "--side-dir"),
        (["--out-dir", "d", "--threads", "2"], "--threads"),
        (["--out-dir", "d", "--format", "rntuple"], "--format"),
        (["--out-dir", "d", "--side", "s.root"], "--side"),
        (["--out-dir", "d", "--workers", "2", "--scheduler", "tcp://localhost:1"], "--workers"),
    ],
    ids=" ".join,
)
def test_an_option_that_does_nothing_is_an_error(
    words: list[str], named: str, files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "small.root"
    assert cli.main(["compress", str(files["source"]), str(target), *words]) == 2
    assert named in capsys.readouterr().err
    assert not target.exists()


@pytest.mark.parametrize(
    "words",
    [["--seed", "1", "--seed", "2"], ["--model", "a.onnx", "--model", "b.onnx"], ["--codec", "lifting"] * 2],
)
def test_an_option_given_twice_is_an_error(
    words: list[str], files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["compress", str(files["source"]), str(tmp_path / "small.root"), *words])
    assert left.value.code == 2
    assert "given twice" in capsys.readouterr().err


def test_lists_add_up(files: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    words = ["--features", "pt", "--features", "eta", "--codec", "lifting", "--effort", "fast"]
    assert cli.main(["train", str(files["source"]), "-o", str(path), *words]) == 0
    assert [spec.name for spec in hepae.Model.load(path).manifest.features] == ["pt", "eta"]
