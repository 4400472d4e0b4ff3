"""Pages of every column type to elements and back; against what uproot and ROOT make of the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hepae.errors import InputError
from hepae.root.file.compression import unpack
from hepae.root.rntuple.encodings import (
    SWITCH,
    PageEncoding,
    decode_page,
    encode_page,
    encoding_of,
    page_bytes,
)

SIZES = {0x00: 1, 0x10: 96, 0x1C: 12, 0x1D: 20}
WHOLE = {
    **dict.fromkeys((0x01, 0x02, 0x03, 0x04), 8),
    **dict.fromkeys((0x05, 0x06, 0x0B, 0x11, 0x12, 0x17), 16),
    **dict.fromkeys((0x07, 0x08, 0x0C, 0x0E, 0x13, 0x14, 0x18, 0x1A), 32),
    **dict.fromkeys((0x09, 0x0A, 0x0D, 0x0F, 0x15, 0x16, 0x19, 0x1B), 64),
}
EVERY = {**SIZES, **WHOLE}


def known(column_type: int, bits: int) -> PageEncoding:
    encoding = encoding_of(column_type, bits)
    assert encoding is not None
    return encoding


@pytest.mark.parametrize("column_type", EVERY)
@given(data=st.data())
def test_elements_come_back_bit_for_bit(column_type: int, data: st.DataObject) -> None:
    bits = EVERY[column_type]
    if column_type in (0x1C, 0x1D):
        bits = data.draw(st.integers(10, 31) if column_type == 0x1C else st.integers(1, 32))
    encoding = known(column_type, bits)
    n = data.draw(st.integers(0, 40))
    raw = data.draw(arrays.arrays(np.uint8, n * encoding.dtype.itemsize))
    if encoding.dtype == np.bool_:
        elements = (raw & 1).astype(np.bool_)
    elif column_type in (0x1C, 0x1D):
        elements = raw.view(np.uint32) & np.uint32((1 << bits) - 1)
    else:
        elements = raw.view(encoding.dtype)
    page = encode_page(encoding, elements)
    assert len(page) == page_bytes(encoding, n)
    back = decode_page(encoding, page, n)
    assert back.dtype == encoding.dtype
    assert back.tobytes() == elements.tobytes()
    # and pages themselves come back: a copy through elements has the very bytes
    assert encode_page(encoding, back) == page


@pytest.mark.parametrize(
    ("column_type", "elements", "page"),
    [
        (0x00, np.array([True, False, True, True, False, False, False, False, True]), "0d01"),
        (0x13, np.int32([1, -1, -(2**31), 2**31 - 1]), "0201fffe0000ffff0000ffff0000ffff"),
        (0x1B, np.uint64([2, 2, 259]), "020001" + "000001" + "000000" * 6),
        (0x18, np.float32([1.0, -2.0]), "0000" + "0000" + "8000" + "3fc0"),
        (0x17, np.float16([1.0]), "003c"),
        (0x10, np.array([(258, 2)], SWITCH), "0201000000000000" + "02000000"),
    ],
)
def test_bytes_are_those_of_the_specification(column_type: int, elements: np.ndarray, page: str) -> None:
    encoding = known(column_type, EVERY[column_type])
    assert encode_page(encoding, elements).hex() == page


def test_packed_elements_follow_each_other_from_the_lowest_bit_on() -> None:
    # 0x123, 0x456 in 12 bits: 23 61 45
    assert encode_page(known(0x1C, 12), np.uint32([0x123, 0x456])).hex() == "236145"


@pytest.mark.parametrize(
    ("column_type", "bits"),
    [(0x1C, 9), (0x1C, 32), (0x1D, 0), (0x1D, 33), (0x07, 64), (0x1E, 32), (0x10, 64)],
)
def test_a_type_that_the_specification_has_not_is_unknown(column_type: int, bits: int) -> None:
    assert encoding_of(column_type, bits) is None


def test_a_page_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="another length"):
        decode_page(known(0x07, 32), bytes(7), 2)


def test_elements_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="more bits"):
        encode_page(known(0x1D, 4), np.uint32([16]))
    with pytest.raises(InputError, match="another dtype"):
        encode_page(known(0x07, 32), np.int64([1]))


FILES = (
    "skhep__ntpl001_staff_rntuple_v1-0-1-0.root",
    "skhep__Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root",
    "skhep__test_atomic_bitset_rntuple_v1-0-0-0.root",
    "skhep__test_float_types_rntuple_v1-0-0-0.root",
    "skhep__test_multiple_representations_rntuple_v1-0-0-0.root",
    "skhep__uproot-physlite-rntuple_v1-0-0-0.root",
)


@pytest.mark.shared
@pytest.mark.parametrize("name", FILES)
def test_pages_that_root_wrote_come_back_byte_for_byte(shared: Callable[[str], Path], name: str) -> None:
    with uproot.open(shared(f"zoo/{name}")) as file:
        ntuple = next(file[key] for key, kind in file.classnames().items() if kind.endswith("RNTuple"))
        for cluster in ntuple.page_link_list:
            for column, stored in zip(ntuple.column_records, cluster, strict=False):
                encoding = known(column.type, column.nbits)
                for page in stored.pages:
                    start, n = page.locator.offset, abs(page.num_elements)
                    raw = bytes(file.file.source.chunk(start, start + page.locator.num_bytes).raw_data)
                    size = page_bytes(encoding, n)
                    raw = raw if len(raw) == size else unpack(raw, size, name)
                    back = encode_page(encoding, decode_page(encoding, raw, n))
                    if encoding.name == "Bit":  # ROOT leaves what it likes in the bits after the last
                        assert np.array_equal(
                            np.unpackbits(np.frombuffer(back, np.uint8), count=n, bitorder="little"),
                            np.unpackbits(np.frombuffer(raw, np.uint8), count=n, bitorder="little"),
                        )
                    else:
                        assert back == raw
