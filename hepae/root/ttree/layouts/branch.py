"""What a branch says of itself, as plain data: enough to choose a layout, without the file."""

from __future__ import annotations

import msgspec

from hepae.root.ttree.layouts.classes import ClassType

__all__ = ["BranchType", "LeafType"]


class LeafType(msgspec.Struct, frozen=True, omit_defaults=True):
    """A leaf of a branch.

    Parameters
    ----------
    classname
        ``"TLeafF"``, ``"TLeafElement"``, …
    name
        Of the leaf.
    shape
        Its fixed dimensions.
    unsigned
        Whether its integers are.
    counter
        Path of the branch, or name of the leaf of the same branch (``inside``), that counts it.
    inside
        Whether its counter is a leaf of the same branch.
    title
        Where the range of a ``Double32_t`` or ``Float16_t`` stands; None where it does not matter, or is not known.
    """

    classname: str
    name: str
    shape: tuple[int, ...] = ()
    unsigned: bool = False
    counter: str = ""
    inside: bool = False
    title: str | None = None


class BranchType(msgspec.Struct, frozen=True, omit_defaults=True):
    """A branch of a TTree.

    Parameters
    ----------
    classname
        ``"TBranch"``, ``"TBranchElement"``, …
    leaves
        Its leaves in order.
    kind
        ``fType`` of a ``TBranchElement``: 0 to 2 for members and objects, 3 and 4 for the counts of split collections,
        31 and 41 for their members, -1 for what is no class with members.
    streamer
        ``fStreamerType``: the code of ``TVirtualStreamerInfo::EReadWrite``, -1 for a branch at the top.
    typename
        C++ type of what is stored, as the file writes it; empty of a ``TBranch``.
    object
        The class of the objects that it stores, or of those in its vectors, if these have one width.
    """

    classname: str
    leaves: tuple[LeafType, ...]
    kind: int = 0
    streamer: int = 0
    typename: str = ""
    object: ClassType | None = None
