"""Back-ups that ROOT's AutoSave leaves: older cycles of a tree that hold nothing which the newest does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hepae.files.verify.keys import TREES, FileKey, OpenFile
from hepae.files.verify.values import NotInterpretedError
from hepae.stored.backups import Backup, backups_of

__all__ = ["is_backup", "is_held"]


def is_backup(file: OpenFile, key: FileKey) -> bool:
    """Whether a key is an older cycle of a tree all of whose baskets are baskets of the newest cycle too."""
    newer = [one for one in file.keys if one.path == key.path and one.cycle > key.cycle]
    if not newer or any(one.classname not in TREES for one in (key, *newer)):
        return False
    newest = max(newer, key=lambda one: one.cycle)
    try:
        old, new = file.get(key), file.get(newest)
    except NotInterpretedError:
        return False
    held = set(_seeks(new))
    # a basket in the header itself is in no other tree
    embedded = any(branch.embedded_baskets for branch in _branches(old))
    return not embedded and held.issuperset(_seeks(old))


def is_held(before: OpenFile, key: FileKey, after: OpenFile) -> bool:
    """Whether a compressed file has the header of that older cycle, so that it comes back when it is decompressed."""
    path = "/".join(key.path)
    return Backup.of(before.source, path, key.cycle) in backups_of(after.source)


def _branches(tree: Any) -> Iterator[Any]:
    for _, branch in tree.iteritems(recursive=True):
        yield branch


def _seeks(tree: Any) -> Iterator[int]:
    for branch in _branches(tree):
        yield from (int(seek) for seek in branch.member("fBasketSeek") if seek)
