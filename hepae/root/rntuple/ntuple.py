"""An RNTuple in a file: its schema, its clusters, and its pages as they are on disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from hepae import limits
from hepae.arrays import Integers
from hepae.core.locks import computed_once
from hepae.errors import InputError, UnsupportedError
from hepae.root.file.compression import unpack
from hepae.root.file.directory import Key
from hepae.root.file.reading import reading
from hepae.root.rntuple.envelopes import Anchor, Footer, Link, NTupleHeader
from hepae.root.rntuple.frames import digest
from hepae.root.rntuple.pages import Cluster, parse_pages, require_sealed, unseal

__all__ = ["FileBytes", "NTuple", "runs"]

MERGE_GAP = 1 << 12
"""Pages closer than this are read at once: there are keys between them, and now and then a page of another column."""
MERGE_BYTES = 1 << 24
"""No more than this is read at once, which bounds memory."""


class FileBytes(Protocol):
    """A file that gives its bytes and those of its objects, such as `Source`."""

    @property
    def path(self) -> str:
        """Where it is, for messages."""

    def raw(self, start: int, stop: int) -> bytes:
        """Bytes between two positions."""

    def object(self, key: Key) -> bytes:
        """The bytes of an object, uncompressed."""


class NTuple:
    """An RNTuple, its header and footer read and checked; lists of pages are read when they are asked for.

    Parameters
    ----------
    source
        The file.
    path
        Directories and name, for messages.
    anchor
        The bytes of its anchor.

    Attributes
    ----------
    anchor : Anchor
        Where header and footer are.
    header_bytes : bytes
        The envelope of the header.
    header : NTupleHeader
        Name, description, and the schema that it began with.
    footer : Footer
        The extension of the schema, groups of clusters, sets of attributes.
    schema : Schema
        Fields and columns of header and extension.
    num_entries : int
        Number of entries.

    Raises
    ------
    InputError
        If it is damaged.
    UnsupportedError
        If a later version of the format wrote what is not known.
    """

    def __init__(self, source: FileBytes, path: str, anchor: bytes) -> None:
        self.source, self.path, self.where = source, path, f"{source.path}:{path}"
        with reading(self.where):
            self.anchor = Anchor.parse(anchor, self.where)
            self.header_bytes = self.envelope(self.anchor.header, "header")
            self.header = NTupleHeader.parse(self.header_bytes, f"{self.where}, header")
            footer = self.envelope(self.anchor.footer, "footer")
            self.footer = Footer.parse(footer, f"{self.where}, footer")
            self.schema = self.header.schema + self.footer.extension
            self.schema.check()
        if self.footer.checksum != self.header_checksum:
            raise InputError("the footer is of another header", where=self.where, hint="is the file damaged?")
        self.num_entries = sum(group.entries for group in self.footer.groups)

    @classmethod
    def of(cls, source: FileBytes, key: Key) -> NTuple:
        """The RNTuple of a key of a file."""
        return cls(source, key.path, source.object(key))

    @property
    def header_checksum(self) -> bytes:
        """The checksum of the header, by which footer and lists of pages name it."""
        return self.header_bytes[-8:]

    def envelope(self, link: Link, what: str) -> bytes:
        """The bytes of an envelope, uncompressed."""
        where = f"{self.where}, {what}"
        limits.check("bytes of an envelope", link.length, limits.MAX_ENVELOPE_BYTES, where)
        packed = self.stored(link, what)
        return packed if len(packed) == link.length else unpack(packed, link.length, where)

    def stored(self, link: Link, what: str) -> bytes:
        """The bytes of an envelope as they are on disk."""
        offset, size = link.place.offset, link.place.size
        if size > (self.anchor.max_key or size):  # uproot writes 0
            raise UnsupportedError("an envelope in several records", where=f"{self.where}, {what}")
        return self.read(offset, offset + size)

    def read(self, start: int, stop: int) -> bytes:
        """Bytes of the file, all that are asked for.

        Raises
        ------
        InputError
            If the file ends before.
        """
        data = self.source.raw(start, stop) if 0 <= start <= stop else b""
        if len(data) != stop - start:
            raise InputError(
                "is not in the file", where=f"{self.where}, bytes {start} to {stop}", got=len(data)
            )
        return data

    @computed_once
    def groups(self) -> list[list[Cluster]]:
        """The clusters of each group.

        Raises
        ------
        InputError
            If a list of pages is damaged, or clusters do not follow each other.
        """
        groups = []
        for number, group in enumerate(self.footer.groups):
            what = f"list of pages {number}"
            with reading(f"{self.where}, {what}"):
                data = self.envelope(group.link, what)
                groups.append(parse_pages(data, self.header_checksum, f"{self.where}, {what}"))
        self._require_order(groups)
        return groups

    @computed_once
    def clusters(self) -> list[Cluster]:
        """All clusters in order."""
        return [cluster for group in self.groups for cluster in group]

    @property
    def edges(self) -> Integers:
        """First entries of the clusters, and the number of entries, int64 [n_clusters + 1]."""
        return np.array([*(cluster.first for cluster in self.clusters), self.num_entries], np.int64)

    def _require_order(self, groups: list[list[Cluster]]) -> None:
        """Clusters that follow each other, each with columns and pages that there can be."""
        entry = 0
        for group, clusters in zip(self.footer.groups, groups, strict=True):
            if group.clusters != len(clusters) or group.entries != sum(c.entries for c in clusters):
                raise InputError("a list of pages of another group", where=self.where)
            for cluster in clusters:
                if cluster.first != entry or cluster.columns > len(self.schema.columns):
                    raise InputError(
                        "a cluster that does not follow the one before",
                        where=self.where,
                        expected=entry,
                        got=cluster.first,
                    )
                entry += cluster.entries

    def sealed(self, cluster: Cluster, column: int) -> list[bytes]:
        """The sealed pages of a column in a cluster: as they are on disk, checksums included and looked at.

        Raises
        ------
        InputError
            If one does not carry its checksum.
        """
        pages = cluster.pages(column)
        found: dict[int, bytes] = {}
        for chosen, start, data in self.read_pages(cluster, np.array(pages, np.int64)):
            for page in chosen.tolist():
                at = int(cluster.offsets[page]) - start
                found[page] = data[at : at + int(cluster.spans[page])]
        return [found[page] for page in pages]

    def values(self, cluster: Cluster, column: int) -> list[tuple[int, bytes]]:
        """The pages of a column in a cluster, unpacked: number of elements, and their bytes as they are encoded."""
        bits, where = self.schema.columns[column].bits, f"{self.where}, column {column}"
        pages = zip(cluster.pages(column), self.sealed(cluster, column), strict=True)
        unpacked = []
        for page, sealed in pages:
            number = int(cluster.elements[page])
            data = unseal(sealed, (number * bits + 7) // 8, where, bool(cluster.sums[page]))
            unpacked.append((number, data))
        return unpacked

    def digests(self, cluster: Cluster) -> list[bytes]:
        """The checksum of each sealed page of a cluster."""
        found: dict[int, bytes] = {}
        for chosen, start, data in self.read_pages(cluster, np.arange(len(cluster.offsets))):
            view = memoryview(data)
            for page in chosen.tolist():
                at = int(cluster.offsets[page]) - start
                found[page] = digest(view[at : at + int(cluster.spans[page])])
        return [found[page] for page in range(len(found))]

    def read_pages(self, cluster: Cluster, pages: Integers) -> Iterator[tuple[Integers, int, bytes]]:
        """Pages that are close together in the file, as far as memory allows, in the order of the file.

        Parameters
        ----------
        cluster, pages
            Which of the pages of a cluster.

        Yields
        ------
        tuple
            Pages, where the bytes begin in the file, and the bytes. Checksums have been looked at.

        Raises
        ------
        InputError
            If a page does not carry its checksum.
        """
        spans = cluster.spans
        for chosen in runs(cluster.offsets, spans, pages):
            start = int(cluster.offsets[chosen[0]])
            data = self.read(start, int((cluster.offsets + spans)[chosen].max()))
            view = memoryview(data)
            for page in chosen[cluster.sums[chosen]].tolist():
                at = int(cluster.offsets[page]) - start
                require_sealed(view[at : at + int(spans[page])], self.where)
            yield chosen, start, data


def runs(offsets: Integers, spans: Integers, pages: Integers) -> Iterator[Integers]:
    """Pages to be read at once, in the order of the file.

    Parameters
    ----------
    offsets, spans
        Where pages are and how long they are, int64 [n].
    pages
        Which of them.

    Examples
    --------
    >>> [run.tolist() for run in runs(np.array([0, 900_000, 100]), np.array([100, 10, 50]), np.arange(3))]
    [[0, 2], [1]]
    """
    order = pages[np.argsort(offsets[pages], kind="stable")]
    start = 0
    while start < len(order):
        begin = end = int(offsets[order[start]])
        stop = start
        while stop < len(order):
            at = int(offsets[order[stop]])
            reach = max(end, at + int(spans[order[stop]]))
            if stop > start and (at - end > MERGE_GAP or reach - begin > MERGE_BYTES):
                break
            end, stop = reach, stop + 1
        yield order[start:stop]
        start = stop
