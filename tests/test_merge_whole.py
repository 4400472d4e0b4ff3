"""Risk: a merge drops a tree, an entry, a setting or a histogram, or adds what ROOT would not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.cli import main
from hepae.errors import SchemaError, UnsupportedError
from hepae.files.merge.file import merge
from hepae.files.pipeline import compress
from tests.root_process import in_root, needs_root
from tests.root_view import view
from tests.whole_samples import arrays_of, write_nano, write_with_root

HADD = """
merger = ROOT.TFileMerger(False)
merger.OutputFile(paths[0], "recreate")
for path in paths[1:]:
    merger.AddFile(path)
result = bool(merger.Merge())
"""


def equal(one: Any, other: Any) -> bool:
    return str(one.type) == str(other.type) and bool(ak.array_equal(one, other, equal_nan=True))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three files of one kind, the second without events."""
    home = tmp_path_factory.mktemp("parts")
    paths = [home / f"{name}.root" for name in "abc"]
    for seed, (path, entries) in enumerate(zip(paths, (700, 0, 400), strict=True)):
        write_nano(path, entries, seed)
    return paths


@pytest.mark.parametrize("whole", [False, True])
def test_every_tree_is_put_together(parts: list[Path], whole: bool, tmp_path: Path) -> None:
    sources = parts
    if whole:
        sources = [tmp_path / path.name for path in parts]
        for path, small in zip(parts, sources, strict=True):
            compress(path, small)
    done = merge(tmp_path / "all.root", sources)
    assert (done.files, done.events) == (3, 1100)
    for tree in ("Events", "Runs", "dir/Extra"):
        expected = ak.concatenate([arrays_of(path, tree) for path in (parts[0], parts[2])])
        found = arrays_of(tmp_path / "all.root", tree)
        assert found.fields == expected.fields
        for name in expected.fields:
            assert equal(found[name], expected[name]), (tree, name)
    with uproot.open(tmp_path / "all.root") as file:
        assert file["tag"] == "v9"
        values = [uproot.open(path)["h"].values() for path in parts]
        assert np.array_equal(file["h"].values(), sum(values))


def test_a_merged_whole_file_is_verified_and_decompressed(parts: list[Path], tmp_path: Path) -> None:
    smalls = [tmp_path / path.name for path in parts]
    for path, small in zip(parts, smalls, strict=True):
        compress(path, small)
    merge(tmp_path / "plain.root", parts)
    merge(tmp_path / "small.root", smalls)
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "small.root").kept
    hepae.decompress(tmp_path / "small.root", tmp_path / "back.root")
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "back.root").kept


def test_plain_and_compressed_files_are_not_put_together(parts: list[Path], tmp_path: Path) -> None:
    compress(parts[0], tmp_path / "small.root", only=["*"])
    with pytest.raises(SchemaError, match=r"compress the plain files first \(hepae compress --only '\*'\)"):
        merge(tmp_path / "all.root", [tmp_path / "small.root", parts[2]])
    assert not (tmp_path / "all.root").exists()


def test_whole_files_with_different_branches_are_refused_by_name_or_filled(tmp_path: Path) -> None:
    smalls = []
    for name in "ab":
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            columns = {"x": np.arange(500, dtype=np.float32)} | {f"HLT_{name}": np.ones(500, bool)}
            file.mktree("Events", {key: one.dtype for key, one in columns.items()}).extend(columns)
        smalls.append(tmp_path / f"small_{name}.root")
        compress(tmp_path / f"{name}.root", smalls[-1])
    with pytest.raises(SchemaError, match=r"HLT_.*--fill"):
        merge(tmp_path / "all.root", smalls)
    merge(tmp_path / "all.root", smalls, fill=True)
    merge(tmp_path / "plain.root", [tmp_path / "a.root", tmp_path / "b.root"], fill=True)
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "all.root").kept
    hepae.decompress(tmp_path / "all.root", tmp_path / "back.root")
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "back.root").kept


def test_histograms_with_other_axes_are_refused(parts: list[Path], tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "other.root") as file:
        file["h"] = np.histogram(np.zeros(3), bins=4)
    with pytest.raises(UnsupportedError, match="different axes"):
        merge(tmp_path / "all.root", [parts[0], tmp_path / "other.root"])


def test_objects_of_one_file_are_kept_and_differing_ones_refused(tmp_path: Path) -> None:
    for name, tag in (("a", "one"), ("b", "two")):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file[f"only_{name}"] = name
            file["tag"] = tag
    sources = [tmp_path / "a.root", tmp_path / "b.root"]
    with pytest.raises(UnsupportedError, match=r"tag.*rootmv"):
        merge(tmp_path / "all.root", sources)
    merge(tmp_path / "all.root", sources, others="first")
    with uproot.open(tmp_path / "all.root") as file:
        assert (file["only_a"], file["only_b"], file["tag"]) == ("a", "b", "one")


def test_classes_that_only_a_later_file_describes_are_described(parts: list[Path], tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("T", {"x": "int32"}).extend({"x": np.arange(3, dtype=np.int32)})
    merge(tmp_path / "all.root", [tmp_path / "a.root", parts[0]])
    with uproot.open(tmp_path / "all.root") as file:
        assert "TH1D" in file.file.streamers
        assert file["h"].values().sum() == 700


def test_a_branch_that_only_some_files_have(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            columns = {"x": np.arange(5, dtype=np.float32)} | {f"HLT_{name}": np.ones(5, bool)}
            file.mktree("Events", {key: one.dtype for key, one in columns.items()}).extend(columns)
    sources = [str(tmp_path / "a.root"), str(tmp_path / "b.root")]
    assert main(["merge", str(tmp_path / "all.root"), *sources]) == 2
    message = capsys.readouterr().err
    assert "HLT_" in message
    assert "--fill" in message
    assert main(["merge", str(tmp_path / "all.root"), *sources, "--fill"]) == 0
    found = arrays_of(tmp_path / "all.root", "Events")
    assert found.HLT_a.to_list() == [True] * 5 + [False] * 5
    assert found.HLT_b.to_list() == [False] * 5 + [True] * 5
    assert found.x.to_list() == [0, 1, 2, 3, 4] * 2


def test_every_kind_of_column_is_filled_with_zeros(tmp_path: Path) -> None:
    """Arrays of a counter that is there are zeros, of one that is missing empty; texts are empty."""
    counts = np.array([2, 0, 3])
    jets = ak.unflatten(np.arange(1, 6, dtype=np.float32), counts)
    columns: dict[str, Any] = {
        "Jet_a": jets,
        "Jet_b": jets,
        "Muon_a": jets,
        "v": np.ones((3, 2)),
        "text": ak.Array(["a", "b", "c"]),
    }
    types = dict.fromkeys(("Jet_a", "Jet_b", "Muon_a"), "var * float32") | {
        "v": "2 * float64",
        "text": "string",
    }
    for name, chosen in (("few", ["Jet_a"]), ("all", list(columns))):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            tree = file.mktree(
                "Events",
                {key: types[key] for key in chosen},
                counter_name=lambda one: "n" + one.partition("_")[0],
            )
            tree.extend({key: columns[key] for key in chosen})
    for order in (["few", "all"], ["all", "few"]):
        merge(tmp_path / "out.root", [tmp_path / f"{name}.root" for name in order], fill=True, force=True)
        found = arrays_of(tmp_path / "out.root", "Events")
        part = slice(0, 3) if order[0] == "few" else slice(3, 6)
        assert found.Jet_a.to_list() == jets.to_list() * 2
        assert found[part].Jet_b.to_list() == [[0, 0], [], [0, 0, 0]]
        assert found[part].Muon_a.to_list() == [[], [], []]
        assert found[part].nMuon.to_list() == [0, 0, 0]
        assert found[part].v.to_list() == [[0, 0]] * 3
        assert found[part].text.to_list() == [""] * 3


@needs_root
@pytest.mark.root
def test_root_sees_what_hadd_makes(tmp_path: Path) -> None:
    sources = [tmp_path / "a.root", tmp_path / "b.root"]
    for seed, path in enumerate(sources):
        write_with_root(path, 300 + seed, seed)
    merge(tmp_path / "ours.root", sources)
    assert in_root(HADD, tmp_path / "theirs.root", *sources)
    ours, theirs = view(tmp_path / "ours.root"), view(tmp_path / "theirs.root")
    assert ours["histograms"] == theirs["histograms"]
    assert ours["values"] == theirs["values"]
    assert ours["entries"] == theirs["entries"]


@needs_root
@pytest.mark.root
def test_a_file_merged_with_itself_keeps_its_headers(tmp_path: Path) -> None:
    write_with_root(tmp_path / "a.root", 300, 1)
    merge(tmp_path / "twice.root", [tmp_path / "a.root"] * 2)
    before, after = view(tmp_path / "a.root"), view(tmp_path / "twice.root")
    assert after["keys"] == before["keys"]
    assert after["branches"] == before["branches"]
    assert after["entries"] == {tree: 2 * n for tree, n in before["entries"].items()}
