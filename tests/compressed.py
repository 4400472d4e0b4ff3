"""Small compressed files that several tests share, made once in each test process."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import hepae
from hepae.learn.recipe import recipe_of
from hepae.model.model import Model

SAMPLE = Path(__file__).parent / "data" / "sample.root"
FEATURES = ("pt", "eta", "phi", "mass", "nConstituents", "muonIdx")
BOUNDS = ("pt,mass=rel:1e-3", "eta,phi=abs:1e-3")


@functools.cache
def folder() -> Path:
    """A folder for files that are only read."""
    return Path(tempfile.mkdtemp(prefix="hepae-tests-"))


@functools.cache
def model(codec: str, seed: int = 1, **choices: object) -> Model:
    """A model of six features, trained for seconds."""
    quick = {"epochs": 2, "layers": (16,)} if codec == "bottleneck" else {}
    recipe = recipe_of({"codec": codec, "seed": seed, "train_objects": 4000, **quick, **choices})
    bounds = () if choices.get("latents_only") else BOUNDS
    return hepae.train([SAMPLE], collection="Jet", features=FEATURES, bounds=bounds, recipe=recipe)


@functools.cache
def compressed(codec: str, seed: int = 1) -> Path:
    """The bundled sample, compressed with that model; to be read only."""
    target = folder() / f"{codec}{seed}.root"
    hepae.compress(SAMPLE, target, collection="Jet", model=model(codec, seed))
    return target
