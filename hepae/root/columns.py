"""What a branch of a tree is, and what a run of its values looks like in memory. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array

__all__ = ["Branch", "Column", "Jagged", "cut", "empty_column", "joined"]


@dataclass(frozen=True)
class Branch:
    """One branch of a TTree or one field of an RNTuple.

    Parameters
    ----------
    name
        Name in the file, ``"Jet_pt"``; sub-fields of records as ``"Jet.pt"``.
    kind
        ``"flat"`` (one number or a fixed shape per event), ``"jagged"`` (one level, numbers), ``"string"`` (one per
        event), or ``"other"``: read by nobody here, passed through or refused.
    typename
        C++ type as uproot names it.
    dtype
        NumPy dtype in native byte order, empty for ``"other"``.
    shape
        Fixed dimensions inside an event (flat) or inside an object (jagged).
    counter
        Branch that counts a jagged one, None where counts are implicit (``std::vector``, RNTuple).
    title
        Title of the branch.
    """

    name: str
    kind: str
    typename: str
    dtype: str = ""
    shape: tuple[int, ...] = ()
    counter: str | None = None
    title: str = ""


@dataclass
class Jagged:
    """Values of a jagged branch for a run of events.

    Attributes
    ----------
    counts : int64[n_events]
        Objects per event.
    values : array [n_objects, *shape]
        All objects in event order.
    """

    counts: NDArray[np.int64]
    values: Array

    def __len__(self) -> int:
        return len(self.counts)


Column: TypeAlias = Array | Jagged
"""Values of one branch for a run of events: an array [n_events, *shape] or a `Jagged`."""


def cut(column: Column, start: int, stop: int) -> Column:
    """Events ``start`` to ``stop`` of a run, as views."""
    if not isinstance(column, Jagged):
        return column[start:stop]
    edges = np.concatenate([[0], np.cumsum(column.counts)])
    return Jagged(column.counts[start:stop], column.values[edges[start] : edges[stop]])


def empty_column(info: Branch) -> Column:
    """No events of a branch, with its dtype and shape."""
    if info.kind == "string":
        return np.zeros(0, "U1")
    values = np.zeros((0, *info.shape), info.dtype)
    return Jagged(np.zeros(0, np.int64), values) if info.kind == "jagged" else values


def joined(parts: list[Column]) -> Column:
    """Runs of one branch, one after the other."""
    runs = [part for part in parts if isinstance(part, Jagged)]
    if runs:
        return Jagged(np.concatenate([r.counts for r in runs]), np.concatenate([r.values for r in runs]))
    return np.concatenate([np.asarray(part) for part in parts])
