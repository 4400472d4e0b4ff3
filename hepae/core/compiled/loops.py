"""The hot loops, compiled with numba. Each says in NumPy what it does, and does that, bit for bit.

Indices are unsigned and slices have equal lengths where it matters: the compiler then leaves out the checks for
negative indices and uses vector instructions. No `fastmath`: sums of floats keep their order and their roundings.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Array, Floats, Integers, Narrow, Words
from hepae.core.compiled.constants import LN2, PI, SMALLEST

__all__ = [
    "add_predictions",
    "angles",
    "classes",
    "count",
    "deal",
    "gather",
    "inside_bins",
    "look_up",
    "look_up_places",
    "mix_places",
    "nearest_linear",
    "nearest_log",
    "octaves",
    "places",
    "places_in_rank_order",
    "product_places",
    "read_bits",
    "reals",
    "sum_tables",
    "sum_widths",
    "take_symbols",
    "wrapped",
]

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

BLOCK: Final = 1024
"""Objects that go through several tables at once: their sums stay in the first-level cache."""


def _compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function, compiled when it is first called; kept on disk where there is a writable place for it."""
    try:
        found = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no such place
        found = numba.njit(nogil=True)(function)
    return cast(Callable[Parameters, Result], found)


@_compiled
def places(column: Integers, low: int, shift: int, add: int, top: int, out: NDArray[np.uint32]) -> None:
    """``out = clip((column - low >> shift) + add, 0, top)``."""
    for i in range(out.shape[0]):
        out[i] = min(max(((column[i] - low) >> shift) + add, 0), top)


@_compiled
def mix_places(
    columns: Floats,
    rows: Words,
    weights: Floats,
    begin: int,
    low: int,
    shift: int,
    add: int,
    top: int,
    out: NDArray[np.uint32],
) -> None:
    """`places` of ``floor(0.5 + sum of weights[k] * columns[rows[k], begin:])``, summed in this order."""
    total = np.empty(BLOCK)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        summed = total[: found.shape[0]]
        summed[:] = 0.5
        for k in range(rows.shape[0]):
            weight = weights[k]
            column = columns[rows[k], begin + start : begin + start + found.shape[0]]
            for i in range(column.shape[0]):
                summed[i] += column[i] * weight
        for i in range(found.shape[0]):
            found[i] = min(max(((np.int64(np.floor(summed[i])) - low) >> shift) + add, 0), top)  # type: ignore[assignment]


@_compiled
def product_places(
    columns: Integers,
    rows: Words,
    weights: Integers,
    begin: int,
    scale: int,
    low: int,
    shift: int,
    add: int,
    top: int,
    out: NDArray[np.uint32],
) -> None:
    """`places` of ``(sum of weights[k] * columns[rows[k], begin:]) >> scale``."""
    total = np.empty(BLOCK, np.int64)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        summed = total[: found.shape[0]]
        summed[:] = 0
        for k in range(rows.shape[0]):
            weight = weights[k]
            column = columns[rows[k], begin + start : begin + start + found.shape[0]]
            for i in range(column.shape[0]):
                summed[i] += column[i] * weight
        for i in range(found.shape[0]):
            found[i] = min(max((((summed[i] >> scale) - low) >> shift) + add, 0), top)


@_compiled
def _sum_block(
    places: NDArray[np.uint32],
    rows: Words,
    first: int,
    tables: Narrow,
    starts: Words,
    out: Narrow,
) -> None:
    """``out = sum of tables[starts[k] + places[rows[k], first:]]`` for the few objects of a block."""
    out[:] = 0
    for k in range(rows.shape[0]):
        table = tables[starts[k] :]
        place = places[rows[k], first : first + out.shape[0]]
        for i in range(place.shape[0]):
            out[i] += table[place[i]]


@_compiled
def sum_tables(
    places: NDArray[np.uint32],
    rows: Words,
    begin: int,
    tables: Narrow,
    starts: Words,
    constant: int,
    out: Integers,
) -> None:
    """``out = constant + sum of tables[starts[k] + places[rows[k], begin:]]``."""
    total = np.empty(BLOCK, tables.dtype)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        summed = total[: found.shape[0]]
        _sum_block(places, rows, begin + start, tables, starts, summed)
        for i in range(found.shape[0]):
            found[i] = summed[i] + constant


@_compiled
def add_predictions(
    places: NDArray[np.uint32],
    rows: Words,
    tables: Narrow,
    starts: Words,
    constant: int,
    shift: int,
    latents: Narrow,
    out: Integers,
) -> None:
    """``out = latents + (constant + sum of tables[starts[k] + places[rows[k]]] >> shift)``."""
    total = np.empty(BLOCK, tables.dtype)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        latent = latents[start : start + found.shape[0]]
        summed = total[: found.shape[0]]
        _sum_block(places, rows, start, tables, starts, summed)
        for i in range(found.shape[0]):
            found[i] = latent[i] + ((summed[i] + constant) >> shift)


@_compiled
def classes(
    places: NDArray[np.uint32],
    rows: Words,
    begin: int,
    tables: Narrow,
    starts: Words,
    constant: int,
    edges: Integers,
    out: NDArray[np.uint8],
) -> None:
    """``out = (scores >= edges[0]) + (scores >= edges[1]) + …`` of the scores that `sum_tables` gives."""
    total = np.empty(BLOCK, tables.dtype)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        summed = total[: found.shape[0]]
        _sum_block(places, rows, begin + start, tables, starts, summed)
        found[:] = 0
        for k in range(edges.shape[0]):
            edge = edges[k]
            for i in range(found.shape[0]):
                found[i] += summed[i] + constant >= edge


@_compiled
def count(classes: NDArray[np.uint8], out: Integers) -> None:
    """``out = bincount(classes, minlength=len(out))``."""
    for k in range(out.shape[0]):
        total = 0
        for i in range(classes.shape[0]):
            total += classes[i] == k
        out[k] = total


@_compiled
def deal(classes: NDArray[np.uint8], blocks: Narrow, starts: Integers, out: Integers) -> None:
    """``out[classes == c] = blocks[starts[c] :][: count[c]]`` for each class c; ``starts += count``."""
    for i in range(out.shape[0]):
        own = np.uint64(classes[i])
        out[i] = blocks[np.uint64(starts[own])]
        starts[own] += 1


@_compiled
def wrapped(values: Integers, low: int, length: int) -> None:
    """``values -= int64(floor((values - low) / length) * length)``."""
    size = np.float64(length)
    for i in range(values.shape[0]):
        values[i] -= np.int64(np.floor(np.float64(values[i] - low) / size) * size)


@_compiled
def look_up(table: Array, column: Integers, low: int, out: Array) -> bool:
    """``out = table[column - low]``; whether all of these were within the table."""
    end, largest = np.uint64(table.shape[0]), np.uint64(0)
    places = np.empty(BLOCK, np.uint32)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        here = column[start : start + found.shape[0]]
        place = places[: found.shape[0]]
        for i in range(here.shape[0]):
            wanted = np.uint64(here[i] - low)
            largest = max(largest, wanted)
            place[i] = np.uint32(min(wanted, end - np.uint64(1)))
        for i in range(found.shape[0]):
            found[i] = table[place[i]]
    return bool(largest < end)


@_compiled
def gather(
    table: Array,
    column: Integers,
    at: NDArray[np.uint32],
    low: int,
    watched: int,
    out: Array,
) -> tuple[bool, int]:
    """``out = table[column[at] - low]``; whether all of these were within, and how many are watched."""
    end, largest, found = np.uint64(table.shape[0]), np.uint64(0), 0
    numbers, places = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.uint32)
    for start in range(0, out.shape[0], BLOCK):
        values = out[start : start + BLOCK]
        here = at[start : start + values.shape[0]]
        number, place = numbers[: values.shape[0]], places[: values.shape[0]]
        for i in range(here.shape[0]):
            number[i] = column[here[i]]
        for i in range(number.shape[0]):
            found += number[i] == watched
        for i in range(number.shape[0]):
            wanted = np.uint64(number[i] - low)
            largest = max(largest, wanted)
            place[i] = np.uint32(min(wanted, end - np.uint64(1)))
        for i in range(values.shape[0]):
            values[i] = table[place[i]]
    return bool(largest < end), found


@_compiled
def places_in_rank_order(
    events: Integers, offsets: Integers, starts: NDArray[np.uint32], out: NDArray[np.uint32]
) -> None:
    """``out[offsets[events[i]] + k] = starts[k] + i`` for each object k of each event."""
    for i in range(events.shape[0]):
        event = np.uint64(events[i])
        first = offsets[event]
        own = out[first : offsets[event + np.uint64(1)]]
        for k in range(own.shape[0]):
            own[k] = starts[k] + np.uint32(i)


@_compiled
def look_up_places(table: Array, place: NDArray[np.uint32], out: Array) -> None:
    """``out = table[place]``, all of which are within."""
    for i in range(out.shape[0]):
        out[i] = table[place[i]]


@_compiled
def reals(column: Integers, largest: int, out: Floats) -> None:
    """``out = float64(clip(column, -largest, largest))``."""
    for i in range(out.shape[0]):
        out[i] = np.float64(min(max(column[i], -largest), largest))


@_compiled
def nearest_linear(values: Floats, step: float, largest: float, out: Integers) -> None:
    """``out = rint(fmax(fmin(values / step, largest), -largest))``."""
    for i in range(out.shape[0]):
        steps = values[i] / step
        steps = min(largest, steps)
        out[i] = np.int64(np.rint(max(steps, -largest)))


@_compiled
def nearest_log(
    values: Floats,
    first: float,
    largest: float,
    scale: float,
    top: int,
    logs: Floats,
    slopes: Floats,
    out: Integers,
) -> None:
    """``Log.nearest`` of `core.values.lattice`: signed numbers of the points of a logarithmic grid near the values."""
    factor, smallest, end = 1.0 / first, 1.0 / largest, top + 1.0
    sizes = np.empty(BLOCK)
    bits = sizes.view(np.int64)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        here = values[start : start + found.shape[0]]
        for i in range(found.shape[0]):
            size = abs(here[i]) * factor
            size = min(largest, size)
            sizes[i] = max(size, smallest)
        for i in range(found.shape[0]):
            power = np.float64((bits[i] >> 52) - 1022)
            bits[i] = (bits[i] & ((1 << 52) - 1)) | (1022 << 52)
            mantissa = sizes[i] - 0.5
            place = np.uint64(np.int64(mantissa * 8192.0))
            mantissa -= place * (1.0 / 8192.0)
            mantissa *= slopes[place]
            mantissa += logs[place]
            mantissa += power * LN2
            number = np.int64(np.rint(min(max(mantissa * scale + 1.0, 0.0), end)))
            found[i] = -number if here[i] < 0.0 else number


@_compiled
def octaves(values: Floats, smallest: float, largest: float, unit: float, out: Integers) -> None:
    """``out = rint((mantissa * 2 + power) * unit)`` of the size within limits: `core.prediction.context.octaves`."""
    sizes = np.empty(BLOCK)
    bits = sizes.view(np.int64)
    for start in range(0, out.shape[0], BLOCK):
        found = out[start : start + BLOCK]
        here = values[start : start + found.shape[0]]
        for i in range(found.shape[0]):
            size = abs(here[i])
            size = max(smallest, size)
            sizes[i] = min(size, largest)
        for i in range(found.shape[0]):
            power = np.float64((bits[i] >> 52) - 1022)
            bits[i] = (bits[i] & ((1 << 52) - 1)) | (1022 << 52)
            found[i] = np.int64(np.rint((sizes[i] * 2.0 + power) * unit))


@_compiled
def angles(y: Floats, x: Floats, table: Floats, out: Floats) -> None:
    """``hepae.core.arithmetic.exact.table_arctan2``: the angle of each vector (x, y)."""
    steps = np.float64(table.shape[0] - 1)
    for i in range(out.shape[0]):
        across, along = abs(y[i]), abs(x[i])
        steep = across > along
        short, long = (along, across) if steep else (across, along)
        # what is not a number becomes 0
        ratio = short / (max(SMALLEST, long)) * steps if along == along else 0.0
        ratio = max(0.0, ratio)
        angle = table[np.uint64(np.int64(ratio + 0.5))]
        angle = 0.5 * PI - angle if steep else angle
        angle = PI - angle if x[i] < 0.0 else angle
        out[i] = math.copysign(angle, y[i] if y[i] == y[i] else 0.0)


@_compiled
def take_symbols(
    entries: NDArray[np.int32],
    table: Integers,
    states: NDArray[np.int32],
    data: NDArray[np.uint8],
    position: int,
    out: Integers,
) -> int:
    """Decode a symbol for each table, lane after lane; returns the position of the next bit. See `core.coding.ans`."""
    last = np.uint64(data.shape[0] - 3)
    at = np.uint64(position)
    for start in range(0, out.shape[0], states.shape[0]):
        found = out[start : start + states.shape[0]]
        tabled = table[start : start + states.shape[0]]
        state = states[: found.shape[0]]
        for i in range(found.shape[0]):
            entry = entries[np.uint64((tabled[i] << 12) + state[i])]
            width = np.uint64((entry >> 16) & 15)
            byte = min(at >> np.uint64(3), last)
            word = np.uint64(data[byte])
            word |= np.uint64(data[byte + np.uint64(1)]) << np.uint64(8)
            word |= np.uint64(data[byte + np.uint64(2)]) << np.uint64(16)
            bits = (word >> (at & np.uint64(7))) & ((np.uint64(1) << width) - np.uint64(1))
            state[i] = (entry & 0xFFFF) + np.int32(bits)
            found[i] = entry >> 20
            at += width
    return np.int64(at)  # type: ignore[return-value]


@_compiled
def read_bits(data: NDArray[np.uint8], widths: Integers, position: int, out: Integers) -> None:
    """Numbers of 0 to 48 bits each, one after the other from ``position`` on, least significant bit first.

    The caller has checked that there are so many bits, and eight bytes behind them.
    """
    at = np.uint64(position)
    for i in range(out.shape[0]):
        out[i] = _bits(data, at, np.uint64(widths[i]))
        at += np.uint64(widths[i])


@_compiled
def sum_widths(symbols: Integers, widths: Integers) -> int:
    """``widths[symbols].sum()``."""
    total = 0
    for i in range(symbols.shape[0]):
        total += widths[np.uint64(symbols[i])]
    return total


@_compiled
def inside_bins(
    symbols: Integers,
    starts: Integers,
    widths: Integers,
    data: NDArray[np.uint8],
    position: int,
    out: Integers,
) -> None:
    """``out = starts[symbols] + read_bits(data, widths[symbols], position)``."""
    at = np.uint64(position)
    for i in range(out.shape[0]):
        symbol = np.uint64(symbols[i])
        width = np.uint64(widths[symbol])
        out[i] = starts[symbol] + _bits(data, at, width)
        at += width


@_compiled
def _bits(data: NDArray[np.uint8], at: np.uint64, width: np.uint64) -> np.int64:
    """A number of ``width`` bits."""
    byte = at >> np.uint64(3)
    word = np.uint64(0)
    for k in range(8):
        word |= np.uint64(data[byte + np.uint64(k)]) << np.uint64(8 * k)
    return np.int64((word >> (at & np.uint64(7))) & ((np.uint64(1) << width) - np.uint64(1)))
