"""Objects as ROOT streams them, taken apart into nodes that can be moved, changed and written again.

Bytes that mean nothing to us stay as they are, and what was parsed and not changed comes out byte for byte. Time is
linear in the number of bytes, and depth is limited, whatever the bytes are.

Source: ``TBufferFile::ReadObjectAny``, ``ReadClass``, ``ReadVersion`` and the streamers of ROOT's collections.
"""

from __future__ import annotations

import re
import struct

from hepae.errors import InputError, report_it
from hepae.root.file.classes import Classes, Run, Step
from hepae.root.file.nodes import (
    ABSENT,
    ARRAYS,
    CLASS_MASK,
    COLLECTIONS,
    LISTS,
    MAP_OFFSET,
    MAPS,
    NUMBERS,
    PRESENT,
    WIDE,
    Collection,
    Numbers,
    Part,
    Pointer,
    Record,
    Reference,
    Streamed,
    Table,
    Tag,
)
from hepae.root.file.records import BYTE_COUNT, NEW_CLASS

__all__ = ["parse", "parse_pointer"]

ITSELF = 1
"""A reference to the object that the key is of (``TKey`` registers it so)."""
IS_REFERENCED = 1 << 4
MAX_DEPTH = 100
"""Objects and bases in each other, each a handful of frames of Python; trees of experiments reach 30."""
WORK_PER_BYTE, WORK = 2, 10_000
"""Steps of parsing that are allowed: each takes bytes, so that only what is made to be slow takes more."""

OPAQUE = {"TBasket", "TTreeIndex", "TDatime", "TRef"}
"""Classes whose bytes do not depend on where they are, and that have streamers of their own."""
ESSENTIAL = ("TTree", "TNtuple", "TBranch", "TLeaf")
"""Classes without whose members nothing can be done: what is wrong in them is an error."""
DATIME_BYTES = 4

OBJECT = re.compile(
    rb"[\x40-\x7f][\x00-\xff]{3}(?:\xff\xff\xff\xff[A-Za-z_][\x20-\x7e]{0,511}\0|[\x80-\xbf][\x00-\xff]{3})",
    re.DOTALL,
)
"""What begins an object behind a pointer: a byte count, and a class by name or by place."""


class UnreadableError(Exception):
    """The bytes are not what the description of a class says; caught where their length is known."""


class RefusedError(Exception):
    """Bytes that would take too long or too deep to read."""


FAILURES = (UnreadableError, struct.error, IndexError, ValueError)
"""What goes wrong in bytes that are not what they should be."""


def parse(data: bytes, classname: str, key_length: int, classes: Classes, where: object) -> Streamed:
    """The object of a key, taken apart.

    Parameters
    ----------
    data
        The bytes after the key, uncompressed.
    classname
        Its class.
    key_length
        Bytes of the key: references count from its start.
    classes
        What classes consist of.
    where
        For messages.

    Returns
    -------
    Streamed
        Its ``record`` is None where the class is not understood: then its parts are bytes, and objects in them.

    Raises
    ------
    InputError
        If byte counts or references lead nowhere.
    """
    reader = Reader(data, key_length, classes)
    try:
        return Streamed(Tag(classname), reader.body(classname, len(data)))
    except (RefusedError, *FAILURES) as error:
        raise InputError(
            f"a {classname} cannot be read",
            where=where,
            got=str(error),
            hint=f"where ROOT reads it, {report_it()}",
        ) from error


def parse_pointer(data: bytes, classes: Classes, where: object) -> Streamed:
    """An object with its class before it, as `pack_pointer` writes it.

    Raises
    ------
    InputError
        If there is none.
    """
    reader = Reader(data, 0, classes)
    try:
        found = reader.pointer(len(data))
        if not isinstance(found, Streamed) or reader.at != len(data):
            raise UnreadableError("no object")
    except (RefusedError, *FAILURES) as error:
        raise InputError("an object cannot be read", where=where, got=str(error)) from error
    return found


class Reader:
    """Goes through the bytes of an object once."""

    def __init__(self, data: bytes, key_length: int, classes: Classes) -> None:
        self.data, self.classes = data, classes
        self.origin = key_length + MAP_OFFSET
        self.at = self.depth = 0
        self.work = WORK + WORK_PER_BYTE * len(data)
        self.known: dict[int, Streamed | Tag] = {}
        self.not_understood: set[tuple[str, bytes]] = set()
        self.places: dict[int, dict[str, int]] = {}

    def word(self) -> int:
        (word,) = struct.unpack_from(">I", self.data, self.at)
        self.at += 4
        return int(word)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        if size < 0 or self.at + size > len(self.data):
            raise UnreadableError(f"{size} bytes at {self.at} of {len(self.data)}")
        self.at += size
        return self.data[self.at - size : self.at]

    def spend(self) -> None:
        self.work -= 1
        if self.work < 0:
            raise RefusedError("more objects than bytes")

    def count(self, stop: int) -> tuple[bool, int]:
        """Whether a byte count is next, and where what it counts ends."""
        (word,) = struct.unpack_from(">I", self.data, self.at)
        if not word & BYTE_COUNT or word & CLASS_MASK:
            return False, stop
        end = self.at + 4 + (word & ~BYTE_COUNT)
        if end > stop:
            raise UnreadableError(f"a byte count at {self.at} that leads beyond its object")
        self.at += 4
        return True, end

    def pointer(self, stop: int) -> Pointer:
        """What a pointer leads to: an object that is here or was before, this one itself, or nothing."""
        self.spend()
        start = self.at
        if self.at + 4 > stop:
            raise UnreadableError(f"no pointer at {start}")
        counted, end = self.count(stop)
        word = self.word()
        if not word & CLASS_MASK:
            return self.reference(word, start, counted)
        if not counted:
            raise UnreadableError(f"an object without byte count at {start}")
        made = Streamed(self.tag(word))
        self.known[start] = made
        self.deeper()
        made.parts = self.body(made.tag.name, end)
        self.depth -= 1
        return made

    def reference(self, word: int, start: int, counted: bool) -> Pointer:
        """What a word that is no class leads to."""
        if word in (0, ITSELF):
            return None if word == 0 and not counted else self.data[start : self.at]
        found = self.known.get(word - self.origin)
        if not isinstance(found, Streamed):
            raise UnreadableError(f"a pointer at {start} to no object")
        return Reference(found) if counted else found

    def tag(self, word: int) -> Tag:
        """The class that was named by a word that has just been read."""
        place = self.at - 4
        if word == NEW_CLASS:
            end = self.data.index(b"\0", self.at)
            made = Tag(self.data[self.at : end].decode("utf-8", "surrogateescape"))
            self.at = end + 1
            self.known[place] = made
            return made
        found = self.known.get((word & ~CLASS_MASK) - self.origin)
        if not isinstance(found, Tag):
            raise UnreadableError(f"a class at {place} that was not named before")
        return found

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RefusedError(f"more than {MAX_DEPTH} objects in each other")

    def body(self, classname: str, stop: int) -> list[Part]:
        """An object whose end is known."""
        start, depth, before = self.at, self.depth, len(self.known)
        if classname in OPAQUE:
            return [self.take(stop - start)]
        try:
            part = self.value(classname, stop)
            if self.at == stop:
                return [part]
        except FAILURES:
            if classname.startswith(ESSENTIAL):
                raise
        self.rewind(start, depth, before)
        return self.region(stop)

    def region(self, stop: int) -> list[Part]:
        """Bytes whose meaning is not known, with the objects in them, which begin in a way that nothing else does."""
        parts: list[Part] = []
        last = look = self.at
        while match := OBJECT.search(self.data, look, stop):
            start = match.start()
            end = start + 4 + (int.from_bytes(self.data[start : start + 4], "big") & ~BYTE_COUNT)
            word = int.from_bytes(self.data[start + 4 : start + 8], "big")
            named = word == NEW_CLASS or isinstance(self.known.get((word & ~CLASS_MASK) - self.origin), Tag)
            look = start + 1
            if match.end() <= end <= stop and named:
                self.at = start
                parts += [self.data[last:start], self.pointer(stop)]
                last = look = self.at
        self.at = last
        return [*parts, self.take(stop - last)]

    def value(self, classname: str, stop: int) -> Part:
        """An object by value."""
        self.spend()
        if classname == "TObject":
            return self.root_object(stop)
        if classname in ("TString", "string"):
            return self.string()
        if classname in NUMBERS:
            size = int.from_bytes(self.data[self.at : self.at + 4], "big")
            return self.take(4 + size * NUMBERS[classname])
        if classname == "TDatime":
            return self.take(DATIME_BYTES)
        if classname in COLLECTIONS:
            return self.collection(classname, stop)
        return self.record(classname, stop)

    def string(self) -> bytes:
        size = self.data[self.at]
        if size == 255:
            return self.take(5 + int.from_bytes(self.data[self.at + 1 : self.at + 5], "big"))
        return self.take(1 + size)

    def root_object(self, stop: int) -> bytes:
        """A ``TObject``: version, identity, bits, and the process that made it where it is referenced."""
        start = self.at
        self.count(stop)
        self.at += 6
        bits = self.word()
        if bits & IS_REFERENCED:
            self.at += 2
        size, self.at = self.at - start, start
        return self.take(size)

    def collection(self, classname: str, stop: int) -> Collection:
        """A ``TObjArray``, a ``TList`` (since version 4) or a ``TMap``, and what is in it."""
        counted, end = self.count(stop)
        start = self.at
        version = int.from_bytes(self.take(2), "big")
        is_list = classname in LISTS
        if version > (3 if is_list else 2):
            self.root_object(end)
        if version > (3 if is_list else 1):
            self.string()
        head = self.data[start : self.at]
        if is_list and version < 4:
            raise UnreadableError(f"a {classname} of version {version}")
        pairs = classname in MAPS
        made = Collection(head, counted, b"", options=[] if is_list else None, pairs=pairs)
        size = self.word() << pairs
        if classname in ARRAYS:
            made.low = self.take(4)
        if size > (end - self.at) // 4:
            raise UnreadableError(f"{size} pointers in {end - self.at} bytes")
        for _ in range(size):
            made.items.append(self.pointer(end))
            if made.options is not None:
                made.options.append(self.string() if version > 4 else self.take(1 + self.data[self.at]))
        if counted and self.at != end:
            raise UnreadableError(f"a {classname} that ends at {self.at}, not at {end}")
        return made

    def record(self, classname: str, stop: int) -> Record:
        """An object or a base with its version, and its members where they are known."""
        start = self.at
        counted, end = self.count(stop)
        head = self.take(2)
        version, checksum = int.from_bytes(head, "big", signed=True), 0
        if version == 0 and counted and end - self.at >= 4:
            (checksum,) = struct.unpack_from(">I", self.data, self.at)
        members = self.classes.members(classname, version, checksum)
        if members is None and version == 0:
            members, checksum = self.classes.members(classname, 1), 0
        made = Record(classname, head, counted)
        if members is None and not counted:
            raise UnreadableError(f"a {classname} of version {version} at {start}")
        if checksum and members is not None:
            made.head += self.take(4)
        if members is None or (classname, head) in self.not_understood:
            made.parts = self.region(end)
        else:
            self.understand(made, members, end)
        return made

    def understand(self, made: Record, members: tuple[Step | Run, ...], end: int) -> None:
        """The members of an object; where they are not what its class says, bytes and the objects in them."""
        start, depth, before = self.at, self.depth, len(self.known)
        try:
            self.deeper()
            self.members(made, members, end)
            self.depth -= 1
            if made.counted and self.at != end:
                raise UnreadableError(f"a {made.classname} that ends at {self.at}, not at {end}")
        except FAILURES:
            if not made.counted or made.classname.startswith(ESSENTIAL):
                raise
            self.not_understood.add((made.classname, made.head))
            self.rewind(start, depth, before)
            made.names = {}
            made.parts = self.region(end)

    def rewind(self, at: int, depth: int, known: int) -> None:
        """Go back, and forget what was met since."""
        for place in list(self.known)[known:]:
            del self.known[place]
        self.at, self.depth = at, depth

    def members(self, made: Record, members: tuple[Step | Run, ...], stop: int) -> None:
        """The members of an object, one after the other."""
        made.names = self.names_of(members)
        parts = made.parts
        for step in members:
            if isinstance(step, Run):
                parts.append(Numbers(step, self.take(step.size)))
                continue
            for _ in range(step.length):
                parts.append(self.member(made, step, stop))

    def names_of(self, members: tuple[Step | Run, ...]) -> dict[str, int]:
        """Where members are among the parts of an object: one table for all objects of a class, which keeps members."""
        names = self.places.get(id(members))
        if names is None:
            names, at = {}, 0
            for step in members:
                if isinstance(step, Run):
                    names |= dict.fromkeys(step.places, at)
                    at += 1
                else:
                    names[step.name] = at
                    at += step.length
            self.places[id(members)] = names
        return names

    def member(self, made: Record, step: Step, stop: int) -> Part:
        if step.kind in ("base", "object"):
            return self.value(step.type, stop)
        if step.kind == "pointer":
            return self.pointer(stop)
        if step.kind == "string":
            return self.string()
        if step.kind == "counted":
            return self.table(made, step)
        counted, end = self.count(stop)
        if not counted:
            raise UnreadableError(f"no byte count before {step.name}")
        self.at -= 4
        return self.take(end - self.at)

    def table(self, made: Record, step: Step) -> Table:
        """An array that another member counts."""
        self.spend()
        flag, count = b"", 0
        if step.count:
            flag = self.take(1)
            if flag not in (ABSENT, PRESENT, WIDE):
                raise UnreadableError(f"no array {step.name}")
            count = int(made.number(step.count)) if flag != ABSENT else 0
        else:
            count = self.word()
            self.at -= 4
        width = 8 if flag == WIDE else struct.calcsize(step.type)
        return Table(flag, step.type, self.take(width * count + (0 if step.count else 4)))
