"""Risk: a training that breaks on odd inputs, leaks events into validation, or cannot be repeated or continued."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from hepae import limits
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.features import FeatureSpec
from hepae.core.manifest import Manifest
from hepae.core.values.bounds import Bound, accept
from hepae.core.values.lattice import Inserted, Integer, Lattice, Linear
from hepae.core.values.objects import Objects
from hepae.core.versioned import Training
from hepae.errors import BoundError, HepaeError, InputError, LimitError, SchemaError
from hepae.learn.bottleneck.presets import ACTIVATIONS, PRESETS, Architecture, Hyperparameters, preset
from hepae.model.assembly import assemble
from hepae.model.model import Model

pytest.importorskip("torch", reason="training needs the extra `train`")
from hepae.learn import descent
from hepae.learn.bottleneck.fit import TrainedBottleneck, fit_bottleneck, split_by_event
from hepae.learn.checkpoint import Counters
from hepae.learn.descent import Epoch

SMALL = Architecture((8,), shortcut=True)
QUICK = Hyperparameters(architecture=SMALL, epochs=2, batch_size=64, threads=1)
BOUNDS = {"pt": Bound("rel", 1e-3), "eta": Bound("abs", 1e-3), "m": Bound("bits", 8)}


def jets(n_events: int, seed: int = 1) -> Objects:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, n_events)
    n = int(counts.sum())
    pt = (20 + rng.exponential(40, n)).astype(np.float32)
    columns: dict[str, NDArray[np.generic]] = {
        "pt": pt,
        "eta": rng.normal(0, 1.5, n).astype(np.float32),
        "m": (0.1 * pt * rng.uniform(0.8, 1.2, n)).astype(np.float32),
        "n": rng.poisson(0.3 * pt).astype(np.uint8),
        "tag": rng.random(n) < 0.2,
    }
    return Objects(counts.astype(np.int64), columns)


def features(objects: Objects) -> list[FeatureSpec]:
    return [
        FeatureSpec(
            name, f"Jet_{name}", str(column.dtype), "", BOUNDS.get(name, Bound("exact")), lattice_of(column)
        )
        for name, column in objects.columns.items()
    ]


def lattice_of(column: NDArray[np.generic]) -> Lattice:
    if column.dtype.kind == "f":
        return Lattice(str(column.dtype), Linear(1.0), (Inserted(0),))
    return Lattice(str(column.dtype), Integer())


def model_of(trained: TrainedBottleneck, objects: Objects) -> bytes:
    manifest = Manifest(
        limits.FORMAT_VERSION,
        "Jet",
        "nJet",
        tuple(features(objects)),
        (),
        trained.spec,
        Training("0", 1, objects.n_events, objects.n_objects, trained.history),
    )
    return assemble(manifest, trained.networks, trained.tables)


def a_codec(trained: TrainedBottleneck, objects: Objects) -> Bottleneck:
    model = Model.from_bytes(model_of(trained, objects))
    assert model.manifest.codec == trained.spec
    return Bottleneck(trained.spec, model.networks, model.tables)


def check_round_trip(trained: TrainedBottleneck, objects: Objects) -> None:
    codec = a_codec(trained, objects)
    restored = codec.decode(codec.encode(objects.columns))
    for name, values in restored.items():
        assert accept(objects.columns[name], values, BOUNDS.get(name, Bound("exact"))).all()


def test_every_value_comes_back_within_its_bound_and_few_escape() -> None:
    objects = jets(800)
    trained = fit_bottleneck(objects, features(objects), QUICK)
    assert [column.name for column in trained.spec.columns] == ["pt", "eta", "m", "n", "tag"]
    assert len(trained.history) == 2
    check_round_trip(trained, objects)
    other = jets(300, seed=9)
    check_round_trip(trained, other)
    assert len(a_codec(trained, other).encode(other.columns).escapes.objects) < 0.02 * other.n_objects


@pytest.mark.parametrize("n_objects", [0, 1, 2, 10])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_tiny_samples_give_a_model(n_objects: int, batch_norm: bool) -> None:
    big = jets(100)
    objects = Objects(
        np.ones(n_objects, np.int64), {name: column[:n_objects] for name, column in big.columns.items()}
    )
    recipe = msgspec.structs.replace(
        QUICK, architecture=Architecture((8,), batch_norm=batch_norm, dropout=0.1)
    )
    trained = fit_bottleneck(objects, features(objects), recipe)
    check_round_trip(trained, objects)
    check_round_trip(trained, big)


def test_one_event_is_not_split() -> None:
    training, validation = split_by_event(np.array([7]), 0.9, seed=1)
    assert (len(training), len(validation)) == (7, 0)


@pytest.mark.parametrize("spoiled", ["pt", "eta", "m"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0, 42.0, 3e38])
def test_constant_and_non_finite_columns_are_learnt_around(spoiled: str, value: float) -> None:
    objects = jets(60)
    objects.columns[spoiled] = np.full(objects.n_objects, value, np.float32)
    trained = fit_bottleneck(objects, features(objects), QUICK)
    assert np.isfinite(trained.history).all()
    check_round_trip(trained, objects)
    check_round_trip(trained, jets(60))


def test_some_values_that_are_no_numbers_do_not_reach_the_loss() -> None:
    objects = jets(200)
    rng = np.random.default_rng(5)
    for column, value in (
        ("pt", np.nan),
        ("eta", -999),
        ("m", np.inf),
        ("eta", np.inf),
        ("pt", 1e30),
        ("m", -3),
    ):
        objects.columns[column][rng.random(objects.n_objects) < 0.05] = value
    trained = fit_bottleneck(objects, features(objects), QUICK)
    assert np.isfinite(trained.history).all()
    check_round_trip(trained, objects)


def test_random_bits_come_back() -> None:
    objects = jets(100)
    bits = np.random.default_rng(6).integers(0, 2**32, objects.n_objects, np.uint32)
    objects.columns |= {"pt": bits.view(np.float32), "eta": bits[::-1].copy().view(np.float32), "n": bits}
    trained = fit_bottleneck(objects, features(objects), QUICK)
    assert [column.name for column in trained.spec.columns] == [
        "m",
        "n",
        "tag",
    ]  # the floats are better left alone
    check_round_trip(trained, objects)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_floats_of_other_widths(dtype: str) -> None:
    objects = jets(100)
    objects.columns = {name: objects.columns[name].astype(dtype) for name in ("pt", "m")}
    bounded = [msgspec.structs.replace(f, bound=Bound("rel", 5e-3)) for f in features(objects)]
    trained = fit_bottleneck(objects, bounded, QUICK)
    codec = a_codec(trained, objects)
    for name, values in codec.decode(codec.encode(objects.columns)).items():
        assert values.dtype == dtype
        assert accept(objects.columns[name], values, Bound("rel", 5e-3)).all()


def test_no_event_is_in_both_parts() -> None:
    counts = np.random.default_rng(1).integers(0, 6, 500)
    event = np.repeat(np.arange(500), counts)
    training, validation = split_by_event(counts, 0.2, seed=3)
    assert not set(event[training]) & set(event[validation])
    assert len(training) + len(validation) == counts.sum()
    assert 0.15 < len(validation) / counts.sum() < 0.25


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    objects = jets(100)
    recipe = msgspec.structs.replace(
        QUICK, architecture=Architecture((8, 8), dropout=0.1, batch_norm=True, shortcut=True)
    )
    first, second = (model_of(fit_bottleneck(objects, features(objects), recipe), objects) for _ in range(2))
    assert first == second
    other = fit_bottleneck(objects, features(objects), msgspec.structs.replace(recipe, seed=2))
    assert model_of(other, objects) != first


def test_runs_of_events_are_one_sample() -> None:
    objects = jets(100)
    parts = [objects.slice(0, 30), objects.slice(30, 100)]
    whole, pieces = (fit_bottleneck(sample, features(objects), QUICK) for sample in (objects, iter(parts)))
    assert model_of(whole, objects) == model_of(pieces, objects)


@pytest.mark.parametrize("schedule", ["one-cycle", "plateau"])
def test_a_training_that_was_killed_continues_to_the_same_bytes(tmp_path: Path, schedule: str) -> None:
    objects = jets(100)
    architecture = Architecture((8,), dropout=0.2, batch_norm=True)
    recipe = msgspec.structs.replace(QUICK, epochs=6, schedule=schedule, architecture=architecture)
    straight = fit_bottleneck(objects, features(objects), recipe)

    class KilledError(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KilledError

    path = tmp_path / "training.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(descent, "SECONDS_BETWEEN_CHECKPOINTS", -1.0)
        with pytest.raises(KilledError):
            fit_bottleneck(objects, features(objects), recipe, checkpoint=path, progress=kill)
    seen: list[int] = []
    resumed = fit_bottleneck(
        objects, features(objects), recipe, checkpoint=path, progress=lambda epoch: seen.append(epoch.number)
    )
    assert seen == [3, 4, 5, 6]
    assert model_of(resumed, objects) == model_of(straight, objects)


def test_a_checkpoint_of_another_training_or_none_at_all_is_refused(tmp_path: Path) -> None:
    objects = jets(50)
    path = tmp_path / "training.npz"
    fit_bottleneck(objects, features(objects), QUICK, checkpoint=path)
    with pytest.raises(InputError, match="another training"):
        fit_bottleneck(objects, features(objects), msgspec.structs.replace(QUICK, seed=5), checkpoint=path)
    whole = path.read_bytes()
    for damaged in (b"", whole[:-50], b"\x80\x04N.", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="not a checkpoint"):
            fit_bottleneck(objects, features(objects), QUICK, checkpoint=path)
    pickled = np.array([Counters("x")], dtype=object)
    with path.open("wb") as file:
        np.savez(file, state=pickled)
    with pytest.raises(InputError, match="not a checkpoint"):
        fit_bottleneck(objects, features(objects), QUICK, checkpoint=path)


def test_early_stopping_and_progress() -> None:
    objects = jets(40)
    seen: list[Epoch] = []
    recipe = msgspec.structs.replace(QUICK, epochs=200, patience=3, schedule="plateau", learning_rate=0.3)
    trained = fit_bottleneck(objects, features(objects), recipe, progress=seen.append)
    assert len(seen) == len(trained.history) < 200
    assert seen[-1].total == 200
    assert (seen[-1].loss, seen[-1].validation_loss) == trained.history[-1]


def test_a_training_that_diverges_ends_with_its_best_weights() -> None:
    objects = jets(100)
    recipe = msgspec.structs.replace(QUICK, learning_rate=1e30, epochs=4)
    trained = fit_bottleneck(objects, features(objects), recipe)
    assert np.isfinite(trained.history).all()
    check_round_trip(trained, objects)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    objects = jets(5)
    with pytest.raises(SchemaError, match=device):
        fit_bottleneck(objects, features(objects), msgspec.structs.replace(QUICK, device=device))


def test_training_lowers_the_loss() -> None:
    objects = jets(1500)
    recipe = msgspec.structs.replace(QUICK, architecture=Architecture((16, 16), 4), epochs=15)
    history = fit_bottleneck(objects, features(objects), recipe).history
    assert history[-1][1] < 0.2 * history[0][1]


def test_a_linear_start_is_as_good_as_principal_components() -> None:
    objects = jets(300)
    trained = fit_bottleneck(
        objects, features(objects), msgspec.structs.replace(QUICK, epochs=1, learning_rate=1e-9)
    )
    inputs = np.stack(
        [column.transform.forward(objects.columns[column.name])[0] for column in trained.spec.columns], axis=1
    )
    variances = np.sort(np.linalg.eigvalsh(np.cov(inputs.T)))
    lost = variances[: inputs.shape[1] - trained.spec.latents].sum() / inputs.shape[1]
    assert trained.history[0][0] == pytest.approx(lost, rel=0.2)


@pytest.mark.parametrize("latent_dtype", ["float32", "float16", "uint16", "uint8"])
def test_latents_of_every_kind(latent_dtype: str) -> None:
    objects = jets(150)
    trained = fit_bottleneck(
        objects, features(objects), msgspec.structs.replace(QUICK, latent_dtype=latent_dtype)
    )
    assert trained.spec.latent.dtype == latent_dtype
    check_round_trip(trained, objects)
    check_round_trip(trained, jets(50, seed=4))


def test_latents_only_takes_floats_without_bounds() -> None:
    objects = jets(150)
    unbounded = [msgspec.structs.replace(f, bound=Bound("exact")) for f in features(objects)]
    recipe = msgspec.structs.replace(QUICK, latents_only=True, epochs=20)
    trained = fit_bottleneck(objects, unbounded, recipe)
    encoded = a_codec(trained, objects).encode(objects.columns)
    assert encoded.corrections == {}
    restored = a_codec(trained, objects).decode(encoded)
    assert np.corrcoef(restored["pt"], objects.columns["pt"])[0, 1] > 0.9


def test_exact_floats_and_long_integers_are_left_out() -> None:
    objects = jets(30)
    objects.columns["id"] = np.arange(objects.n_objects, dtype=np.int64)
    specs = [
        msgspec.structs.replace(f, bound=Bound("exact")) if f.name == "m" else f for f in features(objects)
    ]
    trained = fit_bottleneck(objects, specs, QUICK)
    assert [column.name for column in trained.spec.columns] == ["pt", "eta", "n", "tag"]
    with pytest.raises(BoundError, match="nothing"):
        fit_bottleneck(objects, [f for f in specs if f.name in ("m", "id")], QUICK)


def test_a_bound_below_the_drift_names_the_smallest_feasible() -> None:
    objects = jets(100)
    tight = [
        msgspec.structs.replace(f, bound=Bound("abs", 1e-7)) if f.name == "eta" else f
        for f in features(objects)
    ]
    with pytest.raises(BoundError, match="abs:") as caught:
        fit_bottleneck(objects, tight, QUICK)
    feasible = float(str(caught.value.expected).split()[0].removeprefix("abs:"))
    specs = [
        msgspec.structs.replace(f, bound=Bound("abs", feasible)) if f.name == "eta" else f
        for f in features(objects)
    ]
    codec = a_codec(fit_bottleneck(objects, specs, QUICK), objects)
    restored = codec.decode(codec.encode(objects.columns))
    assert accept(objects.columns["eta"], restored["eta"], Bound("abs", feasible)).all()


def test_sentinels_do_not_spoil_the_scale() -> None:
    objects = jets(400)
    objects.columns["eta"][::50] = -999
    column = fit_bottleneck(objects, features(objects), QUICK).spec.columns[1]
    assert 1 / column.transform.scale < 20
    assert len(column.frequent) == 1


def test_pytorch_is_left_as_it_was() -> None:
    import torch

    before = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.random.get_rng_state(),
    )
    objects = jets(20)
    fit_bottleneck(objects, features(objects), QUICK)
    after = (
        torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(),
        torch.random.get_rng_state(),
    )
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])


def test_the_learning_rate_rises_and_falls_once() -> None:
    rates = np.array([descent.one_cycle(done) for done in np.linspace(0, 1, 101)])
    assert rates.argmax() == 30
    assert rates.max() == pytest.approx(1)
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()


def test_presets_have_the_shapes_of_the_literature() -> None:
    assert PRESETS["AE_3D_200"].describe(4).startswith("4-200-100-50-3-50-100-200-4 tanh")
    assert preset("200-100-50").layers == (200, 100, 50)
    for name in PRESETS:
        assert preset(name).activation in ACTIVATIONS
    with pytest.raises(SchemaError, match="AE_3D_200"):
        preset("AE_3D_20")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Architecture((0,)),
        lambda: Architecture((10**9,)),
        lambda: Architecture(latents=0),
        lambda: Architecture(dropout=1.0),
        lambda: Hyperparameters(validation=1.0),
        lambda: Hyperparameters(batch_size=0),
        lambda: Hyperparameters(epochs=-1),
        lambda: Hyperparameters(scaling="maxmin"),
        lambda: Hyperparameters(seed=-1),
        lambda: Hyperparameters(learning_rate=float("nan")),
        lambda: Hyperparameters(threads=0),
    ],
)
def test_recipes_that_cannot_be_are_refused(make) -> None:
    with pytest.raises((SchemaError, LimitError)) as caught:
        make()
    assert isinstance(caught.value, HepaeError)


def test_reading_and_the_presets_do_not_import_pytorch() -> None:
    code = (
        "import sys, hepae, hepae.learn.bottleneck.presets; assert not {'torch', 'onnx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
