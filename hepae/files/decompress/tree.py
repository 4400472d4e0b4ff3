"""One compressed tree as it was: its original header, restored baskets, and those that were kept, raw."""

from __future__ import annotations

from hepae.progress import Report
from hepae.read.trees import compressed_of
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.header import parse_tree
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.rewriter import TreeRewriter
from hepae.stored.header import header_of
from hepae.stored.payload import MARKER

__all__ = ["is_compressed", "restore_tree"]


def is_compressed(tree: object) -> bool:
    """Whether a tree has columns in a payload tree."""
    return isinstance(tree, TTreeReader) and compressed_of(tree.tree) is not None


def restore_tree(out: RootWriter, source: Source, tree: TTreeReader, report: Report) -> None:
    """Write a tree with its original branches.

    Parameters
    ----------
    out
        The file that is written.
    source, tree
        The compressed file and tree.
    report
        Told how far the work is.
    """
    compressed = compressed_of(tree.tree)
    assert compressed is not None
    now = header_of(source, tree.path)
    header = parse_tree(compressed.header, tree.where)
    written = TreeRewriter(out.file, out.home_of(tree.path), header)
    there = {branch.path: branch for branch in now.branches if branch.path != MARKER}
    gone = [b for b in header.branches if b.path not in compressed.branches and b.path not in there]
    header.remove(gone)
    written.copy(source, {path: branch for path, branch in there.items() if path not in compressed.branches})
    for row in compressed.payload.rows:
        for path in compressed.branches:
            data, offsets = compressed.basket(row, path)
            written.append(path, data, offsets, row.stop - row.start)
        report("restoring", row.stop, tree.num_entries, "")
    written.finish(tree.num_entries, source.newest_cycle(tree.path), now)
    out.done |= {tree.path, tree.path + PAYLOAD}
