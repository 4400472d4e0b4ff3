"""One compressed tree as it was: its original header, restored baskets, and those that were kept, raw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hepae.files.decompress.backups import restore_backup
from hepae.progress import Report
from hepae.root.file.compression import Compression
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.header import parse_tree
from hepae.root.ttree.raw_copy import Copied
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import Filling, Treatment
from hepae.stored.backups import Backup
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.payload import MARKER

__all__ = ["restore_tree"]


def restore_tree(
    out: RootWriter, source: Source, tree: TTreeReader, backups: Sequence[Backup], report: Report
) -> None:
    """Write a tree with its original branches, and older cycles of it.

    Parameters
    ----------
    out
        The file that is written.
    source, tree
        The compressed file and tree.
    backups
        The older cycles that come back.
    report
        Told how far the work is.
    """
    compressed = compressed_of(tree.tree)
    assert compressed is not None
    key = source.key(tree.path)
    header, now = parse_tree(compressed.header, tree.where), source.header(key)
    there = {branch.path: branch for branch in now.branches if branch.path != MARKER}
    treatments = {branch.path: treatment_of(branch, compressed, source, there) for branch in header.branches}
    header.take_state(now)
    settings = {
        path: Compression.of(branch.compression)
        for path, branch in compressed.branches.items()
        if branch.compression
    }
    written = out.rewrite(
        header, treatments, path=tree.path, key=key, entries=tree.num_entries, settings=settings
    )
    for row in compressed.payload.rows:
        for path in compressed.branches:
            data, offsets = compressed.basket(row, path)
            written.append_bytes(path, data, offsets, row.stop - row.start)
        report("restoring", row.stop, tree.num_entries, "")
    written.finish()
    for backup in backups:
        restore_backup(out, backup, written.header, compressed, settings)
    out.done.add(tree.path + PAYLOAD)


def treatment_of(
    branch: BranchHeader, compressed: CompressedTree, source: Source, there: Mapping[str, BranchHeader]
) -> Treatment:
    """What becomes of a branch of the original header: restored, copied, or left out where it was dropped."""
    if branch.path in compressed.branches:
        return Filling.GIVEN
    if branch.path in there:
        return Copied(source, there[branch.path])
    return Filling.DROPPED
