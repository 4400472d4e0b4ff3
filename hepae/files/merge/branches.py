"""Whether branches of several trees are the same, so that baskets of one can stand behind those of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hepae.errors import SchemaError, UnsupportedError
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.header import TreeHeader
from hepae.stored.titles import parse_title

__all__ = ["raise_maxima", "require_same_branches", "require_whole"]

RANGED = ("TLeafD32", "TLeafF16")
"""Leaves whose titles say how their numbers are packed."""

Facts = Mapping[str, object]


def facts_of(branch: BranchHeader) -> Facts:
    """All that decides what the bytes of a branch mean."""
    record = branch.record
    elements = ("fCheckSum", "fClassVersion", "fID", "fType", "fStreamerType")
    payload = parse_title(branch.title)
    return {
        "class": branch.classname,
        "type": branch.object_class,
        "leaves": [
            (
                leaf.classname,
                leaf.name,
                None if leaf.classname == "TLeafC" else leaf.length,
                leaf.width,
                leaf.unsigned,
                leaf.counter is not None,
                leaf.title if leaf.classname in RANGED else "",
            )
            for leaf in branch.leaves
        ],
        "streamed": tuple(record.number(name) for name in elements),
        "offsets": bool(record.number("fEntryOffsetLen")),
        "payload and bound": None if payload is None else (payload.codec, payload.dtype, str(payload.bound)),
    }


FILL = "fill it with zeros where it is missing: --fill"


def require_same_branches(first: TreeHeader, other: TreeHeader, fill: bool = False, hint: str = FILL) -> None:
    """Refuse trees whose branches differ.

    Parameters
    ----------
    first, other
        Two trees.
    fill
        Whether branches that only one of them has are no difference.
    hint
        What to do about one that is missing.

    Raises
    ------
    SchemaError
        Naming the first difference.
    """
    ours, theirs = ({branch.path: branch for branch in tree.branches} for tree in (first, other))
    for path in () if fill else sorted(ours.keys() ^ theirs.keys()):
        has, lacks = (first, other) if path in ours else (other, first)
        raise SchemaError(
            "trees with different branches",
            where=lacks.where,
            expected=f"{path}, as in {has.where}",
            got="no such branch",
            hint=hint,
        )
    for path in ours.keys() & theirs.keys():
        mine, their = facts_of(ours[path]), facts_of(theirs[path])
        for name in mine:
            if mine[name] != their[name]:
                raise SchemaError(
                    f"a branch of another {name}",
                    where=f"{other.where}, {path}",
                    expected=f"{mine[name]}, as in {first.where}",
                    got=str(their[name]),
                )


def require_whole(header: TreeHeader, last: bool) -> None:
    """Refuse a branch that has fewer entries than its tree, behind which others cannot stand.

    Parameters
    ----------
    header
        A tree.
    last
        Whether nothing comes behind it.

    Raises
    ------
    UnsupportedError
        Naming the branch.
    """
    for branch in header.branches:
        table = branch.baskets
        if not len(table) or branch.classname == "TBranchRef":
            continue
        first, stop = int(table.entries[0]), int(table.entries[-1])
        if first or stop > header.entries or (stop < header.entries and not last):
            raise UnsupportedError(
                "a branch does not have every entry of its tree",
                where=f"{header.where}, {branch.path}",
                expected=f"0 to {header.entries}",
                got=f"{first} to {stop}",
                hint="name that file last, or write its tree anew with RDataFrame::Snapshot",
            )


def raise_maxima(header: TreeHeader, others: Sequence[TreeHeader]) -> None:
    """Let the leaves and branches of a header know of the largest counts and lengths that others have seen."""
    here = {branch.path: branch for branch in header.branches}
    for branch in (branch for other in others for branch in other.branches if branch.path in here):
        mine = here[branch.path]
        largest = max(int(one.record.number("fMaximum")) for one in (mine, branch))
        mine.record.put("fMaximum", largest)
        for leaf, theirs in zip(mine.leaves, branch.leaves, strict=False):
            if leaf.classname == "TLeafC":
                leaf.raise_length(int(theirs.maximum))
            elif leaf.is_range or theirs.is_range:
                leaf.raise_maximum(int(theirs.maximum))
