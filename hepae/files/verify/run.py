"""The verb: every tree of two files, and everything else in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hepae.core.arithmetic.denormals import kept_subnormals
from hepae.core.values.bounds import Assignments
from hepae.errors import InputError, nearest
from hepae.files.verify.backups import OlderCycles
from hepae.files.verify.branches import ttree_side
from hepae.files.verify.keys import TREES, FileKey, OpenFile, opened
from hepae.files.verify.ntuples import compressed_side, ntuple_side
from hepae.files.verify.objects import KeyPairs, is_tree, not_own, object_difference, pair_keys
from hepae.files.verify.pairs import PairCheck
from hepae.files.verify.request import Request
from hepae.files.verify.restored import Restored, restored_side, whole_side
from hepae.files.verify.result import TreeCheck, Verification
from hepae.files.verify.sides import Held, Part, Side
from hepae.files.verify.structure import differences
from hepae.files.verify.texts import csv_side
from hepae.files.verify.values import NotInterpretedError, interpreting
from hepae.input.events import is_csv
from hepae.progress import Report
from hepae.root.file.source import Source
from hepae.root.ttree.header import TreeHeader
from hepae.shown.bars import in_notebook
from hepae.stored.compressed import as_stored, compressed_of
from hepae.stored.models import AnyModel, at_hand, models_of
from hepae.stored.ntuples import compressed_ntuple
from hepae.stored.titles import SUFFIX

__all__ = ["verify"]


@kept_subnormals()
def verify(
    original: str | Path,
    other: str | Path,
    *,
    bounds: Assignments | None = None,
    tree: str | Sequence[str] | None = None,
    models: Iterable[AnyModel] = (),
    recompressed: bool = False,
    report: Report = in_notebook,
) -> Verification:
    """Compare a compressed or restored file with its original: every value, and everything else.

    Parameters
    ----------
    original
        ROOT or CSV.
    other
        What hepae, or anything else, made of it; of a side file only what it holds is compared.
    bounds
        What was asked for: patterns of column names with their bounds, as pairs or as ``NAMES=BOUND``; later ones
        win, and what none matches is exact. Without any, what a compressed file says of its columns is checked, and
        all else must be the same bit for bit.
    tree
        Path of a tree, or of several: only these are compared. Otherwise all trees, and every other key of the file.
    models
        Models that the files hold by reference.
    recompressed
        Whether branches may be compressed otherwise than they were, as `hepae.repack` leaves them.
    report
        Called with the phase, the number of columns done and of all of the tree, and its name.

    Returns
    -------
    Verification
        ``kept`` says whether every value is within its bound, and all else as it was.

    Raises
    ------
    InputError
        If a file cannot be read, or a tree is not in it.
    BoundError
        If a bound is for a column that is not there, or asks for integers that are not exact.
    MissingModelError, CorruptionError
        If what is compressed cannot be restored.

    Examples
    --------
    >>> verify("events.root", "small.root", bounds=["Jet_*=rel:1e-3"]).kept  # doctest: +SKIP
    True
    """
    work = Work(Verification(str(original), str(other)), Request(bounds, recompressed), list(models), report)
    with at_hand(work.models), opened(other) as after:
        if is_csv(original):
            work.text(str(original), after, tree)
        else:
            with opened(original) as before:
                work.files(before, after, [tree] if isinstance(tree, str) else tree)
    if not work.result.differences:  # a tree that is missing has no columns
        work.request.require_used(str(original))
    return work.result


class Work:
    """What a verification has found so far, and how it goes on."""

    def __init__(
        self, result: Verification, request: Request, models: Sequence[AnyModel], report: Report
    ) -> None:
        self.result, self.request, self.models, self.report = result, request, models, report

    def files(self, before: OpenFile, after: OpenFile, wanted: Sequence[str] | None) -> None:
        """Two ROOT files."""
        keys = pair_keys(before.keys, after.keys)
        if wanted is not None:
            keys = only(keys, wanted, before.path)
        whole = True
        for mine, other in keys.pairs:
            if is_tree(mine) and is_tree(other):
                whole &= self.trees(before, after, mine, other)
        if not any(is_tree(mine) and is_tree(other) for mine, other in keys.pairs):
            whole = self.side_file(before, after, keys.missing)
        if whole:
            self.rest(before, after, keys)

    def rest(self, before: OpenFile, after: OpenFile, keys: KeyPairs) -> None:
        """Everything besides what trees hold."""
        tell = self.result.differences.append
        for mine, other in keys.pairs:
            if not (is_tree(mine) and is_tree(other) and mine.classname != other.classname):
                self.result.objects += not is_tree(mine)
                if found := object_difference(before, after, mine, other):
                    tell(f"{mine.shown}: {found}")
        older = OlderCycles(before, after)
        for key in keys.missing:
            fate = older.fate(key)
            if fate == "missing":
                tell(f"{key.shown} ({key.classname}) is missing")
            elif fate == "left out":
                self.result.backups.append(key.shown)
        for key in keys.new:
            tell(f"{key.shown} ({key.classname}) is new")

    def side_file(self, before: OpenFile, after: OpenFile, trees: Sequence[FileKey]) -> bool:
        """A side file has its tree at the top, wherever that of the original is; whether it is none."""
        whole = True
        for other in after.keys:
            for mine in trees:
                found = is_tree(mine) and is_tree(other) and mine.path[-1:] == other.path != mine.path
                if found and self.is_side(after, other):
                    whole &= self.trees(before, after, mine, other)
        return whole

    def is_side(self, file: OpenFile, key: FileKey) -> bool:
        """Whether a tree is that of a side file."""
        side = self.side(file, key)
        restored = self.restored(file, key, side)
        return restored is not None and not restored.whole

    def text(self, path: str, after: OpenFile, tree: object) -> None:
        """A CSV file, and the tree that was made of it."""
        side = csv_side(path)
        trees = [key for key in not_own(after.keys) if is_tree(key)]
        named = [key for key in trees if key.path == (side.name,)] or trees
        if tree is not None or len(named) != 1:
            raise InputError(
                "a CSV file is compared with one tree",
                where=after.path,
                got=tree or ", ".join(key.shown for key in trees) or "no tree",
                hint="leave the tree out" if tree is not None else None,
            )
        other = self.side(after, named[0])
        self.sides(side, replaced(other, self.restored(after, named[0], other)))

    def trees(self, before: OpenFile, after: OpenFile, mine: FileKey, other: FileKey) -> bool:
        """Two trees; whether the second one is all of a tree."""
        try:
            old, new = self.side(before, mine), self.side(after, other)
        except NotInterpretedError as problem:
            if before.unpacked(mine) != after.unpacked(other):
                tell = f"{mine.shown}: other bytes (cannot be interpreted: {problem})"
                self.result.differences.append(tell)
            return True
        old.name = mine.shown if mine.cycle != newest(before, mine) else "/".join(mine.path)
        was, now = self.restored(before, mine, old), self.restored(after, other, new)
        if not (was and now and stored_alike(old, new, was, now)):
            old, new = replaced(old, was), replaced(new, now)
        self.sides(old, new)
        return new.whole

    def side(self, file: OpenFile, key: FileKey) -> Side:
        """A tree as it is in the file."""
        if key.classname not in TREES:
            return self.ntuple(file, key)
        found = file.get(key)
        if (compressed := compressed_of(found)) is None:
            return ttree_side(key.shown, found, partial(header_of, file, key))
        compressed.models = models_of(file.source, self.models)
        with as_stored():
            stored = file.get(key)
        return whole_side(key.shown, stored, found, compressed)

    def ntuple(self, file: OpenFile, key: FileKey) -> Side:
        """An RNTuple as it is in the file, or as it was where it is compressed as a whole."""
        path = "/".join(key.path)
        with interpreting():
            found = next(one for one in file.source.keys if one.seek == key.seek)
            ntuple = file.source.ntuple(found)
        stored = ntuple_side(key.shown, ntuple, partial(as_it_is, file, key))
        if key.cycle != newest(file, key):
            return stored
        compressed = compressed_ntuple(file.source, path, models_of(file.source, self.models))
        return stored if compressed is None else compressed_side(stored, compressed)

    def restored(self, file: OpenFile, key: FileKey, side: Side) -> Restored | None:
        """What of a tree is compressed, if it is the newest of its path."""
        if key.cycle != newest(file, key):
            return None
        if not any(part.name.endswith(SUFFIX) for part in side.parts):
            return None
        return restored_side(file.source.tree("/".join(key.path)), models_of(file.source, self.models))

    def sides(self, old: Side, new: Side) -> None:
        """Two trees in parts."""
        check = self.result.trees.setdefault(old.name, TreeCheck(old.entries))
        if old.container == new.container and new.whole:
            self.result.differences += differences(old.name, old.facts, new.facts)
        if old.entries != new.entries:
            entries = f"{old.name}: {old.entries} entries before, {new.entries} after"
            self.result.differences.append(entries)
        pairs = self.partners(old, new)
        comparable = [pair for pair in pairs if pair.structure() and old.entries == new.entries]
        together = [pair for pair in comparable if pair.claim or old.container == "csv"]
        alone = [pair for pair in comparable if pair not in together]
        in_runs = (new.runs or old.runs) if together else None
        for start, stop in in_runs() if in_runs else ():
            for pair in together:
                pair.run(start, stop)
            self.report("verifying", len(together) * stop // old.entries, len(pairs), old.name)
        for pair in together:
            pair.finish()
        for done, pair in enumerate(alone, len(together) + 1):
            pair.whole()
            self.report("verifying", done, len(pairs), old.name)
        for pair in pairs:
            check.columns.update(pair.columns)

    def partners(self, old: Side, new: Side) -> list[PairCheck]:
        """Parts of one name in both trees; what is missing, new or at another position is told."""
        theirs = {part.name: part for part in new.parts}
        ours = {part.name for part in old.parts}
        tell = self.result.differences.append
        pairs = []
        for part in old.parts:
            if part.name in theirs:
                pairs.append(PairCheck(self.result, old.name, self.request, part, theirs[part.name]))
            else:
                self.request.note((part.name, f"{old.name}/{part.name}", *part.short_names()))
                if new.whole:
                    tell(f"{old.name}, {part.name}: is missing")
        if old.container == new.container and new.whole:
            counted = {f"n{pair.before.name.split('_')[0].split('.')[0]}" for pair in pairs if pair.claim}
            for name in theirs:
                if name not in ours and name not in counted:  # a collection that had no counter gets one
                    tell(f"{old.name}, {name}: is new")
            kept = [pair.before.name for pair in pairs if not pair.claim]
            order = [part.name for part in new.parts if part.name in set(kept)]
            for first, second in zip(kept, order, strict=True):
                if first != second:
                    tell(f"{old.name}: another order of branches: {second} where {first} was")
                    break
        return pairs


def as_it_is(file: OpenFile, key: FileKey) -> Any:
    """A tree as uproot reads it, not restored."""
    with as_stored():
        return file.get(key)


def newest(file: OpenFile, key: FileKey) -> int:
    """The highest cycle of the path of a key."""
    return max(one.cycle for one in file.keys if one.path == key.path)


def header_of(file: OpenFile, key: FileKey) -> tuple[Source, TreeHeader]:
    """The header of a tree by hepae's own parser, and the file that it is of."""
    with interpreting():
        found = next(one for one in file.source.keys if one.seek == key.seek)
        return file.source, file.source.header(found)


def only(keys: KeyPairs, wanted: Sequence[str], where: str) -> KeyPairs:
    """The keys of some trees.

    Raises
    ------
    InputError
        If the original has no such tree.
    """
    paths = {"/".join(mine.path) for mine, _ in keys.pairs if is_tree(mine)}
    paths |= {"/".join(key.path) for key in keys.missing if is_tree(key)}
    for name in wanted:
        if name not in paths:
            hint = nearest(name, paths)
            raise InputError(
                f"no tree {name!r}", where=where, expected=", ".join(sorted(paths)), hint=hint or None
            )
    pairs = [pair for pair in keys.pairs if "/".join(pair[0].path) in wanted]
    missing = [key for key in keys.missing if "/".join(key.path) in wanted]
    return KeyPairs(pairs, missing, [key for key in keys.new if "/".join(key.path) in wanted])


def replaced(side: Side, restored: Restored | None) -> Side:
    """A tree with its original branches for what hepae stores."""
    if restored is None:
        return side
    kept: list[Part] = [part for part in side.parts if part.name not in restored.own]
    parts = [*kept, *restored.parts]
    facts = {
        words: fact for words, fact in side.facts.items() if words != "schema"
    }  # is another where it is new
    return replace(side, parts=parts, facts=facts, whole=restored.whole, runs=restored.runs)


def stored_alike(old: Side, new: Side, was: Restored, now: Restored) -> bool:
    """Whether hepae stores the same bytes in both, so that nothing needs to be restored."""
    theirs = {part.name: part for part in new.parts}
    mine = [part for part in old.parts if part.name in was.own]
    try:
        return was.own == now.own and all(
            isinstance(part, Held) and part.same_bytes(theirs[part.name]) for part in mine
        )
    except NotInterpretedError:
        return False
