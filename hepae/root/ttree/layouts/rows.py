"""Rows of fixed width: one per entry, as many as a counter says, or leaf after leaf."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from hepae.arrays import Array, Integers
from hepae.core.values.nested import Nested
from hepae.root.ttree.layouts.checks import Offsets, entry_lengths, require, require_whole_rows
from hepae.root.ttree.layouts.classes import ClassType, fields_of_object
from hepae.root.ttree.layouts.fields import ColumnType, Field, named, packed, row_dtype, unpacked
from hepae.root.ttree.layouts.runs import edges_of, gathered, positions

__all__ = ["Counted", "Leaf", "LeafList", "Scalar", "given", "row_width", "to_columns", "to_rows"]


class Scalar(msgspec.Struct, frozen=True, tag="scalar", omit_defaults=True):
    """One row per entry: numbers, fixed arrays, several leaves without counters, the counts of split collections.

    Parameters
    ----------
    fields
        What is in a row; nothing, as long as no object has been seen.
    object
        The class of objects in rows, None of numbers.
    """

    fields: tuple[Field, ...]
    object: ClassType | None = None

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        """What a basket becomes."""
        return tuple(ColumnType(field) for field in named(self.fields))

    @property
    def counters(self) -> tuple[str, ...]:
        """Columns whose counts `decode` may need."""
        return ()

    def decode(
        self, data: Array, offsets: Offsets, entries: int, counts: Mapping[str, Integers], where: str
    ) -> dict[str, Nested]:
        """Bytes to columns.

        Parameters
        ----------
        data : uint8[n]
            The bytes of all entries of a basket.
        offsets : int64[entries + 1] or None
            Where each entry begins and the last ends, if the basket says so.
        entries
            How many.
        counts : dict of integers[entries]
            Of each of `counters`, if ``offsets`` do not tell.
        where
            File, branch, basket, for messages.

        Raises
        ------
        InputError
            If the bytes are not those of this layout.
        """
        width = row_width(self.fields, where)
        require(len(data) == entries * width, "basket has another size", where, entries * width, len(data))
        if offsets is not None:
            lengths = entry_lengths(offsets, entries, len(data), where)
            require(lengths == width, "an entry has another size", where, width)
        return to_columns(self.fields, (), data, where)

    def fitted(self, data: Array, offsets: Offsets) -> Scalar:
        """This layout, with the fields of its objects if it sees any."""
        if self.object is None or self.fields:
            return self
        return msgspec.structs.replace(self, fields=fields_of_object(self.object, data))

    def encode(self, columns: Mapping[str, Nested]) -> tuple[Array, Integers]:
        """Columns to bytes ``uint8[n]``, and where each entry begins and the last ends, ``int64[entries + 1]``."""
        data, width = to_rows(self.fields, columns), row_dtype(self.fields).itemsize
        return data, np.arange(len(data) // width + 1) * width


class Counted(msgspec.Struct, frozen=True, tag="counted", omit_defaults=True):
    """As many rows per entry as another branch says: ``x[n]``, members of split collections.

    Parameters
    ----------
    fields
        What is in a row.
    counter
        Path of the branch that has the counts.
    flagged
        Whether a byte stands before the rows, 1 where there are any: pointers ``x[n]`` of split objects.
        Source: ``TStreamerInfo::WriteBufferAux``, ``kOffsetP``.
    object
        The class of objects in rows, None of numbers.
    """

    fields: tuple[Field, ...]
    counter: str
    flagged: bool = False
    object: ClassType | None = None

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        """What a basket becomes."""
        return tuple(ColumnType(field, 1, counter=self.counter) for field in named(self.fields))

    @property
    def counters(self) -> tuple[str, ...]:
        """Columns whose counts `decode` may need."""
        return (self.counter,)

    def decode(
        self, data: Array, offsets: Offsets, entries: int, counts: Mapping[str, Integers], where: str
    ) -> dict[str, Nested]:
        """Bytes to columns: see `Scalar.decode`."""
        lead, width = int(self.flagged), row_width(self.fields, where)
        if offsets is None:
            offsets = edges_of(lead + given(counts, self.counter, entries, len(data), where) * width)
        lengths = entry_lengths(offsets, entries, len(data), where) - lead
        require(lengths >= 0, "an entry has no flag", where)
        rows = require_whole_rows(lengths, width, where)
        if self.flagged:
            flags = data[offsets[:-1]]
            require(flags == (rows > 0), "a flag is not what the size of the entry says", where)
            data = np.delete(data, offsets[:-1])
        return to_columns(self.fields, (rows,), data, where)

    def fitted(self, data: Array, offsets: Offsets) -> Counted:
        """This layout, with the fields of its objects if it sees any."""
        if self.object is None or self.fields or offsets is None:
            return self
        return msgspec.structs.replace(self, fields=fields_of_object(self.object, data[int(offsets[0]) :]))

    def encode(self, columns: Mapping[str, Nested]) -> tuple[Array, Integers]:
        """Columns to bytes: see `Scalar.encode`."""
        (rows,) = columns[named(self.fields)[0].name].levels
        data = to_rows(self.fields, columns)
        edges = edges_of(rows * row_dtype(self.fields).itemsize)
        if not self.flagged:
            return data, edges
        return np.insert(data, edges[:-1], rows > 0), edges + np.arange(len(edges))


class Leaf(msgspec.Struct, frozen=True, omit_defaults=True):
    """One leaf of several.

    Parameters
    ----------
    field
        What it is.
    counter
        Path of the branch, or name of the leaf before it (``inside``), that counts it; empty: one row per entry.
    inside
        Whether the counter is a leaf of this very branch.
    """

    field: Field
    counter: str = ""
    inside: bool = False


class LeafList(msgspec.Struct, frozen=True, tag="leaves"):
    """Several leaves, one after the other in each entry, some of them counted: ``n/I:x[n]/F``.

    Parameters
    ----------
    leaves
        In order; a counter inside the branch stands before what it counts.
    """

    leaves: tuple[Leaf, ...]

    @property
    def columns(self) -> tuple[ColumnType, ...]:
        """What a basket becomes."""
        return tuple(
            ColumnType(leaf.field, 1 if leaf.counter else 0, counter="" if leaf.inside else leaf.counter)
            for leaf in self.leaves
        )

    @property
    def counters(self) -> tuple[str, ...]:
        """Columns whose counts `decode` may need."""
        return tuple(dict.fromkeys(leaf.counter for leaf in self.leaves if leaf.counter and not leaf.inside))

    def decode(
        self, data: Array, offsets: Offsets, entries: int, counts: Mapping[str, Integers], where: str
    ) -> dict[str, Nested]:
        """Bytes to columns: see `Scalar.decode`."""
        require(offsets is not None, "a basket has no entry offsets", where)
        assert offsets is not None
        entry_lengths(offsets, entries, len(data), where)
        places, ends = offsets[:-1], offsets[1:]
        columns: dict[str, Nested] = {}
        for leaf in self.leaves:
            rows = rows_of(leaf, columns, counts, entries, len(data), where)
            width = leaf.field.stored.itemsize
            fits = (rows >= 0) & (rows * width <= ends - places)
            require(fits, "an entry is shorter than its counter says", where)
            taken = gathered(data, places, rows * width)
            values = unpacked(taken, (leaf.field,))[0]
            columns[leaf.field.name] = Nested((rows,) if leaf.counter else (), values)
            places = places + rows * width
        require(places == ends, "an entry is longer than its leaves", where)
        return columns

    def encode(self, columns: Mapping[str, Nested]) -> tuple[Array, Integers]:
        """Columns to bytes: see `Scalar.encode`."""
        parts, sizes = [], []
        for leaf in self.leaves:
            nested, width = columns[leaf.field.name], leaf.field.stored.itemsize
            rows = nested.levels[0] if leaf.counter else np.ones(len(nested), np.int64)
            parts.append(packed([nested.values], (leaf.field,)))
            sizes.append(rows * width)
        edges = edges_of(np.sum(sizes, axis=0))
        data, places = np.empty(int(edges[-1]), np.uint8), edges[:-1]
        for part, size in zip(parts, sizes, strict=True):
            data[positions(places, size)] = part
            places = places + size
        return data, edges


def row_width(fields: tuple[Field, ...], where: str) -> int:
    """Bytes of a row; it must be known."""
    require(bool(fields), "no object of this class has been seen", where)
    return row_dtype(fields).itemsize


def to_columns(
    fields: tuple[Field, ...], levels: tuple[Integers, ...], data: Array, where: str
) -> dict[str, Nested]:
    """Rows to columns of the same counts."""
    columns = unpacked(data, fields, where)
    return {field.name: Nested(levels, values) for field, values in zip(named(fields), columns, strict=True)}


def to_rows(fields: tuple[Field, ...], columns: Mapping[str, Nested]) -> Array:
    """Columns to rows: the inverse of `to_columns`."""
    return packed([columns[field.name].values for field in named(fields)], fields)


def rows_of(
    leaf: Leaf,
    columns: Mapping[str, Nested],
    counts: Mapping[str, Integers],
    entries: int,
    size: int,
    where: str,
) -> Integers:
    """Rows of a leaf in each entry; its counter is among the columns before it, or given."""
    if not leaf.counter:
        return np.ones(entries, np.int64)
    inside = {leaf.counter: columns[leaf.counter].values} if leaf.inside else counts
    return given(inside, leaf.counter, entries, size, where)


def given(counts: Mapping[str, Integers], counter: str, entries: int, size: int, where: str) -> Integers:
    """The counts of a counter for the entries of a basket of ``size`` bytes, checked."""
    require(counter in counts, f"the counts of {counter} are needed", where)
    rows = np.asarray(counts[counter])
    require(len(rows) == entries, f"{counter} has another number of entries", where, entries, len(rows))
    require((rows >= 0) & (rows <= size), f"a count of {counter} does not fit into the basket", where)
    return rows.astype(np.int64)
