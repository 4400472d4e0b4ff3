"""What compressing a tree makes: chunks one after the other, and an account of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from hepae.arrays import Array
from hepae.core.values.bounds import Bound
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.ttree.columns import TreeColumns

__all__ = ["MARKER_TITLE", "AnyColumns", "EncodedChunk", "TreeDone", "marks"]

AnyColumns: TypeAlias = TreeColumns | NTupleColumns
"""The columns of a tree, whatever holds it."""

MARKER_TITLE = (
    "compressed by hepae: in Python, import hepae and read with uproot as before; or run hepae decompress"
)
"""Of the marker, for whoever opens the file without hepae."""


@dataclass
class TreeDone:
    """What became of a tree.

    Attributes
    ----------
    path, entries
        The tree.
    replaced, kept
        Paths of branches, or names of fields, that were compressed, and that were left as they are.
    before, after
        Bytes of the replaced branches in the source, and of what stands in their place.
    bounds
        Bounds of columns, by name; all others are exact.
    predicted
        How many columns are predicted from others.
    unknown, missing
        Columns that the model of a data set does not know, which are coded plainly; and those of the model that the
        tree does not have.
    tighter
        Columns for which a wider bound was asked than the model of a data set has: the model's is kept.
    """

    path: str
    entries: int
    replaced: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    before: int = 0
    after: int = 0
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    predicted: int = 0
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    tighter: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class EncodedChunk:
    """A chunk: its number, its entries, the streams."""

    number: int
    start: int
    stop: int
    streams: Sequence[bytes]


def marks(chunk: EncodedChunk) -> Array:
    """The marker of the entries of a chunk, uint32[entries]."""
    return np.full(chunk.stop - chunk.start, chunk.number, np.uint32)
