"""Digests of what is in a file besides numbers, to tell whether a copy is one. Independent of where it is stored."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from hepae.rootio.rest import DIRECTORIES, RNTUPLES, TREES, keys_of
from hepae.rootio.source import MODELS_TREE, Source, reading
from hepae.rootio.stored import read_record
from hepae.rootio.tree import TreeReader
from hepae.rootio.ttree import TTreeReader

__all__ = ["content_checksum", "other_objects"]


def content_checksum(tree: TreeReader, branch: str) -> str:
    """Digest of all bytes of a branch of a TTree and of the bytes per event, whatever its type and its baskets."""
    if not isinstance(tree, TTreeReader):
        return ""
    with reading(f"{tree.where}, {branch}"):
        return branch_digest(tree.sources[branch])


def branch_digest(branch: Any) -> str:
    data, lengths = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    for number in range(branch.num_baskets):
        basket = branch.basket(number)
        data.update(np.asarray(basket.data).tobytes())
        if basket.byte_offsets is not None:
            lengths.update(np.diff(np.asarray(basket.byte_offsets, np.int64)).tobytes())
    return data.hexdigest() + lengths.hexdigest()


def other_objects(source: Source, tree: str) -> dict[str, str]:
    """Digests of all keys of a file but one tree and hepae's own, by path and cycle.

    Parameters
    ----------
    source
        The file.
    tree
        Path or name of the tree to leave out, in all its cycles.
    """
    found = {}
    for path, key in keys_of(source):
        classname = str(key.fClassName)
        if path in (tree, MODELS_TREE) or path.rpartition("/")[2] == tree:
            continue
        item = f"{path};{key.fCycle}"
        if classname in DIRECTORIES or classname in RNTUPLES:
            found[item] = classname
        elif classname in TREES:
            found[item] = tree_digest(source, item)
        else:
            stored = read_record(source, int(key.fSeekKey), int(key.fNbytes))
            head = f"{classname} {key.fTitle} ".encode()
            found[item] = hashlib.blake2b(head + stored.unpacked(), digest_size=16).hexdigest()
    return found


def tree_digest(source: Source, item: str) -> str:
    """Digest of all branches of a tree: names, titles, classes and contents."""
    digest = hashlib.blake2b(digest_size=16)
    with reading(f"{source.path}:{item}"):
        tree = source.directory[item]
        digest.update(f"{tree.name} {tree.title} {tree.num_entries}".encode())
        for path, branch in tree.iteritems(recursive=True):
            digest.update(f"{path} {branch.title} {branch.classname} {branch_digest(branch)}".encode())
    return digest.hexdigest()
