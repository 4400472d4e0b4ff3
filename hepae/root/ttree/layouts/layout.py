"""Which layout a branch has, and whether it holds for a basket."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from hepae.arrays import Array, Integers
from hepae.errors import InputError
from hepae.root.ttree.layouts.basket import Basket
from hepae.root.ttree.layouts.branch import BranchType, LeafType
from hepae.root.ttree.layouts.checks import Offsets
from hepae.root.ttree.layouts.collection import Collection
from hepae.root.ttree.layouts.cpptypes import collection_type, number
from hepae.root.ttree.layouts.fields import Field
from hepae.root.ttree.layouts.members import AFTER_POINTERS, POINTER, coded_field, member_field
from hepae.root.ttree.layouts.memberwise import Memberwise
from hepae.root.ttree.layouts.rows import Counted, Leaf, LeafList, Scalar

__all__ = ["Layout", "fitted", "layout_of", "round_trip"]

Layout: TypeAlias = Scalar | Counted | LeafList | Collection | Memberwise
"""How the bytes of a branch become columns; msgspec writes each with its tag."""

BYTES: Final = Field("", "uint8")

LEAVES: Final = {
    "TLeafO": ("uint8", "uint8"),
    "TLeafB": ("int8", "uint8"),
    "TLeafS": ("int16", "uint16"),
    "TLeafI": ("int32", "uint32"),
    "TLeafL": ("int64", "uint64"),
    "TLeafG": ("int64", "uint64"),
    "TLeafF": ("float32", "float32"),
    "TLeafD": ("float64", "float64"),
}
"""Dtypes of leaves, signed and unsigned."""

TSTRING, STL, STL_STRING, TOP = 65, 300, 365, -1
OBJECTS = (0, 61, 62)
OBJECT_KINDS, COUNT_KINDS, MEMBER_KINDS = (-1, 0, 1, 2), (3, 4), (31, 41)
"""``TBranchElement::fType``: objects and their members, the counts of split collections, the members of these."""


def layout_of(branch: BranchType) -> Layout | None:
    """The layout of a branch, or None of one that is kept as it is.

    Examples
    --------
    >>> layout = layout_of(BranchType("TBranch", (LeafType("TLeafF", "Jet_pt", counter="nJet"),)))
    >>> layout.fields[0].dtype, layout.counter
    ('float32', 'nJet')
    """
    if not branch.leaves or any(0 in leaf.shape for leaf in branch.leaves):
        return None
    if branch.classname == "TBranch":
        return of_leaf(branch.leaves[0]) if len(branch.leaves) == 1 else of_leaves(branch.leaves)
    if branch.classname == "TBranchElement" and len(branch.leaves) == 1:
        return of_element(branch)
    return None


def of_leaf(leaf: LeafType) -> Layout | None:
    """A branch with one leaf."""
    if leaf.classname == "TLeafC":
        return None if leaf.counter else Collection((BYTES,), 0, text=True)
    field = leaf_field(leaf, "")
    if field is None or leaf.inside:
        return None
    return Counted((field,), leaf.counter) if leaf.counter else Scalar((field,))


def of_leaves(leaves: tuple[LeafType, ...]) -> Layout | None:
    """A branch with several leaves."""
    fields = [leaf_field(leaf, leaf.name) for leaf in leaves]
    known = [field for field in fields if field is not None]
    if len(known) < len(leaves) or len({leaf.name for leaf in leaves}) < len(leaves):
        return None
    if not any(leaf.counter for leaf in leaves):
        return Scalar(tuple(known))
    scalars: set[str] = set()
    for leaf in leaves:
        if leaf.inside and leaf.counter not in scalars:
            return None
        if not leaf.counter and not leaf.shape:
            scalars.add(leaf.name)
    return LeafList(
        tuple(Leaf(field, leaf.counter, leaf.inside) for field, leaf in zip(known, leaves, strict=True))
    )


def leaf_field(leaf: LeafType, name: str) -> Field | None:
    """The numbers of a leaf of a plain branch."""
    if leaf.classname == "TLeafO":
        return Field(name, "uint8", leaf.shape, "bool")
    if leaf.classname in LEAVES:
        return Field(name, LEAVES[leaf.classname][leaf.unsigned], leaf.shape)
    if leaf.classname in ("TLeafD32", "TLeafF16"):
        return coded_field(leaf.classname == "TLeafD32", leaf.shape, leaf.title, name)
    return None


def of_element(branch: BranchType) -> Layout | None:
    """A branch of a split object or of a collection."""
    leaf = branch.leaves[0]
    if branch.kind in COUNT_KINDS:
        return Scalar((Field("", "int32"),))
    if branch.kind in OBJECT_KINDS and leaf.counter:
        return of_pointer(branch)
    if branch.kind not in (*OBJECT_KINDS, *MEMBER_KINDS) or (branch.kind in MEMBER_KINDS) != bool(
        leaf.counter
    ):
        return None
    if branch.streamer in (TSTRING, STL, STL_STRING, TOP):
        return of_collection(branch)
    field = member_field(branch.streamer, leaf.shape, leaf.title)
    if field is not None:
        return Counted((field,), leaf.counter) if leaf.counter else Scalar((field,))
    return of_object(branch) if branch.streamer in OBJECTS else None


def of_pointer(branch: BranchType) -> Layout | None:
    """``x[n]`` of a split object."""
    leaf = branch.leaves[0]
    if not POINTER < branch.streamer < AFTER_POINTERS or leaf.shape:
        return None
    field = member_field(branch.streamer - POINTER, leaf.shape, leaf.title)
    return None if field is None else Counted((field,), leaf.counter, flagged=True)


def of_object(branch: BranchType) -> Layout | None:
    """Objects that are not split, if they have one width; their fields are seen in the first (`fitted`)."""
    leaf = branch.leaves[0]
    if branch.object is None or leaf.shape:
        return None
    if leaf.counter:
        return Counted((), leaf.counter, object=branch.object)
    return Scalar((), branch.object)


def of_collection(branch: BranchType) -> Layout | None:
    """Vectors and strings; what is in them is said by the name of the type."""
    leaf, known = branch.leaves[0], collection_type(branch.typename)
    text, field = known.is_text, number(known.item)
    if leaf.shape or not (known.marks or text):
        return None if leaf.shape or field is not None else of_object(branch)
    if not text and field is None and branch.object is None:
        return None
    fields = (BYTES,) if text else () if field is None else (field,)
    depth = len(known.marks)
    header = branch.streamer != TSTRING and (branch.streamer != TOP or depth > 0)
    marks = ("",) * bool(leaf.counter) + known.marks if any(known.marks) else ()
    kind = branch.object if not fields else None
    return Collection(fields, depth, text, header, leaf.counter, marks, object=kind)


def fitted(layout: Layout, data: Array, offsets: Offsets) -> Layout:
    """A layout with what only the bytes of a basket tell; the largest basket of a branch tells most.

    It tells the version in the header of vectors, how empty strings are stored, and what objects are made of. Baskets
    that differ in these do not come back (`round_trip`).

    Parameters
    ----------
    layout
        From `layout_of`.
    data : uint8[n]
        The bytes of a basket.
    offsets : int64[entries + 1] or None
        Where its entries begin.
    """
    if isinstance(layout, LeafList):
        return layout
    seen = layout.fitted(data, offsets)
    if isinstance(seen, Collection) and seen.by_member is not None and offsets is not None and len(data):
        return Memberwise.seen(seen.by_member, data, offsets) or seen
    return seen


def round_trip(
    layout: Layout, basket: Basket, counts: Mapping[str, Integers] = MappingProxyType({}), where: str = ""
) -> bool:
    """Whether a basket comes back byte for byte from its columns.

    Parameters
    ----------
    layout
        From `layout_of`, `fitted` to the branch.
    basket
        What to try.
    counts : dict of int64[entries]
        For each of ``layout.counters`` the counts for the entries of the basket.
    where
        File, branch, basket, for messages.

    Examples
    --------
    >>> layout = Scalar((Field("", "int16"),))
    >>> round_trip(layout, Basket.of(np.zeros(4, np.uint8), None, 2))
    True
    >>> round_trip(layout, Basket.of(np.zeros(3, np.uint8), None, 2))
    False
    """
    try:
        columns = layout.decode(basket.data, basket.offsets, basket.entries, counts, where)
    except InputError:
        return False
    data, offsets = layout.encode(columns)
    table = basket.offsets is None or np.array_equal(offsets, basket.offsets)
    return table and np.array_equal(data, basket.data)
