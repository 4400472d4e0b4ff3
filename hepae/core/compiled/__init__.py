"""Whether the hot loops run compiled: with numba, where it is installed and the data are worth loading it.

Results are the same bits either way: each loop of `core.compiled.loops`, the only importer of numba, stands beside
the NumPy that it replaces. Loading numba takes a process one or two seconds, so it waits until NumPy has worked about
as long: little work is never slowed down by more than its own length, and long work hardly notices.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import ClassVar, Final

__all__ = ["SWITCH", "load", "loops_for", "unloaded", "using"]

SWITCH: Final = "HEPAE_COMPILED"
"""Environment variable: 0 for NumPy alone, 1 for compiled loops from the first object on."""

LEAST_VALUES: Final = 200_000_000
"""Values (objects times features) that NumPy codes before numba is loaded: a tenth of them take a fifth of a second
where few of the features are asked for, and loading numba takes two.
"""


class _Switch:
    """What this process has done so far.

    There is no lock, which a forked child could find closed: a count that two threads lose loads numba a little later,
    importing it twice gives the same module, and a list is appended to and popped from by one thread at a time.
    """

    decided = os.environ.get(SWITCH) == "0"
    loops: ModuleType | None = None
    values = 0
    least = 0 if os.environ.get(SWITCH) == "1" else LEAST_VALUES
    unloaded: ClassVar[list[None]] = []
    """An item for each piece of work that is done without loading numba."""


def loops_for(values: int = 0) -> ModuleType | None:
    """The compiled loops, or None where NumPy is to do the work.

    Parameters
    ----------
    values
        How many values are about to be coded.
    """
    if _Switch.decided:
        return _Switch.loops
    if not _Switch.unloaded:
        _Switch.values += values
    return load() if _Switch.values >= _Switch.least else None


def load() -> ModuleType | None:
    """Load the compiled loops now; None where there is no numba, or where it is not wanted."""
    if not _Switch.decided:
        _Switch.loops = _imported()
        _Switch.decided = True
    return _Switch.loops


@contextmanager
def unloaded() -> Iterator[None]:
    """Do not load numba, which takes 190 MB, for this work; loops that are there already, or asked for, are used.

    So is what goes through a whole file once, in bounded memory: reading and writing take most of its time.
    """
    _Switch.unloaded.append(None)
    try:
        yield
    finally:
        _Switch.unloaded.pop()


def _imported() -> ModuleType | None:
    if importlib.util.find_spec("numba") is None:
        return None
    try:
        from hepae.core.compiled import loops
    except ImportError:  # a numba that does not go with this NumPy
        return None
    return loops


@contextmanager
def using(loops: ModuleType | None) -> Iterator[None]:
    """Work with these loops, or with NumPy alone: for comparing the two."""
    before = _Switch.decided, _Switch.loops
    _Switch.decided, _Switch.loops = True, loops
    try:
        yield
    finally:
        _Switch.decided, _Switch.loops = before
