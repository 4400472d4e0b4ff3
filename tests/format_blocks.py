"""Blocks of integers by docs/format/v1.md, section 9, written from the page alone."""

from __future__ import annotations

import numpy as np
from pcodec import standalone

from tests.format_numbers import require


def block(data, n):  # 9
    """The integers of a block that holds at most n; exactly n if they are all the same."""
    require(data, "empty block")
    if data[0] == 0:
        return np.empty(0, np.int64)
    if data[0] == 1:
        return np.full(n, int.from_bytes(data[1:], "little", signed=True), np.int64)
    out = np.empty(n, {2: np.int16, 3: np.int32, 4: np.int64}[data[0]])
    progress = standalone.simple_decompress_into(data[1:], out)
    require(progress.finished, "a block holds too many integers")
    return out[: progress.n_processed].astype(np.int64)
