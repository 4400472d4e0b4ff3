"""Back-ups that ROOT's AutoSave leaves: older cycles of a tree that hold nothing which the newest does not."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hepae.arrays import Integers
from hepae.core.locks import computed_once
from hepae.files.verify.keys import TREES, FileKey, OpenFile
from hepae.files.verify.values import NotInterpretedError, interpreting
from hepae.root.ttree.branches import seeks_of
from hepae.root.ttree.header import TreeHeader
from hepae.stored.backups import Backup, backups_of

__all__ = ["OlderCycles"]

Fate = Literal["missing", "left out", "kept"]
"""What became of a key: lost; lost, but the newest cycle holds all of it; its header is kept, so that it comes back."""


class OlderCycles:
    """Older cycles of trees that a file has and what was made of it does not.

    Headers of thousands of branches take a second to read, so each is read once.

    Parameters
    ----------
    before, after
        The original, and the other file.
    """

    def __init__(self, before: OpenFile, after: OpenFile) -> None:
        self.before, self.after = before, after
        self._newest: dict[FileKey, tuple[int, Integers]] = {}

    def fate(self, key: FileKey) -> Fate:
        """What became of a key that the other file does not have."""
        newer = [one for one in self.before.keys if one.path == key.path and one.cycle > key.cycle]
        if not newer or any(one.classname not in TREES for one in (key, *newer)):
            return "missing"
        try:
            entries, seeks = self._of_newest(max(newer, key=lambda one: one.cycle))
            header = self._header(key)
            tables = [branch.baskets for branch in header.branches]
            if any(table.embedded for table in tables) or not np.isin(seeks_of(tables), seeks).all():
                return "missing"  # what is in the header itself is in no other tree
        except NotInterpretedError:
            return "missing"
        backup = Backup("/".join(key.path), key.cycle, entries, header.strip().streamed())
        return "kept" if backup in self._held else "left out"

    @computed_once
    def _held(self) -> list[Backup]:
        return backups_of(self.after.source)

    def _of_newest(self, key: FileKey) -> tuple[int, Integers]:
        """Entries of the newest cycle, and where its baskets are."""
        if key not in self._newest:
            header = self._header(key)
            self._newest[key] = header.entries, header.seeks
        return self._newest[key]

    def _header(self, key: FileKey) -> TreeHeader:
        with interpreting():
            source = self.before.source
            return source.header(next(one for one in source.keys if one.seek == key.seek))
