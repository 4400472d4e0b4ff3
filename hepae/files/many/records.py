"""What an output was made from, written beside it once it is complete, so that a later run can leave it alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

import msgspec
import xxhash

from hepae.core.values.names import is_url
from hepae.errors import InputError
from hepae.files.compress.narrowing import Narrowing
from hepae.input.selection import Bounds, Selection
from hepae.root.file.atomic import atomic_output
from hepae.root.file.source import open_source

__all__ = ["Record", "Stamp", "Task", "WholeFile", "WithModel", "read", "same", "stamp", "write"]

BLOCK = 1 << 22

Kind = TypeVar("Kind", bound=msgspec.Struct)


class Stamp(msgspec.Struct, frozen=True):
    """What tells a file from another: its size, when it was written (ns), and a checksum of all its bytes."""

    size: int
    modified: int
    xxh3: str


class WithModel(msgspec.Struct, frozen=True, tag="collection"):
    """A collection is compressed with a model (SHA-256)."""

    model: str
    tree: str | None
    side: bool
    embed: bool


class WholeFile(msgspec.Struct, frozen=True, tag="file"):
    """A file is compressed as a whole, with a model of the data set (SHA-256) where one is named."""

    bounds: Bounds
    narrowing: Narrowing
    dither: bool
    model: str = ""
    embed: bool = True


class Record(msgspec.Struct, frozen=True):
    """An output: what was done, its source, and itself.

    It is written before the work, so that the name belongs to one source, and again after it, with the output's stamp.
    """

    work: WithModel | WholeFile
    path: str
    source: Stamp
    target: Stamp | None


class Task(msgspec.Struct, frozen=True):
    """All that a worker needs: names, no contents, so that a hundred thousand tasks are nothing to a scheduler.

    Attributes
    ----------
    source, target, record
        The file, the output, and the record of it.
    work
        What is to be done.
    models
        Folder of the model.
    selection
        What was asked of a collection.
    force
        Whether a file that was not made from the source may be replaced.
    run
        Tells the run from others: dask would answer an equal task of an earlier one from memory.
    """

    source: str
    target: str
    record: str
    work: WithModel | WholeFile
    models: str
    selection: Selection
    force: bool
    run: str


def stamp(path: str) -> Stamp:
    """The stamp of a file, all of which is read; of a URL only size, date and UUID, which its header says.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if is_url(path):
        with open_source(path) as source:
            return Stamp(source.size, source.datime, source.uuid.hex())
    digest = xxhash.xxh3_128()
    try:
        with Path(path).open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
            facts = os.fstat(file.fileno())
    except OSError as problem:
        raise InputError("cannot be read", where=path, got=problem.strerror) from None
    return Stamp(facts.st_size, facts.st_mtime_ns, digest.hexdigest())


def same(path: str, stamped: Stamp) -> bool:
    """Whether a file is the one that was stamped; its bytes are read only where its time of writing changed."""
    if is_url(path):
        return stamp(path) == stamped
    try:
        facts = Path(path).stat()
    except OSError:
        return False
    if facts.st_size != stamped.size:
        return False
    return facts.st_mtime_ns == stamped.modified or stamp(path).xxh3 == stamped.xxh3


def read(path: Path, kind: type[Kind]) -> Kind | None:
    """A record; None where there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        return None


def write(path: Path, data: bytes) -> None:
    """Write a file whole, in a folder that is made where it is not there; one with these bytes is left alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_bytes() == data:
        return
    with atomic_output(path, force=True) as temporary:
        temporary.write_bytes(data)
