"""Read an RNTuple field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from hepae.arrays import Array
from hepae.core.values.nested import Nested
from hepae.errors import UnsupportedError
from hepae.root.columns import Branch, Column, Jagged
from hepae.root.file.reading import merged_ranges, reading
from hepae.root.rntuple.columns import NTupleColumns, PagesOfNTuple
from hepae.root.rntuple.encodings import seen
from hepae.root.rntuple.fields import branches_of, cardinalities, top_fields
from hepae.root.rntuple.leaves import physical_columns
from hepae.root.rntuple.schema import Schema
from hepae.root.tree import TreeReader

__all__ = ["RNTupleReader"]


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
        self._counters = {name: index for index, name in cardinalities(schema).items()}
        self.branches: dict[str, Branch] = branches_of(schema)

    def give_titles(self, titles: Mapping[str, str]) -> None:
        """Titles of fields, by name, of a file whose fields have no descriptions."""
        for name, title in titles.items():
            if name in self.branches:
                self.branches[name] = replace(self.branches[name], title=title)

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

        def read(merged: Sequence[tuple[int, int]]) -> list[bytes]:
            return [self.ntuple.read(start, stop) for start, stop in merged]

        return merged_ranges(read, ranges, self.where)

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
