"""What a column takes by itself: the values of a branch, and bytes of other coders of single columns."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from pcodec import ChunkConfig, standalone

__all__ = ["flat_values", "pcodec_size"]


def flat_values(branch: Any) -> np.ndarray[Any, Any]:
    """All values of a branch of numbers or flags, flat; flags as uint8. None of texts, records and other objects."""
    flat = ak.flatten(branch.array(), axis=None)
    values = np.asarray(flat) if flat.layout.is_numpy else np.zeros(0)
    return values.view(np.uint8) if values.dtype == bool else values


def pcodec_size(values: np.ndarray[Any, Any]) -> int:
    """Bytes of a column with pcodec, which has no integers of one byte: they get two."""
    if not len(values):
        return 0
    wide = values.astype(f"{values.dtype.kind}2") if values.dtype.itemsize == 1 else values
    return len(standalone.simple_compress(np.ascontiguousarray(wide), ChunkConfig()))
