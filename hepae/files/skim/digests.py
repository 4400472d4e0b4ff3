"""What is written is read back and compared, by checksums of each branch and column, before a file takes its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import xxhash

from hepae.arrays import Array, Integers
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError, report_it
from hepae.root.columns import Column, Jagged

__all__ = ["Digests"]


class Digests:
    """Checksums of the values of branches, whatever the runs in which they come."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[xxhash.xxh3_128, xxhash.xxh3_128]] = {}

    def add(self, columns: Mapping[str, Column]) -> None:
        """Take in the values of the next events."""
        for name, column in columns.items():
            if isinstance(column, Jagged):
                self.take(name, [column.counts], raw(column.values))
            else:
                self.take(name, [], raw(column))

    def add_nested(self, columns: Mapping[str, Nested]) -> None:
        """Take in the values of the next entries, counts of all levels with them."""
        for name, column in columns.items():
            for depth, counts in enumerate(column.levels):
                self.take(f"{name}, counts {depth}", [counts], b"")
            self.take(name, [], raw(column.values))

    def take(self, name: str, counts: Iterable[Integers], data: bytes) -> None:
        """Take in bytes, and counts or lengths that belong to them."""
        lengths, values = self._states.setdefault(name, (xxhash.xxh3_128(), xxhash.xxh3_128()))
        for each in counts:
            lengths.update(np.ascontiguousarray(each, np.int64).tobytes())
        values.update(data)

    def require_same(self, other: Digests, where: Path) -> None:
        """Refuse what was written if it does not read back as it was.

        Raises
        ------
        CorruptionError
            Naming the branches that differ.
        """
        mine, others = self._result(), other._result()
        different = sorted(name for name in mine.keys() | others.keys() if mine.get(name) != others.get(name))
        if different:
            raise CorruptionError(
                "values differ after writing",
                where=where,
                got=", ".join(different[:4]),
                hint=report_it(),
            )

    def _result(self) -> dict[str, tuple[str, str]]:
        return {
            name: (counts.hexdigest(), values.hexdigest()) for name, (counts, values) in self._states.items()
        }


def raw(values: Array) -> bytes:
    """The bytes of values; of texts with an end behind each."""
    if values.dtype.kind == "U":
        return "".join(f"{text}\0" for text in values.tolist()).encode("utf-8", "surrogateescape")
    return np.ascontiguousarray(values).tobytes()
