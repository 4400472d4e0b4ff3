"""The streamer infos of a file: what describes its classes to readers that do not know them."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from uproot.models import TBranch, TLeaf, TTree

from hepae.errors import InputError
from hepae.root.file.classes import Classes
from hepae.root.file.compression import unpack
from hepae.root.file.nodes import Collection, Streamed
from hepae.root.file.packing import pack_after
from hepae.root.file.parsing import parse
from hepae.root.file.reading import reading
from hepae.root.file.records import (
    BYTE_COUNT,
    KEY_HEAD,
    Key,
    any_object,
    counted,
    key_at,
    named,
    object_array,
    root_object,
    root_string,
)

__all__ = ["Stored", "read_record", "streamer_list"]

HEAD_BYTES = 6 + 10 + 1 + 4
TITLE = "Doubly linked list"
NEEDED = (
    "TTree",
    "TBranch",
    "TLeaf",
    "TNamed",
    "TObject",
    "TObjArray",
    "TCollection",
    "TSeqCollection",
    "TAtt",
    "ROOT",
)

NTUPLE, NTUPLE_VERSION, NTUPLE_CHECKSUM = "ROOT::RNTuple", 2, 0x28E632EC
"""The class of anchors since ROOT 6.34, and ROOT's checksum of its members."""
BASIC_TYPES = {"unsigned short": (12, 2), "unsigned long": (14, 8)}
"""ROOT's numbers of types of members (``TVirtualStreamerInfo::EReadWrite``) and their bytes."""


class OfFile(Protocol):
    """A file that is open.

    Attributes
    ----------
    path
        Where it is, for messages.
    directory
        uproot's top directory of it.
    """

    path: str
    directory: Any


def streamer_list(
    source: OfFile | None = None, more: Sequence[OfFile] = (), *, ntuples: bool = False
) -> tuple[bytes, bool, str]:
    """The list, uncompressed, whether its key must hold positions of 8 bytes, and the title of the key.

    What a source describes is kept byte for byte, since its other objects are copied; what a TTree of ours needs and
    the source does not have is added, with ``ntuples`` what an RNTuple needs, and what further sources describe.
    """
    have: set[tuple[str, int]] = set()
    items, count, big, title = b"", 0, False, TITLE
    if source is not None and source.directory.file.fSeekInfo:
        items, count, big, title, have = of_source(source)
    for name, version, raw in [*own_streamers(), *([ntuple_streamer()] if ntuples else [])]:
        if (name, version) not in have:
            items += raw
            count += 1
            have.add((name, version))
    length = Key("TList", "StreamerInfo", title, 0, 0, 0, 0, big=big).length
    for described, info in (pair for other in more for pair in infos_of(other)):
        if described not in have:
            items += pack_after(bytes(HEAD_BYTES) + items, info, length) + b"\0"
            count += 1
            have.add(described)
    return counted(5, root_object() + root_string("") + struct.pack(">i", count) + items), big, title


def infos_of(source: OfFile) -> Iterator[tuple[tuple[str, int], Streamed]]:
    """The streamer infos of a source: class and version, and the object."""
    file = source.directory.file
    if not file.fSeekInfo:
        return
    record = read_record(source, int(file.fSeekInfo), int(file.fNbytesInfo))
    where = f"{source.path}, streamer infos"
    top = parse(record.unpacked(), "TList", record.key.length, Classes(), where)
    held = top.parts[0]
    for item in held.items if isinstance(held, Collection) else ():
        found = item.record if isinstance(item, Streamed) else None
        if isinstance(item, Streamed) and found is not None and found.find("fClassVersion"):
            name = found.text("fName").replace("> >", ">>").replace("> >", ">>")  # as uproot has it
            yield (name, int(found.number("fClassVersion"))), item


def own_streamers() -> list[tuple[str, int, bytes]]:
    """Class, version and bytes (free of references) of what a TTree of plain branches consists of."""
    models: list[Any] = [TTree.Model_TTree_v20, TBranch.Model_TBranch_v13]
    models += [getattr(TLeaf, f"Model_TLeaf{letter}_v1") for letter in "OBSILFD"]
    found = {(raw[-2], raw[-1]): raw[1] for model in models for raw in model.class_rawstreamers}
    return [
        (name, version, raw)
        for (name, version), raw in found.items()
        if name.startswith(NEEDED) and name != "TBranchRef"
    ]


def ntuple_streamer() -> tuple[str, int, bytes]:
    """Class, version and bytes of what the anchor of an RNTuple consists of.

    Source: what ROOT 6.40 writes, and the anchor schema of the RNTuple specification.
    """
    shorts = [(f"fVersion{part}", "unsigned short") for part in ("Epoch", "Major", "Minor", "Patch")]
    parts = [f"f{what}{where}" for where in ("Header", "Footer") for what in ("Seek", "NBytes", "Len")]
    members = [*shorts, *((part, "unsigned long") for part in (*parts, "fMaxKeySize"))]
    elements = [basic_member(name, typename) for name, typename in members]
    head = named(NTUPLE, "")
    body = head + struct.pack(">Ii", NTUPLE_CHECKSUM, NTUPLE_VERSION)
    body += any_object("TObjArray", object_array(elements))
    return NTUPLE, NTUPLE_VERSION, any_object("TStreamerInfo", counted(9, body)) + b"\0"


def basic_member(name: str, typename: str) -> bytes:
    """The description of a member that is a number."""
    code, size = BASIC_TYPES[typename]
    numbers = struct.pack(">9i", code, size, 0, 0, 0, 0, 0, 0, 0)
    element = counted(4, named(name, "") + numbers + root_string(typename))
    return any_object("TStreamerBasicType", counted(2, element))


def of_source(source: OfFile) -> tuple[bytes, int, bool, str, set[tuple[str, int]]]:
    """Bytes of the items of a source's list, their number, the width and title of its key, and what they describe."""
    file = source.directory.file
    record = read_record(source, int(file.fSeekInfo), int(file.fNbytesInfo))
    data = record.unpacked()
    with reading(f"{source.path}, streamer infos"):
        (count,) = struct.unpack_from(">i", data, HEAD_BYTES - 4)
        have = {
            (str(name), int(version)) for name, versions in file.streamers.items() for version in versions
        }
    # uproot leaves room behind the list, in which nothing of ours may stand
    (size,) = struct.unpack_from(">I", data)
    end = 4 + (size ^ BYTE_COUNT) if size & BYTE_COUNT else len(data)
    return data[HEAD_BYTES:end], int(count), record.key.big, record.key.title, have


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


def read_record(source: OfFile, seek: int, nbytes: int | None = None) -> Stored:
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
