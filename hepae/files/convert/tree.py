"""An RNTuple as a TTree: lists are counted by branches of their own, or by the one that their cardinality names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hepae import limits
from hepae.progress import Report
from hepae.root.columns import Branch
from hepae.root.file.source import Key
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.ttree.plan import NewBranch

__all__ = ["write_as_tree"]


def write_as_tree(out: RootWriter, ntuple: RNTupleReader, key: Key, report: Report) -> None:
    """Write an RNTuple as a TTree.

    Parameters
    ----------
    out
        The file that is written.
    ntuple, key
        The RNTuple, and its key.
    report
        Told how far the work is.
    """
    written = out.new_tree(key.path, list(planned(ntuple.branches)), ntuple.title)
    for start in range(0, ntuple.num_entries, limits.EVENTS_PER_CHUNK):
        stop = min(start + limits.EVENTS_PER_CHUNK, ntuple.num_entries)
        written.append({name: ntuple.read(name, start, stop) for name in ntuple.branches})
        report("converting", stop, ntuple.num_entries, "")
    written.finish()


def planned(branches: Mapping[str, Branch]) -> Iterator[NewBranch]:
    """The branches of the TTree, each counter before what it counts."""
    begun: set[str] = set()
    for name, branch in branches.items():
        counter = counter_of(branch, branches) if branch.kind == "jagged" else None
        if counter is not None and counter not in begun:
            known = branches.get(counter)
            begun.add(counter)
            yield NewBranch(counter, "int32", "" if known is None else known.title)
        if name not in begun:
            dtype = "str" if branch.kind == "string" else branch.dtype
            yield NewBranch(name, dtype, branch.title, counter, branch.shape)


def counter_of(branch: Branch, branches: Mapping[str, Branch]) -> str:
    """The branch that counts a list: that of its cardinality, or a new one."""
    if branch.counter is not None:
        return branch.counter
    name = f"n{branch.name}"
    while name in branches:
        name = f"n_{name}"
    return name
