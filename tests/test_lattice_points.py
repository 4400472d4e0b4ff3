"""Risk: a lattice whose points move. What each number means is written here once more, in plain Python, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from hepae import limits
from hepae.core.arithmetic import tabulated
from hepae.core.values.bounds import (
    EXACT,
    MANTISSA_BITS,
    Bound,
    accept,
    assign,
    bits_equal,
    error,
    feasible,
    limit,
    native,
    parse,
    parse_assignments,
    raw_bits,
)
from hepae.core.values.lattice import (
    KINDS,
    LARGEST_PLACE,
    Grid,
    Inserted,
    Integer,
    Lattice,
    Linear,
    Log,
    Pattern,
)
from hepae.errors import BoundError, CorruptionError, LimitError, ModelRejectedError

INT = np.int64


def q(*numbers: int) -> np.ndarray:
    return np.array(numbers, INT)


def f4(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def powers(first: float, base: float, top: int) -> Callable[[int], float]:
    """first * base**m as docs/format/v1.md 7.1 computes it, one rounding a step."""
    b = (max(top, 1).bit_length() + 1) // 2
    low = [1.0]
    while len(low) < 2**b:
        low.append(low[-1] * base)
    high, ratio = [first], low[-1] * base
    while len(high) <= top >> b:
        high.append(high[-1] * ratio)
    return lambda m: high[m >> b] * low[m % 2**b]


# grids


def test_points_of_a_linear_grid() -> None:
    grid = Linear(0.5)
    assert grid.points(q(-3, 0, 1, 7), np.dtype("f8")).tolist() == [-1.5, 0.0, 0.5, 3.5]
    assert grid.points(q(0, 0, 2), np.dtype("f4"), q(0, 63, 32)).tolist() == [
        -63 / 256,
        63 / 256,
        1 + 1 / 256,
    ]
    assert grid.points(q(1), np.dtype("f4")).dtype == np.float32


def test_numbers_of_a_linear_grid() -> None:
    grid = Linear(0.5)
    values = np.array([0.24, 0.26, -0.76, 1.25, 1.75, np.nan, np.inf, 1e300])
    assert grid.natural(values).tolist() == [0, 1, -2, 2, 4, 0, 0, 0]
    assert grid.natural(np.array([0.0, 0.0, 0.4]), q(0, 63, 63)).tolist() == [0, 0, 0]
    assert grid.natural(np.array([0.3, 0.3]), q(0, 63)).tolist() == [1, 0]
    # the last integers that float64 tells apart with room for rounding
    assert Linear(1.0).natural(np.array([2.0**52 - 1, 2.0**52, -(2.0**52) + 1, -(2.0**52)])).tolist() == [
        2**52 - 1, 0, -(2**52) + 1, 0,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "base", "top"),
    [(0.01, 1.002, 5000), (1.0, 1.5, 1), (2.0, 1.1, 0), (1.0, 1.25, 63), (1.0, 1.25, 64)],
)
def test_points_of_a_logarithmic_grid(first: float, base: float, top: int) -> None:
    grid, value = Log(first, base, top), powers(first, base, top)
    numbers = np.arange(-top - 3, top + 4)
    expected = [math.copysign(value(min(abs(n) - 1, top)), n) if n else 0.0 for n in numbers.tolist()]
    found = grid.points(numbers, np.dtype("f8"))
    assert found.tolist() == expected
    assert not np.signbit(found[top + 3])
    assert grid.points(numbers, np.dtype("f4")).tolist() == np.float32(expected).tolist()


def test_points_of_a_logarithmic_grid_with_dither() -> None:
    grid, value, root = Log(0.5, 1.21, 30), powers(0.5, 1.21, 30), 1.21
    for _ in range(7):
        root = math.sqrt(root)
    steps = [1.0]
    while len(steps) < 128:
        steps.append(steps[-1] * root)
    place = np.arange(64)
    for n in (1, 7, -3, 31, 0):
        expected = [value(max(abs(n) - 1, 0)) * (steps[2 * d] / steps[63]) * np.sign(n) for d in range(64)]
        assert grid.points(np.full(64, n), np.dtype("f8"), place).tolist() == expected


def test_numbers_of_a_logarithmic_grid() -> None:
    grid = Log(1.0, 2.0, 4)  # 1, 2, 4, 8, 16; R = 1/3, so that the cell of v is [3v/4, 3v/2]
    values = [0.0, -0.0, 0.74, 0.76, 1.49, 1.51, -2.9, -3.1, 11.9, 12.1, 23.9, 24.1, np.nan]
    assert grid.natural(np.array(values)).tolist() == [0, 0, 1, 1, 1, 2, -2, -3, 4, 5, 5, 0, 0]
    # below the first cell: what is less than a step below the first point is still its own
    assert grid.natural(np.array([0.54, 0.52, -0.54, 5e-324])).tolist() == [1, 0, -1, 0]
    # dither moves the cell: by -63/128 of a step with place 0, by 63/128 with place 63
    assert grid.natural(np.array([1.1, 1.1]), q(0, 63)).tolist() == [2, 1]
    assert Log(2.0, 2.0, 4).natural(np.array([2.0, 4.1, 32.0])).tolist() == [1, 2, 5]


@pytest.mark.parametrize(("dtype", "one"), [("f2", 0x3C00), ("f4", 0x3F800000), ("f8", 0x3FF0000000000000)])
def test_points_and_numbers_of_a_pattern_grid(dtype: str, one: int) -> None:
    kind = np.dtype(dtype)
    width = 8 * kind.itemsize
    values = np.array([1.0, -1.0, 0.0, -0.0], kind)
    assert Pattern(0).natural(values).tolist() == [one, -1 - one, 0, -1]
    assert raw_bits(Pattern(0).points(Pattern(0).natural(values), kind)).tolist() == raw_bits(values).tolist()
    assert Pattern(4).natural(values).tolist() == [one >> 4, -1 - (one >> 4), 0, -1]
    near = np.array([one + 7, one + 8, one + 23, one + 24], f"u{kind.itemsize}").view(kind)
    assert (Pattern(4).natural(near) - (one >> 4)).tolist() == [0, 1, 1, 2]
    assert raw_bits(Pattern(4).points(q(3, -4), kind)).tolist() == [48, 48 | 1 << (width - 1)]
    assert Pattern(4).points(q(3), kind).dtype == kind


def test_integers_wrap_and_come_back() -> None:
    for dtype, values in (("u8", [0, 2**63, 2**64 - 1]), ("i8", [-(2**63), 2**63 - 1]), ("?", [False, True])):
        column = np.array(values, dtype)
        back = Integer().points(Integer().natural(column), column.dtype)
        assert back.dtype == column.dtype
        assert back.tolist() == values


# lattices

NAN = 0x7FC00000
MIXED = Lattice(
    "float32", Linear(1.0), (Inserted(-3), Inserted(2, NAN), Inserted(2, 0x7F800000), Inserted(5, 0x80000000))
)


def test_inserted_points_move_what_comes_after_them() -> None:
    values = f4(-5, -4, -3, -2, 1, np.nan, np.inf, 2, 3, 4, -0.0, 5, 6, 0.4)
    numbers, escaped = MIXED.to_integers(values, parse("abs:0.1"))
    assert numbers.tolist() == [-5, -4, -2, -1, 2, 3, 4, 5, 6, 7, 8, 9, 10, -3]
    assert escaped.tolist() == raw_bits(f4(0.4)).tolist()
    assert MIXED.escape == -3
    assert bits_equal(values, MIXED.to_values(numbers, escaped)).all()
    assert MIXED.centres(numbers).tolist() == [-5, -4, -3, -2, 1, 2, 2, 2, 3, 4, 0, 5, 6, -3]


def test_whole_ranges_and_scattered_integers_are_read_alike() -> None:
    dense = np.tile(np.arange(-8, 14), 3)
    dense = dense[dense != MIXED.escape]
    scattered = np.concatenate([dense, q(10**12, -(10**12))])
    none = np.zeros(0, np.uint32)
    read = MIXED.to_values(scattered, none)
    assert bits_equal(MIXED.to_values(dense, none), read[:-2]).all()
    assert read[-2:].tolist() == f4(10**12 - 4, -(10**12)).tolist()
    assert MIXED.centres(dense).tolist() == MIXED.centres(scattered)[:-2].tolist()
    for size in (1, 2, 3):  # a range as long as the column, one shorter, one longer
        column = np.arange(20, 20 + size)
        assert MIXED.to_values(column, none).tolist() == (column - 4).tolist()
        assert MIXED.to_values(np.array([20, 20 + size]), none).tolist() == [16, 16 + size]
    assert MIXED.to_values(none.astype(INT), none).tolist() == []
    assert MIXED.centres(none.astype(INT)).tolist() == []


def test_tables_are_forgotten_oldest_first_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabulated, "MOST_BYTES", 1)  # room for the latest alone
    lattices = [Lattice("float32", Linear(step), (Inserted(-(10**6)),)) for step in (0.5, 0.25)]
    column, none = np.arange(64), np.zeros(0, np.uint32)
    for lattice in (*lattices, *lattices):
        assert lattice.to_values(column, none).tolist() == (lattice.grid.step * (column - 1)).tolist()
        assert [name for name, *_ in tabulated._tables] == [(lattice, "values")]


def test_escapes_keep_their_order_and_their_bits() -> None:
    values = f4(0.5, 1, 0.25, np.nan, 2, -np.inf)
    lattice = Lattice("float32", Linear(1.0), (Inserted(0),))
    numbers, escaped = lattice.to_integers(values, parse("abs:0.1"))
    assert numbers.tolist() == [0, 2, 0, 0, 3, 0]
    assert escaped.dtype == np.uint32
    assert escaped.tolist() == raw_bits(values[[0, 2, 3, 5]]).tolist()
    assert bits_equal(lattice.to_values(numbers, escaped), values).all()
    assert lattice.centres(numbers).tolist() == [0, 1, 0, 0, 2, 0]
    with pytest.raises(CorruptionError, match="expected 2, got 4"):
        lattice.to_values(numbers[[5, 1, 0]], escaped)
    kept, none = lattice.to_integers(values[[1, 4]], parse("abs:0.1"))
    assert kept.tolist() == [2, 3]
    assert none.dtype == np.uint32
    assert len(none) == 0
    for wrong in (escaped[:-1], np.append(escaped, escaped[:1])):
        with pytest.raises(CorruptionError, match="escapes and escaped values differ"):
            lattice.to_values(numbers, wrong)


def test_a_lattice_without_escape_holds_its_dtype_or_says_so() -> None:
    whole = Lattice("float32", Pattern(0))
    assert whole.escape is None
    values = f4(np.nan, -0.0, 1e-42, -np.inf)
    assert bits_equal(whole.to_values(*whole.to_integers(values, EXACT)), values).all()
    with pytest.raises(CorruptionError, match="does not hold its dtype"):
        Lattice("float32", Linear(1.0)).to_integers(f4(0.5), parse("abs:0.1"))
    with pytest.raises(CorruptionError, match="expected 0, got 1"):
        whole.to_values(q(1), np.zeros(1, np.uint32))


def test_centres_are_finite_where_points_are_not() -> None:
    lattice = Lattice("float32", Linear(1e30), (Inserted(0, NAN),))
    # 10**12 steps of 1e30 are infinite in float32; NaN stands in the place of the point 0
    assert lattice.centres(q(0, 1, 2, 10**12, -(10**12))).tolist() == [
        0.0,
        0.0,
        float(np.float32(1e30)),
        0.0,
        0.0,
    ]
    assert Lattice("float64", Linear(0.5), (Inserted(3),)).centres(q(2, 3, 4, 5)).tolist() == [
        1.0,
        1.5,
        1.5,
        2.0,
    ]


def test_dither_moves_grid_points_and_nothing_else() -> None:
    lattice = Lattice("float32", Linear(1.0), (Inserted(0), Inserted(0, NAN)))
    place = q(0, 63, 5, 63)
    values = f4(3, 4, np.nan, 1e-3)
    numbers, escaped = lattice.to_integers(values, parse("abs:0.51"), place)
    back = lattice.to_values(numbers, escaped, place)
    assert back[:2].tolist() == [3 + 65 / 128 - 1 if numbers[0] == 5 else 3 - 63 / 128 + 1, 4 + 63 / 128]
    assert bits_equal(back[2:3], values[2:3]).all()
    assert accept(values, back, parse("abs:0.51")).all()


@pytest.mark.parametrize(
    ("dtype", "grid", "inserted"),
    [
        ("float33", Linear(1.0), ()),
        ("int8", Linear(1.0), ()),
        ("bool", Pattern(0), ()),
        ("float32", Integer(), ()),
        ("float32", Linear(0.0), ()),
        ("float32", Linear(-1.0), ()),
        ("float32", Linear(math.inf), ()),
        ("float32", Linear(math.nan), ()),
        ("float32", Log(0.0, 2.0, 1), ()),
        ("float32", Log(math.inf, 2.0, 1), ()),
        ("float32", Log(1.0, 1.0, 1), ()),
        ("float32", Log(1.0, math.inf, 1), ()),
        ("float32", Log(1.0, 2.0, -1), ()),
        ("float32", Pattern(-1), ()),
        ("float32", Pattern(24), ()),
        ("float16", Pattern(11), ()),
        ("float32", Linear(1.0), (Inserted(1), Inserted(0, 1))),
        ("float32", Linear(1.0), (Inserted(0), Inserted(0))),
        ("float32", Linear(1.0), (Inserted(0, -1),)),
        ("float32", Linear(1.0), (Inserted(0, 1 << 32),)),
        ("float16", Linear(1.0), (Inserted(0, 1 << 16),)),
        ("float32", Linear(1.0), (Inserted(LARGEST_PLACE + 1, 1),)),
        ("float32", Linear(1.0), (Inserted(-LARGEST_PLACE - 1, 1),)),
    ],
)
def test_lattices_that_cannot_be_are_refused(dtype: str, grid: Grid, inserted: tuple[Inserted, ...]) -> None:
    with pytest.raises(ModelRejectedError):
        Lattice(dtype, grid, inserted)


def test_lattices_at_the_limits_are_not() -> None:
    many = tuple(Inserted(n, n) for n in range(limits.MAX_INSERTED_POINTS))
    Lattice("float32", Linear(5e-324), many)
    Lattice("float32", Log(5e-324, 1.0 + 2**-52, 0))
    Lattice("float32", Pattern(23), (Inserted(LARGEST_PLACE, (1 << 32) - 1),))
    Lattice("float64", Pattern(52), (Inserted(-LARGEST_PLACE, 0), Inserted(0)))
    with pytest.raises(LimitError, match="inserted points"):
        Lattice("float32", Linear(1.0), (*many, Inserted(100, 1)))
    assert LARGEST_PLACE == 2**62
    assert set(KINDS.values()) == {("float", s) for s in (2, 4, 8)} | {("integer", s) for s in (1, 2, 4, 8)}
    assert all(np.dtype(name).itemsize == size for name, (_, size) in KINDS.items())
    assert len(KINDS) == 12


def test_tables_of_a_logarithmic_grid_have_a_limit() -> None:
    largest = (1 << 40) - 1
    points = Log(1.0, 1.0 + 2**-40, largest).points(q(1, 2), np.dtype("f8"))
    assert points.tolist() == [1.0, 1.0 + 2**-40]
    with pytest.raises(LimitError, match="log lattice"):
        Log(1.0, 1.0 + 2**-40, largest + 1).points(q(1), np.dtype("f8"))


def test_tables_cannot_be_changed_and_overflow_quietly() -> None:
    from hepae.core.values.lattice import _powers, _roots

    for table in (*_powers(1.0, 1.5, 100), _roots(1.5)):
        assert not table.flags.writeable
    assert np.isinf(Log(1.0, 1e10, 100).points(q(101), np.dtype("f8"))[0])
    assert len(_roots(2.0)) == 64


# bounds


def test_limits_and_errors_are_exact() -> None:
    stored, restored = np.array([2.0, -4.0, 0.0, np.inf]), np.array([2.5, -3.0, 0.0, np.inf])
    assert error(stored, restored)[:3].tolist() == [0.5, 1.0, 0.0]
    assert np.isnan(error(stored, restored)[3])
    assert limit(stored, Bound("abs", 0.25)).tolist() == [0.25] * 4
    assert limit(stored, Bound("rel", 0.25)).tolist() == [0.5, 1.0, 0.0, np.inf]
    assert limit(stored, Bound("bits", 3)).tolist() == [0.125, 0.25, 0.0, np.inf]
    assert (Bound("bits", 3).relative, Bound("rel", 0.25).relative) == (2**-4, 0.25)
    assert MANTISSA_BITS == {"float16": 10, "float32": 23, "float64": 52}


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "u1", "?"])
def test_bits_do_not_depend_on_the_order_of_bytes(dtype: str) -> None:
    values = np.array([0, 1, 1, 0], dtype)
    for other in (values.astype(values.dtype.newbyteorder()), np.repeat(values, 2)[::2]):
        assert raw_bits(other).tolist() == raw_bits(values).tolist()
        assert raw_bits(other).dtype == np.dtype(f"u{values.dtype.itemsize}")
        assert native(other).dtype.isnative
        assert bits_equal(values, other).all()
    assert np.shares_memory(native(values), values)


def test_drift_is_taken_off_the_limit_of_each_value() -> None:
    stored, restored = np.array([1.0, 1.0, 1.0]), np.array([1.25, 1.25, 1.0])
    drift = np.array([0.25, 0.3, 9.0])
    assert accept(stored, restored, Bound("abs", 0.5), drift).tolist() == [True, False, True]


def test_a_bound_is_written_as_it_is_parsed() -> None:
    assert [str(b) for b in (EXACT, Bound("abs", 1e-3), Bound("rel", 0.5), Bound("bits", 9))] == [
        "exact", "abs:0.001", "rel:0.5", "bits:9",
    ]  # fmt: skip
    assert Bound("exact", 0.0) == EXACT
    assert parse("bits:1") == Bound("bits", 1)
    assert parse("bits:52") == Bound("bits", 52)
    assert parse("rel:0.5").size == 0.5
    assert parse("abs:7").kind == "abs"
    for text in ("rel:0.5000001", "bits:0", "bits:53", "bits:2.5", "exact:0", "rel", "bit:3"):
        with pytest.raises(BoundError):
            parse(text)


def test_names_may_stand_between_commas_and_blanks() -> None:
    assert parse_assignments([" pt , ,eta,=abs:1", "a=b=exact"]) == [
        ("pt", Bound("abs", 1)), ("eta", Bound("abs", 1)), ("a=b", EXACT),
    ]  # fmt: skip
    assert parse_assignments(["?=abs:1", "*?,[ab]=exact"])[0] == ("?", Bound("abs", 1))
    for text in ("abs:1", "=abs:1", " =abs:1", ",,=abs:1"):
        with pytest.raises(BoundError):
            parse_assignments([text])


def test_bounds_are_assigned_by_pattern() -> None:
    features = [("pt", "Jet_pt", "float32"), ("n", "Jet_n", "int8"), ("x", "Jet_x", "float16")]
    loose = Bound("abs", 1.0)
    for wild in ("*", "Jet_*", "[pn]*", "?*"):
        found = assign([(wild, loose)], features)
        assert found["n"] == EXACT
        assert found["pt"] == loose
    assert assign([("n", EXACT)], features)["n"] == EXACT
    assert assign([("x", Bound("bits", 10))], features)["x"] == EXACT
    assert assign([("x", Bound("bits", 9))], features)["x"] == Bound("bits", 9)
    with pytest.raises(BoundError, match=r"Jet_x.*at most bits:10"):
        assign([("x", Bound("bits", 11))], features)
    with pytest.raises(BoundError, match="file"):
        assign([("y", loose)], features, "file")
    with pytest.raises(BoundError, match="exactly"):
        assign([("Jet_n", loose)], features)
    assert feasible(Bound("abs", 1.0), "int32") == Bound("abs", 1.0)


def test_bounds_and_lattices_have_one_json() -> None:
    texts = {
        b'{"kind":"abs","size":0.5}': Bound("abs", 0.5),
        b'{"kind":"rel","size":0.5}': Bound("rel", 0.5),
        b'{"kind":"bits","size":9}': Bound("bits", 9),
        b'{"kind":"exact"}': EXACT,
        b'{"type":"linear","step":0.5}': Linear(0.5),
        b'{"type":"log","first":1,"base":2,"top":3}': Log(1.0, 2.0, 3),
        b'{"type":"pattern","shift":13}': Pattern(13),
        b'{"type":"integer"}': Integer(),
    }
    for text, meant in texts.items():
        kind = Grid if b"type" in text else Bound
        assert msgspec.json.decode(text, type=kind) == meant
        assert msgspec.json.decode(msgspec.json.encode(meant), type=kind) == meant
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text.replace(b"}", b',"more":1}'), type=kind)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"kind":"other","size":0.5}', type=Bound)
