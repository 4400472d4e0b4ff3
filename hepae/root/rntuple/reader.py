"""Read an RNTuple field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import awkward as ak
import numpy as np

from hepae.errors import UnsupportedError
from hepae.root.columns import Branch, Column, Jagged, cut, empty_column, joined
from hepae.root.file.reading import reading
from hepae.root.tree import TreeReader

__all__ = ["RNTupleReader"]


class RNTupleReader(TreeReader):
    """An RNTuple open for reading.

    Parameters
    ----------
    ntuple
        uproot's RNTuple.
    where
        File and tree, for messages.
    path
        Directories and name of the tree in the file.
    """

    def __init__(self, ntuple: Any, where: str, path: str = "") -> None:
        self.ntuple = ntuple
        self.name, self.title, self.where = str(ntuple.name), str(ntuple.description), where
        self.path = path or self.name
        self.num_entries = int(ntuple.num_entries)
        self.branches: dict[str, Branch] = {}
        summaries = ntuple.cluster_summaries
        starts = [int(cluster.num_first_entry) for cluster in summaries]
        self.edges = np.array([*(starts or [0]), self.num_entries], np.int64)
        self._last: dict[str, tuple[int, Column]] = {}
        form = ntuple.to_akform()
        form = form[0] if isinstance(form, tuple) else form
        for field, content in zip(form.fields, form.contents, strict=True):
            typename = str(ntuple[field].typename)
            description = str(getattr(ntuple[field], "description", "") or "")
            self.branches.update(describe_field(field, content, typename, description))

    def read(self, branch: str, start: int, stop: int) -> Column:
        """Values of a field for the events ``start`` to ``stop``, native byte order, dtype as in the file."""
        info = self.branches[branch]
        if info.kind == "other":
            raise UnsupportedError(
                "not a field of numbers", where=f"{self.where}, {branch}", got=info.typename
            )
        first = max(int(np.searchsorted(self.edges, start, side="right")) - 1, 0)
        parts = [empty_column(info)]
        for number in range(first, len(self.edges) - 1):
            low, high = int(self.edges[number]), int(self.edges[number + 1])
            if low >= stop:
                break
            parts.append(cut(self._cluster(branch, number), max(start - low, 0), min(stop, high) - low))
        return joined(parts)

    def _cluster(self, branch: str, number: int) -> Column:
        """A whole cluster of a field; the one read last is kept, as runs of events end inside it."""
        last = self._last.get(branch)
        if last is None or last[0] != number:
            self._last.pop(branch, None)
            last = number, self._decoded(branch, int(self.edges[number]), int(self.edges[number + 1]))
            self._last[branch] = last
        return last[1]

    def _decoded(self, branch: str, start: int, stop: int) -> Column:
        info = self.branches[branch]
        with reading(f"{self.where}, {branch}, events {start} to {stop}"):
            array = self.ntuple.arrays([branch], entry_start=start, entry_stop=stop)
        field = branch if branch in array.fields else branch.partition(".")[0]
        content = array[field]
        return as_column(content if field == branch else content[branch[len(field) + 1 :]], info)

    def give_titles(self, titles: Mapping[str, str]) -> None:
        """Titles of fields, by name; the format has room for them, uproot's writer has not."""
        for name, title in titles.items():
            if name in self.branches:
                self.branches[name] = replace(self.branches[name], title=title)

    def bytes_on_disk(self, branch: str) -> tuple[int, int]:
        """Compressed and uncompressed size of a field in bytes."""
        paths = field_paths(self.ntuple.field_records)
        columns = {
            number: column.nbits
            for number, column in enumerate(self.ntuple.column_records)
            if paths[column.field_id] == branch or paths[column.field_id].startswith(branch + ".")
        }
        # a field that was added while the file was written has no pages in the clusters before
        pages = [
            (page, bits)
            for cluster in self.ntuple.page_link_list
            for number, bits in columns.items()
            if number < len(cluster)
            for page in cluster[number].pages
        ]
        stored = sum(int(page.locator.num_bytes) for page, _ in pages)
        return stored, sum(int(page.num_elements) * bits for page, bits in pages) // 8


def field_paths(records: Any) -> list[str]:
    """Names of all fields with those above them, the anonymous items of lists left out."""
    paths: list[str] = []
    for number, record in enumerate(records):
        above = paths[record.parent_field_id] if record.parent_field_id != number else ""
        parts = [above, "" if record.field_name == "_0" else str(record.field_name)]
        paths.append(".".join(part for part in parts if part))
    return paths


def as_column(array: ak.Array, info: Branch) -> Column:
    """Flat numbers, or counts and flat numbers, out of an awkward array."""
    if info.kind == "string":
        return np.array(ak.to_list(array), dtype=np.str_)
    if info.kind == "flat":
        return np.asarray(ak.to_numpy(array)).astype(info.dtype, copy=False)
    counts = np.asarray(ak.num(array, axis=1)).astype(np.int64)
    values = np.asarray(ak.to_numpy(ak.flatten(array, axis=1)))
    return Jagged(counts, values.astype(info.dtype, copy=False))


def describe_field(name: str, form: Any, typename: str, title: str) -> dict[str, Branch]:
    """What a top-level field holds: numbers, a list of numbers, or a list of records of numbers."""
    if isinstance(form, ak.forms.NumpyForm):
        return {name: Branch(name, "flat", typename, form.primitive, tuple(form.inner_shape), None, title)}
    if isinstance(form, ak.forms.RegularForm) and isinstance(form.content, ak.forms.NumpyForm):
        shape = (form.size, *form.content.inner_shape)
        return {name: Branch(name, "flat", typename, form.content.primitive, shape, None, title)}
    if isinstance(form, ak.forms.ListOffsetForm) and form.parameter("__array__") is None:
        if isinstance(form.content, ak.forms.RecordForm):
            parts = zip(form.content.fields, form.content.contents, strict=True)
            return {
                f"{name}.{part}": describe_items(f"{name}.{part}", item, typename) for part, item in parts
            }
        return {name: describe_items(name, form.content, typename, title)}
    kind = "string" if form.parameter("__array__") == "string" else "other"
    return {name: Branch(name, kind, typename, title=title)}


def describe_items(name: str, form: Any, typename: str, title: str = "") -> Branch:
    """What the items of a list are: numbers, or something that is passed through."""
    if isinstance(form, ak.forms.NumpyForm):
        return Branch(name, "jagged", typename, form.primitive, tuple(form.inner_shape), None, title)
    return Branch(name, "other", typename, title=title)
