"""What a model of a data set knows: for each tree its tables, its columns, and how they predict each other.

Trees, columns and tables of a file are told by their names: a file may have more of them, or fewer.
"""

from __future__ import annotations

import msgspec

from hepae import limits
from hepae.core.locks import computed_once
from hepae.core.tables.columns import EVENTS, ColumnSpec, TableSpec
from hepae.core.tables.schema import Bundle, Framed, PlainCodec, TreeSchema
from hepae.core.values.bounds import EXACT, Bound
from hepae.core.versioned import Training, Versioned
from hepae.errors import CorruptionError, ModelRejectedError

__all__ = ["DatasetManifest", "KnownMatch", "KnownTree"]


class KnownMatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows of a table that are matched with the nearest of another.

    Parameters
    ----------
    index
        Column of hepae's own that holds the numbers.
    here, there
        Columns of eta, phi and pt of both tables.
    """

    index: int
    here: tuple[int, int, int]
    there: tuple[int, int, int]


class KnownTree(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What a model knows of a tree.

    Parameters
    ----------
    tree
        Directories and name of the tree.
    tables, columns, codecs
        As in a schema (`hepae.core.tables.schema.TreeSchema`).
    methods
        For each column the methods of plain coding that suit it; none for those of a codec.
    matches
        Columns of hepae's own among ``columns``.
    """

    tree: str
    tables: tuple[TableSpec, ...]
    columns: tuple[ColumnSpec, ...]
    codecs: tuple[PlainCodec, ...]
    methods: tuple[tuple[int, ...], ...]
    matches: tuple[KnownMatch, ...] = ()

    @computed_once
    def schema(self) -> TreeSchema:
        """The schema of a tree that has all of the columns: each column in a stream of its own."""
        framed = [
            Framed(number, column) for number, codec in enumerate(self.codecs) for column in codec.columns
        ]
        coded = {stream.column for stream in framed}
        exact = [Bundle((number,)) for number in range(len(self.columns)) if number not in coded]
        return TreeSchema(limits.FORMAT_VERSION, self.tables, self.columns, self.codecs, (*exact, *framed))

    @computed_once
    def bounds(self) -> dict[str, Bound]:
        """The bound of each column, by name."""
        lossy = {
            self.columns[number].name: feature.bound
            for codec in self.codecs
            for number, feature in zip(codec.columns, codec.features, strict=True)
        }
        return {column.name: lossy.get(column.name, EXACT) for column in self.columns}

    @computed_once
    def own(self) -> frozenset[str]:
        """Names of columns that no branch of a tree holds: numbers of nearest rows, and counts."""
        made = {self.columns[match.index].name for match in self.matches}
        counts = {f"{table.name}#{number}" for number, table in enumerate(self.tables)}
        return frozenset(made | (counts & self.schema.numbers.keys()))

    def depth(self, name: str) -> int:
        """Levels of counts of a column."""
        return len(self.schema.chain(self.columns[self.schema.numbers[name]].table))

    def require_sense(self) -> None:
        """Refuse what cannot be the plan of a tree (`ModelRejectedError`)."""
        try:
            self.schema.require_sense(self.tree)
        except CorruptionError as problem:
            raise ModelRejectedError("tables that cannot be", where=self.tree, got=problem.what) from None
        named = [n for match in self.matches for n in (match.index, *match.here, *match.there)]
        counted = all(
            0 <= n < len(self.columns) and self.columns[n].table != EVENTS and not self.columns[n].shape
            for n in named
        )
        names = all(
            feature.name == self.columns[number].name
            for codec in self.codecs
            for number, feature in zip(codec.columns, codec.features, strict=True)
        )
        if not counted or not names or len(self.methods) != len(self.columns):
            raise ModelRejectedError("columns that cannot be", where=self.tree)


class DatasetManifest(Versioned, frozen=True, forbid_unknown_fields=True):
    """All that a model of a data set says.

    Parameters
    ----------
    trees
        What is known of each tree.
    dither
        Whether the cells of lossy columns are filled evenly.
    training
        Provenance: how much it was trained on; objects are rows of all tables.
    """

    trees: tuple[KnownTree, ...]
    dither: bool
    training: Training

    def tree(self, path: str) -> KnownTree | None:
        """What is known of a tree."""
        return next((known for known in self.trees if known.tree == path), None)

    def require_sense(self) -> None:
        """Refuse trees that cannot be, and two of one name."""
        if len({known.tree for known in self.trees}) != len(self.trees):
            raise ModelRejectedError("a tree is known twice", where="manifest")
        for known in self.trees:
            known.require_sense()
