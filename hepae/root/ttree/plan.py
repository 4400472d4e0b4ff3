"""Which branches a tree is to have: those of a source that are kept, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hepae.errors import CorruptionError
from hepae.root.file.compression import ZSTD_DEFAULT, Compression
from hepae.root.tree import TreeReader

__all__ = ["Keep", "NewBranch", "Plan", "require_plan"]


@dataclass(frozen=True)
class Keep:
    """A branch of the source that is copied as it is.

    Parameters
    ----------
    name
        Its name in the source.
    """

    name: str


@dataclass(frozen=True)
class NewBranch:
    """A branch that is filled with `TreeWriter.append`.

    Parameters
    ----------
    name
        Name of the branch.
    dtype
        bool, int8 to uint64, float32, float64, or str (one string per event).
    title
        Title of the branch; any text.
    counter
        For a jagged branch the branch that counts it, kept or new; for a list in an RNTuple, which counts by itself, it
        may be empty.
    shape
        Fixed dimensions inside an event, or inside an object of a jagged branch.
    compression
        How its baskets are stored.
    """

    name: str
    dtype: str
    title: str = ""
    counter: str | None = None
    shape: tuple[int, ...] = ()
    compression: Compression = ZSTD_DEFAULT


Plan: TypeAlias = Sequence[Keep | NewBranch]
"""The branches of a tree in order."""


def require_plan(tree: TreeReader, plan: Sequence[NewBranch]) -> None:
    """Refuse a table of hepae's own whose branches are not those that it is written with.

    Raises
    ------
    CorruptionError
        If one is missing or of another type.
    """
    for new in plan:
        branch = tree.branches.get(new.name)
        expected = new.dtype, new.shape, new.counter
        got = branch and ("str" if branch.kind == "string" else branch.dtype, branch.shape, branch.counter)
        if got != expected:
            raise CorruptionError(
                "a table of hepae with other branches",
                where=f"{tree.where}, {new.name}",
                expected=expected,
                got=got,
            )
