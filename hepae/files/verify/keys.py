"""The keys of a ROOT file, read from its bytes: all cycles of all directories, whatever their names are.

uproot looks for objects by name, and ``:`` and ``/`` have a meaning there. Here every key is known by the position of
its record, and only the objects themselves are read with uproot.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uproot
from uproot.reading import ReadOnlyKey
from uproot.source.cursor import Cursor

from hepae.core.locks import computed_once
from hepae.errors import InputError, MissingModelError
from hepae.files.verify.packed import KEY
from hepae.files.verify.values import NotInterpretedError
from hepae.root.file.compression import require_whole, unpack
from hepae.root.file.reading import reading
from hepae.root.file.source import Source, check_header

__all__ = ["DIRECTORIES", "TREES", "FileKey", "OpenFile", "opened"]

DIRECTORIES = ("TDirectory", "TDirectoryFile")
TREES = ("TTree", "TNtuple", "TNtupleD")

# TDirectory: version, times, bytes of the list of keys, bytes of the name (io/doc/TFile/tdirectory.md)
DIRECTORY = struct.Struct(">hIIii")
BIG = 1000
"""Versions above it have 64-bit positions."""


@dataclass(frozen=True)
class FileKey:
    """A key of a file.

    Attributes
    ----------
    path
        Names of the directories and of the object.
    seek, nbytes, objlen, keylen
        Position and size of its record, size of the object unpacked, and of the key in front of it.
    """

    path: tuple[str, ...]
    cycle: int
    classname: str
    title: str
    seek: int
    nbytes: int
    objlen: int
    keylen: int

    @property
    def shown(self) -> str:
        """Path and cycle, as ROOT writes them."""
        return f"{'/'.join(self.path)};{self.cycle}"


class OpenFile:
    """A ROOT file, its keys, and its objects through uproot.

    Attributes
    ----------
    keys : list of FileKey
        All keys of all directories, directories included.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        if "://" not in self.path:
            check_header(Path(path))
        with reading(self.path):
            self.directory = self._uproot(minimal_ttree_metadata=False)
            top = self.directory
            self.keys = list(self._keys(int(top.fSeekKeys), int(top.fNbytesKeys), (), set()))

    @computed_once
    def source(self) -> Source:
        """The same file for what restores compressed trees."""
        return Source.of(self.directory)

    @computed_once
    def plain(self) -> Any:
        """The file once more, in which uproot reads no more of the header of a tree than it needs."""
        return self._uproot(minimal_ttree_metadata=True)

    def packed(self, key: FileKey) -> bytes:
        """The bytes of an object as they are on disk."""
        return self._bytes(key.seek, key.nbytes)[key.keylen :]

    def unpacked(self, key: FileKey) -> bytes:
        """The bytes of an object."""
        packed = self.packed(key)
        return packed if len(packed) == key.objlen else unpack(packed, key.objlen, key.shown)

    def get(self, key: FileKey) -> Any:
        """An object as uproot reads it.

        Raises
        ------
        NotInterpretedError
            If it cannot.
        MissingModelError
            If it is compressed with a model that is not at hand: nothing can be said of it.
        """
        try:
            packed = self.packed(key)
            if len(packed) != key.objlen:
                require_whole(packed, key.objlen, key.shown)
            return self._object(key, self.directory)
        except MissingModelError:
            raise
        except Exception as error:
            if key.classname not in TREES:
                raise NotInterpretedError(f"{type(error).__name__}: {error}") from error
        try:
            return self._object(key, self.plain)
        except Exception as error:
            raise NotInterpretedError(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self.directory.close()
        if "plain" in vars(self):
            self.plain.close()

    def _uproot(self, **options: bool) -> Any:
        # nothing is kept: each branch is read once, and memory stays bounded
        return uproot.open(self.path, object_cache=None, array_cache=None, **options)

    def _object(self, key: FileKey, top: Any) -> Any:
        home = top
        for depth in range(1, len(key.path)):
            above = next(
                one for one in self.keys if one.path == key.path[:depth] and one.classname in DIRECTORIES
            )
            home = self._read(above, home)
        return self._read(key, home)

    def _read(self, key: FileKey, home: Any) -> Any:
        """An object of a directory, where uproot looks for what stands beside a tree."""
        chunk = home.file.chunk(key.seek, key.seek + key.keylen)
        return ReadOnlyKey(chunk, Cursor(key.seek), {}, home.file, home, read_strings=True).get()

    def _bytes(self, start: int, size: int) -> bytes:
        data = bytes(self.directory.file.source.chunk(start, start + size).raw_data)
        if len(data) != size:
            raise InputError(
                "a record is cut short", where=self.path, expected=f"{size} bytes", got=len(data)
            )
        return data

    def _keys(self, seek: int, nbytes: int, above: tuple[str, ...], seen: set[int]) -> Iterator[FileKey]:
        """The keys of a directory and of those in it, each of which stands in one place only."""
        if seek in seen:
            raise InputError("a directory is in itself or in two places", where="/".join(above))
        seen.add(seek)
        if not nbytes:
            return
        data = self._bytes(seek, nbytes)
        position = KEY.unpack_from(data)[4]
        (count,) = struct.unpack_from(">i", data, position)
        position += 4
        for _ in range(count):
            key, position = parse_key(data, position, above)
            yield key
            if key.classname in DIRECTORIES:
                yield from self._keys(*self._place_of_keys(key), key.path, seen)

    def _place_of_keys(self, key: FileKey) -> tuple[int, int]:
        """Where the keys of a directory are, and their bytes."""
        data = self.unpacked(key)
        version, _, _, nbytes, _ = DIRECTORY.unpack_from(data)
        positions = struct.unpack_from(">qqq" if version > BIG else ">iii", data, DIRECTORY.size)
        return positions[2], nbytes


def parse_key(data: bytes, position: int, above: tuple[str, ...]) -> tuple[FileKey, int]:
    """The key at a position of a list of keys, and the position after it."""
    nbytes, version, objlen, _, keylen, cycle = KEY.unpack_from(data, position)
    place = ">qq" if version > BIG else ">ii"
    seek, _ = struct.unpack_from(place, data, position + KEY.size)
    position += KEY.size + struct.calcsize(place)
    words = []
    for _ in range(3):
        size, position = data[position], position + 1
        if size == 255:
            (size,) = struct.unpack_from(">I", data, position)
            position += 4
        words.append(data[position : position + size].decode("utf-8", "surrogateescape"))
        position += size
    classname, name, title = words
    return FileKey((*above, name), cycle, classname, title, seek, nbytes, objlen, keylen), position


@contextmanager
def opened(path: str | Path) -> Iterator[OpenFile]:
    """A ROOT file, closed afterwards.

    Raises
    ------
    InputError
        If there is no such file, or it is none of ROOT, or truncated.
    """
    file = OpenFile(path)
    try:
        yield file
    finally:
        file.close()
