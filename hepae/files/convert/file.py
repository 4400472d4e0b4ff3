"""Write a file whose trees are all RNTuples, or all TTrees; everything else is copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hepae.errors import UnsupportedError
from hepae.files.convert.ntuple import write_as_ntuple
from hepae.files.convert.tree import write_as_tree
from hepae.files.verify.check import Check
from hepae.progress import Report, silent
from hepae.root.file.atomic import check_target, scratch
from hepae.root.file.source import OWN_TREES, RNTUPLES, Source, open_source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.tree import Container, TreeReader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.ntuples import has_payload
from hepae.stored.titles import compressed_collections

__all__ = ["converted", "write_converted"]

ATTACHED = {"fAliases": "aliases", "fFriends": "friends", "fUserInfo": "user information"}
"""What hangs on a TTree, and has no place in an RNTuple."""
MOST_NAMED = 6
"""Names that a message has."""


def to_convert(source: Source, container: Container) -> list[str]:
    """Paths of the trees of a file that are in the other container."""
    return [
        path
        for path, classname in source.trees.items()
        if path not in OWN_TREES and (classname in RNTUPLES) != (container == "rntuple")
    ]


@contextmanager
def converted(
    source: str | Path,
    target: str | Path,
    container: Container | None,
    *,
    check: Check,
    force: bool,
    report: Report = silent,
) -> Iterator[str | Path]:
    """A file whose trees are in one container, checked: the file itself where they are, or one that passes.

    Parameters
    ----------
    source
        The file.
    target
        What is made of it in the end: the file that passes is written beside it, and removed.
    container
        None where every tree stays what it is.
    check
        Compares what was written with the source: `hepae.verify`.
    force
        Whether a target that exists is replaced; refused before any work.

    Raises
    ------
    UnsupportedError
        If a tree cannot be converted.
    BoundViolationError
        If what was written is not what was read, which would be a defect of hepae.
    """
    with ExitStack() as stack:
        opened = None if container is None else stack.enter_context(open_source(source))
        if container is None or opened is None or not to_convert(opened, container):
            stack.close()
            yield source
            return
        final = check_target(target, (source,), force=force)
        passing = stack.enter_context(scratch(final))
        write_converted(passing, opened, container, report)
        check(source, passing, bounds=(), report=report).require_kept()
        yield passing


def write_converted(
    temporary: Path, source: Source, container: Container, report: Report = silent
) -> list[str]:
    """Write a file in which every tree is in one container. Of a tree that is converted the newest cycle is kept.

    A TTree becomes an RNTuple as ROOT's RNTupleImporter makes one: columns that one branch counts are members of an
    untyped collection, shown at the top under the names of the branches.

    Parameters
    ----------
    temporary, source
        Where to write, and the file; nothing may be compressed by hepae in the trees that are converted.
    container
        What trees become.
    report
        Told how far the work is.

    Returns
    -------
    list of str
        Paths of the trees that were converted.

    Raises
    ------
    UnsupportedError
        If a tree has columns that are no numbers, lists of numbers or texts, or something that hangs on a TTree alone;
        the message names all of them.
    """
    paths = to_convert(source, container)
    readers = [source.tree(path) for path in paths]
    _require_convertible(source, readers)
    with RootWriter(temporary, source, ntuples=container == "rntuple") as out:
        for reader in readers:
            key = source.key(reader.path)
            if isinstance(reader, TTreeReader):
                write_as_ntuple(out, reader, key, report)
            else:
                write_as_tree(out, reader, key, report)
            out.done.add(reader.path)
        out.copy_rest()
    return paths


def _require_convertible(source: Source, readers: list[TTreeReader | RNTupleReader]) -> None:
    for reader in readers:
        if has_payload(reader) or compressed_collections(reader):
            raise UnsupportedError(
                "a compressed tree is not converted", where=reader.where, hint="decompress it first"
            )
    obstacles = [f"{reader.path}: {what}" for reader in readers for what in _obstacles(reader)]
    if obstacles:
        more = len(obstacles) - MOST_NAMED
        raise UnsupportedError(
            "what is no number, list of numbers or text has no counterpart in the other container",
            where=source.path,
            got=", ".join(obstacles[:MOST_NAMED]) + (f" and {more} more" if more > 0 else ""),
            hint="leave out --format: every tree stays what it is, and nothing is lost",
        )


def _obstacles(reader: TreeReader) -> Iterator[str]:
    """What cannot be converted of a tree."""
    yield from (f"{name} ({b.typename})" for name, b in reader.branches.items() if b.kind == "other")
    if isinstance(reader, TTreeReader):
        dotted = [name for name in reader.branches if "." in name]
        yield from (f"{name} (a dot in a name)" for name in dotted if reader.branches[name].kind != "other")
        for member, words in ATTACHED.items():
            if reader.tree.has_member(member) and reader.tree.member(member):
                yield words
