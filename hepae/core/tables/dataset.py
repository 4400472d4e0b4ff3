"""What a model of a data set knows: for each tree its tables, its columns, and how they predict each other.

Trees, columns and tables of a file are told by their names: a file may have more of them, or fewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from hepae import limits
from hepae.core.locks import computed_once
from hepae.core.tables.columns import EVENTS, ColumnSpec
from hepae.core.tables.schema import PlainCodec, TreeSchema
from hepae.core.values.bounds import EXACT, Bound
from hepae.core.versioned import Training, Versioned
from hepae.errors import CorruptionError, ModelRejectedError

__all__ = ["Dataset", "DatasetManifest", "KnownMatch", "KnownPart", "KnownTree"]


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


class KnownPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the manifest of a model says of a tree, beside what a file of the data set would say of it.

    Parameters
    ----------
    header, schema
        Bytes of the original header of a tree, and of how it is stored as JSON, in the reference of the model.
    methods
        For each column the methods of plain coding that suit it; none for those of a codec.
    matches
        Columns of hepae's own among those of the schema.
    bits
        For each column that is predicted, in their order, the bits of a row of the sample: by itself, and predicted.
    """

    header: int
    schema: int
    methods: tuple[tuple[int, ...], ...]
    matches: tuple[KnownMatch, ...] = ()
    bits: tuple[tuple[float, float], ...] = ()


class _Told(msgspec.Struct, frozen=True):
    """What is looked at of how a tree is stored."""

    schema: TreeSchema
    tree: str = ""


@dataclass(frozen=True)
class KnownTree:
    """What a model knows of a tree.

    Parameters
    ----------
    tree
        Directories and name of the tree.
    schema
        How a tree that has all of the columns would be stored.
    methods, matches, bits
        As in `KnownPart`.
    """

    tree: str
    schema: TreeSchema
    methods: tuple[tuple[int, ...], ...]
    matches: tuple[KnownMatch, ...] = ()
    bits: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(cls, part: KnownPart, text: bytes) -> KnownTree:
        """From what a manifest says, and the JSON.

        Raises
        ------
        ModelRejectedError
            If it cannot be the plan of a tree.
        """
        try:
            told = msgspec.json.decode(text, type=_Told)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
            raise ModelRejectedError("a schema that cannot be read", got=str(problem)) from None
        tree = cls(told.tree, told.schema, part.methods, part.matches, part.bits)
        tree.require_sense()
        return tree

    @property
    def columns(self) -> tuple[ColumnSpec, ...]:
        """The columns of the tree."""
        return self.schema.columns

    @computed_once
    def codecs(self) -> tuple[PlainCodec, ...]:
        """How columns predict each other."""
        return tuple(codec for codec in self.schema.codecs if isinstance(codec, PlainCodec))

    @computed_once
    def predicted(self) -> tuple[int, ...]:
        """The columns that are predicted from others."""
        return tuple(n for codec in self.codecs if codec.lifting is not None for n in codec.columns)

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
        counts = {f"{table.name}#{number}" for number, table in enumerate(self.schema.tables)}
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
        if (
            not counted
            or not names
            or len(self.codecs) != len(self.schema.codecs)
            or len(self.methods) != len(self.columns)
            or len(self.bits) not in (0, len(self.predicted))
        ):
            raise ModelRejectedError("columns that cannot be", where=self.tree)


class DatasetManifest(Versioned, frozen=True, forbid_unknown_fields=True):
    """All that a model of a data set says, but for its reference.

    Parameters
    ----------
    trees
        What is known of each tree.
    dither
        Whether the cells of lossy columns are filled evenly.
    training
        Provenance: how much it was trained on; objects are values of all columns.
    """

    trees: tuple[KnownPart, ...]
    dither: bool
    training: Training

    @property
    def reference(self) -> int:
        """Bytes of the reference: header and JSON of each tree, one after the other."""
        return sum(part.header + part.schema for part in self.trees)

    def require_sense(self) -> None:
        """Refuse sizes that cannot be."""
        if any(part.header < 0 or part.schema < 0 for part in self.trees):
            raise ModelRejectedError("parts of a reference that cannot be", where="manifest")
        limits.check("bytes of a reference", self.reference, limits.MAX_REFERRED_BYTES, "manifest")


@dataclass(frozen=True)
class Dataset:
    """What a model of a data set knows.

    Parameters
    ----------
    trees
        The trees that files of it have.
    dither
        Whether the cells of lossy columns are filled evenly.
    """

    trees: tuple[KnownTree, ...]
    dither: bool

    @classmethod
    def of(cls, manifest: DatasetManifest, reference: bytes) -> Dataset:
        """From a manifest and its reference.

        Raises
        ------
        ModelRejectedError
            If a tree cannot be, or is known twice.
        """
        trees, at = [], 0
        for part in manifest.trees:
            at += part.header
            trees.append(KnownTree.of(part, reference[at : at + part.schema]))
            at += part.schema
        if len({known.tree for known in trees}) != len(trees):
            raise ModelRejectedError("a tree is known twice", where="manifest")
        return cls(tuple(trees), manifest.dither)

    def tree(self, path: str) -> KnownTree | None:
        """What is known of a tree."""
        return next((known for known in self.trees if known.tree == path), None)
