"""Decompress a file: every compressed tree gets its original branches back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hepae.files.decompress.tree import is_compressed, restore_tree
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.file.source import MODELS_TREE, SCHEMAS_TREE, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.reader import TTreeReader

__all__ = ["compressed_trees", "restore_file"]


def compressed_trees(source: Source) -> list[str]:
    """Paths of the trees whose columns are in payload trees."""
    return [path for path in source.trees if is_compressed(source.tree(path))]


def restore_file(
    temporary: Path, source: Source, models: Iterable[Model] = (), report: Report = silent
) -> None:
    """Write a file in which every compressed tree has its original branches.

    Parameters
    ----------
    temporary
        Where to write.
    source
        The compressed file.
    models
        Models that it holds by reference.
    report
        Told how far the work is.
    """
    with RootWriter(temporary, source) as out:
        out.done |= {MODELS_TREE, SCHEMAS_TREE}
        for path in compressed_trees(source):
            tree = source.tree(path)
            assert isinstance(tree, TTreeReader)
            restore_tree(out, source, tree, report)
        out.copy_rest()
