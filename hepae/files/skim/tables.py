"""Chosen entries of a tree that is compressed as a whole: restored, chosen, and coded again by the same schema.

What was restored lies on its lattice, and is coded again bit for bit: bounds do not add up.
"""

from __future__ import annotations

from collections.abc import Callable

from hepae import limits
from hepae.arrays import Booleans
from hepae.core.tables.streams import encode
from hepae.core.values.nested import Nested
from hepae.files.skim.digests import Digests
from hepae.input.columns import CHUNK_BYTES
from hepae.learn.whole.methods import best_methods
from hepae.root.columns import Column
from hepae.stored.compressed import CompressedColumns
from hepae.stored.payload import Row, row_columns

__all__ = ["ChosenTables", "named_columns"]


def named_columns(tree: CompressedColumns, row: Row) -> dict[str, Nested]:
    """Every column of a chunk by name."""
    columns = tree.stored[row.schema].schema.columns
    return {columns[number].name: values for number, values in tree.whole(row).items()}


class ChosenTables:
    """The entries of the columns of a tree that are chosen, gathered until they fill a chunk.

    Parameters
    ----------
    tree
        The replaced branches or fields of the source.
    mark
        Told the number of a chunk and of its entries, which are marked with it.
    append
        Takes a row of the payload.
    digests
        Told what is written.
    """

    def __init__(
        self,
        tree: CompressedColumns,
        mark: Callable[[int, int], None],
        append: Callable[[dict[str, Column]], None],
        digests: Digests,
    ) -> None:
        self.tree, self.mark, self.append, self.digests = tree, mark, append, digests
        self.number = self._entries = self._size = 0
        self._schema = ""
        self._methods: dict[int, tuple[int, ...]] = {}
        self._runs: list[dict[int, Nested]] = []

    def add(self, start: int, keep: Booleans) -> None:
        """The next entries, of one chunk, and which of them are to be kept."""
        if not keep.any():
            return
        row = next(row for row in self.tree.payload.rows if row.start <= start < row.stop)
        if row.schema != self._schema:
            self.flush()
            self._schema, self._methods = row.schema, {}
        stop = start + len(keep)
        run = {
            number: column.cut(start - row.start, stop - row.start).chosen(keep)
            for number, column in self.tree.whole(row).items()
        }
        self._runs.append(run)
        self._entries += int(keep.sum())
        self._size += sum(column.values.nbytes for column in run.values())
        if self._entries >= limits.EVENTS_PER_CHUNK or self._size >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered as a chunk."""
        if not self._runs:
            return
        columns = {
            number: Nested.concatenated([run[number] for run in self._runs]) for number in self._runs[0]
        }
        stored = self.tree.stored[self._schema]
        if not self._methods:
            self._methods = {number: best_methods(column.values) for number, column in columns.items()}
        codecs = self.tree.codecs(self._schema, exact=True)
        chunk, streams = encode(stored.schema, codecs, columns, self._entries, self.number, self._methods)
        self.append(row_columns(chunk, self._entries, stored.sha256, streams))
        self.mark(chunk, self._entries)
        specs = stored.schema.columns
        self.digests.add_nested({specs[number].name: column for number, column in columns.items()})
        self.number += 1
        self._entries = self._size = 0
        self._runs = []
