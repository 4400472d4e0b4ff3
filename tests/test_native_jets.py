"""Risk: the extension and NumPy differ on whole chunks of real jets, or on numbers that no jet has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hepae.arrays import Values
from hepae.core import native
from hepae.core.chunk import ChunkCodec
from hepae.core.decode import chunk_codec
from hepae.core.lifting.codec import Lifting
from hepae.core.prediction.predictors import LiftingSpec
from hepae.core.values.objects import Objects
from hepae.input.events import open_events
from hepae.learn.fit.prediction import Settings, fit
from hepae.model.model import Model
from tests.native_extension import extension

ROOT = Path(__file__).parent.parent
EXTREME = (0.0, 1.0, 5e-324, 2.2e-308, 1e-300, 1e-12, 0.5, 1.7e308, np.inf, np.nan, 2.0**52, 2.0**63, 3.4e38)


@pytest.fixture(autouse=True)
def used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension is used, whether or not it is installed."""
    monkeypatch.setattr(native, "hepae_native", extension())
    monkeypatch.delenv(native.SWITCH, raising=False)


@pytest.fixture(scope="module")
def sample() -> tuple[Model, Objects]:
    """The bundled jets and the released model for them."""
    model = Model.load(ROOT / "onnx" / "jets-wide.onnx")
    with open_events(ROOT / "tests" / "data" / "sample.root") as events:
        collection = events.collection("Jet")
        names = [feature.name for feature in model.manifest.features]
        return model, events.objects(collection, names, model.manifest.conditions, 0, 1200)


def coded(codec: ChunkCodec, objects: Objects) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Frames of a chunk, and the bytes of what they restore to."""
    frames = codec.encode(objects, 0)
    read = codec.decode(objects.counts, objects.events, frames, list(frames))
    return frames, {name: column.tobytes() for name, column in read.items()}


def require_the_same(native_codec: ChunkCodec, numpys: ChunkCodec, objects: Objects) -> None:
    """Frames and restored values are the same, whoever writes and reads."""
    found = coded(native_codec, objects)
    assert native_codec.native is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(native.SWITCH, "0")
        assert coded(numpys, objects) == found
        assert numpys.native is None


def test_the_released_model_codes_jets_to_the_same_bits(sample: tuple[Model, Objects]) -> None:
    model, objects = sample
    require_the_same(chunk_codec(model), chunk_codec(model), objects)


def fitted(model: Model, objects: Objects) -> ChunkCodec:
    """Lifting with the lattices of the model, fitted to these jets."""
    features = model.manifest.features
    integers = {
        feature.name: feature.lattice.to_integers(objects.columns[feature.name], feature.bound)[0]
        for feature in features
    }
    lattices = {feature.name: feature.lattice for feature in features}
    predictors = fit(integers, lattices, objects.counts, objects.events, settings=Settings(objects=3000))
    codec = Lifting(LiftingSpec(predictors), features)
    return ChunkCodec(codec, "lifting", features, model.manifest.conditions, bytes(32))


def wild(values: Values, seed: int) -> Values:
    """The same, but for a third: any bit patterns, and the extremes with both signs."""
    rng = np.random.default_rng(seed)
    edges = np.array([*EXTREME, *(-value for value in EXTREME)])
    bits = f"u{values.dtype.itemsize}"
    any_bits = rng.integers(0, 2 ** (8 * values.dtype.itemsize), len(values), dtype=np.uint64)
    with np.errstate(over="ignore"):
        extremes = rng.choice(edges, len(values)).astype(values.dtype)
    kind = rng.integers(0, 6, len(values))
    return np.choose(np.minimum(kind, 2), [any_bits.astype(bits).view(values.dtype), extremes, values])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("seed", [None, 1, 2], ids=["jets", "wild 1", "wild 2"])
def test_lifting_codes_jets_and_any_bit_patterns_to_the_same_bits(
    seed: int | None, sample: tuple[Model, Objects]
) -> None:
    model, objects = sample
    codecs = fitted(model, objects), fitted(model, objects)
    if seed is not None:
        floats = {name for name, column in objects.columns.items() if column.dtype.kind == "f"}
        assert floats
        columns = {
            name: wild(column, seed + k) if name in floats else column
            for k, (name, column) in enumerate(objects.columns.items())
        }
        events = {name: wild(column, seed) for name, column in objects.events.items()}
        objects = Objects(objects.counts, columns, events)
    require_the_same(*codecs, objects)
