"""What an RNTuple consists of: fields, columns, projections, extra information on types; parsed and packed.

Bytes behind what is known of a record, as later versions of the format may write them, are kept as they are.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from hepae.root.rntuple.frames import Cursor, frame, frames, string

__all__ = ["Alias", "ColumnRecord", "ExtraType", "FieldRecord", "Schema"]

REPETITIVE, PROJECTED, TYPE_CHECKSUM = 1, 2, 4
"""Flags of fields."""
DEFERRED, RANGE = 1, 2
"""Flags of columns."""


@dataclass(frozen=True)
class FieldRecord:
    """A field.

    Attributes
    ----------
    name, type_name, type_alias, description : str
        As in the file.
    parent : int
        Number of the field that it is in, its own at the top.
    role : int
        0 leaf, 1 collection, 2 record, 3 variant, 4 streamed object.
    flags : int
        1 repetitive, 2 projected, 4 with the checksum of its type.
    version, type_version : int
        Of the field and of its type.
    size, source, checksum : int
        Items of a repetitive field, number of the field that is projected, checksum of the type; 0 where there is none.
    rest : bytes
        What later versions of the format have in addition.
    """

    name: str
    type_name: str
    parent: int
    role: int = 0
    flags: int = 0
    version: int = 0
    type_version: int = 0
    type_alias: str = ""
    description: str = ""
    size: int = 0
    source: int = 0
    checksum: int = 0
    rest: bytes = b""

    @property
    def projected(self) -> bool:
        """Whether it shows columns of another field."""
        return bool(self.flags & PROJECTED)

    @classmethod
    def parse(cls, at: Cursor) -> FieldRecord:
        version, type_version, parent, role, flags = at.numbers("IIIHH")
        name, type_name, type_alias, description = (at.string() for _ in range(4))
        size = at.numbers("Q")[0] if flags & REPETITIVE else 0
        source = at.numbers("I")[0] if flags & PROJECTED else 0
        checksum = at.numbers("I")[0] if flags & TYPE_CHECKSUM else 0
        return cls(
            name,
            type_name,
            parent,
            role,
            flags,
            version,
            type_version,
            type_alias,
            description,
            size,
            source,
            checksum,
            at.rest(),
        )

    def pack(self) -> bytes:
        head = struct.pack("<IIIHH", self.version, self.type_version, self.parent, self.role, self.flags)
        texts = (self.name, self.type_name, self.type_alias, self.description)
        body = head + b"".join(map(string, texts))
        body += struct.pack("<Q", self.size) if self.flags & REPETITIVE else b""
        body += struct.pack("<I", self.source) if self.flags & PROJECTED else b""
        body += struct.pack("<I", self.checksum) if self.flags & TYPE_CHECKSUM else b""
        return frame(body + self.rest)


@dataclass(frozen=True)
class ColumnRecord:
    """A column.

    Attributes
    ----------
    kind, bits : int
        The type of its elements and how many bits one takes.
    field : int
        Number of the field that it belongs to.
    flags : int
        1 deferred, 2 with a range.
    representation : int
        Which of the representations of its field it belongs to.
    first : int
        The first element that is stored, where deferred; negative where suppressed until then.
    low, high : float
        The range of a quantised number.
    rest : bytes
        What later versions of the format have in addition.
    """

    kind: int
    bits: int
    field: int
    flags: int = 0
    representation: int = 0
    first: int = 0
    low: float = 0.0
    high: float = 0.0
    rest: bytes = b""

    @classmethod
    def parse(cls, at: Cursor) -> ColumnRecord:
        kind, bits, number, flags, representation = at.numbers("HHIHH")
        first = at.numbers("q")[0] if flags & DEFERRED else 0
        low, high = at.numbers("dd") if flags & RANGE else (0.0, 0.0)
        return cls(kind, bits, number, flags, representation, first, low, high, at.rest())

    def pack(self) -> bytes:
        body = struct.pack("<HHIHH", self.kind, self.bits, self.field, self.flags, self.representation)
        body += struct.pack("<q", self.first) if self.flags & DEFERRED else b""
        body += struct.pack("<dd", self.low, self.high) if self.flags & RANGE else b""
        return frame(body + self.rest)


@dataclass(frozen=True)
class Alias:
    """A column of a projected field, which shows another.

    Attributes
    ----------
    column, field : int
        Number of the column that is shown, and of the projected field.
    """

    column: int
    field: int
    rest: bytes = b""

    @classmethod
    def parse(cls, at: Cursor) -> Alias:
        column, number = at.numbers("II")
        return cls(column, number, at.rest())

    def pack(self) -> bytes:
        return frame(struct.pack("<II", self.column, self.field) + self.rest)


@dataclass(frozen=True)
class ExtraType:
    """Information on types, such as the streamer infos of streamed objects: its bytes as they are."""

    body: bytes

    @classmethod
    def parse(cls, at: Cursor) -> ExtraType:
        return cls(at.rest())

    def pack(self) -> bytes:
        return frame(self.body)


@dataclass
class Schema:
    """Fields and columns, of a header or of the extension in a footer, where numbers go on from those of the header.

    Attributes
    ----------
    fields, columns, aliases, extra : list
        In the order of the file; a field or column is named by its place.
    """

    fields: list[FieldRecord] = field(default_factory=list)
    columns: list[ColumnRecord] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    extra: list[ExtraType] = field(default_factory=list)

    @classmethod
    def parse(cls, at: Cursor) -> Schema:
        """The four lists at a cursor."""
        return cls(
            [FieldRecord.parse(item) for item in at.records()],
            [ColumnRecord.parse(item) for item in at.records()],
            [Alias.parse(item) for item in at.records()],
            [ExtraType.parse(item) for item in at.records()],
        )

    def pack(self) -> bytes:
        """The four lists."""
        lists = (self.fields, self.columns, self.aliases, self.extra)
        return b"".join(frames(item.pack() for item in items) for items in lists)

    def __bool__(self) -> bool:
        return bool(self.fields or self.columns or self.aliases or self.extra)

    def __add__(self, more: Schema) -> Schema:
        """The schema with its extension."""
        return Schema(
            self.fields + more.fields,
            self.columns + more.columns,
            self.aliases + more.aliases,
            self.extra + more.extra,
        )

    def check(self) -> None:
        """Refuse numbers of fields and columns that are not there.

        Raises
        ------
        ValueError
            If there is one; a field may only be in one that stands before it.
        """
        fields, columns = len(self.fields), len(self.columns)
        if any(record.parent > number for number, record in enumerate(self.fields)):
            raise ValueError("a field is in one that stands behind it")
        if any(record.projected and record.source >= fields for record in self.fields):
            raise ValueError("a field projects one that is not there")
        if any(column.field >= fields for column in self.columns):
            raise ValueError("a column is of a field that is not there")
        if any(alias.column >= columns or alias.field >= fields for alias in self.aliases):
            raise ValueError("a projected column is of a field or column that is not there")
