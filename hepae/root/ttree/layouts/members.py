"""Members of classes: the codes that ROOT gives to types of numbers."""

from __future__ import annotations

from typing import Final

from hepae.root.ttree.layouts.fields import Field
from hepae.root.ttree.layouts.ranges import coding_of

__all__ = ["AFTER_POINTERS", "POINTER", "coded_field", "is_coded", "member_field"]

MEMBERS: Final = {
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float32",
    6: "uint32",
    8: "float64",
    10: "int8",
    11: "uint8",
    12: "uint16",
    13: "uint32",
    14: "uint64",
    15: "uint32",
    16: "int64",
    17: "uint64",
    18: "uint8",
}
"""Dtypes of the basic types of ``TVirtualStreamerInfo::EReadWrite``."""

BOOL, DOUBLE32, FLOAT16 = 18, 9, 19
ARRAY, POINTER, AFTER_POINTERS = 20, 40, 60
"""Codes of fixed arrays of these and of pointers ``x[n]`` to these: ``kOffsetL``, ``kOffsetP`` and what follows."""


def member_field(code: int, shape: tuple[int, ...], title: str | None, name: str = "") -> Field | None:
    """A member of basic type, or a fixed array of these; None of anything else.

    Parameters
    ----------
    code
        Of the type.
    shape
        Fixed dimensions.
    title
        Where the range of a ``Double32_t`` or ``Float16_t`` stands; None where it is not known.

    Examples
    --------
    >>> member_field(25, (3,), None)
    Field(name='', dtype='float32', shape=(3,), seen='', coding=None, constant='')
    """
    basic = code - ARRAY if ARRAY < code < POINTER else code
    if basic in (DOUBLE32, FLOAT16):
        return coded_field(basic == DOUBLE32, shape, title, name)
    if basic not in MEMBERS:
        return None
    return Field(name, MEMBERS[basic], shape, "bool" if basic == BOOL else "")


def is_coded(code: int) -> bool:
    """Whether a type is ``Double32_t`` or ``Float16_t``, an array of these, or a pointer to them."""
    return 0 < code < AFTER_POINTERS and code % ARRAY in (DOUBLE32, FLOAT16)


def coded_field(double: bool, shape: tuple[int, ...], title: str | None, name: str = "") -> Field | None:
    """A ``Double32_t`` or ``Float16_t``: integers, or a float32 where a ``Double32_t`` has no range."""
    if title is None:
        return None
    seen, coding = "float64" if double else "float32", coding_of(title, double)
    return Field(name, "float32" if coding is None else "uint32", shape, seen, coding)
