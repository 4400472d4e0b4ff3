"""The entries of an RNTuple that pass a cut: clusters that are kept whole are copied with their pages sealed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from hepae import limits
from hepae.arrays import Array, Booleans
from hepae.errors import InputError, UnsupportedError
from hepae.files.cut import Cut
from hepae.files.skim.digests import Digests
from hepae.files.skim.passing import Tell, passing
from hepae.root.file.compression import Compression
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.chosen import ChosenEntries, stored_elements
from hepae.root.rntuple.clusters import ClusterWriter, SealedPage
from hepae.root.rntuple.encodings import decode_page, encoding_of
from hepae.root.rntuple.filling import pages_of
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.pages import Cluster
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.rntuple.schema import DEFERRED, Schema

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
        If it is compressed, has sets of attributes, or columns of a type that is not known.
    """

    def __init__(self, source: Source, tree: RNTupleReader) -> None:
        self.source, self.tree = source, tree
        self.key = source.key(tree.path)
        self.ntuple = source.ntuple(self.key)
        if any(key.path == tree.path + PAYLOAD for key in source.keys):
            raise UnsupportedError(
                "a compressed RNTuple is not skimmed", where=tree.where, hint="decompress the file first"
            )
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
        windows = list(itertools.pairwise(sorted(edges)))
        return passing(cut, self.tree, (), self.tree.read, windows, tell)

    def write(self, out: RootWriter, keep: Booleans, tell: Tell) -> Digests:
        """Write the chosen entries; return the checksums of what was written."""
        extension = self.ntuple.footer.extension
        # entries before a field was added are written as zeros: clusters are others than they were
        now = [replace(column, flags=column.flags & ~DEFERRED, first=0) for column in extension.columns]
        changed = Schema(extension.fields, now, extension.aliases, extension.extra)
        writer = out.new_ntuple(self.tree.path, self.ntuple.header_bytes, changed, key=self.key)
        writer.version = self.ntuple.anchor.version
        writer.attributes = None if self.ntuple.footer.attributes is None else []
        out.done.add(self.tree.path)
        digests = Digests()
        gathering = Gathering(self.ntuple, writer)
        for cluster in self.ntuple.clusters:
            chosen = keep[cluster.first : cluster.first + cluster.entries]
            if chosen.any():
                elements = self._chosen(cluster, chosen)
                take(digests, elements)
                gathering.add(cluster, int(np.count_nonzero(chosen)), elements)
            tell(cluster.first + cluster.entries)
        gathering.flush()
        writer.finish()
        return digests

    def digest(self) -> Digests:
        """Checksums of all that is in it, as `write` makes them of what it writes."""
        digests = Digests()
        for cluster in self.ntuple.clusters:
            take(digests, self._chosen(cluster, np.ones(cluster.entries, bool)))
        return digests

    def _chosen(self, cluster: Cluster, keep: Booleans) -> dict[int, Array]:
        aside = np.zeros(len(self.ntuple.schema.columns), bool)
        aside[: cluster.columns] = cluster.firsts < 0
        for number, column in enumerate(self.ntuple.schema.columns[cluster.columns :], cluster.columns):
            aside[number] = column.representation > 0
        return self.chooser.choose(
            lambda column, rows: elements_of(self.ntuple, cluster, column, rows), keep, aside
        )


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
            self._copy(cluster)
            return
        self.runs.append(GatheredRun(entries, elements))
        size = sum(values.nbytes for run in self.runs for values in run.elements.values())
        if sum(run.entries for run in self.runs) >= self.most or size >= GATHERED_BYTES:
            self.flush()

    def _copy(self, cluster: Cluster) -> None:
        self.writer.begin(cluster.entries)
        self.writer.copy(self.ntuple, cluster, {n: n for n in range(cluster.columns)}, counted=True)
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
