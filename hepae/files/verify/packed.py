"""Records as they are on disk: their keys, and compressed blocks unpacked."""

from __future__ import annotations

import struct

import uproot
from uproot.source.cursor import Cursor

from hepae.root.file.compression import require_whole
from hepae.root.file.reading import reading

__all__ = ["KEY", "unpack"]

KEY = struct.Struct(">ihiIhh")
"""TKey: bytes, version, bytes unpacked, time, bytes of the key, cycle (ROOT's io/doc/TFile/tkey.md)."""


def unpack(packed: bytes, size: int, where: str) -> bytes:
    """Compressed blocks, unpacked.

    Raises
    ------
    InputError
        If they do not make up that many bytes, or cannot be unpacked.
    """
    require_whole(packed, size, where)
    chunk = uproot.source.chunk.Chunk.wrap(None, packed)
    with reading(where):
        out = uproot.compression.decompress(chunk, Cursor(0), {}, len(packed), size)
        return bytes(out.raw_data)
