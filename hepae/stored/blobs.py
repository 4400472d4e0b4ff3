"""Strings of bytes as a column of a table: what hepae keeps of its own, a string for each row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hepae.root.columns import Jagged
from hepae.root.tree import TreeReader

__all__ = ["blob_column", "blobs"]


def blob_column(strings: Sequence[bytes]) -> Jagged:
    """A column of bytes, counted by how many each string has."""
    lengths = np.array([len(data) for data in strings], np.int64)
    return Jagged(lengths, np.frombuffer(b"".join(strings), np.uint8))


def blobs(tree: TreeReader, name: str) -> list[bytes]:
    """The strings of such a column, one for each row of the table."""
    column = tree.read(name, 0, tree.num_entries)
    assert isinstance(column, Jagged)
    edges = np.concatenate([[0], np.cumsum(column.counts)])
    data = np.ascontiguousarray(column.values).tobytes()
    return [data[start:stop] for start, stop in pairwise(edges.tolist())]
