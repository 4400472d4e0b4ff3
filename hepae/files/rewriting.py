"""Writing a compressed tree again, value by value: what skims and merges share.

Branches keep name, dtype, title, counter and shape. What is written is read back and compared, by checksums of the
values of each branch, before the file takes its name.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from hepae import limits
from hepae.errors import CorruptionError, UnsupportedError, report_it
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import MODELS_TREE, Source
from hepae.root.file.writer import RootWriter
from hepae.root.tree import TreeReader
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import NewBranch
from hepae.stored.layout import model_plan, model_rows
from hepae.stored.restore import Chunk, CompressedCollection, is_compressed

__all__ = ["Digests", "payload_branches", "read_all", "same_plan", "tree_of", "windows", "write_models"]


def tree_of(source: Source, name: str | None) -> TTreeReader:
    """A tree that can be written again.

    Raises
    ------
    UnsupportedError
        If it is an RNTuple, or has branches that cannot be rewritten.
    """
    tree = source.tree(name, is_compressed)
    if not isinstance(tree, TTreeReader):
        raise UnsupportedError("only TTrees are skimmed and merged", where=tree.where)
    return tree


def same_plan(tree: TTreeReader) -> list[NewBranch]:
    """New branches that are those of a tree in everything but their baskets."""
    return [
        NewBranch(
            name,
            "str" if branch.kind == "string" else branch.dtype,
            branch.title,
            branch.counter,
            branch.shape,
        )
        for name, branch in tree.branches.items()
    ]


def payload_branches(collections: Iterable[CompressedCollection]) -> set[str]:
    """Branches of frames, and their counters."""
    names = {stored.payload_branch for one in collections for stored in one.features.values()}
    return names | {f"n{name}" for name in names}


def write_models(out: RootWriter, models: Mapping[str, bytes], compressed: Mapping[str, str]) -> None:
    """The table of models, from ONNX bytes and what each compresses, by SHA-256."""
    out.done.add(MODELS_TREE)
    table = out.new_tree(MODELS_TREE, model_plan(), "models of hepae, by SHA-256")
    table.append(model_rows(models, compressed))
    table.finish()


def windows(entries: int, chunks: Sequence[Sequence[Chunk]]) -> list[tuple[int, int]]:
    """Runs of events that lie in one chunk of each chunked collection, and are not too long."""
    edges = {edge for run in chunks for chunk in run for edge in (chunk.start, chunk.stop)}
    edges |= {0, entries, *range(0, entries, limits.EVENTS_PER_CHUNK)}
    ordered = sorted(edges)
    return list(itertools.pairwise(ordered))


class Digests:
    """Checksums of the values of branches, whatever the runs in which they come."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[xxhash.xxh3_128, xxhash.xxh3_128]] = {}

    def add(self, columns: Mapping[str, Column]) -> None:
        """Take in the values of the next events."""
        for name, column in columns.items():
            counts, values = self._states.setdefault(name, (xxhash.xxh3_128(), xxhash.xxh3_128()))
            if isinstance(column, Jagged):
                counts.update(np.ascontiguousarray(column.counts, np.int64).tobytes())
            values.update(_raw(column.values if isinstance(column, Jagged) else column))

    def require_same(self, other: Digests, where: Path) -> None:
        """Refuse what was written if it does not read back as it was.

        Raises
        ------
        CorruptionError
            Naming the branches that differ.
        """
        mine, others = self._result(), other._result()
        different = sorted(name for name in mine.keys() | others.keys() if mine.get(name) != others.get(name))
        if different:
            raise CorruptionError(
                "values differ after writing",
                where=where,
                got=", ".join(different[:4]),
                hint=report_it(),
            )

    def _result(self) -> dict[str, tuple[str, str]]:
        return {
            name: (counts.hexdigest(), values.hexdigest()) for name, (counts, values) in self._states.items()
        }


def _raw(values: NDArray[np.generic]) -> bytes:
    if values.dtype.kind == "U":
        return "".join(f"{text}\0" for text in values.tolist()).encode("utf-8", "surrogateescape")
    return np.ascontiguousarray(values).tobytes()


def read_all(tree: TreeReader, names: Iterable[str], start: int, stop: int) -> dict[str, Column]:
    """Values of many branches."""
    return {name: tree.read(name, start, stop) for name in names}
