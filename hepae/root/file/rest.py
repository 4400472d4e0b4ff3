"""Copy what else is in a file: histograms, strings, whatever is no tree."""

from __future__ import annotations

from collections.abc import Collection

from hepae.errors import UnsupportedError
from hepae.root.file.compression import LZMA_BEST
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.directory import DIRECTORIES, Key
from hepae.root.file.packing import pack
from hepae.root.file.parsing import parse
from hepae.root.file.source import OWN_TREES, Source

__all__ = ["copy_object", "refuse_what_cannot_be_moved", "refuse_what_is_not_written_anew"]

RNTUPLES = ("ROOT::RNTuple", "ROOT::Experimental::RNTuple")
SIDE_HINT = "use --side FILE, which leaves the original alone"


def copy_object(source: Source, key: Key, file: RootFile, home: Directory) -> None:
    """Copy an object that is no tree: as it is, where its key stays as long as it was.

    References in an object count from the start of its key. Where the key becomes longer, since it is moved beyond
    2 GB, they are written anew.
    """
    listed = file.key(key.classname, key.name, key.title, home)
    listed.big = key.big
    if listed.length == key.length and (key.big or not file.big):
        packed, size = source.raw(key.seek + key.length, key.seek + key.nbytes), key.objlen
    else:
        where = f"{source.path}:{key.path};{key.cycle}"
        listed.big = file.big
        top = parse(source.object(key), key.classname, key.length, source.classes, where)
        data = pack(top, listed.length)
        packed, size = LZMA_BEST.pack(data), len(data)
    file.write_packed(key.classname, key.name, key.title, packed, size, home, big=listed.big, cycle=key.cycle)


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
