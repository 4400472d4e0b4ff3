"""Records as they are on disk."""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["KEY"]

KEY: Final = struct.Struct(">ihiIhh")
"""TKey: bytes, version, bytes unpacked, time, bytes of the key, cycle (ROOT's io/doc/TFile/tkey.md)."""
