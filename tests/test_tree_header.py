"""The header of a tree comes out as it went in, byte for byte; what is changed in it is changed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from hepae.errors import InputError, SchemaError
from hepae.root import open_source
from hepae.root.file.classes import Classes
from hepae.root.file.source import Source
from hepae.root.file.streamers import read_record
from hepae.root.ttree.branches import new_branch, new_leaf
from hepae.root.ttree.header import TREE_CLASSES, TreeHeader, new_tree, parse_tree


def headers_of(source: Source) -> list[tuple[bytes, int, TreeHeader]]:
    """Bytes, length of the key and header of every tree of a file."""
    found = []
    for item in source.keys:
        if item.classname in TREE_CLASSES:
            key = source.directory.key(f"{item.path};{item.cycle}")
            data = read_record(source, int(key.fSeekKey), int(key.fNbytes)).unpacked()
            classes = Classes(source.directory.file.streamers)
            length = int(key.fKeylen)
            header = parse_tree(data, item.path, classname=item.classname, key_length=length, classes=classes)
            found.append((data, length, header))
    return found


def header_of(path: Path) -> TreeHeader:
    with open_source(path) as source:
        return headers_of(source)[0][2]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of uproot's: a counter, what it counts, a number, a string."""
    path = tmp_path_factory.mktemp("header") / "small.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"Jet": "var * {pt: float32, id: int16}", "run": "int32", "s": "string"})
        pt, ids = ak.Array([[1.0], []]), ak.Array([[2], []])
        jets = ak.zip({"pt": ak.values_astype(pt, "float32"), "id": ak.values_astype(ids, "int16")})
        for _ in range(2):
            tree.extend({"Jet": jets, "run": np.array([1, 2], "i4"), "s": ["a", "bc"]})
    return path


@pytest.mark.parametrize("key_length", [0, 40, 41, 1000])
def test_what_is_not_changed_comes_out_byte_for_byte(sample_root: Path, small: Path, key_length: int) -> None:
    for path in (sample_root, small):
        with open_source(path) as source:
            for data, length, header in headers_of(source):
                assert header.pack(length) == data
                moved = header.pack(key_length)
                again = parse_tree(moved, "", classname=header.classname, key_length=key_length)
                assert again.pack(length) == data


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "PHYSLITE_example.root",
        "uproot-HZZ.root",
        "zoo/skhep__uproot-from-geant4.root",
        "zoo/skhep__uproot-issue413.root",
        "zoo/skhep__uproot-double32-float16.root",
        "zoo/skhep__uproot-issue-607.root",
        "zoo/skhep__uproot-sample-5.23.02-uncompressed.root",
        "zoo/skhep__uproot-issue-798.root",
    ],
)
def test_headers_of_all_versions_of_root(shared: Callable[[str], Path], name: str) -> None:
    with open_source(shared(name)) as source:
        found = headers_of(source)
        assert found
        for data, length, header in found:
            assert header.pack(length) == data
            lean = header.lean()
            assert parse_tree(lean, "", classes=header.classes).lean() == lean


def test_branches_are_listed_with_leaves_counters_and_baskets(small: Path) -> None:
    header = header_of(small)
    assert [branch.path for branch in header.branches] == ["nJet", "Jet_pt", "Jet_id", "run", "s"]
    counter, pt = header.branch("nJet"), header.branch("Jet_pt")
    assert (pt.leaves[0].classname, pt.leaves[0].title) == ("TLeafF", "Jet_pt[nJet]")
    assert pt.leaves[0].counter is counter.leaves[0].node
    assert pt.needs == [counter.leaves[0].node]
    with uproot.open(small) as file:
        for branch in header.branches:
            theirs = file["Events"][branch.path]
            table = branch.baskets
            assert table.entries.tolist() == list(theirs.entry_offsets) == [0, 2, 4]
            assert table.seeks.tolist() == theirs.member("fBasketSeek")[:2].tolist()
            assert table.sizes.tolist() == theirs.member("fBasketBytes")[:2].tolist()


def test_a_lean_header_says_what_branches_are_and_nothing_of_what_is_in_them(small: Path) -> None:
    lean = parse_tree(header_of(small).lean(), "lean")
    assert [branch.title for branch in lean.branches] == [b.title for b in header_of(small).branches]
    assert lean.entries == 0
    for branch in lean.branches:
        assert (len(branch.baskets), branch.entries, branch.sizes) == (0, 0, (0, 0))


def test_a_branch_that_is_taken_out_is_gone_with_its_leaf(small: Path) -> None:
    header = header_of(small)
    header.remove([header.branch("Jet_pt"), header.branch("run")])
    again = parse_tree(header.pack(9), "", classname="TTree", key_length=9)
    assert [branch.path for branch in again.branches] == ["nJet", "Jet_id", "s"]
    assert [leaf.record.text("fName") for leaf in again.leaves if leaf.record] == ["nJet", "Jet_id", "s"]


def test_a_counter_stays_while_something_is_counted(small: Path) -> None:
    header = header_of(small)
    before = header.pack(0)
    with pytest.raises(SchemaError, match="Jet_id"):
        header.remove([header.branch("nJet"), header.branch("Jet_pt")])
    assert header.pack(0) == before
    header.remove([header.branch(name) for name in ("nJet", "Jet_pt", "Jet_id")])
    assert [branch.path for branch in header.branches] == ["run", "s"]


def test_a_counter_may_stand_behind_what_it_counts(small: Path) -> None:
    header = header_of(small)
    held = header.record.collection("fBranches")
    held.items = held.items[::-1]
    again = parse_tree(header.pack(0), "", classname="TTree")
    assert [branch.path for branch in again.branches] == ["s", "run", "Jet_id", "Jet_pt", "nJet"]
    assert again.branch("Jet_pt").leaves[0].counter is again.branch("nJet").leaves[0].node


def test_two_branches_of_one_name_are_told_apart() -> None:
    header = new_tree("t", "")
    for _ in range(3):
        header.insert(new_branch("w", "w/F", new_leaf("TLeafF", "w", "w")))
    header.refresh()
    assert [branch.path for branch in header.branches] == ["w", "w#2", "w#3"]
    header.remove([header.branch("w#2")])
    assert [branch.path for branch in header.branches] == ["w", "w#3"]
    assert len(header.leaves) == 2


def test_tables_of_baskets_are_set_and_read(small: Path) -> None:
    header = header_of(small)
    branch = header.branch("run")
    table = branch.baskets
    table.entries, table.seeks, table.sizes = (
        np.array([0, 3, 4, 9]),
        np.array([5, 2**40, 7]),
        np.array([1, 2, 3]),
    )
    branch.baskets = table
    branch.count(9, 100, 50)
    header.count(9)
    again = parse_tree(header.pack(3), "", classname="TTree", key_length=3).branch("run")
    assert again.baskets.entries.tolist() == [0, 3, 4, 9]
    assert again.baskets.seeks.tolist() == [5, 2**40, 7]
    assert (again.entries, again.sizes) == (9, (100, 50))


@given(st.data())
def test_damaged_headers_are_errors_in_words(sample_root: Path, data: st.DataObject) -> None:
    """Whatever is changed in a header, it is read, or refused with an `InputError`; nothing else, and at once."""
    good = bytearray(header_of_bytes(sample_root))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(good) - 4))
        value = data.draw(
            st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x40\0\0\4", b"\x7f\xff\xff\xff"])
        )
        good[place : place + 4] = value
    stop = data.draw(st.integers(0, len(good)))
    for damaged in (bytes(good), bytes(good[:stop])):
        try:
            header = parse_tree(damaged, "damaged", classname="TTree", key_length=42)
            tables = [branch.baskets for branch in header.branches]
            assert sum(map(len, tables)) <= len(damaged)
            header.lean()
        except InputError:
            pass


def header_of_bytes(path: Path) -> bytes:
    with open_source(path) as source:
        return headers_of(source)[0][2].pack(42)


def test_objects_in_each_other_without_end_are_refused() -> None:
    """Lists in lists, a thousand deep."""
    from hepae.root.file.records import any_object, counted, root_object, root_string

    inner = b""
    for _ in range(1000):
        items = any_object("TList", inner) + b"\0" if inner else b""
        head = root_object() + root_string("") + (1 if inner else 0).to_bytes(4, "big")
        inner = counted(5, head + items)
    header = new_tree("t", "")
    packed = header.pack(0)
    lists = any_object("TList", inner)
    damaged = packed[:-8] + lists + packed[-4:]
    size = (len(damaged) - 4) | 0x40000000
    with pytest.raises(InputError, match="in each other"):
        parse_tree(size.to_bytes(4, "big") + damaged[4:], "deep", classname="TTree")
