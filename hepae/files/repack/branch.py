"""One branch with fuller baskets, under the compression that makes it smallest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hepae.arrays import Integers
from hepae.root.file.compression import Compression
from hepae.root.file.records import key_at
from hepae.root.file.source import Source
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.entries import POINTED, BranchEntries, setting_of, written_with
from hepae.root.ttree.layouts.basket import Basket, read_basket
from hepae.root.ttree.writer import TreeWriter

__all__ = ["RepackedBranch"]

BASKET_BYTES = 128 << 10
"""What baskets are filled up to: 1,500 branches then take 200 MB in memory while they are written."""


def allowed(source: Source, branch: BranchHeader, tried: Sequence[Compression]) -> list[Compression]:
    """The settings of the algorithm that only the baskets of a branch tell, where its header says nothing."""
    algorithm = None if branch.compression else written_with(source, branch)
    return [setting for setting in tried if algorithm in (None, setting.algorithm)] or [
        setting_of(source, branch, 0)
    ]


LEAST_GAIN = 0.05
"""Share of its bytes that a branch of a compressed file must lose to be repacked: LZMA takes a second for 3 MB."""


class RepackedBranch:
    """A branch whose baskets are read one by one, gathered and written.

    Parameters
    ----------
    source, branch, where
        The file, the branch in the header of its tree, and what the tree is called in messages.
    tried, declared
        Settings of compression, and whether its header is to say which is taken.
    """

    def __init__(
        self,
        source: Source,
        branch: BranchHeader,
        where: object,
        tried: Sequence[Compression],
        declared: bool,
    ) -> None:
        self.entries, self.branch, self.declared = BranchEntries(source, branch, {}, where), branch, declared
        self.tried = tried if declared else allowed(source, branch, tried)
        self.table, self.number = self.entries.table, 0
        self.gathered: list[Basket] = []
        self.objects = branch.classname != "TBranch"

    def saves(self) -> float:
        """Bytes that it becomes smaller by, judged by its first entries; 0 where that is not worth the time."""
        if self.table.embedded or not len(self.table):
            return 0.0  # compressed with the header
        kept: list[Basket] = []
        while len(kept) < len(self.table) and sum(len(one.data) for one in kept) < BASKET_BYTES:
            basket = self._read(len(kept))[0]
            if (self.objects and POINTED.search(basket.data.tobytes())) or not together(
                basket, (kept or [basket])[0]
            ):
                return 0.0  # stays in the baskets that it has
            kept.append(basket)
        data, before = united(kept).body(len(self.branch.name)), int(self.table.sizes[: len(kept)].sum())
        share = min(len(setting.pack(data)) for setting in self.tried) / max(before, 1)
        return float(self.table.sizes.sum() * (1 - share)) if share < 1 - LEAST_GAIN else 0.0

    def write(self, written: TreeWriter, stop: int) -> None:
        """Write the baskets that begin before an entry, but for the last ones, which may be gathered with others."""
        while self.number < len(self.table) and self.table.entries[self.number] < stop:
            self._take(written, *self._read(self.number))
            self.number += 1

    def finish(self, written: TreeWriter) -> None:
        """Write what is left, entries beyond those of the tree among it."""
        self.write(written, int(self.table.entries[-1]) + 1)
        self._flush(written)
        if not len(self.table):  # what it holds is in its sub-branches
            written.pass_over(self.branch.path, self.branch.entries)

    def _read(self, number: int) -> tuple[Basket, int]:
        """A basket, and the bytes of its key."""
        record = self.entries.record(number)
        return read_basket(record, f"{self.entries.where}, basket {number}"), key_at(record)[1]

    def _take(self, written: TreeWriter, basket: Basket, key_length: int) -> None:
        if self.objects and POINTED.search(basket.data.tobytes()):
            self._flush(written)
            self._choose(written, basket)
            written.append_in_place(self.branch.path, basket, key_length)
            return
        if self.gathered and not together(self.gathered[-1], basket):
            self._flush(written)
        self.gathered.append(basket)
        if sum(len(one.data) for one in self.gathered) >= BASKET_BYTES:
            self._flush(written)

    def _flush(self, written: TreeWriter) -> None:
        if self.gathered:
            basket = united(self.gathered)
            self._choose(written, basket)
            written.append_basket(self.branch.path, basket)
            self.gathered = []

    def _choose(self, written: TreeWriter, basket: Basket) -> None:
        """Settle how the branch is compressed, by its first basket."""
        if not self.tried:
            return
        data = basket.body(len(self.branch.name))
        smallest = min(self.tried, key=lambda setting: len(setting.pack(data)))
        written.compress(self.branch.path, smallest, declared=self.declared)
        self.tried = ()


def together(first: Basket, second: Basket) -> bool:
    """Whether two baskets can be one: neither has anything but entries, and both have offsets or neither."""
    plain = all(one.displacement is None and not one.io_bits for one in (first, second))
    if first.offsets is None or second.offsets is None:
        return plain and first.offsets is second.offsets
    return plain and first.offsets[0] == second.offsets[0] == 0


def united(baskets: Sequence[Basket]) -> Basket:
    """Baskets one after the other."""
    if len(baskets) == 1:
        return baskets[0]
    data, entries = np.concatenate([one.data for one in baskets]), sum(one.entries for one in baskets)
    if baskets[0].offsets is None:
        return Basket.of(data, None, entries)
    return Basket.of(data, np.concatenate([[0], *shifted(baskets)]).astype(np.int64), entries)


def shifted(baskets: Sequence[Basket]) -> Iterator[Integers]:
    """Where entries end, from the start of the first basket."""
    before = 0
    for one in baskets:
        assert one.offsets is not None
        yield one.offsets[1:] + before
        before += len(one.data)
