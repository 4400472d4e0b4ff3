"""What a branch of a tree is, and what a run of its values looks like in memory. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["Branch", "Column", "Jagged"]

Array: TypeAlias = NDArray[Any]


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
