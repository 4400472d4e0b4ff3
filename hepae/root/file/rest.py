"""Copy what else is in a file: histograms, strings, directories, other trees with their baskets, all cycles."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from hepae.errors import InputError, UnsupportedError
from hepae.root.file.compression import LZMA_BEST
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.source import DIRECTORIES, OWN_TREES, Source, reading
from hepae.root.file.stored import Stored, read_record
from hepae.root.ttree.baskets import rewrite_key
from hepae.root.ttree.raw_copy import SIDE_HINT, Copy, records

__all__ = ["copy_rest", "refuse_what_cannot_be_moved", "refuse_what_is_not_written_anew"]

TREES = ("TTree", "TNtuple", "TNtupleD")
RNTUPLES = ("ROOT::RNTuple", "ROOT::Experimental::RNTuple")


def copy_rest(source: Source, file: RootFile, done: set[str]) -> list[str]:
    """Copy all keys but those of the trees that have been rewritten.

    Parameters
    ----------
    source, file
        From where to where.
    done
        Paths of trees that are in the new file already.

    Returns
    -------
    list of str
        Keys that were left out: older cycles of rewritten trees, which are back-ups of the same entries.

    Raises
    ------
    UnsupportedError
        For keys that cannot be moved: an RNTuple points to places in its file.
    """
    refuse_what_cannot_be_moved(source, done)
    copied: dict[int, int] = {}
    left_out = []
    for path, key in keys_of(source):
        classname = str(key.fClassName)
        if path in done:
            if f"{path};{key.fCycle}" != newest(source, path):
                left_out.append(f"{path};{key.fCycle}")
        elif classname in DIRECTORIES:
            file.directory(path, str(key.fTitle), classname)
        else:
            stored = read_record(source, int(key.fSeekKey), int(key.fNbytes))
            home = file.directory(path.rpartition("/")[0]) if "/" in path else file.root
            if classname in TREES:
                stored.packed = moved_tree(source, f"{path};{key.fCycle}", stored, file, home, copied)
            write_again(stored, file, home)
    return left_out


def refuse_what_cannot_be_moved(source: Source, done: Collection[str]) -> None:
    """Raise `UnsupportedError` for an RNTuple beside the trees that are done: it points to places in its file."""
    for key in source.keys:
        if key.classname in RNTUPLES and key.path not in done:
            raise UnsupportedError(
                "an RNTuple cannot be moved", where=f"{source.path}:{key.path}", hint=SIDE_HINT
            )


def refuse_what_is_not_written_anew(source: Source, tree: str) -> None:
    """Raise `UnsupportedError` for objects beside an RNTuple, which alone is written anew."""
    others = [
        key.path
        for key in source.keys
        if key.path not in (tree, *OWN_TREES) and key.classname not in DIRECTORIES
    ]
    if others:
        raise UnsupportedError(
            "objects beside an RNTuple would be left out",
            where=source.path,
            got=", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else ""),
            hint=SIDE_HINT,
        )


def keys_of(source: Source) -> list[tuple[str, Any]]:
    """Every key with its path, directories before what is in them."""
    found = []

    def walk(directory: Any, above: str) -> None:
        for name in directory.keys(recursive=False, cycle=True):
            key = directory.key(name)
            path = above + str(key.fName)
            found.append((path, key))
            if str(key.fClassName) in DIRECTORIES:
                walk(directory[name], path + "/")

    with reading(source.path):
        walk(source.directory, "")
    return found


def newest(source: Source, path: str) -> str:
    """The key of that path with the highest cycle."""
    return f"{path};{max(key.cycle for key in source.keys if key.path == path)}"


def write_again(stored: Stored, file: RootFile, home: Directory) -> None:
    """Write a record into the new file as it was; only its place in the file changes."""
    key = stored.key
    file.write_packed(
        key.classname, key.name, key.title, stored.packed, key.objlen, home, big=key.big, cycle=key.cycle
    )


def moved_tree(
    source: Source, item: str, stored: Stored, file: RootFile, home: Directory, copied: dict[int, int]
) -> bytes:
    """Copy the baskets of a tree of any kind; return its header with nothing but their places changed."""
    with reading(f"{source.path}:{item}"):
        tree = source.get(item)
        branches = [branch for _, branch in tree.iteritems(recursive=True)]
    wanted: dict[int, Copy] = {}
    for branch in branches:
        seeks, sizes = branch.member("fBasketSeek"), branch.member("fBasketBytes")
        on_disk = int(branch.num_baskets) - len(branch.embedded_baskets)
        for number in np.flatnonzero(np.asarray(seeks[:on_disk])):
            seek = int(seeks[number])
            if seek not in copied:
                wanted[seek] = Copy(seek, int(sizes[number]), str(branch.name), int(number))
    for copy, record in records(item, source.directory.file.source, sorted(wanted.values())):
        place = file.position
        if not rewrite_key(record, place, home.seek):
            raise UnsupportedError("a basket cannot be moved beyond 2 GB", where=item, hint=SIDE_HINT)
        copied[copy.seek] = file.append_raw(record)
    header = bytearray(stored.unpacked())
    position = 0
    for branch in branches:
        position = patch_seeks(header, np.asarray(branch.member("fBasketSeek")), copied, position, item)
    return LZMA_BEST.pack(bytes(header))


def patch_seeks(
    header: bytearray, seeks: np.ndarray[Any, Any], copied: dict[int, int], position: int, item: str
) -> int:
    """Put new places over the old ones, which are found by their bytes: no two branches share a basket."""
    if not seeks.any():
        return position
    old = seeks.astype(">i8").tobytes()
    place = header.find(old, position)
    if place < 0:
        place = header.find(old)
    if place < 0:
        raise InputError(
            "places of baskets are not in the header of the tree", where=item, hint="is it damaged?"
        )
    new = np.array([copied.get(int(seek), 0) for seek in seeks], ">i8").tobytes()
    header[place : place + len(old)] = new
    return place
