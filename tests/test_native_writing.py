"""Risk: the extension writes other bytes than NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from hepae.arrays import Columns, Integers
from hepae.core import native
from hepae.core.chunk import IntegerCodec
from hepae.core.decode import chunk_codec
from hepae.model.model import Model
from hepae.testing.golden import recorded
from tests.native_cases import golden_objects
from tests.native_extension import extension

GOLDEN = Path(__file__).parent / "golden" / "v1"
CHUNKED = [name for name in recorded(GOLDEN) if name.startswith(("lifting", "masked"))]


@pytest.fixture(autouse=True)
def used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extension is used, whether or not it is installed."""
    monkeypatch.setattr(native, "hepae_native", extension())
    monkeypatch.delenv(native.SWITCH, raising=False)


def written(
    model: Model, counts: Integers, integers: Mapping[str, Integers], events: Columns
) -> dict[str, bytes]:
    codec: IntegerCodec = chunk_codec(model).integer_codec
    return codec.encode(counts, dict(integers), events)


def integers_of(name: str) -> tuple[Model, Integers, dict[str, Integers], Columns]:
    """The model of a golden file, counts, lattice integers and columns of events."""
    model, objects = golden_objects(GOLDEN / name)
    found = {}
    for feature in model.manifest.features:
        found[feature.name] = feature.lattice.to_integers(objects.columns[feature.name], feature.bound)[0]
    return model, objects.counts, found, objects.events


def require_the_same(
    model: Model,
    counts: Integers,
    integers: Mapping[str, Integers],
    events: Columns,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, bytes]:
    found = written(model, counts, integers, events)
    monkeypatch.setenv(native.SWITCH, "0")
    expected = written(model, counts, integers, events)
    monkeypatch.delenv(native.SWITCH)
    assert {name for name in expected if found[name] != expected[name]} == set()
    return found


@pytest.mark.parametrize("name", CHUNKED)
def test_golden_files_are_written_to_the_same_bytes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    require_the_same(*integers_of(name), monkeypatch)


@pytest.mark.parametrize("name", CHUNKED)
@pytest.mark.parametrize("events", [0, 1, 2, 7])
def test_few_events_are_written_to_the_same_bytes(
    name: str, events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, counts, integers, columns = integers_of(name)
    objects = int(counts[:events].sum())
    few = {feature: q[:objects] for feature, q in integers.items()}
    begin = {column: values[:events] for column, values in columns.items()}
    require_the_same(model, counts[:events], few, begin, monkeypatch)


@pytest.mark.parametrize("name", CHUNKED)
@pytest.mark.parametrize("spread", [1, 50, 1 << 20, 1 << 52])
def test_data_foreign_to_the_model_are_written_to_the_same_bytes(
    name: str, spread: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Residuals far outside all bins, symbols that their tables have no room for, circles that are left."""
    model, counts, integers, columns = integers_of(name)
    rng = np.random.default_rng(spread)
    moved = {
        feature: q + rng.integers(-spread, spread + 1, len(q)) * (rng.random(len(q)) < 0.3)
        for feature, q in integers.items()
    }
    require_the_same(model, counts, moved, columns, monkeypatch)


def test_the_extension_is_what_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests here would compare NumPy with itself."""
    module: ModuleType = native.hepae_native
    made: list[object] = []

    def counted(*words: object) -> object:
        made.append(words)
        return residuals(*words)

    residuals = module.Residuals
    monkeypatch.setattr(module, "Residuals", counted)
    name = next(name for name in CHUNKED if name.startswith("masked"))
    written(*integers_of(name))
    assert made
