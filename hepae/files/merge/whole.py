"""Trees that are compressed as a whole and have other branches in each file: rows get streams of zeros."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np

from hepae.arrays import Integers
from hepae.core.tables.bundle import pack_bundle
from hepae.core.tables.columns import EVENTS, ColumnSpec
from hepae.core.tables.schema import Bundle
from hepae.core.tables.streams import sealed
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError, SchemaError, report_it
from hepae.files.merge.branches import raise_maxima, require_same_branches
from hepae.files.merge.fill import graft, require_zeros, zeros
from hepae.files.merge.trees import TreePart
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.header import TreeHeader, parse_tree
from hepae.root.ttree.layouts.fields import column_path
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import CompressedTree, compressed_of
from hepae.stored.described import schemas_of
from hepae.stored.payload import Payload, Row, payload_plan, row_columns
from hepae.stored.schemas import Schemas, StoredBranch, StoredSchema, StoredTree

__all__ = ["WholeTree"]


@dataclass(frozen=True, eq=False)
class CompressedPart:
    """A compressed tree of one of the files, and the branches that others replaced and it does not have."""

    source: Source
    reader: TTreeReader
    tree: CompressedTree
    missing: dict[str, StoredBranch] = field(default_factory=dict)

    @property
    def header(self) -> TreeHeader:
        """The original header."""
        return parse_tree(self.tree.header, self.reader.where)

    def rows(self) -> Iterator[tuple[Row, StoredTree, list[bytes]]]:
        """Each chunk, how it will be stored, and its streams, those of zeros at the end."""
        for row in self.tree.payload.rows:
            old = self.tree.stored[row.schema]
            streams = self.tree.payload.fetch(row, range(len(old.schema.streams)))
            made = [streams[number] for number in range(len(streams))]
            if self.missing:
                columns = [column for branch in self.missing.values() for column in self._zeros(branch, row)]
                body = pack_bundle(columns, [()] * len(columns), [()] * len(columns))
                made.append(sealed(body, row.chunk, len(made)))
            yield row, self.stored(old), made

    def _zeros(self, branch: StoredBranch, row: Row) -> Iterator[Nested]:
        for column in branch.layout.columns:
            counts: Integers | None = None
            if column.counter and column.counter in self.reader.branches:
                counts = np.asarray(self.reader.read(column.counter, row.start, row.stop)).astype(np.int64)
            entries = row.stop - row.start
            yield zeros(column.levels, column.field.dtype, column.field.shape, entries, counts)

    def stored(self, old: StoredTree) -> StoredTree:
        """A schema with the columns of the missing branches, in one stream, with counts of their own."""
        if not self.missing:
            return old
        columns, branches = list(old.schema.columns), list(old.branches)
        first = len(columns)
        for path, branch in self.missing.items():
            start = len(columns)
            columns += [
                ColumnSpec(column_path(path, one.name), one.field.dtype, one.field.shape, EVENTS)
                for one in branch.layout.columns
            ]
            branches.append(StoredBranch(path, branch.layout, tuple(range(start, len(columns)))))
        streams = (*old.schema.streams, Bundle(tuple(range(first, len(columns)))))
        schema = msgspec.structs.replace(old.schema, columns=tuple(columns), streams=streams)
        return StoredTree(schema, tuple(branches), old.tree)


class WholeTree:
    """A tree that is compressed as a whole in several files: its payload tree, and the schemas of its rows.

    Parameters
    ----------
    path
        Directories and name of the tree.
    parts
        The tree in each file; those without entries are plain, and add nothing.
    fill
        Whether branches that only some have are filled with zeros.

    Raises
    ------
    SchemaError
        If branches differ, or are compressed in some files only.
    """

    def __init__(self, path: str, parts: Sequence[TreePart], fill: bool) -> None:
        self.tree, self.path = path, path + PAYLOAD
        self.parts = [whole for part in parts if (whole := compressed_part(path, part)) is not None]
        self.entries = sum(len(part.tree.payload.rows) for part in self.parts)
        self.header = self.parts[0].header if self.parts else None
        for part in self.parts:
            self._unite(part, fill)
        for part in self.parts:
            self._complete(part)

    @property
    def changed(self) -> bool:
        """Whether rows are not as they were: the payload tree has to be written anew."""
        return any(part.missing for part in self.parts)

    def _unite(self, part: CompressedPart, fill: bool) -> None:
        assert self.header is not None
        header = part.header
        require_same_branches(self.header, header, fill)
        there = {branch.path for branch in self.header.branches}
        new = [branch.path for branch in header.branches if branch.path not in there]
        graft(self.header, header, new)

    def _complete(self, part: CompressedPart) -> None:
        """Know which branches of others a part lacks; refuse one that it has and did not replace."""
        own = {branch.path for branch in part.header.branches}
        for other in self.parts:
            for path, branch in other.tree.branches.items():
                if path in part.tree.branches:
                    continue
                if path in own:
                    raise SchemaError(
                        "a branch is compressed in one file and as it was in another",
                        where=f"{self.tree}, {path}",
                        got=f"compressed in {other.source.path}, not in {part.source.path}",
                        hint="decompress the files, merge them, and compress what comes out",
                    )
                require_zeros(branch.layout, f"{other.reader.where}, {path}")
                part.missing.setdefault(path, branch)

    def schemas(self) -> Schemas:
        """The schemas of the rows, with an original header that is good for all of them."""
        if self.header is None:
            return {}
        header = self.header.copy()
        raise_maxima(header, [part.header for part in self.parts])
        lean = header.lean()
        stored = [part.stored(old) for part in self.parts for old in part.tree.stored.values()]
        there = {name: row for part in self.parts for name, row in schemas_of(part.source).items()}
        return {one.sha256: _row(one, lean, there.get(one.sha256)) for one in stored}

    def write(self, out: RootWriter, tell: Callable[[int], None]) -> None:
        """Write the payload tree, row by row."""
        title = f"columns of {self.tree.rpartition('/')[2]}, compressed by hepae"
        written = out.new_tree(self.path, payload_plan(), title)
        for part in self.parts:
            for row, stored, streams in part.rows():
                written.append(row_columns(row.chunk, row.stop - row.start, stored.sha256, streams))
                tell(1)
        written.finish()
        out.done.add(self.path)

    def check(self, out: Source) -> None:
        """Compare the streams that were written with those of the parts.

        Raises
        ------
        CorruptionError
            Naming the row that differs.
        """
        reader = out.tree(self.path)
        assert isinstance(reader, TTreeReader)
        payload = Payload(reader, sum(part.reader.num_entries for part in self.parts))
        expected = (one for part in self.parts for one in part.rows())
        for after, (row, stored, streams) in zip(payload.rows, expected, strict=True):
            found = payload.fetch(after, range(len(streams)))
            same = (after.chunk, after.schema) == (row.chunk, stored.sha256[:16])
            if not same or [found[number] for number in range(len(streams))] != streams:
                raise CorruptionError(
                    "rows differ after writing", where=f"{payload.where}, row {after.index}", hint=report_it()
                )


def _row(stored: StoredTree, header: bytes, before: StoredSchema | None) -> StoredSchema:
    """What is said of a tree, as before where that is the same: by reference to a model then."""
    row = StoredSchema(stored.to_json(), header)
    return before if before is not None and before[:2] == row[:2] else row


def compressed_part(path: str, part: TreePart) -> CompressedPart | None:
    """The compressed tree of a file, None of a plain one."""
    reader = part.source.tree(path) if part.header.entries else None
    tree = compressed_of(reader.tree) if isinstance(reader, TTreeReader) else None
    return (
        CompressedPart(part.source, reader, tree)
        if isinstance(reader, TTreeReader) and tree is not None
        else None
    )
