"""Chosen entries of branches, as bytes: gathered until they fill a basket as large as those of the source."""

from __future__ import annotations

import numpy as np

from hepae.arrays import Booleans
from hepae.errors import UnsupportedError
from hepae.files.skim.digests import Digests
from hepae.root.file.source import Source
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.entries import BranchEntries, Piece, merged
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.writer import TreeWriter

__all__ = ["ChosenBranch", "entries_of_branches", "require_alone"]


def entries_of_branches(source: Source, header: TreeHeader) -> list[BranchEntries]:
    """The entries of all branches of a tree."""
    owners: dict[object, BranchHeader] = {
        leaf.node: branch for branch in header.branches for leaf in branch.leaves
    }
    return [BranchEntries(source, branch, owners, header.where) for branch in header.branches]


def require_alone(header: TreeHeader) -> None:
    """Refuse a tree whose entries belong to those of its friends.

    Raises
    ------
    UnsupportedError
        If it has friends.
    """
    if header.record.find("fFriends") and header.record.part("fFriends") is not None:
        raise UnsupportedError(
            "the entries that are chosen would not be those of the friends of the tree",
            where=header.where,
            hint="skim a tree without friends (TTree::RemoveFriend), or skim them with it in RDataFrame::Snapshot",
        )


class ChosenBranch:
    """The entries of one branch that are chosen.

    Parameters
    ----------
    entries
        The entries of the source.
    out
        The tree that is written.
    digests
        Told what is written.
    """

    def __init__(self, entries: BranchEntries, out: TreeWriter, digests: Digests) -> None:
        self.entries, self.out, self.digests = entries, out, digests
        self.path = entries.branch.path
        self.tabled = bool(entries.branch.record.number("fEntryOffsetLen"))
        self._pieces: list[Piece] = []
        self._size = int(entries.branch.record.number("fBasketSize"))

    def add(self, start: int, keep: Booleans) -> None:
        """The next entries, and which of them are to be kept."""
        entries = self.entries
        if not len(entries.table):
            # entries of a split object have their bytes in its sub-branches
            filled = max(min(start + len(keep), entries.branch.entries) - start, 0)
            self.out.pass_over(self.path, int(np.count_nonzero(keep[:filled])))
            return
        for piece in entries.chosen(start, keep):
            self.digests.take(self.path, [piece.places], piece.data.tobytes())
            self._take(piece)

    def _take(self, piece: Piece) -> None:
        if piece.starts is not None:
            self.flush()
            self.out.append_in_place(self.path, piece.basket(tabled=True), self.entries.last_key_length)
            return
        self._pieces.append(piece)
        if sum(len(one.data) for one in self._pieces) >= max(self._size, self.entries.largest):
            self.flush()

    def flush(self) -> None:
        """Write what was gathered as a basket."""
        if self._pieces:
            self.out.append_basket(self.path, merged(self._pieces).basket(self.tabled))
            self._pieces = []
