"""After training: how far the decoder may drift on another machine, and the steps of corrections that allow for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Floats
from hepae.core.bottleneck.corrections import allowance
from hepae.core.bottleneck.spec import BottleneckColumn
from hepae.core.values.bounds import Bound, raw_bits
from hepae.errors import BoundError
from hepae.model.runtime import session

__all__ = ["frequent_patterns", "measured_drift", "suits", "with_step"]

SAFETY = 8.0
LEAST_DRIFT = 2.0**-22
FREQUENT_SHARE = 0.001
MOST_FREQUENT = 8
TYPICAL = 0.999
ROOM_FOR_ROUNDING = 128.0
BATCHES = (1, 7, 64, 4096)
OBJECTS_BATCHED = 512
NOMINAL_DRIFT = 2.0**-18
RESOLVED = 0.01


def measured_drift(
    decoder: bytes, latents: NDArray[np.float32], exact: Callable[[NDArray[np.float32]], Floats]
) -> Floats:
    """Drift allowance float64[F], in the decoder's units.

    Eight times the worst difference seen between ONNX Runtime, with several batch sizes, threads and with its
    optimisations on and off, and the same network in float64.

    Parameters
    ----------
    decoder
        ONNX model.
    latents
        A probe float32[n, K].
    exact
        The decoder in float64.
    """
    reference = exact(latents)
    worst = np.zeros(reference.shape[1])
    for threads, optimise in ((1, True), (2, True), (1, False)):
        network = session(decoder, threads, optimise)
        for batch in BATCHES:
            n = len(latents) if batch > OBJECTS_BATCHED else min(len(latents), OBJECTS_BATCHED)
            parts = [
                network(latents=latents[at : min(at + batch, n)])["features"] for at in range(0, n, batch)
            ]
            worst = np.maximum(worst, np.abs(np.concatenate(parts) - reference[:n]).max(axis=0, initial=0.0))
    size = np.abs(reference).max(axis=0, initial=1.0)
    return np.asarray(np.maximum(SAFETY * worst, LEAST_DRIFT * size))


def frequent_patterns(values: NDArray[Any]) -> tuple[int, ...]:
    """Bit patterns of the values, at most eight, that are one in a thousand or more of all: they get own codes.

    Examples
    --------
    >>> frequent_patterns(np.float32([-1, -1, -1, 0.25])[[0, 1, 2] * 100 + [3]])
    (3212836864,)
    """
    if not len(values) or values.dtype.kind != "f":
        return ()
    patterns, counts = np.unique(raw_bits(values), return_counts=True)
    often = counts >= max(2.0, FREQUENT_SHARE * len(values))
    order = np.lexsort((patterns[often], -counts[often]))[:MOST_FREQUENT]
    return tuple(int(pattern) for pattern in patterns[often][order])


def with_step(
    column: BottleneckColumn, values: NDArray[Any], predicted: NDArray[np.float32]
) -> BottleneckColumn:
    """The column with the step that keeps its bound under drift for nearly all values of the training sample.

    Parameters
    ----------
    column
        With its drift.
    values, predicted
        The feature and the decoder's output in the training sample.

    Raises
    ------
    BoundError
        If for most values the drift and the rounding of the dtype leave less than half of the bound.
    """
    if column.bound.kind == "exact" and not column.is_integer:
        return column
    x = column.transform.inverse(predicted)
    if column.is_integer:
        moved = float(column.transform.spread(x, column.drift).max(initial=0.0))
        return msgspec.structs.replace(
            column, step=float(2 ** int(np.ceil(np.log2(max(1.0, ROOM_FOR_ROUNDING * moved)))))
        )
    plain = _corrected(values, column)
    lost = allowance(column, x[plain], values[plain])
    if column.bound.kind != "abs":
        # the correction is a factor, so the drift is relative to the restored value
        predicted_x, true = np.abs(x[plain]), np.abs(values[plain].astype(np.float64))
        with np.errstate(divide="ignore", invalid="ignore"):
            lost = (
                column.transform.spread(x[plain], column.drift) / predicted_x
                + np.spacing(np.abs(values[plain])).astype(np.float64) / true
            )
        lost = lost[np.isfinite(lost)]
    return msgspec.structs.replace(column, step=_step(column, lost))


def suits(column: BottleneckColumn, values: NDArray[Any]) -> bool:
    """Whether a float network can resolve the bulk of the values at all; random bits, for one, it cannot.

    Parameters
    ----------
    column
        A feature with a bound, before training.
    values
        The feature in the training sample.
    """
    if column.bound.kind == "exact":
        return True
    x = values[_corrected(values, column)].astype(np.float64)
    if not len(x):
        return True
    if column.bound.kind != "abs":
        return float(np.median(column.transform.spread(x, NOMINAL_DRIFT) / np.abs(x))) < RESOLVED
    first, last = np.quantile(x, [0.25, 0.75])
    return bool(first == last) or float(np.median(column.transform.spread(x, NOMINAL_DRIFT))) < RESOLVED * (
        last - first
    )


def _corrected(values: NDArray[Any], column: BottleneckColumn) -> NDArray[np.bool_]:
    bits = raw_bits(values)
    special = np.isin(bits, np.array(column.frequent, bits.dtype)) | (values == 0)
    return np.asarray(np.isfinite(values) & ~special)


def _step(column: BottleneckColumn, lost: Floats) -> float:
    bound = column.bound
    size = bound.size if bound.kind == "abs" else bound.relative
    typical, most = (float(np.median(lost)), float(np.quantile(lost, TYPICAL))) if len(lost) else (0.0, 0.0)
    if typical > size / 2:
        smallest = Bound("abs" if bound.kind == "abs" else "rel", float(f"{2 * typical * 1.01:.2g}"))
        raise BoundError(
            "a bound too tight for float networks",
            where=column.name,
            expected=f"{smallest} or more",
            got=bound,
            hint="the codecs lifting and masked have no such limit",
        )
    size -= min(most, size / 2)
    return 2 * size if bound.kind == "abs" else (1 + size) / (1 - size)
