"""Risk: bytes told by reference come back as others, or a damaged patch costs memory."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepae import limits
from hepae.core.coding.patches import patch, patched
from hepae.core.coding.varint import varint
from hepae.errors import CorruptionError, HepaeError, LimitError

PARTS = st.lists(
    st.binary(max_size=40) | st.sampled_from([bytes(range(50)), b"ab" * 40, bytes(33)]), max_size=8
)


@given(PARTS, PARTS)
def test_whatever_the_bytes_they_come_back(reference: list[bytes], data: list[bytes]) -> None:
    known, wanted = b"".join(reference), b"".join(data)
    assert patched(known, patch(known, wanted)) == wanted


def test_bytes_that_are_alike_take_few() -> None:
    """Numbers that differ, a part that is new, one that is gone, and others in another order."""
    known = np.random.default_rng(1).bytes(50_000)
    changed = bytearray(known)
    for place in range(1000, 50_000, 5000):
        changed[place] ^= 255
    data = bytes(changed[30_000:]) + b"something new" + bytes(changed[:20_000])
    told = patch(known, data)
    assert patched(known, told) == data
    assert len(told) < 120


def test_nothing_in_common_takes_a_few_bytes_more() -> None:
    data = np.random.default_rng(2).bytes(1000)
    assert len(patch(b"", data)) <= len(data) + 4
    assert patched(b"", patch(b"", data)) == data


KNOWN = bytes(range(100))


@pytest.mark.parametrize(
    "told",
    [
        b"",
        varint(5),
        varint(5) + varint(9) + b"abcdefghi",
        varint(5) + varint(5) + b"abc",
        varint(3) + varint(3) + b"abcd",
        varint(20) + varint(0) + varint(20) + varint(81),
        varint(20) + varint(0) + varint(20) + varint(2**40),
        varint(20) + varint(0) + varint(21) + varint(0),
        varint(20) + varint(0) + varint(0) + varint(0),
        varint(20) + varint(0) + varint(20),
    ],
)
def test_patches_that_cannot_be_are_refused(told: bytes) -> None:
    with pytest.raises(CorruptionError):
        patched(KNOWN, told)


def test_a_patch_makes_no_more_than_the_limit() -> None:
    with pytest.raises(LimitError):
        patched(KNOWN, varint(limits.MAX_REFERRED_BYTES + 1))


@given(st.binary(max_size=60))
def test_damaged_patches_fail_by_name(told: bytes) -> None:
    with contextlib.suppress(HepaeError):
        assert len(patched(KNOWN, told)) <= limits.MAX_REFERRED_BYTES
