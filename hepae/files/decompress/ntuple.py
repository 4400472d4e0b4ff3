"""One compressed RNTuple as it was: its original schema, restored pages, and those that were kept, sealed."""

from __future__ import annotations

from collections.abc import Mapping

from hepae.arrays import Array
from hepae.progress import Report
from hepae.root.file.compression import Compression
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.clusters import ClusterWriter, SealedPage
from hepae.root.rntuple.copying import copied_attributes
from hepae.root.rntuple.envelopes import NTupleHeader
from hepae.root.rntuple.fields import top_fields
from hepae.root.rntuple.filling import ElementsOfCluster, elements_per_entry, pages_of
from hepae.root.rntuple.leaves import TopField, physical_columns
from hepae.root.rntuple.narrowed import Narrowed, narrowed
from hepae.root.rntuple.pages import Cluster
from hepae.stored.ntuples import CompressedNTuple
from hepae.stored.payload import MARKER

__all__ = ["restore_ntuple"]


def restore_ntuple(out: RootWriter, source: Source, compressed: CompressedNTuple, report: Report) -> None:
    """Write an RNTuple with its original fields.

    Parameters
    ----------
    out
        The file that is written.
    source, compressed
        The compressed file, and what restores the RNTuple.
    report
        Told how far the work is.
    """
    key = source.key(compressed.tree.path)
    now = source.ntuple(key)
    there = compressed.tree.columns.whole
    wanted = {name for name in compressed.top if name in compressed.fields or name in there}
    whole = len(wanted) == len(compressed.top)
    left = narrowed(compressed.original.schema, compressed.extension, wanted)
    header = compressed.envelope if whole else packed(compressed, left)
    written = out.new_ntuple(key.path, header, left.extension, key=key)
    written.version = now.anchor.version
    fields = top_fields(left.header + left.extension)
    kept = {
        old: new
        for name, field in there.items()
        if name != MARKER and name in fields
        for old, new in zip(field.columns, fields[name].columns, strict=True)
    }
    work = _Restoring(compressed, written, fields, left, kept)
    for group in now.groups:
        for cluster in group:
            work.restore(cluster)
            written.copy(now, cluster, kept)
            written.end()
            report("restoring", cluster.first + cluster.entries, now.num_entries, "")
        written.end_group()
    if now.footer.attributes is not None:
        home = out.home_of(key.above)
        written.attributes = [copied_attributes(now, item, out.file, home) for item in now.footer.attributes]
    written.finish()
    out.done.add(key.path + PAYLOAD)


def packed(compressed: CompressedNTuple, left: Narrowed) -> bytes:
    """The envelope of the original header without some of its fields."""
    old = compressed.original
    return NTupleHeader(old.name, old.description, old.writer, left.header).pack()


class _Restoring:
    """Fills clusters with the pages of the fields that were replaced."""

    def __init__(
        self,
        compressed: CompressedNTuple,
        written: ClusterWriter,
        fields: Mapping[str, TopField],
        left: Narrowed,
        kept: Mapping[int, int],
    ) -> None:
        self.compressed, self.written, self.kept = compressed, written, kept
        self.leaves = [leaf for name in compressed.fields for leaf in fields[name].leaves]
        self.settings = {
            number: compressed.fields[name].compression
            for name in compressed.fields
            for number in fields[name].columns
        }
        self.records = left.header.columns + left.extension.columns
        self.early = len(left.header.columns)
        self.every = physical_columns(leaf for field in fields.values() for leaf in field.leaves)
        self.per_entry = elements_per_entry([leaf for field in fields.values() for leaf in field.leaves])
        self.firsts = {number: record.first for number, record in enumerate(self.records) if record.first}

    def restore(self, cluster: Cluster) -> None:
        """Begin a cluster of the same entries, and fill it."""
        listed = self._listed(cluster)
        self.written.begin(cluster.entries, listed)
        filling = ElementsOfCluster(self.leaves, self.firsts, cluster.first, self.compressed.where)
        for entries, columns in self.compressed.entries(
            cluster.first, cluster.first + cluster.entries, self.compressed.leaves
        ):
            made = filling.add(columns, entries).items()
            pages = {number: self._pages(number, elements) for number, elements in made if number < listed}
            self.written.fill_columns(dict(sorted(pages.items())), self.settings)

    def _pages(self, number: int, elements: Array) -> list[SealedPage]:
        compression, encoding = Compression.of(self.settings[number]), self.every[number].encoding
        return [SealedPage.of(n, data, compression) for n, data in pages_of(encoding, elements)]

    def _listed(self, cluster: Cluster) -> int:
        """How many columns a cluster lists: not those at the end that were added after it."""
        listed = len(self.records)
        least = max((new + 1 for old, new in self.kept.items() if old < cluster.columns), default=0)
        stop = cluster.first + cluster.entries
        for number in reversed(range(self.early, len(self.records))):
            record = self.records[number]
            if record.first and number in self.per_entry and record.first >= stop * self.per_entry[number]:
                listed = number
            elif record.first or number not in self.every:
                break
        return max(listed, least)
