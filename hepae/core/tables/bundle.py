"""Exact columns in one stream: their blocks one after the other, squeezed together where that is shorter.

A column whose counts are not those of its table in this chunk stores its own: tables are learnt from a sample, and a
file may disagree with it at any event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.core.coding.integers import pack, unpack
from hepae.core.coding.varint import read_varint, varint
from hepae.core.plain import codec as plain
from hepae.core.tables.columns import ColumnSpec
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError

__all__ = ["Levels", "is_bundle", "open_bundle", "pack_bundle", "rows_of", "unpack_column"]

Levels = tuple[NDArray[np.int64], ...]

BLOCKS: Final = 0x70
SQUEEZED: Final = 0x71
"""First bytes of a bundle: as it is, or through LZMA. No frame begins like this."""

SMALL: Final = 1 << 20
"""Bytes of values up to which the values themselves, squeezed together, are tried too: columns of a small chunk say
more of each other than of themselves."""


def is_bundle(stream: bytes) -> bool:
    """Whether a stream is a bundle, not a frame."""
    return stream[:1] in (bytes([BLOCKS]), bytes([SQUEEZED]))


def pack_bundle(
    columns: Sequence[Nested], counts: Sequence[Levels], methods: Sequence[tuple[int, ...]]
) -> bytes:
    """The bytes of a bundle.

    Parameters
    ----------
    columns
        The columns of one chunk.
    counts
        For each what the chunk's tables say of its levels; `unpack_column` is given the same.
    methods
        For each which methods of `hepae.core.plain.codec` are tried.
    """
    heads = [_own_levels(column, levels) for column, levels in zip(columns, counts, strict=True)]
    best = [plain.encode(column.values, tried) for column, tried in zip(columns, methods, strict=True)]
    body = _body(heads, best)
    ways = [bytes([BLOCKS]) + body, _squeezed(body)]
    if sum(column.values.nbytes for column in columns) <= SMALL:
        ways.append(_squeezed(_body(heads, [plain.raw(column.values) for column in columns])))
    return min(ways, key=len)


def _body(heads: Sequence[bytes], blocks: Sequence[bytes]) -> bytes:
    sizes = b"".join(varint(len(head) + len(block)) for head, block in zip(heads, blocks, strict=True))
    return sizes + b"".join(part for pair in zip(heads, blocks, strict=True) for part in pair)


def _squeezed(body: bytes) -> bytes:
    return bytes([SQUEEZED]) + varint(len(body)) + plain.squeeze(body)


def _own_levels(column: Nested, counts: Levels) -> bytes:
    """Nothing but a zero where the levels of a column are those of its table; else the levels."""
    same = len(column.levels) == len(counts) and all(map(np.array_equal, column.levels, counts))
    if same:
        return bytes([0])
    packed = [pack(level) for level in column.levels]
    return bytes([len(packed)]) + b"".join(varint(len(block)) + block for block in packed)


def open_bundle(stream: bytes, columns: int, where: str) -> list[bytes]:
    """The blocks of the columns of a bundle, each for `unpack_column`.

    Raises
    ------
    CorruptionError
        If the bytes are not those of so many columns.
    """
    body = memoryview(stream)[1:]
    if stream[0] == SQUEEZED:
        size, at = read_varint(body, 0, where)
        limits.check("bytes of a bundle", size, limits.MAX_PAYLOAD_BYTES, where)
        body = memoryview(plain.unsqueeze(bytes(body[at:]), size))
    sizes, at = [], 0
    for _ in range(columns):
        size, at = read_varint(body, at, where)
        sizes.append(size)
    if at + sum(sizes) != len(body):
        raise CorruptionError(
            "a bundle of another length", where=where, expected=at + sum(sizes), got=len(body)
        )
    blocks = []
    for size in sizes:
        blocks.append(bytes(body[at : at + size]))
        at += size
    return blocks


def unpack_column(block: bytes, spec: ColumnSpec, counts: Levels, entries: int, where: str) -> Nested:
    """One column of a bundle.

    Parameters
    ----------
    block
        Its bytes.
    spec, counts
        The column, and what the tables of the chunk say of its levels.
    entries
        Entries of the chunk.

    Raises
    ------
    CorruptionError
        If the bytes do not hold exactly this column.
    """
    if not block:
        raise CorruptionError("a block is empty", where=where)
    levels, at = counts, 1
    if block[0]:
        if block[0] != len(counts):
            raise CorruptionError(
                "a column of another depth", where=where, expected=len(counts), got=block[0]
            )
        levels = ()
        for _ in counts:
            size, at = read_varint(block, at, where)
            level = unpack(block[at : at + size], rows_of(levels, entries, where))
            levels, at = (*levels, level), at + size
    return Nested(levels, plain.decode(block[at:], rows_of(levels, entries, where), spec.dtype, spec.shape))


def rows_of(levels: Levels, entries: int, where: str) -> int:
    """The rows that counts of some entries add up to.

    Raises
    ------
    CorruptionError
        If a count is below zero, or a level does not count the rows of the one above it.
    LimitError
        If there are more rows than a chunk may have.
    """
    rows = entries
    for level in levels:
        if len(level) != rows:
            raise CorruptionError(
                "counts of another number of rows", where=where, expected=rows, got=len(level)
            )
        if rows and level.min() < 0:
            raise CorruptionError("a count below zero", where=where, got=int(level.min()))
        # one by one first: the sum of counts beyond the limit may not be what int64 says
        most = int(level.max()) if rows else 0
        limits.check("rows of a column", most, limits.MAX_OBJECTS_PER_CHUNK, where)
        rows = limits.check("rows of a column", int(level.sum()), limits.MAX_OBJECTS_PER_CHUNK, where)
    return rows
