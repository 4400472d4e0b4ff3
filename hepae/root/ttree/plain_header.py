"""Bytes of a TTree's header: the tree, its branches and leaves, and where their baskets are. Pure functions.

Plain branches with one leaf each (``TBranch``, ``TLeafO`` to ``TLeafC``) are written, in one pass and in time linear
in their number. Source: ``TTree::Streamer`` (class version 20), ``TBranch`` (13) and ``TLeaf`` (2) of ROOT 6.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hepae.root.file.records import any_object, counted, named, object_array, root_object, root_string

__all__ = ["LIMITS", "BasketList", "BranchHeader", "LeafHeader", "TreeHeader", "pack_tree"]

LIMITS = {
    "O": ">??",
    "B": ">bb",
    "S": ">hh",
    "I": ">ii",
    "L": ">qq",
    "G": ">qq",
    "F": ">ff",
    "D": ">dd",
    "C": ">ii",
}
"""How the smallest and largest value of a leaf are stored, by the letter of its class."""

IO_FEATURES_CHECKSUM = 0x1AA12F10
MUST_CLEANUP = 0x8
NO_BUFFER_MAP = 0x00400000
ATTRIBUTES = struct.pack(">IHhhh", 0x40000008, 2, 602, 1, 1) + struct.pack(">IHhh", 0x40000006, 2, 0, 1001)
MARKER = struct.pack(">IHhhf", 0x4000000A, 2, 1, 1, 1.0)
FILL = struct.pack(">IHhh", 0x40000006, 2, 0, 1001)


@dataclass
class LeafHeader:
    """The leaf of a branch: the letter of its class, its sizes and its counter.

    Parameters
    ----------
    letter
        ``"O"``, ``"B"``, ``"S"``, ``"I"``, ``"L"``, ``"G"``, ``"F"``, ``"D"`` or ``"C"``.
    title
        Name with dimensions, ``"Jet_pt[nJet]"``: this is what ROOT parses.
    length
        Product of the fixed dimensions.
    width
        Bytes per number.
    counter
        Branch whose leaf counts this one.
    """

    letter: str
    name: str
    title: str
    length: int = 1
    width: int = 4
    offset: int = 0
    is_range: bool = False
    unsigned: bool = False
    counter: str | None = None
    minimum: Any = 0
    maximum: Any = 0


@dataclass
class BasketList:
    """Where the baskets of a branch are: bytes on disk, first entry, position."""

    sizes: list[int] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    seeks: list[int] = field(default_factory=list)

    def add(self, size: int, entry: int, seek: int) -> None:
        """One more basket."""
        self.sizes.append(size)
        self.entries.append(entry)
        self.seeks.append(seek)


@dataclass
class BranchHeader:
    """A branch: its leaf, baskets and accounts."""

    name: str
    title: str
    leaf: LeafHeader
    compression: int = 0
    basket_size: int = 32000
    entry_offset_length: int = 0
    io_bits: int = 0
    entries: int = 0
    first_entry: int = 0
    split_level: int = 0
    total_bytes: int = 0
    zipped_bytes: int = 0
    baskets: BasketList = field(default_factory=BasketList)
    embedded: bytes = b""
    embedded_entry: int = 0


@dataclass
class TreeHeader:
    """A tree: its branches and its settings, which a copy keeps."""

    name: str
    title: str
    entries: int = 0
    branches: list[BranchHeader] = field(default_factory=list)
    weight: float = 1.0
    timer_interval: int = 0
    scan_field: int = 25
    update: int = 0
    default_entry_offset_length: int = 1000
    max_entries: int = 10**12
    max_entry_loop: int = 10**12
    max_virtual_size: int = 0
    auto_save: int = -300_000_000
    auto_flush: int = -30_000_000
    estimate: int = 1_000_000
    cluster_ends: Sequence[int] = ()
    cluster_sizes: Sequence[int] = ()
    io_bits: int = 0


def pack_tree(tree: TreeHeader, key_length: int) -> bytes:
    """The serialised tree.

    Parameters
    ----------
    tree
        What to write.
    key_length
        Bytes of the key before it: references to leaves count from the start of the key.
    """
    head = named(tree.name, tree.title, MUST_CLEANUP) + ATTRIBUTES + MARKER + settings(tree)
    # bytes before the first branch: key, byte count and version of the tree, its members, and the array's own head
    array_head = 6 + len(root_object()) + len(root_string("")) + 8
    position = key_length + 6 + len(head) + array_head
    places: dict[str, int] = {}
    branches = []
    for branch in tree.branches:
        packed, places[branch.name] = pack_branch(branch, position, places)
        branches.append(packed)
        position += len(packed)
    leaves = [struct.pack(">I", places[branch.name]) for branch in tree.branches]
    # no aliases, index values, index, tree index, friends, user info, reference table
    return counted(20, head + object_array(branches) + object_array(leaves) + bytes(28))


def settings(tree: TreeHeader) -> bytes:
    """The numbers of a tree."""
    packed = struct.pack(
        ">qqqqqdiiiiIqqqqqq",
        tree.entries,
        sum(branch.total_bytes for branch in tree.branches),
        sum(branch.zipped_bytes for branch in tree.branches),
        0,
        sum(branch.zipped_bytes for branch in tree.branches),
        tree.weight,
        tree.timer_interval,
        tree.scan_field,
        tree.update,
        tree.default_entry_offset_length,
        len(tree.cluster_ends),
        tree.max_entries,
        tree.max_entry_loop,
        tree.max_virtual_size,
        tree.auto_save,
        tree.auto_flush,
        tree.estimate,
    )
    present = b"\1" if len(tree.cluster_ends) else b"\0"
    ends, sizes = (np.asarray(a, ">i8").tobytes() for a in (tree.cluster_ends, tree.cluster_sizes))
    return packed + present + ends + present + sizes + io_features(tree.io_bits)


def io_features(bits: int) -> bytes:
    """A ``ROOT::TIOFeatures``, which is written by checksum."""
    return counted(0, struct.pack(">IB", IO_FEATURES_CHECKSUM, bits))


def pack_branch(branch: BranchHeader, position: int, places: dict[str, int]) -> tuple[bytes, int]:
    """A branch behind its pointer, and what a reference to its leaf has to hold."""
    baskets = branch.baskets
    capacity = len(baskets.sizes) + 1
    head = named(branch.name, branch.title, NO_BUFFER_MAP) + FILL
    head += struct.pack(
        ">iiiiq",
        branch.compression,
        branch.basket_size,
        branch.entry_offset_length,
        len(baskets.sizes),
        branch.entries,
    )
    head += io_features(branch.io_bits)
    head += struct.pack(
        ">iIiqqqq",
        0,
        capacity,
        branch.split_level,
        branch.entries,
        branch.first_entry,
        branch.total_bytes,
        branch.zipped_bytes,
    )
    head += object_array([])
    before = 8 + len(b"TBranch\0") + 6 + len(head) + 6 + len(root_object()) + len(root_string("")) + 8
    leaf_place = position + before + 2
    leaf = pack_leaf(branch.leaf, places)
    end = branch.embedded_entry if branch.embedded else branch.entries
    arrays = b"\1" + np.asarray([*baskets.sizes, 0], ">i4").tobytes()
    arrays += b"\1" + np.asarray([*baskets.entries, end], ">i8").tobytes()
    arrays += b"\1" + np.asarray([*baskets.seeks, 0], ">i8").tobytes()
    held = object_array([bytes(4)] * len(baskets.sizes) + [branch.embedded] if branch.embedded else [])
    body = head + object_array([leaf]) + held + arrays + root_string("")
    return any_object("TBranch", counted(13, body)), leaf_place


def pack_leaf(leaf: LeafHeader, places: dict[str, int]) -> bytes:
    """A leaf behind its pointer."""
    base = named(leaf.name, leaf.title)
    base += struct.pack(">iii??", leaf.length, leaf.width, leaf.offset, leaf.is_range, leaf.unsigned)
    base += struct.pack(">I", 0 if leaf.counter is None else places[leaf.counter])
    limits = struct.pack(LIMITS[leaf.letter], leaf.minimum, leaf.maximum)
    return any_object(f"TLeaf{leaf.letter}", counted(1, counted(2, base) + limits))
