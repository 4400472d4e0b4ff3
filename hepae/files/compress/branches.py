"""Which branches of a TTree can be replaced, and what a file says of them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from hepae.core.tables.schema import TreeSchema
from hepae.root.file.source import Source
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.entries import setting_of
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import compressed_of
from hepae.stored.schemas import StoredBranch, StoredTree

__all__ = ["columns_of_tree", "described_tree", "needed"]


def columns_of_tree(source: Source, path: str, kept: Collection[str]) -> TreeColumns | None:
    """The columns of a TTree that can be replaced; None where there are none, or it is compressed already.

    Parameters
    ----------
    kept
        Paths of branches that stay.
    """
    tree = source.readable(path)
    if not isinstance(tree, TTreeReader) or not tree.num_entries or compressed_of(tree.tree) is not None:
        return None
    stay = set(kept)
    columns = TreeColumns(tree, stay | needed(source.header(source.key(path)), TreeColumns(tree, stay)))
    return columns if columns.infos else None


def described_tree(source: Source, columns: TreeColumns) -> Callable[[TreeSchema], StoredTree]:
    """What a file says of a TTree, from how its columns are stored."""
    settings = _unsaid_settings(source, source.header(source.key(columns.tree.path)))

    def described(schema: TreeSchema) -> StoredTree:
        of_branch: dict[str, list[int]] = {}
        for info in columns.infos:
            of_branch.setdefault(info.branch, []).append(schema.numbers[info.name])
        replaced = tuple(
            StoredBranch(path, columns.layouts[path], tuple(numbers), settings.get(path, 0))
            for path, numbers in of_branch.items()
        )
        return StoredTree(schema, replaced, columns.tree.path)

    return described


def _unsaid_settings(source: Source, header: TreeHeader) -> dict[str, int]:
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
