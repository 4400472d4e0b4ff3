"""Lists of pages: which clusters there are, and where the pages of their columns are; parsed and packed.

A *sealed* page is its bytes as they are on disk, with the checksum behind them where it has one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.errors import InputError, UnsupportedError
from hepae.root.file.compression import Compression, unpack
from hepae.root.rntuple.frames import (
    CHECKSUM_BYTES,
    PAGE_LIST,
    Cursor,
    Locator,
    digest,
    envelope,
    frame,
    opened,
)

__all__ = ["SUPPRESSED", "Cluster", "pack_pages", "parse_pages", "require_sealed", "seal", "unseal"]

SUPPRESSED = -(1 << 63)
"""First element of a column that has no pages in a cluster, as another representation is used there."""
SHARDED = 1
ENTRY_BITS = 56
LIST_HEAD = 12
ELEMENT = np.dtype([("elements", "<i4"), ("size", "<i4"), ("offset", "<i8")])
"""A page with a locator of 32 bits; a negative number of elements says that a checksum is behind the page."""


TAILS = (8, 12)
"""Bytes behind the pages of a column: its first element, and where it is not suppressed how pages are compressed."""


@dataclass(frozen=True)
class Cluster:
    """A cluster: a range of entries, and for each column its pages. Columns may be fewer than the RNTuple has.

    Attributes
    ----------
    first, entries : int
        Number of the first entry, and of entries.
    flags : int
        As in the file.
    starts : int64 [n_columns + 1]
        Where the pages of a column begin in the arrays of pages.
    elements, sizes, offsets : int64 [n_pages]
        Elements of each page, its bytes without the checksum, and where it is in the file.
    sums : bool [n_pages]
        Whether a checksum is behind the page.
    firsts : int64 [n_columns]
        Number of the first element of each column in the RNTuple, negative where the column is suppressed.
    settings : int64 [n_columns]
        ROOT's numbers for how pages are compressed.
    """

    first: int
    entries: int
    flags: int
    starts: Integers
    elements: Integers
    sizes: Integers
    offsets: Integers
    sums: Booleans
    firsts: Integers
    settings: Integers

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.firsts)

    @property
    def spans(self) -> Integers:
        """Bytes of each page with its checksum, int64 [n_pages]."""
        spans: Integers = self.sizes + np.where(self.sums, CHECKSUM_BYTES, 0)
        return spans

    @property
    def numbers(self) -> Integers:
        """Elements of each column, int64 [n_columns]."""
        edges = np.concatenate([[0], np.cumsum(self.elements)])
        counts: Integers = np.diff(edges[self.starts])
        return counts

    def pages(self, column: int) -> range:
        """Which of the arrays of pages are of a column; none where the cluster does not have it."""
        return range(*self.starts[column : column + 2]) if column < self.columns else range(0)


def parse_pages(data: bytes, checksum: bytes, where: object) -> list[Cluster]:
    """The clusters of a list of pages.

    Parameters
    ----------
    data
        The envelope.
    checksum
        That of the header, which the list must name.

    Raises
    ------
    InputError
        If it is damaged, or of another RNTuple.
    UnsupportedError
        If clusters are spread over files, or the list has more in it than is known.
    """
    at = opened(data, PAGE_LIST, where)
    if at.numbers("8s")[0] != checksum:
        raise InputError("a list of pages of another RNTuple", where=where, hint="is the file damaged?")
    summaries = [summary(item) for item in at.records()]
    count, items = at.list()
    at.done("a list of pages")
    if count != len(summaries):
        raise ValueError(f"pages of {count} clusters, {len(summaries)} clusters")
    clusters = [cluster_at(items, *head) for head in summaries]
    items.done("a list of pages")
    return clusters


def summary(at: Cursor) -> tuple[int, int, int]:
    """First entry, number of entries and flags of a cluster."""
    first, word = at.numbers("QQ")
    at.done("a cluster")
    flags = word >> ENTRY_BITS
    if flags & SHARDED:
        raise UnsupportedError("a cluster that is spread over files")
    return first, word & (1 << ENTRY_BITS) - 1, flags


def cluster_at(at: Cursor, first: int, entries: int, flags: int) -> Cluster:
    """The pages of a cluster."""
    count, columns = at.list()
    lists = [columns.list() for _ in range(count)]
    columns.done("a cluster")
    table = small_pages(lists)
    if table is None:
        rows = [large(inner) for pages, inner in lists for _ in range(pages)]
        table = np.array(rows, np.int64).reshape(-1, 4)
    tails = [tail_of(inner) for _, inner in lists]
    firsts, settings = np.array(tails, np.int64).reshape(-1, 2).T
    starts = np.concatenate([[0], np.cumsum(np.array([pages for pages, _ in lists], np.int64))])
    elements, sizes, offsets, sums = np.ascontiguousarray(table.T)
    return Cluster(
        first, entries, flags, starts, elements, sizes, offsets, sums.astype(bool), firsts, settings
    )


def small_pages(lists: Sequence[tuple[int, Cursor]]) -> Integers | None:
    """Pages of all columns [n_pages, 4] where every locator has 32 bits, None where one has not."""
    raw = []
    for count, inner in lists:
        size = count * ELEMENT.itemsize
        if inner.end - inner.at - size not in TAILS:
            return None
        raw.append(inner.data[inner.at : inner.at + size])
    table = np.frombuffer(b"".join(raw), ELEMENT)
    if (table["size"] < 0).any():
        return None
    for part, (_, inner) in zip(raw, lists, strict=True):
        inner.skip(len(part))
    signed = table["elements"].astype(np.int64)
    return np.stack([abs(signed), table["size"], table["offset"], signed < 0], axis=1)


def tail_of(at: Cursor) -> tuple[int, int]:
    """Number of the first element of a column, and how its pages are compressed."""
    (first,) = at.numbers("q")
    (setting,) = at.numbers("I") if first >= 0 else (0,)
    at.done("pages of a column")
    return first, setting


def large(at: Cursor) -> tuple[int, int, int, bool]:
    """A page with any locator."""
    (signed,) = at.numbers("i")
    place = at.place()
    if place.reserved:
        raise UnsupportedError("a locator with bits that are not known", got=hex(place.reserved))
    return abs(signed), place.size, place.offset, signed < 0


def pack_pages(clusters: Sequence[Cluster], checksum: bytes) -> bytes:
    """The envelope of a list of pages of clusters, for a header of that checksum."""
    heads = b"".join(
        frame(struct.pack("<QQ", cluster.first, cluster.entries | cluster.flags << ENTRY_BITS))
        for cluster in clusters
    )
    lists = [listed(len(cluster.firsts), b"".join(packed_columns(cluster))) for cluster in clusters]
    body = checksum + listed(len(clusters), heads) + listed(len(clusters), b"".join(lists))
    return envelope(PAGE_LIST, body)


def listed(count: int, body: bytes) -> bytes:
    """A list frame of items that are packed and joined already."""
    return struct.pack("<qI", -(LIST_HEAD + len(body)), count) + body


def packed_columns(cluster: Cluster) -> Iterator[bytes]:
    signed = np.where(cluster.sums, -cluster.elements, cluster.elements)
    fits = not len(cluster.sizes) or int(cluster.sizes.max()) < 1 << 31
    table = np.zeros(len(signed) if fits else 0, ELEMENT)
    if fits:
        table["elements"], table["size"], table["offset"] = signed, cluster.sizes, cluster.offsets
    for number in range(cluster.columns):
        start, stop = map(int, cluster.starts[number : number + 2])
        pages = table[start:stop].tobytes() if fits else packed_large(signed, cluster, start, stop)
        first = int(cluster.firsts[number])
        tail = struct.pack("<qI", first, cluster.settings[number]) if first >= 0 else struct.pack("<q", first)
        yield listed(stop - start, pages + tail)


def packed_large(signed: Integers, cluster: Cluster, start: int, stop: int) -> bytes:
    places = [Locator(int(cluster.offsets[page]), int(cluster.sizes[page])) for page in range(start, stop)]
    numbers = [struct.pack("<i", int(number)) for number in signed[start:stop]]
    return b"".join(number + place.pack() for number, place in zip(numbers, places, strict=True))


def seal(data: bytes | memoryview | Array, compression: Compression) -> bytes:
    """A sealed page of the bytes of its elements: compressed where that is smaller, its checksum behind.

    Examples
    --------
    >>> page = seal(bytes(1000), Compression("zstd", 5))
    >>> unseal(page, 1000, "a page") == bytes(1000)
    True
    """
    packed = compression.pack(bytes(data))
    return packed + digest(packed)


def unseal(sealed: bytes, size: int, where: object, checksum: bool = True) -> bytes:
    """The bytes of the elements of a sealed page.

    Parameters
    ----------
    sealed
        The page as on disk, with its checksum.
    size
        Bytes of its elements: their number times their bits, in whole bytes.
    checksum
        Whether it has one.

    Raises
    ------
    InputError
        If it does not carry its checksum, or is not of that size.
    """
    if checksum:
        require_sealed(sealed, where)
    packed = sealed[:-CHECKSUM_BYTES] if checksum else sealed
    return packed if len(packed) == size else unpack(packed, size, where)


def require_sealed(sealed: bytes | memoryview, where: object) -> None:
    """Refuse a page whose checksum is not that of its bytes.

    Raises
    ------
    InputError
        If it is not.
    """
    if digest(sealed[:-CHECKSUM_BYTES]) != sealed[-CHECKSUM_BYTES:]:
        raise InputError("a page does not carry its checksum", where=where, hint="is the file damaged?")
