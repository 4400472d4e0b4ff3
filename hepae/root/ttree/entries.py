"""The entries of a branch as the bytes that they are, whatever the branch holds, and those of them that are chosen.

Numbers, vectors and strings do not depend on where they stand in a basket. Objects behind pointers do: the second of a
class names the place of the first (`hepae.root.file.nodes`). Their entries stay where they are in their basket, and
what is between them becomes zeros, which compress to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.errors import InputError, UnsupportedError
from hepae.root.file.compression import BEST, CODES, Compression
from hepae.root.file.records import KEY_HEAD, key_at
from hepae.root.ttree.branches import BranchHeader, LeafHeader
from hepae.root.ttree.layouts.basket import Basket, read_basket
from hepae.root.ttree.layouts.nesting import string_edges
from hepae.root.ttree.layouts.runs import edges_of, positions
from hepae.root.ttree.raw_copy import Bytes

__all__ = ["POINTED", "BranchEntries", "Piece", "merged", "setting_of", "written_with"]

POINTED = re.compile(rb"[\x40-\x7f][\x00-\xff]{3}\xff\xff\xff\xff[A-Za-z_][\x20-\x7e]{0,511}\0", re.DOTALL)
"""What begins an object behind a pointer whose class is named: a byte count, ``kNewClassTag``, the name."""

MAGIC = {b"ZL": "zlib", b"CS": "zlib", b"XZ": "lzma", b"L4": "lz4", b"ZS": "zstd"}
"""First bytes of a compressed block (``RZip.cxx``; CS is zlib before ROOT 3)."""


@dataclass(frozen=True)
class Piece:
    """Entries of one basket.

    Attributes
    ----------
    data : uint8[n]
        Their bytes; with gaps where ``starts`` is given.
    lengths : int64[entries]
        Bytes of each.
    starts : int64[entries] or None
        Where each begins, of objects that have to stay where they are; None where one follows the other.
    displacement : int64[entries] or None
        Second table of the basket: where references count from.
    """

    data: Array
    lengths: Integers
    starts: Integers | None = None
    displacement: Integers | None = None

    def basket(self, tabled: bool) -> Basket:
        """A basket of these entries, with a table of offsets where the branch has one."""
        edges = edges_of(self.lengths) if self.starts is None else np.append(self.starts, len(self.data))
        basket = Basket.of(self.data, edges if tabled else None, len(self.lengths))
        if self.displacement is not None:
            basket.displacement = np.append(self.displacement, 0)
        return basket

    @property
    def places(self) -> Integers:
        """What says where entries are: their lengths, or where they begin if there are gaps between them."""
        return self.lengths if self.starts is None else self.starts


def merged(pieces: Sequence[Piece]) -> Piece:
    """Pieces without gaps, one after the other."""
    if len(pieces) == 1:
        return pieces[0]
    data, lengths = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("data", "lengths"))
    return Piece(data, lengths)


class BranchEntries:
    """The entries of a branch, basket by basket; the one read last is kept.

    Parameters
    ----------
    source
        The file that it is in.
    branch
        Its header.
    counters
        Every branch of the tree, by each of its leaves: a basket without offsets is taken apart by its counter.
    where
        File and tree, for messages.

    Attributes
    ----------
    first, stop
        First entry of the branch, and the end of its last.
    largest
        Bytes of the largest basket that has been read.
    """

    def __init__(
        self, source: Bytes, branch: BranchHeader, counters: dict[object, BranchHeader], where: object
    ) -> None:
        self.source, self.branch, self.where = source, branch, f"{where}, {branch.path}"
        self.table = branch.baskets
        self.first, self.stop = int(self.table.entries[0]), int(self.table.entries[-1])
        self._counter = self._counted(counters, where)
        self.largest = 0
        self._last: tuple[int, Basket, Integers, int] | None = None

    def _counted(self, counters: dict[object, BranchHeader], where: object) -> BranchEntries | None:
        leaf = self.branch.leaves[0] if len(self.branch.leaves) == 1 else None
        owner = counters.get(leaf.counter) if leaf is not None and leaf.counter is not None else None
        if owner is None or owner is self.branch:
            return None
        return BranchEntries(self.source, owner, counters, where)

    def chosen(self, start: int, keep: Booleans) -> Iterator[Piece]:
        """The entries from ``start`` on that are to be kept, a piece for each basket that has any.

        Raises
        ------
        InputError
            If a basket is damaged.
        UnsupportedError
            If it is not known where entries of a basket begin.
        """
        low, high = max(start, self.first), min(start + len(keep), self.stop)
        for number in self._between(low, high):
            basket, edges = self._read(number)
            before = int(self.table.entries[number])
            first, last = max(low - before, 0), min(high - before, basket.entries)
            wanted = first + np.flatnonzero(keep[before + first - start : before + last - start])
            if len(wanted):
                yield self._piece(basket, edges, wanted)

    @property
    def last_key_length(self) -> int:
        """Bytes of the key of the basket that was read last."""
        assert self._last is not None
        return self._last[3]

    def same_basket(self, number: int, other: BranchEntries, at: int) -> bool:
        """Whether a basket holds the entries of a basket of another branch: looked into only if their bytes differ."""
        records = self.record(number), other.record(at)
        if number not in self.table.embedded and at not in other.table.embedded:
            packed = [record[KEY_HEAD.unpack_from(record)[4] :] for record in records]
            if packed[0] == packed[1]:
                return True
        return other.holds(at, read_basket(records[0], f"{self.where}, basket {number}"))

    def holds(self, number: int, basket: Basket) -> bool:
        """Whether a basket has the entries of another one."""
        own = read_basket(self.record(number), f"{self.where}, basket {number}")
        ends = [np.zeros(0, np.int64) if one.offsets is None else one.offsets[:-1] for one in (own, basket)]
        same_entries = own.entries == basket.entries and np.array_equal(ends[0], ends[1])
        return same_entries and np.array_equal(own.data, basket.data)

    def _between(self, low: int, high: int) -> list[int]:
        if low >= high:
            return []
        edges = self.table.entries
        first = int(np.searchsorted(edges, low, side="right")) - 1
        last = int(np.searchsorted(edges, high, side="left"))
        return [number for number in range(first, last) if edges[number + 1] > edges[number]]

    def _piece(self, basket: Basket, edges: Integers, wanted: Integers) -> Piece:
        starts, lengths = edges[wanted], np.diff(edges)[wanted]
        kept = positions(starts, lengths)
        together = basket.data[kept]
        if self.branch.classname == "TBranch" or not POINTED.search(together.tobytes()):
            return Piece(together, lengths)
        data = np.zeros_like(basket.data)
        data[kept] = together
        moved = None if basket.displacement is None else basket.displacement[wanted]
        return Piece(data, lengths, starts, moved)

    def _read(self, number: int) -> tuple[Basket, Integers]:
        if self._last is None or self._last[0] != number:
            self._last = None
            where = f"{self.where}, basket {number}"
            record = self.record(number)
            basket = read_basket(record, where)
            expected = int(self.table.entries[number + 1] - self.table.entries[number])
            if basket.entries != expected:
                raise InputError(
                    "a basket has another number of entries",
                    where=where,
                    expected=expected,
                    got=basket.entries,
                )
            edges = self._edges(basket, number, where)
            self._last = number, basket, edges, KEY_HEAD.unpack_from(record)[4]
            self.largest = max(self.largest, len(basket.data))
        return self._last[1:3]

    def record(self, number: int) -> bytes:
        """A basket with its key, as it is on disk or in the header.

        Raises
        ------
        InputError
            If it is in neither.
        """
        if number in self.table.embedded:
            return self.table.embedded[number]
        seek, size = int(self.table.seeks[number]), int(self.table.sizes[number])
        if not seek:
            raise InputError("a basket was lost", where=f"{self.where}, basket {number}")
        return self.source.raw(seek, seek + size)

    def _edges(self, basket: Basket, number: int, where: str) -> Integers:
        """Where each entry begins, and the last ends."""
        entries, size = basket.entries, len(basket.data)
        if basket.offsets is not None:
            return np.asarray(basket.offsets, np.int64)
        leaf = self.branch.leaves[0] if len(self.branch.leaves) == 1 else None
        if leaf is not None and leaf.classname == "TLeafC":
            return string_edges(basket.data, entries, where)
        if leaf is not None and self._counter is not None:
            counts = self._counter.numbers(int(self.table.entries[number]), entries)
            edges = edges_of(counts * leaf.length * leaf.width)
            if edges[-1] == size:
                return edges
        if size % entries == 0:
            return np.arange(entries + 1, dtype=np.int64) * (size // entries)
        raise UnsupportedError("it is not known where entries of a basket begin", where=where)

    def numbers(self, start: int, entries: int) -> Integers:
        """Values of a branch that counts another, int64[entries]."""
        pieces = list(self.chosen(start, np.ones(entries, bool)))
        leaf = self.branch.leaves[0]
        data = np.concatenate([np.zeros(0, np.uint8), *(piece.data for piece in pieces)])
        if len(self.branch.leaves) != 1 or len(data) != entries * leaf.width:
            raise UnsupportedError("counts that cannot be read", where=self.where)
        return np.frombuffer(data.tobytes(), dtype_of(leaf)).astype(np.int64)


def dtype_of(leaf: LeafHeader) -> np.dtype[np.generic]:
    """The integers of a leaf that counts."""
    return np.dtype(f">{'u' if leaf.unsigned else 'i'}{leaf.width}")


def setting_of(source: Bytes, branch: BranchHeader, inherited: int) -> Compression:
    """How the baskets of a branch are compressed.

    Parameters
    ----------
    source
        The file that it is in.
    branch
        Its header, which may say nothing: uproot writes 0 there whatever it does.
    inherited
        ROOT's number of the setting of the file.
    """
    if branch.compression:
        return Compression.of(branch.compression, inherited)
    algorithm = written_with(source, branch)
    if algorithm is None:
        return Compression.of(0)
    of_file = Compression.of(inherited)
    # a basket does not say its level: the highest is never larger
    return of_file if of_file.algorithm == algorithm and of_file.level else Compression(algorithm, BEST)


def written_with(source: Bytes, branch: BranchHeader) -> str | None:
    """The algorithm of the first basket that is compressed; None where none is."""
    assert set(MAGIC.values()) == set(CODES)
    table = branch.baskets
    for seek, size in zip(table.seeks.tolist(), table.sizes.tolist(), strict=True):
        if not seek:
            continue
        record = source.raw(seek, seek + size)
        key, length, _ = key_at(record)
        if key.nbytes - length < key.objlen:
            return MAGIC.get(record[length : length + 2])
    return None
