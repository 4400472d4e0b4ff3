"""Risk: a prediction that lands on another lattice point than the reader's. What `nearest` gives, written by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hepae.core.values.lattice import EXACT_INTEGERS, Inserted, Integer, Lattice, Linear, Log, Pattern

NAN, INF = math.nan, math.inf
LOG = Log(0.5, 1.5, 9)


def nearest(lattice: Lattice, *values: float) -> list[int]:
    return [int(n) for n in lattice.nearest(np.array(values, np.float64))]


def test_linear_points_are_rounded_to_and_what_is_far_away_stays_exact() -> None:
    lattice = Lattice("float32", Linear(0.5))
    assert nearest(lattice, 0.0, 0.2, 0.3, -0.7, 0.75, 1.25) == [0, 0, 1, -1, 2, 2]  # ties to even
    assert nearest(lattice, INF, -INF, NAN, 1e300) == [
        EXACT_INTEGERS,
        -EXACT_INTEGERS,
        EXACT_INTEGERS,
        EXACT_INTEGERS,
    ]


def test_points_of_a_geometric_progression_are_their_own_nearest() -> None:
    lattice = Lattice("float64", LOG)
    numbers = np.arange(-10, 11)
    assert nearest(lattice, *LOG.points(numbers, np.dtype("float64"))) == numbers.tolist()


def test_between_two_points_of_a_geometric_progression_the_logarithm_decides() -> None:
    lattice = Lattice("float64", LOG)
    middle = 0.5 * 1.5**2.5
    assert nearest(lattice, 0.999 * middle, 1.001 * middle, -1.001 * middle) == [3, 4, -4]
    assert nearest(lattice, INF, -INF, 1e30, 0.0, -0.0, 1e-30) == [10, -10, 10, 0, 0, 0]
    assert nearest(lattice, 0.5 * 1.5**-0.4, 0.5 * 1.5**-0.6) == [1, 0]  # half a step below the first


@pytest.mark.parametrize("shift", [0, 13])
def test_bit_patterns_are_rounded_to_and_what_is_not_finite_is_zero(shift: int) -> None:
    lattice = Lattice("float32", Pattern(shift))
    one = int(np.float32(1.0).view(np.uint32)) >> shift
    assert nearest(lattice, 0.0, 1.0, -1.0, NAN, INF, -INF) == [0, one, -1 - one, 0, 0, 0]
    cell = 2.0 ** (shift - 23)
    assert nearest(lattice, 1.0 + 0.4 * cell, 1.0 + 0.6 * cell) == [one, one + 1]
    largest = float(np.finfo(np.float32).max)
    assert nearest(lattice, 1e300, -1e300) == nearest(lattice, largest, -largest)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("bool", 0, 1), ("int8", -128, 127), ("uint16", 0, 65535), ("int64", -EXACT_INTEGERS, EXACT_INTEGERS)],
)
def test_integers_are_rounded_to_and_stay_within_their_dtype(dtype: str, low: int, high: int) -> None:
    lattice = Lattice(dtype, Integer())
    assert nearest(lattice, 0.4, 0.6, NAN, INF, -INF) == [0, 1, 0, 0, 0]
    assert nearest(lattice, 1e30, -1e30) == [high, low]


def test_inserted_points_move_what_follows_them() -> None:
    bits = int(np.float32(-999.0).view(np.uint32))
    lattice = Lattice("float32", Linear(1.0), (Inserted(-3, bits), Inserted(0), Inserted(0, 0)))
    assert nearest(lattice, -4.0, -3.0, -1.0, 0.0, 5.0) == [-4, -2, 0, 3, 8]
