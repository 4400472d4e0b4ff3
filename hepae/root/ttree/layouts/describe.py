"""A branch as uproot reads it from a header, described as plain data. The only part that knows uproot."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import uproot

from hepae.root.ttree.layouts.branch import BranchType, LeafType
from hepae.root.ttree.layouts.fields import column_path

__all__ = ["branch_path", "describe", "describe_tree", "owners_of"]

DIMENSION: Final = re.compile(r"\[(\d+)\]")
CODED_MEMBERS: Final = (9, 19)
"""``kDouble32`` and ``kFloat16``; `ARRAY` more of fixed arrays, twice as many of pointers."""

ARRAY: Final = 20

TOP: Final = -1


def describe_tree(tree: Any) -> dict[str, BranchType]:
    """What the branches of an uproot ``TTree`` say of themselves, by path, sub-branches too.

    Of two branches with one path the first is described. Nothing is read but, for some, the streamer information of
    the file.

    Examples
    --------
    >>> import uproot, tempfile, pathlib, numpy as np
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.root"
    >>> with uproot.recreate(path) as file:
    ...     file.mktree("t", {"x": "2 * float32"}).extend({"x": np.zeros((5, 2), "f4")})
    >>> describe_tree(uproot.open(path)["t"])["x"].leaves[0].shape
    (2,)
    """
    owners = owners_of(tree)
    branches: dict[str, Any] = {}
    for path, branch in tree.iteritems(recursive=True):
        branches.setdefault(str(path), branch)
    return {path: describe(branch, owners) for path, branch in branches.items()}


def owners_of(tree: Any) -> dict[int, Any]:
    """The branch of each leaf, by the identity of the leaf.

    The parent that uproot says is where it met a leaf first, which for a counter may be a leaf that it counts.
    """
    branches = [branch for _, branch in tree.iteritems(recursive=True)]
    return {id(leaf): branch for branch in branches for leaf in branch.member("fLeaves")}


def describe(branch: Any, owners: Mapping[int, Any]) -> BranchType:
    """What an uproot ``TBranch`` says of itself, given the branches of leaves (`owners_of`)."""
    leaves = tuple(describe_leaf(branch, leaf, owners) for leaf in branch.member("fLeaves"))
    if branch.classname != "TBranchElement":
        return BranchType(str(branch.classname), leaves)
    kind, streamer = int(branch.member("fType")), int(branch.member("fStreamerType"))
    return BranchType(str(branch.classname), leaves, kind, streamer, typename(branch, streamer))


def typename(branch: Any, streamer: int) -> str:
    """C++ type of an element; empty where the file does not say."""
    if streamer == TOP:
        return str(branch.member("fClassName"))
    element = branch.streamer
    return "" if element is None else str(element.typename)


def describe_leaf(branch: Any, leaf: Any, owners: Mapping[int, Any]) -> LeafType:
    """A leaf with its dimensions and its counter."""
    count = leaf.member("fLeafCount", none_if_missing=True)
    owner = None if count is None else owners.get(id(count))
    inside = owner is branch
    name = "" if count is None else str(count.member("fName"))
    return LeafType(
        str(leaf.classname),
        str(leaf.member("fName")),
        shape(str(leaf.member("fTitle")), int(leaf.member("fLen"))),
        bool(leaf.member("fIsUnsigned")),
        name if inside or owner is None else column_of(owner, name),
        inside,
        range_title(branch, leaf),
    )


def column_of(branch: Any, leaf: str) -> str:
    """The column of a leaf of a branch."""
    return column_path(branch_path(branch), leaf if len(branch.member("fLeaves")) > 1 else "")


def shape(title: str, length: int) -> tuple[int, ...]:
    """Fixed dimensions: those of the title where they multiply to the length of the leaf.

    Examples
    --------
    >>> shape("x[n][3][4]", 12), shape("hits_", 1), shape("Edges[Tower_]", 4)
    ((3, 4), (), (4,))
    """
    named = tuple(int(size) for size in DIMENSION.findall(title))
    if math.prod(named) == length:
        return named
    return (length,) if length > 1 else ()


def branch_path(branch: Any) -> str:
    """Names of the branches that a branch is in, and its own, with slashes between them."""
    names: list[str] = []
    while isinstance(branch, uproot.behaviors.TBranch.TBranch):
        names.insert(0, str(branch.name))
        branch = branch.parent
    return "/".join(names)


def range_title(branch: Any, leaf: Any) -> str | None:
    """The title that may have a range: of the leaf itself, or of the member in the streamer information."""
    if leaf.classname in ("TLeafD32", "TLeafF16"):
        return str(leaf.member("fTitle"))
    code = leaf.member("fType", none_if_missing=True)
    if code is None or not 0 < int(code) < 3 * ARRAY or int(code) % ARRAY not in CODED_MEMBERS:
        return None
    element = branch.streamer
    return None if element is None else str(element.title)
