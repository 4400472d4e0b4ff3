"""The range of ``Double32_t`` and ``Float16_t``, as it stands in a title: ``[-pi,pi,16]``.

Source: ``GetRange`` in ``TStreamerElement.cxx`` of ROOT 6, exactly as it reads, oddities included.
"""

from __future__ import annotations

import math
import re
from typing import Final

from hepae.root.ttree.layouts.fields import Quantised, Truncated

__all__ = ["coding_of"]

BRACKET: Final = re.compile(r"\[([^\]]*)\]")
NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")
MULTIPLES: Final = (
    ("2pi", 2.0),
    ("2*pi", 2.0),
    ("twopi", 2.0),
    ("pi/2", 0.5),
    ("pi/4", 0.25),
    ("pi", 1.0),
)
MOST_BITS, LEAST_BITS = 32, 2
MOST_MANTISSA: Final = 14
"""Without a range, up to this many bits are those of a mantissa."""

FLOAT32_MANTISSA: Final = 23
FLOAT16_MANTISSA: Final = 12
"""What a ``Float16_t`` keeps where nothing is said: ``TBufferFile::WriteFloat16``."""


def coding_of(title: str, double: bool) -> Quantised | Truncated | None:
    """What the integers of a ``Double32_t`` (``double``) or ``Float16_t`` mean; None where float32 are stored.

    Examples
    --------
    >>> coding_of("x[n][0,10,12]", double=True)
    Quantised(low=0.0, high=10.0, bits=12)
    >>> coding_of("[0,0,10] a mantissa of 10 bits", double=True), coding_of("", double=False)
    (Truncated(bits=10), Truncated(bits=12))
    >>> coding_of("no range", double=True) is None
    True
    """
    low, high, bits = parsed(title)
    if low < high:
        return Quantised(low, high, bits)
    # the number of bits of a mantissa travels in the lower end of the range
    mantissa = bits if bits <= MOST_MANTISSA else int(low)
    if 0 < mantissa <= FLOAT32_MANTISSA:
        return Truncated(mantissa)
    return None if double else Truncated(FLOAT16_MANTISSA)


def parsed(title: str) -> tuple[float, float, int]:
    """Range and bits; no range (0, 0, 32) where none is said."""
    for text in BRACKET.findall(title)[:2]:  # the first may be a dimension
        low, *rest = text.split(",", 2)
        if not rest:
            continue
        match = re.match(r"\s*[-+]?\d+", rest[1]) if len(rest) > 1 else None
        bits = int(match.group()) if match else MOST_BITS
        return value(low), value(rest[0]), bits if LEAST_BITS <= bits <= MOST_BITS else MOST_BITS
    return 0.0, 0.0, MOST_BITS


def value(text: str) -> float:
    """A number or a multiple of pi; 0 of anything else."""
    text = text.lower().replace(" ", "")
    for word, times in MULTIPLES:
        if word in text:
            return times * math.pi * (-1 if "-" in text else 1)
    match = NUMBER.match(text)
    return float(match.group()) if match else 0.0
