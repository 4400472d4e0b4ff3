"""A TTree as an RNTuple: branches that share a counter are members of an untyped collection, projected to the top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hepae import limits
from hepae.progress import Report
from hepae.root.columns import Branch
from hepae.root.file.source import Key
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.plain import CountedLists, append_cluster, plain_header
from hepae.root.ttree.plan import NewBranch
from hepae.root.ttree.reader import TTreeReader

__all__ = ["write_as_ntuple"]


def write_as_ntuple(out: RootWriter, tree: TTreeReader, key: Key, report: Report) -> None:
    """Write a TTree as an RNTuple, a cluster for each run of entries.

    Parameters
    ----------
    out
        The file that is written.
    tree, key
        The tree, and its key.
    report
        Told how far the work is.
    """
    plan = list(planned(tree.branches))
    written = out.new_ntuple(key.path, plain_header(key.name, tree.title, plan), key=key)
    for start in range(0, tree.num_entries, limits.EVENTS_PER_CHUNK):
        stop = min(start + limits.EVENTS_PER_CHUNK, tree.num_entries)
        columns = {name: tree.read(name, start, stop) for name in tree.branches}
        append_cluster(written, plan, columns, stop - start)
        report("converting", stop, tree.num_entries, "")
    written.finish()


def planned(branches: Mapping[str, Branch]) -> Iterator[NewBranch | CountedLists]:
    """The fields of the RNTuple; branches that one branch counts are a group, where the first of them stands."""
    members: dict[str, list[NewBranch]] = {}
    for name, branch in branches.items():
        counter = counter_of(branch, branches)
        if counter is not None:
            members.setdefault(counter, []).append(field_of(name, branch))
    begun: set[str] = set(members)
    for name, branch in branches.items():
        counter = counter_of(branch, branches)
        if counter is None and name not in members:
            yield field_of(name, branch)
        elif counter in begun:
            begun.remove(counter)
            count = NewBranch(counter, branches[counter].dtype, branches[counter].title)
            yield CountedLists(collection_of(counter, branches), count, tuple(members[counter]))


def counter_of(branch: Branch, branches: Mapping[str, Branch]) -> str | None:
    """The branch that counts a list of numbers, where there is one; ROOT projects no arrays of fixed size."""
    numbers = branch.kind == "jagged" and not branch.shape
    return branch.counter if numbers and branch.counter in branches else None


def field_of(name: str, branch: Branch) -> NewBranch:
    """A list counts itself in an RNTuple."""
    dtype = "str" if branch.kind == "string" else branch.dtype
    return NewBranch(name, dtype, branch.title, "" if branch.kind == "jagged" else None, branch.shape)


def collection_of(counter: str, branches: Mapping[str, Branch]) -> str:
    """A name for what a branch counts: ``Jet`` of ``nJet``, where no branch is called so."""
    name = counter[1:] if counter[:1] in ("n", "N") and counter[1:] else f"_{counter}"
    while name in branches:
        name = f"_{name}"
    return name
