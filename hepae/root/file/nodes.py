"""Nodes that an object of a ROOT file consists of, once it has been taken apart: numbers, tables, bases, pointers.

Three things in the bytes of an object depend on where they are: byte counts, names of classes (written in full the
first time, then as the place of the first), and pointers (an object where it is met first, then its place).
`hepae.root.file.parsing` turns them into nodes, `hepae.root.file.packing` writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from hepae.errors import InputError
from hepae.root.file.classes import Run
from hepae.root.file.records import root_string, string_at

__all__ = [
    "ABSENT",
    "PRESENT",
    "WIDE",
    "Collection",
    "Numbers",
    "Part",
    "Pointer",
    "Record",
    "Reference",
    "Streamed",
    "Table",
    "Tag",
    "target",
]

ARRAYS = {"TObjArray", "TRefArray"}
LISTS = {"TList", "THashList", "TSortedList"}
MAPS = {"TMap"}
COLLECTIONS = ARRAYS | LISTS | MAPS
NUMBERS = {f"TArray{letter}": size for letter, size in zip("CSILFD", (1, 2, 4, 8, 4, 8), strict=True)}
NUMBERS["TArrayL64"] = 8
CLASS_MASK = 0x80000000
MAP_OFFSET = 2
"""References count from the start of the key, plus this (``kMapOffset``)."""
ABSENT, PRESENT, WIDE = b"\0", b"\1", b"\2"


@dataclass(eq=False)
class Tag:
    """How a class is named: in full the first time that this tag is written, then by the place of that."""

    name: str


@dataclass(eq=False)
class Numbers:
    """Members of fixed size that follow each other."""

    run: Run
    raw: bytes

    def __getitem__(self, name: str) -> int | float:
        packed, place = self.run.places[name]
        value: int | float = packed.unpack_from(self.raw, place)[0]
        return value

    def __setitem__(self, name: str, value: float) -> None:
        packed, place = self.run.places[name]
        raw = bytearray(self.raw)
        packed.pack_into(raw, place, float(value) if packed.format[-1] in "fd" else value)
        self.raw = bytes(raw)


@dataclass(eq=False)
class Table:
    """An array that another member counts, with the byte before it that says whether it is there.

    Attributes
    ----------
    flag : bytes
        1 where it is there, 2 where numbers take 8 bytes though the class says 4, 0 where it is not; or, where the
        number of items stands before them, nothing.
    letter : str
        How an item is packed.
    """

    flag: bytes
    letter: str
    raw: bytes

    @property
    def values(self) -> np.ndarray[tuple[int], np.dtype[np.generic]]:
        """The items, native byte order."""
        stored = np.frombuffer(self.raw, np.dtype(f">{'q' if self.flag == WIDE else self.letter}"))
        return stored.astype(stored.dtype.newbyteorder("="))


@dataclass(eq=False)
class Record:
    """An object or a base of one: a head with its version, then members.

    Attributes
    ----------
    classname : str
        Its class.
    head : bytes
        Version, and the checksum of a class without one, after the byte count.
    counted : bool
        Whether a byte count stands before it.
    parts : list
        Members in order.
    names : dict of int
        Where members are among the parts; all names of a run of numbers lead to it. Objects of a class may share it.
    """

    classname: str
    head: bytes
    counted: bool
    parts: list[Part] = field(default_factory=list)
    names: dict[str, int] = field(default_factory=dict)

    def find(self, name: str) -> Record | None:
        """The record, this one or one of its bases, that has a member of that name."""
        if name in self.names:
            return self
        for base in self.bases():
            found = base.find(name)
            if found is not None:
                return found
        return None

    def bases(self) -> Iterator[Record]:
        """The bases, in order: ROOT puts them before all members."""
        for name, at in self.names.items():
            part = self.parts[at]
            if isinstance(part, Record) and part.classname == name:
                yield part
            elif name != "TObject":  # whose bytes are not taken apart
                return

    def base(self, classname: str) -> Record | None:
        """This record where it is of that class, or the base of that class."""
        if self.classname == classname:
            return self
        found = (base.base(classname) for base in self.bases())
        return next((base for base in found if base is not None), None)

    def part(self, name: str) -> Part:
        """A member.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        holder = self.find(name)
        if holder is None:
            raise InputError("a member is missing", where=self.classname, got=name)
        return holder.parts[holder.names[name]]

    def number(self, name: str, default: int | float = 0) -> int | float:
        """A member of a basic type, the default where this version of the class has none."""
        holder = self.find(name)
        part = holder.parts[holder.names[name]] if holder is not None else None
        return part[name] if isinstance(part, Numbers) else default

    def text(self, name: str) -> str:
        """A string."""
        raw = self.part(name)
        if not isinstance(raw, bytes) or not raw:
            raise InputError("a member is no string", where=self.classname, got=name)
        return string_at(raw, 0)[0]

    def collection(self, name: str) -> Collection:
        """A ``TObjArray`` or a ``TList``."""
        held = self.part(name)
        if not isinstance(held, Collection):
            raise InputError("a member is no collection", where=self.classname, got=name)
        return held

    def table(self, name: str) -> Table:
        """An array that another member counts."""
        held = self.part(name)
        if not isinstance(held, Table):
            raise InputError("a member is no array", where=self.classname, got=name)
        return held

    def put(self, name: str, value: Part | str | float) -> None:
        """Give a member another value; nothing where this version of the class has none."""
        holder = self.find(name)
        if holder is None:
            return
        at = holder.names[name]
        part = holder.parts[at]
        if isinstance(part, Numbers) and isinstance(value, int | float):
            part[name] = value
        elif not isinstance(value, int | float):
            holder.parts[at] = root_string(value) if isinstance(value, str) else value


@dataclass(eq=False)
class Streamed:
    """An object behind a pointer: written where it is met first, named by its place after that.

    Attributes
    ----------
    tag : Tag
        Its class.
    parts : list
        What it consists of; a class that is understood is one `Record`.
    gone : bool
        Whether pointers to it are null from now on.
    """

    tag: Tag
    parts: list[Part] = field(default_factory=list)
    gone: bool = False

    @property
    def record(self) -> Record | None:
        """The object, where its class is understood."""
        first = self.parts[0] if self.parts else None
        return first if isinstance(first, Record) else None


@dataclass(eq=False)
class Reference:
    """A pointer to an object met before that has a byte count, as groot writes it."""

    target: Streamed


@dataclass(eq=False)
class Collection:
    """A ``TObjArray``, a ``TList`` or a ``TMap``: a head, and pointers.

    Attributes
    ----------
    head : bytes
        Version (after the byte count, where there is one), ``TObject`` and name.
    low : bytes
        Lower bound of an array.
    items : list
        Pointers.
    options : list of bytes
        The text behind each pointer of a list.
    pairs : bool
        Whether pointers come in pairs, of which the number is counted.
    """

    head: bytes
    counted: bool
    low: bytes
    items: list[Pointer] = field(default_factory=list)
    options: list[bytes] | None = None
    pairs: bool = False


Pointer: TypeAlias = Streamed | Reference | bytes | None
"""A pointer to an object; None leads to nothing, bytes to the object that contains it."""

Part: TypeAlias = "Pointer | Numbers | Table | Record | Collection"
"""What objects consist of."""


def target(part: Part) -> Streamed | None:
    """The object that a pointer leads to."""
    if isinstance(part, Reference):
        return part.target
    return part if isinstance(part, Streamed) else None
