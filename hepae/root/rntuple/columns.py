"""All columns of an RNTuple for runs of entries, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.locks import ForkSafeLock
from hepae.core.tables.columns import ColumnInfo
from hepae.core.values.nested import Nested
from hepae.errors import InputError
from hepae.root.rntuple.encodings import PageEncoding, decode_page, encoding_of
from hepae.root.rntuple.fields import FieldLeaf, TopField, top_fields
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.pages import unseal

__all__ = ["NTupleColumns"]


class NTupleColumns:
    """Columns of an RNTuple (`hepae.input.columns.ColumnSource`).

    Parameters
    ----------
    ntuple
        The RNTuple.
    kept
        Names of fields at the top that are left out.

    Attributes
    ----------
    fields : dict of TopField
        The fields that have columns here, by name.
    whole : dict of TopField
        Every field at the top but projections, those that cannot be taken apart too.
    """

    def __init__(self, ntuple: NTuple, kept: Iterable[str] = ()) -> None:
        self.ntuple, self.num_entries, self.where = ntuple, ntuple.num_entries, ntuple.where
        self.whole = top_fields(ntuple.schema)
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
        self.edges = ntuple.edges
        self._elements: dict[int, _Elements] = {}
        self._lock = ForkSafeLock()

    @property
    def nbytes(self) -> int:
        """Bytes of all values, about."""
        widths = {leaf.column: leaf.encoding.dtype.itemsize for leaf in self.leaves.values()}
        taken = {leaf.column for field in self.fields.values() for leaf in field.leaves}
        return sum(
            int(cluster.numbers[column]) * widths[column]
            for cluster in self.ntuple.clusters
            for column in taken
            if column < cluster.columns
        )

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
        record = self.ntuple.schema.columns[index]
        encoding = encoding_of(record.kind, record.bits)
        assert encoding is not None
        with self._lock:
            column = self._read(FieldLeaf("", index, encoding, (), (), counts=True), start, stop)
        return column.values.astype(np.int64)

    def sizes(self, columns: Iterable[int]) -> tuple[int, int]:
        """Bytes on disk of the pages of physical columns, and what they are unpacked."""
        stored = bits = 0
        for column in columns:
            for cluster in self.ntuple.clusters:
                pages = cluster.pages(column)
                stored += int(cluster.sizes[pages.start : pages.stop].sum())
                elements = int(cluster.elements[pages.start : pages.stop].sum())
                bits += elements * self.ntuple.schema.columns[column].bits
        return stored, bits // 8

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
        return Nested(levels, np.zeros((0, *leaf.shape), leaf.encoding.dtype))

    def _column(self, number: int) -> _Elements:
        if number not in self._elements:
            self._elements[number] = _Elements(self.ntuple, number)
        return self._elements[number]


class _Elements:
    """The elements of a physical column, cluster by cluster; the page read last is kept.

    A column that was added later has fewer elements than there are rows: those before are zero.
    """

    def __init__(self, ntuple: NTuple, number: int) -> None:
        self.ntuple, self.number, self.where = ntuple, number, f"{ntuple.where}, column {number}"
        record = ntuple.schema.columns[number]
        encoding = encoding_of(record.kind, record.bits)
        assert encoding is not None
        self.encoding: PageEncoding = encoding
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
        late = self.ntuple.clusters[cluster].columns <= self.number
        late |= bool(self.ntuple.schema.columns[self.number].flags & 1)
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
            size = (elements * self.encoding.bits + 7) // 8
            unpacked = unseal(sealed, size, self.where, bool(found.sums[page]))
            return decode_page(self.encoding, unpacked, elements, self.where)
        raise InputError("a page that is not there", where=self.where)
