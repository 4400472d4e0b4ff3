"""A branch as uproot reads it from a header, described as plain data. The only part that knows uproot."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import uproot

from hepae.root.ttree.layouts.branch import BranchType, LeafType
from hepae.root.ttree.layouts.classes import T_OBJECT, ClassType, Member
from hepae.root.ttree.layouts.cpptypes import TEXTS, collection_type, number
from hepae.root.ttree.layouts.fields import column_path
from hepae.root.ttree.layouts.members import is_coded, member_field

__all__ = ["branch_path", "describe", "describe_tree", "owners_of"]

DIMENSION: Final = re.compile(r"\[(\d+)\]")
MOST_BASES: Final = 8
"""How deep classes may be inside each other."""

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
    name = typename(branch, streamer)
    return BranchType(str(branch.classname), leaves, kind, streamer, name, object_in(branch, name))


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
    if code is None or not is_coded(int(code)):
        return None
    element = branch.streamer
    return None if element is None else str(element.title)


def object_in(branch: Any, name: str) -> ClassType | None:
    """The class of the objects that a branch stores, or of those in its vectors; None where they are no objects."""
    item = collection_type(name).item
    if not item or number(item) is not None or item in TEXTS or item.endswith("*"):
        return None
    return class_type(branch.file, item)


def class_type(file: Any, name: str, depth: int = 0) -> ClassType | None:
    """A class from the streamer information of a file; None where its objects have no fixed width."""
    if name == T_OBJECT:
        return ClassType(name)
    info = file.streamer_named(name)
    if info is None or depth > MOST_BASES:
        return None
    members = [member_of(file, element, depth + 1) for element in info.elements]
    known = [member for member in members if member is not None]
    return ClassType(str(info.name), tuple(known)) if known and len(known) == len(members) else None


def member_of(file: Any, element: Any, depth: int) -> Member | None:
    """A member or a base class of a class; None of pointers, collections and strings."""
    kind, name = element.classname, str(element.name)
    if kind == "TStreamerBase":
        base = class_type(file, name, depth)
        return None if base is None else Member("", object=base)
    if kind in ("TStreamerObject", "TStreamerObjectAny") and not int(element.member("fArrayLength")):
        inside = class_type(file, str(element.typename), depth)
        return None if inside is None else Member(name, object=inside)
    if kind != "TStreamerBasicType":
        return None
    sizes = element.member("fMaxIndex")[: int(element.member("fArrayDim"))]
    shape = tuple(int(size) for size in sizes)
    field = member_field(int(element.member("fType")), shape, str(element.title))
    return None if field is None or 0 in shape else Member(name, field)
