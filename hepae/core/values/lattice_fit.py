"""Choosing the lattice of a feature: the coarsest grid that keeps its bound, and the points worth inserting.

Fitting looks at a sample of values, NaN and infinities included; it never decides what is kept (the acceptance test
of `hepae.core.values.lattice` does), only how cheaply.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from hepae import limits
from hepae.arrays import Booleans, Integers, Values, Words
from hepae.core.coding.integers import pack
from hepae.core.values.bounds import MANTISSA_BITS, Bound, bits_equal, native, raw_bits
from hepae.core.values.dither import PLACES
from hepae.core.values.lattice import Grid, Inserted, Integer, Lattice, Linear, Log, Pattern
from hepae.errors import BoundError

__all__ = ["fit_lattice", "require_feasible"]

SLACK = 2.0**-10
"""Share of a cell given up so that the rounding of the restored value to its dtype stays within the bound."""

BELOW = 0.001
"""Share of the values outside of what counts as their usual range, at either end."""

TINY = 1e-5
"""Share of the smallest magnitudes that a logarithmic grid may leave to escapes."""

FREQUENT = 0.001
"""Share of the values from which an exact value may get a point of its own."""

VERY_FREQUENT = 0.01
"""The same where so many values are frequent that the data must lie on a grid of their own."""

MOST_INSERTED = 16

ESCAPING: Final = (0.0, 0.001, 0.01, 0.05)
"""Shares of the values that escape from the grids that are tried."""

LOOKED_AT: Final = 1 << 16

ESCAPES_WEIGH: Final = 2.0
"""What an escape counts, in its bytes: masses of generator particles, 2.5 % of which have more digits, take 1.7 bits
where they are predicted with all digits, and 2.7 with escapes.
"""


@np.errstate(invalid="ignore", over="ignore")  # signalling NaN are quietly widened
def fit_lattice(values: Values, bound: Bound, dither: bool = False) -> Lattice:
    """The lattice for a feature, from a sample of its values.

    Parameters
    ----------
    values
        Flat array of any length, zero included.
    bound
        The bound to be kept.
    dither
        Whether values will be moved inside their cells. Then every frequent exact value gets a point of its own, such
        as the zeros of energy fractions, because no grid point stays where it is.

    Examples
    --------
    >>> from hepae.core.values.bounds import parse
    >>> fit_lattice(np.float32([1.5, 2.5]), parse("exact")).grid
    Pattern(shift=21)
    """
    values = native(values)
    dtype = values.dtype
    if dtype.kind in "iub":
        return Lattice(dtype.name, Integer())
    finite = values[np.isfinite(values)]
    grid = _grid(finite, bound)
    if grid == Pattern(0):
        return Lattice(dtype.name, grid)
    return Lattice(dtype.name, grid, _insertions(values, grid, dither and grid.dithers))


def require_feasible(values: Values, bound: Bound, where: str) -> None:
    """Refuse a bound finer than the dtype resolves: what the user asks for is ``exact``, and should say so.

    Raises
    ------
    BoundError
        Naming the smallest feasible bound for such values.
    """
    if values.dtype.kind != "f" or bound.kind in ("exact", "bits"):
        return
    resolution = 2.0 ** -(MANTISSA_BITS[values.dtype.name] + 1)
    smallest = resolution if bound.kind == "rel" else resolution * _typical(values[np.isfinite(values)])
    if bound.size < smallest:
        raise BoundError(
            f"a bound finer than {values.dtype.name} resolves",
            where=where,
            expected=f"at least {bound.kind}:{smallest:.3g}, or exact",
            got=bound,
        )


def _grid(finite: Values, bound: Bound) -> Grid:
    """The coarsest grid: the data's own where it is coarser than the bound's."""
    exact = Pattern(_spare_bits(finite))
    own_spacing = 2.0 ** (exact.shift - MANTISSA_BITS[finite.dtype.name])
    if bound.kind == "exact" or own_spacing > 2 * (
        bound.size / _typical(finite) if bound.kind == "abs" else bound.relative
    ):
        return exact
    if bound.kind == "abs":
        return Linear(2 * bound.size * (1 - SLACK))
    return _log(finite, bound) or _rounded_pattern(bound, finite.dtype)


def _typical(finite: Values) -> float:
    """Median magnitude of the values that are not zero; 1 where there are none."""
    magnitude = np.abs(finite[finite != 0].astype(np.float64))
    return float(np.median(magnitude)) if len(magnitude) else 1.0


def _log(finite: Values, bound: Bound) -> Log | None:
    """A logarithmic grid from just below the smallest usual magnitude; None where its tables would be too large."""
    information = np.finfo(finite.dtype.name)
    magnitude = np.abs(finite[finite != 0].astype(np.float64))
    relative = bound.relative * (1 - SLACK) - float(information.eps) / 2
    if relative <= 0:
        return None
    base = (1 + relative) / (1 - relative)
    smallest = float(np.quantile(magnitude, TINY, method="lower")) if len(magnitude) else 1.0
    first = max(smallest / base, 2 * float(information.tiny))
    top = int((math.log(float(information.max)) - math.log(first)) / math.log(base)) - 1
    table = 1 << ((max(top, 1).bit_length() + 1) // 2)
    return Log(first, base, top) if top > 0 and table <= limits.MAX_LOG_TABLE else None


def _rounded_pattern(bound: Bound, dtype: np.dtype[np.generic]) -> Pattern:
    """Mantissas rounded as far as a relative bound allows."""
    kept = math.ceil(-math.log2(bound.relative)) - 1
    return Pattern(max(0, MANTISSA_BITS[dtype.name] - kept))


def _spare_bits(finite: Values) -> int:
    """Low mantissa bits that are zero in so many values that the others may escape at a profit.

    Where some values have more digits than the others, a few numbers of bits are tried.
    """
    width = finite.dtype.itemsize * 8
    bits = raw_bits(finite).astype(np.uint64)
    bits = bits[bits << np.uint64(65 - width) != 0] if len(bits) else bits
    if len(bits) == 0:
        return 0
    lowest = np.bitwise_and(bits, ~bits + np.uint64(1))
    spare = np.minimum(np.log2(lowest.astype(np.float64)).astype(np.int64), MANTISSA_BITS[finite.dtype.name])
    shifts = np.array(sorted({int(np.quantile(spare, share, method="lower")) for share in ESCAPING}))
    if len(shifts) == 1:
        return int(shifts[0])
    step = max(1, len(bits) // LOOKED_AT)
    looked_at, spare = bits[::step], spare[::step]
    sizes = [_size(looked_at, spare >= shift, shift, width) for shift in shifts.tolist()]
    return int(shifts[int(np.argmin(sizes))])


def _size(bits: Words, kept: Booleans, shift: int, width: int) -> float:
    """Bytes of patterns without their low bits, and of those that escape: no prediction makes these any smaller."""
    signs = bits >> np.uint64(width - 1) != 0
    magnitudes = (bits & np.uint64((1 << width - 1) - 1)) >> np.uint64(shift)
    patterns = np.where(signs, -magnitudes.astype(np.int64), magnitudes.astype(np.int64))
    escaping = len(bits) - int(np.count_nonzero(kept))
    return len(pack(patterns[kept])) + ESCAPES_WEIGH * escaping * (width / 8 + 2)


def _insertions(values: Values, grid: Grid, dither: bool) -> tuple[Inserted, ...]:
    """The escape and the frequent exact values, each before the grid point nearest to it.

    What lies far from the rest, or nowhere, goes just below the smallest usual point, so that integers stay dense.
    """
    natural = grid.natural(values)
    finite = np.isfinite(values)
    low, high = _usual_range(natural[finite])
    inserted = [Inserted(low)]
    for bits, value in _frequent(values, grid, dither):
        at = int(grid.natural(value)[0])
        near = bool(np.isfinite(value)[0]) and 2 * low - high <= at <= 2 * high - low
        inserted.append(Inserted(at if near else low, bits))
    return tuple(sorted(inserted, key=lambda point: (point.at, -1 if point.bits is None else point.bits)))


def _usual_range(natural: Integers) -> tuple[int, int]:
    if len(natural) == 0:
        return 0, 0
    low, high = np.quantile(natural, [BELOW, 1 - BELOW], method="nearest")
    return int(low), int(high)


def _frequent(values: Values, grid: Grid, dither: bool) -> list[tuple[int, Values]]:
    """Bit patterns of frequent values that the grid does not restore bit for bit, at either end of the dither."""
    patterns, seen = np.unique(raw_bits(values), return_counts=True)
    often = seen >= max(4, FREQUENT * len(values))
    patterns, seen = patterns[often], seen[often]
    stored = patterns.view(values.dtype)
    missed = np.zeros(len(stored), bool)
    for place in (0, PLACES - 1) if dither else (None,):
        at = None if place is None else np.full(len(stored), place)
        with np.errstate(over="ignore", invalid="ignore"):
            missed |= ~bits_equal(stored, grid.points(grid.natural(stored, at), values.dtype, at))
    patterns, seen, stored = patterns[missed], seen[missed], stored[missed]
    escaping = (stored == 0) | ~np.isfinite(stored)  # no other point stands for these
    if len(patterns) > MOST_INSERTED:
        kept = escaping | (seen >= VERY_FREQUENT * len(values))
        patterns, seen, escaping = patterns[kept], seen[kept], escaping[kept]
    chosen = np.sort(patterns[np.lexsort((-seen, ~escaping))[:MOST_INSERTED]])
    return [(int(bits), chosen[k : k + 1].view(values.dtype)) for k, bits in enumerate(chosen)]
