"""Fit a bottleneck autoencoder to a collection."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from hepae.core.bottleneck.codec import TILE, enters
from hepae.core.bottleneck.scaling import chooses_log, fit_transform
from hepae.core.bottleneck.spec import BottleneckColumn, BottleneckSpec, LatentSpec
from hepae.core.features import FeatureSpec
from hepae.core.values.bounds import raw_bits
from hepae.core.values.objects import Objects, concatenate
from hepae.errors import BoundError, SchemaError
from hepae.learn.bottleneck.calibrate import frequent_patterns, measured_drift, suits, with_step
from hepae.learn.bottleneck.export import export_stack
from hepae.learn.bottleneck.learning_rate import find_learning_rate
from hepae.learn.bottleneck.networks import Autoencoder
from hepae.learn.bottleneck.presets import Hyperparameters
from hepae.learn.descent import Epoch, Sample, deterministic, train
from hepae.model.runtime import session

__all__ = ["TrainedBottleneck", "check_device", "fit_bottleneck", "split_by_event"]

PROBE = 256
MOST_CALIBRATED = 65_536
RANGE_MARGIN = 0.1
LEAST_ORDINARY = 0.1


@dataclass(frozen=True)
class TrainedBottleneck:
    """What a manifest and `hepae.model.assembly.assemble` need.

    Attributes
    ----------
    spec
        Parameters of the codec.
    networks
        ``encoder`` and ``decoder``.
    tables
        The probe.
    history
        Training and validation loss (mean squared error of scaled features) by epoch.
    """

    spec: BottleneckSpec
    networks: dict[str, onnx.ModelProto]
    tables: dict[str, NDArray[Any]]
    history: tuple[tuple[float, float], ...]


def fit_bottleneck(
    objects: Objects | Iterable[Objects],
    features: Sequence[FeatureSpec],
    recipe: Hyperparameters | None = None,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> TrainedBottleneck:
    """Train an autoencoder and export it.

    Parameters
    ----------
    objects
        The sample: whole events, in one run or several. It may be empty.
    features
        Features of the collection. Left out are floats that are to be exact, integers of 64 bits, and floats whose
        bulk a network cannot resolve, such as random bits.
    recipe
        Architecture, scaling, schedule, seed, …
    checkpoint
        Path of a checkpoint to continue from if it is there, and to write.
    progress
        Called after each epoch.

    Raises
    ------
    BoundError
        If no feature has a bound, or a bound is too tight for float networks.
    SchemaError
        If there is no such device.
    InputError
        If the checkpoint is of another training.

    Examples
    --------
    >>> trained = fit_bottleneck(objects, features, Hyperparameters(epochs=10))  # doctest: +SKIP
    >>> trained.history[-1]  # doctest: +SKIP
    (1.9e-06, 2.1e-06)
    """
    recipe = recipe or Hyperparameters()
    check_device(recipe.device)
    sample = objects if isinstance(objects, Objects) else concatenate(objects)
    chosen = [feature for feature in features if enters(feature, recipe.latents_only)]
    columns = [_column(feature, sample.columns[feature.name], recipe) for feature in chosen]
    columns = [
        column for column in columns if recipe.latents_only or suits(column, sample.columns[column.name])
    ]
    if not columns:
        raise BoundError(
            "nothing for a bottleneck to do: every feature is an exact float, or random",
            hint="give bounds, such as --bound '*=rel:1e-3', or use the codec lifting or masked",
        )
    values = [sample.columns[column.name] for column in columns]
    scaled = [column.transform.forward(x) for column, x in zip(columns, values, strict=True)]
    inputs = np.stack([y for y, _ in scaled], axis=1)
    training, validation = split_by_event(sample.counts, recipe.validation, recipe.seed)
    parts = Sample(inputs, np.stack([domain for _, domain in scaled], axis=1), training, validation)
    with deterministic(recipe.seed, recipe.threads):
        network = Autoencoder(len(columns), recipe.architecture)
        network.begin_linear(inputs[training])
        if recipe.find_rate:
            recipe = msgspec.structs.replace(recipe, learning_rate=find_learning_rate(network, parts, recipe))
        name = _training_name(columns, recipe, inputs)
        history = train(network, parts, recipe, name, checkpoint, progress)
        return _exported(network.cpu().eval(), columns, values, inputs, recipe, tuple(history))


def split_by_event(
    counts: NDArray[np.int64], validation: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Objects for training and for validation, such that no event has objects in both.

    Parameters
    ----------
    counts
        Objects per event.
    validation
        Share of events.
    seed
        Of the choice.

    Examples
    --------
    >>> training, validation = split_by_event(np.array([2, 1, 3]), 0.34, seed=1)
    >>> np.sort(np.append(training, validation)).tolist()
    [0, 1, 2, 3, 4, 5]
    """
    order = np.random.default_rng(seed).permutation(len(counts))
    held_back = np.zeros(len(counts), bool)
    held_back[order[: round(validation * len(counts))]] = True
    by_object = np.repeat(held_back, counts)
    if by_object.all():
        by_object[:] = False
    return np.flatnonzero(~by_object), np.flatnonzero(by_object)


def check_device(device: str) -> None:
    """Refuse a device that PyTorch does not have or cannot compute on (`SchemaError`)."""
    try:
        float(torch.zeros((), device=device))
    except (RuntimeError, AssertionError) as problem:  # an assertion where PyTorch was built without CUDA
        raise SchemaError("no such device", got=device, hint=str(problem).splitlines()[0]) from None


def _column(feature: FeatureSpec, values: NDArray[Any], recipe: Hyperparameters) -> BottleneckColumn:
    frequent = () if recipe.latents_only else frequent_patterns(values)
    ordinary = _ordinary(values, frequent)
    log = chooses_log(feature.name, ordinary, feature.bound.kind in ("rel", "bits"))
    transform = fit_transform(feature.name, ordinary, recipe.scaling, log)
    step = 2.0 if feature.bound.kind in ("rel", "bits") else 1.0
    return BottleneckColumn(feature.name, feature.dtype, feature.bound, transform, 0.0, step, frequent)


def _ordinary(values: NDArray[Any], frequent: tuple[int, ...]) -> NDArray[Any]:
    """Without the frequent values, often sentinels far from all others that would spoil the scale; they have codes."""
    ordinary = values[~np.isin(raw_bits(values), np.array(frequent, np.uint64))]
    return ordinary if len(ordinary) >= LEAST_ORDINARY * len(values) else values


def _training_name(
    columns: Sequence[BottleneckColumn], recipe: Hyperparameters, inputs: NDArray[np.float32]
) -> str:
    """Digest of all that a training depends on."""
    digest = hashlib.sha256(msgspec.json.encode([columns, recipe]))
    digest.update(np.ascontiguousarray(inputs).data)
    return digest.hexdigest()


def _exported(
    network: Autoencoder,
    columns: Sequence[BottleneckColumn],
    values: Sequence[NDArray[Any]],
    inputs: NDArray[np.float32],
    recipe: Hyperparameters,
    history: tuple[tuple[float, float], ...],
) -> TrainedBottleneck:
    """Export, measure the drift, set the steps."""
    some = _spread_over(len(inputs), MOST_CALIBRATED)
    seen = inputs[some]
    probe_inputs = seen[:PROBE] if len(seen) else np.zeros((1, len(columns)), np.float32)
    encoder = export_stack(network.encoder, "features", "latents", probe_inputs)
    encoded = _tiled(encoder, "features", seen, "latents", network.encoder.head.out_features)
    latent = _latent_spec(recipe, encoded)
    stored = latent.load(latent.store(encoded))
    probe = _probe_latents(stored, recipe.seed)
    decoder = export_stack(network.decoder, "latents", "features", probe)
    exact = copy.deepcopy(network.decoder).double()

    def in_float64(latents: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.no_grad():
            return np.asarray(exact(torch.from_numpy(latents).double()).numpy())

    drifts = measured_drift(decoder.SerializeToString(), probe, in_float64)
    predicted = _tiled(decoder, "latents", stored, "features", len(columns))
    finished = [
        msgspec.structs.replace(column, drift=float(drift))
        for column, drift in zip(columns, drifts, strict=True)
    ]
    if not recipe.latents_only:
        finished = [
            with_step(column, x[some], predicted[:, place])
            for place, (column, x) in enumerate(zip(finished, values, strict=True))
        ]
    kept = probe[_spread_over(len(probe), PROBE)]
    tables = {
        "probe_latents": kept,
        "probe_features": _tiled(decoder, "latents", kept, "features", len(columns)),
    }
    words = recipe.architecture.describe(len(columns))
    spec = BottleneckSpec(tuple(finished), encoded.shape[1], latent, recipe.latents_only, words)
    return TrainedBottleneck(spec, {"encoder": encoder, "decoder": decoder}, tables, history)


def _tiled(
    model: onnx.ModelProto, source: str, inputs: NDArray[np.float32], target: str, width: int
) -> NDArray[np.float32]:
    network = session(model.SerializeToString())
    tiles = [network(**{source: inputs[at : at + TILE]})[target] for at in range(0, len(inputs), TILE)]
    return np.concatenate([np.empty((0, width), np.float32), *tiles])


def _spread_over(n: int, most: int) -> NDArray[np.int64]:
    """At most that many indices, evenly spread over 0 … n-1."""
    return np.unique(np.linspace(0, max(n - 1, 0), min(n, most)).astype(np.int64))


def _latent_spec(recipe: Hyperparameters, latents: NDArray[np.float32]) -> LatentSpec:
    """Fixed-point latents cover what the training sample needs and a tenth more on either side."""
    if not recipe.latent_dtype.startswith("uint"):
        return LatentSpec(recipe.latent_dtype)
    low = latents.min(axis=0, initial=0.0) if not len(latents) else latents.min(axis=0)
    high = latents.max(axis=0, initial=1.0) if not len(latents) else latents.max(axis=0)
    width = np.maximum(high.astype(np.float64) - low, 1e-6)
    step = (1 + 2 * RANGE_MARGIN) * width / np.iinfo(recipe.latent_dtype).max
    return LatentSpec(recipe.latent_dtype, tuple((low - RANGE_MARGIN * width).tolist()), tuple(step.tolist()))


def _probe_latents(stored: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Latents to measure the drift on: of the sample, and random ones over half as wide a range again."""
    if not len(stored):
        return np.zeros((1, stored.shape[1]), np.float32)
    some = stored[_spread_over(len(stored), TILE)]
    low, high = stored.min(axis=0), stored.max(axis=0)
    random = np.random.default_rng(seed).uniform(-0.25, 1.25, some.shape)
    return np.concatenate([some, (low + random * (high - low)).astype(np.float32)])
