"""Write RNTuples, one cluster for each run of events, through uproot's writer.

uproot writes no descriptions of fields, so the titles, which say what a compressed field holds, are in an RNTuple of
their own beside, ``hepae_titles``, with the fields ``tree``, ``field`` and ``title``. Concatenation keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import awkward as ak
import numpy as np
import uproot

from hepae.errors import OutputError, UnsupportedError
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import TITLES_TREE, TREE_CLASSES, Source
from hepae.root.ttree.plan import NewBranch

__all__ = ["NTupleFile", "NTupleWriter", "refuse_several_trees"]


class NTupleFile:
    """A ROOT file of RNTuples that is being written; a context manager.

    Parameters
    ----------
    path
        Where to write; a temporary name, as the file is complete only after the context.
    source
        File that other objects are copied from.
    """

    def __init__(self, path: str | Path, source: Source | None = None) -> None:
        self.source = source
        if source is not None:
            refuse_several_trees(source)
        try:
            self._file = uproot.recreate(str(path))
        except OSError as problem:
            raise OutputError("cannot be written", where=path, got=problem.strerror) from problem
        self._titles: list[tuple[str, str, str]] = []

    def new_ntuple(self, name: str, plan: Sequence[NewBranch], title: str = "") -> NTupleWriter:
        """Begin an RNTuple: append to it as often as needed."""
        self._titles += [(name, branch.name, branch.title) for branch in plan if branch.title]
        return NTupleWriter(self._file, name, plan, title)

    def copy_rest(self, done: Sequence[str]) -> None:
        """Copy every other object of the source but those done."""
        left = {} if self.source is None else self.source.directory.classnames(recursive=True, cycle=False)
        rest = [name for name, kind in left.items() if name not in done and kind not in TREE_CLASSES]
        if rest and self.source is not None:
            self._file.copy_from(self.source.directory, filter_name=rest)
            if "" in self._file.keys(recursive=False, cycle=False):
                del self._file[""]  # uproot leaves a directory without a name behind

    def __enter__(self) -> NTupleFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            columns = zip(*self._titles, strict=True) if self._titles else ([], [], [])
            plan = [NewBranch(name, "str") for name in ("tree", "field", "title")]
            table = NTupleWriter(self._file, TITLES_TREE, plan, "titles of fields, by hepae")
            table.append(
                dict(zip(("tree", "field", "title"), map(np.array, map(list, columns)), strict=True))
            )
        self._file.close()


class NTupleWriter:
    """An RNTuple that is being written.

    Parameters
    ----------
    file
        uproot's file.
    name, title
        Of the RNTuple.
    plan
        Its fields; counters are not needed, as an RNTuple counts by itself, and are left out where they count payloads.

    Raises
    ------
    UnsupportedError
        If a field's name has a dot, which RNTuple does not allow.
    """

    def __init__(self, file: Any, name: str, plan: Sequence[NewBranch], title: str) -> None:
        self.fields = {branch.name: branch for branch in plan}
        for field in self.fields:
            if "." in field:
                raise UnsupportedError(
                    "a name that no RNTuple field can have", where=field, hint="use --format ttree"
                )
        self._ntuple = file.mkrntuple(name, self._record({}).layout.form, title)

    def append(self, columns: Mapping[str, Column]) -> None:
        """Append a run of events: one cluster.

        Parameters
        ----------
        columns
            For each field an array [n_events, *shape] or a `Jagged`; others are ignored.
        """
        record = self._record(columns)
        if len(record):
            self._ntuple.extend(record)

    def _record(self, columns: Mapping[str, Column]) -> Any:
        """An awkward record array; without columns the empty one."""
        contents = [_content(branch, columns.get(name)) for name, branch in self.fields.items()]
        return ak.Array(ak.contents.RecordArray(contents, list(self.fields)))


def _content(branch: NewBranch, column: Column | None) -> Any:
    if branch.dtype == "str":
        return ak.to_layout(ak.Array([*([] if column is None else np.asarray(column).tolist()), ""])[:-1])
    if branch.counter is None:
        values = np.empty((0, *branch.shape), branch.dtype) if column is None else np.asarray(column)
        return ak.contents.NumpyArray(np.ascontiguousarray(values, branch.dtype)).to_RegularArray()
    counts = column.counts if isinstance(column, Jagged) else np.zeros(0, np.int64)
    values = column.values if isinstance(column, Jagged) else np.empty((0, *branch.shape))
    edges = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=edges[1:])
    content = ak.contents.NumpyArray(np.ascontiguousarray(values, branch.dtype)).to_RegularArray()
    return ak.contents.ListOffsetArray(ak.index.Index64(edges), content)


def refuse_several_trees(source: Source) -> None:
    """Raise `UnsupportedError` where a file has trees beside the one that becomes an RNTuple."""
    if len(source.trees) > 1:
        raise UnsupportedError(
            "a file of several trees is not turned into RNTuples",
            where=source.path,
            got=", ".join(source.trees),
            hint="use --format ttree",
        )
