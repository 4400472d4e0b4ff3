"""Read an RNTuple field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from hepae.arrays import Array
from hepae.core.values.nested import Nested
from hepae.errors import UnsupportedError
from hepae.root.columns import Branch, Column, Jagged
from hepae.root.file.reading import merged_ranges, reading
from hepae.root.rntuple.columns import NTupleColumns, PagesOfNTuple
from hepae.root.rntuple.encodings import seen, seen_dtype
from hepae.root.rntuple.fields import cardinalities, top_fields
from hepae.root.rntuple.leaves import FieldLeaf, TopField, physical_columns
from hepae.root.rntuple.schema import Schema
from hepae.root.tree import TreeReader

__all__ = ["RNTupleReader"]

LISTS = ("std::vector<", "ROOT::VecOps::RVec<", "ROOT::RVec<")
"""Beginnings of the types of collections that are a list of their items and nothing else: an optional value is one of
at most one, a map is one of pairs, and both have to stay what they are. Collections without a type are lists too."""


class RNTupleReader(TreeReader):
    """An RNTuple open for reading.

    A column that is projected is listed once, under the name of its projection.

    Parameters
    ----------
    ntuple
        The RNTuple.
    schema
        Its fields and columns, those of the extension too.
    path
        Directories and name in the file.
    name, title
        As its header says.
    """

    def __init__(self, ntuple: PagesOfNTuple, schema: Schema, path: str, name: str, title: str) -> None:
        self.ntuple, self.schema, self.where, self.path = ntuple, schema, ntuple.where, path
        self.name, self.title, self.num_entries = name, title, ntuple.num_entries
        self.columns = NTupleColumns(ntuple, top_fields(schema))
        counters = cardinalities(schema)
        self._counters = {name: index for index, name in counters.items()}
        self.branches: dict[str, Branch] = {}
        for top, field in self.columns.whole.items():
            found = list(self._described(field, counters))
            other = Branch(top, "other", self._type(field.number), title=self._title(field.number))
            self.branches |= {branch.name: branch for branch in found or [other]}
        for counter in counters.values():
            self.branches[counter] = Branch(counter, "flat", "ROOT::RNTupleCardinality", "uint32")

    def _type(self, number: int) -> str:
        return self.schema.fields[number].type_name

    def _title(self, number: int) -> str:
        return self.schema.fields[number].description

    def _described(self, field: TopField, counters: Mapping[int, str]) -> Iterator[Branch]:
        """Branches of a field at the top."""
        for leaf in field.leaves:
            number = self.schema.columns[leaf.column.number].field
            title = self._title(number) or self._title(field.number)
            typename, dtype = self._type(number), seen_dtype(leaf.column.encoding).name
            kind, counter = self._kind(leaf), None
            if kind == "jagged" and leaf.levels[0].index is not None:
                counter = counters.get(leaf.levels[0].index.number)
                typename = self._type(field.number) or typename
            if kind in ("string", "other"):
                yield Branch(leaf.name, kind, typename, title=title)
            else:
                yield Branch(leaf.name, kind, typename, dtype, leaf.shape, counter, title)

    def _kind(self, leaf: FieldLeaf) -> str:
        """What a column is, as `Branch.kind` says it."""
        if not leaf.levels:
            return "other" if leaf.counts else "flat"
        if len(leaf.levels) > 1 or leaf.levels[0].index is None or leaf.counts:
            return "other"
        columns = self.schema.columns
        owner = columns[leaf.levels[0].index.number].field
        if owner == columns[leaf.column.number].field:
            return "string" if leaf.column.encoding.name == "Char" else "other"
        return "jagged" if not self._type(owner) or self._type(owner).startswith(LISTS) else "other"

    def read(self, branch: str, start: int, stop: int) -> Column:
        """Values of a field for the events ``start`` to ``stop``, native byte order, dtype as an analysis sees it."""
        info = self.branches[branch]
        if info.kind == "other":
            raise UnsupportedError(
                "not a field of numbers", where=f"{self.where}, {branch}", got=info.typename
            )
        with reading(f"{self.where}, {branch}, events {start} to {stop}"):
            if branch in self._counters:
                return self.columns.counts(self._counters[branch], start, stop).astype(info.dtype)
            column = self.columns.read([branch], start, stop)[branch]
        if info.kind == "string":
            return texts(column)
        leaf = self.columns.leaves[branch]
        record = self.schema.columns[leaf.column.number]
        values = seen(leaf.column.encoding, column.values, record.low, record.high)
        return values if info.kind == "flat" else Jagged(column.levels[0], values)

    def stored_entry(self, branch: str, entry: int) -> tuple[int, int] | None:
        """Where the bytes of an entry are in the file, and how many: of bytes that are not compressed.

        None where they are, or lie in several pages.
        """
        leaf = self.columns.leaves[branch]
        if leaf.column.encoding.bits != 8:
            return None
        with reading(f"{self.where}, {branch}, entry {entry}"):
            return self.columns.stored_bytes(leaf, entry)

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Ranges of bytes of the file; neighbouring ones are one request."""
        return merged_ranges(self.ntuple.read, ranges, self.where)

    def give_titles(self, titles: Mapping[str, str]) -> None:
        """Titles of fields, by name; the format has room for them, uproot's writer has not."""
        for name, title in titles.items():
            if name in self.branches:
                self.branches[name] = replace(self.branches[name], title=title)

    def bytes_on_disk(self, branch: str) -> tuple[int, int]:
        """Compressed and uncompressed size of a field in bytes, the offsets that count it included."""
        leaf = self.columns.leaves.get(branch)
        if leaf is None:
            field = self.columns.whole.get(branch)
            return self.columns.sizes(field.columns if field is not None else ())
        return self.columns.sizes(physical_columns([leaf]))


def texts(column: Nested) -> Array:
    """Characters as strings, array of str [entries]."""
    data = column.values.tobytes()
    edges = np.concatenate([[0], np.cumsum(column.levels[0])]).tolist()
    words = [data[start:stop].decode("utf-8", "surrogateescape") for start, stop in pairwise(edges)]
    return np.array(words, np.str_)
