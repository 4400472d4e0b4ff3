"""Fields: the fixed-width numbers that rows of a branch are made of, as ROOT stores them and as columns hold them."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Final

import msgspec
import numpy as np

from hepae.arrays import Array, Values
from hepae.errors import InputError

__all__ = [
    "ColumnType",
    "Field",
    "Hexadecimal",
    "Quantised",
    "Truncated",
    "column_path",
    "named",
    "packed",
    "row_dtype",
    "seen_values",
    "unpacked",
]

TRUNCATED_BYTES: Final = 3
"""``TBufferFile::WriteFloat16``: one byte of exponent, two of mantissa."""

Hexadecimal = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{2})*$")]
"""Bytes in hexadecimal digits."""


class Quantised(msgspec.Struct, frozen=True, tag="quantised"):
    """An integer that counts steps of a range: ``Double32_t`` and ``Float16_t`` with ``[low, high, bits]``.

    Parameters
    ----------
    low, high
        The range.
    bits
        It has ``2**bits`` steps.
    """

    low: float
    high: float
    bits: Annotated[int, msgspec.Meta(ge=2, le=32)]


class Truncated(msgspec.Struct, frozen=True, tag="truncated"):
    """A float32 of which the exponent and ``bits`` bits of the mantissa are stored, as ``exponent << 16 | mantissa``.

    Source: ``TBufferFile::WriteFloat16`` and ``WriteDouble32`` of ROOT 6. The bit above the mantissa is its rounding
    carry, the bit above that the sign.
    """

    bits: Annotated[int, msgspec.Meta(ge=1, le=23)]


class Field(msgspec.Struct, frozen=True, omit_defaults=True):
    """One fixed-width member of a row.

    Parameters
    ----------
    name
        Name of the leaf or member; empty where a branch has only this.
    dtype
        What a column of it holds, a NumPy name: ``"float32"``. Booleans are ``"uint8"``: all bit patterns are kept.
    shape
        Fixed dimensions, ``(3, 4)`` of ``x[3][4]``.
    seen
        What an analysis sees, where that is another dtype: ``"bool"``, ``"float64"``.
    coding
        How integers stand for floats, None for plain numbers.
    constant
        Bytes that are the same in every row, in hexadecimal digits; the dtype is empty then, and there is no column.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] = ()
    seen: Annotated[str, msgspec.Meta(pattern="^(bool|float32|float64)?$")] = ""
    coding: Quantised | Truncated | None = None
    constant: Hexadecimal = ""

    @property
    def is_constant(self) -> bool:
        """Whether this is no column."""
        return not self.dtype

    @property
    def stored(self) -> np.dtype[np.void]:
        """How ROOT stores it: big-endian, with its dimensions."""
        if self.is_constant:
            return np.dtype(("u1", (len(self.constant) // 2,)))
        if isinstance(self.coding, Truncated):
            return np.dtype(("u1", (*self.shape, TRUNCATED_BYTES)))
        return np.dtype((np.dtype(self.dtype).newbyteorder(">"), self.shape))


class ColumnType(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column of a branch.

    Parameters
    ----------
    field
        Its name, dtype and dimensions, and what the numbers mean.
    levels
        How many counts `hepae.core.values.nested.Nested` has: 0 for a scalar, 1 for a vector or a string.
    text
        Whether the innermost level are the bytes of strings.
    counter
        Column that has the counts of the first level, empty where it has its own.
    marks
        What uproot calls each level, outermost first: ``"set"``, ``"bitset"`` or nothing; empty where none is marked.
    """

    field: Field
    levels: int = 0
    text: bool = False
    counter: str = ""
    marks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the leaf, empty where the branch has only one."""
        return self.field.name


def column_path(branch: str, name: str) -> str:
    """The name of a column in its tree: the path of the branch, and the leaf where the branch has several.

    Examples
    --------
    >>> column_path("Jet_pt", ""), column_path("vertex", "x")
    ('Jet_pt', 'vertex.x')
    """
    return f"{branch}.{name}" if name else branch


@lru_cache(maxsize=4096)
def row_dtype(fields: tuple[Field, ...]) -> np.dtype[np.void]:
    """A row as it is stored: fields one after the other, without padding."""
    return np.dtype([(f"f{number}", field.stored) for number, field in enumerate(fields)])


def named(fields: tuple[Field, ...]) -> list[Field]:
    """Those that are columns."""
    return [field for field in fields if not field.is_constant]


def unpacked(data: Array, fields: tuple[Field, ...], where: str = "") -> list[Array]:
    """Rows to columns.

    Parameters
    ----------
    data : uint8[n_rows * width]
        Rows, one after the other; the length must be a multiple of their width.
    fields
        What is in a row.
    where
        File, branch, basket, for messages.

    Returns
    -------
    list of arrays [n_rows, *shape]
        One for each column, native byte order.

    Raises
    ------
    InputError
        If bytes that are constant are not.

    Examples
    --------
    >>> unpacked(np.array([0, 1, 255, 254], np.uint8), (Field("", "int16"),))
    [array([ 1, -2], dtype=int16)]
    """
    rows = np.ascontiguousarray(data).view(row_dtype(fields))
    columns = []
    for number, field in enumerate(fields):
        if field.is_constant:
            if not np.all(rows[f"f{number}"] == constant_bytes(field)):
                raise InputError("an object is not like the first", where=where or None)
        else:
            columns.append(native(rows[f"f{number}"], field))
    return columns


def constant_bytes(field: Field) -> Array:
    """The bytes of a constant."""
    return np.frombuffer(bytes.fromhex(field.constant), np.uint8)


def native(stored: Array, field: Field) -> Array:
    """A column of one field, from what is stored."""
    if not isinstance(field.coding, Truncated):
        return np.ascontiguousarray(stored).astype(field.dtype, copy=False)
    exponent, high, low = (stored[..., byte].astype(np.uint32) for byte in range(TRUNCATED_BYTES))
    return exponent << 16 | high << 8 | low


def packed(columns: list[Array], fields: tuple[Field, ...]) -> Array:
    """Columns to rows: the inverse of `unpacked`, ``uint8[n_rows * width]``."""
    rows = np.empty(len(columns[0]), row_dtype(fields))
    left = iter(columns)
    for number, field in enumerate(fields):
        rows[f"f{number}"] = constant_bytes(field) if field.is_constant else as_stored(next(left), field)
    return rows.view(np.uint8)


def as_stored(values: Array, field: Field) -> Array:
    """A column of one field as it is stored: the inverse of `native`."""
    if not isinstance(field.coding, Truncated):
        return values
    parts = [values >> np.uint32(shift) & np.uint32(255) for shift in (16, 8, 0)]
    return np.stack(parts, axis=-1).astype(np.uint8)


def seen_values(field: Field, values: Values) -> Values:
    """What an analysis sees: floats of quantised and truncated numbers, booleans; the arithmetic is uproot's.

    ROOT divides by ``2**32 - 1`` steps where a range has 32 bits, uproot by ``2**32``: the difference is below half a
    step of the range.

    Examples
    --------
    >>> seen_values(Field("", "uint32", seen="float64", coding=Quantised(-1.0, 1.0, 8)), np.array([0, 192], "u4"))
    array([-1. ,  0.5])
    >>> seen_values(Field("", "uint8", seen="bool"), np.array([0, 1, 7], "u1"))
    array([False,  True,  True])
    """
    if isinstance(field.coding, Quantised):
        floats = values.astype(field.seen)
        floats *= floats.dtype.type(float(field.coding.high - field.coding.low) / (1 << field.coding.bits))
        floats += floats.dtype.type(field.coding.low)
        return floats
    if isinstance(field.coding, Truncated):
        return truncated_floats(values.astype(np.int64), field.coding.bits).astype(field.seen)
    return values.astype(field.seen) if field.seen else values


def truncated_floats(words: Array, bits: int) -> Array:
    """The float32 of each exponent and mantissa."""
    exponent, mantissa = words >> 16, words & 0xFFFF
    pattern = (exponent << 23 | (mantissa & ((1 << (bits + 1)) - 1)) << (23 - bits)).astype(np.uint32)
    sign = np.where(mantissa >> (bits + 1) & 1, np.float32(-1), np.float32(1))
    return pattern.view(np.float32) * sign
