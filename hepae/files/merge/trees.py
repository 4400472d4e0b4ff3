"""One tree of several files, end to end: baskets are copied as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from hepae.arrays import Integers
from hepae.errors import CorruptionError, report_it
from hepae.files.merge.branches import raise_maxima, require_same_branches, require_whole
from hepae.files.merge.fill import Zeros, entries_by_path, fillable, graft
from hepae.root.file.compression import Compression
from hepae.root.file.source import Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.entries import BranchEntries, setting_of
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.layouts.basket import Basket
from hepae.root.ttree.layouts.layout import Layout
from hepae.root.ttree.writer import Filling, Treatment

__all__ = ["JoinedTree", "TreePart"]

Tell = Callable[[int], None]
"""Told of entries that are done."""


@dataclass(frozen=True, eq=False)
class TreePart:
    """A tree of one of the files, and zeros for the branches that it does not have."""

    source: Source
    header: TreeHeader
    zeros: dict[str, Zeros] = field(default_factory=dict)


class JoinedTree:
    """A tree that several files have.

    Parameters
    ----------
    path
        Directories and name.
    parts
        The tree in each file that has it, in order.
    fill
        Whether a branch that only some have is filled with zeros.

    Raises
    ------
    SchemaError
        If branches differ.
    UnsupportedError
        If a branch has fewer entries than its tree, where others have to stand behind it; or if it cannot be filled.
    """

    def __init__(self, path: str, parts: Sequence[TreePart], fill: bool = False) -> None:
        self.path = path
        # a tree without entries adds nothing, whatever its branches are
        self.parts = [part for part in parts if part.header.entries] or list(parts[:1])
        self.entries = sum(part.header.entries for part in self.parts)
        self.header = self.parts[0].header.copy()
        self.settings: dict[str, Compression] = {}
        layouts: dict[str, Layout] = {}
        for part in self.parts:
            require_same_branches(self.header, part.header, fill)
            layouts |= self._united(part, part is not self.parts[0] and fill)
        if len(self.parts) > 1:
            self._end_to_end(layouts)

    def _united(self, part: TreePart, fill: bool) -> dict[str, Layout]:
        """Take in the branches that no part before had, and how all are compressed."""
        for branch in part.header.branches:
            if branch.path not in self.settings:
                self.settings[branch.path] = setting_of(part.source, branch, part.source.compression)
        there = {branch.path for branch in self.header.branches}
        new = [branch.path for branch in part.header.branches if branch.path not in there]
        if not new or not fill:
            return {}
        graft(self.header, part.header.copy(), new)
        return fillable(part.source, self.path, part.header, new)

    def _end_to_end(self, layouts: dict[str, Layout]) -> None:
        """Let the header know of all parts, and each part of what it lacks."""
        headers = [part.header for part in self.parts]
        raise_maxima(self.header, headers)
        clusters = clusters_of(headers)
        self.header.forget_entries()
        self.header.clusters = clusters
        self.header.record.put("fAutoFlush", headers[-1].record.number("fAutoFlush"))
        for part in self.parts:
            require_whole(part.header, last=part is self.parts[-1])
            there = {branch.path for branch in part.header.branches}
            missing = [branch for branch in self.header.branches if branch.path not in there]
            if missing:
                counters = entries_by_path(part.source, part.header)
                first = [branch.path for branch in missing if branch.path not in layouts]
                layouts |= fillable(self.parts[0].source, self.path, self.parts[0].header, first)
                for branch in missing:
                    tabled = bool(branch.record.number("fEntryOffsetLen"))
                    part.zeros[branch.path] = Zeros(
                        layouts[branch.path], part.header.entries, tabled, counters
                    )

    def write(self, out: RootWriter, tell: Tell) -> None:
        """Write it, with the header of the first part."""
        paths = [branch.path for branch in self.header.branches]
        treatments: dict[str, Treatment] = dict.fromkeys(paths, Filling.GIVEN)
        key, settings = self.parts[0].source.key(self.path), self.settings
        header = self.header.copy()
        written = out.rewrite(
            header, treatments, path=self.path, key=key, entries=self.entries, settings=settings
        )
        for part in self.parts:
            written.append_tree(part.source, part.header)
            for path, zeros in part.zeros.items():
                for basket in zeros.baskets():
                    written.append_basket(path, basket)
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
        for path in (branch.path for branch in self.header.branches):
            after = BranchEntries(out, written[path], {}, header.where)
            if not same(self._baskets(path), after):
                raise CorruptionError(
                    "baskets differ after writing", where=f"{header.where}, {path}", hint=report_it()
                )

    def _baskets(self, path: str) -> Iterator[tuple[BranchEntries, int] | Basket]:
        """The baskets of a branch that are expected: those of the parts, and zeros."""
        for part in self.parts:
            if path in part.zeros:
                yield from part.zeros[path].baskets()
                continue
            entries = BranchEntries(part.source, part.header.branch(path), {}, part.header.where)
            yield from ((entries, number) for number in range(len(entries.table)))


def same(expected: Iterator[tuple[BranchEntries, int] | Basket], after: BranchEntries) -> bool:
    """Whether the baskets of a branch are those that are expected."""
    number = 0
    for number, one in enumerate(expected, 1):
        if number > len(after.table):
            return False
        equal = (
            after.holds(number - 1, one)
            if isinstance(one, Basket)
            else one[0].same_basket(one[1], after, number - 1)
        )
        if not equal:
            return False
    return number == len(after.table)


def clusters_of(headers: Sequence[TreeHeader]) -> tuple[Integers, Integers]:
    """Clusters of entries of trees, one after the other: the last entry of each run, and entries of a cluster in it.

    Source: ``TTree::ImportClusterRanges`` of ROOT 6.
    """
    ends: list[int] = []
    sizes: list[int] = []
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
