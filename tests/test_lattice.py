"""Risk: an integer that restores a value out of its bound, or a value that the lattice loses."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepae.core.values.bounds import Bound, accept, bits_equal, parse
from hepae.core.values.dither import places
from hepae.core.values.lattice import Inserted, Integer, Lattice, Linear, Log, Pattern
from hepae.core.values.lattice_fit import fit_lattice, require_feasible
from hepae.errors import BoundError, CorruptionError
from hepae.testing.strategies import bounds, float_columns, integer_columns


def restored(lattice: Lattice, values: np.ndarray, bound: Bound) -> np.ndarray:
    return lattice.to_values(*lattice.to_integers(values, bound))


@given(float_columns(), bounds())
def test_every_float_is_restored_within_its_bound(values: np.ndarray, bound: Bound) -> None:
    assert accept(values, restored(fit_lattice(values, bound), values, bound), bound).all()


@given(float_columns(("float32",)), float_columns(("float32",)), bounds())
def test_the_bound_holds_on_data_the_lattice_was_not_fitted_to(
    seen: np.ndarray, foreign: np.ndarray, bound: Bound
) -> None:
    lattice = fit_lattice(seen, bound)
    assert accept(foreign, restored(lattice, foreign, bound), bound).all()


@given(integer_columns())
def test_integers_and_booleans_are_exact(values: np.ndarray) -> None:
    bound = parse("exact")
    back = restored(fit_lattice(values, bound), values, bound)
    assert back.dtype == values.dtype
    assert np.array_equal(back, values)


@given(float_columns())
def test_exact_floats_are_restored_bit_for_bit(values: np.ndarray) -> None:
    bound = parse("exact")
    assert bits_equal(values, restored(fit_lattice(values, bound), values, bound)).all()


@given(float_columns(("float32",)), bounds())
def test_a_lattice_survives_json(values: np.ndarray, bound: Bound) -> None:
    lattice = fit_lattice(values, bound)
    assert msgspec.json.decode(msgspec.json.encode(lattice), type=Lattice) == lattice


@given(float_columns(("float32",)), bounds())
def test_centres_are_finite_and_are_the_restored_values(values: np.ndarray, bound: Bound) -> None:
    lattice = fit_lattice(values, bound)
    q, escaped = lattice.to_integers(values, bound)
    centres, back = lattice.centres(q), lattice.to_values(q, escaped)
    assert np.isfinite(centres).all()
    plain = np.isfinite(back) & (q != (lattice.escape if lattice.escape is not None else -(2**62)))
    assert np.array_equal(centres[plain], back[plain].astype(np.float64))


@given(st.integers(-5000, 5000), st.sampled_from([-1, 0, 1]), st.sampled_from(["float32", "float64"]))
def test_edges_of_a_cell_and_their_neighbours_are_within_the_bound(n: int, ulps: int, dtype: str) -> None:
    bound = parse("abs:1e-3")
    edge = np.array([(n + 0.5) * 2e-3, n * 2e-3, (n + 0.5) * 2e-3 * (1 - 2.0**-10)], dtype)
    values = edge if ulps == 0 else np.nextafter(edge, np.array(np.inf * ulps, dtype))
    lattice = fit_lattice(values, bound)
    assert accept(values, restored(lattice, values, bound), bound).all()


def test_a_relative_cell_is_used_to_its_edges() -> None:
    bound = parse("rel:0.1")
    values = np.geomspace(1, 1e4, 100_000)
    lattice = fit_lattice(values, bound)
    q, escaped = lattice.to_integers(values, bound)
    assert len(escaped) == 0
    worst = np.abs(lattice.to_values(q, escaped) / values - 1).max()
    assert 0.0995 < worst <= 0.1


@pytest.mark.parametrize(
    ("bound", "grid"), [("abs:1e-3", Linear), ("rel:1e-3", Log), ("bits:9", Log), ("exact", Pattern)]
)
def test_each_bound_has_its_grid(bound: str, grid: type) -> None:
    values = np.random.default_rng(1).exponential(50, 1000).astype(np.float32)
    assert isinstance(fit_lattice(values, parse(bound)).grid, grid)


def test_rounded_mantissas_are_found_and_kept_exactly_where_the_bound_is_finer() -> None:
    values = np.random.default_rng(1).exponential(50, 1000).astype(np.float32)
    short = (values.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
    assert fit_lattice(short, parse("exact")).grid == Pattern(13)
    assert fit_lattice(short, parse("rel:1e-5")).grid == Pattern(13)
    assert isinstance(fit_lattice(short, parse("rel:1e-2")).grid, Log)


@pytest.mark.parametrize("special", [-999.0, -99.0, np.nan, np.inf, -np.inf, -0.0])
@pytest.mark.parametrize("bound", ["abs:1e-3", "rel:1e-3", "bits:7"])
def test_frequent_exact_values_are_points_of_their_own(special: float, bound: str) -> None:
    values = np.random.default_rng(2).normal(3, 1, 1000).astype(np.float32)
    values[::10] = special
    lattice = fit_lattice(values, parse(bound))
    q, escaped = lattice.to_integers(values, parse(bound))
    assert bits_equal(values[::10], lattice.to_values(q, escaped)[::10]).all()
    assert len(escaped) < 10


def test_inserted_points_keep_the_integers_apart() -> None:
    lattice = Lattice(
        "float32", Linear(1.0), (Inserted(-3), Inserted(2, 0x7FC00000), Inserted(2, 0x7F800000))
    )
    values = np.array([-5, -3, 1, 2, 3, np.nan, np.inf, 0.7], np.float32)
    q, escaped = lattice.to_integers(values, parse("abs:1e-3"))
    assert len(set(q.tolist())) == len(values)
    assert bits_equal(values, lattice.to_values(q, escaped)).all()
    assert len(escaped) == 1


def test_escapes_that_do_not_match_are_corruption() -> None:
    lattice = Lattice("float32", Linear(1.0), (Inserted(0),))
    with pytest.raises(CorruptionError, match="expected 1, got 0"):
        lattice.to_values(np.array([0]), np.empty(0, np.uint32))
    with pytest.raises(CorruptionError, match="expected 0, got 1"):
        lattice.to_values(np.array([5]), np.zeros(1, np.uint32))


@pytest.mark.parametrize(("text", "smallest"), [("abs:1e-300", "abs:"), ("rel:1e-9", "rel:5.96e-08")])
def test_a_bound_finer_than_the_dtype_names_the_smallest_feasible(text: str, smallest: str) -> None:
    values = np.random.default_rng(3).normal(1e6, 1, 100).astype(np.float32)
    with pytest.raises(BoundError, match=f"Jet_pt.*at least {smallest}"):
        require_feasible(values, parse(text), "Jet_pt")
    require_feasible(values, parse("rel:1e-7"), "Jet_pt")


def test_integers_out_of_range_do_not_break_reading() -> None:
    q = np.array([-(2**62), -1, 0, 1, 2**62])
    for grid in (Linear(0.5), Log(1.0, 1.001, 5000), Pattern(3), Integer()):
        lattice = Lattice("float32", grid) if not isinstance(grid, Integer) else Lattice("int64", grid)
        assert np.isfinite(lattice.centres(q)).all()


@given(float_columns(), bounds(), st.integers(0, 100), st.booleans())
def test_the_bound_holds_with_dither(values: np.ndarray, bound: Bound, stream: int, fitted: bool) -> None:
    lattice, place = fit_lattice(values, bound, dither=fitted), places(len(values), stream)
    back = lattice.to_values(*lattice.to_integers(values, bound, place), place)
    assert accept(values, back, bound).all()


@pytest.mark.parametrize(("text", "of_cell"), [("abs:1e-2", "linear"), ("rel:1e-2", "logarithm")])
def test_dither_fills_cells_evenly_and_escapes_no_more(text: str, of_cell: str) -> None:
    bound = parse(text)
    values = np.random.default_rng(4).exponential(50, 50_000).astype(np.float32)
    lattice, place = fit_lattice(values, bound), places(len(values), 1)
    q, escaped = lattice.to_integers(values, bound, place)
    back = lattice.to_values(q, escaped, place).astype(np.float64)
    steps = back / lattice.grid.step if of_cell == "linear" else np.log(back) / np.log(lattice.grid.base)
    share = np.histogram(steps % 1, 16, (0, 1))[0] / len(values)
    assert np.abs(share - 1 / 16).max() < 0.01
    assert len(escaped) <= 5


def test_a_constant_column_and_an_empty_one() -> None:
    for values in (np.zeros(0, np.float32), np.full(100, 7.5, np.float32), np.full(5, np.nan, np.float32)):
        for bound in ("abs:1e-3", "rel:1e-3", "exact"):
            back = restored(fit_lattice(values, parse(bound)), values, parse(bound))
            assert accept(values, back, parse(bound)).all()


@pytest.mark.parametrize("bound", ["abs:1e-3", "rel:1e-3", "bits:9", "exact"])
def test_what_is_no_number_does_not_move_the_grid(bound: str) -> None:
    values = np.random.default_rng(5).exponential(50, 4000).astype(np.float32)
    spoilt = np.insert(values, np.arange(0, 4000, 7), np.resize(np.float32([np.nan, np.inf, -np.inf]), 572))
    assert fit_lattice(spoilt, parse(bound)).grid == fit_lattice(values, parse(bound)).grid
