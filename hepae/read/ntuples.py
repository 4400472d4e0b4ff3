"""uproot gives a compressed RNTuple as the original: `import hepae` and read as before.

uproot calls ``postprocess`` when it has read an anchor. Ours looks for the marker field; where it is, the RNTuple shows
the header that the original had, and the pages of fields that were replaced are made when they are read: a page for
each column and cluster, whose bytes are those that a file would hold. What uproot makes of them is as before.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import uproot
from uproot.models.RNTuple import FooterReader, HeaderReader, Model_ROOT_3a3a_RNTuple, RField

from hepae.core.locks import ForkSafeLock
from hepae.errors import CorruptionError
from hepae.read.sealed import SealedNTuple, sealed
from hepae.root.file.reading import reading
from hepae.root.file.source import OWN_TREES, PAYLOAD, Source
from hepae.root.rntuple.encodings import encode_page
from hepae.root.rntuple.filling import ElementsOfCluster
from hepae.root.rntuple.leaves import FieldLeaf
from hepae.stored.compressed import is_read_as_stored
from hepae.stored.mixed import merged_with_plain
from hepae.stored.models import models_of
from hepae.stored.ntuple_headers import envelope_length
from hepae.stored.ntuples import CompressedNTuple, compressed_ntuple
from hepae.stored.payload import MARKER

__all__ = ["register_ntuples"]

KEPT_BYTES: Final = 64 << 20
"""Bytes of restored pages that are kept: uproot asks how long they are before it reads them."""

NO_SETS: Final = (1, 0, 0, 0)
"""A version of the format whose footers have no sets of attributes, as that which is kept of the original."""


def register_ntuples() -> None:
    """Let uproot see compressed RNTuples as the originals; harmless when repeated.

    A field gets what a branch has, ``title``: `uproot.dask` and coffea ask either for it by that name.
    """
    plain = Model_ROOT_3a3a_RNTuple.postprocess
    if getattr(plain, "of_hepae", False):
        return

    def postprocess(self: Any, chunk: Any, cursor: Any, context: Any, file: Any) -> Any:
        ntuple = plain(self, chunk, cursor, context, file)
        if is_read_as_stored() or not isinstance(ntuple, Model_ROOT_3a3a_RNTuple):
            return ntuple
        return _restored(ntuple)

    postprocess.of_hepae = True  # type: ignore[attr-defined]
    Model_ROOT_3a3a_RNTuple.postprocess = postprocess
    if not hasattr(RField, "title"):
        RField.title = property(lambda field: field.description)


def _restored(ntuple: Any) -> Any:
    """The original of an RNTuple, the RNTuple itself where it is not compressed."""
    key = ntuple.parent
    home = getattr(key, "parent", None)
    if not isinstance(home, uproot.ReadOnlyDirectory) or key.fName in OWN_TREES:
        return ntuple  # a set of attributes, or a table of hepae's own
    name, path = str(key.fName), "/".join((*home.path, str(key.fName)))
    marked = any(record.field_name == MARKER for record in ntuple.header.field_records)
    if not marked:
        if f"{name}{PAYLOAD}" in home and key.fCycle == home.key(name).fCycle:
            raise merged_with_plain(f"{ntuple.file.file_path}:{path}", MARKER)
        return ntuple
    source = Source.of(home.file.root_directory)
    with reading(f"{source.path}:{path}"):
        compressed = compressed_ntuple(source, path, models_of(source))
    if compressed is None:
        return ntuple
    stored = sealed(copy.copy(ntuple))
    stored._ntuple = stored
    ntuple.__class__ = RestoredNTuple
    ntuple.show(stored, compressed)
    return ntuple


@dataclass(frozen=True)
class RestoredPlace:
    """Where a restored page is, as far as uproot asks (its ``locator``).

    Attributes
    ----------
    cluster, column
        Which page.
    num_bytes
        Of its elements.
    """

    cluster: int
    column: int
    num_bytes: int
    offset: int = 0


@dataclass(frozen=True)
class RestoredPage:
    """What uproot knows of a page."""

    num_elements: int
    locator: RestoredPlace


@dataclass(frozen=True)
class RestoredList:
    """What uproot knows of the pages of a column in a cluster."""

    pages: Sequence[Any]
    suppressed: bool = False
    compression_settings: int = 0


class RestoredNTuple(SealedNTuple):
    """An RNTuple that shows the original (`uproot.models.RNTuple.Model_ROOT_3a3a_RNTuple`)."""

    def show(self, stored: Any, compressed: CompressedNTuple) -> None:
        """Show the original.

        Parameters
        ----------
        stored
            uproot's RNTuple of what is in the file.
        compressed
            What restores the fields that were replaced.
        """
        self._stored, self._restored = stored, RestoredPages(compressed)
        length = envelope_length(compressed.header)
        self._header = _parsed(HeaderReader(), compressed.header[:length], self.file)
        self._footer = _parsed(FooterReader(NO_SETS), compressed.header[length:], self.file)
        there = compressed.tree.columns.whole
        kept = {
            old: new
            for name, field in compressed.top.items()
            if name in there and name not in compressed.fields
            for old, new in zip(field.columns, there[name].columns, strict=True)
        }
        self._lists = [
            RestoredLists(self._restored, number, kept, stored)
            for number in range(len(compressed.tree.columns.edges) - 1)
        ]

    @property
    def page_list_envelopes(self) -> Any:
        """Those of the file."""
        return self._stored.page_list_envelopes

    @property
    def cluster_summaries(self) -> Any:
        """Those of the file: clusters are as they were."""
        return self._stored.cluster_summaries

    @property
    def page_link_list(self) -> list[RestoredLists]:
        """The pages of each cluster, column by column."""
        return self._lists

    def read_locator(self, loc: Any, uncomp_size: int) -> tuple[Any, Any]:
        """The bytes of a page, and where they begin."""
        if not isinstance(loc, RestoredPlace):
            found: tuple[Any, Any] = super().read_locator(loc, uncomp_size)
            return found
        data = np.frombuffer(self._restored.page(loc.cluster, loc.column)[1], np.uint8)
        return uproot.source.chunk.Chunk.wrap(self.file.source, data), uproot.source.cursor.Cursor(0)


RestoredNTuple.__name__ = Model_ROOT_3a3a_RNTuple.__name__  # uproot derives the class of the object from it


def _parsed(reader: Any, data: bytes, file: Any) -> Any:
    """An envelope as uproot has it."""
    chunk = uproot.source.chunk.Chunk.wrap(file.source, np.frombuffer(data, np.uint8))
    return reader.read(chunk, uproot.source.cursor.Cursor(0), {})


class RestoredLists:
    """The pages of a cluster: what uproot asks of a list of columns."""

    def __init__(self, restored: RestoredPages, cluster: int, kept: dict[int, int], stored: Any) -> None:
        self.restored, self.cluster, self.kept, self.stored = restored, cluster, kept, stored

    def __len__(self) -> int:
        return self.restored.columns

    def __getitem__(self, column: int) -> RestoredList:
        if column in self.kept:
            links, number = self.stored.page_link_list[self.cluster], self.kept[column]
            found: RestoredList = links[number] if number < len(links) else RestoredList([])
            return found
        if column not in self.restored.by_column:
            return RestoredList([])  # its field was dropped
        elements, data = self.restored.page(self.cluster, column)
        place = RestoredPlace(self.cluster, column, len(data))
        return RestoredList([RestoredPage(elements, place)] if elements else [])

    def __iter__(self) -> Iterator[RestoredList]:
        return (self[column] for column in range(len(self)))


class RestoredPages:
    """Makes the pages of the fields that were replaced; those that were made last are kept.

    Attributes
    ----------
    columns : int
        Physical columns of the original.
    by_column : dict of FieldLeaf
        For each physical column that is restored a column whose values tell its elements.
    """

    def __init__(self, compressed: CompressedNTuple) -> None:
        self.compressed = compressed
        records = (compressed.original.schema + compressed.extension).columns
        self.columns = len(records)
        self.firsts = {number: record.first for number, record in enumerate(records) if record.first}
        self.by_column: dict[int, FieldLeaf] = {}
        for leaf in compressed.leaves:
            for level in leaf.levels:
                if level.index is not None:
                    self.by_column.setdefault(level.index.number, leaf)
        self.by_column |= {leaf.column.number: leaf for leaf in compressed.leaves}
        self._kept: OrderedDict[tuple[int, int], tuple[int, bytes]] = OrderedDict()
        self._lock = ForkSafeLock()

    def page(self, cluster: int, column: int) -> tuple[int, bytes]:
        """The elements of a column in a cluster: how many, and the bytes of one page of all of them."""
        with self._lock:
            if (cluster, column) not in self._kept:
                made = self._made(cluster, self.by_column[column])
                for number, page in made.items():
                    self._kept[cluster, number] = page
            self._kept.move_to_end((cluster, column))
            found = self._kept[cluster, column]
            while len(self._kept) > 1 and sum(len(data) for _, data in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
            return found

    def _made(self, cluster: int, leaf: FieldLeaf) -> dict[int, tuple[int, bytes]]:
        edges = self.compressed.tree.columns.edges
        start, stop = int(edges[cluster]), int(edges[cluster + 1])
        filling = ElementsOfCluster([leaf], self.firsts, start, self.compressed.where)
        runs = [
            filling.add(columns, entries) for entries, columns in self.compressed.entries(start, stop, [leaf])
        ]
        if not runs:
            raise CorruptionError("a cluster without a chunk", where=self.compressed.where, got=cluster)
        pages = {}
        for number, column in filling.columns.items():
            elements = np.concatenate([run[number] for run in runs])
            pages[number] = len(elements), encode_page(column.encoding, elements)
        return pages
