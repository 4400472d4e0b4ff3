"""NTupleHeader, footer and anchor of an RNTuple, parsed and packed. Pure functions of bytes."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import xxhash

from hepae.errors import InputError, UnsupportedError
from hepae.root.file.records import counted
from hepae.root.rntuple.frames import FOOTER, HEADER, Cursor, Locator, envelope, frame, frames, opened, string
from hepae.root.rntuple.schema import Schema

__all__ = ["Anchor", "Attributes", "ClusterGroup", "Footer", "Link", "NTupleHeader"]

ANCHOR = struct.Struct(">HHHHQQQQQQQ")
ANCHOR_VERSION = 2
"""Version of the class ``ROOT::RNTuple``, since ROOT 6.34."""
COUNTED_HEAD = 6
EPOCH = 1


@dataclass(frozen=True)
class Link:
    """Where an envelope is, and its bytes before compression."""

    length: int
    place: Locator

    @classmethod
    def parse(cls, at: Cursor) -> Link:
        return cls(at.numbers("Q")[0], at.place())

    def pack(self) -> bytes:
        return struct.pack("<Q", self.length) + self.place.pack()


@dataclass(frozen=True)
class Anchor:
    """The object that an RNTuple is listed by.

    Attributes
    ----------
    version : tuple of int
        Epoch, major, minor and patch of the format that the writer has.
    header, footer : Link
        Where they are.
    max_key : int
        Bytes beyond which a block is spread over several records.
    """

    version: tuple[int, int, int, int]
    header: Link
    footer: Link
    max_key: int = 1 << 30

    @classmethod
    def parse(cls, data: bytes, where: object) -> Anchor:
        """The anchor in the bytes of its object.

        Raises
        ------
        InputError
            If it is damaged.
        UnsupportedError
            If it is of another epoch, or has more in it than is known.
        """
        (size, version) = struct.unpack_from(">IH", data)
        end = len(data) - 8
        if version < ANCHOR_VERSION or end < COUNTED_HEAD + ANCHOR.size:
            raise UnsupportedError("an RNTuple from before the format was fixed", where=where, got=version)
        if xxhash.xxh3_64_digest(data[COUNTED_HEAD:end]) != data[end:] or size != 0x40000000 | end - 4:
            raise InputError("does not carry its checksum", where=where, hint="is the file damaged?")
        if version > ANCHOR_VERSION or end != COUNTED_HEAD + ANCHOR.size:
            raise UnsupportedError(
                "an RNTuple with more in its anchor than is known", where=where, got=version
            )
        numbers = ANCHOR.unpack_from(data, COUNTED_HEAD)
        if numbers[0] != EPOCH:
            raise UnsupportedError("an RNTuple of another epoch", where=where, expected=EPOCH, got=numbers[0])
        header, footer = (
            Link(length, Locator(seek, size)) for seek, size, length in (numbers[4:7], numbers[7:10])
        )
        return cls(numbers[:4], header, footer, numbers[10])

    def pack(self) -> bytes:
        """The bytes of the object, its checksum at the end."""
        places = (
            number
            for link in (self.header, self.footer)
            for number in (link.place.offset, link.place.size, link.length)
        )
        body = ANCHOR.pack(*self.version, *places, self.max_key)
        return counted(ANCHOR_VERSION, body) + xxhash.xxh3_64_digest(body)


@dataclass
class NTupleHeader:
    """The header.

    Attributes
    ----------
    name, description, writer : str
        Of the RNTuple, and of the program that wrote it.
    schema : Schema
        Fields and columns.
    """

    name: str
    description: str
    writer: str
    schema: Schema

    @classmethod
    def parse(cls, data: bytes, where: object) -> NTupleHeader:
        """The header in the bytes of its envelope."""
        at = opened(data, HEADER, where)
        require_known_features(at, where)
        header = cls(at.string(), at.string(), at.string(), Schema.parse(at))
        at.done("a header")
        return header

    def pack(self) -> bytes:
        """The envelope."""
        texts = b"".join(map(string, (self.name, self.description, self.writer)))
        return envelope(HEADER, struct.pack("<Q", 0) + texts + self.schema.pack())


@dataclass(frozen=True)
class ClusterGroup:
    """A group of clusters: its first entry, its number of entries and of clusters, and where its list of pages is."""

    first: int
    entries: int
    clusters: int
    link: Link

    @classmethod
    def parse(cls, at: Cursor) -> ClusterGroup:
        first, entries, clusters = at.numbers("QQI")
        group = cls(first, entries, clusters, Link.parse(at))
        at.done("a group of clusters")
        return group

    def pack(self) -> bytes:
        return frame(struct.pack("<QQI", self.first, self.entries, self.clusters) + self.link.pack())


@dataclass(frozen=True)
class Attributes:
    """A linked set of attributes: the version of its schema, and where its anchor is."""

    major: int
    minor: int
    length: int
    place: Locator
    name: str

    @classmethod
    def parse(cls, at: Cursor) -> Attributes:
        major, minor, length = at.numbers("HHI")
        found = cls(major, minor, length, at.place(), at.string())
        at.done("a set of attributes")
        return found

    def pack(self) -> bytes:
        head = struct.pack("<HHI", self.major, self.minor, self.length)
        return frame(head + self.place.pack() + string(self.name))


@dataclass
class Footer:
    """The footer.

    Attributes
    ----------
    checksum : bytes
        That of the header which it belongs to.
    extension : Schema
        Fields and columns that were added while clusters were written.
    groups : list of ClusterGroup
        Groups of clusters in order.
    attributes : list of Attributes, optional
        Linked sets; None before version 1.0.1.0 of the format, which has no list of them.
    """

    checksum: bytes
    extension: Schema = field(default_factory=Schema)
    groups: Sequence[ClusterGroup] = ()
    attributes: Sequence[Attributes] | None = None

    @classmethod
    def parse(cls, data: bytes, where: object) -> Footer:
        """The footer in the bytes of its envelope."""
        at = opened(data, FOOTER, where)
        require_known_features(at, where)
        checksum = bytes(at.numbers("8s")[0])
        inner = at.record()
        extension = Schema.parse(inner) if inner.at != inner.end else Schema()
        inner.done("a schema extension")
        groups = [ClusterGroup.parse(item) for item in at.records()]
        sets = [Attributes.parse(item) for item in at.records()] if at.at != at.end else None
        at.done("a footer")
        return cls(checksum, extension, groups, sets)

    def pack(self) -> bytes:
        """The envelope."""
        body = struct.pack("<Q", 0) + self.checksum + frame(self.extension.pack())
        body += frames(group.pack() for group in self.groups)
        body += b"" if self.attributes is None else frames(item.pack() for item in self.attributes)
        return envelope(FOOTER, body)


def require_known_features(at: Cursor, where: object) -> None:
    """Refuse features that later versions of the format may define: none are yet.

    Raises
    ------
    UnsupportedError
        If there is one.
    """
    (flags,) = at.numbers("Q")
    if flags:
        raise UnsupportedError("an RNTuple with features that are not known", where=where, got=hex(flags))
