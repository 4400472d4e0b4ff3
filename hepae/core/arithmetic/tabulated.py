"""Functions of lattice integers, evaluated once for each integer in their range and kept for the next chunks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.locks import ForkSafeLock

__all__ = ["tabulated"]


ALIGNMENT: Final = 12
"""Tables begin and end at multiples of this power of two, so that chunks share them."""

MOST_BYTES: Final = 32 << 20
"""Of all tables that are kept: those of a few chunks."""


def tabulated(function: Callable[[Integers], Array], q: Integers, name: Hashable) -> Array:
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
    low, high = int(q.min()) >> ALIGNMENT, (int(q.max()) >> ALIGNMENT) + 1
    if high - low > max(4, len(q) >> ALIGNMENT):
        return function(q)
    return _table(function, name, low, high).take(q - (low << ALIGNMENT))


_tables: OrderedDict[tuple[Hashable, int, int], Array] = OrderedDict()
_lock = ForkSafeLock()


def _table(function: Callable[[Integers], Array], name: Hashable, low: int, high: int) -> Array:
    key = name, low, high
    with _lock:
        if key in _tables:
            _tables.move_to_end(key)
            return _tables[key]
    table = np.ascontiguousarray(function(np.arange(low << ALIGNMENT, high << ALIGNMENT, dtype=np.int64)))
    with _lock:
        _tables[key] = table
        while len(_tables) > 1 and sum(kept.nbytes for kept in _tables.values()) > MOST_BYTES:
            _tables.popitem(last=False)
    return table
