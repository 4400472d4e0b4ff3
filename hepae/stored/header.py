"""The original header of a compressed tree: what its branches were, without baskets."""

from __future__ import annotations

import numpy as np

from hepae.root.file.packing import pack_pointer
from hepae.root.file.source import Source
from hepae.root.file.stored import read_record
from hepae.root.ttree.branches import Baskets
from hepae.root.ttree.header import TreeHeader, parse_tree

__all__ = ["header_of", "without_baskets"]

NO_BASKETS = Baskets(np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64))


def header_of(source: Source, path: str) -> TreeHeader:
    """The header of a tree as it is in its file."""
    key = source.directory.key(path)
    record = read_record(source, int(key.fSeekKey), int(key.fNbytes))
    return parse_tree(
        record.unpacked(), f"{source.path}:{path}", classname=str(key.fClassName), key_length=int(key.fKeylen)
    )


def without_baskets(header: TreeHeader) -> bytes:
    """A header without its baskets, as uproot can read it: tables of baskets have room for one."""
    header = header.copy()
    for branch in header.branches:
        branch.baskets = NO_BASKETS
        branch.count(0, 0, 0)
    header.count(0)
    return pack_pointer(header.top)
