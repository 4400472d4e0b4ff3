"""Numbers that functions and their compiled loops share."""

from __future__ import annotations

from typing import Final

__all__ = ["LN2", "PI", "SMALLEST"]

PI: Final = float.fromhex("0x1.921fb54442d18p+1")
LN2: Final = float.fromhex("0x1.62e42fefa39efp-1")
"""The floats nearest to pi and to ln 2."""

SMALLEST: Final = 2.0**-1000
"""Stands in for zero where something is divided by a size: its inverse is finite."""
