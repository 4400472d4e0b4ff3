"""Risk: arrays in memory that no ROOT file holds (float16, big-endian, strided) taken for something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.decode import chunk_codec
from hepae.core.values.bounds import accept, bits_equal, parse
from hepae.core.values.objects import Collection, Feature, Objects
from hepae.errors import SchemaError, UnsupportedError
from hepae.learn.modelling import model_of
from hepae.learn.recipe import recipe_of
from hepae.model.model import Model
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch
from hepae.testing.strategies import FLOATS, INTEGERS

N = 600
BOUNDS = {"x": "abs:1e-2", "y": "rel:1e-2", "z": "bits:5", "w": "exact"}


def objects(dtype: str) -> Objects:
    """Objects with four features of one dtype, NaN and zeros among them where there are."""
    rng, kind = np.random.default_rng(4), np.dtype(dtype)
    if kind.kind == "f":
        columns = {name: rng.normal(3, 1, N).astype(kind) for name in BOUNDS}
        for values in columns.values():
            values[::40], values[1::40], values[2::40] = np.nan, -0.0, np.inf
    else:
        columns = {name: rng.integers(0, 2, N).astype(kind) for name in BOUNDS}
        if kind.kind in "iu":
            columns["x"][:2] = np.iinfo(kind).min, np.iinfo(kind).max
    return Objects(np.full(N // 3, 3), columns)


def trained(codec: str, found: Objects, dtype: str) -> Model:
    features = tuple(Feature(name, f"Jet_{name}", dtype) for name in found.columns)
    kind = np.dtype(dtype).kind
    bounds = [(name, parse(bound)) for name, bound in BOUNDS.items()] if kind == "f" else []
    quick = {"epochs": 1, "layers": (8,)} if codec == "bottleneck" else {}
    recipe = recipe_of({"codec": codec, **quick})
    return model_of(found, Collection("Jet", "nJet", features), list(found.columns), bounds, recipe)


def foreign(values: np.ndarray) -> np.ndarray:
    """The same values in the other byte order, and not contiguous."""
    spread = np.zeros(2 * len(values), values.dtype.newbyteorder())
    spread[::2] = values
    return spread[::2]


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_arrays_of_every_dtype_and_byte_order_are_within_their_bounds(dtype: str) -> None:
    found = objects(dtype)
    codec = chunk_codec(trained("lifting", found, dtype))
    other = Objects(found.counts, {name: foreign(values) for name, values in found.columns.items()})
    frames = codec.encode(other, 0)
    assert frames == codec.encode(found, 0)
    back = codec.decode(found.counts, {}, frames, list(found.columns))
    for name, values in found.columns.items():
        bound = parse(BOUNDS[name]) if values.dtype.kind == "f" else parse("exact")
        assert back[name].dtype == np.dtype(dtype)
        assert accept(values, back[name], bound).all(), name
    assert bits_equal(found.columns["w"], back["w"]).all()


def test_the_bottleneck_takes_either_byte_order() -> None:
    found = objects("float32")
    model = trained("bottleneck", found, "float32")
    assert isinstance(model.manifest.codec, BottleneckSpec)
    codec = Bottleneck(model.manifest.codec, model.networks, model.tables)
    swapped = {name: foreign(values) for name, values in found.columns.items()}
    back = codec.decode(codec.encode(swapped))
    for name, values in back.items():
        assert accept(found.columns[name], values, parse(BOUNDS[name])).all(), name
    with pytest.raises(SchemaError, match="expected float32, got float64"):
        codec.encode({name: values.astype(np.float64) for name, values in found.columns.items()})


def test_a_branch_of_float16_is_refused_because_root_has_none(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="float16"), RootWriter(tmp_path / "a.root") as out:
        out.new_tree("Events", [NewBranch("nJet", "int32"), NewBranch("Jet_x", "float16", "", "nJet")], "")
