"""An RNTuple with a collection that is compressed with a model, under the original names of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import awkward as ak
import numpy as np

from hepae.errors import CollectionError, UnsupportedError, nearest
from hepae.read.interpretation import restorer
from hepae.root.columns import Column, Jagged
from hepae.root.file.reading import reading
from hepae.root.file.source import Source
from hepae.root.rntuple.reader import RNTupleReader
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["NTupleField", "NTupleFields"]


class NTupleFields:
    """An RNTuple; values are restored when they are asked for. The words are uproot's.

    Attributes
    ----------
    num_entries : int
        Number of events.
    """

    def __init__(self, source: Source, reader: RNTupleReader) -> None:
        self._source, self._reader = source, reader
        self.num_entries = reader.num_entries
        self._stored = dict(self._original_names())

    def _original_names(self) -> Iterator[tuple[str, str]]:
        for name, branch in self._reader.branches.items():
            if not name.endswith(SUFFIX):
                yield name, name
            elif parse_title(branch.title) is not None:
                yield name.removesuffix(SUFFIX), name

    def keys(self) -> list[str]:
        """Names of the fields as in the original file."""
        return list(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __getitem__(self, name: str) -> NTupleField:
        if name not in self._stored:
            raise CollectionError(f"no field {name!r}", hint=nearest(name, self._stored) or None)
        return NTupleField(self._source, self._reader, self._stored[name])

    def __enter__(self) -> NTupleFields:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def arrays(
        self,
        names: str | Sequence[str] | None = None,
        *,
        filter_name: str | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        library: str = "ak",
    ) -> Any:
        """Fields together.

        Parameters
        ----------
        names
            Names of fields; all that match ``filter_name`` (a pattern with wildcards) where none are given.
        entry_start, entry_stop
            Events to read, negative ones counted from the end.
        library
            ``"ak"`` for an awkward record array, ``"np"`` for a dict of NumPy arrays.
        """
        if names is None:
            names = [name for name in self._stored if fnmatchcase(name, filter_name or "*")]
        chosen = [names] if isinstance(names, str) else list(names)
        with reading(", ".join(chosen)):
            read = {
                name: self[name].array(entry_start=entry_start, entry_stop=entry_stop, library=library)
                for name in chosen
            }
        return ak.zip(read, depth_limit=1) if library == "ak" else read

    def iterate(
        self, names: str | Sequence[str] | None = None, *, step_size: int = 10_000, library: str = "ak"
    ) -> Iterator[Any]:
        """`arrays` for runs of ``step_size`` events."""
        for start in range(0, self.num_entries, step_size):
            yield self.arrays(names, entry_start=start, entry_stop=start + step_size, library=library)


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
