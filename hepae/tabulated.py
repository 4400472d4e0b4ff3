"""Functions of lattice integers, evaluated once for each integer in their range and kept for the next chunks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hepae.compiled import loops_for

__all__ = ["tabulated"]

Integers = NDArray[np.int64]

ALIGNMENT: Final = 12
"""Tables begin and end at multiples of this power of two, so that chunks share them."""

MOST_TABLES: Final = 512


def tabulated(function: Callable[[Integers], NDArray[Any]], q: Integers, name: Hashable) -> NDArray[Any]:
    """The function of each integer: looked up, where the integers span not many more numbers than they are.

    Parameters
    ----------
    function
        Of one integer at a time, whatever others there are.
    q
        Its arguments.
    name
        Under which its table is kept: the same for the same function only.
    """
    if not len(q):
        return function(q)
    loops = loops_for()
    low, high = loops.extent(q) if loops else (int(q.min()), int(q.max()))
    low, high = low >> ALIGNMENT, (high >> ALIGNMENT) + 1
    if high - low > max(4, len(q) >> ALIGNMENT):
        return function(q)
    table = _table(function, name, low, high)
    if loops is None:
        return table.take(q - (low << ALIGNMENT))
    out = np.empty(len(q), table.dtype)
    bits = f"u{table.itemsize}"
    loops.look_up(table.view(bits), q, low << ALIGNMENT, out.view(bits))
    return out


_tables: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
_lock = threading.Lock()


def _table(function: Callable[[Integers], NDArray[Any]], name: Hashable, low: int, high: int) -> NDArray[Any]:
    key = name, low, high
    with _lock:
        if key in _tables:
            _tables.move_to_end(key)
            return _tables[key]
    table = np.ascontiguousarray(function(np.arange(low << ALIGNMENT, high << ALIGNMENT, dtype=np.int64)))
    with _lock:
        _tables[key] = table
        if len(_tables) > MOST_TABLES:
            _tables.popitem(last=False)
    return table
