"""Blocks of integers by docs/format/v1.md, section 9, written from the page alone."""

from __future__ import annotations

import numpy as np
from pcodec import standalone, wrapped

from tests.format_numbers import require


def varint(data, at):  # 8.2
    """A number and the place after it."""
    number, shift = 0, 0
    while True:
        require(at < len(data) and shift < 64, "a number is cut short")
        number |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return number, at


def block(data, n):  # 9
    """The n integers of a block."""
    require(data, "empty block")
    mode = data[0] % 16
    if mode == 0:
        require(n == 0, "an empty block")
        return np.empty(0, np.int64)
    if mode in (1, 8):
        z, at = varint(data, 1)
        value = z // 2 if z % 2 == 0 else -(z + 1) // 2
        if mode == 1:
            return np.full(n, value, np.int64)
        m, at = varint(data, at)
        g, at = varint(data, at)
        values = value + np.append(0, np.cumsum(block(data[at : at + g], m - 1)))
        return values[block(data[at + g :], n)]
    require(2 <= mode <= 7, f"mode {mode}")
    out = np.empty(n, [np.int16, np.int32, np.int64][(mode - 2) % 3])
    if mode < 5:
        file, _ = wrapped.FileDecompressor.new(b"\4\1")
        pages, size = file.chunk_decompressor(data[1:], out.dtype.name.replace("nt", ""))
        progress, more = pages.read_page_into(data[1 + size :], n, out)
        require(1 + size + more == len(data), "bytes are left over")
    else:
        progress = standalone.simple_decompress_into(data[1:], out)
    require(progress.finished and progress.n_processed == n, "a block holds another number of integers")
    return out.astype(np.int64)
