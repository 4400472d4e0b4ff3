"""Write a ROOT file front to back: header, directories, records, streamer infos, list of free space.

Everything but the header of the file and those of its directories is written once and in order, so memory does
not grow with the file. Nothing depends on the clock or on chance: the time stamp is given, and the UUID is a digest
of what is written, so that equal input gives equal bytes.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import BinaryIO

from hepae.errors import OutputError, UnsupportedError
from hepae.root.file.compression import LZMA_BEST, Compression
from hepae.root.file.records import SMALL_LIMIT, Key, root_string

__all__ = ["DEFAULT_DATIME", "Directory", "RootFile"]

BEGIN = 100
ROOT_VERSION = 62400
DIRECTORY_BYTES = 60
FILE_NAME = "hepae"
DEFAULT_DATIME = 0x14420000
"""1 January 2000, 0:00, in ROOT's packed form: the stamp of files that are made from no other ROOT file."""


class Directory:
    """A directory of the file that is being written, and the keys in it."""

    def __init__(self, path: str, seek: int, header: int, name: str, title: str, classname: str) -> None:
        self.path, self.seek, self.header = path, seek, header
        self.name, self.title, self.classname = name, title, classname
        self.parent: Directory | None = None
        self.keys: list[Key] = []
        self.names_length = 0

    def next_cycle(self, name: str) -> int:
        """The cycle that a further object of that name gets."""
        return 1 + max((key.cycle for key in self.keys if key.name == name), default=0)


class RootFile:
    """A ROOT file that is being written.

    Parameters
    ----------
    path
        Where to write; an existing file is overwritten.
    datime
        Time stamp of all records, in ROOT's packed form.
    seed
        Bytes that the UUID depends on beside what is written, such as the UUID of the source.

    Attributes
    ----------
    order : dict of int
        Where keys stand in the list of their directory, by path of the directory, name and cycle; others come last.
    """

    def __init__(self, path: str | Path, datime: int = DEFAULT_DATIME, seed: bytes = b"") -> None:
        self.path = Path(path)
        self.datime = datime
        self.digest = hashlib.blake2b(seed, digest_size=16)
        try:
            self.stream: BinaryIO = self.path.open("wb", buffering=1 << 20)
        except OSError as error:
            raise OutputError("cannot be written", where=path, got=error.strerror) from error
        self.position = 0
        self.info_seek = self.info_bytes = 0
        self._append(bytes(BEGIN))
        key = Key("TFile", FILE_NAME, "", 0, BEGIN, 0, datime)
        names = root_string(FILE_NAME) + root_string("")
        key.payload = key.objlen = len(names) + DIRECTORY_BYTES
        self._append(key.pack() + names)
        self.root = Directory("", BEGIN, self.position, FILE_NAME, "", "TFile")
        self.root.names_length = key.length + len(names)
        self._append(bytes(DIRECTORY_BYTES))
        self.directories = {"": self.root}
        self.order: dict[tuple[str, str, int], int] = {}

    def append_raw(self, data: bytes | bytearray | memoryview) -> int:
        """Append bytes that are a copy of another file's; return where they begin."""
        return self._append(data)

    def append(self, data: bytes) -> int:
        """Append new bytes, which the UUID then depends on; return where they begin."""
        self.digest.update(data)
        return self._append(data)

    def _append(self, data: bytes | bytearray | memoryview) -> int:
        start = self.position
        try:
            self.stream.write(data)
        except OSError as error:
            raise OutputError("cannot be written", where=self.path, got=error.strerror) from error
        self.position += len(data)
        return start

    @property
    def big(self) -> bool:
        """Whether the next record needs positions of 8 bytes."""
        return self.position > SMALL_LIMIT

    def write_object(
        self,
        classname: str,
        name: str,
        title: str,
        data: bytes,
        directory: Directory | None = None,
        compression: Compression = LZMA_BEST,
        cycle: int | None = None,
    ) -> Key:
        """Write an object that is serialised already, and list it in a directory."""
        packed = compression.pack(data)
        return self.write_packed(classname, name, title, packed, len(data), directory, cycle=cycle)

    def key(self, classname: str, name: str, title: str, home: Directory) -> Key:
        """The key of an object that would be written next."""
        return Key(classname, name, title, 0, self.position, home.seek, self.datime, big=self.big)

    def write_packed(
        self,
        classname: str,
        name: str,
        title: str,
        packed: bytes,
        objlen: int,
        directory: Directory | None = None,
        big: bool | None = None,
        cycle: int | None = None,
    ) -> Key:
        """Write an object whose bytes are compressed already, and list it in a directory.

        A copied object keeps ``big``, the width of positions in its key, because references inside the object
        count from the start of the key.
        """
        home = directory or self.root
        key = self.key(classname, name, title, home)
        key.objlen, key.payload = objlen, len(packed)
        key.big = self.big if big is None else big
        if self.big and not key.big:
            raise UnsupportedError(
                "cannot be moved beyond 2 GB in the file", where=f"{home.path}/{name}", hint="use --side FILE"
            )
        key.cycle = home.next_cycle(name) if cycle is None else cycle
        self.append(key.pack() + packed)
        home.keys.append(key)
        return key

    def write_blob(
        self,
        data: bytes | memoryview,
        home: Directory,
        classname: str = "RBlob",
        name: str = "",
        size: int | None = None,
        *,
        raw: bool = False,
    ) -> int:
        """Write a record that no directory lists, as RNTuples consist of; return where its bytes begin.

        Parameters
        ----------
        data
            Its bytes, packed where they are.
        classname, name
            Of its key.
        size
            Bytes before they were packed, where they were.
        raw
            Whether they are a copy of another file's.
        """
        key = self.key(classname, name, "", home)
        key.objlen, key.payload = len(data) if size is None else size, len(data)
        self.append(key.pack())
        return self.append_raw(data) if raw else self.append(bytes(data))

    def write_streamers(self, data: bytes, big: bool = False, title: str = "Doubly linked list") -> None:
        """Write the list of streamer infos, given uncompressed, under a key of the length that it was made for."""
        packed = LZMA_BEST.pack(data)
        key = Key("TList", "StreamerInfo", title, len(data), self.position, BEGIN, self.datime)
        key.payload, key.big = len(packed), big or self.big
        self.info_seek, self.info_bytes = self.position, key.nbytes
        self.append(key.pack() + packed)

    def directory(self, path: str, title: str = "", classname: str = "TDirectory") -> Directory:
        """The directory of that path, made with its parents where it does not exist.

        ROOT itself writes ``TDirectory`` for its ``TDirectoryFile``, and looks for RNTuples in no other.
        """
        if path in self.directories:
            return self.directories[path]
        above, _, name = path.rpartition("/")
        parent = self.directory(above) if above else self.root
        key = Key(classname, name, title or name, DIRECTORY_BYTES, self.position, parent.seek, self.datime)
        key.payload, key.big = DIRECTORY_BYTES, self.big
        parent.keys.append(key)
        self.append(key.pack())
        made = Directory(path, key.seek, self.position, name, key.title, classname)
        made.parent, made.names_length = parent, key.length
        self._append(bytes(DIRECTORY_BYTES))
        self.directories[path] = made
        return made

    def finish(self) -> None:
        """Write the lists of keys, the free space and the headers, and close the file."""
        lists = [(directory, self._write_keys(directory)) for directory in self.directories.values()]
        free_seek, free_bytes = self._write_free()
        uuid = self.digest.digest()
        for directory, key in lists:
            self._patch(directory.header, directory_header(directory, key, self.datime, uuid))
        self._patch(0, self._header(free_seek, free_bytes, uuid))
        self.close()

    def _write_keys(self, directory: Directory) -> Key:
        last = len(self.order)
        directory.keys.sort(key=lambda key: self.order.get((directory.path, key.name, key.cycle), last))
        body = struct.pack(">i", len(directory.keys)) + b"".join(key.pack() for key in directory.keys)
        key = Key(
            directory.classname, directory.name, directory.title, len(body), self.position, directory.seek, 0
        )
        key.datime, key.payload, key.big = self.datime, len(body), self.big
        self.append(key.pack() + body)
        return key

    def _write_free(self) -> tuple[int, int]:
        """The one free segment: everything after the end, as far as ROOT wants to see it."""
        key = Key("TFile", FILE_NAME, "", 0, self.position, BEGIN, self.datime, big=self.big)
        key.payload = key.objlen = 18 if key.big else 10
        end = self.position + key.nbytes
        last = SMALL_LIMIT
        while last < end:
            last += 1_000_000_000
        free = struct.pack(">Hqq", 1001, end, last) if key.big else struct.pack(">Hii", 1, end, last)
        return self.append(key.pack() + free), key.nbytes

    def _header(self, free_seek: int, free_bytes: int, uuid: bytes) -> bytes:
        big = self.position > SMALL_LIMIT
        place = "q" if big else "i"
        fields = struct.pack(
            f">ii{place}{place}iiiBi{place}i",
            ROOT_VERSION + (1_000_000 if big else 0),
            BEGIN,
            self.position,
            free_seek,
            free_bytes,
            1,
            self.root.names_length,
            8 if big else 4,
            LZMA_BEST.code,
            self.info_seek,
            self.info_bytes,
        )
        return b"root" + fields + struct.pack(">H", 1) + uuid

    def close(self) -> None:
        """Close the file as it is."""
        try:
            self.stream.close()
        except OSError as error:
            raise OutputError("cannot be written", where=self.path, got=error.strerror) from error

    def _patch(self, place: int, data: bytes) -> None:
        try:
            self.stream.seek(place)
            self.stream.write(data)
        except OSError as error:
            raise OutputError("cannot be written", where=self.path, got=error.strerror) from error


def directory_header(directory: Directory, keys: Key, datime: int, uuid: bytes) -> bytes:
    """The 60 bytes of a ``TDirectory`` in a file, which hold positions of 8 bytes or 4 and padding."""
    big = max(keys.seek, directory.seek) > SMALL_LIMIT
    parent = directory.parent.seek if directory.parent else 0
    head = struct.pack(">HIIii", 1005 if big else 5, datime, datime, keys.nbytes, directory.names_length)
    places = struct.pack(">qqq" if big else ">iii", directory.seek, parent, keys.seek)
    return (head + places + struct.pack(">H", 1) + uuid).ljust(DIRECTORY_BYTES, b"\0")
