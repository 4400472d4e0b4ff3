"""Columns of an RNTuple back to the elements of its physical columns, and to pages. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError
from hepae.root.rntuple.encodings import PageEncoding, encode_page
from hepae.root.rntuple.leaves import FieldLeaf, FieldLevel, physical_columns

__all__ = ["ElementsOfCluster", "elements_per_entry", "pages_of"]

PAGE_BYTES: Final = 1 << 20
"""Unpacked bytes of a page, at most: the default of ROOT's RNTupleWriteOptions."""


class ElementsOfCluster:
    """Makes the elements of a cluster, run of entries after run.

    Parameters
    ----------
    leaves
        The columns of the fields that are made.
    firsts
        First elements of the physical columns, by number: those before were not stored where a field was added later.
    entry
        First entry of the cluster.
    where
        For messages.
    """

    def __init__(
        self, leaves: Sequence[FieldLeaf], firsts: Mapping[int, int], entry: int, where: str
    ) -> None:
        self.leaves, self.firsts, self.where = leaves, firsts, where
        self.columns = physical_columns(leaves)
        self._per_entry = elements_per_entry(leaves)
        self._entry = entry
        self._ends = dict.fromkeys(self.columns, 0)

    def add(self, columns: Mapping[str, Nested], entries: int) -> dict[int, Array]:
        """The elements of the next entries, by physical column.

        Parameters
        ----------
        columns
            Of all leaves, by name.
        entries
            How many there are.

        Raises
        ------
        CorruptionError
            If columns that one index column counts have different counts, or a fixed size is another.
        """
        counted: dict[int, Integers] = {}
        elements: dict[int, Array] = {}
        for leaf in self.leaves:
            column = columns[leaf.name]
            for level, counts in zip(leaf.levels, column.levels, strict=True):
                self._count(leaf, level, counts, counted)
            if leaf.counts:
                counted[leaf.column.number] = column.values.astype(np.int64)
            else:
                elements[leaf.column.number] = column.values.reshape(-1)
        for number, counts in counted.items():
            ends = self._ends[number] + np.cumsum(counts)
            self._ends[number] = int(ends[-1]) if len(ends) else self._ends[number]
            elements[number] = ends.astype(self.columns[number].encoding.dtype)
        stored = {number: self._stored(number, values) for number, values in elements.items()}
        self._entry += entries
        return stored

    def _stored(self, number: int, elements: Array) -> Array:
        missing = self.firsts.get(number, 0) - self._entry * self._per_entry.get(number, 0)
        return elements[missing:] if missing > 0 else elements

    def _count(
        self, leaf: FieldLeaf, level: FieldLevel, counts: Integers, counted: dict[int, Integers]
    ) -> None:
        if level.index is None:
            same = not len(counts) or bool((counts == level.size).all())
        else:
            same = np.array_equal(counted.setdefault(level.index.number, counts), counts)
        if not same:
            raise CorruptionError(
                "columns of a field with counts of their own", where=f"{self.where}, {leaf.name}"
            )


def elements_per_entry(leaves: Sequence[FieldLeaf]) -> dict[int, int]:
    """Elements of each entry, of the physical columns that no count is above."""
    found: dict[int, int] = {}
    for leaf in leaves:
        rows = 1
        for level in leaf.levels:
            if level.index is not None:
                found[level.index.number] = rows
                break
            rows *= level.size
        else:
            found[leaf.column.number] = rows * int(np.prod(leaf.shape, dtype=np.int64))
    return found


def pages_of(encoding: PageEncoding, elements: Array, most: int = PAGE_BYTES) -> Iterator[tuple[int, bytes]]:
    """Elements cut into pages: the number of each and its bytes, before they are packed.

    Examples
    --------
    >>> from hepae.root.rntuple.encodings import encoding_of
    >>> [n for n, _ in pages_of(encoding_of(0x0C, 32), np.zeros(5, np.float32), 8)]
    [2, 2, 1]
    """
    each = max(8 * most // encoding.bits, 1)
    for start in range(0, len(elements), each):
        part = elements[start : start + each]
        yield len(part), encode_page(encoding, part)
