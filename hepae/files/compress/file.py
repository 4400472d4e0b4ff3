"""Compress a ROOT file as a whole, checked before it takes its name."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hepae.core.values.bounds import EXACT, Bound
from hepae.errors import AlreadyCompressedError, InputError, UnsupportedError
from hepae.files.compress.bounds import Pairs
from hepae.files.compress.known import agreed, agreed_dither
from hepae.files.compress.narrowing import ALL, Narrowing
from hepae.files.compress.outcome import TreeDone
from hepae.files.compress.request import requested
from hepae.files.compress.whole import write_whole
from hepae.files.repack.writing import write_repacked
from hepae.files.verify.check import Check
from hepae.learn.whole.matches import Search
from hepae.model.dataset import DatasetModel
from hepae.progress import Report, silent
from hepae.root.file.atomic import atomic_output
from hepae.root.file.rest import refuse_what_cannot_be_moved
from hepae.root.file.source import Source, open_source, size_of
from hepae.root.ttree.columns import IrregularError
from hepae.root.ttree.header import TREE_CLASSES
from hepae.shown.notebook import html_table, sizes
from hepae.stored.described import schemas_of
from hepae.stored.models import at_hand
from hepae.stored.ntuples import has_payload

__all__ = ["FileDone", "compress_file"]


REPACKED_BYTES = 4 << 20
"""Files up to this are tried without columns too: it takes seconds, and more entries pay for a schema."""


@dataclass(repr=False)
class FileDone:
    """What compressing a file did.

    Attributes
    ----------
    source, target
        The files.
    file_before, file_after
        Their sizes, bytes.
    trees
        What became of each tree that was compressed.
    left
        Why the file, or a part of it, stayed as it is.
    encode_seconds, verify_seconds
        Wall-clock time.
    model
        SHA-256 of the model of the data set; empty where predictions were searched in the file.
    repacked
        Whether the file is in ROOT's own compression, which came out smaller than columns.
    """

    source: str
    target: str
    file_before: int = 0
    file_after: int = 0
    trees: list[TreeDone] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    encode_seconds: float = 0.0
    verify_seconds: float = 0.0
    model: str = ""
    repacked: bool = False

    @property
    def _title(self) -> str:
        return f"{self.target}: {sizes(self.file_before, self.file_after)}"

    def __repr__(self) -> str:
        return f"<FileDone {self._title}>"

    def _repr_html_(self) -> str:
        columns = ["tree", "entries", "columns", "kept", "before, B", "after, B", "after/before"]
        rows = [
            (t.path, t.entries, len(t.replaced), len(t.kept), t.before, t.after, t.after / max(t.before, 1))
            for t in self.trees
        ]
        return html_table(self._title, columns, rows)


def compress_file(
    source: str | Path,
    target: str | Path,
    bounds: Pairs = (),
    narrowing: Narrowing = ALL,
    dither: bool = False,
    threads: int | None = None,
    report: Report = silent,
    *,
    check: Check,
    search: Search | None = None,
    model: DatasetModel | None = None,
    embed: bool = True,
    force: bool = False,
) -> FileDone:
    """Compress every tree of a file.

    Parameters
    ----------
    source, target
        The file, and where to write.
    bounds
        Patterns over columns, with or without the prefix of their table, and their bounds; the last that matches
        wins. All other columns are exact.
    narrowing
        What is compressed; everything by default.
    dither
        Fill the cells of lossy columns evenly, so that histograms show no comb.
    threads
        Chunks coded at once; the cores where it is None.
    report
        Told how far the work is.
    check
        Compares what was written with the source: `hepae.verify`.
    search
        Finds which columns predict each other; none does where it is None.
    model
        Of a data set: it says which columns predict each other, and with which bounds; nothing is searched.
    embed
        Whether the file holds what it needs of the model. Otherwise it refers to it: its readers need the model.
    force
        Replace a target that exists, which is an error otherwise.

    Raises
    ------
    AlreadyCompressedError
        If bounds or columns are asked for, and a tree is compressed already.
    BoundViolationError
        If what was written does not restore to what was read. Nothing has been written under the final name.
    """
    began = time.perf_counter()
    done = FileDone(str(source), str(target), model="" if model is None else model.sha256)
    if model is not None:
        dither = agreed_dither(dither, model.known, source)
    with atomic_output(target, (source,), force=force) as temporary, open_source(source) as opened:
        immovable = _immovable(opened)
        if immovable:
            done.left.append(f"the file is copied as it is: {immovable}")
        else:
            done.left += _left(opened, bool(bounds) or narrowing != ALL)
            done.trees = _written(
                temporary, opened, bounds, narrowing, dither, threads, report, search, model, embed
            )
            done.left += _unmet(opened, model)
        done.file_before = size_of(source)
        changed = not immovable and _least(temporary, opened, done, narrowing, report)
        done.encode_seconds = time.perf_counter() - began
        if changed:
            with at_hand(() if model is None else (model,)):
                check(source, temporary, bounds=_asked(done.trees), report=report).require_kept()
        else:
            opened.copy_to(temporary)
        done.verify_seconds = time.perf_counter() - began - done.encode_seconds
        done.file_after = temporary.stat().st_size
    return done


def _least(temporary: Path, source: Source, done: FileDone, narrowing: Narrowing, report: Report) -> bool:
    """Leave under the temporary name what is smallest; False where that is the file as it is.

    A schema and the original header cost as much as the columns of a few dozen events: a file of these is smaller
    where ROOT's own compression is used as well as it can be. What hepae compressed before stays as it is.
    """
    size = temporary.stat().st_size if done.trees else done.file_before
    smaller = size < done.file_before
    few = done.file_before <= REPACKED_BYTES or (done.trees and not smaller)
    if few and narrowing == ALL and not schemas_of(source):
        held = temporary.read_bytes() if smaller else b""
        if _repacked(temporary, source, report) and temporary.stat().st_size < min(size, done.file_before):
            done.left.append(
                "predictions would not make it smaller: it is in ROOT's own compression, at its best"
            )
            done.trees, done.repacked = [], True
            return True
        temporary.write_bytes(held)
    if done.trees and not smaller:
        done.left.append("nothing came out smaller: the file is copied as it is")
        done.trees = []
    return smaller


def _repacked(temporary: Path, source: Source, report: Report) -> bool:
    """Write the file in ROOT's own compression; False where that cannot be, which is no reason to refuse the file."""
    try:
        write_repacked(temporary, source, report=report, declared=False)
    except (InputError, UnsupportedError):
        return False
    return True


def _left(source: Source, asked: bool) -> list[str]:
    """Why trees stay as they are.

    Raises
    ------
    AlreadyCompressedError
        If something is asked for of columns, and a tree is compressed already: it stays as it is.
    """
    left = []
    for path, classname in source.trees.items():
        tree = source.readable(path)
        if tree is None:
            how = "uproot cannot read its header" if classname in TREE_CLASSES else "an unknown format"
            left.append(f"tree {path}: {how}; it stays as it is")
        elif has_payload(tree):
            if asked:
                raise AlreadyCompressedError(
                    "the tree is compressed already, with columns and bounds of its own",
                    where=f"{source.path}:{path}",
                    hint="decompress the file first",
                )
            left.append(f"tree {path}: compressed already; it stays as it is")
    return left


def _unmet(source: Source, model: DatasetModel | None) -> list[str]:
    """Trees that the model knows and the file does not have."""
    trees = () if model is None else (tree.tree for tree in model.known.trees)
    return [
        f"tree {path}: the model knows it, the file does not have it"
        for path in trees
        if path not in source.trees
    ]


def _immovable(source: Source) -> str:
    """Why a file cannot be written anew, empty where it can: an RNTuple of a later version of the format."""
    try:
        refuse_what_cannot_be_moved(source, ())
    except UnsupportedError as error:
        return str(error)
    return ""


def _asked(trees: Sequence[TreeDone]) -> list[tuple[str, Bound]]:
    """The bound of each column as it was asked for; all others are exact, whatever the file says of them."""
    lossy = [(f"{tree.path}/{name}", bound) for tree in trees for name, bound in tree.bounds.items()]
    return [("*", EXACT), *lossy]


def _written(
    temporary: Path,
    source: Source,
    pairs: Pairs,
    narrowing: Narrowing,
    dither: bool,
    threads: int | None,
    report: Report,
    search: Search | None,
    model: DatasetModel | None,
    embed: bool,
) -> list[TreeDone]:
    """Write the file; again, with a branch kept, where its baskets are not what its layout says, and with the baskets
    that branches which stay have, where these cannot be taken apart.
    """
    kept: dict[str, set[str]] = {}
    # a branch that somebody wants plain is one that is read often: LZMA would make that slower
    repacks = narrowing == ALL
    while True:
        try:
            trees, said = requested(source, pairs, kept, narrowing)
            asked = said if model is None else agreed(trees, said, model.known, source.path)
            done = write_whole(
                temporary,
                source,
                trees,
                asked,
                schemas_of(source),
                dither,
                threads,
                report,
                search,
                model,
                embed,
                repacks=repacks,
            )
            for tree in done:
                own, given = said[tree.path].bounds, asked[tree.path].bounds
                tree.tighter = sorted(name for name, bound in own.items() if given.get(name) != bound)
            return done
        except IrregularError as found:
            kept.setdefault(found.tree, set()).add(found.path)
        except (InputError, UnsupportedError):
            if not repacks:
                raise
            repacks = False
