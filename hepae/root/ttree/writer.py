"""Write a TTree: branches copied raw from other trees, branches that are given basket by basket, and new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

import numpy as np

from hepae.arrays import Array
from hepae.errors import SchemaError, UnsupportedError
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import Compression
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.nodes import Streamed
from hepae.root.file.records import Key
from hepae.root.ttree.baskets import basket_of, strings_of
from hepae.root.ttree.branches import new_branch, new_leaf
from hepae.root.ttree.filling import Filler, Place
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.layouts.basket import Basket
from hepae.root.ttree.layouts.checks import Offsets
from hepae.root.ttree.plan import NewBranch
from hepae.root.ttree.raw_copy import Bytes, Copied, Moved, copy_baskets, copy_records

__all__ = ["Filling", "Rewriting", "Treatment", "TreeWriter"]

LETTERS = {"b": "O", "1": "B", "2": "S", "4": "I", "8": "L", "f4": "F", "f8": "D"}
OFFSETS = 1000
"""Bytes that ROOT plans for the table of offsets of a new branch whose entries differ in size."""


class Filling(Enum):
    """What becomes of a branch whose baskets are not copied."""

    GIVEN = auto()
    """It is filled with `TreeWriter.append_basket`."""
    DROPPED = auto()
    """It is left out; where sub-branches of it stay, it stays without baskets."""


Treatment: TypeAlias = Copied | Filling
"""What becomes of a branch of a header."""


@dataclass
class Rewriting:
    """What a tree is to be.

    Parameters
    ----------
    header
        Its header, which is changed while the tree is written: take a copy where it is needed after that.
    treatments
        For every branch of the header by its path, what becomes of it.
    new
        Branches that the header does not have, each with its place among those at the top, None for the end.
    entries
        Number of entries, None where what is appended says it.
    settings
        How baskets of branches that are given are compressed, by path, where it is not what their headers say.
    """

    header: TreeHeader
    treatments: Mapping[str, Treatment]
    new: Sequence[tuple[NewBranch, int | None]] = ()
    entries: int | None = None
    settings: Mapping[str, Compression] = field(default_factory=dict)


class TreeWriter:
    """A tree that is being written: copied branches at once, the others as they are appended.

    Parameters
    ----------
    file
        The file it goes into.
    plan
        What it is to be.
    key
        Class, name and title under which it is listed, and its cycle (0 for the next).
    home
        The directory that lists it.
    moved
        What has been copied from sources before.
    """

    def __init__(
        self,
        file: RootFile,
        plan: Rewriting,
        key: Key,
        home: Directory,
        moved: dict[str, Moved] | None = None,
    ) -> None:
        self.file, self.header, self.key, self.home = file, plan.header, key, home
        self.new = {branch.name: branch for branch, _ in plan.new}
        self.entries, self.expected = 0, plan.entries
        self.place = Place(file, home, plan.header.name)
        require_treatments(plan)
        dropped = [b for b in self.header.branches if plan.treatments[b.path] is Filling.DROPPED]
        copies = [
            (treatment, branch)
            for branch in self.header.branches
            if isinstance(treatment := plan.treatments[branch.path], Copied)
        ]
        given = [b for b in self.header.branches if plan.treatments[b.path] is Filling.GIVEN]
        self.header.remove(dropped)
        self.fillers = {
            branch.path: Filler(
                branch, plan.settings.get(branch.path) or Compression.of(branch.compression), self.place
            )
            for branch in given
        }
        add_new(self.header, plan.new)
        for branch in self.header.branches:
            if branch.path in self.new:
                self.fillers[branch.path] = Filler(branch, self.new[branch.path].compression, self.place)
        copy_baskets(copies, file, home, moved if moved is not None else {}, self.place.room)

    def append_basket(self, path: str, basket: Basket) -> None:
        """Append a basket to a branch that is given.

        Parameters
        ----------
        path
            Its path in the header.
        basket
            The next entries.
        """
        self.fillers[path].append(basket)

    def append_in_place(self, path: str, basket: Basket, key_length: int) -> None:
        """Append a basket of objects with pointers, which count from the start of its key: one of that length.

        Raises
        ------
        UnsupportedError
            If the key of the basket cannot have that length.
        """
        self.fillers[path].append_in_place(basket, key_length)

    def append_bytes(self, path: str, data: Array, offsets: Offsets, entries: int) -> None:
        """Append a basket of these bytes to a branch that is given.

        Parameters
        ----------
        path
            Its path in the header.
        data : uint8[n]
            The bytes of all entries.
        offsets : int64[entries + 1] or None
            Where each begins; left out where the branch has no table of offsets.
        entries
            How many.
        """
        filler = self.fillers[path]
        tabled = offsets is not None and bool(filler.branch.record.number("fEntryOffsetLen"))
        filler.append(Basket.of(data, offsets if tabled else None, entries))

    def compress(self, path: str, setting: Compression, *, declared: bool = True) -> None:
        """Settle how the next baskets of a branch that is given are compressed, and whether its header says so."""
        filler = self.fillers[path]
        filler.compression = setting
        if declared:
            filler.branch.record.put("fCompress", setting.code)

    def raise_count(self, path: str, count: int) -> None:
        """Let the leaf that counts a branch know of a larger multiplicity."""
        self.fillers[path].branch.leaves[0].raise_count(count)

    def pass_over(self, path: str, entries: int) -> None:
        """Count entries of a branch that is given and has no bytes of them: they are in its sub-branches."""
        self.fillers[path].without_bytes += entries

    def append_tree(self, source: Bytes, header: TreeHeader) -> None:
        """Append the baskets of another tree as they are, each to the branch of its path that is given.

        Parameters
        ----------
        source, header
            The file that it is in, and its header; branches that are not given here are left out.

        Raises
        ------
        InputError
            If a basket is not where the tree says.
        """
        pairs = [
            (Copied(source, branch), self.fillers[branch.path].branch)
            for branch in header.branches
            if branch.path in self.fillers
        ]
        tables = [copied.branch.baskets for copied, _ in pairs]
        copy_records(pairs, tables, self.file, self.home, Moved())
        for (copied, branch), table in zip(pairs, tables, strict=True):
            where = f"{header.where}, {branch.path}"
            if len(table):
                self.fillers[branch.path].extend(table, copied.branch.sizes[0], where)
            else:
                self.pass_over(branch.path, copied.branch.entries)

    def append(self, columns: Mapping[str, Column]) -> None:
        """Append a run of events to all new branches: one basket each.

        Parameters
        ----------
        columns
            For each new branch an array [n_events, *shape], or `Jagged` for one with a counter. A new counter may be
            left out: it is filled with the counts of what it counts.
        """
        filled = {**self._counts_of(columns), **columns}
        if set(filled) != set(self.new):
            raise SchemaError(
                "every new branch needs its values",
                where=self.header.name,
                expected=", ".join(self.new),
                got=", ".join(filled),
            )
        lengths = {name: len(column) for name, column in filled.items()}
        if len(set(lengths.values())) > 1:
            raise SchemaError("new branches differ in their number of events", got=lengths)
        for name, column in filled.items():
            self._append_column(self.new[name], column)
        self.entries += next(iter(lengths.values()), 0)

    def finish(self, entries: int | None = None) -> None:
        """Write the header of the tree, after which nothing can be appended.

        Parameters
        ----------
        entries
            Number of entries of the tree, where it is known now only.

        Raises
        ------
        SchemaError
            If kept and new branches differ in their number of events.
        """
        expected = self.expected if entries is None else entries
        if expected is not None and self.new and self.entries != expected:
            raise SchemaError(
                "kept and new branches differ in their number of events",
                where=self.header.name,
                expected=expected,
                got=self.entries,
            )
        for filler in self.fillers.values():
            filler.finish()
        self.header.count(self.entries if expected is None else expected)
        key = self.key
        key.big = self.file.big
        body = self.header.pack(key.length)
        self.file.write_object(key.classname, key.name, key.title, body, self.home, cycle=key.cycle or None)

    def _counts_of(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        counts: dict[str, Column] = {}
        for name, column in columns.items():
            counter = self.new[name].counter if name in self.new else None
            if isinstance(column, Jagged) and counter in self.new and counter is not None:
                if counter in counts and not np.array_equal(np.asarray(counts[counter]), column.counts):
                    raise SchemaError("branches of one counter have different multiplicities", where=name)
                counts[counter] = column.counts
        return counts

    def _append_column(self, branch: NewBranch, column: Column) -> None:
        jagged = isinstance(column, Jagged)
        if jagged != (branch.counter is not None):
            raise SchemaError("a jagged branch needs a counter, and no other has one", where=branch.name)
        if not len(column):
            return
        leaf = self.fillers[branch.name].branch.leaves[0]
        if isinstance(column, Jagged):
            if int(column.counts.sum()) != len(column.values):
                raise SchemaError(
                    "counts do not add up to the values",
                    where=branch.name,
                    expected=int(column.counts.sum()),
                    got=len(column.values),
                )
            leaf.raise_count(int(column.counts.max()))
        basket = strings_of(column) if branch.dtype == "str" else basket_of(column, branch.dtype)
        if branch.dtype == "str" and basket.offsets is not None:
            leaf.raise_length(int(np.diff(basket.offsets).max()))
        self.fillers[branch.name].append(basket)


def require_treatments(plan: Rewriting) -> None:
    """Refuse a plan that does not say what becomes of a branch, or says it of one that is not there."""
    there = {branch.path for branch in plan.header.branches}
    wrong = there.symmetric_difference(plan.treatments)
    if wrong:
        raise SchemaError(
            "a plan must say of each branch what becomes of it",
            where=plan.header.where,
            got=", ".join(sorted(wrong)[:4]),
        )


def add_new(header: TreeHeader, new: Sequence[tuple[NewBranch, int | None]]) -> None:
    """Put new branches into a header, each where it belongs.

    Raises
    ------
    SchemaError
        If a branch of that name is there already, or a counter is nowhere.
    UnsupportedError
        If the dtype cannot be that of a branch.
    """
    leaves = {branch.path: branch.leaves[0] for branch in header.branches if len(branch.leaves) == 1}
    there = {branch.path for branch in header.branches}
    for branch, at in new:
        if branch.name in there:
            raise SchemaError("two branches of one name", where=branch.name)
        there.add(branch.name)
        leaves[branch.name] = header.insert(plain_branch(branch), at).leaves[0]
    for branch, _ in new:
        if branch.counter is not None:
            if branch.counter not in leaves:
                raise SchemaError("a counter is missing", where=branch.name, expected=branch.counter)
            leaves[branch.name].count_by(leaves[branch.counter])
    header.refresh()


def plain_branch(branch: NewBranch) -> Streamed:
    """A new branch as a node; its counter comes later."""
    code = branch.compression.code
    if branch.dtype == "str":
        leaf = new_leaf("TLeafC", branch.name, branch.name, width=1)
        title = branch.title or f"{branch.name}/C"
        return new_branch(branch.name, title, leaf, compression=code, offsets=OFFSETS)
    if not branch.dtype:
        raise UnsupportedError("no branch of numbers or strings", where=branch.name)
    dtype = np.dtype(branch.dtype)
    letter = LETTERS.get(
        dtype.kind if dtype.kind == "b" else dtype.str[2:] if dtype.kind in "iu" else dtype.str[1:]
    )
    if letter is None:
        raise UnsupportedError("dtype cannot be a branch", where=branch.name, got=branch.dtype)
    dimensions = [branch.counter] if branch.counter is not None else []
    dimensions += [str(size) for size in branch.shape]
    leaf_title = branch.name + "".join(f"[{dimension}]" for dimension in dimensions)
    leaf = new_leaf(
        f"TLeaf{letter}",
        branch.name,
        leaf_title,
        length=int(np.prod(branch.shape, dtype=np.int64)),
        width=dtype.itemsize,
        unsigned=dtype.kind == "u",
    )
    offsets = OFFSETS if branch.counter is not None else 0
    title = branch.title or f"{leaf_title}/{letter}"
    return new_branch(branch.name, title, leaf, compression=code, offsets=offsets)
