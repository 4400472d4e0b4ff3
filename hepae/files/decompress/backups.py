"""An older cycle of a compressed tree as it was: its header, and the first baskets of the newest cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hepae.arrays import Array
from hepae.root.file.compression import Compression
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.header import TreeHeader, parse_tree
from hepae.root.ttree.layouts.checks import Offsets
from hepae.root.ttree.writer import Filling, Treatment
from hepae.stored.backups import Backup
from hepae.stored.compressed import CompressedTree

__all__ = ["restore_backup"]


def restore_backup(
    out: RootWriter,
    backup: Backup,
    newest: TreeHeader,
    compressed: CompressedTree,
    settings: Mapping[str, Compression],
) -> None:
    """Write an older cycle of a tree, which shares the baskets of the newest.

    Parameters
    ----------
    out
        The file that is written.
    backup
        The older cycle.
    newest
        The header of the newest cycle as it has just been written.
    compressed
        The compressed tree, for the basket in the middle of which the back-up ends: a part of it is written.
    settings
        How baskets are compressed, by path, where it is not what headers say.
    """
    header = parse_tree(backup.header, compressed.where)
    there = {branch.path: branch.baskets for branch in newest.branches}
    treatments: dict[str, Treatment] = {
        branch.path: Filling.GIVEN if branch.path in there else Filling.DROPPED for branch in header.branches
    }
    counts = {branch.path: branch.entries for branch in header.branches}
    written = out.rewrite(
        header, treatments, path=backup.path, cycle=backup.cycle, entries=header.entries, settings=settings
    )
    for path, filler in written.fillers.items():
        shared = there[path].first(counts[path])
        if not len(there[path]):  # what it holds is in its sub-branches
            written.pass_over(path, counts[path])
            continue
        filler.extend(shared, 0, f"{compressed.where}, {path}")
        for data, offsets, entries in parts(compressed, path, int(shared.entries[-1]), counts[path]):
            written.append_bytes(path, data, offsets, entries)
    written.finish()


def parts(
    compressed: CompressedTree, path: str, start: int, stop: int
) -> Iterator[tuple[Array, Offsets, int]]:
    """Bytes of the entries of a branch between two, where each begins, and how many: at most a chunk at once."""
    for row in compressed.payload.rows:
        entries = min(row.stop, stop) - row.start
        if row.start < start or entries <= 0:
            continue
        data, offsets = compressed.basket(row, path)
        if offsets is None:
            yield data[: len(data) // (row.stop - row.start) * entries], None, entries
        else:
            yield data[: int(offsets[entries])], offsets[: entries + 1], entries
