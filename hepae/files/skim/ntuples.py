"""The entries of an RNTuple that pass a cut: clusters that are kept whole are copied with their pages sealed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from hepae import limits
from hepae.arrays import Array, Booleans
from hepae.core.values.nested import Nested
from hepae.errors import InputError, UnsupportedError
from hepae.files.cut import Cut
from hepae.files.skim.digests import Digests
from hepae.files.skim.passing import Tell, passing
from hepae.files.skim.tables import ChosenTables, named_columns
from hepae.root.columns import Column, Jagged
from hepae.root.file.compression import Compression
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.chosen import ChosenEntries, stored_elements
from hepae.root.rntuple.clusters import ClusterWriter, SealedPage
from hepae.root.rntuple.encodings import decode_page, encoding_of, seen
from hepae.root.rntuple.fields import cardinalities
from hepae.root.rntuple.filling import pages_of
from hepae.root.rntuple.leaves import FieldLeaf
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.pages import Cluster
from hepae.root.rntuple.plain import append_cluster, plain_header
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.rntuple.schema import DEFERRED, Schema
from hepae.stored.described import schemas_of
from hepae.stored.models import AnyModel, models_of
from hepae.stored.ntuple_headers import original_of
from hepae.stored.ntuples import CompressedNTuple, compressed_ntuple
from hepae.stored.own_tables import write_schemas
from hepae.stored.payload import MARKER, payload_plan
from hepae.stored.schemas import Schemas, StoredSchema

__all__ = ["NTupleEvents"]

GATHERED_BYTES = 1 << 26
"""Unpacked bytes of entries that are gathered for a cluster at most."""


class NTupleEvents:
    """An RNTuple whose entries are chosen.

    Parameters
    ----------
    source, tree
        The file and the RNTuple.

    Raises
    ------
    UnsupportedError
        If it has sets of attributes, or columns of a type that is not known.
    """

    def __init__(self, source: Source, tree: RNTupleReader, models: Iterable[AnyModel] = ()) -> None:
        self.source, self.tree = source, tree
        self.key = source.key(tree.path)
        self.ntuple = source.ntuple(self.key)
        self.compressed = compressed_ntuple(source, tree.path, models_of(source, models))
        self.restored = {} if self.compressed is None else restored_names(self.compressed)
        if self.ntuple.footer.attributes:
            raise UnsupportedError(
                "sets of attributes belong to ranges of entries, of which some would be left out",
                where=tree.where,
                got=self.ntuple.footer.attributes[0].name,
            )
        self.chooser = ChosenEntries(self.ntuple.schema, self.ntuple.where)

    def passing(self, cut: Cut, tell: Tell) -> Booleans:
        """Which entries pass a cut, bool[entries].

        Raises
        ------
        CutError
            If it names fields that are not there, or of types that do not fit; before any work is done.
        """
        edges = {*self.ntuple.edges.tolist(), *range(0, self.tree.num_entries, limits.EVENTS_PER_CHUNK)}
        if self.compressed is not None:
            edges |= {row.stop for row in self.compressed.payload.rows}
        windows = list(itertools.pairwise(sorted(edges)))
        return passing(cut, self.tree, self.restored, self._read, windows, tell)

    def _read(self, name: str, start: int, stop: int) -> Column:
        if name not in self.restored or self.compressed is None:
            return self.tree.read(name, start, stop)
        return read_restored(self.compressed, *self.restored[name], start, stop)

    def write(self, out: RootWriter, keep: Booleans, tell: Tell) -> Digests:
        """Write the chosen entries; return the checksums of what was written."""
        digests = Digests()
        if self.compressed is not None and not keep.any():
            self._write_without_entries(out, self.compressed)
            return digests
        marks = None if self.compressed is None else self._write_payload(out, self.compressed, keep, digests)
        extension = self.ntuple.footer.extension
        changed = undeferred(extension)
        writer = out.new_ntuple(self.tree.path, self.ntuple.header_bytes, changed, key=self.key)
        writer.version = self.ntuple.anchor.version
        writer.attributes = None if self.ntuple.footer.attributes is None else []
        out.done.add(self.tree.path)
        gathering, marker = (
            Gathering(self.ntuple, writer),
            marker_of(self.ntuple) if marks is not None else None,
        )
        gathering.marker, done = marker, 0
        for cluster in self.ntuple.clusters:
            chosen = keep[cluster.first : cluster.first + cluster.entries]
            if chosen.any():
                elements, number = self._chosen(cluster, chosen), int(np.count_nonzero(chosen))
                if marker is not None and marks is not None:
                    elements[marker] = marks[done : done + number]
                take(digests, elements)
                gathering.add(cluster, number, elements)
                done += number
            tell(cluster.first + cluster.entries)
        gathering.flush()
        writer.finish()
        return digests

    def _write_without_entries(self, out: RootWriter, compressed: CompressedNTuple) -> None:
        """A compressed RNTuple of which nothing is left is a plain one: no row says any more what its fields were."""
        extension = undeferred(compressed.extension)
        out.new_ntuple(self.tree.path, compressed.envelope, extension, key=self.key).finish()
        out.done |= {self.tree.path, self.tree.path + PAYLOAD}

    def _write_payload(
        self, out: RootWriter, compressed: CompressedNTuple, keep: Booleans, digests: Digests
    ) -> Array:
        """Write the chosen entries of the fields that are compressed; the marks of all entries, uint32."""
        path, name, plan = self.tree.path + PAYLOAD, self.tree.name, payload_plan()
        header = plain_header(self.key.name + PAYLOAD, f"columns of {name}, compressed by hepae", plan)
        payload = out.new_ntuple(path, header)
        out.done.add(path)
        marks = [np.zeros(0, np.uint32)]
        tables = ChosenTables(
            compressed,
            lambda chunk, entries: marks.append(np.full(entries, chunk, np.uint32)),
            lambda row: append_cluster(payload, plan, row, 1),
            digests,
        )
        for row in compressed.payload.rows:
            tables.add(row.start, keep[row.start : row.stop])
        tables.flush()
        payload.finish()
        write_schemas(out, self._schemas(compressed))
        return np.concatenate(marks)

    def _schemas(self, compressed: CompressedNTuple) -> Schemas:
        """The schemas of the file; the original extension begins with the first entry, as others were left out."""
        schemas, own = schemas_of(self.source), {stored.sha256 for stored in compressed.stored.values()}
        header = original_of(compressed.envelope, undeferred(compressed.extension))
        return {
            name: StoredSchema(one.text, header) if name in own and header != one.header else one
            for name, one in schemas.items()
        }

    def digest(self) -> Digests:
        """Checksums of all that is in it, as `write` makes them of what it writes."""
        digests = Digests()
        for cluster in self.ntuple.clusters:
            take(digests, self._chosen(cluster, np.ones(cluster.entries, bool)))
        if self.compressed is not None:
            for row in self.compressed.payload.rows:
                digests.add_nested(named_columns(self.compressed, row))
        return digests

    def _chosen(self, cluster: Cluster, keep: Booleans) -> dict[int, Array]:
        aside = np.zeros(len(self.ntuple.schema.columns), bool)
        aside[: cluster.columns] = cluster.firsts < 0
        for number, column in enumerate(self.ntuple.schema.columns[cluster.columns :], cluster.columns):
            aside[number] = column.representation > 0
        return self.chooser.choose(
            lambda column, rows: elements_of(self.ntuple, cluster, column, rows), keep, aside
        )


def undeferred(extension: Schema) -> Schema:
    """An extension whose columns begin with the first entry: those before a field was added are written as zeros."""
    columns = [replace(column, flags=column.flags & ~DEFERRED, first=0) for column in extension.columns]
    return Schema(extension.fields, columns, extension.aliases, extension.extra)


def marker_of(ntuple: NTuple) -> int:
    """The column of the marks of chunks."""
    fields = ntuple.schema.fields
    return next(n for n, column in enumerate(ntuple.schema.columns) if fields[column.field].name == MARKER)


def restored_names(compressed: CompressedNTuple) -> dict[str, tuple[FieldLeaf, bool]]:
    """What can be computed with of compressed fields: by name the leaf, and whether the name is what counts it."""
    found: dict[str, tuple[FieldLeaf, bool]] = {}
    counters = cardinalities(compressed.original.schema + compressed.extension)
    for leaf in compressed.leaves:
        if len(leaf.levels) > 1 or leaf.counts or leaf.column.encoding.name == "Char":
            continue
        if not leaf.levels or (leaf.levels[0].index is not None and not leaf.shape):
            found[leaf.name] = leaf, False
        index = leaf.levels[0].index if leaf.levels else None
        if index is not None and index.number in counters:
            found[counters[index.number]] = leaf, True
    return found


def read_restored(
    compressed: CompressedNTuple, leaf: FieldLeaf, counts: bool, start: int, stop: int
) -> Column:
    """Values of a field that is compressed for a run of entries, or how many each entry has."""
    runs = [columns[leaf.name] for _, columns in compressed.entries(start, stop, [leaf])]
    empty = Nested(tuple(np.zeros(0, np.int64) for _ in leaf.levels), np.zeros((0, *leaf.shape), leaf.dtype))
    column = Nested.concatenated(runs) if runs else empty
    if counts:
        return column.levels[0].astype(np.uint32)
    record = (compressed.original.schema + compressed.extension).columns[leaf.column.number]
    values = seen(leaf.column.encoding, column.values, record.low, record.high)
    return Jagged(column.levels[0], values) if leaf.levels else values


def take(digests: Digests, elements: dict[int, Array]) -> None:
    """Take in the elements of the next entries."""
    for column, values in elements.items():
        digests.take(f"column {column}", [], values.tobytes())


def elements_of(ntuple: NTuple, cluster: Cluster, column: int, rows: int) -> Array:
    """The elements of a column in a cluster; those before it was added are zero.

    Raises
    ------
    InputError
        If there are others than so many.
    """
    record, where = ntuple.schema.columns[column], f"{ntuple.where}, column {column}"
    encoding = encoding_of(record.kind, record.bits)
    assert encoding is not None
    pages = [decode_page(encoding, data, number, where) for number, data in ntuple.values(cluster, column)]
    lacking = rows - sum(map(len, pages))
    late = bool(record.flags & DEFERRED) or cluster.columns <= column
    if lacking < 0 or (lacking and not late):
        raise InputError(
            "a column of another number of elements", where=where, expected=rows, got=rows - lacking
        )
    return np.concatenate([np.zeros(lacking, encoding.dtype), *pages])


@dataclass
class GatheredRun:
    """Chosen entries that become a cluster."""

    entries: int
    elements: dict[int, Array]


class Gathering:
    """Chosen entries, gathered until they fill a cluster as large as those of the source.

    Parameters
    ----------
    ntuple
        The source.
    writer
        The RNTuple that is written.
    """

    def __init__(self, ntuple: NTuple, writer: ClusterWriter) -> None:
        self.ntuple, self.writer = ntuple, writer
        self.most = max((cluster.entries for cluster in ntuple.clusters), default=0)
        self.settings = np.zeros(len(ntuple.schema.columns), np.int64)
        self.runs: list[GatheredRun] = []
        self.marker: int | None = None

    def add(self, cluster: Cluster, entries: int, elements: dict[int, Array]) -> None:
        """The chosen entries of a cluster; all of them stay as they are."""
        if self.runs and self.runs[0].elements.keys() != elements.keys():
            self.flush()  # another representation is used from here on
        whole = entries == cluster.entries and all(
            len(values) == (cluster.numbers[column] if column < cluster.columns else 0)
            for column, values in elements.items()
        )
        np.maximum(self.settings[: cluster.columns], cluster.settings, out=self.settings[: cluster.columns])
        if whole:
            self.flush()
            self._copy(cluster, elements)
            return
        self.runs.append(GatheredRun(entries, elements))
        size = sum(values.nbytes for run in self.runs for values in run.elements.values())
        if sum(run.entries for run in self.runs) >= self.most or size >= GATHERED_BYTES:
            self.flush()

    def _copy(self, cluster: Cluster, elements: dict[int, Array]) -> None:
        self.writer.begin(cluster.entries)
        columns = {number: number for number in range(cluster.columns) if number != self.marker}
        self.writer.copy(self.ntuple, cluster, columns, counted=True)
        if self.marker is not None:
            self._fill(self.marker, elements[self.marker])
        self._put_aside(set(np.flatnonzero(cluster.firsts >= 0).tolist()))
        self.writer.end()

    def _put_aside(self, used: set[int]) -> None:
        """Suppress the columns of representations that are not used."""
        fields = {self.ntuple.schema.columns[column].field for column in used}
        for number, column in enumerate(self.ntuple.schema.columns):
            if number not in used and (column.field in fields or column.representation):
                self.writer.suppress(number)

    def flush(self) -> None:
        """Write what was gathered as a cluster."""
        if not self.runs:
            return
        self.writer.begin(sum(run.entries for run in self.runs))
        for column in self.runs[0].elements:
            self._fill(column, np.concatenate([run.elements[column] for run in self.runs]))
        self._put_aside(set(self.runs[0].elements))
        self.writer.end()
        self.runs = []

    def _fill(self, column: int, elements: Array) -> None:
        record, setting = self.ntuple.schema.columns[column], int(self.settings[column])
        encoding = encoding_of(record.kind, record.bits)
        assert encoding is not None
        values = stored_elements(self.ntuple.schema, column, elements)
        packing = Compression.of(setting)
        pages = [SealedPage.of(number, data, packing) for number, data in pages_of(encoding, values)]
        self.writer.fill(column, pages, setting)
