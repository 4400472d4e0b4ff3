"""One TTree with fuller baskets, each branch under the compression that makes it smallest."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from hepae import limits
from hepae.files.repack.branch import RepackedBranch
from hepae.root.file.compression import BEST, LZMA_BEST, Compression
from hepae.root.file.directory import Key
from hepae.root.file.source import Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.raw_copy import Copied
from hepae.root.ttree.writer import Filling, Treatment

__all__ = ["SMALLEST", "gaining", "repack_gaining", "repack_tree"]

SMALLEST = (LZMA_BEST, Compression("zstd", BEST), Compression("zlib", BEST))
"""What is tried for each branch. LZMA is mostly the smallest, ZSTD for the smallest branches."""


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
    branches = [
        RepackedBranch(source, branch, header.where, tried, declared)
        for branch in source.header(key).branches
        if not is_lossy(branch)
    ]
    _write(out, source, key, branches)


def repack_gaining(out: RootWriter, source: Source, path: str) -> None:
    """Write a tree in which branches that become smaller are repacked; nothing where there are none."""
    branches = gaining(source, path)
    if branches:
        _write(out, source, source.key(path), branches)


def _write(out: RootWriter, source: Source, key: Key, repacked: Sequence[RepackedBranch]) -> None:
    header, there = source.header(key), source.header(key).branches
    treatments: dict[str, Treatment] = {branch.path: Copied(source, branch) for branch in there}
    treatments |= {one.branch.path: Filling.GIVEN for one in repacked}
    written = out.rewrite(header, treatments, path=key.path, key=key, entries=header.entries)
    for stop in range(limits.EVENTS_PER_CHUNK, header.entries, limits.EVENTS_PER_CHUNK):
        for branch in repacked:
            branch.write(written, stop)
    for branch in repacked:
        branch.finish(written)
    written.finish()


def gaining(
    source: Source, path: str, others: Collection[str] = (), tried: Sequence[Compression] = SMALLEST
) -> list[RepackedBranch]:
    """The branches that become smaller, their headers as they are; none where an older cycle has their baskets.

    Parameters
    ----------
    source, path
        The file, and the tree in it.
    others
        Branches that are left out.
    tried
        Settings of compression.
    """
    key = source.key(path)
    if any(other.path == path and other != key for other in source.keys):
        return []
    header = source.header(key)
    branches = [
        RepackedBranch(source, branch, header.where, tried, declared=False)
        for branch in header.branches
        if branch.path not in others and not is_lossy(branch)
    ]
    return [branch for branch in branches if branch.saves()]


def is_lossy(branch: BranchHeader) -> bool:
    """Whether a basket of a branch is nowhere: what is left of it is copied as it is."""
    table = branch.baskets
    return any(number not in table.embedded for number in np.flatnonzero(table.seeks == 0).tolist())
