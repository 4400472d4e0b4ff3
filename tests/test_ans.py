"""Tabled ANS: every symbol comes back, for any tables, and damage is an error."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepae.core.coding import ans
from hepae.core.coding.ans import PRECISION, STATES, Decoder, Tables, encode, read_bits, write_bits
from hepae.errors import CorruptionError, ModelRejectedError


def random_tables(rng: np.random.Generator, tables: int, symbols: int, concentration: float) -> Tables:
    shares = rng.dirichlet(np.full(symbols, concentration), tables)
    frequencies = np.floor(shares * (STATES - symbols)).astype(np.int64) + (
        rng.random((tables, symbols)) < 0.7
    )
    frequencies[np.arange(tables), frequencies.argmax(1)] += STATES - frequencies.sum(1)
    return Tables(frequencies)


def random_symbols(rng: np.random.Generator, tables: Tables, n: int) -> tuple[np.ndarray, np.ndarray]:
    table = rng.integers(0, tables.n_tables, n)
    slot = rng.integers(0, STATES, n)
    ends = np.cumsum(tables.frequencies, axis=1)
    return table, (slot[:, None] >= ends[table]).sum(1)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    tables=st.integers(1, 5),
    symbols=st.integers(1, 200),
    concentration=st.sampled_from([0.01, 0.3, 10.0]),
    pieces=st.lists(st.integers(0, 300), min_size=1, max_size=4),
    lanes=st.integers(1, 64),
)
def test_symbols_and_hidden_bits_come_back(
    seed: int, tables: int, symbols: int, concentration: float, pieces: list[int], lanes: int
) -> None:
    rng = np.random.default_rng(seed)
    coding = random_tables(rng, tables, symbols, concentration)
    segments = [random_symbols(rng, coding, n) for n in pieces]
    hidden = rng.integers(0, STATES, lanes)
    decoder = Decoder(coding, encode(coding, segments, lanes, hidden), lanes)
    for table, symbol in segments:
        np.testing.assert_array_equal(decoder.take(table), symbol)
    np.testing.assert_array_equal(decoder.finish(), hidden)


def test_size_is_within_a_thousandth_of_the_entropy() -> None:
    rng = np.random.default_rng(5)
    coding = random_tables(rng, 16, 60, 0.4)
    table, symbol = random_symbols(rng, coding, 100_000)
    ideal = -np.log2(coding.frequencies[table, symbol] / STATES).sum()
    lanes = 256
    coded = 8 * len(encode(coding, [(table, symbol)], lanes)) - PRECISION * lanes
    assert coded < 1.001 * ideal


@pytest.mark.parametrize("cut", [1, 7, 40])
def test_truncation_is_detected(cut: int) -> None:
    rng = np.random.default_rng(6)
    coding = random_tables(rng, 2, 20, 1.0)
    table, symbol = random_symbols(rng, coding, 500)
    data = encode(coding, [(table, symbol)], 8)
    with pytest.raises(CorruptionError, match="ends too early"):
        Decoder(coding, data[:-cut], 8).take(table)


def test_bits_that_are_not_there_are_refused() -> None:
    widths = np.array([3, 9])
    assert read_bits(bytes(2), widths).tolist() == [0, 0]
    with pytest.raises(CorruptionError, match="ends too early"):
        read_bits(bytes(2), widths, 5)


def test_bytes_left_over_are_detected() -> None:
    coding = Tables(np.array([[STATES // 2, STATES // 2]]))
    symbols = np.array([0, 1, 1])
    table = np.zeros(3, np.int64)
    decoder = Decoder(coding, encode(coding, [(table, symbols)], 1) + b"\0", 1)
    decoder.take(table)
    with pytest.raises(CorruptionError, match="too long"):
        decoder.finish()


def test_a_damaged_stream_never_leaves_the_tables() -> None:
    rng = np.random.default_rng(7)
    coding = random_tables(rng, 3, 50, 0.3)
    table, symbol = random_symbols(rng, coding, 400)
    data = bytearray(encode(coding, [(table, symbol)], 16))
    for _ in range(200):
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        try:
            found = Decoder(coding, bytes(data), 16).take(table)
        except CorruptionError:
            continue
        assert 0 <= found.min() <= found.max() < 50


def test_a_table_index_out_of_range_is_refused() -> None:
    coding = Tables(np.array([[STATES]]))
    decoder = Decoder(coding, encode(coding, [(np.zeros(1, int), np.zeros(1, int))], 1), 1)
    with pytest.raises(CorruptionError, match="no such coding table"):
        decoder.take(np.array([1]))


@pytest.mark.parametrize(
    "frequencies",
    [np.array([[1, 2]]), np.array([[-1, STATES + 1]]), np.empty((0, 3), np.int64), np.array([STATES])],
)
def test_tables_that_are_none_are_refused(frequencies: np.ndarray) -> None:
    with pytest.raises(ModelRejectedError):
        Tables(frequencies)


@given(st.lists(st.tuples(st.integers(0, 48), st.integers(0, 2**48 - 1)), max_size=50))
def test_bits_of_any_width_come_back(pairs: list[tuple[int, int]]) -> None:
    widths = np.array([width for width, _ in pairs], np.int64)
    values = np.array([value & ((1 << width) - 1) for width, value in pairs], np.int64)
    data = write_bits(values, widths)
    assert len(data) == ans.bits_to_bytes(int(widths.sum()))
    np.testing.assert_array_equal(read_bits(data, widths), values)
    half = len(pairs) // 2
    np.testing.assert_array_equal(read_bits(data, widths[half:], int(widths[:half].sum())), values[half:])
