"""Fill a branch with baskets: those that are given, and those that another branch has, copied as they are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hepae.arrays import Integers
from hepae.errors import UnsupportedError
from hepae.root.file.compression import Compression
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.records import Key
from hepae.root.ttree.baskets import embedded_basket
from hepae.root.ttree.branches import Baskets, BranchHeader
from hepae.root.ttree.layouts.basket import Basket, read_basket
from hepae.root.ttree.raw_copy import HELD_BYTES, Room, written_basket

__all__ = ["Filler", "Place"]


@dataclass
class Place:
    """Where the baskets of a tree go: the file, the directory of the tree, its name, the room in its header."""

    file: RootFile
    home: Directory
    tree: str
    room: Room = field(default_factory=Room)


class Filler:
    """A branch that is filled: its baskets are written as they come, but a small last one, which the header holds.

    Parameters
    ----------
    branch
        The branch in the header that is written; what it holds is forgotten.
    compression
        How its baskets are stored.
    place
        Where they go.

    Attributes
    ----------
    without_bytes : int
        Entries that it counts and has no bytes of, because they are in its sub-branches.
    """

    def __init__(self, branch: BranchHeader, compression: Compression, place: Place) -> None:
        self.branch, self.compression, self.place = branch, compression, place
        self.sizes: list[int] = []
        self.firsts: list[int] = [int(branch.record.number("fFirstEntry"))]
        self.seeks: list[int] = []
        self.total = self.without_bytes = 0
        self.last: Basket | None = None
        branch.cut()

    def append(self, basket: Basket) -> None:
        """The next entries."""
        self._settle()
        self.last = basket if len(basket.data) <= HELD_BYTES else None
        if self.last is None:
            self._write(basket)
        self.firsts.append(self.firsts[-1] + basket.entries)

    def append_in_place(self, basket: Basket, key_length: int) -> None:
        """The next entries, in which pointers count from the start of a key of that length.

        Raises
        ------
        UnsupportedError
            If the key cannot have that length.
        """
        key = self.names()
        key.extra = basket.head(0)
        lengths = {}
        for key.big in (False, True):
            lengths[key.length] = key.big
        big = lengths.get(key_length)
        if big is None or (self.place.file.big and not big):
            raise UnsupportedError(
                "objects with pointers between them cannot be moved to a basket with a key of another length",
                where=f"{self.place.tree}, {self.branch.path}",
                expected=key_length,
                got=key.length,
                hint="leave the branch out, or write it split",
            )
        self._settle()
        self._write(basket, big)
        self.firsts.append(self.firsts[-1] + basket.entries)

    def extend(self, baskets: Baskets, total: int, where: str) -> None:
        """Baskets that have been copied, those inside the header of their tree not yet.

        Parameters
        ----------
        baskets
            Where they are in the file that is written.
        total
            Bytes of those that have been copied, before compression.
        where
            For messages.
        """
        entries: Integers = np.diff(baskets.entries)
        for number in range(len(baskets)):
            if number in baskets.embedded:
                self.append(read_basket(baskets.embedded[number], f"{where}, basket {number}"))
                continue
            self._settle()
            self.seeks.append(int(baskets.seeks[number]))
            self.sizes.append(int(baskets.sizes[number]))
            self.firsts.append(self.firsts[-1] + int(entries[number]))
        self.total += total

    def finish(self) -> None:
        """Write what is left, and tell the header where the baskets are."""
        embedded: dict[int, bytes] = {}
        if self.last is not None and self.place.room.take(self.last.data.tobytes()):
            embedded[len(self.seeks)] = embedded_basket(self.last, self.names())
            self.sizes.append(0)
            self.seeks.append(0)
            self.last = None
        self._settle()
        entries = np.array(self.firsts if self.seeks else [0], np.int64)
        self.branch.baskets = Baskets(
            np.array(self.sizes, np.int64), entries, np.array(self.seeks, np.int64), embedded
        )
        filled = self.firsts[-1] - self.firsts[0] + self.without_bytes
        self.branch.count(filled, self.total, sum(self.sizes))

    def names(self) -> Key:
        """The key of a basket, without its place."""
        file, home = self.place.file, self.place.home
        return Key("TBasket", self.branch.name, self.place.tree, 0, 0, home.seek, file.datime, cycle=0)

    def _settle(self) -> None:
        """Write the basket that was kept back."""
        if self.last is not None:
            self._write(self.last)
            self.last = None

    def _write(self, basket: Basket, big: bool = False) -> None:
        file = self.place.file
        record, size = written_basket(basket, self.names(), self.compression, file, self.place.home, big)
        self.seeks.append(file.append(record))
        self.sizes.append(len(record))
        self.total += size
