"""Coding tables from the numbers of a small exact-integer network: what residuals look like in each *cell*.

A network of the model looks at the context of an object and says in which cell of a small grid it is; here every cell
gets its table of frequencies. All is integer arithmetic, so that tables are the same on every machine: logarithms of
probabilities in 1/16 of a binary digit come from two layers of integer weights, powers of two from 16 constants, and
frequencies from a division of integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from hepae import limits
from hepae.arrays import Array, Integers
from hepae.core.coding.ans import STATES
from hepae.errors import ModelRejectedError

__all__ = [
    "ACTIVATIONS",
    "GRID",
    "LEVELS",
    "LOG_UNIT",
    "MISSING_LEVEL",
    "SHIFT",
    "frequencies",
    "grid",
    "log_tables",
    "uniform",
]


LEVELS: Final = 256
"""Levels of an input: what networks see are numbers from 0 to 255."""
MISSING_LEVEL: Final = 128
"""The level of an input that an object lacks: the middle."""
SHIFT: Final = 6
"""After each layer the sum is divided by ``2**SHIFT`` and rounded."""
ACTIVATIONS: Final = 255
GRID: Final = 64
"""Coordinates of cells run from -GRID to GRID."""
LOG_UNIT: Final = 16
LOG_RANGE: Final = 20
MAX_CELLS: Final = 4096

_MANTISSAS: Final = (
    65536, 68438, 71468, 74632, 77936, 81386, 84990, 88752,
    92682, 96785, 101070, 105545, 110218, 115098, 120194, 125515,
)  # fmt: skip
"""2**(k/16) in 1/65536."""


def grid(levels: Sequence[int]) -> Integers:
    """Coordinates of every cell, [cells, len(levels)]; the last varies fastest.

    Examples
    --------
    >>> grid((2, 3)).tolist()
    [[-64, -64], [-64, 0], [-64, 64], [64, -64], [64, 0], [64, 64]]
    """
    cells = limits.check("cells", int(np.prod(levels)), MAX_CELLS, least=1)
    axes = [2 * GRID * np.arange(n, dtype=np.int64) // max(n - 1, 1) - GRID for n in levels]
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(cells, len(levels))


def log_tables(levels: Sequence[int], anchors: Sequence[int], weights: Mapping[str, Array]) -> Integers:
    """Logarithms (base 2, in 1/LOG_UNIT) of the probabilities of each bin in each cell, up to a constant.

    Parameters
    ----------
    levels
        Size of the grid along each of its axes.
    anchors
        Rising numbers of the bins at which the network gives values; in between they are interpolated. The first is
        0, the last is the last bin.
    weights
        ``hidden`` [axes, hidden], ``hidden_bias`` [hidden], ``out`` [hidden, anchors], ``out_bias`` [anchors].

    Returns
    -------
    int64[cells, bins]
    """
    hidden, out = weights["hidden"].astype(np.int64), weights["out"].astype(np.int64)
    bias, out_bias = weights["hidden_bias"].astype(np.int64), weights["out_bias"].astype(np.int64)
    shapes = [array.shape for array in (hidden, bias, out, out_bias)]
    width = len(bias)
    if shapes != [(len(levels), width), (width,), (width, len(anchors)), (len(anchors),)]:
        raise ModelRejectedError("weights of coding tables do not fit", got=shapes)
    active = np.clip((grid(levels) @ hidden + bias + (1 << SHIFT >> 1)) >> SHIFT, 0, ACTIVATIONS)
    given = (active @ out + out_bias + (1 << SHIFT >> 1)) >> SHIFT
    return interpolate(given, anchors)


def interpolate(given: Integers, anchors: Sequence[int]) -> Integers:
    """Values at every bin from those at the anchors, rounded down."""
    x = np.asarray(anchors, np.int64)
    if not len(x) or x[0] != 0 or np.any(np.diff(x) <= 0):
        raise ModelRejectedError("anchors do not rise from 0", got=x[:4].tolist())
    at = np.arange(x[-1] + 1)
    left = np.minimum(np.searchsorted(x, at, "right") - 1, max(len(x) - 2, 0))
    right = np.minimum(left + 1, len(x) - 1)
    run = np.maximum(x[right] - x[left], 1)
    return np.asarray(given[:, left] + (given[:, right] - given[:, left]) * (at - x[left]) // run, np.int64)


def frequencies(logs: Integers) -> Integers:
    """Frequencies that sum to ``ans.STATES`` from logarithms: int64[tables, bins] to int64[tables, bins + 1].

    Bins too rare for a frequency of their own get 0; the last symbol stands for all of them and is never 0.
    """
    top = logs.max(1, keepdims=True)
    below = np.minimum(top - logs, LOG_RANGE * LOG_UNIT)
    # 2**(-below/16) as mantissa >> shift, with 20 bits to spare
    raw = np.take(np.array(_MANTISSAS, np.int64), (-below) % LOG_UNIT) << (LOG_RANGE + below // -LOG_UNIT)
    total = raw.sum(1, keepdims=True)
    found = (raw * STATES + total // 2) // total
    rare = np.where(found == 0, raw, 0).sum(1, keepdims=True)
    out = np.concatenate([found, np.maximum((rare * STATES + total // 2) // total, 1)], 1)
    return _balanced(out)


def _balanced(found: Integers) -> Integers:
    """Make the sums right: in proportion first, then by one at the largest frequencies."""
    excess = found.sum(1, keepdims=True) - STATES
    found = found - np.sign(excess) * (found * np.abs(excess) // found.sum(1, keepdims=True))
    excess = found.sum(1, keepdims=True) - STATES
    order = np.argsort(-found, axis=1, kind="stable")
    first = np.arange(found.shape[1]) < np.abs(excess)
    np.put_along_axis(found, order, np.take_along_axis(found, order, 1) - np.sign(excess) * first, 1)
    if found.min() < 0 or np.any(found[:, -1] == 0) or np.any(found.sum(1) != STATES):
        raise ModelRejectedError("coding tables with too many bins", got=found.shape)
    return found


def uniform(bins: int) -> Integers:
    """Frequencies of equally probable bins, and a last symbol for what is outside."""
    return frequencies(np.zeros((1, bins), np.int64))
