"""Grids of experiments from one TOML file.

::

    [data.monojet]
    file = "monojet.csv"
    collection = "Jet"
    bounds = ["E,pt=rel:1e-3", "eta,phi=abs:1e-3"]

    [[run]]
    name = "tanh"
    data = "monojet"
    published = "A. Author, 2020: test loss 6.8e-7"
    published_loss = 6.8e-7
    layers = [200, 100, 50]
    activation = ["tanh", "elu"]
    seed = [1, 2, 3]

Every other word of a run is a choice for training (`learn.recipe.CHOICES`). A list of choices makes one experiment of
each combination; of choices that are lists themselves, a list of lists does.
"""

from __future__ import annotations

import hashlib
import itertools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from hepae.errors import InputError, SchemaError, nearest
from hepae.learn.recipe import CHOICES, Recipe, names_of, recipe_of

__all__ = ["BASELINES", "Data", "Experiment", "read_grid"]

BASELINES: Final = ("constant-mass",)
LISTS: Final = ("layers", "convolutions", "conditions")
QUICK: Final = {"epochs": 2, "train_objects": 20_000, "effort": "fast"}
WORDS: Final = ("name", "data", "published", "published_loss", "baseline", "bounds")


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A data set: file, collection, features (all where empty) and bounds."""

    file: str
    collection: str = "Jet"
    tree: str | None = None
    features: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One training, or a baseline that needs none.

    Parameters
    ----------
    name
        What the run is called; where it has several variants, with the choices that tell them apart.
    data
        Name of the data set.
    choices
        For training; see `hepae.learn.recipe.recipe_of`.
    published
        The published figure that this reproduces.
    published_loss
        Its loss, where there is one.
    baseline
        One of `BASELINES`, or None.
    bounds
        Instead of those of the data set.
    """

    name: str
    data: str
    choices: dict[str, Any] = {}
    bounds: tuple[str, ...] = ()
    published: str = ""
    published_loss: float | None = None
    baseline: str | None = None

    @property
    def recipe(self) -> Recipe:
        """The choices, checked; a network without a preset has no linear skip connections, as in the literature."""
        choices = {"codec": "bottleneck", **self.choices}
        if choices["codec"] == "bottleneck" and "preset" not in choices:
            choices.setdefault("shortcut", False)
        return recipe_of(choices)

    def quick(self) -> Experiment:
        """The same with two epochs of few objects: whether it runs, not how good it is."""
        known = names_of(self.recipe.codec)
        quick = {name: choice for name, choice in QUICK.items() if name in known}
        return msgspec.structs.replace(self, choices={**self.choices, **quick})

    def digest(self, data: Data) -> str:
        """Name of the result: a digest of all that it depends on but the contents of the file."""
        text = msgspec.json.encode([self.choices, self.baseline, self.bounds, data], order="deterministic")
        return hashlib.sha256(text).hexdigest()[:16]


def read_grid(path: Path) -> tuple[dict[str, Data], list[Experiment]]:
    """Data sets and experiments of a grid.

    Raises
    ------
    InputError
        If the file cannot be read or is not TOML.
    SchemaError
        If a word in it is not known, or two experiments have one name.
    """
    try:
        with path.open("rb") as file:
            grid = tomllib.load(file)
        data = msgspec.convert(grid.pop("data", {}), dict[str, Data])
        runs = msgspec.convert(grid.pop("run", []), list[dict[str, Any]])
    except OSError as problem:
        raise InputError("the grid cannot be read", where=path, got=problem.strerror) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise InputError("the grid is not TOML", where=path, got=problem) from None
    except msgspec.ValidationError as problem:
        raise SchemaError("not a grid of experiments", where=path, got=problem) from None
    if grid or not data or not runs:
        raise SchemaError(
            "not a grid of experiments", where=path, expected="[data.NAME] and [[run]]", got=", ".join(grid)
        )
    experiments = [one for run in runs for one in _expanded(run, data, path)]
    names = [one.name for one in experiments]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise SchemaError("experiments of the same name", where=path, got=", ".join(double))
    return data, experiments


def _expanded(run: Mapping[str, Any], data: Mapping[str, Data], path: Path) -> Iterator[Experiment]:
    """One experiment for each combination of the choices that are lists."""
    where = f"{path}, {run.get('name', 'a run without a name')}"
    for word in run:
        if word not in (*CHOICES, *WORDS):
            hint = nearest(word, (*CHOICES, *WORDS)) or None
            raise SchemaError("an unknown word in a grid", where=where, got=word, hint=hint)
    if run.get("data") not in data or "name" not in run:
        raise SchemaError(
            "a run needs a name and a data set", where=where, expected=", ".join(data), got=run.get("data")
        )
    if run.get("baseline") not in (None, *BASELINES):
        raise SchemaError("no such baseline", where=where, expected=", ".join(BASELINES), got=run["baseline"])
    choices = {word: _alternatives(word, run[word]) for word in run if word not in WORDS}
    varied = [word for word, values in choices.items() if len(values) > 1]
    words = {word: run[word] for word in WORDS if word in run}
    for values in itertools.product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        suffix = ", ".join(f"{word}={_short(chosen[word])}" for word in varied)
        name = f"{run['name']} ({suffix})" if suffix else run["name"]
        try:
            experiment = msgspec.convert({**words, "name": name, "choices": chosen}, Experiment)
        except msgspec.ValidationError as problem:
            raise SchemaError("not an experiment", where=where, got=problem) from None
        _ = experiment.recipe  # refuses bad choices before the first training
        yield experiment


def _alternatives(word: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    if word in LISTS and not any(isinstance(item, list) for item in value):
        return [value]
    return value


def _short(value: Any) -> str:
    return "-".join(map(str, value)) if isinstance(value, list) else str(value)
