"""Which layout a branch has, and objects that are not split."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import numpy as np
import pytest

from hepae.core.values.nested import Nested
from hepae.errors import InputError
from hepae.root.ttree.layouts.awkward import branch_to_awkward
from hepae.root.ttree.layouts.basket import Basket
from hepae.root.ttree.layouts.branch import BranchType, LeafType
from hepae.root.ttree.layouts.classes import ClassType, Member
from hepae.root.ttree.layouts.collection import Collection
from hepae.root.ttree.layouts.fields import Field, Quantised, Truncated, seen_values
from hepae.root.ttree.layouts.layout import Layout, fitted, layout_of, round_trip
from hepae.root.ttree.layouts.ranges import coding_of
from hepae.root.ttree.layouts.rows import Counted, Scalar


@pytest.mark.parametrize(
    ("title", "double", "coding"),
    [
        ("x", True, None),
        ("x[3]", True, None),
        ("[0,1]", True, Quantised(0.0, 1.0, 32)),
        ("x[n][0,1,8] comment", True, Quantised(0.0, 1.0, 8)),
        ("[-pi, TwoPi, 40]", True, Quantised(-np.pi, 2 * np.pi, 32)),
        ("[-pi/2,pi/4,3]", False, Quantised(-np.pi / 2, np.pi / 4, 3)),
        ("[0,0,14]", True, Truncated(14)),
        ("[0,0,20]", True, None),
        ("[0,0,20]", False, Truncated(12)),
        ("no [bracket] of a range", False, Truncated(12)),
    ],
)
def test_ranges_are_read_as_root_reads_them(title: str, double: bool, coding: object) -> None:
    assert coding_of(title, double) == coding


def leaf(classname: str, **more: Any) -> LeafType:
    return LeafType(classname, more.pop("name", "x"), **more)


def element(typename: str, streamer: int, kind: int = 0, **more: Any) -> BranchType:
    return BranchType("TBranchElement", (leaf("TLeafElement", **more),), kind, streamer, typename)


@pytest.mark.parametrize(
    "branch",
    [
        BranchType("TBranchObject", (leaf("TLeafObject"),)),
        BranchType("TBranch", ()),
        BranchType("TBranch", (leaf("TLeafI"), leaf("TLeafF"))),  # two leaves of one name
        BranchType("TBranch", (leaf("TLeafI"), leaf("TLeafC", name="s"))),
        BranchType("TBranch", (leaf("TLeafF", shape=(0,)),)),
        BranchType("TBranch", (leaf("TLeafF", name="y", counter="n", inside=True), leaf("TLeafI", name="n"))),
        element("map<int,float>", -1),
        element("vector<TLorentzVector>", 300),
        element("TObject*", 64),
        element("Thing", -1),
        element("char*", 7),
        element("unsigned int", 501, 41, counter="hits"),
        element("float", 5, 41),  # a member of a collection without a counter
        element("Double32_t", 9),  # of a file that does not say whether it has a range
    ],
)
def test_what_has_no_meaning_as_numbers_is_kept(branch: BranchType) -> None:
    assert layout_of(branch) is None


@pytest.mark.parametrize(
    ("branch", "layout"),
    [
        (element("unsigned long", 14), Scalar((Field("", "uint64"),))),
        (element("bool", 38, shape=(2, 3)), Scalar((Field("", "uint8", (2, 3), "bool"),))),
        (element("float*", 45, counter="n"), Counted((Field("", "float32"),), "n", flagged=True)),
        (element("vector<Hit>", 300, 4), Scalar((Field("", "int32"),))),
        (element("TClonesArray", -1, 3), Scalar((Field("", "int32"),))),
        (element("short", 2, 31, counter="hits"), Counted((Field("", "int16"),), "hits")),
        (element("string", -1, -1), Collection((Field("", "uint8"),), 0, text=True)),
        (element("string", 300), Collection((Field("", "uint8"),), 0, text=True, header=True)),
        (element("TString", 65, 41, counter="h"), Collection((Field("", "uint8"),), 0, True, False, "h")),
        (
            element("vector<Double32_t>", 300),
            Collection((Field("", "float32", seen="float64"),), 1, header=True),
        ),
        (
            element("vector<set<int,less<int> > >", 300),
            Collection((Field("", "int32"),), 2, header=True, marks=("", "set")),
        ),
        (
            element("Double32_t", 9, title="[0,1,8]"),
            Scalar((Field("", "uint32", seen="float64", coding=Quantised(0.0, 1.0, 8)),)),
        ),
    ],
)
def test_branches_of_split_objects_have_a_layout(branch: BranchType, layout: Layout) -> None:
    assert layout_of(branch) == layout


def test_truncated_floats_are_what_root_makes_of_them() -> None:
    """Exponent 127, mantissa and sign of 12 bits: 1, 1.5, -1, and the carry of the rounding."""
    field = Field("", "uint32", seen="float32", coding=Truncated(12))
    words = np.array([127 << 16, 127 << 16 | 1 << 11, 127 << 16 | 1 << 13, 127 << 16 | 4095], "u4")
    np.testing.assert_array_equal(seen_values(field, words), np.array([1, 1.5, -1, 1 + 4095 / 4096], "f4"))


def test_records_of_one_counter_are_lists_of_records() -> None:
    layout = Counted((Field("a", "int32"), Field("b", "float32")), "n")
    levels = (np.array([2, 0]),)
    columns = {"a": Nested(levels, np.array([1, 2], "i4")), "b": Nested(levels, np.array([3, 4], "f4"))}
    array = branch_to_awkward(layout, columns)
    assert array.to_list() == [[{"a": 1, "b": 3.0}, {"a": 2, "b": 4.0}], []]


LINK = ClassType(
    "Link",
    (
        Member(
            "",
            object=ClassType("Base", (Member("key", Field("", "uint32")), Member("at", Field("", "int16")))),
        ),
        Member("inside", object=ClassType("Point", (Member("x", Field("", "float32")),))),
    ),
)


def link(key: int, at: int, x: float) -> bytes:
    """An object of ``LINK``: headers with a checksum, with a version, and none."""
    base = struct.pack(">IHIIh", 0x40000000 | 12, 0, 77, key, at)
    return struct.pack(">IH", 0x40000000 | (len(base) + 6), 3) + base + struct.pack(">f", x)


def test_objects_of_one_width_are_columns() -> None:
    body = struct.pack(">iii", 2, 0, 2) + link(7, -1, 0.5) + link(8, 2, 1.5)
    data = np.frombuffer(struct.pack(">IH", 0x40000000 | (len(body) + 2), 10) + body, np.uint8)
    branch = msgspec.structs.replace(element("vector<vector<Link> >", 300), object=LINK)
    basket = Basket.of(data, np.array([0, len(data)]), 1)
    layout = layout_of(branch)
    assert layout is not None
    assert not round_trip(layout, basket)  # it has not seen an object
    layout = fitted(layout, basket.data, basket.offsets)
    assert round_trip(layout, basket)
    assert [column.name for column in layout.columns] == ["key", "at", "inside.x"]
    back = layout.decode(basket.data, basket.offsets, 1, {}, "")
    array = branch_to_awkward(layout, back)
    assert array.to_list() == [
        [[], [{"key": 7, "at": -1, "inside": {"x": 0.5}}, {"key": 8, "at": 2, "inside": {"x": 1.5}}]]
    ]
    other = data.copy()
    other[-5] ^= 1  # the checksum of the last object is another
    assert round_trip(layout, Basket.of(other, basket.offsets, 1))
    other[-len(link(0, 0, 0)) + 6] ^= 1
    assert not round_trip(layout, Basket.of(other, basket.offsets, 1))


def memberwise_entry(rows: list[tuple[int, int, float]]) -> bytes:
    """A vector of ``LINK``, member by member: those of the base class first, then the objects inside."""
    points = b"".join(struct.pack(">IHf", 0x40000000 | 6, 1, x) for _, _, x in rows)
    numbers = struct.pack(f">{len(rows)}I{len(rows)}h", *(r[0] for r in rows), *(r[1] for r in rows))
    body = struct.pack(">HHIi", 0x4009, 0, 77, len(rows)) + numbers + points
    return struct.pack(">I", 0x40000000 | len(body)) + body


def test_objects_stored_member_by_member_are_columns() -> None:
    rows = [[(7, -1, 0.5), (8, 2, 1.5)], [], [(9, 0, 2.5)]]
    entries = [memberwise_entry(entry) for entry in rows]
    data = np.frombuffer(b"".join(entries), np.uint8)
    basket = Basket.of(data, np.cumsum([0, *map(len, entries)]), 3)
    layout = layout_of(msgspec.structs.replace(element("vector<Link>", 300), object=LINK))
    assert layout is not None
    layout = fitted(layout, basket.data, basket.offsets)
    assert round_trip(layout, basket)
    assert msgspec.json.decode(msgspec.json.encode(layout), type=Layout) == layout
    array = branch_to_awkward(layout, layout.decode(basket.data, basket.offsets, 3, {}, ""))
    assert array.to_list() == [[{"key": k, "at": a, "inside": {"x": x}} for k, a, x in e] for e in rows]
    for place in range(len(data)):
        other = data.copy()
        other[place] ^= 255
        try:
            back = layout.decode(other, basket.offsets, 3, {}, "")
        except InputError:
            continue
        assert layout.encode(back)[0].tobytes() == other.tobytes()


@pytest.mark.parametrize("memberwise", [False, True])
def test_vectors_without_any_object_have_no_rows(memberwise: bool) -> None:
    entry = memberwise_entry([]) if memberwise else struct.pack(">IHi", 0x40000000 | 6, 9, 0)
    data = np.frombuffer(entry * 2, np.uint8)
    layout = layout_of(msgspec.structs.replace(element("vector<Link>", 300), object=LINK))
    assert layout is not None
    basket = Basket.of(data, np.arange(3) * len(entry), 2)
    layout = fitted(layout, basket.data, basket.offsets)
    assert round_trip(layout, basket)
    array = branch_to_awkward(layout, layout.decode(basket.data, basket.offsets, 2, {}, ""))
    assert array.to_list() == [[], []]
    assert "inside" in array.typestr
