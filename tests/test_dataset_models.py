"""Risk: a model of a data set changes what a file holds, or fails on files that are not quite those of its training."""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awkward as ak
import numpy as np
import onnx
import pytest
import uproot

import hepae
from hepae import cli
from hepae.core.tables.schema import PlainCodec
from hepae.errors import (
    BoundViolationError,
    CorruptionError,
    InputError,
    MissingModelError,
    ModelRejectedError,
    SchemaError,
)
from hepae.files.compress.file import FileDone, compress_file
from hepae.learn.whole.matches import Searched
from hepae.stored.compressed import compressed_of
from hepae.stored.schemas import StoredSchema

ENTRIES = 3000

Columns = dict[str, Any]


def columns_of(seed: int, entries: int = ENTRIES) -> Columns:
    """Jets with a number that nearly follows from another; muons that know their jet; one number for each event."""
    random = np.random.default_rng(seed)
    n_jet, n_muon = random.integers(0, 5, entries), random.integers(0, 3, entries)
    cells = random.integers(0, 100_000, n_jet.sum())
    jets = {
        "cells": cells.astype("i4"),
        "noise": (cells + random.normal(0, 20, len(cells))).astype("i4"),
        "eta": random.normal(0, 2, len(cells)).astype("f4"),
    }
    first = np.repeat(np.cumsum(n_jet) - n_jet, n_muon)
    index = (random.random(n_muon.sum()) * np.repeat(n_jet, n_muon)).astype(int)
    index = np.where(np.repeat(n_jet, n_muon) > 0, index, -1)
    near = np.append(jets["eta"], 0)[np.where(index < 0, -1, first + index)]
    off = np.where(index < 0, random.normal(0, 2, len(index)), random.normal(0, 1e-4, len(index)))
    muons = {"eta": (near + off).astype("f4"), "jetIdx": index.astype("i2")}
    return {
        "Jet": ak.unflatten(ak.zip(jets), n_jet),
        "Muon": ak.unflatten(ak.zip(muons), n_muon),
        "run": np.full(entries, seed, "u4"),
    }


def type_of(column: Any) -> Any:
    return column.dtype if isinstance(column, np.ndarray) else column.type.content


def written(path: Path, trees: Mapping[str, Columns]) -> Path:
    with uproot.recreate(path) as file:
        for name, columns in trees.items():
            types = {key: type_of(column) for key, column in columns.items()}
            file.mktree(name, types).extend(columns)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("dataset")
    runs = {"sum": np.arange(4.0)}
    return [
        written(folder / f"{seed}.root", {"Events": columns_of(seed), "Runs": runs}) for seed in range(1, 4)
    ]


@pytest.fixture(scope="module")
def model(files: Sequence[Path]) -> hepae.DatasetModel:
    """Trained on all files but the last."""
    return hepae.train_dataset(files[:-1])


@pytest.fixture(scope="module")
def bounded(files: Sequence[Path]) -> hepae.DatasetModel:
    return hepae.train_dataset(files[:-1], bounds=["*_eta=abs:1e-3"])


def codecs(path: Path) -> list[PlainCodec]:
    with uproot.open(path) as file:
        stored = next(iter(compressed_of(file["Events"]).stored.values()))
    return [codec for codec in stored.schema.codecs if isinstance(codec, PlainCodec)]


def linked(path: Path) -> set[str]:
    return {one.name for codec in codecs(path) for one in codec.linked}


def predicted(path: Path) -> set[str]:
    return {feature.name for codec in codecs(path) if codec.lifting for feature in codec.features}


def compressed(source: Path, target: Path, model: hepae.DatasetModel, **words: Any) -> FileDone:
    done = hepae.compress(source, target, model=model, **words)
    assert isinstance(done, FileDone)
    return done


def no_search(*_: object) -> Searched:
    raise AssertionError("predictions were searched although a model was given")


def test_what_was_found_in_some_files_makes_another_smaller(
    files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hepae.files.pipeline.lifted_tables", no_search)
    done = compressed(files[-1], tmp_path / "small.root", model)
    assert done.model == model.sha256
    assert {tree.path for tree in done.trees} == {"Events", "Runs"}
    assert all(not tree.unknown and not tree.missing for tree in done.trees)
    assert linked(tmp_path / "small.root") == {"Jet_eta[Muon_jetIdx]"}
    assert {"Jet_noise", "Muon_eta"} <= predicted(tmp_path / "small.root")
    assert hepae.verify(files[-1], tmp_path / "small.root").kept
    monkeypatch.setattr("hepae.files.pipeline.lifted_tables", lambda *_: Searched())
    plain = hepae.compress(files[-1], tmp_path / "plain.root")
    assert isinstance(plain, FileDone)
    assert done.file_after < 0.93 * plain.file_after


def test_columns_that_the_model_does_not_know_are_coded_plainly(
    model: hepae.DatasetModel, tmp_path: Path
) -> None:
    columns = columns_of(7)
    more = {"HLT_new": np.arange(ENTRIES) % 3 == 0, "Tau": ak.unflatten(np.arange(ENTRIES, dtype="f4"), 1)}
    source = written(tmp_path / "a.root", {"Events": {**more, **columns}, "Extra": {"x": np.arange(9)}})
    done = compressed(source, tmp_path / "b.root", model)
    by_path = {tree.path: tree for tree in done.trees}
    assert by_path["Events"].unknown == ["HLT_new", "Tau"]
    assert by_path["Extra"].unknown == ["x"]
    assert "tree Runs: the model knows it, the file does not have it" in done.left
    assert "Jet_noise" in predicted(tmp_path / "b.root")
    assert hepae.verify(source, tmp_path / "b.root").kept


@pytest.mark.parametrize(
    ("left_out", "missing", "lost", "kept"),
    [
        ("cells", ["Jet_cells"], {"Jet_noise"}, {"Muon_eta"}),
        ("jetIdx", ["Muon_jetIdx"], {"Muon_eta"}, {"Jet_noise"}),
        ("eta", ["Jet_eta", "Muon_eta"], {"Muon_eta"}, {"Jet_noise"}),
    ],
)
def test_columns_that_the_file_lacks_are_left_out_with_what_they_predict(
    left_out: str,
    missing: list[str],
    lost: set[str],
    kept: set[str],
    model: hepae.DatasetModel,
    tmp_path: Path,
) -> None:
    columns = columns_of(7)
    for name in ("Jet", "Muon"):
        fields = [field for field in columns[name].fields if field != left_out]
        columns[name] = columns[name][fields]
    source = written(tmp_path / "a.root", {"Events": columns})
    done = compressed(source, tmp_path / "b.root", model)
    assert done.trees[0].missing == missing
    assert not predicted(tmp_path / "b.root") & lost
    assert predicted(tmp_path / "b.root") >= kept
    assert hepae.verify(source, tmp_path / "b.root").kept


def test_a_table_that_the_file_lacks_is_left_out(model: hepae.DatasetModel, tmp_path: Path) -> None:
    columns = columns_of(7)
    del columns["Jet"]
    source = written(tmp_path / "a.root", {"Events": columns})
    done = compressed(source, tmp_path / "b.root", model)
    assert done.trees[0].missing == ["Jet_cells", "Jet_eta", "Jet_noise", "nJet"]
    assert not linked(tmp_path / "b.root")
    assert hepae.verify(source, tmp_path / "b.root").kept


def test_a_column_of_another_type_is_an_error_that_names_it(
    model: hepae.DatasetModel, tmp_path: Path
) -> None:
    columns = columns_of(7)
    columns["run"] = columns["run"].astype("i8")
    columns["Muon"] = ak.with_field(columns["Muon"], ak.values_astype(columns["Muon"]["eta"], "f8"), "eta")
    source = written(tmp_path / "a.root", {"Events": columns})
    with pytest.raises(SchemaError, match="do not agree") as problem:
        compressed(source, tmp_path / "b.root", model)
    assert "column run is int64 per entry (the model's is uint32 per entry)" in str(problem.value)
    assert "column Muon_eta is float64 per row (the model's is float32 per row)" in str(problem.value)
    assert not (tmp_path / "b.root").exists()
    compressed(source, tmp_path / "b.root", model, skip=["run", "Muon_eta"])
    assert hepae.verify(source, tmp_path / "b.root").kept


def test_a_table_of_which_the_file_has_other_rows_comes_back(
    model: hepae.DatasetModel, tmp_path: Path
) -> None:
    """Columns that are counted together in training, and not here: each has a table of its own."""
    columns = columns_of(7)
    for name in ("Jet_cells", "Jet_noise", "Jet_eta"):
        values = columns["Jet"][name.removeprefix("Jet_")]
        columns[name] = ak.drop_none(values[:, ::-1]) if name != "Jet_eta" else values[:, 1:]
    del columns["Jet"]
    source = written(tmp_path / "a.root", {"Events": columns})
    compressed(source, tmp_path / "b.root", model)
    assert hepae.verify(source, tmp_path / "b.root").kept


@pytest.mark.parametrize("entries", [0, 1, 40])
def test_files_of_few_events(entries: int, model: hepae.DatasetModel, tmp_path: Path) -> None:
    source = written(tmp_path / "a.root", {"Events": columns_of(7, entries)})
    done = compressed(source, tmp_path / "b.root", model)
    assert done.file_after <= done.file_before
    assert hepae.verify(source, tmp_path / "b.root").kept


def test_values_that_training_has_not_seen_come_back(bounded: hepae.DatasetModel, tmp_path: Path) -> None:
    columns = columns_of(7)
    wild = np.array([np.nan, np.inf, -np.inf, -0.0, 1e38, 1e-42], "f4")
    eta = ak.to_numpy(ak.flatten(columns["Jet"]["eta"])).copy()
    eta[:600] = np.resize(wild, 600)
    cells = ak.to_numpy(ak.flatten(columns["Jet"]["cells"])).copy()
    cells[::7] = np.iinfo("i4").max
    counts = ak.num(columns["Jet"])
    jets = {"cells": cells, "noise": ak.to_numpy(ak.flatten(columns["Jet"]["noise"])), "eta": eta}
    columns["Jet"] = ak.unflatten(ak.zip(jets), counts)
    columns["Muon"] = ak.with_field(
        columns["Muon"], ak.values_astype(columns["Muon"]["jetIdx"] - 9, "i2"), "jetIdx"
    )
    source = written(tmp_path / "a.root", {"Events": columns})
    compressed(source, tmp_path / "b.root", bounded)
    assert hepae.verify(source, tmp_path / "b.root", bounds=["*_eta=abs:1e-3"]).kept


def test_the_bounds_are_those_of_the_model(
    files: Sequence[Path], bounded: hepae.DatasetModel, tmp_path: Path
) -> None:
    done = compressed(files[-1], tmp_path / "b.root", bounded)
    assert {str(bound) for tree in done.trees for bound in tree.bounds.values()} == {"abs:0.001"}
    assert hepae.verify(files[-1], tmp_path / "b.root", bounds=["*_eta=abs:1e-3"]).kept
    assert not hepae.verify(files[-1], tmp_path / "b.root", bounds=["*=exact"]).kept


def test_a_wider_bound_than_the_models_is_kept(
    files: Sequence[Path], bounded: hepae.DatasetModel, tmp_path: Path
) -> None:
    compressed(files[-1], tmp_path / "b.root", bounded, bounds=["*_eta=abs:1e-2"])
    assert hepae.verify(files[-1], tmp_path / "b.root", bounds=["*_eta=abs:1e-3"]).kept


@pytest.mark.parametrize("bound", ["Jet_eta=abs:1e-4", "Jet_eta=exact", "Jet_eta=rel:1e-3"])
def test_a_bound_that_the_model_does_not_keep_is_refused(
    bound: str, files: Sequence[Path], bounded: hepae.DatasetModel, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match="do not agree") as problem:
        compressed(files[-1], tmp_path / "b.root", bounded, bounds=[bound])
    assert "bound Jet_eta=" in str(problem.value)
    assert "(the model's is abs:0.001)" in str(problem.value)
    assert not (tmp_path / "b.root").exists()


def test_a_bound_of_what_the_model_does_not_know_is_kept(model: hepae.DatasetModel, tmp_path: Path) -> None:
    more = {"MET": np.random.default_rng(1).exponential(30, ENTRIES).astype("f4")}
    source = written(tmp_path / "a.root", {"Events": {**columns_of(7), **more}})
    done = compressed(source, tmp_path / "b.root", model, bounds=["MET=rel:1e-2"])
    assert {name: str(bound) for name, bound in done.trees[0].bounds.items()} == {"MET": "rel:0.01"}
    assert hepae.verify(source, tmp_path / "b.root", bounds=["MET=rel:1e-2"]).kept


def test_dither_is_the_models(files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="dither"):
        compressed(files[-1], tmp_path / "b.root", model, bounds=["*_eta=abs:1e-3"], dither=True)
    dithered = hepae.train_dataset(files[:1], bounds=["*_eta=abs:1e-3"], dither=True)
    compressed(files[-1], tmp_path / "b.root", dithered)
    assert all(
        feature.dither
        for codec in codecs(tmp_path / "b.root")
        for feature in codec.features
        if feature.bound.kind != "exact"
    )


def test_nothing_but_whole_files_is_compressed_with_it(
    files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path
) -> None:
    with pytest.raises(SchemaError, match="compresses whole ROOT files") as problem:
        hepae.compress(files[-1], tmp_path / "b.root", model=model, side=True, features=["pt"])
    assert "features, side" in str(problem.value)


def test_columns_of_several_types_are_no_data_set(files: Sequence[Path], tmp_path: Path) -> None:
    columns = columns_of(7)
    columns["run"] = columns["run"].astype("i8")
    other = written(tmp_path / "other.root", {"Events": columns})
    with pytest.raises(SchemaError, match="another type than in the first file") as problem:
        hepae.train_dataset([files[0], other])
    assert "run" in str(problem.value)


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no files"):
        hepae.train_dataset([])
    with uproot.recreate(tmp_path / "a.root") as file:
        file["h"] = np.histogram([1.0, 2.0])
    with pytest.raises(InputError, match="no tree"):
        hepae.train_dataset([tmp_path / "a.root"])


def test_a_model_comes_back_from_its_file(model: hepae.DatasetModel, tmp_path: Path) -> None:
    model.save(tmp_path / "a.onnx")
    loaded = hepae.DatasetModel.load(tmp_path / "a.onnx")
    assert (loaded.sha256, loaded.manifest) == (model.sha256, model.manifest)
    with pytest.raises(ModelRejectedError):
        hepae.Model.load(tmp_path / "a.onnx")


def test_compressed_files_are_read_skimmed_merged_and_restored(
    files: Sequence[Path], model: hepae.DatasetModel, bounded: hepae.DatasetModel, tmp_path: Path
) -> None:
    compressed(files[-1], tmp_path / "b.root", model)
    compressed(files[0], tmp_path / "c.root", bounded)
    with uproot.open(tmp_path / "b.root") as small, uproot.open(files[-1]) as before:
        assert ak.array_equal(small["Events"]["Muon_eta"].array(), before["Events"]["Muon_eta"].array())
    hepae.decompress(tmp_path / "b.root", tmp_path / "back.root")
    assert hepae.verify(files[-1], tmp_path / "back.root").kept
    hepae.merge(tmp_path / "both.root", [tmp_path / "b.root", tmp_path / "c.root"])
    hepae.merge(tmp_path / "plain.root", [files[-1], files[0]])
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "both.root", bounds=["*_eta=abs:1e-3"]).kept
    hepae.skim(tmp_path / "both.root", tmp_path / "few.root", cut="nJet == 2")
    with uproot.open(tmp_path / "few.root") as few, uproot.open(tmp_path / "plain.root") as plain:
        cells = plain["Events"]["Jet_cells"].array()
        assert ak.array_equal(few["Events"]["Jet_cells"].array(), cells[ak.num(cells) == 2])


def test_many_files_with_one_model(files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path) -> None:
    done = hepae.compress_files(list(files), tmp_path / "out", model=model)
    assert not done.failed
    assert all(linked(tmp_path / "out" / path.name) for path in files)
    assert all(hepae.verify(path, tmp_path / "out" / path.name).kept for path in files)
    again = hepae.compress_files(list(files), tmp_path / "out", model=model)
    assert {outcome.state for outcome in again.outcomes} == {"present"}


def without(model: hepae.DatasetModel, source: Path, target: Path) -> int:
    """Compress by reference; bytes of the file."""
    return compressed(source, target, model, embed=False).file_after


def test_a_file_that_refers_to_the_model_is_smaller_and_needs_it(
    files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = compressed(files[-1], tmp_path / "all.root", model).file_after
    assert without(model, files[-1], tmp_path / "b.root") < embedded - 1000
    with pytest.raises(MissingModelError) as problem:
        hepae.decompress(tmp_path / "b.root", tmp_path / "back.root")
    assert model.sha256 in str(problem.value)
    with pytest.raises(MissingModelError), uproot.open(tmp_path / "b.root") as file:
        file["Events"]
    hepae.decompress(tmp_path / "b.root", tmp_path / "back.root", models=[model])
    assert hepae.verify(files[-1], tmp_path / "back.root").kept
    assert hepae.verify(files[-1], tmp_path / "b.root", models=[model]).kept
    (tmp_path / "models").mkdir()
    model.save(tmp_path / "models" / "nano.onnx")
    monkeypatch.setenv("HEPAE_MODEL_PATH", str(tmp_path / "models"))
    with uproot.open(tmp_path / "b.root") as small, uproot.open(files[-1]) as before:
        assert ak.array_equal(small["Events"]["Muon_eta"].array(), before["Events"]["Muon_eta"].array())
    assert hepae.inspect(tmp_path / "b.root").trees


def test_another_model_does_not_stand_in_for_it(
    files: Sequence[Path],
    model: hepae.DatasetModel,
    bounded: hepae.DatasetModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(model, files[-1], tmp_path / "b.root")
    bounded.save(tmp_path / "other.onnx")
    monkeypatch.setenv("HEPAE_MODEL_PATH", str(tmp_path))
    with pytest.raises(MissingModelError) as problem:
        hepae.decompress(tmp_path / "b.root", tmp_path / "back.root")
    assert str(tmp_path) in str(problem.value)


def test_files_that_refer_to_models_are_skimmed_and_merged(
    files: Sequence[Path],
    model: hepae.DatasetModel,
    bounded: hepae.DatasetModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for one in (model, bounded):
        one.save(tmp_path / f"{one.sha256}.onnx")
    monkeypatch.setenv("HEPAE_MODEL_PATH", str(tmp_path))
    without(model, files[-1], tmp_path / "b.root")
    without(bounded, files[0], tmp_path / "c.root")
    compressed(files[1], tmp_path / "d.root", model)
    hepae.merge(tmp_path / "all.root", [tmp_path / f"{name}.root" for name in "bcd"])
    hepae.merge(tmp_path / "plain.root", [files[-1], files[0], files[1]])
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "all.root", bounds=["*_eta=abs:1e-3"]).kept
    hepae.skim(tmp_path / "b.root", tmp_path / "few.root", cut="nJet == 2")
    with uproot.open(tmp_path / "few.root") as few, uproot.open(files[-1]) as before:
        cells = before["Events"]["Jet_cells"].array()
        assert ak.array_equal(few["Events"]["Jet_cells"].array(), cells[ak.num(cells) == 2])


def test_columns_that_a_model_does_not_know_are_in_a_file_that_refers_to_it(
    model: hepae.DatasetModel, tmp_path: Path
) -> None:
    columns = columns_of(7)
    del columns["run"]
    more = {"HLT_new": np.arange(ENTRIES) % 3 == 0, "Tau": ak.unflatten(np.arange(ENTRIES, dtype="f4"), 1)}
    trees = {"Events": {**more, **columns}, "folder/Extra": {"x": np.arange(9)}}
    source = written(tmp_path / "a.root", trees)
    without(model, source, tmp_path / "b.root")
    hepae.decompress(tmp_path / "b.root", tmp_path / "back.root", models=[model])
    assert hepae.verify(source, tmp_path / "back.root").kept


def number(data: bytes, at: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    end = next(place for place in range(at, len(data)) if data[place] < 128) + 1
    return sum((byte & 127) << 7 * place for place, byte in enumerate(data[at:end])), end


def second_reader(reference: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Header and JSON of a row that refers to a model, as the page of the format says."""
    size, at = number(data, 32)
    every, at = number(data, at)
    made = b""
    while len(made) < every:
        plain, at = number(data, at)
        made, at = made + data[at : at + plain], at + plain
        if len(made) < every:
            copied, at = number(data, at)
            start, at = number(data, at)
            made += reference[start : start + copied]
    assert at == len(data)
    return made[:-size], made[-size:]


def test_a_reader_made_from_the_page_restores_rows_and_the_reference(
    files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path
) -> None:
    without(model, files[-1], tmp_path / "b.root")
    compressed(files[-1], tmp_path / "c.root", model)
    file = onnx.load_from_string(model.data)
    manifest = json.loads(file.metadata_props[0].value)
    squeezed = lzma.decompress(
        onnx.numpy_helper.to_array(file.graph.initializer[0]).tobytes(),
        lzma.FORMAT_RAW,
        filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}],
    )
    assert len(squeezed) == sum(tree["header"] + tree["schema"] for tree in manifest["trees"])
    with uproot.open(tmp_path / "b.root") as small, uproot.open(tmp_path / "c.root") as full:
        rows, expected = (one["hepae_schemas"].arrays(library="np") for one in (small, full))
    assert list(rows["schema"]) == [0, 0]
    said = {}
    for data in rows["data"]:
        assert data[:32].tobytes().hex() == model.sha256
        header, text = second_reader(squeezed, data.tobytes())
        said[json.loads(text)["tree"]] = header, text
    there = list(zip(expected["schema"], expected["data"], strict=True))
    assert [header for header, _ in said.values()] == [bytes(data[:-size]) for size, data in there]
    assert said["Runs"][1] == bytes(there[1][1][-there[1][0] :])
    assert [hashlib.sha256(text).digest() for _, text in said.values()] == [
        row.tobytes() for row in rows["sha256"]
    ]


@pytest.mark.parametrize("damage", ["cut", "model", "size"])
def test_a_damaged_reference_is_an_error(
    damage: str,
    files: Sequence[Path],
    model: hepae.DatasetModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def damaged(self: StoredSchema, sha256: str, reference: bytes) -> StoredSchema:
        row = refer(self, sha256, reference)
        cases = {
            "cut": row.reference[:-1],
            "model": bytes([1]) * 32 + row.reference[32:],
            "size": row.reference[:20],
        }
        return row._replace(reference=cases[damage])

    refer = StoredSchema.referring
    monkeypatch.setattr(StoredSchema, "referring", damaged)
    with pytest.raises(MissingModelError if damage == "model" else BoundViolationError):
        without(model, files[-1], tmp_path / "b.root")
    assert not (tmp_path / "b.root").exists()
    unchecked: Any = lambda *_, **__: SimpleNamespace(require_kept=lambda: None)  # noqa: E731
    compress_file(files[-1], tmp_path / "b.root", check=unchecked, model=model, embed=False)
    with pytest.raises(MissingModelError if damage == "model" else CorruptionError):
        hepae.decompress(tmp_path / "b.root", tmp_path / "back.root", models=[model])


def test_many_files_that_refer_to_one_model(
    files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = hepae.compress_files(list(files), tmp_path / "out", model=model, embed=False)
    assert not done.failed
    monkeypatch.setenv("HEPAE_MODEL_PATH", str(tmp_path / "out" / "hepae-records"))
    assert all(hepae.verify(path, tmp_path / "out" / path.name).kept for path in files)
    dask_awkward = pytest.importorskip("dask_awkward")
    events = pytest.importorskip("hepae.dask").events(
        {str(tmp_path / "out" / path.name): "Events" for path in files}
    )
    with uproot.open(files[1]) as file:
        expected = ak.num(file["Events"]["Jet_cells"].array())
    counts = dask_awkward.num(events.Jet_cells, axis=1).compute(scheduler="sync")
    assert ak.array_equal(counts[ENTRIES : 2 * ENTRIES], expected)


def test_rntuples(tmp_path: Path) -> None:
    paths = []
    for seed in (1, 2):
        columns = columns_of(seed)
        paths.append(tmp_path / f"{seed}.root")
        with uproot.recreate(paths[-1]) as file:
            file.mkrntuple("Events", ak.Array(columns))
    model = hepae.train_dataset(paths[:1])
    done = compressed(paths[1], tmp_path / "b.root", model)
    assert done.trees[0].predicted
    assert hepae.verify(paths[1], tmp_path / "b.root").kept
    hepae.decompress(tmp_path / "b.root", tmp_path / "back.root")
    assert hepae.verify(paths[1], tmp_path / "back.root").kept
    assert without(model, paths[1], tmp_path / "c.root") < done.file_after
    hepae.decompress(tmp_path / "c.root", tmp_path / "back.root", models=[model])
    assert hepae.verify(paths[1], tmp_path / "back.root").kept


def run(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    capsys.readouterr()
    code = cli.main([str(word) for word in words])
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def test_command_line(files: Sequence[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nano.onnx"
    trained = json.loads(run(capsys, "train", *files[:-1], "-o", path, "--json"))
    assert trained["sha256"] == hepae.DatasetModel.load(path).sha256
    shown = run(capsys, "inspect", path)
    assert "tree Events" in shown
    assert "everything exact" in shown
    said = run(capsys, "compress", files[-1], tmp_path / "b.root", "--model", path)
    assert "columns are predicted from others" in said
    assert linked(tmp_path / "b.root")
    run(capsys, "compress", *files, "--out-dir", tmp_path / "out", "--model", path)
    assert linked(tmp_path / "out" / files[0].name)
    run(capsys, "verify", files[-1], tmp_path / "b.root")
    run(capsys, "compress", files[-1], tmp_path / "c.root", "--model", path, "--model-by-reference")
    assert (tmp_path / "c.root").stat().st_size < (tmp_path / "b.root").stat().st_size
    run(capsys, "verify", files[-1], tmp_path / "c.root", "--model", path)
    run(capsys, "skim", tmp_path / "c.root", tmp_path / "few.root", "--cut", "nJet > 2", "--model", path)
    run(capsys, "decompress", tmp_path / "c.root", tmp_path / "back.root", "--model", path)
    run(capsys, "verify", files[-1], tmp_path / "back.root")


def test_inspect_shows_what_each_column_is_predicted_from_and_what_that_saves(
    model: hepae.DatasetModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nano.onnx"
    model.save(path)
    columns = {
        one["column"]: one
        for one in json.loads(run(capsys, "inspect", path, "--columns", "--json"))["columns"]
    }
    cells = columns["Jet_cells"]
    assert cells["predicted_from"] == ["Jet_noise"]
    assert cells["columns_read"] == 2
    assert cells["bits_predicted"] < 9 < 14 < cells["bits_alone"]
    assert columns["Muon_eta"]["columns_read"] == len({"Muon_eta", "Muon_jetIdx", "Jet_eta"})
    said = run(capsys, "inspect", path, "Jet_n*,nothing")
    assert "Jet_noise" in said
    assert "Muon_eta" not in said
    assert "columns" not in json.loads(run(capsys, "inspect", path, "--json"))
    of_runs = json.loads(run(capsys, "inspect", path, "--columns", "--tree", "Runs", "--json"))
    assert of_runs["columns"] == []
    assert "tree Runs" in of_runs
    assert "tree Events" not in of_runs
    assert cli.main(["inspect", str(path), "--tree", "Event"]) == 2
    assert "Events" in capsys.readouterr().err


def test_the_command_line_says_what_is_different(
    files: Sequence[Path], model: hepae.DatasetModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = columns_of(7)
    columns["HLT_new"] = np.arange(ENTRIES) % 3 == 0
    del columns["run"]
    source = written(tmp_path / "a.root", {"Events": columns})
    model.save(tmp_path / "nano.onnx")
    said = run(capsys, "compress", source, tmp_path / "b.root", "--model", tmp_path / "nano.onnx")
    assert "Events: 1 columns that the model does not know are coded plainly: HLT_new" in said
    assert "Events: 1 columns of the model are not in the file: run" in said
    assert "tree Runs: the model knows it, the file does not have it" in said
