"""Numbers that functions and their compiled loops share, and functions among each other."""

from __future__ import annotations

from typing import Final

__all__ = ["ETA_LARGEST", "LN2", "PI", "SMALLEST"]

PI: Final = float.fromhex("0x1.921fb54442d18p+1")
LN2: Final = float.fromhex("0x1.62e42fefa39efp-1")
"""The floats nearest to pi and to ln 2."""

ETA_LARGEST: Final = 30.0
"""Pseudorapidity along the beam, where the true one is infinite: far beyond that of any detector (5)."""

SMALLEST: Final = 2.0**-1000
"""Stands in for zero where something is divided by a size: its inverse is finite."""
