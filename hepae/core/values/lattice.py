"""Values to integers and back: the lattice that a bound puts on a feature.

A lattice is a *grid* of values numbered by integers, plus a few *inserted* points. Four grids serve the bounds:

========== ============================== =======================================================
grid       point number n                 serves
========== ============================== =======================================================
`Linear`   n * step                       ``abs``
`Log`      ±first * base**(|n|-1), 0 at 0 ``rel``, ``bits``
`Pattern`  the float whose bits, ordered  ``exact`` floats, and any bound finer than the data's own
           and shifted, are n             precision (NanoAOD rounds mantissas: the low bits are zero)
`Integer`  n                              integers and booleans
========== ============================== =======================================================

Frequent exact values that a grid would not restore bit for bit (sentinels such as -999, NaN, -0.0) are inserted
into the order of the integers as points of their own; so is the *escape*, which stands for any value that is stored
bit for bit beside. After that a codec sees one int64 column, and everything it does is lossless.

Reading uses table look-ups and single IEEE additions and multiplications only, each correctly rounded, so that a
lattice point is the same float on every machine; no logarithm or exponential is computed at read time.
"""

from __future__ import annotations

import functools
import math
from typing import ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.arrays import Floats, Integers, Values
from hepae.core.arithmetic import exact as exactmath
from hepae.core.arithmetic.tabulated import tabulated
from hepae.core.values.bounds import MANTISSA_BITS, Bound, accept, raw_bits
from hepae.core.values.dither import PLACES, fractions
from hepae.errors import CorruptionError, ModelRejectedError

__all__ = ["Inserted", "Integer", "Lattice", "Linear", "Log", "Pattern"]


Places = Integers | None

EXACT_INTEGERS = 2.0**52
"""Integers below this are exact in float64, with room for the rounding of a quotient."""

HUGE = 2.0**1000
"""Ratios to the first point of a `Log` grid are kept within this, either way: their logarithms are finite."""


LARGEST_PLACE = 1 << 62
"""Points are inserted where integers are far from wrapping."""

KINDS = {
    **{f"float{8 * size}": ("float", size) for size in (2, 4, 8)},
    **{f"{sign}int{8 * size}": ("integer", size) for size in (1, 2, 4, 8) for sign in ("", "u")},
    "bool": ("integer", 1),
}
"""Kind and bytes of the dtypes that a lattice can have."""


class Linear(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="linear"):
    """Equidistant points, ``n * step``."""

    kind: ClassVar[str] = "float"
    even: ClassVar[bool] = True
    dithers: ClassVar[bool] = True

    step: float

    def natural(self, values: Values, place: Places = None) -> Integers:
        """Number of the nearest point; 0 where there is none."""
        steps = values.astype(np.float64) / self.step
        return _rounded(steps if place is None else steps - fractions(place))

    def points(self, n: Integers, dtype: np.dtype[np.generic], place: Places = None) -> Values:
        """The values of the points numbered ``n``."""
        stems = self.stems(n)
        return (stems * self.step).astype(dtype) if place is None else self.moved(stems, place, dtype)

    def stems(self, n: Integers) -> Floats:
        """What dither moves: for each point a number that tells it, the same whatever the place."""
        return n.astype(np.float64)

    def moved(self, stems: Floats, place: Integers, dtype: np.dtype[np.generic]) -> Values:
        """The values of points, moved to a place in their cells."""
        return ((stems + fractions(place)) * self.step).astype(dtype)

    def nearest(self, values: Floats, dtype: str) -> Integers:
        """The nearest integer; far away, or not a number, something finite."""
        steps = np.fmax(np.fmin(values / self.step, EXACT_INTEGERS), -EXACT_INTEGERS)
        return np.asarray(np.rint(steps).astype(np.int64))

    def makes_sense(self, dtype: str) -> bool:
        """Whether there are such points."""
        return 0 < self.step < math.inf


class Log(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="log"):
    """Points in geometric progression for both signs, and zero: ``±first * base**(|n|-1)``.

    ``top`` is the largest exponent: beyond it the dtype overflows.
    """

    kind: ClassVar[str] = "float"
    even: ClassVar[bool] = False
    dithers: ClassVar[bool] = True

    first: float
    base: float
    top: int

    def natural(self, values: Values, place: Places = None) -> Integers:
        """Number of the point whose cell holds the value; 0 where there is none, and for zero.

        The cell of a point v under the relative bound R is [v/(1+R), v/(1-R)], whose middle in the logarithm is
        v/sqrt(1-R**2), not v: hence the shift.
        """
        x = values.astype(np.float64)
        magnitude = np.abs(x)
        relative = (self.base - 1) / (self.base + 1)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            steps = (np.log(magnitude / self.first) + 0.5 * math.log1p(-relative * relative)) / math.log(
                self.base
            )
        if place is not None:
            steps = steps - fractions(place)
        n = _rounded(steps) + 1
        n = np.where((magnitude > 0) & (steps > -1) & (n <= self.top + 1), np.maximum(n, 1), 0)
        return np.asarray(np.where(x < 0, -n, n))

    def points(self, n: Integers, dtype: np.dtype[np.generic], place: Places = None) -> Values:
        """The values of the points numbered ``n``."""
        stems = self.stems(n)
        return stems.astype(dtype) if place is None else self.moved(stems, place, dtype)

    def stems(self, n: Integers) -> Floats:
        """The points themselves: two table look-ups and one product."""
        low, high = _powers(self.first, self.base, self.top)
        exponent = np.clip(np.abs(n) - 1, 0, self.top)
        bits = len(low).bit_length() - 1
        magnitude = np.take(high, exponent >> bits) * np.take(low, exponent & (len(low) - 1))
        return np.asarray(magnitude * np.sign(n))

    def moved(self, stems: Floats, place: Integers, dtype: np.dtype[np.generic]) -> Values:
        """The values of points, moved to a place in their cells: one more look-up and product."""
        return np.asarray((stems * np.take(_roots(self.base), place)).astype(dtype))

    def nearest(self, values: Floats, dtype: str) -> Integers:
        """Number of the nearest point, or of one beside it: the logarithm is that of a table."""
        scale = 1.0 / float(exactmath.log(np.array([self.base]))[0])
        size = np.fmax(np.fmin(np.abs(values) * (1.0 / self.first), HUGE), 1.0 / HUGE)
        steps = exactmath.table_log(size) * scale
        n = np.rint(np.clip(steps + 1.0, 0.0, self.top + 1.0)).astype(np.int64)
        return np.where(values < 0.0, -n, n)

    def makes_sense(self, dtype: str) -> bool:
        """Whether there are such points."""
        return 0 < self.first < math.inf and 1 < self.base < math.inf and self.top >= 0


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="pattern"):
    """Floats in the order of their bit patterns, without their ``shift`` lowest mantissa bits.

    Negative numbers follow downwards from -1, which is -0.0, so that the order is that of the values.
    """

    kind: ClassVar[str] = "float"
    even: ClassVar[bool] = False
    dithers: ClassVar[bool] = False

    shift: int

    def natural(self, values: Values, place: Places = None) -> Integers:
        """Number of the nearest point (exact where the low bits are zero); there is no dither."""
        width = values.dtype.itemsize * 8
        bits = raw_bits(values).astype(np.uint64)
        magnitude = bits & np.uint64((1 << (width - 1)) - 1)
        half = np.uint64((1 << self.shift) >> 1)
        n = ((magnitude + half) >> np.uint64(self.shift)).astype(np.int64)
        return np.where(bits >> np.uint64(width - 1) != 0, -1 - n, n)

    def points(self, n: Integers, dtype: np.dtype[np.generic], place: Places = None) -> Values:
        """The floats of the points numbered ``n``."""
        width = dtype.itemsize * 8
        magnitude = np.where(n < 0, -1 - n, n).astype(np.uint64) << np.uint64(self.shift)
        sign = (n < 0).astype(np.uint64) << np.uint64(width - 1)
        return (magnitude | sign).astype(f"u{dtype.itemsize}").view(dtype)

    def nearest(self, values: Floats, dtype: str) -> Integers:
        """Number of the point nearest to each value, to 0 for what is not finite."""
        top = float(np.finfo(dtype).max)
        within = np.clip(np.where(np.isfinite(values), values, 0.0), -top, top)
        return self.natural(within.astype(dtype))

    def makes_sense(self, dtype: str) -> bool:
        """Whether a float has so many mantissa bits."""
        return 0 <= self.shift <= MANTISSA_BITS[dtype]


class Integer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="integer"):
    """The integers themselves; unsigned 64-bit ones wrap, which is undone on reading."""

    kind: ClassVar[str] = "integer"
    even: ClassVar[bool] = True
    dithers: ClassVar[bool] = False

    def natural(self, values: Values, place: Places = None) -> Integers:
        """The values as int64; there is no dither."""
        return values.astype(np.int64)

    def points(self, n: Integers, dtype: np.dtype[np.generic], place: Places = None) -> Values:
        """The values in their own dtype."""
        return n.astype(dtype)

    def nearest(self, values: Floats, dtype: str) -> Integers:
        """The nearest integer of the dtype; beyond it, machines convert floats differently."""
        low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        within = np.where(np.isfinite(values), values, 0.0)
        kept = np.clip(within, max(int(low), -EXACT_INTEGERS), min(int(high), EXACT_INTEGERS))
        return np.asarray(np.rint(kept).astype(np.int64))

    def makes_sense(self, dtype: str) -> bool:
        """Always."""
        return True


Grid = Linear | Log | Pattern | Integer


class Inserted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A point of its own, placed before the grid point ``at``: the float of these bits, or the escape (None)."""

    at: int
    bits: int | None = None


class Lattice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grid with inserted points.

    Parameters
    ----------
    dtype
        NumPy dtype of the values, in native byte order.
    grid
        The grid.
    inserted
        Inserted points in rising order of ``at``, at most one of them the escape. A grid without the escape must
        hold every value of its dtype (`Integer`; `Pattern` with shift 0).

    Examples
    --------
    >>> from hepae.core.values.bounds import parse
    >>> lattice = Lattice("float32", Linear(0.002), (Inserted(-1000),))
    >>> q, escaped = lattice.to_integers(np.float32([0.5, np.inf]), parse("abs:1e-3"))
    >>> lattice.to_values(q, escaped).tolist()
    [0.5, inf]
    """

    dtype: str
    grid: Grid
    inserted: tuple[Inserted, ...] = ()

    def __post_init__(self) -> None:
        kind, size = KINDS.get(self.dtype, ("", 0))
        if not kind or self.grid.kind != kind:
            raise ModelRejectedError("a lattice of a wrong dtype", where=self.grid, got=self.dtype)
        if not self.grid.makes_sense(self.dtype):
            raise ModelRejectedError("a grid that cannot be", where=self.dtype, got=self.grid)
        limits.check("inserted points", len(self.inserted), limits.MAX_INSERTED_POINTS, self.dtype)
        at = [point.at for point in self.inserted]
        bits = [point.bits for point in self.inserted if point.bits is not None]
        fits = all(abs(place) <= LARGEST_PLACE for place in at) and all(0 <= b < 1 << 8 * size for b in bits)
        if at != sorted(at) or len(bits) < len(at) - 1 or not fits:
            raise ModelRejectedError(
                "inserted points that cannot be", where=self.dtype, got=self.inserted[:4]
            )

    @np.errstate(invalid="ignore", over="ignore")  # signalling NaN are quietly widened
    def to_integers(
        self, values: Values, bound: Bound, place: Places = None
    ) -> tuple[Integers, NDArray[np.unsignedinteger]]:
        """Integers of values, and the bit patterns of those that escape, in order.

        Every value is restored with the arithmetic of the reader and accepted only within its bound. ``place`` is the
        dither of each value (`hepae.core.values.dither`), None without.
        """
        n = self.grid.natural(values, place)
        accepted = accept(values, self._points(n, place), bound)
        q = n + self._inserted_until(n)
        bits = raw_bits(values)
        for index, point in self._insertions():
            if point.bits is not None:
                special = bits == bits.dtype.type(point.bits)
                q[special] = index
                accepted |= special
        if accepted.all():
            return q, bits[:0]
        escape = self.escape
        if escape is None:
            raise CorruptionError("a lattice without escape does not hold its dtype", where=self.dtype)
        q[~accepted] = escape
        return q, bits[~accepted]

    def to_values(self, q: Integers, escaped: NDArray[np.unsignedinteger], place: Places = None) -> Values:
        """Values of integers: what the reader restores, given the dither of the writer.

        Raises
        ------
        CorruptionError
            If the number of escapes among the integers is not the number of bit patterns given.
        """
        escape = self.escape
        place = place if self.dithers else None
        values = tabulated(self._values, q, (self, "values")) if place is None else self._dithered(q, place)
        found = 0 if escape is None else int(np.count_nonzero(q == escape))
        if found != len(escaped):
            raise CorruptionError("escapes and escaped values differ", expected=found, got=len(escaped))
        if found:
            raw_bits(values)[np.flatnonzero(q == escape)] = escaped
        return values

    def centres(self, q: Integers) -> Floats:
        """Restored values as finite float64, for prediction: escapes and non-finite points get a stand-in."""
        return tabulated(self._centres, q, (self, "centres"))

    def nearest(self, values: Floats) -> Integers:
        """Integer of the lattice point near each value, the same on every machine, for prediction.

        `to_integers` may use the logarithm of the machine, since it tests what it does; a prediction must not. On a
        `Log` grid the result can be one beside the true nearest point.
        """
        n = self.grid.nearest(values, self.dtype)
        return np.asarray(n + self._inserted_until(n), np.int64)

    @property
    def dithers(self) -> bool:
        """Whether its grid points have cells for dither to fill."""
        return self.grid.dithers

    @property
    def even(self) -> bool:
        """Whether values rise in equal steps with their integers."""
        return self.grid.even

    @property
    def escape(self) -> int | None:
        """The integer that stands for escaped values."""
        for index, point in self._insertions():
            if point.bits is None:
                return index
        return None

    def _insertions(self) -> list[tuple[int, Inserted]]:
        return [(point.at + k, point) for k, point in enumerate(self.inserted)]

    def _inserted_until(self, n: Integers) -> Integers:
        before = np.zeros(n.shape, np.int64)
        for point in self.inserted:
            before += n >= point.at
        return before

    def _points(self, n: Integers, place: Places = None) -> Values:
        with np.errstate(over="ignore", invalid="ignore"):
            return self.grid.points(n, np.dtype(self.dtype), place)

    def _grid_numbers(self, q: Integers) -> Integers:
        n = q.copy()
        for index, _ in self._insertions():
            n -= q > index
        return n

    def _dithered(self, q: Integers, place: Integers) -> Values:
        """Grid points moved to their places; inserted points stay as they are."""
        assert isinstance(self.grid, Linear | Log)
        stems = tabulated(self._stems, q, (self, "stems"))
        with np.errstate(over="ignore", invalid="ignore"):
            values = self.grid.moved(stems, place, np.dtype(self.dtype))
        own = np.flatnonzero(np.isnan(stems))
        raw_bits(values)[own] = raw_bits(tabulated(self._values, q.take(own), (self, "values")))
        return values

    def _stems(self, q: Integers) -> Floats:
        """What dither moves; NaN for inserted points."""
        assert isinstance(self.grid, Linear | Log)
        with np.errstate(over="ignore"):
            stems = self.grid.stems(self._grid_numbers(q))
        for index, _ in self._insertions():
            stems[q == index] = np.nan
        return stems

    def _values(self, q: Integers) -> Values:
        values = self._points(self._grid_numbers(q))
        bits = raw_bits(values)
        for index, point in self._insertions():
            if point.bits is not None:
                bits[q == index] = point.bits
        return values

    def _centres(self, q: Integers) -> Floats:
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._values(q).astype(np.float64)
            stand_in = self._points(self._grid_numbers(q)).astype(np.float64)
        return np.where(np.isfinite(values), values, np.where(np.isfinite(stand_in), stand_in, 0.0))


def _rounded(steps: Floats) -> Integers:
    """To the nearest integer; 0 for what is not finite or too large to be exact."""
    with np.errstate(invalid="ignore"):
        safe = np.where(np.abs(steps) < EXACT_INTEGERS, steps, 0.0)
    return np.rint(safe).astype(np.int64)


@functools.lru_cache(maxsize=256)
def _powers(first: float, base: float, top: int) -> tuple[Floats, Floats]:
    """Tables whose products are ``first * base**m`` for 0 <= m <= top.

    Made by repeated multiplication, which IEEE 754 rounds the same way everywhere; what error accumulates moves
    lattice points by parts in 1e12 and is covered by the acceptance test at writing.
    """
    bits = (max(top, 1).bit_length() + 1) // 2
    size = limits.check("log lattice", 1 << bits, limits.MAX_LOG_TABLE)
    low = np.full(size, base)
    low[0] = 1.0
    np.multiply.accumulate(low, out=low)
    high = np.full((top >> bits) + 1, low[-1] * base)
    high[0] = first
    with np.errstate(over="ignore"):
        np.multiply.accumulate(high, out=high)
    low.flags.writeable = high.flags.writeable = False
    return low, high


@functools.lru_cache(maxsize=256)
def _roots(base: float) -> Floats:
    """``base**d`` for the fractions d of all places: powers of a root made by square roots, which IEEE 754 rounds."""
    root = base
    for _ in range((2 * PLACES).bit_length() - 1):
        root = math.sqrt(root)
    powers = np.full(2 * PLACES, root)
    powers[0] = 1.0
    np.multiply.accumulate(powers, out=powers)
    middle = powers[PLACES - 1]
    roots: Floats = powers[::2][:PLACES] / middle
    roots.flags.writeable = False
    return roots
