"""Write a TTree chunk by chunk: branches kept from another tree are copied raw, new ones are appended to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hepae.errors import SchemaError, UnsupportedError
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import ZSTD_DEFAULT, Compression
from hepae.root.file.container import Directory, RootFile
from hepae.root.file.records import Key
from hepae.root.ttree.baskets import BasketContent, content_of, pack_basket, pack_embedded, strings_of
from hepae.root.ttree.plain_header import BasketList, BranchHeader, LeafHeader, TreeHeader, pack_tree
from hepae.root.ttree.raw_copy import copy_branches, counter_of, settings_of
from hepae.root.ttree.reader import TTreeReader

__all__ = ["Keep", "NewBranch", "Plan", "TreeWriter"]

HELD_BYTES, HELD_PACKED_BYTES, HELD_BYTES_OF_TREE = 1 << 16, 1 << 11, 1 << 20
LETTERS = {"b": "O", "1": "B", "2": "S", "4": "I", "8": "L", "f4": "F", "f8": "D"}


@dataclass(frozen=True)
class Keep:
    """A branch of the source that is copied as it is.

    Parameters
    ----------
    name
        Its name in the source.
    """

    name: str


@dataclass(frozen=True)
class NewBranch:
    """A branch that is filled with `TreeWriter.append`.

    Parameters
    ----------
    name
        Name of the branch.
    dtype
        bool, int8 to uint64, float32, float64, or str (one string per event).
    title
        Title of the branch; any text.
    counter
        For a jagged branch the branch that counts it, kept or new, anywhere before it in the plan.
    shape
        Fixed dimensions inside an event, or inside an object of a jagged branch.
    compression
        How its baskets are stored.
    """

    name: str
    dtype: str
    title: str = ""
    counter: str | None = None
    shape: tuple[int, ...] = ()
    compression: Compression = ZSTD_DEFAULT


Plan: TypeAlias = Sequence[Keep | NewBranch]
"""The branches of a tree in order."""


class TreeWriter:
    """A tree that is being written.

    Parameters
    ----------
    file
        The file it goes into.
    name, title
        Of the tree.
    plan
        Its branches in order. New branches take the place where they stand.
    source
        The tree that kept branches come from; its settings are kept too.
    directory
        Where the tree is listed, the top of the file by default.

    Raises
    ------
    UnsupportedError
        If a kept branch cannot be copied; raised before anything is written.
    """

    def __init__(
        self,
        file: RootFile,
        name: str,
        title: str,
        plan: Plan,
        source: TTreeReader | None = None,
        directory: Directory | None = None,
    ) -> None:
        self.file, self.directory = file, directory or file.root
        self.new = {branch.name: branch for branch in plan if isinstance(branch, NewBranch)}
        kept = [branch.name for branch in plan if isinstance(branch, Keep)]
        check_plan(plan, source)
        copied: dict[str, BranchHeader] = {}
        self.header = TreeHeader(name, title)
        if source is not None:
            self.header = settings_of(source, name, title)
            copied = copy_branches(source, kept, file, self.directory.seek, name)
        self.entries = 0
        self.held: dict[str, tuple[BasketContent, int]] = {}
        self.kept_entries = source.num_entries if kept and source is not None else None
        self.header.branches = [
            copied[branch.name] if isinstance(branch, Keep) else new_header(branch) for branch in plan
        ]
        self.headers = {header.name: header for header in self.header.branches}
        for counted in self.new.values():
            if counted.counter is not None:
                self.headers[counted.counter].leaf.is_range = True

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
            self._append_basket(self.new[name], column)
        self.entries += next(iter(lengths.values()), 0)

    def finish(self) -> None:
        """Write the header of the tree, after which nothing can be appended.

        Raises
        ------
        SchemaError
            If kept and new branches differ in their number of events.
        """
        if self.kept_entries is not None and self.new and self.entries != self.kept_entries:
            raise SchemaError(
                "kept and new branches differ in their number of events",
                where=self.header.name,
                expected=self.kept_entries,
                got=self.entries,
            )
        self.header.entries = self.entries if self.kept_entries is None else self.kept_entries
        for name in self.new:
            self.headers[name].entries = self.entries
        for name, (content, entry) in self.held.items():
            key = Key("TBasket", name, self.header.name, 0, 0, self.directory.seek, self.file.datime, cycle=0)
            self.headers[name].embedded = pack_embedded(content, key)
            self.headers[name].embedded_entry = entry
        name, title = self.header.name, self.header.title
        key = Key("TTree", name, title, 0, 0, 0, 0, big=self.file.big)
        body = pack_tree(self.header, key.length)
        self.file.write_object("TTree", name, title, body, self.directory)

    def _counts_of(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        counts: dict[str, Column] = {}
        for name, column in columns.items():
            counter = self.new[name].counter if name in self.new else None
            if isinstance(column, Jagged) and counter in self.new and counter is not None:
                if counter in counts and not np.array_equal(np.asarray(counts[counter]), column.counts):
                    raise SchemaError("branches of one counter have different multiplicities", where=name)
                counts[counter] = column.counts
        return counts

    def _append_basket(self, branch: NewBranch, column: Column) -> None:
        header = self.headers[branch.name]
        jagged = isinstance(column, Jagged)
        if jagged != (branch.counter is not None):
            raise SchemaError("a jagged branch needs a counter, and no other has one", where=branch.name)
        if not len(column):
            return
        if isinstance(column, Jagged) and int(column.counts.sum()) != len(column.values):
            raise SchemaError(
                "counts do not add up to the values",
                where=branch.name,
                expected=int(column.counts.sum()),
                got=len(column.values),
            )
        if isinstance(column, Jagged):
            raise_maximum(self.headers[str(branch.counter)], int(column.counts.max()))
        content = strings_of(column) if branch.dtype == "str" else content_of(column, branch.dtype)
        if branch.dtype == "str" and content.lengths is not None:
            header.leaf.length = max(header.leaf.length, int(content.lengths.max()))
            header.leaf.maximum = header.leaf.length
        if branch.name in self.held:
            self._write_basket(branch, *self.held.pop(branch.name))
        if self._fits_header(content):
            self.held[branch.name] = content, self.entries
        else:
            self._write_basket(branch, content, self.entries)

    def _write_basket(self, branch: NewBranch, content: BasketContent, entry: int) -> None:
        header = self.headers[branch.name]
        key = Key("TBasket", branch.name, self.header.name, 0, self.file.position, self.directory.seek, 0)
        key.datime, key.cycle, key.big = self.file.datime, 0, self.file.big
        record, size = pack_basket(content, key, branch.compression)
        header.baskets.add(len(record), entry, self.file.append(record))
        header.total_bytes += size
        header.zipped_bytes += len(record)

    def _fits_header(self, content: BasketContent) -> bool:
        """Whether a last basket is better kept in the header of the tree, which saves its key: a small file is.

        Packed it must be small, because whoever opens the tree reads the header.
        """
        held = sum(len(other.data) for other, _ in self.held.values())
        if len(content.data) > HELD_BYTES or held > HELD_BYTES_OF_TREE:
            return False
        return len(ZSTD_DEFAULT.pack(content.data)) <= HELD_PACKED_BYTES


def raise_maximum(counter: BranchHeader, most: int) -> None:
    """Let the leaf of a counter know the largest multiplicity, by which ROOT sizes its buffers."""
    counter.leaf.maximum = max(int(counter.leaf.maximum), most)


def new_header(branch: NewBranch) -> BranchHeader:
    """The header of a branch that is filled here."""
    if branch.dtype == "str":
        leaf = LeafHeader("C", branch.name, branch.name, 1, 1)
        header = BranchHeader(branch.name, branch.title or f"{branch.name}/C", leaf, branch.compression.code)
        header.entry_offset_length = 1000
        return header
    dtype = np.dtype(branch.dtype)
    letter = LETTERS.get(
        dtype.kind if dtype.kind == "b" else dtype.str[2:] if dtype.kind in "iu" else dtype.str[1:]
    )
    if letter is None:
        raise UnsupportedError("dtype cannot be a branch", where=branch.name, got=branch.dtype)
    dimensions = [branch.counter] if branch.counter is not None else []
    dimensions += [str(size) for size in branch.shape]
    title = branch.name + "".join(f"[{dimension}]" for dimension in dimensions)
    leaf = LeafHeader(letter, branch.name, title, int(np.prod(branch.shape, dtype=np.int64)), dtype.itemsize)
    leaf.unsigned, leaf.counter = dtype.kind == "u", branch.counter
    header = BranchHeader(branch.name, branch.title or f"{title}/{letter}", leaf, branch.compression.code)
    header.entry_offset_length = 1000 if branch.counter is not None else 0
    header.baskets = BasketList()
    return header


def check_plan(plan: Plan, source: TTreeReader | None) -> None:
    """Refuse plans that cannot be written: names twice, counters after what they count or missing."""
    seen: set[str] = set()
    for branch in plan:
        counter = branch.counter if isinstance(branch, NewBranch) else None
        if isinstance(branch, Keep):
            if source is None or branch.name not in source.branches:
                raise SchemaError("no such branch to keep", where=branch.name)
            counter = counter_of(source.sources[branch.name])
        if branch.name in seen:
            raise SchemaError("two branches of one name", where=branch.name)
        if counter is not None and counter not in seen:
            raise UnsupportedError(
                "a counter has to stand before what it counts", where=branch.name, got=counter
            )
        seen.add(branch.name)
