"""One RNTuple of several files, end to end: pages are copied sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hepae.errors import CorruptionError, SchemaError, UnsupportedError, report_it
from hepae.root.file.compression import Compression
from hepae.root.file.source import Key, Source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.clusters import ClusterWriter, SealedPage
from hepae.root.rntuple.encodings import decode_page, encode_page, encoding_of
from hepae.root.rntuple.frames import digest
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.pages import Cluster
from hepae.root.rntuple.schema import ColumnRecord, Schema
from hepae.root.rntuple.united import Matched, elements_of_entries, extend, matched
from hepae.stored.described import schemas_of
from hepae.stored.models import models_of
from hepae.stored.ntuple_headers import require_alike
from hepae.stored.ntuples import compressed_ntuple
from hepae.stored.schemas import Schemas

__all__ = ["JoinedNTuple", "schemas_of_rows"]

PAGE_ELEMENTS = 1 << 16
"""Of a page of zeros, which is packed to next to nothing."""


@dataclass(frozen=True)
class NTuplePart:
    """An RNTuple of one of the files, and what its columns become.

    Attributes
    ----------
    ntuple, matched
        The RNTuple; its columns and the own ones.
    listed
        How many of the own columns are there by then; None where it is the first, whose clusters stay as they are.
    """

    ntuple: NTuple
    matched: Matched
    listed: int | None


class JoinedNTuple:
    """An RNTuple that several files have. The first of them that has entries gives the header.

    Parameters
    ----------
    path
        Directories and name.
    parts
        The files that have it, and its key in each.
    fill
        Whether fields that only some have are zero for the entries of others.

    Raises
    ------
    SchemaError
        If fields differ.
    UnsupportedError
        If sets of attributes, which belong to ranges of entries, would have to be put together.
    """

    def __init__(self, path: str, parts: Sequence[tuple[Source, Key]], fill: bool = False) -> None:
        self.path = path
        # one without entries adds nothing, whatever its fields are
        there = [one for one in parts if one[0].ntuple(one[1]).num_entries] or list(parts[:1])
        self.source, self.key = there[0]
        filled = [source.ntuple(key) for source, key in there]
        self.first, self.entries = filled[0], 0
        header = self.first.header.schema
        self.extension = Schema() + self.first.footer.extension
        listed: list[int] = []
        for ntuple in filled:
            if fill and listed:
                extend(header, self.extension, ntuple.schema, self.entries)
            listed.append(len(header.columns) + len(self.extension.columns))
            self.entries += ntuple.num_entries
        self.schema = header + self.extension
        limits = [None, *listed[1:]]
        self.parts = [
            NTuplePart(one, matched(self.schema, one.schema, one.where, self.first.where, fill), columns)
            for one, columns in zip(filled, limits, strict=True)
        ]
        self.zeros = elements_of_entries(self.schema)
        if len(filled) > 1:
            refuse_attributes(filled)

    def write(self, out: RootWriter, tell: Callable[[int], None]) -> None:
        """Write it, with the header of the first part."""
        if len(self.parts) == 1:
            out.keep_ntuple(self.key, self.source)
            out.done.add(self.path)
            return
        writer = out.new_ntuple(self.path, self.first.header_bytes, self.extension, self.key.title)
        writer.version = max(part.ntuple.anchor.version for part in self.parts)
        writer.attributes = None if self.first.footer.attributes is None else []
        for part in self.parts:
            for clusters in part.ntuple.groups:
                for cluster in clusters:
                    self._write(writer, part, cluster)
                    tell(cluster.entries)
                writer.end_group()
        writer.finish()
        out.done.add(self.path)

    def _write(self, writer: ClusterWriter, part: NTuplePart, cluster: Cluster) -> None:
        writer.begin(cluster.entries, cluster.columns if part.listed is None else part.listed)
        for column, (pages, setting) in self._made(part, cluster).items():
            writer.fill(column, pages, setting)
        writer.copy(part.ntuple, cluster, part.matched.columns, counted=True)
        for column in self._aside(part):
            writer.suppress(column)
        writer.end()

    def _aside(self, part: NTuplePart) -> list[int]:
        """Own columns of representations that a part does not have."""
        if part.listed is None:
            return []
        own = part.matched.theirs
        there = {self.schema.columns[number].field for number in own}
        return [
            number
            for number, column in enumerate(self.schema.columns[: part.listed])
            if number not in own and (column.field in there or column.representation)
        ]

    def _made(self, part: NTuplePart, cluster: Cluster) -> dict[int, tuple[list[SealedPage], int]]:
        """Pages that are not copied, and how they are packed: zeros in front of what a part has, and what has to be
        encoded in another way.
        """
        theirs, aside, counts = part.matched.theirs, set(self._aside(part)), cluster.numbers
        made: dict[int, tuple[list[SealedPage], int]] = {}
        for own in range(part.listed or 0):
            their = theirs.get(own, cluster.columns)
            present = their < cluster.columns
            if own in aside or (present and cluster.firsts[their] < 0):
                continue
            setting = int(cluster.settings[their] if present else cluster.settings.max(initial=0))
            there = int(counts[their]) if present else 0
            lacking = cluster.entries * self.zeros[own] - there if self.zeros[own] else 0
            packing = Compression.of(setting)
            pages = list(zero_pages(self.schema.columns[own].bits, lacking, packing))
            if their in part.matched.encoded_anew and there:
                pages += encoded(part.ntuple, cluster, their, self.schema.columns[own], packing)
            if pages:
                made[own] = pages, setting
        return made

    def check(self, out: Source) -> None:
        """Compare the pages that were written with those of the parts.

        Raises
        ------
        CorruptionError
            Naming the column that differs.
        """
        written = out.ntuple(out.key(self.path))
        after = iter(written.clusters)
        for part in self.parts:
            for cluster in part.ntuple.clusters:
                found = next(after, None)
                expected = self._digests(part, cluster)
                digests = written.digests(found) if found is not None else []
                columns = range(found.columns) if found is not None else range(0)
                got = [digests[page] for column in columns for page in (found.pages(column) if found else ())]
                same = found is not None and found.entries == cluster.entries
                if not same or got != [one for column in columns for one in expected.get(column, [])]:
                    raise CorruptionError(
                        "pages differ after writing",
                        where=f"{written.where}, cluster of entry {cluster.first}",
                        hint=report_it(),
                    )

    def _digests(self, part: NTuplePart, cluster: Cluster) -> dict[int, list[bytes]]:
        """Checksums of the pages that are expected, by own column."""
        digests = part.ntuple.digests(cluster)
        made = self._made(part, cluster)
        expected = {own: [digest(page.sealed) for page in pages] for own, (pages, _) in made.items()}
        for their, own in part.matched.columns.items():
            copied = [digests[page] for page in cluster.pages(their)]
            expected[own] = expected.get(own, []) + copied
        return expected


def schemas_of_rows(path: str, parts: Sequence[tuple[Source, Key]]) -> Schemas:
    """The schemas of the chunks of a compressed RNTuple in all files, none where it is plain.

    Raises
    ------
    SchemaError
        If it is compressed in some files only, or the original ones had other columns.
    """
    filled = [source for source, key in parts if source.ntuple(key).num_entries]
    compressed = {source.path: compressed_ntuple(source, path, models_of(source)) for source in filled}
    plain = [where for where, one in compressed.items() if one is None]
    there = [one for one in compressed.values() if one is not None]
    if there and plain:
        raise SchemaError(
            "an RNTuple is stored in different ways",
            where=path,
            got=f"plain in {plain[0]}, compressed in {there[0].where}",
            hint="compress the plain files first (hepae compress --only '*'), or decompress the others",
        )
    if not there:
        return {}
    try:
        require_alike([one.header for one in there], path)
    except CorruptionError as error:
        raise SchemaError(error.what, where=path, hint=error.hint) from error
    used = {stored.sha256 for one in there for stored in one.stored.values()}
    rows = [row for source in filled for row in schemas_of(source).items() if row[0] in used]
    return dict(reversed(rows))  # of the first file, whose header is written


def refuse_attributes(ntuples: Sequence[NTuple]) -> None:
    """Refuse sets of attributes, which belong to ranges of entries.

    Raises
    ------
    UnsupportedError
        Naming the first.
    """
    for ntuple in ntuples:
        if ntuple.footer.attributes:
            raise UnsupportedError(
                "sets of attributes are not put together",
                where=ntuple.where,
                got=ntuple.footer.attributes[0].name,
            )


def zero_pages(bits: int, elements: int, setting: Compression) -> Iterator[SealedPage]:
    """Pages of elements that are zero, which all encodings write as zero bits."""
    for start in range(0, elements, PAGE_ELEMENTS):
        number = min(PAGE_ELEMENTS, elements - start)
        yield SealedPage.of(number, bytes((number * bits + 7) // 8), setting)


def encoded(
    ntuple: NTuple, cluster: Cluster, column: int, own: ColumnRecord, setting: Compression
) -> Iterator[SealedPage]:
    """The pages of a column in the encoding of another, whose elements are the same."""
    record = ntuple.schema.columns[column]
    before, after = encoding_of(record.kind, record.bits), encoding_of(own.kind, own.bits)
    assert before is not None
    assert after is not None
    for number, data in ntuple.values(cluster, column):
        elements = decode_page(before, data, number, ntuple.where)
        yield SealedPage.of(number, encode_page(after, elements), setting)
