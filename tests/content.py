"""Checksums of what a file holds besides the numbers that are compared one by one."""

from __future__ import annotations

import numpy as np
import xxhash

from hepae.errors import UnsupportedError
from hepae.root.file.directory import DIRECTORIES
from hepae.root.file.reading import reading
from hepae.root.file.source import OWN_TREES, Source
from hepae.root.tree import TreeReader
from hepae.root.ttree.reader import TTreeReader

__all__ = ["content_checksum", "other_objects"]

TREES = ("TTree", "TNtuple", "TNtupleD")


def content_checksum(tree: TreeReader, branch: str) -> str:
    """Checksum of all bytes of a branch and of where its entries begin, however they are spread over baskets."""
    if not isinstance(tree, TTreeReader):
        raise UnsupportedError("only branches of a TTree have baskets", where=f"{tree.where}, {branch}")
    content, lengths = xxhash.xxh3_128(), xxhash.xxh3_128()
    with reading(f"{tree.where}, {branch}"):
        source = tree.sources[branch]
        for number in range(source.num_baskets):
            basket = source.basket(number)
            content.update(np.ascontiguousarray(basket.data).tobytes())
            if basket.byte_offsets is not None:
                lengths.update(np.diff(np.asarray(basket.byte_offsets, np.int64)).tobytes())
    return content.hexdigest() + lengths.hexdigest()


def other_objects(source: Source, tree: str) -> dict[str, str]:
    """Class and checksum of every object of a file but one tree and the table of models, by path and cycle."""
    found = {}
    for key in source.keys:
        if key.path in (tree, *OWN_TREES) or key.classname in DIRECTORIES:
            continue
        name = f"{key.path};{key.cycle}"
        if key.classname in TREES:
            found[name] = _tree_checksum(source, name, key.path)
        else:
            found[name] = f"{key.classname} {xxhash.xxh3_128_hexdigest(source.object(key))}"
    return found


def _tree_checksum(source: Source, name: str, path: str) -> str:
    """Of all branches; the record of a tree itself holds positions, which differ between files."""
    with reading(f"{source.path}:{name}"):
        reader = TTreeReader(source.get(name), f"{source.path}:{path}")
    parts = (f"{branch} {content_checksum(reader, branch)}" for branch in reader.sources)
    return f"{reader.num_entries} entries {xxhash.xxh3_128_hexdigest(' '.join(parts).encode())}"
