"""Which entries of a tree pass a cut, whatever the tree is stored in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TypeAlias

import numpy as np

from hepae.arrays import Booleans
from hepae.errors import UnsupportedError
from hepae.files.cut import Cut
from hepae.root.columns import Column
from hepae.root.tree import TreeReader

__all__ = ["Tell", "passing"]

Tell: TypeAlias = Callable[[int], None]
"""Told of the entries that are done."""


def passing(
    cut: Cut,
    tree: TreeReader,
    restored: Collection[str],
    read: Callable[[str, int, int], Column],
    windows: Sequence[tuple[int, int]],
    tell: Tell,
) -> Booleans:
    """Which entries pass a cut, bool[entries].

    Parameters
    ----------
    cut, tree
        The cut and the tree.
    restored
        Names that are not in the tree as it is stored.
    read
        Gives the values of a name for a run of entries.
    windows
        The runs in which they are read.
    tell
        Told how far it is.

    Raises
    ------
    CutError
        If it names branches that are not there, or of types that do not fit; before any work is done.
    UnsupportedError
        If it needs a branch that has fewer entries than the tree.
    """

    def columns(start: int, stop: int) -> dict[str, Column]:
        found = {name: read(name, start, stop) for name in cut.names}
        for name, column in found.items():
            if len(column) < stop - start:
                raise UnsupportedError(
                    "a branch has fewer entries than its tree",
                    where=f"{tree.where}, {name}",
                    expected=tree.num_entries,
                    got=start + len(column),
                    hint="leave it out of the cut",
                )
        return found

    cut.require(tree.branches, tree.where, restored)
    cut.keeps(columns(0, 0), 0)
    keep = np.zeros(tree.num_entries, bool)
    for start, stop in windows:
        keep[start:stop] = cut.keeps(columns(start, stop), stop - start, start)
        tell(stop)
    return keep
