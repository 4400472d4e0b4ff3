"""From events to a model: which features, which lattices, then the training of the codec that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.core.arithmetic.denormals import kept_subnormals
from hepae.core.arithmetic.kinematics import find_met, find_roles, parse_roles
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.features import FeatureSpec
from hepae.core.manifest import Manifest
from hepae.core.prediction.predictors import LiftingSpec
from hepae.core.values.bounds import Assignments, Bound, assign
from hepae.core.values.lattice_fit import fit_lattice, require_feasible
from hepae.core.values.names import is_name
from hepae.core.values.objects import Collection, Objects, concatenate
from hepae.core.versioned import Training
from hepae.errors import (
    AlreadyCompressedError,
    BoundError,
    CollectionError,
    InputError,
    UnsupportedError,
)
from hepae.extras import needed
from hepae.input.events import open_events
from hepae.input.selection import Selection, selection_of
from hepae.learn.fit.one_thread import one_thread
from hepae.learn.recipe import BottleneckChoices, Choices, LiftingChoices, MaskedChoices, Recipe
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.tree import TreeReader
from hepae.shown.bars import in_notebook
from hepae.stored.titles import compressed_collections
from hepae.version import __version__

if TYPE_CHECKING:
    import onnx

    from hepae.core.manifest import CodecSpec
    from hepae.learn.fit.state import Settings

__all__ = ["Report", "feature_specs", "find_collection", "model_of", "sample", "train"]

"""Called with phase, amount done, amount in all, and a note such as the loss."""

Tables = Mapping[str, NDArray[Any]]

FIT_OBJECTS = {"fast": 30_000, "default": 60_000, "best": 120_000}
"""Objects that predictors are fitted on, by effort."""

FEWEST_FOR_NETWORKS = 5000
"""Objects from which the networks of the masked codec learn the first feature better than a prediction says it."""

FAST_TERMS = 5
FAST_GAIN = 0.03
"""Tables in a prediction, and bits that each must save, where reading has to be fast."""

LIFTING_GAIN, LIFTING_ANCESTOR_GAIN = 0.015, 0.01
"""Bits that a table, and each further feature to read, must save in `lifting`: a feature is then read alone in less
than a third of the time for 21, which costs half a per cent of their size."""

RUN = 2000
"""Events in a run of the training sample, at most."""
FEWEST_RUNS = 8
"""Events of many objects are taken in shorter runs, so that the sample is not one piece of the file."""


def train(
    files: Sequence[str | Path],
    *,
    collection: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    bounds: Assignments = (),
    tree: str | None = None,
    recipe: Recipe | None = None,
    report: Report = in_notebook,
) -> Model:
    """Train a model on one collection of one or more files.

    Parameters
    ----------
    files
        ROOT or CSV files that share the collection; each gives its part of the sample.
    collection
        Name of the collection; the only one where none is named.
    features
        Short or full names of the features; all of the collection where none are named.
    bounds
        ``NAMES=BOUND`` or (pattern, `Bound`), later ones win; features without are kept exactly.
    tree
        Name of the tree; the only or largest one where none is named.
    recipe
        Codec and choices for training.
    report
        Told how far the work is; by default a notebook shows it.

    Raises
    ------
    HepaeError
        As the catalogue says: `InputError`, `CollectionError`, `BoundError`, `SchemaError`.

    Examples
    --------
    >>> model = train(["events.root"], collection="Jet", bounds=["pt,mass=rel:1e-3"])  # doctest: +SKIP
    >>> model.save("jets.onnx")  # doctest: +SKIP
    """
    if not files:
        raise InputError("no files to train on")
    recipe, selection = recipe or Recipe(), selection_of(collection, features, bounds, tree)
    require_bounds_mean_something(selection, recipe)
    parts, found, chosen = [], None, tuple[str, ...]()
    share = max(1, recipe.choices.train_objects // len(files))
    for place, path in enumerate(files):
        with open_events(path, tree, selection.collection) as events:
            if found is None:
                found = find_collection(events, selection.collection)
                chosen = selection.names(found)
            parts.append(sample(events, found, chosen, recipe.conditions, share))
        report("reading", place + 1, len(files), "")
    assert found is not None
    return model_of(concatenate(parts), found, chosen, selection.bounds, recipe, report)


def require_bounds_mean_something(selection: Selection, recipe: Recipe) -> None:
    """Refuse bounds together with a recipe that keeps none (`BoundError`)."""
    if selection.bounds and isinstance(recipe.choices, BottleneckChoices) and recipe.choices.latents_only:
        pattern, bound = selection.bounds[0]
        raise BoundError(
            "latents alone keep no bound",
            got=f"{pattern}={bound}",
            hint="leave out the bounds, or latents_only",
        )


def find_collection(events: TreeReader, name: str | None) -> Collection:
    """The collection of that name, or the only one.

    Raises
    ------
    AlreadyCompressedError
        If it is compressed already.
    CollectionError
        If there is none of that name, or none was named and there are several.
    """
    compressed = compressed_collections(events)
    if name is not None and name in compressed:
        raise AlreadyCompressedError(
            f"{name} is compressed already", where=events.where, hint="decompress it first, or name another"
        )
    if name is not None:
        return events.collection(name)
    found = events.collections()
    if len(found) != 1:
        raise CollectionError(
            "several collections" if found else "no collection",
            where=events.where,
            got=", ".join(found) or None,
            hint="name one with --collection",
        )
    return next(iter(found.values()))


def sample(
    events: TreeReader,
    collection: Collection,
    features: Sequence[str],
    conditions: Sequence[str],
    objects: int,
) -> Objects:
    """About so many objects, or all there are, from runs of events evenly spread over the file."""
    runs = [
        events.objects(collection, features, conditions, *run) for run in _runs(events, collection, objects)
    ]
    return concatenate(runs)


def _runs(events: TreeReader, collection: Collection, objects: int) -> Iterator[tuple[int, int]]:
    """Runs of events: the whole file, or pieces of at most `RUN` events with equal gaps between them."""
    n = events.num_entries
    total = sum(
        int(events.counts(collection, start, min(start + limits.EVENTS_PER_CHUNK, n)).sum())
        for start in range(0, n, limits.EVENTS_PER_CHUNK)
    )
    wanted = int(n * min(objects / total, 1.0)) if total else n
    run = min(RUN, wanted // FEWEST_RUNS)
    if wanted == n or run == 0:
        yield 0, n
        return
    for start in np.linspace(0, n - run, wanted // run).astype(int).tolist():
        yield start, start + run


@kept_subnormals()
def model_of(
    objects: Objects,
    collection: Collection,
    features: Sequence[str],
    bounds: Sequence[tuple[str, Bound]],
    recipe: Recipe,
    report: Report = silent,
) -> Model:
    """Train a model on objects in memory; see `train`."""
    choices = recipe.choices
    dither = not isinstance(choices, BottleneckChoices) and choices.dither
    specs = feature_specs(objects, collection, features, bounds, dither)
    codec, networks, tables, history = _fitted(objects, specs, choices, report)
    provenance = Training(__version__, choices.seed, objects.n_events, objects.n_objects, history)
    if isinstance(codec, BottleneckSpec):
        specs = [spec for spec in specs if spec.name in {column.name for column in codec.columns}]
    manifest = Manifest(
        limits.FORMAT_VERSION,
        collection.name,
        collection.counter,
        tuple(specs),
        recipe.conditions,
        codec,
        provenance,
    )
    from hepae.model.assembly import assemble  # imports onnx, which `import hepae` does not

    return Model.from_bytes(assemble(manifest, networks, tables))


def feature_specs(
    objects: Objects,
    collection: Collection,
    features: Sequence[str],
    bounds: Sequence[tuple[str, Bound]],
    dither: bool = False,
) -> list[FeatureSpec]:
    """Bounds and lattices of features, the lattices fitted to the objects.

    Raises
    ------
    BoundError
        If a bound names nothing, or cannot be kept; if there is dither and no bound that leaves cells to fill.
    UnsupportedError
        If a name has white space or control characters, which the title of a compressed branch cannot hold.
    """
    chosen = [collection.feature(name) for name in features]
    _require_names(collection, [name for feature in chosen for name in (feature.name, feature.branch)])
    assigned = assign(bounds, [(f.name, f.branch, f.dtype) for f in chosen], where=collection.name)
    if dither and all(bound.kind == "exact" for bound in assigned.values()):
        raise BoundError(
            "dither where everything is exact",
            where=collection.name,
            hint="give floats a bound, or leave out dither",
        )
    specs = []
    for feature in chosen:
        values, bound = objects.columns[feature.name], assigned[feature.name]
        require_feasible(values, bound, feature.branch)
        lattice = fit_lattice(values, bound, dither)
        spread = dither and lattice.dithers
        specs.append(
            FeatureSpec(feature.name, feature.branch, feature.dtype, feature.title, bound, lattice, spread)
        )
    return specs


def _require_names(collection: Collection, names: Sequence[str]) -> None:
    for name in (collection.name, *([collection.counter] if collection.counter else []), *names):
        if not is_name(name):
            raise UnsupportedError(
                "a name that a compressed branch cannot have",
                where=collection.name,
                expected="printable characters without white space",
                got=repr(name),
                hint="leave it out with --features",
            )


Fitted = tuple["CodecSpec", Mapping[str, "onnx.ModelProto"], Tables, tuple[tuple[float, float], ...]]


def _settings(choices: MaskedChoices | LiftingChoices, n_objects: int) -> Settings:
    """How hard predictors try."""
    from hepae.learn.fit.state import Settings  # each codec's training is loaded when it is asked for

    settings = Settings(
        objects=FIT_OBJECTS[choices.effort],
        seed=choices.seed,
        first_plain=isinstance(choices, MaskedChoices) and n_objects >= FEWEST_FOR_NETWORKS,
    )
    if isinstance(choices, MaskedChoices):
        settings = replace(settings, width_terms=0)  # networks do better than classes
    elif choices.effort == "default":
        settings = replace(settings, least_gain=LIFTING_GAIN, ancestor_gain=LIFTING_ANCESTOR_GAIN)
    if choices.effort == "fast":  # reading in a hurry does without classes
        settings = replace(settings, terms=FAST_TERMS, width_terms=0, least_gain=FAST_GAIN)
    return settings


def _fitted(objects: Objects, specs: Sequence[FeatureSpec], choices: Choices, report: Report) -> Fitted:
    """Train the codec that was chosen."""
    if isinstance(choices, BottleneckChoices):
        return _fitted_bottleneck(objects, specs, choices, report)
    from hepae.learn.fit.prediction import fit

    integers = {
        spec.name: spec.lattice.to_integers(objects.columns[spec.name], spec.bound)[0] for spec in specs
    }
    lattices = {spec.name: spec.lattice for spec in specs}
    report("predicting", 0, 1, "")
    given = parse_roles(",".join(f"{role}={name}" for role, name in choices.kinematics.items()), integers)
    roles = {role: name for role, name in find_roles(integers).items() if name not in given.values()} | given
    with one_thread():
        settings = _settings(choices, objects.n_objects)
        predictors = fit(integers, lattices, objects.counts, objects.events, roles=roles, settings=settings)
    report("predicting", 1, 1, "")
    if isinstance(choices, LiftingChoices):
        return LiftingSpec(predictors), {}, {}, ()
    with needed("training this codec", "the codec lifting is trained without it"):
        from hepae.learn.masked.fit import EFFORTS, fit_masked
    trained = fit_masked(
        integers,
        lattices,
        objects.counts,
        objects.events,
        predictors,
        effort=EFFORTS[choices.effort],
        roles=roles,
        met=find_met(objects.events),
        conditions={name: _scale(objects.events[name]) for name in choices.conditions},
        seed=choices.seed,
        progress=lambda epoch: report(
            "training", epoch.number, epoch.total, f"{epoch.validation_loss:.2f} bits"
        ),
    )
    return trained.spec, trained.networks, trained.tables, trained.history


def _scale(condition: NDArray[np.generic]) -> float | None:
    """Factor that makes integers of a conditioning branch: about 500 steps over its usual range; None: a logarithm."""
    finite = condition[np.isfinite(condition)].astype(np.float64)
    if len(finite) == 0 or finite.min() > 0:
        return None
    low, high = np.quantile(finite, [0.05, 0.95])
    return 500.0 / float(high - low) if high > low else 1.0


def _fitted_bottleneck(
    objects: Objects, specs: Sequence[FeatureSpec], choices: BottleneckChoices, report: Report
) -> Fitted:
    with needed("training this codec", "the codec lifting is trained without it"):
        from hepae.learn.bottleneck.fit import fit_bottleneck
    trained = fit_bottleneck(
        objects,
        specs,
        choices.hyperparameters,
        checkpoint=None if choices.checkpoint is None else Path(choices.checkpoint),
        progress=lambda epoch: report(
            "training", epoch.number, epoch.total, f"loss {epoch.validation_loss:.3g}"
        ),
    )
    return trained.spec, trained.networks, trained.tables, trained.history
