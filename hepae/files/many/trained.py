"""The model for many files: that of an earlier run with the same request, or one trained on a sample of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from hepae.errors import HepaeError, InputError, SchemaError
from hepae.files.many import records
from hepae.files.many.filesets import Job
from hepae.input.events import open_events
from hepae.input.selection import Selection
from hepae.learn.modelling import find_collection, train
from hepae.learn.recipe import Choices, Recipe
from hepae.model.model import Model
from hepae.progress import Report
from hepae.version import __version__

__all__ = ["model_for"]

TRAINING_FILES = 64
"""At most this many files, evenly spread over all, give objects to train on."""


class Trained(msgspec.Struct, frozen=True):
    """Which model a request made, and the version that trained it."""

    version: str
    selection: Selection
    choices: Choices
    model: str


def model_for(jobs: Sequence[Job], kept: Path, selection: Selection, recipe: Recipe, report: Report) -> Model:
    """The model of an earlier run with the same request, or a new one."""
    note = kept / "model.json"
    found = records.read(note, Trained)
    if found == Trained(__version__, selection, recipe.choices, found.model if found else ""):
        path = kept / f"{found.model}.onnx"
        if path.exists():
            return Model.load(path)
    trees = {job.tree for job in jobs}
    if len(trees) > 1:
        raise SchemaError(
            "one model for trees of several names", got=", ".join(map(str, trees)), hint="train it first"
        )
    (tree,) = trees
    model = train(
        _sample([job.source for job in jobs], tree, selection.collection),
        collection=selection.collection,
        features=selection.features,
        bounds=selection.bounds,
        tree=tree,
        recipe=recipe,
        report=report,
    )
    records.write(kept / f"{model.sha256}.onnx", model.data)
    made = Trained(__version__, selection, recipe.choices, model.sha256)
    records.write(note, msgspec.json.encode(made))
    return model


def _sample(sources: Sequence[str], tree: str | None, collection: str | None) -> list[str]:
    """Some of the files, evenly spread; those that cannot be opened will be told of as failures of their own."""
    places = np.unique(np.linspace(0, len(sources) - 1, TRAINING_FILES).round().astype(int))
    usable, problem = [], None
    for place in places.tolist():
        try:
            with open_events(sources[place], tree, collection) as events:
                find_collection(events, collection)
        except HepaeError as error:
            problem = problem or error
        else:
            usable.append(sources[place])
    if not usable:
        raise problem or InputError("no files to train on")
    return usable
