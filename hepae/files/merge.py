"""Join compressed files event after event: payloads are copied as they are, tables of models united.

Frames and events name their model, so that files of different models can be joined, as long as their trees have the
same branches, bounds included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hepae.errors import InputError, SchemaError, UnsupportedError
from hepae.files.rewriting import Digests, read_all, same_plan, tree_of, windows, write_models
from hepae.progress import Report, silent
from hepae.root.columns import Branch
from hepae.root.file.atomic import atomic_output
from hepae.root.file.content import other_objects
from hepae.root.file.source import Source, open_source, size_of
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.restore import CompressedCollection, compressed_collections, models_of

__all__ = ["Merge", "merge"]

Others = Literal["same", "first"]


@dataclass(frozen=True)
class Merge:
    """What `merge` did."""

    target: str
    files: int
    events: int
    models: int
    bytes_before: int
    bytes_after: int


def merge(
    target: str | Path,
    sources: Sequence[str | Path],
    *,
    tree: str | None = None,
    others: Others = "same",
    force: bool = False,
    report: Report = silent,
) -> Merge:
    """Write the events of several compressed files into one.

    Parameters
    ----------
    target
        ROOT file to write. It appears complete and verified, or not at all.
    sources
        Files whose trees have the same branches: names, types, titles, bounds.
    tree
        Name of the tree.
    others
        What becomes of other objects (histograms, strings, other trees): with ``same`` they have to be the same in all
        files; with ``first`` those of the first file are taken. ROOT's ``hadd`` adds histograms, and works on these
        files too.
    force
        Replace a target that exists, which is an error otherwise.

    Raises
    ------
    SchemaError
        If the trees differ; the message names the first difference.
    UnsupportedError
        If other objects differ, or a tree cannot be rewritten.

    Examples
    --------
    >>> merge("all.root", ["a.root", "b.root"]).events  # doctest: +SKIP
    4800
    """
    if not sources:
        raise InputError("no files to merge")
    with atomic_output(target, sources, force=force) as temporary:
        with ExitStack() as stack:
            opened = [stack.enter_context(open_source(path)) for path in sources]
            trees = [tree_of(source, tree) for source in opened]
            _require_same_branches(trees)
            if others == "same":
                _require_same_others(opened, trees)
            models = _united(opened)
            digests, done, total = Digests(), 0, sum(one.num_entries for one in trees)
            with RootWriter(temporary, opened[0]) as out:
                written = out.rewrite_tree(trees[0], same_plan(trees[0]))
                for source, one in zip(opened, trees, strict=True):
                    for start, stop in _runs(one, source):
                        columns = read_all(one, one.branches, start, stop)
                        digests.add(columns)
                        written.append(columns)
                        done += stop - start
                        report("merging", done, total, "")
                written.finish()
                write_models(out, models, _compressed(opened))
                out.copy_rest()
            name = trees[0].path
        _check(temporary, name, digests)
        before, after = sum(map(size_of, sources)), size_of(temporary)
    return Merge(str(target), len(sources), total, len(models), before, after)


def _compressed(sources: Sequence[Source]) -> dict[str, str]:
    """What each model compresses in the tree, which has the same branches in all files."""
    return {sha256: text for source in sources for sha256, text in models_of(source).compressed.items()}


def _runs(tree: TTreeReader, source: Source) -> Iterator[tuple[int, int]]:
    """Runs of events that end where chunks end."""
    store = models_of(source)
    collections = [CompressedCollection(tree, name, store) for name in compressed_collections(tree)]
    yield from windows(tree.num_entries, [one.chunks() for one in collections if one.codec != "bottleneck"])


def _check(path: Path, tree: str, expected: Digests) -> None:
    with open_source(path) as source:
        reader, found = tree_of(source, tree), Digests()
        for start, stop in _runs(reader, source):
            found.add(read_all(reader, reader.branches, start, stop))
        found.require_same(expected, path)


def _united(sources: Sequence[Source]) -> dict[str, bytes]:
    """All models, embedded wherever one of the files has them embedded.

    Raises
    ------
    UnsupportedError
        If two models share the four bytes by which events name them.
    """
    models: dict[str, bytes] = {}
    for source in sources:
        for sha256, data in models_of(source).embedded.items():
            models[sha256] = models.get(sha256) or data
    if len({sha256[:8] for sha256 in models}) < len(models):
        raise UnsupportedError("two models with one short name", got=", ".join(models))
    return models


def _require_same_branches(trees: Sequence[TTreeReader]) -> None:
    first = trees[0]
    for other in trees[1:]:
        if list(first.branches) != list(other.branches):
            difference = sorted(set(first.branches) ^ set(other.branches)) or ["their order"]
            raise SchemaError(
                "trees with different branches",
                where=other.where,
                expected=f"those of {first.where}",
                got=difference[0],
            )
        for name, branch in first.branches.items():
            if _facts(branch) != _facts(other.branches[name]):
                raise SchemaError(
                    "a branch of another type, title or bound",
                    where=f"{other.where}, {name}",
                    expected=_facts(branch),
                    got=_facts(other.branches[name]),
                )


def _facts(branch: Branch) -> tuple[object, ...]:
    return branch.kind, branch.dtype, branch.shape, branch.counter, branch.title


def _require_same_others(sources: Sequence[Source], trees: Sequence[TTreeReader]) -> None:
    first = other_objects(sources[0], trees[0].path)
    for source, tree in zip(sources[1:], trees[1:], strict=True):
        found = other_objects(source, tree.path)
        different = sorted(name for name in first.keys() | found.keys() if first.get(name) != found.get(name))
        if different:
            raise UnsupportedError(
                "other objects differ between the files",
                where=source.path,
                got=", ".join(different[:4]),
                hint="take those of the first with --others first, or merge with ROOT's hadd, which adds histograms",
            )
