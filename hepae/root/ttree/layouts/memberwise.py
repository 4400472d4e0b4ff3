"""Vectors of objects that are stored member by member: of each entry the first member of all objects, and so on.

Source: ``TStreamerInfo::WriteBufferAux`` with ``kStreamedMemberWise`` of ROOT 6.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.values.nested import Nested
from hepae.root.ttree.layouts.chains import COUNT_BYTES
from hepae.root.ttree.layouts.checks import Offsets, entry_lengths, require, require_whole_rows
from hepae.root.ttree.layouts.classes import (
    CHECKSUM_BYTES,
    NO_ROWS,
    VERSION_BYTES,
    ClassType,
    groups_of_objects,
)
from hepae.root.ttree.layouts.fields import ColumnType, Field, Hexadecimal, named, row_dtype
from hepae.root.ttree.layouts.rows import to_columns, to_rows
from hepae.root.ttree.layouts.runs import edges_of, gathered, positions

__all__ = ["Memberwise"]

BYTE_COUNT = 0x40000000


class Memberwise(msgspec.Struct, frozen=True, tag="memberwise"):
    """A vector of objects, member by member.

    An entry is a byte count, the versions of the collection and of the class, a count, and then for each member that
    member of all objects.

    Parameters
    ----------
    groups
        The fields of each member: one, or those of an object.
    versions
        The bytes between the byte count and the count, in hexadecimal digits.
    object
        The class.
    """

    groups: tuple[tuple[Field, ...], ...]
    versions: Hexadecimal
    object: ClassType

    @classmethod
    def seen(cls, kind: ClassType, data: Array, offsets: Integers) -> Memberwise | None:
        """The layout of the longest entry; None where that does not hold objects of one width."""
        longest = int(np.diff(offsets).argmax())
        entry = data[offsets[longest] : offsets[longest + 1]]
        place = COUNT_BYTES + 2 * VERSION_BYTES
        if not np.any(entry[place - VERSION_BYTES : place]):
            place += CHECKSUM_BYTES
        start = place + COUNT_BYTES
        rows = int.from_bytes(entry[place:start].tobytes(), "big")
        groups = groups_of_objects(kind, entry[start:], rows) if rows else (NO_ROWS,)
        return cls(groups, entry[COUNT_BYTES:place].tobytes().hex(), kind) if groups else None

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        """What a basket becomes."""
        return tuple(ColumnType(field, 1) for group in self.groups for field in named(group))

    @property
    def counters(self) -> tuple[str, ...]:
        """Columns whose counts `decode` may need."""
        return ()

    def fitted(self, data: Array, offsets: Offsets) -> Memberwise:
        """This layout: it has seen a basket already."""
        return self

    def decode(
        self, data: Array, offsets: Offsets, entries: int, counts: Mapping[str, Integers], where: str
    ) -> dict[str, Nested]:
        """Bytes to columns: see `Scalar.decode`."""
        require(offsets is not None, "a basket has no entry offsets", where)
        assert offsets is not None
        lengths = entry_lengths(offsets, entries, len(data), where)
        widths = [row_dtype(group).itemsize for group in self.groups]
        require(lengths >= self._lead, "an entry is shorter than its header", where)
        rows = require_whole_rows(lengths - self._lead, sum(widths), where)
        heads = data[offsets[:-1, None] + np.arange(self._lead)]
        require(
            heads == self._heads(lengths, rows), "an entry does not begin with its header and count", where
        )
        places, columns = offsets[:-1] + self._lead, dict[str, Nested]()
        for group, width in zip(self.groups, widths, strict=True):
            columns |= to_columns(group, (rows,), gathered(data, places, rows * width), where)
            places = places + rows * width
        return columns

    def encode(self, columns: Mapping[str, Nested]) -> tuple[Array, Integers]:
        """Columns to bytes: see `Scalar.encode`."""
        (rows,) = columns[self.columns[0].name].levels
        widths = [row_dtype(group).itemsize for group in self.groups]
        edges = edges_of(self._lead + rows * sum(widths))
        data, places = np.empty(int(edges[-1]), np.uint8), edges[:-1] + self._lead
        data[edges[:-1, None] + np.arange(self._lead)] = self._heads(np.diff(edges), rows)
        for group, width in zip(self.groups, widths, strict=True):
            data[positions(places, rows * width)] = to_rows(group, columns)
            places = places + rows * width
        return data, edges

    @property
    def _lead(self) -> int:
        return 2 * COUNT_BYTES + len(self.versions) // 2

    def _heads(self, lengths: Integers, rows: Integers) -> Array:
        """What each entry begins with, ``uint8[n, lead]``."""
        versions = bytes.fromhex(self.versions)
        kinds = np.dtype([("bytes", ">u4"), ("versions", f"({len(versions)},)u1"), ("rows", ">u4")])
        out = np.empty(len(rows), kinds)
        out["bytes"], out["rows"] = lengths - COUNT_BYTES | BYTE_COUNT, rows
        out["versions"] = np.frombuffer(versions, np.uint8)
        return out.view(np.uint8).reshape(-1, self._lead)
