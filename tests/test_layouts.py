"""Layouts: the bytes of baskets to columns and back, for what ROOT and uproot write and for what they do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import msgspec
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from hepae.core.values.nested import Nested
from hepae.errors import InputError
from hepae.root.ttree.layouts.awkward import to_awkward
from hepae.root.ttree.layouts.basket import Basket, read_basket
from hepae.root.ttree.layouts.classes import ClassType
from hepae.root.ttree.layouts.collection import Collection
from hepae.root.ttree.layouts.describe import describe_tree
from hepae.root.ttree.layouts.fields import Field, Quantised, Truncated
from hepae.root.ttree.layouts.layout import Layout, fitted, layout_of, round_trip
from hepae.root.ttree.layouts.memberwise import Memberwise
from hepae.root.ttree.layouts.nesting import Nesting, taken_apart
from hepae.root.ttree.layouts.rows import Counted, Leaf, LeafList, Scalar
from tests.format_layouts import entries_of, entry_bytes

DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
LENGTHS = (0, 1, 2, 5, 254, 255, 256, 700)


def number_field(draw: Any, name: str = "") -> Field:
    coding = draw(st.sampled_from((None, None, Truncated(12), Quantised(0.0, 1.0, 16))))
    dtype = "uint32" if coding else draw(st.sampled_from(DTYPES))
    return Field(name, dtype, draw(st.sampled_from(((), (3,), (2, 2)))), coding=coding)


def numbers(seed: int, rows: int, field: Field) -> np.ndarray:
    """Random bit patterns, as wide as the field stores them."""
    width = 3 if isinstance(field.coding, Truncated) else np.dtype(field.dtype).itemsize
    raw = np.random.default_rng(seed).integers(0, 256, (rows, *field.shape, width), np.uint8)
    if width == 3:
        return raw[..., 0].astype("u4") << 16 | raw[..., 1].astype("u4") << 8 | raw[..., 2]
    return raw.view(field.dtype)[..., 0]


@st.composite
def nested_columns(draw: Any, levels: int, text: bool, fields: tuple[Field, ...]) -> dict[str, Nested]:
    """Columns of one nesting: all have the same counts."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rows, counts = draw(st.integers(0, 12)), []
    for level in range(levels):
        long = text and level == levels - 1
        counts.append(rng.choice(LENGTHS, rows) if long else rng.integers(0, 4, rows))
        rows = int(counts[-1].sum())
    return {
        field.name: Nested(tuple(counts), numbers(seed + number, rows, field))
        for number, field in enumerate(fields)
    }


@st.composite
def scalars(draw: Any) -> tuple[Layout, dict[str, Nested]]:
    fields = tuple(number_field(draw, name) for name in draw(st.sampled_from((("",), ("a", "b", "c")))))
    return Scalar(fields), draw(nested_columns(0, False, fields))


@st.composite
def counted(draw: Any) -> tuple[Layout, dict[str, Nested]]:
    fields = tuple(number_field(draw, name) for name in draw(st.sampled_from((("",), ("a", "b")))))
    return Counted(fields, "n", draw(st.booleans())), draw(nested_columns(1, False, fields))


@st.composite
def collections(draw: Any) -> tuple[Layout, dict[str, Nested]]:
    text = draw(st.booleans())
    depth, counter = draw(st.integers(0 if text else 1, 4)), draw(st.sampled_from(("", "n")))
    fields = (Field("", "uint8"),) if text else (number_field(draw),)
    layout = Collection(
        fields, depth, text, draw(st.booleans()), counter, version=draw(st.integers(0, 65535))
    )
    if layout.is_string:
        layout = msgspec.structs.replace(layout, blank=draw(st.booleans()))
    return layout, draw(nested_columns(layout.columns[0].levels, text, fields))


@st.composite
def objects(draw: Any) -> tuple[Layout, dict[str, Nested]]:
    """Vectors of objects: headers that are constant between members, row by row or member by member."""
    a, b = number_field(draw, "a"), number_field(draw, "p.b")
    head = Field("", "", constant="4000000c0003")
    kind = ClassType("Thing")
    layout: Layout = Memberwise(((a,), (head, b)), "40090002", kind)
    if draw(st.booleans()):
        layout = Collection((head, a, head, b), draw(st.integers(1, 3)), header=True, object=kind)
    return layout, draw(nested_columns(layout.columns[0].levels, False, (a, b)))


@st.composite
def leaf_lists(draw: Any) -> tuple[Layout, dict[str, Nested]]:
    """``n/I:x[n]:k:y[m]``, the one counted inside, the other by a branch ``m``."""
    seed, entries = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 12))
    rng = np.random.default_rng(seed)
    inside, outside = rng.integers(0, 4, (2, entries))
    x, y, k = (number_field(draw, name) for name in "xyk")
    leaves = (Leaf(Field("n", "int32"), "", False), Leaf(x, "n", True), Leaf(k), Leaf(y, "m"))
    columns = {
        "n": Nested((), inside.astype("i4")),
        "x": Nested((inside,), numbers(seed, int(inside.sum()), x)),
        "k": Nested((), numbers(seed, entries, k)),
        "y": Nested((outside,), numbers(seed, int(outside.sum()), y)),
    }
    return LeafList(leaves), columns


def counts_in(layout: Layout, columns: dict[str, Nested]) -> dict[str, np.ndarray]:
    """What the counter of a layout would say."""
    name = next((column.name for column in layout.columns if column.counter), None)
    return {} if name is None else dict.fromkeys(layout.counters, columns[name].levels[0])


@given(st.one_of(scalars(), counted(), collections(), leaf_lists(), objects()))
@settings(max_examples=200, deadline=None)
def test_columns_of_every_kind_come_back(case: tuple[Layout, dict[str, Nested]]) -> None:
    layout, columns = case
    entries = len(next(iter(columns.values())))
    data, offsets = layout.encode(columns)
    assert len(offsets) == entries + 1
    assert offsets[-1] == len(data)
    back = layout.decode(data, offsets, entries, counts_in(layout, columns), "")
    assert set(back) == {column.name for column in layout.columns}
    for column in layout.columns:
        got, expected = back[column.name], columns[column.name]
        assert len(got.levels) == column.levels
        for mine, theirs in zip(got.levels, expected.levels, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert got.values.dtype == column.field.dtype
        assert got.values.tobytes() == expected.values.tobytes()


@given(st.one_of(scalars(), counted(), collections(), leaf_lists(), objects()))
@settings(max_examples=50, deadline=None)
def test_a_layout_is_plain_data(case: tuple[Layout, dict[str, Nested]]) -> None:
    layout, _ = case
    assert msgspec.json.decode(msgspec.json.encode(layout), type=Layout) == layout


@given(st.one_of(counted(), collections(), leaf_lists(), objects()), st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_bytes_are_refused_or_come_back(
    case: tuple[Layout, dict[str, Nested]], data: st.DataObject
) -> None:
    layout, columns = case
    raw, offsets = layout.encode(columns)
    entries = len(offsets) - 1
    raw, offsets = raw.copy(), offsets.copy()
    for _ in range(data.draw(st.integers(1, 3))):
        if len(raw) and data.draw(st.booleans()):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        else:
            offsets[data.draw(st.integers(0, entries))] = data.draw(st.integers(-9, len(raw) + 9))
    try:
        back = layout.decode(raw, offsets, entries, counts_in(layout, columns), "")
    except InputError:
        return
    again, edges = layout.encode(back)
    assert again.tobytes() == raw.tobytes()
    np.testing.assert_array_equal(edges, offsets)


@given(st.one_of(scalars(), counted(), collections(), leaf_lists(), objects()))
@settings(max_examples=200, deadline=None)
def test_a_second_writer_makes_the_same_bytes(case: tuple[Layout, dict[str, Nested]]) -> None:
    """From the page and the JSON of the layout alone."""
    layout, columns = case
    data, offsets = layout.encode(columns)
    nested = [columns[column.name] for column in layout.columns]
    plain = json.loads(msgspec.json.encode(layout))
    entries = zip(*(entries_of(column.levels, column.values) for column in nested), strict=True)
    parts = [entry_bytes(plain, list(entry)) for entry in entries]
    assert b"".join(parts) == data.tobytes()
    assert np.cumsum([0, *map(len, parts)]).tolist() == offsets.tolist()


@pytest.mark.parametrize("count", [-1, 2, 2**31 - 1])
def test_counts_that_do_not_fit_allocate_nothing(count: int) -> None:
    words = np.array([count, 1, 7], ">i4")
    layout = Collection((Field("", "int32"),), 2)
    with pytest.raises(InputError, match="count"):
        layout.decode(words.view(np.uint8), np.array([0, 12]), 1, {}, "")


def test_deep_nesting_in_many_pieces() -> None:
    """More bytes than are taken apart at once, and a single entry that is longer."""
    rng = np.random.default_rng(2)
    outer = np.array([3] * 3000 + [60_000, 0, 1])
    inner = rng.integers(0, 9, int(outer.sum()))
    nested = Nested((outer, inner), rng.integers(0, 99, int(inner.sum())).astype("f4"))
    layout = Collection((Field("", "float32"),), 2, header=True)
    data, offsets = layout.encode({"": nested})
    back = layout.decode(data, offsets, len(outer), {}, "")[""]
    np.testing.assert_array_equal(back.levels[1], inner)
    np.testing.assert_array_equal(back.values, nested.values)


def test_strings_without_offsets_are_found_by_their_lengths() -> None:
    data = np.frombuffer(b"\x02ab\x00\x01c", np.uint8)
    layout = Collection((Field("", "uint8"),), 0, text=True)
    back = layout.decode(data, None, 3, {}, "")[""]
    assert to_awkward(layout.columns[0], back).to_list() == ["ab", "", "c"]
    with pytest.raises(InputError):
        layout.decode(data, None, 2, {}, "")


def test_counts_make_up_for_missing_offsets() -> None:
    layout = Counted((Field("", "int16"),), "n")
    back = layout.decode(np.zeros(6, np.uint8), None, 2, {"n": np.array([1, 2])}, "")[""]
    assert back.levels[0].tolist() == [1, 2]
    with pytest.raises(InputError, match="counts of n are needed"):
        layout.decode(np.zeros(6, np.uint8), None, 2, {}, "")
    with pytest.raises(InputError):
        layout.decode(np.zeros(6, np.uint8), None, 2, {"n": np.array([1, 2**62])}, "")


def test_an_empty_string_may_take_no_byte_but_not_both() -> None:
    layout = Collection((Field("", "uint8"),), 0, text=True)
    data = np.frombuffer(b"\x01a", np.uint8)
    blank = fitted(layout, data, np.array([0, 0, 2]))
    assert round_trip(blank, Basket.of(data, np.array([0, 0, 2]), 2))
    both = np.frombuffer(b"\x01a\x00", np.uint8)
    assert not round_trip(blank, Basket.of(both, np.array([0, 0, 2, 3]), 3))


def test_runs_are_cut_and_joined() -> None:
    nested = Nested((np.array([2, 0, 1]), np.array([1, 3, 2])), np.arange(6))
    parts = [nested.cut(0, 1), nested.cut(1, 2), nested.cut(2, 3)]
    assert parts[2].values.tolist() == [4, 5]
    whole = Nested.concatenated(parts)
    assert [counts.tolist() for counts in whole.levels] == [[2, 0, 1], [1, 3, 2]]
    assert whole.values.tolist() == nested.values.tolist()


def test_elements_of_every_alignment() -> None:
    """Rows of 1, 2, 3, 4 and 8 bytes in vectors of vectors: the step between places divides all of them."""
    for width, unit in ((1, 1), (2, 2), (3, 1), (4, 4), (8, 4), (12, 4)):
        nesting = Nesting(2, False, width)
        assert nesting.unit == unit
        entry = np.array([1, 2], ">i4").tobytes() + bytes(2 * width)
        data = np.frombuffer(entry, np.uint8)
        levels, values = taken_apart(nesting, data, np.array([0, len(data)]), None, "")
        assert [counts.tolist() for counts in levels] == [[1], [2]]
        assert len(values) == 2 * width


def baskets_of(tree: Any, path: str) -> list[Basket]:
    """The baskets of a branch as they lie in the file."""
    branch = tree[path]
    assert not branch.embedded_baskets
    places = zip(branch.member("fBasketSeek"), branch.member("fBasketBytes"), strict=True)
    records = [tree.file.source.chunk(int(seek), int(seek + size)) for seek, size in places if seek]
    return [read_basket(bytes(record.raw_data)) for record in records]


def test_a_file_of_uproot(tmp_path: Path) -> None:
    """Every basket comes back, and the columns are what uproot reads."""
    rng = np.random.default_rng(4)
    columns = {
        "flag": rng.random(50) < 0.5,
        "x": rng.normal(size=(50, 3, 2)),
        "label": np.array([f"event {i}" * (i % 40) for i in range(50)]),
        "jet": ak.zip({"pt": ak.unflatten(rng.normal(size=90).astype("f4"), [1, 0, 5, 2, 1] * 10)}),
    }
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", {name: ak.type(ak.Array(array)).content for name, array in columns.items()})
        for start in (0, 20):
            stop = start + 20 if start == 0 else 50
            file["t"].extend({name: array[start:stop] for name, array in columns.items()})
    tree = uproot.open(tmp_path / "a.root")["t"]
    described = describe_tree(tree)
    assert set(described) == {"flag", "x", "label", "njet", "jet_pt"}
    for path, branch in described.items():
        layout = layout_of(branch)
        assert layout is not None
        baskets = baskets_of(tree, path)
        assert len(baskets) == 2
        layout = fitted(layout, baskets[0].data, baskets[0].offsets)
        assert all(round_trip(layout, basket) for basket in baskets)
        parts = [layout.decode(b.data, b.offsets, b.entries, {}, "")[""] for b in baskets]
        array = to_awkward(layout.columns[0], Nested.concatenated(parts))
        assert array.typestr == tree[path].array().typestr
        assert ak.array_equal(array, tree[path].array())
    assert described["jet_pt"].leaves[0].counter == "njet"
