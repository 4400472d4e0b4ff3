"""All columns of an RNTuple for runs of entries, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.locks import ForkSafeLock
from hepae.core.tables.columns import ColumnInfo
from hepae.core.values.nested import Nested
from hepae.errors import InputError
from hepae.root.rntuple.encodings import decode_page, page_bytes
from hepae.root.rntuple.leaves import FieldLeaf, PhysicalColumn, TopField, physical_columns
from hepae.root.rntuple.pages import Cluster, unseal

__all__ = ["NTupleColumns", "PagesOfNTuple"]


class PagesOfNTuple(Protocol):
    """What is asked of an RNTuple (`hepae.root.rntuple.ntuple.NTuple`)."""

    where: str
    num_entries: int

    def read(self, start: int, stop: int) -> bytes:
        """Bytes of the file."""

    @property
    def clusters(self) -> list[Cluster]:
        """All clusters in order."""

    @property
    def edges(self) -> Integers:
        """First entries of the clusters, and the number of entries."""

    def read_pages(self, cluster: Cluster, pages: Integers) -> Iterator[tuple[Integers, int, bytes]]:
        """Pages that are close together in the file: which, where the bytes begin, and the bytes."""


class NTupleColumns:
    """Columns of an RNTuple (`hepae.input.columns.ColumnSource`).

    Parameters
    ----------
    ntuple
        The RNTuple.
    whole
        Every field at the top but projections, those that cannot be taken apart too, by name
        (`hepae.root.rntuple.fields.top_fields`).
    kept
        Names of fields at the top that are left out.

    Attributes
    ----------
    fields : dict of TopField
        The fields that have columns here, by name.
    """

    def __init__(
        self, ntuple: PagesOfNTuple, whole: Mapping[str, TopField], kept: Iterable[str] = ()
    ) -> None:
        self.ntuple, self.num_entries, self.where = ntuple, ntuple.num_entries, ntuple.where
        self.whole = whole
        stay = set(kept)
        self.fields: dict[str, TopField] = {
            name: field for name, field in self.whole.items() if field.leaves and name not in stay
        }
        self.leaves = {leaf.name: leaf for field in self.whole.values() for leaf in field.leaves}
        self.infos: Sequence[ColumnInfo] = [
            ColumnInfo(leaf.name, name, leaf.dtype, leaf.shape, len(leaf.levels))
            for name, field in self.fields.items()
            for leaf in field.leaves
        ]
        self.physical = physical_columns(self.leaves.values())
        self.edges = ntuple.edges
        taken = [leaf.column for field in self.fields.values() for leaf in field.leaves]
        self.nbytes = sum(self._unpacked(column.number) for column in taken)
        self._elements: dict[int, _Elements] = {}
        self._lock = ForkSafeLock()

    def read(self, names: Iterable[str], start: int, stop: int) -> dict[str, Nested]:
        """Values of columns for the entries ``start`` to ``stop``.

        Raises
        ------
        InputError
            If a page cannot be read, or a column has fewer elements than others say.
        """
        with self._lock:
            return {name: self._read(self.leaves[name], start, stop) for name in names}

    def counts(self, index: int, start: int, stop: int) -> Integers:
        """Rows of each entry that an index column at the top says, int64 [stop - start]."""
        leaf = FieldLeaf("", self.physical[index], (), (), counts=True)
        with self._lock:
            column = self._read(leaf, start, stop)
        return column.values.astype(np.int64)

    def stored_bytes(self, leaf: FieldLeaf, entry: int) -> tuple[int, int] | None:
        """Where the elements of an entry are in the file, and how many: bytes counted by one index column.

        None where their page is compressed, or they lie in several.
        """
        if [level.index is None for level in leaf.levels] != [False] or leaf.column.encoding.bits != 8:
            return None
        number = max(int(np.searchsorted(self.edges, entry, side="right")) - 1, 0)
        cluster, index = self.ntuple.clusters[number], leaf.levels[0].index
        row, total = entry - int(self.edges[number]), int(self.edges[number + 1] - self.edges[number])
        with self._lock:
            assert index is not None
            low, high = (self._column(index).edge(number, edge, total) for edge in (row, row + 1))
        pages = cluster.pages(leaf.column.number)
        edges = np.concatenate([[0], np.cumsum(cluster.elements[pages.start : pages.stop])])
        at = int(np.searchsorted(edges, low, side="right")) - 1
        if (
            at >= len(pages)
            or high > edges[at + 1]
            or cluster.sizes[pages[at]] != cluster.elements[pages[at]]
        ):
            return None
        return int(cluster.offsets[pages[at]]) + low - int(edges[at]), high - low

    def sizes(self, columns: Iterable[int]) -> tuple[int, int]:
        """Bytes on disk of the pages of physical columns, and what they are unpacked."""
        numbers = list(columns)
        pages = [(cluster, cluster.pages(number)) for cluster in self.ntuple.clusters for number in numbers]
        stored = sum(int(cluster.sizes[some.start : some.stop].sum()) for cluster, some in pages)
        return stored, sum(self._unpacked(number) for number in numbers if number in self.physical)

    def _unpacked(self, number: int) -> int:
        """Bytes of the elements of a column in memory."""
        width = self.physical[number].encoding.dtype.itemsize
        return width * sum(
            int(cluster.numbers[number]) for cluster in self.ntuple.clusters if number < cluster.columns
        )

    def _read(self, leaf: FieldLeaf, start: int, stop: int) -> Nested:
        first = max(int(np.searchsorted(self.edges, start, side="right")) - 1, 0)
        runs = []
        for number in range(first, len(self.edges) - 1):
            low, high = int(self.edges[number]), int(self.edges[number + 1])
            if low >= max(stop, start + 1):
                break
            runs.append(self._of_cluster(leaf, number, max(start - low, 0), min(stop, high) - low))
        return Nested.concatenated(runs) if runs else self._empty(leaf)

    def _of_cluster(self, leaf: FieldLeaf, cluster: int, low: int, high: int) -> Nested:
        """The values of a leaf for entries of a cluster, counted within it."""
        total = int(self.edges[cluster + 1] - self.edges[cluster])
        levels: list[Integers] = []
        for level in leaf.levels:
            if level.index is None:
                levels.append(np.full(high - low, level.size, np.int64))
                low, high, total = low * level.size, high * level.size, total * level.size
                continue
            offsets = self._column(level.index)
            levels.append(offsets.counts(cluster, low, high, total))
            low, high = (offsets.edge(cluster, row, total) for row in (low, high))
            total = offsets.edge(cluster, total, total)
        each = int(np.prod(leaf.shape)) if leaf.shape else 1
        column = self._column(leaf.column)
        if leaf.counts:
            return Nested(tuple(levels), column.counts(cluster, low, high, total).astype(leaf.dtype))
        values = column.read(cluster, low * each, high * each, total * each)
        return Nested(tuple(levels), values.reshape(-1, *leaf.shape) if leaf.shape else values)

    def _empty(self, leaf: FieldLeaf) -> Nested:
        levels = tuple(np.zeros(0, np.int64) for _ in leaf.levels)
        return Nested(levels, np.zeros((0, *leaf.shape), leaf.column.encoding.dtype))

    def _column(self, column: PhysicalColumn) -> _Elements:
        if column.number not in self._elements:
            self._elements[column.number] = _Elements(self.ntuple, column)
        return self._elements[column.number]


class _Elements:
    """The elements of a physical column, cluster by cluster; the page read last is kept.

    A column that was added later has fewer elements than there are rows: those before are zero.
    """

    def __init__(self, ntuple: PagesOfNTuple, column: PhysicalColumn) -> None:
        self.ntuple, self.number, self.where = (
            ntuple,
            column.number,
            f"{ntuple.where}, column {column.number}",
        )
        self.encoding, self.deferred = column.encoding, column.deferred
        self._last: tuple[int, int, Array] | None = None

    def counts(self, cluster: int, low: int, high: int, total: int) -> Integers:
        """Rows of each of the rows ``low`` to ``high``, where the elements are offsets, int64."""
        offsets = self.read(cluster, low, high, total).astype(np.int64)
        counts: Integers = np.diff(offsets, prepend=self.edge(cluster, low, total))
        if len(counts) and counts.min() < 0:
            raise InputError("rows that end before they begin", where=self.where, hint="is the file damaged?")
        return counts

    def edge(self, cluster: int, row: int, total: int) -> int:
        """Where the rows of a row begin, where the elements are offsets."""
        return int(self.read(cluster, row - 1, row, total)[0]) if row else 0

    def read(self, cluster: int, low: int, high: int, total: int) -> Array:
        """Elements ``low`` to ``high`` of a cluster in which there are ``total`` with those that are not stored."""
        pages = self.ntuple.clusters[cluster].pages(self.number)
        counts = self.ntuple.clusters[cluster].elements[pages.start : pages.stop]
        edges = total - int(counts.sum()) + np.concatenate([[0], np.cumsum(counts)])
        self._require(cluster, int(edges[0]), low, high, total)
        first, last = np.searchsorted(edges, [low, high], side="right") - 1
        parts = [np.zeros(max(min(high, int(edges[0])) - low, 0), self.encoding.dtype)]
        for page in range(max(int(first), 0), min(int(last) + 1, len(pages))):
            at = int(edges[page])
            if max(low - at, 0) < high - at:
                elements = self._page(cluster, pages[page], int(counts[page]))
                parts.append(elements[max(low - at, 0) : high - at])
        return np.concatenate(parts) if len(parts) > 2 or len(parts[0]) else parts[-1]

    def _require(self, cluster: int, missing: int, low: int, high: int, total: int) -> None:
        """Refuse elements that are not there, in a column that was there from the beginning."""
        late = self.deferred or self.ntuple.clusters[cluster].columns <= self.number
        if missing < 0 or (missing and not late) or not 0 <= low <= high <= total:
            raise InputError(
                "a column of another number of elements",
                where=f"{self.where}, cluster {cluster}",
                expected=total,
                got=total - missing,
                hint="is the file damaged?",
            )

    def _page(self, cluster: int, page: int, elements: int) -> Array:
        if self._last is None or self._last[:2] != (cluster, page):
            self._last = None
            self._last = cluster, page, self._decoded(cluster, page, elements)
        return self._last[2]

    def _decoded(self, cluster: int, page: int, elements: int) -> Array:
        found = self.ntuple.clusters[cluster]
        for _, start, data in self.ntuple.read_pages(found, np.array([page])):
            at = int(found.offsets[page]) - start
            sealed = data[at : at + int(found.spans[page])]
            size = page_bytes(self.encoding, elements)
            unpacked = unseal(sealed, size, self.where, bool(found.sums[page]))
            return decode_page(self.encoding, unpacked, elements, self.where)
        raise InputError("a page that is not there", where=self.where)
