"""Write a tree from a header: baskets copied raw from another file, and baskets that are made of new bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hepae.arrays import Array
from hepae.errors import UnsupportedError
from hepae.root.file.compression import Compression
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.records import Key
from hepae.root.file.source import Source
from hepae.root.ttree.baskets import rewrite_key
from hepae.root.ttree.branches import Baskets, BranchHeader
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.layouts.basket import Basket, write_basket
from hepae.root.ttree.layouts.checks import Offsets
from hepae.root.ttree.raw_copy import Copy, records

__all__ = ["TreeRewriter", "compression_of"]

ALGORITHMS = {0: "zlib", 1: "zlib", 2: "lzma", 4: "lz4", 5: "zstd"}
OLDEST = 100
"""Settings below are levels of zlib, as ROOT 4 wrote them."""


def compression_of(code: int, of_file: int = 505) -> Compression:
    """The compression of a branch; a negative number leaves it to the file.

    Examples
    --------
    >>> compression_of(209)
    Compression(algorithm='lzma', level=9)
    """
    code = of_file if code < 0 else code
    return Compression(ALGORITHMS.get(code // OLDEST, "zstd"), min(code % OLDEST, 9))


@dataclass
class _Filled:
    """The baskets of a branch so far."""

    sizes: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=lambda: [0])
    seeks: list[int] = field(default_factory=list)
    total: int = 0


class TreeRewriter:
    """A tree that is being written.

    Parameters
    ----------
    file, directory
        Where to.
    header
        The header that it will have; it is changed.
    """

    def __init__(self, file: RootFile, directory: Directory, header: TreeHeader) -> None:
        self.file, self.directory, self.header = file, directory, header
        self._filled: dict[str, _Filled] = {}

    def copy(self, source: Source, kept: Mapping[str, BranchHeader]) -> None:
        """Copy the baskets of branches of another file, raw, in the order in which they are there.

        Parameters
        ----------
        source
            The file.
        kept
            The branch there, by the path of the branch here.
        """
        tables = {path: branch.baskets for path, branch in kept.items()}
        copies = sorted(
            Copy(int(seek), int(size), path, number)
            for path, table in tables.items()
            for number, (seek, size) in enumerate(zip(table.seeks, table.sizes, strict=True))
            if seek
        )
        where = f"{source.path}:{self.header.name}"
        for copy, record in records(where, source.directory.file.source, copies):
            if not rewrite_key(record, self.file.position, self.directory.seek):
                raise UnsupportedError(
                    "a basket cannot be moved beyond 2 GB", where=f"{where}, {copy.branch}"
                )
            tables[copy.branch].seeks[copy.number] = self.file.append_raw(record)
        for path, table in tables.items():
            branch, original = self.header.branch(path), kept[path]
            branch.baskets = table
            branch.count(original.entries, *original.sizes)

    def append(self, path: str, data: Array, offsets: Offsets, entries: int) -> None:
        """Append a basket to a branch."""
        branch = self.header.branch(path)
        filled = self._filled.setdefault(path, _Filled())
        key = Key("TBasket", branch.name, self.header.name, 0, self.file.position, self.directory.seek, 0)
        key.datime, key.cycle, key.big = self.file.datime, 0, self.file.big
        table = offsets if branch.record.number("fEntryOffsetLen") else None
        record = write_basket(Basket.of(data, table, entries), key, compression_of(branch.compression))
        filled.seeks.append(self.file.append(record))
        filled.sizes.append(len(record))
        filled.entries.append(filled.entries[-1] + entries)
        filled.total += key.length + key.objlen

    def finish(self, entries: int, cycle: int, state: TreeHeader | None = None) -> None:
        """Write the header.

        Parameters
        ----------
        entries, cycle
            Of the tree.
        state
            The header that aliases, friends and the like are taken over from.
        """
        for path, filled in self._filled.items():
            branch = self.header.branch(path)
            sizes, edges, seeks = (
                np.array(table, np.int64) for table in (filled.sizes, filled.entries, filled.seeks)
            )
            branch.baskets = Baskets(sizes, edges, seeks)
            branch.count(filled.entries[-1], filled.total, sum(filled.sizes))
        if state is not None:
            self.header.take_state(state)
        self.header.count(entries)
        name, title = self.header.name, self.header.title
        key = Key(self.header.classname, name, title, 0, 0, 0, 0, big=self.file.big)
        body = self.header.pack(key.length)
        self.file.write_object(self.header.classname, name, title, body, self.directory, cycle=cycle)
