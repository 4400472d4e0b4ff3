"""Write every key of a ROOT file anew, as small as ROOT's own means allow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hepae.files.repack.tree import SMALLEST, repack_tree
from hepae.progress import Report, silent
from hepae.root.file.compression import Compression
from hepae.root.file.directory import DIRECTORIES
from hepae.root.file.rest import copy_object
from hepae.root.file.source import RNTUPLES, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.header import TREE_CLASSES

__all__ = ["write_repacked"]


def write_repacked(
    temporary: Path,
    source: Source,
    tried: Sequence[Compression] = SMALLEST,
    report: Report = silent,
    *,
    declared: bool = True,
) -> None:
    """Write every key of a file anew: trees in fuller baskets, other objects compressed as well as can be.

    Parameters
    ----------
    temporary, source
        Where to write, and the file.
    tried
        Settings of compression.
    report
        Told how far the work is.
    declared
        Whether headers of branches say how they are compressed now.
    """
    with RootWriter(temporary, source) as out:
        for done, key in enumerate(source.keys):
            report("repacking", done, len(source.keys), key.name)
            if key.classname in DIRECTORIES:
                out.home_of(key.path)
            elif key.classname in RNTUPLES:
                out.keep_ntuple(key, smallest=True)
            elif key.classname not in TREE_CLASSES:
                copy_object(source, key, out.file, out.home_of(key.above), tried)
            elif key == source.key(key.path):
                repack_tree(out, source, key, tried, declared)
            else:
                out.keep_tree(key)  # an older cycle, which may be a back-up
    report("repacking", len(source.keys), len(source.keys), "")
