"""One tree of several files, end to end: baskets are copied as they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hepae.errors import CorruptionError, report_it
from hepae.files.merge.branches import raise_maxima, require_same_branches, require_whole
from hepae.root.file.source import Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.entries import BranchEntries, setting_of
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.writer import Filling

__all__ = ["JoinedTree", "TreePart"]

Tell = Callable[[int], None]
"""Told of entries that are done."""


@dataclass(frozen=True)
class TreePart:
    """A tree of one of the files."""

    source: Source
    header: TreeHeader


class JoinedTree:
    """A tree that several files have.

    Parameters
    ----------
    path
        Directories and name.
    parts
        The tree in each file that has it, in order.

    Raises
    ------
    SchemaError
        If branches differ.
    UnsupportedError
        If a branch has fewer entries than its tree, where others have to stand behind it.
    """

    def __init__(self, path: str, parts: Sequence[TreePart]) -> None:
        self.path = path
        # a tree without entries adds nothing, whatever its branches are
        self.parts = [part for part in parts if part.header.entries] or list(parts[:1])
        self.entries = sum(part.header.entries for part in self.parts)
        for part in self.parts[1:]:
            require_same_branches(self.parts[0].header, part.header)
        if len(self.parts) > 1:
            for part in self.parts:
                require_whole(part.header, last=part is self.parts[-1])

    def write(self, out: RootWriter, tell: Tell) -> None:
        """Write it, with the header of the first part."""
        first = self.parts[0]
        header = first.header.copy()
        raise_maxima(header, [part.header for part in self.parts[1:]])
        if len(self.parts) > 1:
            clusters = clusters_of([part.header for part in self.parts])
            header.forget_entries()
            header.clusters = clusters
            header.record.put("fAutoFlush", self.parts[-1].header.record.number("fAutoFlush"))
        settings = {
            branch.path: setting_of(first.source, branch, first.source.compression)
            for branch in first.header.branches
        }
        treatments = {branch.path: Filling.GIVEN for branch in header.branches}
        key = first.source.key(self.path)
        written = out.rewrite(
            header, treatments, path=self.path, key=key, entries=self.entries, settings=settings
        )
        for part in self.parts:
            written.append_tree(part.source, part.header)
            tell(part.header.entries)
        written.finish()
        out.done.add(self.path)

    def check(self, out: Source) -> None:
        """Compare the baskets that were written with those of the parts.

        Raises
        ------
        CorruptionError
            Naming the branch that differs.
        """
        header = out.header(out.key(self.path))
        written = {branch.path: branch for branch in header.branches}
        for path in (branch.path for branch in self.parts[0].header.branches):
            after = BranchEntries(out, written[path], {}, header.where)
            before = [
                BranchEntries(part.source, branch_of(part.header, path), {}, part.header.where)
                for part in self.parts
            ]
            if not same(before, after):
                raise CorruptionError(
                    "baskets differ after writing", where=f"{header.where}, {path}", hint=report_it()
                )


def same(before: Sequence[BranchEntries], after: BranchEntries) -> bool:
    """Whether the baskets of branches, one after the other, are those of another branch."""
    numbers = [(one, number) for one in before for number in range(len(one.table))]
    return len(numbers) == len(after.table) and all(
        one.same_basket(number, after, at) for at, (one, number) in enumerate(numbers)
    )


def branch_of(header: TreeHeader, path: str) -> BranchHeader:
    return header.branch(path)


def clusters_of(headers: Sequence[TreeHeader]) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of entries of trees, one after the other: the last entry of each run, and entries of a cluster in it.

    Source: ``TTree::ImportClusterRanges`` of ROOT 6.
    """
    ends, sizes = [], []
    before = 0
    for number, header in enumerate(headers):
        own_ends, own_sizes = header.clusters
        ends += (own_ends + before).tolist()
        sizes += own_sizes.tolist()
        before += header.entries
        if number + 1 < len(headers):
            ends.append(before - 1)
            sizes.append(max(int(header.record.number("fAutoFlush")), 0))
    return np.array(ends, np.int64), np.array(sizes, np.int64)
