"""Write an RNTuple without the fields that are replaced, beside its payload."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from hepae.arrays import Array
from hepae.files.compress.outcome import MARKER_TITLE, EncodedChunk, TreeDone, marks
from hepae.root.file.compression import ZSTD_DEFAULT, Compression
from hepae.root.file.source import Key
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.clusters import ClusterWriter, SealedPage
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.copying import copied_attributes
from hepae.root.rntuple.encodings import encode_page, encoding_of
from hepae.root.rntuple.envelopes import NTupleHeader
from hepae.root.rntuple.narrowed import Narrowed, narrowed
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.pages import Cluster
from hepae.root.rntuple.plain import append_cluster, plain_header
from hepae.root.rntuple.schema import ColumnRecord, FieldRecord
from hepae.stored.payload import MARKER, PAYLOAD, payload_plan, row_columns
from hepae.stored.schemas import StoredTree

__all__ = ["write_ntuple"]

UINT32 = 0x14, 32
"""Type and bits of the column of the marker: SplitUInt32."""


def write_ntuple(
    out: RootWriter, key: Key, columns: NTupleColumns, stored: StoredTree, made: Iterable[EncodedChunk]
) -> TreeDone:
    """Write an RNTuple without the fields that are replaced, and its payload.

    Parameters
    ----------
    out
        The file that is written.
    key
        The key of the RNTuple in the source of the file.
    columns, stored, made
        Its columns, what the file says of them, and their chunks in order.
    """
    assert out.source is not None
    ntuple = out.source.ntuple(key)
    replaced = [field.name for field in stored.fields]
    kept = [name for name in columns.whole if name not in set(replaced)]
    physical = [number for name in replaced for number in columns.whole[name].columns]
    done = TreeDone(key.path, ntuple.num_entries, sorted(replaced), sorted(kept), columns.sizes(physical)[0])
    marker = FieldRecord(MARKER, "std::uint32_t", 0, description=MARKER_TITLE), ColumnRecord(*UINT32, 0)
    left = narrowed(ntuple.header.schema, ntuple.footer.extension, set(kept), marker)
    header = NTupleHeader(
        ntuple.header.name, ntuple.header.description, ntuple.header.writer, left.header
    ).pack()
    written = out.new_ntuple(key.path, header, left.extension, key=key)
    written.version = ntuple.anchor.version
    payload = out.new_ntuple(
        key.path + PAYLOAD,
        plain_header(key.name + PAYLOAD, f"columns of {key.name}, compressed by hepae", payload_plan()),
    )
    rest = _Clusters(ntuple, written, left)
    for chunk in made:
        rest.add(marks(chunk))
        row = row_columns(chunk.number, chunk.stop - chunk.start, stored.sha256, chunk.streams)
        append_cluster(payload, payload_plan(), row, 1)
        done.after += sum(map(len, chunk.streams))
    if ntuple.footer.attributes is not None:
        home = out.home_of(key.above)
        written.attributes = [
            copied_attributes(ntuple, item, out.file, home) for item in ntuple.footer.attributes
        ]
    written.finish()
    payload.finish()
    return done


class _Clusters:
    """Copies what is kept cluster by cluster, as soon as the markers of its entries are known."""

    def __init__(self, ntuple: NTuple, written: ClusterWriter, left: Narrowed) -> None:
        self.ntuple, self.written, self.left = ntuple, written, left
        encoding = encoding_of(*UINT32)
        assert encoding is not None
        self.encoding = encoding
        self._marks: Array = np.zeros(0, np.uint32)
        self._ends = set(np.cumsum([len(group) for group in ntuple.groups]).tolist())
        self._done = 0

    def add(self, marks: Array) -> None:
        """Markers of the next entries, uint32."""
        self._marks = np.concatenate([self._marks, marks])
        clusters = self.ntuple.clusters
        while self._done < len(clusters) and clusters[self._done].entries <= len(self._marks):
            self._copy(clusters[self._done])
            self._done += 1
            if self._done in self._ends:
                self.written.end_group()

    def _copy(self, cluster: Cluster) -> None:
        mine, self._marks = self._marks[: cluster.entries], self._marks[cluster.entries :]
        listed = sum(old < cluster.columns for old in self.left.columns) + 1
        self.written.begin(cluster.entries, listed)
        self.written.copy(self.ntuple, cluster, self.left.columns)
        setting = self._setting(cluster)
        page = SealedPage.of(len(mine), encode_page(self.encoding, mine), Compression.of(setting))
        self.written.fill(self.left.added, [page], setting)
        self.written.end()

    def _setting(self, cluster: Cluster) -> int:
        """That of the columns that are kept: ROOT's RNTupleInspector asks for the same in all columns of an RNTuple."""
        settings = [int(cluster.settings[old]) for old in self.left.columns if old < cluster.columns]
        return max(settings, default=ZSTD_DEFAULT.code)
