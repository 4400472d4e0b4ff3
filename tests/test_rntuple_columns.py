"""Columns of RNTuples, for runs of entries, as uproot has them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from hepae.core.values.nested import Nested
from hepae.root.file.source import open_source
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.fields import top_fields
from hepae.root.rntuple.ntuple import NTuple
from tests.root_process import in_root, needs_root

RNG = np.random.default_rng(7)
COUNTS = RNG.integers(0, 4, 300)
TOTAL = int(COUNTS.sum())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RNTuple of uproot's, three clusters, with every kind of nesting that it writes."""
    path = tmp_path_factory.mktemp("rntuple") / "a.root"
    inner = ak.unflatten(RNG.integers(0, 99, 2 * TOTAL).astype("i2"), np.full(TOTAL, 2))
    data = ak.Array(
        {
            "event": np.arange(300, dtype="u8"),
            "flag": RNG.integers(0, 2, 300).astype(bool),
            "Jet": ak.unflatten(
                ak.zip({"pt": RNG.exponential(30, TOTAL).astype("f4"), "id": RNG.integers(0, 5, TOTAL)}),
                COUNTS,
            ),
            "nested": ak.unflatten(inner, COUNTS),
            "matrix": ak.to_regular(RNG.normal(size=(300, 2, 3)), axis=None),
            "name": [f"entry {number % 7}" for number in range(300)],
        }
    )
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("Events", data[:100])
        ntuple.extend(data[100:150])
        ntuple.extend(data[150:])
    return path


def columns_of(path: Path, tree: str = "Events") -> NTupleColumns:
    source = open_source(path)
    ntuple = NTuple.of(source, source.key(tree))
    return NTupleColumns(ntuple, top_fields(ntuple.schema))


def flat(array: Any) -> Any:
    """All numbers of an awkward array, one after the other."""
    array = ak.without_parameters(array)
    while array.ndim > 1:
        array = ak.flatten(array)
    return np.ascontiguousarray(ak.to_numpy(ak.drop_none(array, axis=None)))


def test_columns_have_the_paths_that_an_analysis_uses(written: Path) -> None:
    columns = columns_of(written)
    named = {info.name: (info.branch, info.dtype, info.depth, info.shape) for info in columns.infos}
    assert named == {
        "event": ("event", "uint64", 0, ()),
        "flag": ("flag", "bool", 0, ()),
        "Jet.pt": ("Jet", "float32", 1, ()),
        "Jet.id": ("Jet", "int64", 1, ()),
        "nested": ("nested", "int16", 2, ()),
        "matrix": ("matrix", "float64", 0, (2, 3)),
        "name": ("name", "uint8", 1, ()),
    }


def test_values_are_those_that_uproot_reads(written: Path) -> None:
    columns = columns_of(written)
    read = columns.read([info.name for info in columns.infos], 0, 300)
    with uproot.open(written) as file:
        arrays = file["Events"].arrays()
    pairs = {"Jet.pt": arrays.Jet.pt, "Jet.id": arrays.Jet.id}
    for name, column in read.items():
        expected = flat(pairs[name] if name in pairs else arrays[name])
        assert column.values.reshape(-1).tobytes() == expected.tobytes(), name
    assert read["Jet.pt"].levels[0].tolist() == COUNTS.tolist()
    assert [len(level) for level in read["nested"].levels] == [300, TOTAL]


@given(st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_runs_of_entries_make_up_the_column(written: Path, cuts: list[int]) -> None:
    columns = columns_of(written)
    edges = [0, *sorted(cuts), 300]
    for name in ("Jet.pt", "nested", "name", "matrix"):
        whole = columns.read([name], 0, 300)[name]
        runs = [columns.read([name], low, high)[name] for low, high in pairwise(edges)]
        joined = Nested.concatenated(runs)
        assert joined.values.tobytes() == whole.values.tobytes()
        assert all(map(np.array_equal, joined.levels, whole.levels))


LATE = """
ROOT.gInterpreter.Declare(r'''
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriter.hxx>
#include <TFile.h>
void make(const char* path) {
  auto model = ROOT::RNTupleModel::Create();
  auto x = model->MakeField<float>("x");
  auto lists = model->MakeField<std::array<std::vector<float>, 2>>("lists");
  auto maybe = model->MakeField<std::optional<float>>("maybe");
  auto either = model->MakeField<std::variant<float, std::int32_t>>("either");
  auto file = std::unique_ptr<TFile>(TFile::Open(path, "RECREATE"));
  auto writer = ROOT::RNTupleWriter::Append(std::move(model), "Events", *file);
  std::shared_ptr<bool> flag; std::shared_ptr<std::vector<int>> late;
  for (int i = 0; i < 60; ++i) {
    if (i == 25) {
      auto updater = writer->CreateModelUpdater();
      updater->BeginUpdate();
      flag = updater->MakeField<bool>("flag"); late = updater->MakeField<std::vector<int>>("late");
      updater->CommitUpdate();
    }
    *x = i; (*lists)[0].assign(i % 2, i); (*lists)[1].assign(i % 3, -i);
    if (i % 4) *maybe = i; else maybe->reset();
    if (i % 2) *either = 1.f * i; else *either = i;
    if (i >= 25) { *flag = i % 3 == 0; late->assign(i % 2, i); }
    writer->Fill();
    if (i == 9 || i == 39) writer->CommitCluster();
  }
}''')
ROOT.make(paths[0])
result = 0
"""


@pytest.mark.root
@needs_root
def test_fields_of_root_with_those_that_were_added_later(tmp_path: Path) -> None:
    in_root(LATE, tmp_path / "late.root")
    columns = columns_of(tmp_path / "late.root")
    assert [name for name in columns.whole if name not in columns.fields] == ["either"]
    read = columns.read(["x", "lists", "maybe", "flag", "late"], 0, 60)
    entries = range(60)
    assert read["x"].values.tolist() == [*entries]
    assert read["lists"].levels[0].tolist() == [2] * 60
    assert read["lists"].levels[1].tolist() == [n for i in entries for n in (i % 2, i % 3)]
    assert read["maybe"].values.tolist() == [i for i in entries if i % 4]
    assert read["flag"].values.tolist() == [i >= 25 and i % 3 == 0 for i in entries]
    assert read["late"].levels[0].tolist() == [i % 2 if i >= 25 else 0 for i in entries]
    assert read["late"].values.tolist() == [i for i in entries if i >= 25 and i % 2]
    # a run that begins before the field did
    assert columns.read(["flag"], 20, 30)["flag"].values.tolist() == [
        i >= 25 and i % 3 == 0 for i in range(20, 30)
    ]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("coffea__nano_dy_rntuple.root", 1474),
        ("coffea__treemaker_rntuple.root", 391),
        ("skhep__Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root", 5),
        ("skhep__test_multiple_cluster_groups_rntuple_v1-0-0-0.root", 2),
    ],
)
def test_files_of_others_are_read_as_uproot_reads_them(
    shared: Callable[[str], Path], name: str, fields: int
) -> None:
    path = shared(f"zoo/{name}")
    with open_source(path) as source, uproot.open(path) as file:
        (tree,) = source.trees
        ntuple = NTuple.of(source, source.key(tree))
        columns = NTupleColumns(ntuple, top_fields(ntuple.schema))
        read = columns.read([info.name for info in columns.infos], 0, columns.num_entries)
        assert len(read) == fields
        arrays = {key: file[tree][key].array() for key in read}
    assert [name for name in read if flat(arrays[name]).tobytes() != read[name].values.tobytes()] == []
