"""Which tree of a file a cut is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hepae.errors import InputError
from hepae.files.cut import Cut
from hepae.root.file.source import Source
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import compressed_of
from hepae.stored.titles import compressed_collections

__all__ = ["tree_for"]

Reader: TypeAlias = TTreeReader | RNTupleReader


def tree_for(source: Source, name: str | None, cut: Cut) -> Reader:
    """The tree of that name; without a name the one that has what the cut names, or is compressed, or is largest.

    Raises
    ------
    InputError
        If there is none, or no single one.
    """
    return source.tree(name if name is not None else _meant(source, cut))


def _meant(source: Source, cut: Cut) -> str | None:
    trees = [source.tree(path) for path in source.trees]
    having = [tree for tree in trees if cut.names and _names(tree).issuperset(cut.names)] or trees
    compressed = [tree for tree in having if _is_compressed(tree)]
    for found in (having, compressed, _largest(compressed or having)):
        if len(found) == 1:
            return found[0].path
    if not having:
        return None
    raise InputError(
        "several trees could be meant",
        where=source.path,
        got=", ".join(tree.path for tree in having),
        hint="name one with --tree",
    )


def _is_compressed(tree: Reader) -> bool:
    return isinstance(tree, TTreeReader) and bool(compressed_of(tree.tree) or compressed_collections(tree))


def _names(tree: Reader) -> set[str]:
    """Names of branches, restored ones too."""
    if not isinstance(tree, TTreeReader):
        return set(tree.branches)
    collections = compressed_collections(tree).values()
    return {*tree.branches, *(stored.branch for features in collections for stored in features.values())}


def _largest(trees: Sequence[Reader]) -> list[Reader]:
    most = max((tree.num_entries for tree in trees), default=0)
    return [tree for tree in trees if tree.num_entries == most]
