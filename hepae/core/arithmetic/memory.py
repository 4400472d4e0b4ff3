"""Keep the memory of temporary arrays instead of returning it to the system each time; give it back at the end."""

from __future__ import annotations

import ctypes
import functools
import sys
from typing import Final

import numpy as np

__all__ = ["give_back_freed_memory", "keep_freed_memory"]

LARGEST_KEPT: Final = 31 << 20


@functools.cache
def keep_freed_memory() -> None:
    """Let the allocator keep freed arrays of up to 31 MB for the next ones. Once per process, takes microseconds.

    The GNU allocator hands arrays above 128 kB back to the system and asks for fresh pages each time, which costs more
    than the arithmetic of a chunk: decoding takes twice as long. It raises that limit to the largest such array that
    was freed (``M_MMAP_THRESHOLD`` in mallopt(3), at most 32 MB), so one array that is never touched suffices.
    Other allocators are not affected.
    """
    np.empty(LARGEST_KEPT, np.uint8)


def give_back_freed_memory() -> None:
    """Hand back to the system what the allocator keeps for threads that have done their work (``malloc_trim``).

    Other allocators than the GNU one have no such call, and nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
