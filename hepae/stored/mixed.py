"""A plain and a compressed file that another program merged: seen, and refused.

Such a program keeps the branches of the first file. Where that is the plain one, the payloads of the other are gone,
and branches have no values for its entries, or garbage. What was compressed is therefore noted where it survives: in
the table of models, or in the payload tree itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from hepae.errors import CorruptionError
from hepae.root.tree import TreeReader
from hepae.stored.titles import SUFFIX

__all__ = ["compressed_by_model", "compressed_lines", "merged_with_plain", "require_unmixed", "without_trees"]

COLUMN = "compressed"


def compressed_lines(tree: str, branches: Iterable[str]) -> str:
    """What a model compresses: the path of the tree, then the names of its branches, a line each."""
    return "\n".join([tree, *branches])


def compressed_by_model(table: TreeReader) -> dict[str, str]:
    """What each model compresses, by SHA-256, from the table of models; trees are divided by empty lines."""
    if COLUMN not in table.branches:
        return {}
    entries = table.num_entries
    names = np.asarray(table.read("sha256", 0, entries)).astype(np.uint8)
    lines: dict[str, list[str]] = {}
    for name, text in zip(names, np.asarray(table.read(COLUMN, 0, entries)).tolist(), strict=True):
        blocks = lines.setdefault(name.tobytes().hex(), [])
        blocks += [block for block in str(text).split("\n\n") if block and block not in blocks]
    return {sha256: "\n\n".join(blocks) for sha256, blocks in lines.items()}


def without_trees(compressed: Mapping[str, str], trees: Collection[str]) -> dict[str, str]:
    """What each model compresses still, once some trees were restored."""
    return {
        sha256: "\n\n".join(block for block in text.split("\n\n") if block.partition("\n")[0] not in trees)
        for sha256, text in compressed.items()
    }


def require_unmixed(table: TreeReader, path: str, branches: Collection[str], where: str) -> None:
    """Refuse a tree that has a branch plainly which a model of the file compresses.

    Raises
    ------
    CorruptionError
        If there is such a branch.
    """
    for text in compressed_by_model(table).values():
        for block in text.split("\n\n"):
            tree, *names = block.split("\n")
            mixed = [name for name in names if name in branches and name + SUFFIX not in branches]
            if tree == path and mixed:
                raise merged_with_plain(where, f"{mixed[0]}{SUFFIX}")


def merged_with_plain(where: str, missing: str) -> CorruptionError:
    """The error for a tree whose compressed entries lost what they are restored from."""
    return CorruptionError(
        "a plain and a compressed file were merged by another program: values of some entries are not there",
        where=where,
        expected=missing,
        hint="merge the files again with `hepae merge`, or compress the plain ones first",
    )
