"""Risk: a later hepae that reads what an earlier one wrote as something else. Golden files restore to the same bits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

import hepae
from hepae import limits
from hepae.core import native
from hepae.core.prediction.columns import Mix
from hepae.learn.recipe import Recipe
from hepae.model.model import Model
from hepae.root.file.source import open_source
from hepae.stored.models import models_of
from hepae.stored.titles import compressed_collections
from hepae.testing.golden import Restored, differences, digests, recorded, restored
from scripts.make_golden import INTEGERS
from tests import format_reader, format_small

FOLDER = Path(__file__).parent / "golden" / "v1"
EXPECTED = recorded(FOLDER)
FILES = sorted(EXPECTED)


@pytest.mark.parametrize("name", FILES)
def test_numpy_restores_a_golden_file_to_its_recorded_bits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`tests/test_native_decoding.py` does the same with the extension."""
    monkeypatch.setenv(native.SWITCH, "0")
    assert digests(restored(FOLDER / name)) == EXPECTED[name]


def test_a_reader_that_restores_something_else_is_told() -> None:
    def other(path: Path) -> Restored:
        found = restored(path)
        counts, values = found["Jet_pt"]
        return {"Jet_pt": (counts, values[::-1])} if path.name == FILES[0] else found

    assert differences(FOLDER) == []
    assert [text.partition(":")[0] for text in differences(FOLDER, other)] == [FILES[0]]
    assert len(differences(FOLDER, lambda path: {})) == len(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if "rntuple" not in name and "side" not in name])
def test_a_golden_file_is_decompressed_to_its_recorded_bits(name: str, tmp_path: Path) -> None:
    hepae.decompress(FOLDER / name, tmp_path / "a.root")
    assert digests(restored(tmp_path / "a.root")) == EXPECTED[name]


@pytest.mark.parametrize(
    "name", [name for name in FILES if "bottleneck" not in name and "rntuple" not in name]
)
def test_the_second_reader_restores_golden_files_to_the_same_bits(name: str) -> None:
    with np.errstate(all="ignore"):
        found = digests(format_reader.restore(FOLDER / name))
    assert len(found) >= 3  # compressed branches only
    assert found == {branch: EXPECTED[name][branch] for branch in found}


def test_golden_files_hold_every_codec_bound_and_dtype_and_are_small() -> None:
    codecs, bounds, dtypes = set(), set(), set()
    for name in FILES:
        with open_source(FOLDER / name) as source:
            for features in compressed_collections(source.tree("Events")).values():
                for stored in features.values():
                    codecs.add(stored.payload.codec)
                    dtypes.add(stored.payload.dtype)
                    bounds.add(stored.payload.bound.kind if stored.payload.bound else "none")
    assert codecs == {"lifting", "masked", "bottleneck"}
    assert bounds == {"abs", "rel", "bits", "exact", "none"}
    assert dtypes == {"float32", "float64", "bool", *INTEGERS}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 300_000


def test_a_file_that_is_another_has_another_hash(tmp_path: Path) -> None:
    name = "lifting-side.root"
    with uproot.open(FOLDER / name) as file:
        assert limits.FORMAT_VERSION == 1
        assert "Jet_pt__hepae" in file["Events"]
    found = restored(FOLDER / name)
    counts, values = found["Jet_pt"]
    changed = values.copy()
    changed.view(np.uint32)[0] ^= 1
    assert digests({"Jet_pt": (counts, changed)})["Jet_pt"] != EXPECTED[name]["Jet_pt"]
    assert digests({"Jet_pt": (counts[::-1], values)})["Jet_pt"] != EXPECTED[name]["Jet_pt"]


@pytest.mark.parametrize("name", ["lifting-dtypes.root", "lifting-side.root"])
def test_a_reader_of_one_page_restores_lifting_files(name: str) -> None:
    with np.errstate(all="ignore"):
        found = digests(format_small.restore(FOLDER / name))
    assert len(found) >= 3
    assert found == {branch: EXPECTED[name][branch] for branch in found}
    assert len([line for line in Path(format_small.__file__).read_text().splitlines() if line]) <= 150


def test_the_reader_of_one_page_refuses_what_it_does_not_know() -> None:
    with pytest.raises(AssertionError, match="column neighbour"):
        format_small.restore(FOLDER / "lifting-jets.root")


def test_the_reader_of_one_page_restores_what_looks_at_other_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hepae.learn.fit.prediction.fit_widths", lambda *_, **__: None
    )  # classes are not on the page
    sample, target = Path(__file__).parent / "data" / "sample.root", tmp_path / "small.root"
    features, bounds = ["pt", "eta", "mass"], ["*=abs:1e-2"]
    recipe = Recipe(codec="lifting", effort="fast")
    hepae.compress(sample, target, collection="Jet", features=features, bounds=bounds, recipe=recipe)
    with open_source(target) as source:
        predictors = next(iter(models_of(source).embedded.values()))
    columns = {
        type(source.column) for source in Model.from_bytes(predictors).manifest.codec.predictors.sources
    }
    assert columns == {Mix}
    found = format_small.restore(target)
    assert digests(found) == {name: digests(restored(target))[name] for name in found}
    assert len(found) == len(features)
