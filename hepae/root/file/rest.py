"""Copy what else is in a file: histograms, strings, whatever is no tree."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from hepae.errors import UnsupportedError
from hepae.root.file.compression import LZMA_BEST, Compression
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.directory import DIRECTORIES, Key
from hepae.root.file.packing import pack
from hepae.root.file.parsing import parse
from hepae.root.file.source import OWN_TREES, RNTUPLES, Source

__all__ = ["copy_object", "refuse_what_cannot_be_moved", "refuse_what_is_not_written_anew"]

SIDE_HINT = "use --side FILE, which leaves the original alone"


def copy_object(
    source: Source, key: Key, file: RootFile, home: Directory, tried: Iterable[Compression] = ()
) -> None:
    """Copy an object that is no tree: as it is, where its key stays as long as it was, or smaller if something that is
    tried makes it so.

    References in an object count from the start of its key. Where the key becomes longer, since it is moved beyond
    2 GB, they are written anew.
    """
    listed = file.key(key.classname, key.name, key.title, home)
    listed.big = key.big
    if listed.length == key.length and (key.big or not file.big):
        packed, size = source.raw(key.seek + key.length, key.seek + key.nbytes), key.objlen
        packed = min([packed, *(setting.pack(source.object(key)) for setting in tried)], key=len)
    else:
        where = f"{source.path}:{key.path};{key.cycle}"
        listed.big = file.big
        top = parse(source.object(key), key.classname, key.length, source.classes, where)
        data = pack(top, listed.length)
        packed, size = LZMA_BEST.pack(data), len(data)
    file.write_packed(key.classname, key.name, key.title, packed, size, home, big=listed.big, cycle=key.cycle)


def refuse_what_cannot_be_moved(source: Source, done: Collection[str]) -> None:
    """Refuse an RNTuple beside the trees that are done that a later version of the format wrote: it points to places
    in its file that are not known.

    Raises
    ------
    UnsupportedError
        If there is one.
    InputError
        If one is damaged.
    """
    for key in source.keys:
        if key.classname in RNTUPLES and key.path not in done:
            source.ntuple(key).groups  # noqa: B018 - what is not known is an error


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
