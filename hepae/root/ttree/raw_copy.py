"""Copy baskets without decompressing them, in the order of the source's file, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from hepae.arrays import Integers
from hepae.errors import InputError
from hepae.root.file.compression import ZSTD_DEFAULT, Compression
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.records import Key, key_at
from hepae.root.ttree.baskets import packed_basket, rewrite_key
from hepae.root.ttree.branches import Baskets, BranchHeader
from hepae.root.ttree.layouts.basket import Basket, read_basket

__all__ = ["Bytes", "Copied", "Moved", "Room", "copy_baskets", "written_basket"]

MERGE_GAP = 1 << 16
"""Records closer than this are read at once: skipping costs a request or a seek, about as long as 64 KiB take."""
MERGE_BYTES = 1 << 24
"""No more than this is read at once, which bounds memory."""
LEAST_KEY = 26
HELD_BYTES, HELD_PACKED_BYTES, HELD_BYTES_OF_TREE = 1 << 16, 1 << 11, 1 << 20


class Bytes(Protocol):
    """A file that gives its bytes, such as `Source`."""

    path: str

    def raw(self, start: int, stop: int) -> bytes:
        """Bytes between two positions."""
        ...


@dataclass(frozen=True, eq=False)
class Copied:
    """The baskets of a branch are copied as they are, from this branch of a source.

    Parameters
    ----------
    source
        File that is open for reading.
    branch
        A branch in the header of one of its trees.
    """

    source: Bytes
    branch: BranchHeader


@dataclass
class Moved:
    """Where records of a source are now, so that what two cycles of a tree share is shared in the copy."""

    old: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    new: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    sizes: Integers = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, old: Integers, new: Integers, sizes: Integers) -> None:
        """Records that have been copied: old and new positions, and bytes in the copy."""
        order = np.argsort(np.concatenate([self.old, old]), kind="stable")
        self.old = np.concatenate([self.old, old])[order]
        self.new = np.concatenate([self.new, new])[order]
        self.sizes = np.concatenate([self.sizes, sizes])[order]

    def find(self, old: Integers) -> tuple[Integers, Integers]:
        """New positions and bytes of records, 0 where they have not been copied."""
        if not len(self.old):
            return np.zeros_like(old), np.zeros_like(old)
        at = np.minimum(np.searchsorted(self.old, old), len(self.old) - 1)
        there = self.old[at] == old
        return np.where(there, self.new[at], 0), np.where(there, self.sizes[at], 0)


@dataclass
class Room:
    """What the header of a tree may hold of baskets: whoever opens the tree reads the header, but a small last basket
    there saves its key.
    """

    left: int = HELD_BYTES_OF_TREE

    def take(self, data: bytes) -> bool:
        """Whether a last basket of these bytes is better kept in the header; then it has its room."""
        if len(data) > min(HELD_BYTES, self.left) or len(ZSTD_DEFAULT.pack(data)) > HELD_PACKED_BYTES:
            return False
        self.left -= len(data)
        return True


def copy_baskets(
    pairs: Sequence[tuple[Copied, BranchHeader]],
    file: RootFile,
    home: Directory,
    moved: dict[str, Moved],
    room: Room,
) -> None:
    """Copy the baskets of branches, and tell the branches of a new header where they are.

    Parameters
    ----------
    pairs
        From where, and to which branch of the new header.
    file, home
        The file that is written, and the directory of the tree in it.
    moved
        By the path of a source, what has been copied of it before.
    room
        What the new header may hold. Baskets inside the source's header that do not fit are written.
    """
    for path in dict.fromkeys(copied.source.path for copied, _ in pairs):
        of_source = [pair for pair in pairs if pair[0].source.path == path]
        tables = [copied.branch.baskets for copied, _ in of_source]
        copy_records(of_source, tables, file, home, moved.setdefault(path, Moved()))
        for (copied, branch), table in zip(of_source, tables, strict=True):
            total, zipped = copied.branch.sizes
            added = write_embedded(copied, table, file, home, room)
            if branch.node is not copied.branch.node:
                branch.record.put("fFirstEntry", copied.branch.record.number("fFirstEntry"))
                branch.count(copied.branch.entries, 0, 0)
            branch.record.put("fTotBytes", total + added[0])
            branch.record.put("fZipBytes", zipped + added[1])
            branch.baskets = table


def copy_records(
    pairs: Sequence[tuple[Copied, BranchHeader]],
    tables: Sequence[Baskets],
    file: RootFile,
    home: Directory,
    moved: Moved,
) -> None:
    """Copy the baskets on disk, each once; put their new places into the tables."""
    seeks = np.concatenate([np.zeros(0, np.int64), *(table.seeks for table in tables)])
    sizes = np.concatenate([np.zeros(0, np.int64), *(table.sizes for table in tables)])
    owners = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    there = np.flatnonzero((seeks != 0) & (moved.find(seeks)[0] == 0))
    old, first = np.unique(seeks[there], return_index=True)
    chosen = there[first]
    places, lengths = np.zeros_like(old), np.zeros_like(old)
    labels = [pairs[owner][0] for owner in owners[chosen].tolist()]
    for at, place, length in records(labels, old, sizes[chosen], file, home):
        places[at], lengths[at] = place, length
    moved.add(old, places, lengths)
    new, bytes_of = moved.find(seeks)
    edges = np.cumsum([0, *(len(table) for table in tables)])
    for number, table in enumerate(tables):
        part = slice(edges[number], edges[number + 1])
        table.seeks, table.sizes = new[part].copy(), bytes_of[part].copy()


def records(
    labels: Sequence[Copied], seeks: Integers, sizes: Integers, file: RootFile, home: Directory
) -> Iterator[tuple[int, int, int]]:
    """Copy records in the order of their places: for each its number, its new place and its bytes there."""
    for first, last in grouped(seeks, sizes):
        source = labels[first].source
        low = int(seeks[first])
        high = int((seeks[first:last] + sizes[first:last]).max())
        try:
            piece = bytearray(source.raw(low, high))
        except OSError as error:
            raise InputError("cannot be read", where=f"{source.path}, byte {low}", got=error) from error
        view, start = memoryview(piece), 0
        end, position = 0, file.position
        for at in range(first, last):
            begin, size = int(seeks[at]) - low, int(sizes[at])
            require_basket(piece, begin, size, labels[at], low + begin)
            if begin != end:
                file.append_raw(view[start:end])
                start = end = begin
            position = file.position + (begin - start)
            if not rewrite_key(view[begin : begin + size], position, home.seek):
                file.append_raw(view[start:end])
                record = with_wide_key(bytes(view[begin : begin + size]), labels[at], file, home)
                yield at, file.append_raw(record), len(record)
                start = end = begin + size
                continue
            end = begin + size
            yield at, position, size
        file.append_raw(view[start:end])


def require_basket(piece: bytearray, begin: int, size: int, label: Copied, place: int) -> None:
    """Refuse a place where there is no record of that size."""
    found = int.from_bytes(piece[begin : begin + 4], "big")
    if size < LEAST_KEY or begin + size > len(piece) or found != size:
        raise InputError(
            "a basket is not where the tree says",
            where=f"{label.source.path}, {label.branch.path}, byte {place}",
            expected=size,
            got=found,
            hint="is the file damaged?",
        )


def grouped(seeks: Integers, sizes: Integers) -> Iterator[tuple[int, int]]:
    """Runs of records that lie close together, to be read at once."""
    first = end = low = 0
    for at, (seek, size) in enumerate(zip(seeks.tolist(), sizes.tolist(), strict=True)):
        if at > first and (seek > end + MERGE_GAP or seek + size - low > MERGE_BYTES):
            yield first, at
            first = at
        if at == first:
            low = seek
        end = seek + size
    if len(seeks):
        yield first, len(seeks)


def with_wide_key(record: bytes, label: Copied, file: RootFile, home: Directory) -> bytes:
    """A record whose key has room for positions beyond 2 GiB: offsets in it count from the start of the key."""
    where = f"{label.source.path}, {label.branch.path}"
    return written_basket(
        read_basket(record, where), key_at(record)[0], Compression.of(label.branch.compression), file, home
    )[0]


def written_basket(
    basket: Basket, names: Key, compression: Compression, file: RootFile, home: Directory, big: bool = False
) -> tuple[bytes, int]:
    """The record of a basket for the next place of a file, and its size before compression; with a ``big`` key, which
    has room for positions beyond 2 GB, where the place needs it or it is asked for.
    """
    key = Key("TBasket", names.name, names.title, 0, file.position, home.seek, file.datime, cycle=0)
    key.big = file.big or big
    return packed_basket(basket, key, compression)


def write_embedded(
    copied: Copied, table: Baskets, file: RootFile, home: Directory, room: Room
) -> tuple[int, int]:
    """Write the baskets that were inside a header and do not stay there; bytes before and after compression."""
    total = zipped = 0
    compression = Compression.of(copied.branch.compression)
    for at, body in sorted(table.embedded.items()):
        basket = read_basket(body, f"{copied.source.path}, {copied.branch.path}, basket {at}")
        if at == len(table) - 1 and room.take(basket.data.tobytes()):
            continue
        record, size = written_basket(basket, key_at(body)[0], compression, file, home)
        table.seeks[at], table.sizes[at] = file.append(record), len(record)
        total, zipped = total + size, zipped + len(record)
        del table.embedded[at]
    return total, zipped
