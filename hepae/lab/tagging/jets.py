"""Jets as a tagger sees them: the constituents of each, and what kind of jet it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np

from hepae.arrays import Array, Booleans, Integers
from hepae.core.values.objects import offsets
from hepae.errors import CollectionError, InputError, nearest
from hepae.read.opened import open_file
from hepae.root.file.source import open_source

__all__ = ["FIELDS", "Jets", "joined", "read_jets"]

FIELDS = ("E", "px", "py", "pz", "type")


@dataclass(frozen=True)
class Jets:
    """Constituents of n jets.

    Attributes
    ----------
    counts : int64[n]
        Constituents of each jet.
    columns : dict of arrays [sum of counts]
        ``E``, ``px``, ``py``, ``pz`` in GeV and ``type`` (0 ECAL, 1 HCAL, 2 track), jet after jet.
    """

    counts: Integers
    columns: dict[str, Array]

    def __len__(self) -> int:
        return len(self.counts)

    def take(self, chosen: Integers) -> Jets:
        """These jets, in this order.

        Examples
        --------
        >>> jets = Jets(np.array([2, 1]), {"E": np.array([5.0, 4.0, 9.0])})
        >>> jets.take(np.array([1, 0])).columns["E"].tolist()
        [9.0, 5.0, 4.0]
        """
        counts = self.counts[chosen]
        first = offsets(self.counts)[:-1][chosen]
        rows = np.arange(int(counts.sum())) + np.repeat(first - offsets(counts)[:-1], counts)
        return Jets(counts, {name: column[rows] for name, column in self.columns.items()})


def joined(parts: Sequence[Jets]) -> Jets:
    """Jets of several runs, one after the other."""
    counts = np.concatenate([part.counts for part in parts])
    return Jets(counts, {name: np.concatenate([p.columns[name] for p in parts]) for name in parts[0].columns})


def read_jets(
    path: str | Path, label: str, collection: str = "Constituent", tree: str | None = None
) -> tuple[Jets, Booleans]:
    """Jets and labels of a file, whether it is compressed or not.

    Parameters
    ----------
    path
        ROOT file with one jet an entry.
    label
        Branch with one number a jet, not zero for signal: ``FatJet_isTop``.
    collection
        Name of the constituents.
    tree
        Name of the tree; the only or largest one where none is given.

    Returns
    -------
    jets : Jets
    signal : bool[n]

    Raises
    ------
    CollectionError
        If a branch is missing.
    InputError
        If the constituents of a jet do not agree in number, or the label is not one number a jet.
    """
    with open_source(path) as source:
        name = source.tree(tree).path
    with open_file(path) as file:
        read = file[name]
        wanted = [f"{collection}_{field}" for field in FIELDS]
        for branch in (*wanted, label):
            if branch not in read:
                raise CollectionError(
                    f"no branch {branch!r}", where=path, hint=nearest(branch, read.keys()) or None
                )
        arrays = read.arrays([*wanted, label], library="ak")
    signal = arrays[label]
    if signal.ndim != 1:
        raise InputError("a label that is not one number a jet", where=label, got=str(signal.type))
    counts = ak.num(arrays[wanted[0]]).to_numpy().astype(np.int64)
    for branch in wanted:
        if not np.array_equal(ak.num(arrays[branch]).to_numpy(), counts):
            raise InputError("constituents that do not agree in number", where=f"{path}, {branch}")
    columns = {
        field: ak.flatten(arrays[branch]).to_numpy() for field, branch in zip(FIELDS, wanted, strict=True)
    }
    return Jets(counts, columns), signal.to_numpy() != 0
