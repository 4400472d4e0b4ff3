"""Jets of a file, whether it is compressed or not."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np

from hepae.arrays import Booleans
from hepae.errors import CollectionError, InputError, nearest
from hepae.lab.tagging.jets import FIELDS, Jets
from hepae.read.opened import open_file
from hepae.root.file.source import open_source

__all__ = ["read_jets"]

NEEDED = (
    "a tagger looks at one jet an entry and its constituents, --collection; `hepae report` compares any file"
)


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
                hints = [*filter(None, [nearest(branch, read.keys())]), NEEDED]
                raise CollectionError(f"no branch {branch!r}", where=path, hint=" ".join(hints))
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
