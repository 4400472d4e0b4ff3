"""Bounds: how far a restored value may be from the stored one, and the test that decides.

The promise of hepae in four words: ``abs:E``, ``rel:R``, ``bits:N``, ``exact``. All comparisons are made in float64 on
the values as stored, in the positive form ``error <= limit``, so that a NaN fails them.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Booleans, Floats, Values
from hepae.errors import BoundError, nearest

__all__ = [
    "Assignments",
    "Bound",
    "accept",
    "asked",
    "assign",
    "bits_equal",
    "error",
    "keeps",
    "limit",
    "native",
    "parse",
    "parse_assignments",
    "raw_bits",
]

Kind = Literal["abs", "rel", "bits", "exact"]

LARGEST_RELATIVE = 0.5
MANTISSA_BITS = {"float16": 10, "float32": 23, "float64": 52}


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bound on one feature.

    Parameters
    ----------
    kind
        ``abs``: absolute, in the unit of the feature. ``rel``: relative to the magnitude of the stored value.
        ``bits``: what rounding to that many mantissa bits allows. ``exact``: bit for bit.
    size
        E, R or N; 0 for ``exact``.
    """

    kind: Kind
    size: float = 0.0

    def __str__(self) -> str:
        return self.kind if self.kind == "exact" else f"{self.kind}:{_shortest(self.size)}"

    @property
    def relative(self) -> float:
        """The relative size: R, or 2**-(N+1) for N mantissa bits (design of CMS NanoAOD's rounding)."""
        return 2.0 ** -(self.size + 1) if self.kind == "bits" else self.size


EXACT = Bound("exact")


def _shortest(size: float) -> str:
    """A number as users write it, with all digits that tell it from others."""
    short = f"{size:g}"
    return short if float(short) == size else repr(size)


def parse(text: str) -> Bound:
    """Parse ``abs:E``, ``rel:R``, ``bits:N`` or ``exact``; a size of 0 means ``exact``.

    Raises
    ------
    BoundError
        If the text is of no such form, or its size is NaN, infinite, negative, or too large to mean anything.

    Examples
    --------
    >>> parse("rel:1e-3")
    Bound(kind='rel', size=0.001)
    >>> parse("abs:0")
    Bound(kind='exact', size=0.0)
    """
    given: object = text  # a number, where somebody calls it from Python
    kind, _, number = given.strip().partition(":") if isinstance(given, str) else ("", "", "")
    if kind == "exact" and not number:
        return EXACT
    if kind not in ("abs", "rel", "bits"):
        raise BoundError("not a bound", expected="abs:E, rel:R, bits:N or exact", got=repr(text))
    try:
        size = float(number)
    except ValueError:
        raise BoundError("a bound needs a number", expected=f"{kind}:NUMBER", got=repr(text)) from None
    if not (math.isfinite(size) and size >= 0):
        raise BoundError(
            "a bound must be finite and not negative",
            got=repr(text),
            hint="the smallest is 0, which is exact",
        )
    if kind == "bits":
        return _bits(size, text)
    if size == 0:
        return EXACT
    if kind == "rel" and size > LARGEST_RELATIVE:
        raise BoundError(
            "a relative bound this large keeps nothing", expected=f"<= {LARGEST_RELATIVE}", got=text
        )
    return Bound("abs" if kind == "abs" else "rel", size)


def _bits(size: float, text: str) -> Bound:
    if size != int(size) or not 1 <= size <= 52:
        raise BoundError("mantissa bits are a whole number", expected="bits:1 to bits:52", got=repr(text))
    return Bound("bits", size)


Assignments: TypeAlias = Mapping[str, "str | Bound"] | Iterable["str | tuple[str, Bound]"]
"""Names and their bounds, as a user says them: ``{"pt,E": "rel:1e-3"}``, or ``["pt,E=rel:1e-3"]``."""


def parse_assignments(said: Assignments) -> list[tuple[str, Bound]]:
    """Parse ``'pt,E=rel:1e-3'`` and the like into (pattern, bound) pairs, in order; pairs pass as they are.

    Raises
    ------
    BoundError
        If it is no list and no dictionary, or a bound is none.

    Examples
    --------
    >>> parse_assignments(["pt,E=rel:1e-3", ("eta", Bound("abs", 0.1))])[1:]
    [('E', Bound(kind='rel', size=0.001)), ('eta', Bound(kind='abs', size=0.1))]
    >>> parse_assignments({"eta,phi": "abs:0.1"})
    [('eta', Bound(kind='abs', size=0.1)), ('phi', Bound(kind='abs', size=0.1))]
    """
    if isinstance(said, str):  # whose letters would be taken for bounds
        raise BoundError(
            "not a list of bounds", expected="['pt,E=rel:1e-3'], or {'pt,E': 'rel:1e-3'}", got=repr(said)
        )
    if isinstance(said, Mapping):
        return [
            (name.strip(), bound if isinstance(bound, Bound) else parse(bound))
            for names, bound in said.items()
            for name in names.split(",")
        ]
    pairs = []
    for text in said:
        if not isinstance(text, str):
            pairs.append(text)
            continue
        names, equals, bound = text.rpartition("=")
        if not equals or not names.strip(", "):
            raise BoundError(
                "a bound is set as NAMES=BOUND", expected="such as pt,E=rel:1e-3", got=repr(text)
            )
        pairs += [(name.strip(), parse(bound)) for name in names.split(",") if name.strip()]
    return pairs


def assign(
    pairs: Sequence[tuple[str, Bound]], features: Sequence[tuple[str, str, str]], where: str = ""
) -> dict[str, Bound]:
    """The bound of each feature: the last pattern that matches wins, ``exact`` where none does.

    Parameters
    ----------
    pairs, features, where
        As in `asked`.

    Raises
    ------
    BoundError
        As `asked`.
    """
    return {name: EXACT for name, _, _ in features} | asked(pairs, features, where)


def asked(
    pairs: Sequence[tuple[str, Bound]], features: Sequence[tuple[str, str, str]], where: str = ""
) -> dict[str, Bound]:
    """The bounds of the features that a pattern matches; the last one wins.

    Parameters
    ----------
    pairs
        (pattern, bound); a pattern is a short or full feature name and may hold wildcards.
    features
        (short name, branch name, dtype) of each feature.
    where
        What has these features, for messages.

    Raises
    ------
    BoundError
        If a pattern matches no feature, or names an integer feature with a bound other than ``exact``.
    """
    bounds: dict[str, Bound] = {}
    for pattern, bound in pairs:
        matched = [f for f in features if _matches(pattern, f[0]) or _matches(pattern, f[1])]
        if not matched:
            hint = nearest(pattern, [name for name, _, _ in features])
            raise BoundError(
                "a bound for a name that is not there", where=where, got=pattern, hint=hint or None
            )
        wild = any(sign in pattern for sign in "*?[")
        for name, branch, dtype in matched:
            if np.dtype(dtype).kind == "f":
                bounds[name] = feasible(bound, dtype, branch)
            elif not wild and bound.kind != "exact":
                raise BoundError(
                    "integers and booleans are kept exactly", where=branch, expected="exact", got=bound
                )
            else:
                bounds[name] = EXACT
    return bounds


def keeps(kept: Bound, wanted: Bound, dtype: str) -> bool:
    """Whether every value that obeys one bound provably obeys another.

    Parameters
    ----------
    kept
        The bound that is kept.
    wanted
        The bound that is asked for.
    dtype
        NumPy dtype of the values. A relative bound keeps an absolute one only where it does so for the largest
        value of the dtype; an absolute one says nothing of small values, and so keeps no relative one.

    Examples
    --------
    >>> keeps(Bound("rel", 1e-3), Bound("bits", 8), "float32"), keeps(Bound("abs", 1e-3), Bound("rel", 0.1), "float32")
    (True, False)
    """
    if kept.kind == "exact" or wanted.kind == "exact":
        return kept.kind == "exact"
    if wanted.kind == "abs" and kept.kind != "abs":
        return kept.relative * float(np.finfo(dtype).max) <= wanted.size
    if kept.kind == "abs":
        return wanted.kind == "abs" and kept.size <= wanted.size
    return kept.relative <= wanted.relative


def _matches(pattern: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern)


def feasible(bound: Bound, dtype: str, where: str = "") -> Bound:
    """The bound itself, or ``exact`` for ``bits`` of the dtype's whole mantissa; too many bits are refused."""
    if bound.kind != "bits":
        return bound
    mantissa = MANTISSA_BITS[np.dtype(dtype).name]
    if bound.size > mantissa:
        raise BoundError(
            "more mantissa bits than the dtype has",
            where=where,
            expected=f"at most bits:{mantissa}, which is exact",
            got=bound,
        )
    return EXACT if bound.size == mantissa else bound


def raw_bits(values: Values) -> NDArray[np.unsignedinteger]:
    """The bit patterns of values, as unsigned integers of the same width."""
    contiguous = np.ascontiguousarray(native(values))
    return contiguous.view(f"u{contiguous.dtype.itemsize}")


def native(values: Values) -> Values:
    """The same values in the byte order of this machine; the array itself where they are in it."""
    return np.asarray(values, values.dtype.newbyteorder("="))


def bits_equal(stored: Values, restored: Values) -> Booleans:
    """Where two arrays of one dtype agree bit for bit, NaN payloads and signs of zero included."""
    return np.asarray(raw_bits(stored) == raw_bits(restored))


@np.errstate(invalid="ignore", over="ignore")  # signalling NaN are quietly widened
def error(stored: Values, restored: Values) -> Floats:
    """|x' - x| in float64; NaN where either is."""
    return np.abs(restored.astype(np.float64) - stored.astype(np.float64))


@np.errstate(invalid="ignore", over="ignore")  # signalling NaN are quietly widened
def limit(stored: Values, bound: Bound) -> Floats:
    """The largest error that the bound allows for each value, in float64."""
    magnitude = np.abs(stored.astype(np.float64))
    return np.full(magnitude.shape, bound.size) if bound.kind == "abs" else bound.relative * magnitude


def accept(
    stored: Values,
    restored: Values,
    bound: Bound,
    drift: float | Floats = 0.0,
) -> Booleans:
    """Where restored values obey the bound: the acceptance test of the promise.

    Parameters
    ----------
    stored, restored
        Arrays of one dtype and shape.
    bound
        The bound of this feature.
    drift
        Allowance subtracted from the limit, for decoders whose last bits depend on the machine.

    Returns
    -------
    bool array
        False wherever a value is NaN or infinite and not bit for bit the same, or a zero lost its sign.
    """
    same = bits_equal(stored, restored)
    if bound.kind == "exact":
        return same
    # an infinite value has an infinite relative limit, which would allow anything
    finite = np.isfinite(stored) & np.isfinite(restored)
    within = finite & (error(stored, restored) <= limit(stored, bound) - drift)
    return np.asarray(same | (within & (stored != 0)))
