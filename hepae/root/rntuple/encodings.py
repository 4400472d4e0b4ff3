"""Elements of an RNTuple column to the bytes of a page and back, for every column type, bit for bit.

A page is what is left once it was unpacked: neither compressed nor with its checksum. Source: RNTuple Binary Format
Specification 1.0.0.1, "Column Description", and for the order of bits `ROOT::Internal::BitPacking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hepae.arrays import Array
from hepae.errors import InputError

__all__ = [
    "SWITCH",
    "PageEncoding",
    "decode_page",
    "encode_page",
    "encoding_of",
    "page_bytes",
    "seen",
    "seen_dtype",
]

SWITCH: Final = np.dtype([("index", "<u8"), ("tag", "<u4")])
"""Of a variant: which element of the alternative ``tag`` it is, counted within the cluster; tag 0 is none."""


@dataclass(frozen=True)
class PageEncoding:
    """How the elements of a column become bytes.

    Attributes
    ----------
    name
        As in the specification.
    dtype
        Of the elements in memory, native byte order. Offsets of ``Index`` columns are those of the page;
        ``Real32Trunc`` and ``Real32Quant`` are the unsigned integers that are stored.
    bits
        Of an element in a page.
    split, delta, zigzag
        Whether bytes are sorted by their place in the element; whether elements are stored as differences, or with
        the sign in the lowest bit.
    """

    name: str
    dtype: np.dtype[Any]
    bits: int
    split: bool = False
    delta: bool = False
    zigzag: bool = False


NAMES: Final = {
    0x00: ("Bit", "bool"),
    0x01: ("Byte", "uint8"),
    0x02: ("Char", "uint8"),
    0x03: ("Int8", "int8"),
    0x04: ("UInt8", "uint8"),
    0x05: ("Int16", "int16"),
    0x06: ("UInt16", "uint16"),
    0x07: ("Int32", "int32"),
    0x08: ("UInt32", "uint32"),
    0x09: ("Int64", "int64"),
    0x0A: ("UInt64", "uint64"),
    0x0B: ("Real16", "float16"),
    0x0C: ("Real32", "float32"),
    0x0D: ("Real64", "float64"),
    0x0E: ("Index32", "uint32"),
    0x0F: ("Index64", "uint64"),
    0x11: ("SplitInt16", "int16"),
    0x12: ("SplitUInt16", "uint16"),
    0x13: ("SplitInt32", "int32"),
    0x14: ("SplitUInt32", "uint32"),
    0x15: ("SplitInt64", "int64"),
    0x16: ("SplitUInt64", "uint64"),
    0x17: ("SplitReal16", "float16"),
    0x18: ("SplitReal32", "float32"),
    0x19: ("SplitReal64", "float64"),
    0x1A: ("SplitIndex32", "uint32"),
    0x1B: ("SplitIndex64", "uint64"),
}
"""Name and dtype of the column types whose elements are whole bytes, or a bit, by their number."""

PACKED: Final = {0x1C: ("Real32Trunc", 10, 31), 0x1D: ("Real32Quant", 1, 32)}
"""Name, fewest and most bits of the column types that are packed bit by bit."""


def encoding_of(column_type: int, bits: int) -> PageEncoding | None:
    """The encoding of a column type; None where the specification has no such type of so many bits.

    Parameters
    ----------
    column_type, bits
        Type and bits on storage, as the description of the column says.

    Examples
    --------
    >>> encoding_of(0x18, 32).name
    'SplitReal32'
    """
    if column_type == 0x10 and bits == 96:
        return PageEncoding("Switch", SWITCH, 96)
    if column_type in PACKED:
        name, fewest, most = PACKED[column_type]
        return PageEncoding(name, np.dtype(np.uint32), bits) if fewest <= bits <= most else None
    if column_type not in NAMES:
        return None
    name, typename = NAMES[column_type]
    dtype = np.dtype(typename)
    if bits != (1 if name == "Bit" else 8 * dtype.itemsize):
        return None
    split = name.startswith("Split")
    return PageEncoding(
        name, dtype, bits, split, split and "Index" in name, split and name.startswith("SplitInt")
    )


def page_bytes(encoding: PageEncoding, elements: int) -> int:
    """Bytes of a page of so many elements.

    Examples
    --------
    >>> page_bytes(encoding_of(0x1C, 12), 3)
    5
    """
    return (elements * encoding.bits + 7) // 8


def decode_page(encoding: PageEncoding, page: bytes | memoryview, elements: int, where: str = "") -> Array:
    """The elements of a page, array [elements].

    Parameters
    ----------
    encoding
        Of the column.
    page
        Its bytes, unpacked.
    elements
        How many the page list says that it has.
    where
        For messages.

    Raises
    ------
    InputError
        If the page has not as many bytes as so many elements take.

    Examples
    --------
    >>> decode_page(encoding_of(0x13, 32), bytes([3, 0, 0, 0]), 1).tolist()
    [-2]
    """
    if len(page) != page_bytes(encoding, elements):
        raise InputError(
            "a page of another length",
            where=where or None,
            expected=page_bytes(encoding, elements),
            got=len(page),
        )
    data = np.frombuffer(page, np.uint8)
    if encoding.bits == 1 and encoding.dtype == np.bool_:
        return np.unpackbits(data, count=elements, bitorder="little").astype(np.bool_)
    if encoding.bits != 8 * encoding.dtype.itemsize:
        return _unpacked(data, encoding.bits, elements)
    if encoding.split:
        data = np.ascontiguousarray(data.reshape(encoding.dtype.itemsize, elements).T).reshape(-1)
    if encoding.dtype == SWITCH:
        return data.view(SWITCH)
    values = np.array(data.view(encoding.dtype.newbyteorder("<")), encoding.dtype)
    if encoding.delta:
        return np.cumsum(values, dtype=encoding.dtype)
    return _signed(values) if encoding.zigzag else values


def encode_page(encoding: PageEncoding, elements: Array) -> bytes:
    """The bytes of a page, as they are before they are packed.

    Parameters
    ----------
    encoding
        Of the column.
    elements : array [n]
        In the dtype of the encoding.

    Raises
    ------
    InputError
        If the elements have another dtype, or need more bits than the encoding has.

    Examples
    --------
    >>> encode_page(encoding_of(0x1A, 32), np.uint32([1, 1, 3])).hex()
    '010002000000000000000000'
    """
    if elements.dtype != encoding.dtype:
        raise InputError("elements of another dtype", expected=encoding.dtype, got=elements.dtype)
    if encoding.bits == 1 and encoding.dtype == np.bool_:
        return np.packbits(elements, bitorder="little").tobytes()
    if encoding.bits != 8 * encoding.dtype.itemsize:
        return _packed(elements, encoding.bits)
    values = elements
    if encoding.delta:
        values = np.diff(values, prepend=np.zeros(1, values.dtype))
    elif encoding.zigzag:
        values = _unsigned(values)
    data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).view(np.uint8)
    if encoding.split:
        data = data.reshape(len(elements), values.dtype.itemsize).T
    return data.tobytes()


def seen_dtype(encoding: PageEncoding) -> np.dtype[Any]:
    """Of the values that an analysis sees: floats, where integers stand for them."""
    return np.dtype(np.float32) if encoding.name.startswith("Real32") else encoding.dtype


def seen(encoding: PageEncoding, elements: Array, low: float = 0.0, high: float = 0.0) -> Array:
    """The values that an analysis sees, of the elements that are stored.

    Parameters
    ----------
    encoding
        Of the column.
    elements
        Elements as `decode_page` gives them.
    low, high
        The range of the column, where it is quantised.

    Examples
    --------
    >>> seen(encoding_of(0x1D, 2), np.uint32([0, 3]), -1.0, 1.0).tolist()
    [-1.0, 1.0]
    """
    if encoding.name == "Real32Trunc":
        return (elements << np.uint32(32 - encoding.bits)).view(np.float32)
    if encoding.name == "Real32Quant":
        return (low + elements * ((high - low) / ((1 << encoding.bits) - 1))).astype(np.float32)
    return elements


def _signed(values: Array) -> Array:
    """Integers whose sign was in the lowest bit."""
    unsigned = values.view(f"u{values.dtype.itemsize}")
    signed: Array = ((unsigned >> 1) ^ (~(unsigned & 1) + unsigned.dtype.type(1))).view(values.dtype)
    return signed


def _unsigned(values: Array) -> Array:
    """The sign of integers in their lowest bit: x becomes 2x, and −2x − 1 where it is negative."""
    top = 8 * values.dtype.itemsize - 1
    unsigned: Array = ((values << 1) ^ (values >> top)).view(f"u{values.dtype.itemsize}")
    return unsigned


def _unpacked(data: Array, bits: int, elements: int) -> Array:
    """Unsigned integers of so many bits each, the lowest bit first, one after the other."""
    # an element lies in eight bytes from the one where it begins on: at most 7 + 32 bits
    starts = np.arange(elements, dtype=np.int64) * bits
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    words = np.zeros(elements, np.uint64)
    for byte in range((bits + 14) // 8):
        words |= padded[(starts >> 3) + byte].astype(np.uint64) << np.uint64(8 * byte)
    words >>= (starts & 7).astype(np.uint64)
    return (words & np.uint64((1 << bits) - 1)).astype(np.uint32)


def _packed(values: Array, bits: int) -> bytes:
    if len(values) and int(values.max()) >> bits:
        raise InputError("an element of more bits", expected=bits, got=int(values.max()).bit_length())
    little = np.ascontiguousarray(values, "<u4").view(np.uint8).reshape(-1, 4)
    each = np.unpackbits(little, axis=1, count=bits, bitorder="little")
    return np.packbits(each, bitorder="little").tobytes()
