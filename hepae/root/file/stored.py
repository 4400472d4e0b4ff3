"""Records of a ROOT file as they are stored: a key, and bytes that may be compressed."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hepae.errors import InputError
from hepae.root.file.compression import unpack
from hepae.root.file.reading import reading
from hepae.root.file.records import KEY_HEAD, Key, key_at
from hepae.root.file.source import Source

__all__ = ["Stored", "read_record"]


@dataclass
class Stored:
    """A record: its key, and its bytes on disk after the key."""

    key: Key
    packed: bytes

    def unpacked(self) -> bytes:
        """The bytes of the object."""
        if len(self.packed) == self.key.objlen:
            return self.packed
        return unpack(self.packed, self.key.objlen, f"record {self.key.name!r}")


def read_record(source: Source, seek: int, nbytes: int | None = None) -> Stored:
    """The record at a position.

    Raises
    ------
    InputError
        If there is no whole record of that size.
    """
    where = f"{source.path}, byte {seek}"
    read = source.directory.file.source.chunk
    with reading(where):
        size = nbytes or struct.unpack(">i", bytes(read(seek, seek + 4).raw_data))[0]
        if size < KEY_HEAD.size:
            raise InputError("no record here", where=where, got=size, hint="is the file damaged?")
        raw = bytes(read(seek, seek + size).raw_data)
        key, length, _ = key_at(raw)
    if len(raw) != size or not KEY_HEAD.size <= length <= size:
        raise InputError("record is cut short", where=where, expected=size, got=len(raw))
    return Stored(key, raw[length:])
