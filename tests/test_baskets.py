"""Records of baskets, taken apart and written again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepae.errors import InputError
from hepae.root.file.compression import STORED
from hepae.root.file.records import Key
from hepae.root.ttree.baskets import embedded_basket
from hepae.root.ttree.layouts.basket import Basket, read_basket, write_basket


def test_baskets_in_a_header_are_read() -> None:
    """As the writer embeds them: with offsets, and without."""
    for offsets in (np.array([0, 2, 2, 6]), None):
        basket = Basket.of(np.frombuffer(b"abcdef", np.uint8), offsets, 3)
        body = embedded_basket(basket, Key("TBasket", "x", "t", 0, 0, 0, 0))
        again = read_basket(body)
        assert again.data.tobytes() == b"abcdef"
        assert again.entries == 3
        assert (None if again.offsets is None else again.offsets.tolist()) == (
            None if offsets is None else offsets.tolist()
        )


def basket_record(io_bits: int = 0, displaced: bool = False) -> bytes:
    """A record with what uproot and hepae's own writer never make."""
    basket = Basket(np.frombuffer(b"abcdef", np.uint8), np.array([0, 2, 6]), 2, 4, 99, 0, io_bits=io_bits)
    if displaced:
        basket.displacement = np.array([1, 2, 3])
    return write_basket(basket, Key("TBasket", "x", "t", 0, 0, 0, 0), STORED)


@pytest.mark.parametrize(("io_bits", "displaced"), [(0, False), (1, False), (0, True)])
def test_a_basket_comes_back_with_all_that_is_in_it(io_bits: int, displaced: bool) -> None:
    record = basket_record(io_bits, displaced)
    basket = read_basket(record)
    assert write_basket(basket, Key("TBasket", "x", "t", 0, 0, 0, 0), STORED) == record
    assert basket.io_bits == io_bits
    assert (basket.displacement is not None) == displaced


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_record_is_refused_or_read(data: st.DataObject) -> None:
    record = bytearray(basket_record(data.draw(st.integers(0, 1)), data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 3))):
        record[data.draw(st.integers(0, len(record) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(record)))
    try:
        basket = read_basket(bytes(record[:cut] if data.draw(st.booleans()) else record))
    except InputError:
        return
    assert len(basket.data) <= len(record)
