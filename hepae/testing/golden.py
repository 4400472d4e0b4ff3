"""Golden files: small files of every codec, bound and dtype, and the values that they must restore to, as digests.

`tests/golden` of the repository has a folder for each version of the format, with the digests in ``restored.json``. A
reader in another language is right when `differences` is empty.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import awkward as ak
import numpy as np

from hepae.arrays import Integers, Values
from hepae.read.opened import open_file

__all__ = ["HASHES", "Restored", "differences", "digests", "recorded", "restored"]

HASHES = "restored.json"
Restored = Mapping[str, tuple[Integers, Values]]
"""Counts per event (int64[events]) and values one after the other (dtype of the branch [objects]), by branch."""


def recorded(folder: str | Path) -> dict[str, dict[str, str]]:
    """The digest of each branch of each golden file of a folder."""
    found: dict[str, dict[str, str]] = json.loads((Path(folder) / HASHES).read_text(encoding="utf-8"))
    return found


def restored(path: str | Path) -> dict[str, tuple[Integers, Values]]:
    """What hepae itself restores: counts and flat values of every branch of the jets."""
    with open_file(path) as file:
        tree = file["Events"]
        names = tree.keys()  # a tree of uproot's gives its branches where it is gone through
        arrays = {name: tree.arrays([name])[name] for name in names if name.startswith("Jet_")}
    return {
        name: (ak.to_numpy(ak.num(values)).astype(np.int64), ak.to_numpy(ak.flatten(values)))
        for name, values in arrays.items()
    }


def digests(found: Restored) -> dict[str, str]:
    """Dtype, and half a SHA-256 of counts (as i64) and values in little-endian bytes, by branch.

    Examples
    --------
    >>> digests({"Jet_pt": (np.array([1, 0]), np.array([40.0], np.float32))})
    {'Jet_pt': 'float32 33a6c313e0faf5d10465630b47b2dde1'}
    """
    return {
        name: f"{values.dtype.name} {_half(counts.astype('<i8'), values.astype(values.dtype.newbyteorder('<')))}"
        for name, (counts, values) in found.items()
    }


def _half(counts: Values, values: Values) -> str:
    return hashlib.sha256(counts.tobytes() + values.tobytes()).hexdigest()[:32]


def differences(folder: str | Path, read: Callable[[Path], Restored] = restored) -> list[str]:
    """What a reader restores differently from what is recorded, a sentence for each; none for a reader that is right.

    Parameters
    ----------
    folder
        Golden files and their digests, such as ``tests/golden/v1``.
    read
        Restores a file: counts and flat values by the original names of the branches. Branches that it does not give
        are not compared, but a file of which it gives none is a difference.
    """
    found = []
    for name, expected in recorded(folder).items():
        got = digests(read(Path(folder) / name))
        if not got:
            found.append(f"{name}: nothing was restored")
        found += [
            f"{name}: {branch} restores to {got[branch]}, recorded is {expected.get(branch)}"
            for branch in got
            if got[branch] != expected.get(branch)
        ]
    return found
