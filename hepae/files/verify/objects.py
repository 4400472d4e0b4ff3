"""Everything in a file that is no tree: keys, cycles, directories, classes, titles, and objects by what they mean."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from hepae.files.verify.keys import DIRECTORIES, TREES, FileKey, OpenFile
from hepae.files.verify.meaning import first_difference, meaning
from hepae.files.verify.values import NotInterpretedError
from hepae.root.file.source import OWN_TREES, PAYLOAD

__all__ = ["NTUPLES", "KeyPairs", "is_tree", "not_own", "object_difference", "pair_keys"]

NTUPLES = ("ROOT::RNTuple", "ROOT::Experimental::RNTuple")


@dataclass(frozen=True)
class KeyPairs:
    """Keys of both files, what hepae keeps for itself left out.

    Attributes
    ----------
    pairs
        A key of the original with that of the other file.
    missing, new
        Keys that have no partner.
    """

    pairs: list[tuple[FileKey, FileKey]]
    missing: list[FileKey]
    new: list[FileKey]


def is_tree(key: FileKey) -> bool:
    """Whether it is a TTree or an RNTuple."""
    return key.classname in TREES or key.classname in NTUPLES


def pair_keys(before: Sequence[FileKey], after: Sequence[FileKey]) -> KeyPairs:
    """Keys of one path and cycle; where a path has one key in both, of that path.

    Examples
    --------
    >>> key = FileKey(("h",), 1, "TH1D", "", 0, 0, 0, 0)
    >>> pair_keys([key], []).missing == [key]
    True
    """
    ours, theirs = not_own(before), not_own(after)
    left: dict[tuple[tuple[str, ...], int], list[FileKey]] = {}
    for key in theirs:
        left.setdefault((key.path, key.cycle), []).append(key)
    alone = {key.path: key for key in theirs if sum(one.path == key.path for one in theirs) == 1}
    pairs, missing = [], []
    for key in ours:
        found = left.get((key.path, key.cycle))
        if not found and key.path in alone and sum(one.path == key.path for one in ours) == 1:
            other = alone[key.path]
            found = left[other.path, other.cycle]
        if found:
            pairs.append((key, found.pop(0)))
        else:
            missing.append(key)
    return KeyPairs(pairs, missing, [key for keys in left.values() for key in keys])


def not_own(keys: Sequence[FileKey]) -> list[FileKey]:
    """The keys that are not of hepae itself."""
    paths = {key.path for key in keys}
    return [key for key in keys if not is_own(key.path, paths)]


def object_difference(before: OpenFile, after: OpenFile, mine: FileKey, other: FileKey) -> str:
    """In what an object differs from its partner; empty where it means the same."""
    if mine.classname != other.classname and not {mine.classname, other.classname} <= set(DIRECTORIES):
        return f"class {mine.classname} before, {other.classname} after"
    if mine.cycle != other.cycle:
        return f"cycle {mine.cycle} before, {other.cycle} after"
    if mine.title != other.title:
        return f"title {mine.title!r} before, {other.title!r} after"
    if mine.classname in DIRECTORIES or is_tree(mine):
        return ""
    if before.unpacked(mine) == after.unpacked(other):
        return ""
    try:
        return first_difference(meaning(before.get(mine)), meaning(after.get(other)))
    except NotInterpretedError as problem:
        return f"other bytes (cannot be interpreted: {problem})"


def is_own(path: Sequence[str], paths: Collection[Sequence[str]]) -> bool:
    """Whether a key is something that hepae keeps for itself: a table of the file, or what stands beside a tree."""
    *above, name = path
    beside = (*above, name.removesuffix(PAYLOAD))
    return name in OWN_TREES or (name.endswith(PAYLOAD) and beside in paths)
