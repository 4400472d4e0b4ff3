"""Functions of lattice integers, evaluated once for each integer in their range and kept for the next chunks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Integers
from hepae.core.compiled import loops_for
from hepae.core.locks import ForkSafeLock

__all__ = ["gathered", "tabulated"]


ALIGNMENT: Final = 12
"""Tables begin and end at multiples of this power of two, so that chunks share them."""

MOST_BYTES: Final = 32 << 20
"""Of all tables that are kept: those of a few chunks."""


def tabulated(
    function: Callable[[Integers], Array],
    q: Integers,
    name: Hashable,
    out: Array | None = None,
) -> Array:
    """The function of each integer: looked up, where the integers span not many more numbers than they are.

    Parameters
    ----------
    function
        Of one integer at a time, whatever others there are.
    q
        Its arguments.
    name
        Under which its table is kept: the same for the same function only.
    out
        Where to put the values, of the function's dtype.
    """
    loops = loops_for()
    low, table = _latest.get(name, (0, None))
    if loops and table is not None:
        # most chunks are like the last one
        values = np.empty(len(q), table.dtype) if out is None else out
        bits = f"u{table.itemsize}"
        if loops.look_up(table.view(bits), q, low, values.view(bits)):
            return values
    values = _tabulated(function, q, name)
    if out is None:
        return values
    out[:] = values
    return out


def gathered(
    function: Callable[[Integers], Array],
    q: Integers,
    name: Hashable,
    at: NDArray[np.uint32],
    watched: int,
) -> tuple[Array, int]:
    """`tabulated` of ``q[at]``, and how many of these integers are ``watched``, in one go."""
    loops = loops_for()
    low, table = _latest.get(name, (0, None))
    if loops and table is not None:
        values = np.empty(len(at), table.dtype)
        bits = f"u{table.itemsize}"
        inside, found = loops.gather(table.view(bits), q, at, low, watched, values.view(bits))
        if inside:
            return values, found
    chosen = q.take(at)
    return _tabulated(function, chosen, name), int(np.count_nonzero(chosen == watched))


def _tabulated(function: Callable[[Integers], Array], q: Integers, name: Hashable) -> Array:
    if not len(q):
        return function(q)
    low, high = int(q.min()) >> ALIGNMENT, (int(q.max()) >> ALIGNMENT) + 1
    if high - low > max(4, len(q) >> ALIGNMENT):
        return function(q)
    table = _table(function, name, low, high)
    _latest[name] = low << ALIGNMENT, table
    return table.take(q - (low << ALIGNMENT))


_latest: dict[Hashable, tuple[int, Array]] = {}
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
            (forgotten, *_), _ = _tables.popitem(last=False)
            _latest.pop(forgotten, None)
    return table
