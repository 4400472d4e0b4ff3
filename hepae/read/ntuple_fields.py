"""Fields of an RNTuple under the interface of uproot's branches, compressed ones restored."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

from hepae.errors import UnsupportedError
from hepae.read.interpretation import restorer
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import Source
from hepae.root.rntuple.reader import RNTupleReader
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["NTupleField", "NTupleFields"]


class NTupleFields:
    """An RNTuple: what `hepae.read.opened.OpenedTree` asks of a tree."""

    def __init__(self, source: Source, reader: RNTupleReader) -> None:
        self._source, self._reader = source, reader
        self.num_entries = reader.num_entries

    def keys(self, **_: bool) -> list[str]:
        """Names of the fields as they are stored."""
        return list(self._reader.branches)

    def __getitem__(self, name: str) -> NTupleField:
        return NTupleField(self._source, self._reader, name)


class NTupleField:
    """One field."""

    def __init__(self, source: Source, reader: RNTupleReader, name: str) -> None:
        self._source, self._reader, self.name = source, reader, name
        self.title, self.typename = reader.branches[name].title, reader.branches[name].typename

    def array(
        self, entry_start: int | None = None, entry_stop: int | None = None, library: str = "ak"
    ) -> Any:
        """Values of a run of events, restored if they are compressed, as an awkward or a NumPy array."""
        if library not in ("ak", "np"):
            raise UnsupportedError(
                "a library for which RNTuples are not read", expected="ak, np", got=library
            )
        start, stop, _ = slice(entry_start, entry_stop).indices(self._reader.num_entries)
        column = self._read(start, max(start, stop))
        if not isinstance(column, Jagged):
            return (
                column
                if library == "np"
                else ak.Array(column.tolist() if column.dtype.kind == "U" else column)
            )
        if library == "ak":
            return ak.unflatten(column.values, column.counts)
        rows = np.empty(len(column.counts), object)
        rows[:] = np.split(column.values, np.cumsum(column.counts)[:-1]) if len(rows) else []
        return rows

    def _read(self, start: int, stop: int) -> Column:
        if self.name.endswith(SUFFIX) and parse_title(self.title) is not None:
            return restorer()(self._source, self._reader, self.name, start, stop)
        return self._reader.read(self.name, start, stop)
