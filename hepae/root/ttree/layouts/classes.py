"""Objects of fixed width that are not split: what their bytes are, member by member.

A class is written as a header (a byte count, a version, and a checksum where the version is 0), its base classes and
its members. Which of these headers are there, and what they say, is seen in one object; all others must be the same.
Source: ``TBufferFile::WriteVersion``, ``TStreamerInfo::WriteBufferAux`` and ``TObject::Streamer`` of ROOT 6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from hepae.arrays import Array
from hepae.root.ttree.layouts.fields import Field

__all__ = ["NO_ROWS", "T_OBJECT", "ClassType", "Member", "fields_of_object", "groups_of_objects"]

BYTE_COUNT: Final = 0x40000000
COUNT_BYTES, VERSION_BYTES, CHECKSUM_BYTES = 4, 2, 4
T_OBJECT: Final = "TObject"
T_OBJECT_FIELDS: Final = (Field("@fUniqueID", "uint32"), Field("@fBits", "uint32"), Field("@pidf", "uint16"))
"""Written after a version without a byte count, the last of objects that are referenced; ``@`` hides, as in uproot."""

T_OBJECT_BITS: Final = slice(6, 10)
IS_REFERENCED: Final = 1 << 4

NO_ROWS: Final = (Field("", "uint8"),)
"""What stands for objects in vectors that are all empty: other baskets do not come back if they have any."""


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """A member of a class: a number, or an object of another class; a base class has no name.

    Parameters
    ----------
    name
        Of the member, empty of a base class.
    field
        The number, None of an object.
    object
        The class of an object, None of a number.
    """

    name: str
    field: Field | None = None
    object: ClassType | None = None


class ClassType(msgspec.Struct, frozen=True, omit_defaults=True):
    """A class whose objects have one width.

    Parameters
    ----------
    name
        Of the class.
    members
        In the order in which they are written; none of ``TObject``.
    """

    name: str
    members: tuple[Member, ...] = ()


def fields_of_object(kind: ClassType, data: Array) -> tuple[Field, ...]:
    """The fields of an object, given the bytes from where one begins.

    Returns
    -------
    tuple of Field
        Members by their path, ``"fP.fX"``, and constants without a name; empty where the bytes end too early, or where
        members share a path.

    Examples
    --------
    >>> point = ClassType("Point", (Member("x", Field("", "int16")),))
    >>> seen = np.array([64, 0, 0, 4, 0, 1, 0, 9], np.uint8)
    >>> [field.name or field.constant for field in fields_of_object(point, seen)]
    ['400000040001', 'x']
    """
    fields = walked(kind, data, "")
    width = sum(field.stored.itemsize for field in fields)
    columns = [field.name for field in fields if not field.is_constant]
    whole = columns and len(set(columns)) == len(columns) and width <= len(data)
    return joined_constants(fields) if whole else ()


def groups_of_objects(kind: ClassType, data: Array, rows: int) -> tuple[tuple[Field, ...], ...]:
    """The fields of each member, where objects are stored member by member.

    Parameters
    ----------
    kind
        The class.
    data : uint8[n]
        Bytes from where the first member of ``rows`` objects begins.

    Returns
    -------
    tuple of tuples of Field
        Empty where there are no objects, or no fields that have one width.
    """
    groups: list[tuple[Field, ...]] = []
    place = 0
    for member in flat_members(kind):
        fields = walked_member(member, data[place:], "")
        groups.append(joined_constants(fields))
        place += rows * sum(field.stored.itemsize for field in fields)
    columns = [[field.name for field in group if not field.is_constant] for group in groups]
    names = [name for group in columns for name in group]
    whole = rows and all(columns) and len(set(names)) == len(names) and place == len(data)
    return tuple(groups) if whole else ()


def flat_members(kind: ClassType) -> Iterator[Member]:
    """Members of a class, those of its base classes in the place of these; ``TObject`` is one."""
    for member in kind.members:
        if member.object is None or member.name or member.object.name == T_OBJECT:
            yield member
        else:
            yield from flat_members(member.object)


def walked(kind: ClassType, data: Array, path: str) -> list[Field]:
    """Fields of an object, those of its base classes and members among them."""
    if kind.name == T_OBJECT:
        referenced = int.from_bytes(data[T_OBJECT_BITS].tobytes(), "big") & IS_REFERENCED
        members = T_OBJECT_FIELDS if referenced else T_OBJECT_FIELDS[:-1]
        return [constant(data[:VERSION_BYTES]), *(renamed(field, path) for field in members)]
    head = data[: header_bytes(data)]
    fields, place = [constant(head)], len(head)
    for member in kind.members:
        inside = walked_member(member, data[place:], path)
        fields += inside
        place += sum(field.stored.itemsize for field in inside)
    return fields


def walked_member(member: Member, data: Array, path: str) -> list[Field]:
    """Fields of a member of what is at a path."""
    name = f"{path}.{member.name}".strip(".")
    if member.object is not None:
        return walked(member.object, data, name)
    assert member.field is not None
    return [msgspec.structs.replace(member.field, name=name)]


def header_bytes(data: Array) -> int:
    """Bytes of the header of an object: none without a byte count that can be right.

    Examples
    --------
    >>> one = np.array([64, 0, 0, 4, 0, 1, 0, 9], np.uint8)
    >>> header_bytes(one), header_bytes(one[:6])
    (6, 0)
    """
    least = COUNT_BYTES + VERSION_BYTES
    size = int.from_bytes(data[:COUNT_BYTES].tobytes(), "big") - BYTE_COUNT
    if not VERSION_BYTES <= size <= len(data) - COUNT_BYTES:
        return 0
    return least if np.any(data[COUNT_BYTES:least]) else least + CHECKSUM_BYTES


def constant(data: Array) -> Field:
    """Bytes that are the same in every row."""
    return Field("", "", constant=data.tobytes().hex())


def renamed(field: Field, path: str) -> Field:
    """A field of the ``TObject`` of a member."""
    return msgspec.structs.replace(field, name=f"{path}.{field.name}".strip("."))


def joined_constants(fields: list[Field]) -> tuple[Field, ...]:
    """Constants one after the other are one; empty ones go."""
    out: list[Field] = []
    for field in fields:
        if field.is_constant and out and out[-1].is_constant:
            field = Field("", "", constant=out.pop().constant + field.constant)
        if field.constant or not field.is_constant:
            out.append(field)
    return tuple(out)
