"""Columns of the fields of an RNTuple, as an analysis sees them. No I/O.

A leaf is a physical column of elements. The fields above it say how its elements belong to entries: an index column
counts them, a fixed size multiplies them. Fixed sizes below the last count are the dimensions of a value.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from hepae.root.rntuple.encodings import PageEncoding

__all__ = ["FieldLeaf", "FieldLevel", "PhysicalColumn", "TopField", "physical_columns"]


@dataclass(frozen=True)
class PhysicalColumn:
    """A column of pages.

    Attributes
    ----------
    number
        Its number in the RNTuple.
    encoding
        Of its pages.
    deferred
        Whether it was added while clusters were written: elements before are zero and not stored.
    """

    number: int
    encoding: PageEncoding
    deferred: bool = False


@dataclass(frozen=True)
class FieldLevel:
    """How many rows a row has.

    Attributes
    ----------
    index
        The index column that says so; None where all have ``size``.
    """

    index: PhysicalColumn | None
    size: int = 0


@dataclass(frozen=True)
class FieldLeaf:
    """A column of elements.

    Attributes
    ----------
    name
        Path of its field, anonymous items left out; that of the first projection of it, if there is one.
    column
        Where its elements are.
    levels
        From the entry down.
    shape
        Dimensions of a value.
    counts
        Whether the elements are offsets, which become counts: of a collection that holds nothing, or a cardinality.
    """

    name: str
    column: PhysicalColumn
    levels: tuple[FieldLevel, ...]
    shape: tuple[int, ...]
    counts: bool = False

    @property
    def dtype(self) -> str:
        """Of its values."""
        return self.column.encoding.dtype.name


@dataclass
class TopField:
    """A field at the top, with all that is in it.

    Attributes
    ----------
    number, name
        Of the field.
    members
        Numbers of all fields in it, its own first.
    columns
        Numbers of their physical columns, all representations.
    leaves
        Its columns as an analysis sees them; none where it cannot be taken apart.
    """

    number: int
    name: str
    members: list[int] = field(default_factory=list)
    columns: list[int] = field(default_factory=list)
    leaves: list[FieldLeaf] = field(default_factory=list)


def physical_columns(leaves: Iterable[FieldLeaf]) -> dict[int, PhysicalColumn]:
    """The columns of pages that leaves need, index columns included, by number and in its order."""
    needed = {}
    for leaf in leaves:
        needed[leaf.column.number] = leaf.column
        needed |= {level.index.number: level.index for level in leaf.levels if level.index is not None}
    return dict(sorted(needed.items()))
