"""Run a grid of experiments: train, store, restore, measure; each result is kept, so a run can be resumed."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import onnx

from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.chunk import ChunkCodec
from hepae.core.decode import codec_of
from hepae.core.values.bounds import parse_assignments
from hepae.core.values.objects import Collection, Objects
from hepae.errors import HepaeError, InputError
from hepae.files.compress.collection import compress_collection
from hepae.files.summary import Compression
from hepae.files.verify.run import verify
from hepae.input.events import open_events
from hepae.lab.experiments.collection_file import write_objects
from hepae.lab.experiments.grid import Data, Experiment, read_grid
from hepae.lab.experiments.metrics import constant_mass, quality_of, transforms_of
from hepae.lab.experiments.outcome import CORRECTED, LATENTS, Failure, Outcome
from hepae.lab.experiments.speed import measure
from hepae.lab.experiments.tables import write_tables
from hepae.learn.bottleneck.fit import split_by_event
from hepae.learn.bottleneck.presets import Hyperparameters
from hepae.learn.modelling import model_of, sample
from hepae.learn.recipe import BottleneckChoices, Recipe
from hepae.model.assembly import TABLE
from hepae.model.model import Model
from hepae.progress import Report
from hepae.root.file.source import open_source
from hepae.stored.titles import SUFFIX

__all__ = ["run_grid"]


def run_grid(
    grid: Path, folder: Path, *, data_folder: Path | None = None, quick: bool = False, report: Report
) -> tuple[list[Outcome], list[Failure]]:
    """Run what of a grid has not been run yet, and write the tables.

    Parameters
    ----------
    grid
        TOML file; see `hepae.lab.experiments.grid`.
    folder
        Where results go: ``runs/*.json``, ``models/*.onnx``, ``results.csv``, ``residuals.csv``, ``results.md``, and
        ``best_DATA.onnx``, the network with the smallest loss.
    data_folder
        Where the files of the grid are; the folder of the grid where it is None.
    quick
        Two epochs of 20,000 objects each.
    report
        Told how far the work is.

    Returns
    -------
    outcomes, failures
        In the order of the grid; one experiment may have two outcomes.
    """
    data, experiments = read_grid(grid)
    outcomes, failures = list[Outcome](), list[Failure]()
    for part in ("runs", "models", "checkpoints"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for place, experiment in enumerate(experiments):
        chosen = experiment.quick() if quick else experiment
        found = data[chosen.data]
        report("experiments", place, len(experiments), chosen.name)
        kept = folder / "runs" / f"{chosen.digest(found)}.json"
        try:
            if not kept.exists():
                path = (data_folder or grid.parent) / found.file
                made = list(_outcomes(chosen, found, path, folder, quick, report))
                kept.write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1))
            # names and published figures may have been reworded since
            for outcome in msgspec.json.decode(kept.read_bytes(), type=list[Outcome]):
                names = {word: getattr(chosen, word) for word in ("name", "published", "published_loss")}
                outcomes.append(msgspec.structs.replace(outcome, **names))
        except HepaeError as problem:
            failures.append(Failure(chosen.name, str(problem)))
        except msgspec.MsgspecError:
            raise InputError(
                "a result that cannot be read", where=kept, hint="delete it to run it again"
            ) from None
        write_tables(folder, outcomes)
    _export_best(folder, data, [e.quick() if quick else e for e in experiments], outcomes)
    report("experiments", len(experiments), len(experiments), "")
    return outcomes, failures


def _outcomes(
    experiment: Experiment, data: Data, path: Path, folder: Path, quick: bool, report: Report
) -> Iterator[Outcome]:
    recipe = experiment.recipe
    with open_events(path, data.tree) as events:
        collection = events.collection(data.collection)
        names = tuple(collection.feature(name).name for name in data.features) or tuple(
            feature.name for feature in collection.features
        )
        objects = sample(events, collection, names, recipe.conditions, recipe.choices.train_objects)
    make = partial(
        Outcome,
        experiment.name,
        experiment.data,
        experiment.published,
        experiment.published_loss,
        quick=quick,
    )
    held_back = _held_back(objects, recipe)
    if experiment.baseline is not None:
        quality = quality_of(
            held_back, constant_mass(held_back.columns), *transforms_of(objects, names, None)
        )
        yield make(
            stored=experiment.baseline, words="pt, eta, phi as they are", epochs=0, quality=quality, bits=None
        )
        return
    digest = experiment.digest(data)
    model, seconds = _trained(
        objects, collection, names, experiment.bounds or data.bounds, recipe, folder, digest, report
    )
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch) / "sample.root", Path(scratch) / "stored.root"
        write_objects(source, objects, collection, names)
        done = compress_collection(
            source, target, collection=collection.name, model=model, report=report, check=verify
        )
        latents = _latent_bytes(target, collection.name)
    costs = {
        "parameters": _parameters(model),
        "model_bytes": len(model.data),
        "train_seconds": seconds,
        "speed": measure(model, objects),
        "epochs": len(model.manifest.training.history),
    }
    yield from _stored_ways(make, model, objects, held_back, names, done, latents, costs)


def _stored_ways(
    make: Callable[..., Outcome],
    model: Model,
    objects: Objects,
    held_back: Objects,
    names: tuple[str, ...],
    done: Compression,
    latents: int,
    costs: dict[str, object],
) -> Iterator[Outcome]:
    """Of a bottleneck its latents alone, and with corrections; of other codecs themselves."""
    spec, scalings = model.manifest.codec, transforms_of(objects, names, model.manifest)
    everything = 8 * done.collection_after / max(1, done.objects)
    codec = codec_of(model)
    if isinstance(codec, ChunkCodec):
        restored = codec.decode(held_back.counts, held_back.events, codec.encode(held_back, 0), names)
        quality = quality_of(held_back, restored, *scalings)
        words = f"{model.manifest.codec_name}, bounded"
        yield make(stored=model.manifest.codec_name, words=words, quality=quality, bits=everything, **costs)
        return
    assert isinstance(spec, BottleneckSpec)
    alone = Bottleneck(msgspec.structs.replace(spec, latents_only=True), model.networks, model.tables)
    quality = quality_of(held_back, alone.decode(alone.encode(held_back.columns)), *scalings)
    bits = 8 * latents / max(1, done.objects)
    yield make(stored=LATENTS, words=spec.architecture, quality=quality, bits=bits, **costs)
    if not spec.latents_only:
        quality = quality_of(held_back, codec.decode(codec.encode(held_back.columns)), *scalings)
        yield make(stored=CORRECTED, words=spec.architecture, quality=quality, bits=everything, **costs)


def _held_back(objects: Objects, recipe: Recipe) -> Objects:
    """The events that `hepae.learn.bottleneck.fit` held back for the validation loss; all where it held back none."""
    share = (
        recipe.choices.validation
        if isinstance(recipe.choices, BottleneckChoices)
        else Hyperparameters().validation
    )
    _, validation = split_by_event(objects.counts, share, recipe.choices.seed)
    if not len(validation):
        return objects
    event = np.repeat(np.arange(objects.n_events), objects.counts)
    chosen = np.unique(event[validation])
    return Objects(
        objects.counts[chosen],
        {name: column[validation] for name, column in objects.columns.items()},
        {name: column[chosen] for name, column in objects.events.items()},
    )


def _trained(
    objects: Objects,
    collection: Collection,
    names: tuple[str, ...],
    bounds: Sequence[str],
    recipe: Recipe,
    folder: Path,
    digest: str,
    report: Report,
) -> tuple[Model, float]:
    """The model, trained now or before, and the seconds it took (those since a checkpoint, where there was one)."""
    path = folder / "models" / f"{digest}.onnx"
    seconds_path = path.with_suffix(".seconds")
    if path.exists() and seconds_path.exists():
        return Model.load(path), float(seconds_path.read_text())
    checkpoint = folder / "checkpoints" / f"{digest}.npz"
    if isinstance(recipe.choices, BottleneckChoices):
        recipe = recipe.replaced(checkpoint=str(checkpoint))
    began = time.perf_counter()
    model = model_of(objects, collection, names, parse_assignments(bounds), recipe, report)
    seconds = time.perf_counter() - began
    model.save(path, force=True)
    seconds_path.write_text(f"{seconds:.1f}")
    checkpoint.unlink(missing_ok=True)
    return model, seconds


def _latent_bytes(path: Path, collection: str) -> int:
    """Bytes on disk of what a file of latents alone would have: latents and the model's name."""
    with open_source(path) as source:
        tree = source.tree()
        own = [f"{collection}_latent{SUFFIX}", f"{collection}_model{SUFFIX}"]
        return sum(tree.bytes_on_disk(branch)[0] for branch in own if branch in tree.branches)


def _parameters(model: Model) -> int:
    """Weights and biases of the networks."""
    graph = onnx.load_from_string(model.data).graph
    return sum(int(np.prod(w.dims)) for w in graph.initializer if not w.name.startswith(f"{TABLE}/"))


def _export_best(
    folder: Path, data: Mapping[str, Data], experiments: list[Experiment], outcomes: list[Outcome]
) -> None:
    """The network with the smallest loss of each data set."""
    digests = {experiment.name: experiment.digest(data[experiment.data]) for experiment in experiments}
    for name in data:
        rows = [one for one in outcomes if one.data == name and one.stored == LATENTS]
        if rows:
            best = min(rows, key=lambda one: one.quality.loss_minmax)
            shutil.copyfile(folder / "models" / f"{digests[best.name]}.onnx", folder / f"best_{name}.onnx")
