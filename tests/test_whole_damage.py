"""Risk: whole files that lie. What their schema, counts and tables say is checked before it is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.tables.bundle import pack_bundle, rows_of, unpack_column
from hepae.core.tables.columns import ColumnSpec
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError, HepaeError, InputError, LimitError
from hepae.root.file.source import Source
from hepae.root.ttree.reader import TTreeReader
from hepae.stored import payload, schemas
from hepae.stored.schemas import stored_tree
from hepae.testing.mutations import mutated
from scripts.hardening import fuzz_files, fuzz_targets

LARGE = 1 << 62
"""Twice it is beyond int64."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("damage")
    original = fuzz_files.original(folder / "a.root", events=30)
    return fuzz_files.compressed(original, folder / "b.root", fuzz_files.WHOLE)


def schema() -> Any:
    compressed, _ = fuzz_targets.whole()
    (stored,) = compressed.stored.values()
    return msgspec.json.decode(stored.to_json())


def another_dtype(stored: Any) -> None:
    stored["schema"]["columns"][0]["dtype"] = "complex64"


def a_dtype_that_its_branch_has_not(stored: Any) -> None:
    stored["schema"]["columns"][0]["dtype"] = "float64"


def no_dimension(stored: Any) -> None:
    stored["schema"]["columns"][0]["shape"] = [-1]


def a_table_of_another_depth(stored: Any) -> None:
    column = stored["schema"]["columns"][-1]
    column["table"] = 1 - column.get("table", 0)


def a_feature_twice(stored: Any) -> None:
    codec = stored["schema"]["codecs"][0]
    codec["features"] = [codec["features"][0]] * len(codec["features"])


def a_feature_too_few(stored: Any) -> None:
    stored["schema"]["codecs"][0]["features"].pop()


def a_branch_without_columns(stored: Any) -> None:
    stored["layouts"].append({"type": "scalar", "fields": []})
    stored["branches"][0] |= {"columns": [], "layout": len(stored["layouts"]) - 1, "path": "x"}


def a_layout_that_is_not_there(stored: Any) -> None:
    stored["branches"][0]["layout"] = len(stored["layouts"])


def a_name_of_no_column(stored: Any) -> None:
    stored["branches"][0]["columns"] = [len(stored["schema"]["columns"])]
    stored["branches"][0].pop("path", None)


def bytes_that_are_none(stored: Any) -> None:
    stored["layouts"][0]["fields"][0]["constant"] = "xyz"


def a_version_of_no_class(stored: Any) -> None:
    layout = stored["layouts"][stored["branches"][0]["layout"]]
    stored["layouts"][stored["branches"][0]["layout"]] = {
        "type": "collection",
        "fields": layout["fields"],
        "depth": 0,
        "version": 1 << 16,
    }


@pytest.mark.parametrize(
    "lie",
    [
        another_dtype,
        a_dtype_that_its_branch_has_not,
        no_dimension,
        a_table_of_another_depth,
        a_feature_twice,
        a_feature_too_few,
        a_branch_without_columns,
        a_layout_that_is_not_there,
        a_name_of_no_column,
        bytes_that_are_none,
        a_version_of_no_class,
    ],
)
def test_a_schema_that_lies_is_refused(lie: Callable[[Any], None]) -> None:
    stored = schema()
    stored_tree(msgspec.json.encode(stored), "file")
    lie(stored)
    with pytest.raises(CorruptionError, match=r"schema that can|columns that are not there|without a layout"):
        stored_tree(msgspec.json.encode(stored), "file")


def test_mutations_of_schemas_and_streams_under_good_checksums_are_refused_or_restored() -> None:
    target = fuzz_targets.TARGETS["whole"]
    seeds = target.seeds()
    refused = 0
    for seed in range(400):
        try:
            target.check(mutated(seeds[seed % len(seeds)], target.mutations, seed))
        except HepaeError:
            refused += 1
    assert 100 < refused < 400


@pytest.mark.parametrize(
    ("levels", "error"),
    [
        (([1 << 27, 0],), LimitError),
        (([LARGE, LARGE],), LimitError),
        (([-1, 2],), CorruptionError),
        (([1, 2, 3],), CorruptionError),
        (([1, 1], [1, 1, 1]), CorruptionError),
    ],
)
def test_counts_are_checked_before_anything_is_allocated(
    levels: tuple[list[int], ...], error: type[HepaeError]
) -> None:
    with pytest.raises(error):
        rows_of(tuple(np.array(level, np.int64) for level in levels), 2, "file")


def test_a_column_of_another_depth_is_refused() -> None:
    counts = (np.array([2, 1]),)
    deep = Nested((*counts, np.array([1, 0, 1])), np.float32([1, 2]))
    block = pack_bundle([deep], [counts], [()])[2:]
    with pytest.raises(CorruptionError, match="another depth"):
        unpack_column(block, ColumnSpec("x", "float32", (), 1), counts, 2, "file")


@pytest.mark.parametrize(("name", "plan"), [("payload_plan", payload), ("schema_plan", schemas)])
def test_tables_with_other_branches_are_refused(
    small: Path, monkeypatch: pytest.MonkeyPatch, name: str, plan: Any
) -> None:
    first, *others = getattr(plan, name)()
    other = type(first)(first.name, "float64")
    monkeypatch.setattr(plan, name, lambda: [other, *others])
    with hepae.open(small) as file, pytest.raises(CorruptionError, match="other branches"):
        file["Events"]


def test_an_original_header_without_a_branch_is_refused(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = TTreeReader.read

    def without(self: TTreeReader, branch: str, start: int, stop: int) -> Any:
        column: Any = read(self, branch, start, stop)
        if branch == "data":
            header, mark, text = column.values.tobytes().partition(b'{"schema"')
            column.values = np.frombuffer(header.replace(b"MET", b"XYZ") + mark + text, np.uint8)
        return column

    monkeypatch.setattr(TTreeReader, "read", without)
    with hepae.open(small) as file, pytest.raises(CorruptionError, match="without a branch"):
        file["Events"]


def test_a_compressed_tree_of_another_class_is_refused(small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    with Source(small) as source:
        end = data.rfind(b"\x05TTree\x06Events")
        assert source.key("Events").classname == "TTree"
    (tmp_path / "c.root").write_bytes(data[:end] + b"\x05TTroe" + data[end + 6 :])
    with pytest.raises(InputError, match="no tree"):
        hepae.open(tmp_path / "c.root")


def test_directories_are_read_and_payload_trees_are_not_listed(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("dir/T", {"x": "int64"})
        tree.extend({"x": np.arange(5000) % 7})
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root")
    with hepae.open(tmp_path / "b.root") as file:
        assert file.keys() == ["dir;1", "dir/T;1"]
        assert "T" in file["dir"]
