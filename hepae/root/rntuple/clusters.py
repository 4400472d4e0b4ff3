"""Write an RNTuple cluster by cluster: sealed pages are given, or copied from another RNTuple as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hepae.arrays import Integers
from hepae.errors import SchemaError
from hepae.root.file.compression import LZMA_BEST, ZSTD_DEFAULT, Compression
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.records import Key
from hepae.root.rntuple.envelopes import Anchor, Attributes, ClusterGroup, Footer, Link, NTupleHeader
from hepae.root.rntuple.frames import Locator
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.pages import SUPPRESSED, Cluster, pack_pages, seal
from hepae.root.rntuple.schema import Schema

__all__ = ["ClusterWriter", "SealedPage"]

VERSION = (1, 0, 0, 1)
"""Of the format, written where no other RNTuple says it: without sets of attributes, which came with 1.0.1."""
BLOB_BYTES = 1 << 24
"""Pages of a column are put into one record up to this size, as pages that are read at once are."""


@dataclass(frozen=True)
class SealedPage:
    """A page as it will be on disk.

    Attributes
    ----------
    elements : int
        Number of elements.
    sealed : bytes
        Their bytes, encoded and packed, with the checksum behind where it has one.
    checksum : bool
        Whether it has one.
    """

    elements: int
    sealed: bytes
    checksum: bool = True

    @classmethod
    def of(cls, elements: int, data: bytes, compression: Compression) -> SealedPage:
        """A page of encoded elements."""
        return cls(elements, seal(data, compression))

    @property
    def size(self) -> int:
        """Bytes without the checksum."""
        return len(self.sealed) - (8 if self.checksum else 0)


class ClusterWriter:
    """An RNTuple that is being written. Several may be written in turns; pages go to the disk at once.

    For each cluster call `begin`, then `fill`, `copy` and `suppress` for its columns in any order, then `end`; call
    `finish` behind the last.

    Parameters
    ----------
    file, home
        The file that is written, and the directory of the RNTuple in it.
    listed
        Name, title and cycle of its key.
    header
        The envelope of its header, made by `NTupleHeader.pack`, or that of another RNTuple; or an RNTuple whose header
        it has, which is copied as it is on disk.
    extension
        Fields and columns that its footer adds. It may grow until `finish`.
    version
        Of the format, as its anchor says it.
    """

    def __init__(
        self,
        file: RootFile,
        home: Directory,
        listed: Key,
        header: bytes | NTuple,
        extension: Schema | None = None,
        version: tuple[int, int, int, int] = VERSION,
    ) -> None:
        self.file, self.home, self.listed, self.version = file, home, listed, version
        self.extension = extension or Schema()
        self.attributes: list[Attributes] | None = None
        if isinstance(header, bytes):
            self.schema, self.checksum = NTupleHeader.parse(header, listed.name).schema, header[-8:]
            self.header = self._envelope(header)
        else:
            self.schema, self.checksum = header.header.schema, header.header_checksum
            link = header.anchor.header
            self.header = self._stored(header.stored(link, "header"), link.length)
        self.groups: list[ClusterGroup] = []
        self.clusters: list[Cluster] = []
        self.entries = 0
        self._next = np.zeros(0, np.int64)
        self._begun: _Begun | None = None

    def begin(self, entries: int, columns: int | None = None) -> None:
        """Begin a cluster.

        Parameters
        ----------
        entries
            How many it has.
        columns
            How many columns it lists, all by default: those that are added later are not in clusters before.
        """
        self._begun = _Begun(entries, self._known()[:columns].copy())

    def fill(
        self, column: int, pages: Iterable[SealedPage], compression: int, first: int | None = None
    ) -> None:
        """Append pages to a column of the cluster.

        Parameters
        ----------
        column
            Its number.
        pages
            In order.
        compression
            ROOT's number for how they are compressed.
        first
            Number of their first element in the RNTuple, where it is not the one behind the last that was written.
        """
        self._cluster().set(column, compression, first)
        self._put((column, page) for page in pages)

    def fill_columns(
        self, pages: Mapping[int, Sequence[SealedPage]], compressions: Mapping[int, int]
    ) -> None:
        """Append pages to several columns of the cluster, which share records: a record has a key of 60 bytes.

        Parameters
        ----------
        pages
            Of each column, in order.
        compressions
            ROOT's number for how they are compressed, by column.
        """
        for column in pages:
            self._cluster().set(column, compressions[column], None)
        self._put((column, page) for column, some in pages.items() for page in some)

    def _put(self, pages: Iterable[tuple[int, SealedPage]]) -> None:
        begun = self._cluster()
        for blob in blobs(pages):
            offset = self.file.write_blob(b"".join(page.sealed for _, page in blob), self.home)
            sizes = np.array([page.size for _, page in blob], np.int64)
            sums = np.array([page.checksum for _, page in blob], np.int64)
            ends = np.cumsum(sizes + 8 * sums)
            elements = np.array([page.elements for _, page in blob], np.int64)
            columns = np.array([column for column, _ in blob], np.int64)
            offsets = offset + np.concatenate([[0], ends[:-1]])
            begun.pages.append(np.stack([columns, elements, sizes, offsets, sums], axis=1))

    def suppress(self, column: int) -> None:
        """Say that another representation of the field is used in the cluster."""
        self._cluster().firsts[column] = SUPPRESSED

    def copy(
        self, ntuple: NTuple, cluster: Cluster, columns: Mapping[int, int], *, counted: bool = False
    ) -> None:
        """Append pages of a cluster of another RNTuple as they are.

        Parameters
        ----------
        ntuple, cluster
            From where.
        columns
            Its columns and the own ones that they become.
        counted
            Whether its elements stand behind those that were written, instead of where they were.

        Raises
        ------
        InputError
            If a page does not carry its checksum.
        """
        begun = self._cluster()
        pairs = np.array([pair for pair in columns.items() if pair[0] < cluster.columns], np.int64)
        theirs, own = pairs.reshape(-1, 2).T
        counts = np.diff(cluster.starts)[theirs]
        pages = spread(cluster.starts[theirs], counts)
        begun.settings[own] = cluster.settings[theirs]
        firsts = cluster.firsts[theirs]
        begun.firsts[own] = np.where(firsts < 0, SUPPRESSED, begun.firsts[own] if counted else firsts)
        offsets = self._moved(ntuple, cluster, pages)[pages]
        table = [np.repeat(own, counts), cluster.elements[pages], cluster.sizes[pages], offsets]
        begun.pages.append(np.stack([*table, cluster.sums[pages]], axis=1))

    def end(self) -> None:
        """End the cluster.

        Raises
        ------
        SchemaError
            If it lists a column that is suppressed and has pages.
        """
        begun, self._begun = self._cluster(), None
        table = np.concatenate([np.zeros((0, 5), np.int64), *begun.pages])
        columns, elements, sizes, offsets, sums = np.ascontiguousarray(
            table[np.argsort(table[:, 0], kind="stable")].T
        )
        starts = np.searchsorted(columns, np.arange(len(begun.firsts) + 1))
        cluster = Cluster(
            self.entries,
            begun.entries,
            0,
            starts,
            elements,
            sizes,
            offsets,
            sums.astype(bool),
            begun.firsts,
            begun.settings,
        )
        if (cluster.numbers[begun.firsts < 0] > 0).any():
            raise SchemaError("a suppressed column has pages", where=self.listed.name)
        self._append(cluster)

    def _append(self, cluster: Cluster) -> None:
        self.clusters.append(cluster)
        self.entries += cluster.entries
        ends = np.where(cluster.firsts < 0, 0, cluster.firsts + cluster.numbers)
        known = self._known()
        np.maximum(known[: cluster.columns], ends, out=known[: cluster.columns])
        for columns in self._alternatives():
            known[columns] = known[columns].max()

    def _alternatives(self) -> list[list[int]]:
        """Columns that stand for each other in several representations of a field: they count the same elements."""
        everything = self.schema.columns + self.extension.columns
        again = {column.field for column in everything if column.representation}
        places: dict[tuple[int, int], int] = {}
        groups: dict[tuple[int, int], list[int]] = {}
        for number, column in enumerate(everything):
            if column.field in again:
                place = places.setdefault((column.field, column.representation), 0)
                places[column.field, column.representation] += 1
                groups.setdefault((column.field, place), []).append(number)
        return list(groups.values())

    def _known(self) -> Integers:
        """The number of the next element of each column that there is by now."""
        everything = self.schema.columns + self.extension.columns
        more = [max(column.first, 0) for column in everything[len(self._next) :]]
        self._next = np.concatenate([self._next, np.array(more, np.int64)])
        return self._next

    def end_group(self) -> None:
        """End a group of clusters: its list of pages is written."""
        if not self.clusters:
            return
        entries = sum(cluster.entries for cluster in self.clusters)
        # LZMA takes a second for each MB of positions, and saves little
        link = self._envelope(pack_pages(self.clusters, self.checksum), ZSTD_DEFAULT)
        self.groups.append(ClusterGroup(self.entries - entries, entries, len(self.clusters), link))
        self.clusters = []

    def finish(self) -> None:
        """Write the footer and the anchor, after which nothing can be appended."""
        anchor, key = self._anchor(), self.listed
        self.file.write_packed(
            key.classname, key.name, key.title, anchor, len(anchor), self.home, cycle=key.cycle or None
        )

    def finish_unlisted(self) -> Locator:
        """The same for an RNTuple that no directory lists, a set of attributes: where its anchor is."""
        anchor, key = self._anchor(), self.listed
        return Locator(self.file.write_blob(anchor, self.home, key.classname, key.name), len(anchor))

    def _anchor(self) -> bytes:
        self.end_group()
        footer = Footer(self.checksum, self.extension, self.groups, self.attributes)
        return Anchor(self.version, self.header, self._envelope(footer.pack())).pack()

    def _envelope(self, data: bytes, compression: Compression = LZMA_BEST) -> Link:
        return self._stored(compression.pack(data), len(data))

    def _stored(self, packed: bytes, size: int) -> Link:
        return Link(size, Locator(self.file.write_blob(packed, self.home, size=size), len(packed)))

    def _cluster(self) -> _Begun:
        if self._begun is None:
            raise SchemaError("no cluster has begun", where=self.listed.name)
        return self._begun

    def _moved(self, ntuple: NTuple, cluster: Cluster, pages: Integers) -> Integers:
        """Where copied pages are now, int64 [n_pages]; what is between them stays behind."""
        now, spans = np.zeros(len(cluster.offsets), np.int64), cluster.spans
        for chosen, start, data in ntuple.read_pages(cluster, pages):
            froms = cluster.offsets[chosen] - start
            reach = np.maximum.accumulate(froms + spans[chosen])
            begins = np.concatenate([[True], froms[1:] > reach[:-1]])
            # bytes that are left out before each page
            gaps = np.cumsum(np.where(begins, froms - np.concatenate([[0], reach[:-1]]), 0))
            stops = np.concatenate([reach[:-1][begins[1:]], reach[-1:]])
            view = memoryview(data)
            parts = [view[a:b] for a, b in zip(froms[begins].tolist(), stops.tolist(), strict=True)]
            blob = parts[0] if len(parts) == 1 else b"".join(parts)
            now[chosen] = self.file.write_blob(blob, self.home, raw=True) + froms - gaps
        return now

    def copy_clusters(self, ntuple: NTuple) -> None:
        """Append all clusters of another RNTuple of the same header and extension, in groups as they are.

        Raises
        ------
        InputError
            If a page does not carry its checksum.
        """
        for clusters in ntuple.groups:
            for cluster in clusters:
                offsets = self._moved(ntuple, cluster, np.arange(len(cluster.offsets)))
                self._append(replace(cluster, offsets=offsets))
            self.end_group()


class _Begun:
    """A cluster that is being filled: pages [n, 5] are column, elements, size, offset, checksum."""

    def __init__(self, entries: int, firsts: Integers) -> None:
        self.entries, self.firsts = entries, firsts
        self.settings = np.zeros(len(firsts), np.int64)
        self.pages: list[Integers] = []

    def set(self, column: int, setting: int, first: int | None) -> None:
        self.settings[column] = setting
        if first is not None:
            self.firsts[column] = first


def spread(starts: Integers, counts: Integers) -> Integers:
    """The numbers of several ranges, one range after the other.

    Examples
    --------
    >>> spread(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(counts)
    numbers: Integers = np.arange(int(counts.sum())) + np.repeat(starts - ends + counts, counts)
    return numbers


def blobs(pages: Iterable[tuple[int, SealedPage]]) -> Iterator[list[tuple[int, SealedPage]]]:
    """Pages of columns that share a record."""
    held: list[tuple[int, SealedPage]] = []
    size = 0
    for column, page in pages:
        if held and size + len(page.sealed) > BLOB_BYTES:
            yield held
            held, size = [], 0
        held.append((column, page))
        size += len(page.sealed)
    if held:
        yield held
