"""Which branches a tree is to have: those of a source that are kept, and new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from hepae.root.file.compression import ZSTD_DEFAULT, Compression

__all__ = ["Keep", "NewBranch", "Plan"]


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
        For a jagged branch the branch that counts it, kept or new.
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
