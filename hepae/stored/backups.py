"""Older cycles of compressed trees, as ROOT's AutoSave leaves them: their headers are kept, so that they come back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hepae import limits
from hepae.errors import CorruptionError
from hepae.root.file.compression import LZMA_BEST
from hepae.root.file.own_names import BACKUPS_TREE
from hepae.root.file.source import Key, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.plan import NewBranch, require_plan
from hepae.stored.blobs import blob_column, blobs

__all__ = ["Backup", "backups_of", "write_backups"]

PLAN = (
    NewBranch("tree", "str", "directories and name of the tree"),
    NewBranch("cycle", "int32", "which version of it this is"),
    NewBranch("entries", "int64", "entries of the newest version"),
    NewBranch("sha256", "uint8", "SHA-256 of the header", None, (32,)),
    NewBranch("nheader", "int32"),
    NewBranch("header", "uint8", "header without its baskets", "nheader", (), LZMA_BEST),
)
"""The branches of the table of back-ups: a row for each."""


@dataclass(frozen=True)
class Backup:
    """An older cycle of a tree: its first entries, in baskets that the newest cycle has too.

    Parameters
    ----------
    path, cycle
        Directories and name of the tree, and which version this is.
    entries
        Entries of the newest cycle. Where the tree has others now, files were joined or events were dropped, and there
        is nothing that this was a back-up of.
    header
        Without its baskets (`hepae.root.ttree.header.TreeHeader.strip`), streamed.
    """

    path: str
    cycle: int
    entries: int
    header: bytes

    @classmethod
    def of(cls, source: Source, key: Key, header: TreeHeader) -> Backup:
        """A back-up in a file that is compressed; its header is stripped."""
        entries = source.tree(key.path).num_entries
        return cls(key.path, key.cycle, entries, header.strip().streamed())


def write_backups(out: RootWriter, backups: Sequence[Backup]) -> None:
    """The table of back-ups, where there are any."""
    if not backups:
        return
    names = b"".join(hashlib.sha256(backup.header).digest() for backup in backups)
    table = out.new_tree(BACKUPS_TREE, PLAN, "older cycles of trees, by hepae")
    table.append(
        {
            "tree": np.array([backup.path for backup in backups], dtype=np.str_),
            "cycle": np.array([backup.cycle for backup in backups], np.int32),
            "entries": np.array([backup.entries for backup in backups], np.int64),
            "sha256": np.frombuffer(names, np.uint8).reshape(-1, 32),
            "header": blob_column([backup.header for backup in backups]),
        }
    )
    table.finish()


def backups_of(source: Source) -> list[Backup]:
    """The back-ups that a compressed file can restore: those of trees that have the entries they had.

    Raises
    ------
    CorruptionError
        If the table has other branches, or a header does not have the SHA-256 that it says.
    """
    if not any(key.path == BACKUPS_TREE for key in source.keys):
        return []
    table = source.tree(BACKUPS_TREE)
    require_plan(table, PLAN)
    limits.check("back-ups in a file", table.num_entries, limits.MAX_MODELS_PER_FILE, table.where)
    rows = {name: np.asarray(table.read(name, 0, table.num_entries)) for name in ("tree", "cycle", "entries")}
    names = np.asarray(table.read("sha256", 0, table.num_entries)).astype(np.uint8)
    headers = blobs(table, "header")
    for name, header in zip(names, headers, strict=True):
        if hashlib.sha256(header).digest() != name.tobytes():
            raise CorruptionError("a back-up does not have its SHA-256", where=table.where)
    numbers = zip(
        rows["tree"].tolist(), rows["cycle"].tolist(), rows["entries"].tolist(), headers, strict=True
    )
    every = [Backup(str(path), cycle, entries, header) for path, cycle, entries, header in numbers]
    paths = {one.path for one in every} & source.trees.keys()
    there = {path: source.header(source.key(path)).entries for path in paths}
    return [one for one in every if there.get(one.path) == one.entries]
