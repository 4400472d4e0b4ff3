"""Which jets are trained on and which are tested, and what a detector is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Booleans, Integers
from hepae.core.values.objects import offsets
from hepae.errors import InputError
from hepae.lab.tagging.jets import Jets, joined
from hepae.lab.tagging.tagger import Tagger

__all__ = ["Detection", "held_out", "in_common", "mixed", "split"]


@dataclass(frozen=True)
class Detection:
    """How well a classifier tells restored jets from original ones: one half is not at all.

    Attributes
    ----------
    auc, error
        On jets that it was not trained on, and the standard error by bootstrap.
    view
        What it was shown.
    trained_on, tested_on
        Jets; each is there once, as it was or as restored.
    """

    auc: float
    error: float
    view: str
    trained_on: int
    tested_on: int


def split(jets: int, train: float, seed: int) -> tuple[Integers, Integers]:
    """Integers to train on and rows to test on, shuffled.

    Examples
    --------
    >>> [len(part) for part in split(20_001, 0.7, 0)]
    [14000, 6001]
    """
    order = np.random.default_rng(seed).permutation(jets)
    first = int(train * jets)
    return order[:first], order[first:]


def held_out(tagger: Tagger, jets: int) -> Integers:
    """Integers of a file of so many jets that a tagger was not trained on; all where it was trained on another file."""
    of = tagger.manifest.split
    if of is None or of.jets != jets:
        return np.arange(jets)
    return split(jets, of.share, of.seed)[1]


def in_common(jets: Jets, others: Jets) -> int:
    """How many of these jets are among the others: the first constituent of both has the same four-vector, bit for bit.

    Examples
    --------
    >>> jets = Jets(np.array([2, 1]), {name: np.array([5.0, 4.0, 9.0]) for name in ("E", "px", "py", "pz", "type")})
    >>> in_common(jets, jets.take(np.array([1])))
    1
    """
    leading, known = (_leading(part) for part in (jets, others))
    return int(np.isin(leading, known).sum())


def _leading(jets: Jets) -> NDArray[np.void]:
    """The first constituent of each jet that has one, one opaque value each."""
    rows = offsets(jets.counts)[:-1][jets.counts > 0]
    four = np.stack(
        [jets.columns[name][rows].astype(np.float64) for name in ("E", "px", "py", "pz")], axis=-1
    )
    return four.view([(name, np.float64) for name in ("E", "px", "py", "pz")])[:, 0]


def mixed(original: Jets, restored: Jets, rows: Integers, seed: int) -> tuple[Jets, Booleans]:
    """These jets, each once: half of them, by chance, as restored, which are the signal.

    Raises
    ------
    InputError
        If the files do not hold the same jets.
    """
    if not np.array_equal(original.counts, restored.counts):
        raise InputError("files of different jets", hint="both must hold the same jets in the same order")
    as_restored = np.random.default_rng(seed).permutation(len(rows)) < len(rows) // 2
    both = joined([original, restored])
    return both.take(rows + len(original) * as_restored), as_restored
