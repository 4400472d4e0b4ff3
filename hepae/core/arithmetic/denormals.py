"""Arithmetic that keeps subnormal numbers, whatever else runs in the process.

A library built with ``-ffast-math``, or ``torch.set_flush_denormal``, makes the processor take subnormal numbers for
zero, in all code of its thread. Predictions, lattices and checks would then differ between writer and reader.

Source: C11 7.6.4, ``fegetenv``, ``fesetenv`` and ``FE_DFL_ENV``; on Linux that is the address -1.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["kept_subnormals"]

ENVIRONMENT_BYTES = 256
"""More than any ``fenv_t`` has."""


@contextmanager
def kept_subnormals() -> Iterator[None]:
    """The default floating-point environment of C inside, in this thread; what was before is there again after.

    Also a decorator. Outside Linux it does nothing, and checksums of restored values find what differs.

    Examples
    --------
    >>> import numpy as np
    >>> with kept_subnormals():
    ...     bool(np.float32(1e-45) * np.float32(1) > 0)
    True
    """
    found = _library()
    if found is None:
        yield
        return
    before = ctypes.create_string_buffer(ENVIRONMENT_BYTES)
    found.fegetenv(before)
    found.fesetenv(ctypes.c_void_p(-1))
    try:
        yield
    finally:
        found.fesetenv(before)


@cache
def _library() -> ctypes.CDLL | None:
    """The functions of the mathematics library that Python itself is linked with."""
    if sys.platform != "linux":
        return None
    found = ctypes.CDLL(None)
    if not (hasattr(found, "fegetenv") and hasattr(found, "fesetenv")):
        return None
    for function in (found.fegetenv, found.fesetenv):
        function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_int
    return found
