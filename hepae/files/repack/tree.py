"""One TTree with fuller baskets, each branch under the compression that makes it smallest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hepae import limits
from hepae.files.repack.branch import RepackedBranch
from hepae.root.file.compression import Compression
from hepae.root.file.directory import Key
from hepae.root.file.source import Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.raw_copy import Copied
from hepae.root.ttree.writer import Filling, Treatment

__all__ = ["repack_tree"]


def repack_tree(
    out: RootWriter, source: Source, key: Key, tried: Sequence[Compression], declared: bool = True
) -> None:
    """Write a tree with the same entries in other baskets.

    Parameters
    ----------
    out, source
        The file that is written, and the one that the tree is of.
    key
        The tree's.
    tried
        Settings of compression: each branch takes the one that makes its first basket smallest.
    declared
        Whether headers say how branches are compressed now; or else what they said before, which ROOT takes for
        further baskets only.

    Raises
    ------
    InputError
        If a basket is damaged.
    """
    header = source.header(key)
    there = source.header(key).branches
    treatments: dict[str, Treatment] = {
        branch.path: Copied(source, branch) if is_lossy(branch) else Filling.GIVEN for branch in there
    }
    branches = [
        RepackedBranch(source, branch, header.where, tried, declared)
        for branch in there
        if treatments[branch.path] is Filling.GIVEN
    ]
    written = out.rewrite(header, treatments, path=key.path, key=key, entries=header.entries)
    for stop in range(limits.EVENTS_PER_CHUNK, header.entries, limits.EVENTS_PER_CHUNK):
        for branch in branches:
            branch.write(written, stop)
    for branch in branches:
        branch.finish(written)
    written.finish()


def is_lossy(branch: BranchHeader) -> bool:
    """Whether a basket of a branch is nowhere: what is left of it is copied as it is."""
    table = branch.baskets
    return any(number not in table.embedded for number in np.flatnonzero(table.seeks == 0).tolist())
