"""RNTuples put together as hadd does: pages stay sealed, missing fields are zero where that is asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import CorruptionError, SchemaError, UnsupportedError
from hepae.files.merge.file import merge
from hepae.root.file.source import open_source
from tests.root_ntuples import each_shown, hadd, shown, write_attributes, write_cms, write_kinds
from tests.root_process import in_root, needs_root

REPRESENTATIONS = "skhep__test_multiple_representations_rntuple_v1-0-0-0.root"
COMPARED = ("Events;1", "LuminosityBlocks;1")


def arrays(path: Path, name: str = "Events") -> ak.Array:
    with uproot.open(path) as file:
        return file[name].arrays()


def write(path: Path, data: ak.Array, **more: ak.Array) -> Path:
    with uproot.recreate(path) as file:
        for name, array in {"Events": data, **more}.items():
            file.mkrntuple(name, array.layout.form).extend(array)
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files of flat numbers, lists and strings, and one without entries."""
    home = tmp_path_factory.mktemp("small")
    data = ak.Array({"x": [1.5, 2.5, 3.5], "jets": [[1, 2], [], [3]], "name": ["a", "", "bc"]})
    runs = ak.Array({"sum": [1.0]})
    parts = [data, data[:0], data[1:]]
    return [write(home / f"{n}.root", part, Runs=runs) for n, part in enumerate(parts)]


def test_entries_stand_one_after_the_other(small: list[Path], tmp_path: Path) -> None:
    done = merge(tmp_path / "all.root", small, tree="Events")
    assert done.events == 5
    expected = ak.concatenate([arrays(path) for path in small])
    assert ak.array_equal(arrays(tmp_path / "all.root"), expected)
    assert arrays(tmp_path / "all.root", "Runs")["sum"].to_list() == [1.0, 1.0, 1.0]
    with open_source(tmp_path / "all.root") as out, open_source(small[0]) as first:
        assert out.ntuple(out.key("Events")).header_bytes == first.ntuple(first.key("Events")).header_bytes


@needs_root
@pytest.mark.root
@pytest.mark.parametrize("late", [(130, 130), (130, 0)])
def test_files_of_cms_as_hadd(tmp_path: Path, late: tuple[int | None, int | None]) -> None:
    paths = [write_cms(tmp_path / f"{n}.root", 200, 200 * n, 60, one) for n, one in enumerate(late)]
    merge(tmp_path / "all.root", paths, tree="Events")
    found = shown(tmp_path / "all.root", 400)
    for name in ("Events", "Runs", "LuminosityBlocks"):
        assert ak.array_equal(
            arrays(tmp_path / "all.root", name), ak.concatenate([arrays(path, name) for path in paths])
        )
    apart = [shown(path, 400)["Events;1"].splitlines() for path in paths]
    assert found["Events;1"].splitlines() == ["400 events as CMS writes them", *apart[0][1:], *apart[1][1:]]
    if late[0] == late[1]:  # with other extensions ROOT 6.40 merges what is in the first only
        assert hadd(tmp_path / "hadd.root", *paths)
        theirs = shown(tmp_path / "hadd.root", 400)
        # ROOT 6.40 puts what is in a directory beside what is at the top
        assert {name: theirs[name] for name in COMPARED} == {name: found[name] for name in COMPARED}


@needs_root
@pytest.mark.root
def test_root_merges_what_was_merged(tmp_path: Path) -> None:
    paths = [write_cms(tmp_path / f"{n}.root", 100, 100 * n, 60, 70) for n in range(3)]
    merge(tmp_path / "two.root", paths[:2])
    merge(tmp_path / "all.root", paths)
    assert hadd(tmp_path / "hadd.root", tmp_path / "two.root", paths[2])
    found, theirs = (shown(tmp_path / name, 300) for name in ("all.root", "hadd.root"))
    assert {name: theirs[name] for name in COMPARED} == {name: found[name] for name in COMPARED}


@pytest.mark.parametrize("reader", ["uproot", pytest.param("root", marks=[needs_root, pytest.mark.root])])
def test_missing_fields_are_filled_where_that_is_asked_for(tmp_path: Path, reader: str) -> None:
    one = ak.Array({"x": [1.0, 2.0], "a": [[1], [2, 3]], "s": ["u", "v"]})
    two = ak.Array({"x": [3.0, 4.0, 5.0], "b": [7, 8, 9], "c": [[1.5], [], [2.5]], "t": ["p", "q", ""]})
    three = ak.Array({"x": [6.0], "b": [10], "d": [True]})
    paths = [write(tmp_path / f"{n}.root", data) for n, data in enumerate((one, two, three))]
    with pytest.raises(SchemaError, match=r"different fields.*--fill"):
        merge(tmp_path / "all.root", paths)
    merge(tmp_path / "all.root", paths, fill=True)
    if reader == "uproot":
        found = arrays(tmp_path / "all.root")
        assert found["x"].to_list() == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        assert found["a"].to_list() == [[1], [2, 3], [], [], [], []]
        assert found["s"].to_list() == ["u", "v", "", "", "", ""]
        assert found["b"].to_list() == [0, 0, 7, 8, 9, 10]
        assert found["c"].to_list() == [[], [], [1.5], [], [2.5], []]
        assert found["t"].to_list() == ["", "", "p", "q", "", ""]
        assert found["d"].to_list() == [False] * 5 + [True]
    else:
        text = shown(tmp_path / "all.root")["Events;1"]
        values = [line.rpartition(": ")[2] for line in text.splitlines() if line.startswith("b ")]
        assert values == ["0", "0", "7", "8", "9", "10"]
        lists = [line.rpartition(": ")[2] for line in text.splitlines() if line.startswith("c ")]
        assert lists == ["[]", "[]", "[1.5]", "[]", "[2.5]", "[]"]


def test_a_field_of_another_type_is_refused(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{n}.root", ak.Array({"x": np.zeros(2, dtype)}))
        for n, dtype in enumerate(("f4", "f8"))
    ]
    with pytest.raises(SchemaError, match=r"another type.*1\.root.*x"):
        merge(tmp_path / "all.root", paths)
    assert not (tmp_path / "all.root").exists()


def test_a_ttree_and_an_rntuple_of_one_name_are_refused(tmp_path: Path, small: list[Path]) -> None:
    other = tmp_path / "tree.root"
    with uproot.recreate(other) as file:
        file.mktree("Events", {"x": "float64"}).extend({"x": np.ones(3)})
    with pytest.raises(UnsupportedError, match="TTree and an RNTuple"):
        merge(tmp_path / "all.root", [small[0], other])


@needs_root
@pytest.mark.root
def test_columns_in_another_encoding_are_encoded_anew(tmp_path: Path) -> None:
    code = """
ROOT.gInterpreter.Declare('''
#include <ROOT/RNTupleModel.hxx>
#include <ROOT/RNTupleWriteOptions.hxx>
#include <ROOT/RNTupleWriter.hxx>
void write_packed(const char *path, int setting, int first) {
  auto model = ROOT::RNTupleModel::Create();
  auto x = model->MakeField<float>("x");
  auto n = model->MakeField<std::int32_t>("n");
  auto v = model->MakeField<std::vector<double>>("v");
  ROOT::RNTupleWriteOptions options;
  options.SetCompression(setting);
  auto writer = ROOT::RNTupleWriter::Recreate(std::move(model), "Events", path, options);
  for (int i = first; i < first + 50; ++i) { *x = 0.5f * i; *n = -i; v->assign(i % 3, i); writer->Fill(); }
}
''')
ROOT.write_packed(paths[0], 0, 0), ROOT.write_packed(paths[1], 505, 50)
result = True
"""
    paths = [tmp_path / "plain.root", tmp_path / "packed.root"]
    assert in_root(code, *paths)
    for order in (paths, paths[::-1]):
        merge(tmp_path / "all.root", order, force=True)
        assert ak.array_equal(arrays(tmp_path / "all.root"), ak.concatenate([arrays(path) for path in order]))
        apart = [shown(path, 50)["Events;1"].splitlines()[1:] for path in order]
        assert shown(tmp_path / "all.root", 100)["Events;1"].splitlines()[1:] == [*apart[0], *apart[1]]


@needs_root
@pytest.mark.root
def test_fields_of_every_kind_are_put_together_as_by_hadd(tmp_path: Path) -> None:
    path = write_kinds(tmp_path / "kinds.root")
    merge(tmp_path / "merged.root", [path, path])
    assert hadd(tmp_path / "hadd.root", path, path)
    ours, theirs = each_shown(tmp_path / "merged.root", tmp_path / "hadd.root", entries=80)
    assert ours == theirs
    assert "variant std::variant<std::int32_t,std::string,std::vector<float>>" in ours["T;1"]


@needs_root
@pytest.mark.root
def test_sets_of_attributes_are_not_put_together(tmp_path: Path) -> None:
    path = write_attributes(tmp_path / "attributes.root")
    with pytest.raises(UnsupportedError, match="attributes"):
        merge(tmp_path / "merged.root", [path, path])
    assert not (tmp_path / "merged.root").exists()


@needs_root
@pytest.mark.root
@pytest.mark.shared
def test_fields_with_several_representations_are_put_together(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    path, merged = shared(f"zoo/{REPRESENTATIONS}"), tmp_path / "merged.root"
    merge(merged, [path, path])
    expected = arrays(path, "ntuple")
    assert ak.array_equal(arrays(merged, "ntuple"), ak.concatenate([expected, expected]))
    before, after = (one["ntuple;1"].splitlines()[1:] for one in each_shown(path, merged, entries=80))
    assert after == before + before  # ROOT 6.40 itself does not put such files together


def compressible(path: Path, start: int, order: str = "xyz") -> Path:
    """An RNTuple of columns that become smaller, in an order."""
    numbers = np.arange(start, start + 3000)
    columns = {"x": 3 * numbers, "y": numbers // 7, "z": ak.unflatten(np.arange(6000), np.full(3000, 2))}
    return write(path, ak.Array({name: columns[name] for name in order}))


def test_compressed_files_are_put_together_and_decompressed(tmp_path: Path) -> None:
    plain = [compressible(tmp_path / f"{n}.root", 3000 * n) for n in range(2)]
    small = [tmp_path / f"{path.stem}_small.root" for path in plain]
    for path, target in zip(plain, small, strict=True):
        assert [tree.path for tree in hepae.compress(path, target).trees] == ["Events"]
    merge(tmp_path / "small.root", small, tree="Events")
    hepae.decompress(tmp_path / "small.root", tmp_path / "back.root")
    expected = ak.concatenate([arrays(path) for path in plain])
    assert ak.array_equal(arrays(tmp_path / "back.root"), expected)
    merge(tmp_path / "plain.root", plain)
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "small.root").kept


def test_a_plain_and_a_compressed_file_are_refused(tmp_path: Path) -> None:
    paths = [compressible(tmp_path / f"{n}.root", 0) for n in range(2)]
    hepae.compress(paths[0], tmp_path / "small.root")
    with pytest.raises(SchemaError, match=r"different ways.*hepae compress"):
        merge(tmp_path / "all.root", [tmp_path / "small.root", paths[1]])


def test_compressed_files_of_other_columns_are_refused(tmp_path: Path) -> None:
    small = []
    for order in ("xyz", "yxz"):
        small.append(tmp_path / f"{order}_small.root")
        hepae.compress(compressible(tmp_path / f"{order}.root", 0, order), small[-1])
    with pytest.raises(SchemaError, match=r"different columns.*decompress"):
        merge(tmp_path / "all.root", small)


@needs_root
@pytest.mark.root
def test_compressed_files_of_other_columns_that_root_merged_are_refused(tmp_path: Path) -> None:
    small = []
    for order in ("xyz", "yxz"):
        small.append(tmp_path / f"{order}_small.root")
        hepae.compress(compressible(tmp_path / f"{order}.root", 0, order), small[-1])
    assert hadd(tmp_path / "all.root", *small)
    with pytest.raises(CorruptionError, match="different columns"):
        hepae.decompress(tmp_path / "all.root", tmp_path / "back.root")


@needs_root
@pytest.mark.root
def test_compressed_files_of_cms_with_late_fields(tmp_path: Path) -> None:
    plain = [
        write_cms(tmp_path / f"{n}.root", 3000, 3000 * n, 700, late) for n, late in enumerate((1700, 90))
    ]
    small = [tmp_path / f"{path.stem}_small.root" for path in plain]
    for path, target in zip(plain, small, strict=True):
        assert "Events" in [tree.path for tree in hepae.compress(path, target).trees]
    merge(tmp_path / "plain.root", plain, others="first")
    merge(tmp_path / "small.root", small, others="first")
    hepae.decompress(tmp_path / "small.root", tmp_path / "back.root")
    assert ak.array_equal(arrays(tmp_path / "back.root"), arrays(tmp_path / "plain.root"))
