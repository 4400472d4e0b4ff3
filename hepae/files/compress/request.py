"""Which columns of a file a request is about, and what it asks of them."""

from __future__ import annotations

from collections.abc import Mapping

from hepae.files.compress.bounds import Asked, Idle, Pairs, bounds_by_tree
from hepae.files.compress.branches import columns_of_tree
from hepae.files.compress.fields import columns_of_ntuple
from hepae.files.compress.narrowing import ALL, Narrowing
from hepae.files.compress.outcome import AnyColumns
from hepae.root.file.source import RNTUPLES, Source
from hepae.root.ttree.header import TREE_CLASSES

__all__ = ["compressible", "requested"]


def requested(
    source: Source, pairs: Pairs, kept: Mapping[str, set[str]], narrowing: Narrowing
) -> tuple[dict[str, AnyColumns], dict[str, Asked]]:
    """The columns of each tree that a request is about, and what it asks of them; parameters as of `write_whole`."""
    trees = compressible(source, kept)
    if narrowing != ALL:
        stay = narrowing.kept(trees, source, _idle(source))
        trees = compressible(
            source, {path: stay.get(path, set()) | kept.get(path, set()) for path in source.trees}
        )
    infos = {path: columns.infos for path, columns in trees.items()}
    return trees, bounds_by_tree(pairs, infos, source.path, _idle(source))


def _idle(source: Source) -> Idle:
    """The branches of trees without entries, by tree."""
    idle = {}
    for path, classname in source.trees.items():
        tree = source.readable(path)
        if tree is not None and tree.num_entries:
            continue
        if classname in TREE_CLASSES:
            header = source.header(source.key(path))
            names, entries = [branch.path for branch in header.branches], header.entries
        else:
            ntuple = source.ntuple(source.key(path))
            names, entries = [field.name for field in ntuple.schema.fields], ntuple.num_entries
        if not entries:
            idle[path] = names
    return idle


def compressible(source: Source, kept: Mapping[str, set[str]]) -> dict[str, AnyColumns]:
    """The columns of each tree that has any which can be replaced, and is not compressed already."""
    trees: dict[str, AnyColumns] = {}
    for path, classname in source.trees.items():
        stay = kept.get(path, set())
        columns: AnyColumns | None = None
        if classname in TREE_CLASSES:
            columns = columns_of_tree(source, path, stay)
        elif classname in RNTUPLES:
            columns = columns_of_ntuple(source, path, stay)
        if columns is not None:
            trees[path] = columns
    return trees
