"""Read an RNTuple field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from hepae.arrays import Array
from hepae.core.values.nested import Nested
from hepae.errors import UnsupportedError
from hepae.root.columns import Branch, Column, Jagged
from hepae.root.file.reading import reading
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.encodings import seen, seen_dtype
from hepae.root.rntuple.fields import FieldLeaf, TopField, cardinalities
from hepae.root.rntuple.ntuple import NTuple
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
    """

    def __init__(self, ntuple: NTuple) -> None:
        self.ntuple, self.where, self.path = ntuple, ntuple.where, ntuple.path
        self.name, self.title = ntuple.header.name, ntuple.header.description
        self.num_entries = ntuple.num_entries
        self.columns = NTupleColumns(ntuple)
        counters = cardinalities(ntuple.schema)
        self._counters = {name: index for index, name in counters.items()}
        self.branches: dict[str, Branch] = {}
        for name, field in self.columns.whole.items():
            found = list(self._described(field, counters))
            other = Branch(name, "other", self._type(field.number), title=self._title(field.number))
            self.branches |= {branch.name: branch for branch in found or [other]}
        for index, name in counters.items():
            self.branches[name] = Branch(name, "flat", "ROOT::RNTupleCardinality", "uint32")

    def _type(self, number: int) -> str:
        return self.ntuple.schema.fields[number].type_name

    def _title(self, number: int) -> str:
        return self.ntuple.schema.fields[number].description

    def _described(self, field: TopField, counters: Mapping[int, str]) -> Iterator[Branch]:
        """Branches of a field at the top."""
        for leaf in field.leaves:
            number = self.ntuple.schema.columns[leaf.column].field
            title = self._title(number) or self._title(field.number)
            typename, dtype = self._type(number), seen_dtype(leaf.encoding).name
            kind, counter = self._kind(leaf), None
            if kind == "jagged" and leaf.levels[0].index is not None:
                counter = counters.get(leaf.levels[0].index)
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
        columns = self.ntuple.schema.columns
        owner = columns[leaf.levels[0].index].field
        if owner == columns[leaf.column].field:
            return "string" if leaf.encoding.name == "Char" else "other"
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
        record = self.ntuple.schema.columns[leaf.column]
        values = seen(leaf.encoding, column.values, record.low, record.high)
        return values if info.kind == "flat" else Jagged(column.levels[0], values)

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
        return self.columns.sizes(
            (leaf.column, *(level.index for level in leaf.levels if level.index is not None))
        )


def texts(column: Nested) -> Array:
    """Characters as strings, array of str [entries]."""
    data = column.values.tobytes()
    edges = np.concatenate([[0], np.cumsum(column.levels[0])]).tolist()
    words = [
        data[start:stop].decode("utf-8", "surrogateescape")
        for start, stop in zip(edges[:-1], edges[1:], strict=True)
    ]
    return np.array(words, np.str_)
