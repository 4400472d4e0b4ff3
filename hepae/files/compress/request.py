"""Which columns of a file a request is about, and what it asks of them."""

from __future__ import annotations

from collections.abc import Mapping

from hepae.errors import InputError
from hepae.files.compress.bounds import Asked, Idle, Pairs, bounds_by_tree
from hepae.files.compress.narrowing import ALL, Narrowing
from hepae.root.file.source import Source
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.entries import setting_of
from hepae.root.ttree.header import TREE_CLASSES, TreeHeader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import compressed_of

__all__ = ["compressible", "needed", "readable", "requested", "unsaid_settings"]


def requested(
    source: Source, pairs: Pairs, kept: Mapping[str, set[str]], narrowing: Narrowing
) -> tuple[dict[str, TreeColumns], dict[str, Asked]]:
    """The columns of each tree that a request is about, and what it asks of them; parameters as of `write_whole`."""
    trees = compressible(source, kept)
    if narrowing != ALL:
        stay = narrowing.kept(trees, source.path, _idle(source))
        trees = compressible(
            source, {path: stay.get(path, set()) | kept.get(path, set()) for path in source.trees}
        )
    infos = {path: columns.infos for path, columns in trees.items()}
    return trees, bounds_by_tree(pairs, infos, source.path, _idle(source))


def _idle(source: Source) -> Idle:
    """The branches of trees without entries, by tree."""
    trees = [path for path, classname in source.trees.items() if classname in TREE_CLASSES]
    headers = {path: source.header(source.key(path)) for path in trees}
    return {
        path: [branch.path for branch in header.branches]
        for path, header in headers.items()
        if not header.entries
    }


def compressible(source: Source, kept: Mapping[str, set[str]]) -> dict[str, TreeColumns]:
    """The columns of each tree that has any which can be replaced, and is not compressed already."""
    trees = {}
    for path, classname in source.trees.items():
        tree = readable(source, path) if classname in TREE_CLASSES else None
        if isinstance(tree, TTreeReader) and tree.num_entries and compressed_of(tree.tree) is None:
            stay = kept.get(path, set())
            counting = needed(source.header(source.key(path)), TreeColumns(tree, stay))
            columns = TreeColumns(tree, stay | counting)
            if columns.infos:
                trees[path] = columns
    return trees


def readable(source: Source, path: str) -> object:
    """A tree; None where uproot cannot read its header, so that it stays as it is."""
    try:
        return source.tree(path)
    except InputError:
        # whether the file is damaged shows when its baskets are copied
        return None


def unsaid_settings(source: Source, header: TreeHeader) -> dict[str, int]:
    """How branches are compressed whose headers do not say so, by path."""
    return {
        branch.path: setting_of(source, branch, source.compression).code
        for branch in header.branches
        if branch.compression <= 0
    }


def needed(header: TreeHeader, columns: TreeColumns) -> set[str]:
    """Branches that count what stays: they stay too."""
    owners = {node: branch.path for branch in header.branches for node in branch.nodes()}
    return {
        owners[node]
        for branch in header.branches
        if branch.path not in columns.layouts
        for node in branch.needs
        if node in owners
    }
