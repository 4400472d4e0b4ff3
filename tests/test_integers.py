"""Risk: a column of integers that does not come back, or damaged bytes that crash or pass."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from hepae.core.coding.integers import DICTIONARY, MOST_DISTINCT, pack, unpack, unpack_narrow
from hepae.core.coding.varint import varint
from hepae.errors import CorruptionError

WIDE = st.integers(-(2**63), 2**63 - 1)
NARROW = st.integers(-3, 3)


@given(stn.arrays(np.int64, st.integers(0, 300), elements=WIDE | NARROW))
def test_any_column_comes_back(q: np.ndarray) -> None:
    restored = unpack(pack(q), len(q))
    assert restored.dtype == np.int64
    np.testing.assert_array_equal(restored, q)


@pytest.mark.parametrize(
    ("edge", "width"),
    [
        (2**15 - 1, 2),
        (2**15, 4),
        (-(2**15), 2),
        (-(2**15) - 1, 4),
        (2**31 - 1, 4),
        (2**31, 8),
        (-(2**31), 4),
        (-(2**31) - 1, 8),
    ],
)
def test_edges_of_the_narrow_types_come_back(edge: int, width: int) -> None:
    q = np.array([0, edge, 1, edge], np.int64)
    np.testing.assert_array_equal(unpack(pack(q), 4), q)
    np.testing.assert_array_equal(unpack_narrow(pack(q), 4), q)
    assert unpack_narrow(pack(q), 4).itemsize == width


def test_a_constant_column_costs_hardly_a_byte() -> None:
    assert len(pack(np.full(100_000, 12345))) == 4
    assert len(pack(np.full(100_000, -1))) == 2
    assert len(pack(np.empty(0, np.int64))) == 1


def test_distant_values_that_repeat_take_a_dictionary() -> None:
    rng = np.random.default_rng(2)
    values = np.sort(rng.integers(-(2**62), 2**62, 30))
    q = values[rng.integers(0, 30, 2000)]
    np.testing.assert_array_equal(unpack(pack(q), len(q)), q)
    assert len(pack(q)) < 2000 * 5 / 8 + 30 * 8 + 60
    block = bytearray(pack(q))
    assert block[0] == DICTIONARY
    with pytest.raises(CorruptionError):
        unpack(bytes(block[:1]) + varint(2) + varint(MOST_DISTINCT + 1) + bytes(block[3:]), len(q))


def test_more_than_a_page_keeps_the_frame_of_pcodec(monkeypatch: pytest.MonkeyPatch) -> None:
    q = np.random.default_rng(3).integers(-(2**40), 2**40, 5000)
    alone = pack(q)
    monkeypatch.setattr("hepae.core.coding.integers.PAGE", 2000)
    paged = pack(q)
    assert (alone[0], paged[0]) == (4, 7)
    np.testing.assert_array_equal(unpack(paged, len(q)), q)
    for n in (4999, 5001):
        with pytest.raises(CorruptionError):
            unpack(paged, n)


def test_the_high_half_of_the_first_byte_is_the_callers() -> None:
    block = pack(np.arange(10))
    assert block[0] < 16
    assert unpack(bytes([block[0] | 0x50]) + block[1:], 10).tolist() == list(range(10))


def test_overhead_over_the_entropy_is_small() -> None:
    q = np.rint(np.random.default_rng(1).normal(0, 40, 40_000)).astype(np.int64)
    share = np.unique(q, return_counts=True)[1] / len(q)
    ideal = -np.sum(share * np.log2(share)) * len(q) / 8
    assert len(pack(q)) < 1.01 * ideal


@pytest.mark.parametrize("n", [0, 9, 11])
def test_another_number_of_integers_is_refused(n: int) -> None:
    with pytest.raises(CorruptionError):
        unpack(pack(np.arange(10)), n)


@given(st.binary(max_size=80))
def test_foreign_bytes_are_refused_or_decode(block: bytes) -> None:
    with contextlib.suppress(CorruptionError):
        assert len(unpack(block, 7)) == 7


@given(st.data())
def test_damaged_blocks_never_crash(data: st.DataObject) -> None:
    q = np.arange(200, dtype=np.int64) ** 2 % 37
    block = bytearray(pack(q))
    place = data.draw(st.integers(0, len(block) - 1))
    block[place] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(CorruptionError):
        assert len(unpack(bytes(block[: data.draw(st.integers(place, len(block)))]), 200)) == 200
