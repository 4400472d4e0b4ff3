"""The keys of a file, directory by directory, read from their lists: names may hold slashes, colons, anything.

Source: ``TFile``, ``TDirectoryFile::Streamer`` and ``TDirectoryFile::ReadKeys`` of ROOT 6.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hepae.errors import InputError
from hepae.root.file.records import key_at

__all__ = ["DIRECTORIES", "Key", "keys_of"]

DIRECTORIES = ("TDirectory", "TDirectoryFile")
HEAD = struct.Struct(">HIIii")
"""A directory: version, when it was made and changed, bytes of its list of keys, bytes of its key and names."""
LEAST_KEY = 26
"""Bytes of a key whose names are empty, less than any has."""


@dataclass(frozen=True)
class Key:
    """One key of a ROOT file.

    Attributes
    ----------
    path : str
        Directories and name, with slashes between.
    cycle : int
        Which version of the object it is.
    classname : str
        Class of the object.
    name, title : str
        As they stand in the key; a name may hold slashes itself.
    seek, nbytes, length, objlen : int
        Where the record is, its bytes on disk, those of the key, those of the object before compression.
    big : bool
        Whether positions in the key take 8 bytes.
    """

    path: str
    cycle: int
    classname: str
    name: str = field(default="", repr=False)
    title: str = field(default="", repr=False)
    seek: int = field(default=0, repr=False, compare=False)
    nbytes: int = field(default=0, repr=False, compare=False)
    length: int = field(default=0, repr=False, compare=False)
    objlen: int = field(default=0, repr=False, compare=False)
    big: bool = field(default=False, repr=False, compare=False)

    @property
    def above(self) -> str:
        """Path of the directory that it is in, empty at the top."""
        return self.path[: -len(self.name) - 1] if len(self.path) > len(self.name) else ""


def keys_of(read: Callable[[int, int], bytes], place: int) -> list[Key]:
    """Every key of a file, those of a directory behind its own.

    Parameters
    ----------
    read
        Gives the bytes of the file between two positions.
    place
        Where the directory at the top begins, behind its key and names.

    Raises
    ------
    InputError
        If a directory is in itself or in two places, or a list of keys is cut short.
    """
    return list(walk(read, place, "", {place}))


def walk(read: Callable[[int, int], bytes], place: int, above: str, seen: set[int]) -> Iterator[Key]:
    for key in listed(read, place, above):
        yield key
        if key.classname in DIRECTORIES:
            inner = key.seek + key.length
            if inner in seen:
                raise InputError("a directory is in itself or in two places", where=key.path)
            seen.add(inner)
            yield from walk(read, inner, f"{key.path}/", seen)


def listed(read: Callable[[int, int], bytes], place: int, above: str) -> Iterator[Key]:
    """The keys in the list of one directory."""
    head = read(place, place + HEAD.size + 24)
    version, _, _, size, _ = HEAD.unpack_from(head)
    (seek,) = struct.unpack_from(
        *(">q", head, HEAD.size + 16) if version > 1000 else (">i", head, HEAD.size + 8)
    )
    if not seek:
        return
    raw = read(seek, seek + size)
    _, at, _ = key_at(raw)
    (number,) = struct.unpack_from(">i", raw, at)
    at += 4
    if not 0 <= number <= len(raw) // LEAST_KEY:
        raise InputError("a list of keys is cut short", where=above or "/", expected=number, got=len(raw))
    for _ in range(number):
        found, length, at = key_at(raw, at)
        yield Key(
            above + found.name,
            found.cycle,
            found.classname,
            found.name,
            found.title,
            found.seek,
            found.payload + length,
            length,
            found.objlen,
            found.big,
        )
