"""Nodes written as ROOT streams them, in time linear in their number; and objects that hold nothing yet.

Source: ``TBufferFile::WriteObjectClass`` and ``WriteVersion``.
"""

from __future__ import annotations

import struct

from hepae.root.file.classes import Classes, Run, Step
from hepae.root.file.nodes import (
    ABSENT,
    ARRAYS,
    CLASS_MASK,
    MAP_OFFSET,
    NUMBERS,
    Collection,
    Numbers,
    Part,
    Record,
    Reference,
    Streamed,
    Table,
    Tag,
)
from hepae.root.file.records import BYTE_COUNT, NEW_CLASS, root_object, root_string

__all__ = ["blank", "pack", "pack_after", "pack_pointer"]


def pack(top: Streamed, key_length: int) -> bytes:
    """The bytes of the object of a key, for a key of that length."""
    writer = Writer(key_length)
    for part in top.parts:
        writer.put(part)
    return bytes(writer.out)


def pack_pointer(top: Streamed) -> bytes:
    """The bytes of an object with its class before it."""
    writer = Writer(0)
    writer.put(top)
    return bytes(writer.out)


def pack_after(before: bytes, top: Streamed, key_length: int) -> bytes:
    """The bytes of an object with its class before it, which refer to nothing in the bytes that stand before them.

    Parameters
    ----------
    before
        What is behind the key so far.
    top
        The object.
    key_length
        Bytes of the key.
    """
    writer = Writer(key_length)
    writer.out += before
    writer.put(top)
    return bytes(writer.out[len(before) :])


class Writer:
    """Appends nodes to bytes, and knows where objects and classes are."""

    def __init__(self, key_length: int) -> None:
        self.out = bytearray()
        self.origin = key_length + MAP_OFFSET
        self.places: dict[Streamed | Tag, int] = {}

    def put(self, part: Part) -> None:
        """Append one part."""
        if isinstance(part, bytes):
            self.out += part
        elif isinstance(part, Numbers):
            self.out += part.raw
        elif isinstance(part, Streamed):
            self.pointer(part)
        elif isinstance(part, Reference):
            self.out += struct.pack(">I", BYTE_COUNT | 4) if part.target in self.places else b""
            self.pointer(part.target)
        elif part is None:
            self.out += bytes(4)
        elif isinstance(part, Table):
            self.out += part.flag
            self.out += part.raw
        else:
            self.counted(part)

    def counted(self, part: Record | Collection) -> None:
        """An object with its byte count."""
        start = len(self.out)
        if part.counted:
            self.out += bytes(4)
        self.out += part.head
        if isinstance(part, Record):
            for item in part.parts:
                self.put(item)
        else:
            self.items(part)
        if part.counted:
            struct.pack_into(">I", self.out, start, (len(self.out) - start - 4) | BYTE_COUNT)

    def items(self, part: Collection) -> None:
        self.out += struct.pack(">I", len(part.items) >> part.pairs) + part.low
        for number, item in enumerate(part.items):
            self.put(item)
            if part.options is not None:
                self.out += part.options[number]

    def pointer(self, part: Streamed) -> None:
        """An object where it is met first, its place after that."""
        if part.gone:
            self.out += bytes(4)
            return
        if part in self.places:
            self.out += struct.pack(">I", self.places[part])
            return
        start = len(self.out)
        self.places[part] = start + self.origin
        self.out += bytes(4)
        if part.tag in self.places:
            self.out += struct.pack(">I", self.places[part.tag] | CLASS_MASK)
        else:
            self.places[part.tag] = len(self.out) + self.origin
            self.out += struct.pack(">I", NEW_CLASS)
            self.out += part.tag.name.encode("utf-8", "surrogateescape") + b"\0"
        for item in part.parts:
            self.put(item)
        struct.pack_into(">I", self.out, start, (len(self.out) - start - 4) | BYTE_COUNT)


VERSIONS = {
    "TNamed": 1,
    "TAttLine": 2,
    "TAttFill": 2,
    "TAttMarker": 2,
    "TTree": 20,
    "TBranch": 13,
    "TLeaf": 2,
    "ROOT::TIOFeatures": 0,
}
"""Versions of classes that new objects are written in (ROOT 6.24); others have 1."""

IO_FEATURES_CHECKSUM = 0x1AA12F10
"""``ROOT::TIOFeatures`` has no version: this stands in its place."""


def blank(classname: str) -> Record:
    """An object of a known class whose members are zero, empty or nothing."""
    version = VERSIONS.get(classname, 1)
    members = Classes().members(classname, version)
    assert members is not None
    checksum = struct.pack(">I", IO_FEATURES_CHECKSUM) if version == 0 else b""
    made = Record(classname, struct.pack(">h", version) + checksum, counted=True)
    for step in members:
        for name in step.places if isinstance(step, Run) else (step.name,):
            made.names[name] = len(made.parts)
        made.parts.append(Numbers(step, bytes(step.size)) if isinstance(step, Run) else blank_member(step))
    return made


def blank_member(step: Step) -> Part:
    """A member that holds nothing."""
    if step.kind == "pointer":
        return None
    if step.kind == "string":
        return root_string("")
    if step.kind == "counted":
        return Table(ABSENT, step.type, b"")
    if step.type == "TObject":
        return root_object()
    if step.type in NUMBERS:
        return bytes(4)
    if step.type in ARRAYS:
        return Collection(struct.pack(">h", 3) + root_object() + root_string(""), True, bytes(4))
    return blank(step.type)
