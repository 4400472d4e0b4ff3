"""How the columns of a tree are stored: tables, columns, streams. Typed JSON, the same for all chunks of a tree."""

from __future__ import annotations

import hashlib
from math import isfinite, prod
from typing import Final

import msgspec

from hepae import limits
from hepae.core.features import FeatureSpec
from hepae.core.locks import computed_once
from hepae.core.prediction.predictors import LiftingSpec, carriers
from hepae.core.tables.columns import EVENTS, ColumnSpec, TableSpec
from hepae.core.tables.links import Linked
from hepae.errors import CorruptionError

__all__ = [
    "Bundle",
    "Framed",
    "ModelCodec",
    "PlainCodec",
    "TreeSchema",
]

FLOATS: Final = ("float16", "float32", "float64")
UNSIGNED: Final = ("uint8", "uint16", "uint32", "uint64")
COUNTING: Final = ("int8", "int16", "int32", "int64", *UNSIGNED)
"""Dtypes of a column that may hold the counts of a table."""

DTYPES: Final = ("bool", *COUNTING, *FLOATS)


class ModelCodec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="model"):
    """Columns that are coded with a model.

    Parameters
    ----------
    sha256
        Name of the model.
    columns
        The column of each feature of its manifest, and of each of its conditions.
    """

    sha256: str
    columns: tuple[int, ...]
    conditions: tuple[int, ...] = ()


class PlainCodec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="plain", dict=True):
    """Columns of one table that are coded without a model file.

    Parameters
    ----------
    columns, features
        The columns; the bound and the lattice of each.
    lifting
        How they predict each other; each is coded by itself where it is None.
    linked
        Columns of other tables that they are predicted from.
    """

    columns: tuple[int, ...]
    features: tuple[FeatureSpec, ...]
    lifting: LiftingSpec | None = None
    linked: tuple[Linked, ...] = ()

    @computed_once
    def needs(self) -> dict[int, tuple[int, ...]]:
        """The columns that must be decoded before each: of the codec, and of linked rows with what names them."""
        if self.lifting is None:
            return dict.fromkeys(self.columns, ())
        numbers = {feature.name: number for feature, number in zip(self.features, self.columns, strict=True)}
        linked = {one.name: one.needs for one in self.linked}
        predictors = self.lifting.predictors
        needs = {}
        for name, number in numbers.items():
            own = carriers(predictors.derived, predictors.ancestors(name), name)
            given = [column for one in predictors.given(name) for column in linked.get(one, ())]
            needs[number] = tuple(dict.fromkeys([*(numbers[one] for one in own if one in numbers), *given]))
        return needs


class Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="bundle"):
    """A stream of exact columns that are read together."""

    columns: tuple[int, ...]


class Framed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="frame"):
    """A stream of one column of a codec.

    Parameters
    ----------
    codec, column
        Which codec, and which of all columns.
    """

    codec: int
    column: int


class TreeSchema(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """How a tree is stored.

    Parameters
    ----------
    format
        Version of the file format.
    tables, columns, codecs, streams
        The parts, which name each other by number.
    """

    format: int
    tables: tuple[TableSpec, ...]
    columns: tuple[ColumnSpec, ...]
    codecs: tuple[ModelCodec | PlainCodec, ...]
    streams: tuple[Bundle | Framed, ...]

    @computed_once
    def stream_of(self) -> dict[int, int]:
        """The stream of each column."""
        return {
            column: number
            for number, stream in enumerate(self.streams)
            for column in (stream.columns if isinstance(stream, Bundle) else (stream.column,))
        }

    @computed_once
    def numbers(self) -> dict[str, int]:
        """The number of each column, by name."""
        return {column.name: number for number, column in enumerate(self.columns)}

    def chain(self, table: int) -> list[int]:
        """The tables from the one below the event table to this one: one for each level of counts."""
        above: list[int] = []
        while table != EVENTS:
            above.append(table)
            table = self.tables[table].parent
        return above[::-1]

    @computed_once
    def needs(self) -> dict[int, tuple[int, ...]]:
        """The columns that must be decoded before each that is coded without a model file."""
        plain = [codec for codec in self.codecs if isinstance(codec, PlainCodec)]
        return {column: needed for codec in plain for column, needed in codec.needs.items()}

    def closure(self, column: int) -> set[int]:
        """The columns that are decoded to read a column, itself included."""
        seen: set[int] = set()
        waiting = [column]
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += self.needs.get(one, ())
        return seen

    def to_json(self) -> bytes:
        """As stored."""
        return msgspec.json.encode(self)

    @computed_once
    def sha256(self) -> str:
        """Name of the schema."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def require_sense(self, where: str) -> None:
        """Refuse numbers that name nothing, tables above themselves, columns in no stream or in two.

        Raises
        ------
        CorruptionError
            If the schema cannot be that of a tree.
        """
        limits.check("columns of a tree", len(self.columns), limits.MAX_COLUMNS, where)
        stored = [
            column
            for stream in self.streams
            for column in (stream.columns if isinstance(stream, Bundle) else (stream.column,))
        ]
        sensible = (
            self.format == limits.FORMAT_VERSION
            and len(self.tables) > 0
            and sorted(stored) == list(range(len(self.columns)))
            and len(self.numbers) == len(self.columns)
            and all(self._is_column(column) for column in self.columns)
            and all(self._is_counted(number) for number in range(1, len(self.tables)))
            and all(self._is_framed(stream) for stream in self.streams if isinstance(stream, Framed))
            and all(self._is_of_one_table(codec) for codec in self.codecs)
            and all(self._is_linked(codec) for codec in self.codecs if isinstance(codec, PlainCodec))
            and self._in_turn()
        )
        if not sensible:
            raise CorruptionError("a schema that cannot be", where=where)

    def _is_column(self, column: ColumnSpec) -> bool:
        sized = all(size > 0 for size in column.shape) and prod(column.shape) <= limits.MAX_OBJECTS_PER_CHUNK
        return 0 <= column.table < len(self.tables) and column.dtype in DTYPES and sized

    def _is_counted(self, number: int) -> bool:
        table = self.tables[number]
        known = 0 <= table.parent < number and 0 <= table.counter < len(self.columns)
        if not known:
            return False
        counter = self.columns[table.counter]
        exact = isinstance(self.streams[self.stream_of[table.counter]], Bundle)
        return counter.table == table.parent and not counter.shape and counter.dtype in COUNTING and exact

    def _is_framed(self, stream: Framed) -> bool:
        return 0 <= stream.codec < len(self.codecs) and stream.column in self.codecs[stream.codec].columns

    def _is_of_one_table(self, codec: ModelCodec | PlainCodec) -> bool:
        conditions = codec.conditions if isinstance(codec, ModelCodec) else ()
        named = (*codec.columns, *conditions)
        if not codec.columns or any(not 0 <= column < len(self.columns) for column in named):
            return False
        alike = len(set(codec.columns)) == len(codec.columns)
        if isinstance(codec, PlainCodec):
            dtypes = [self.columns[column].dtype for column in codec.columns]
            names = {feature.name for feature in codec.features}
            alike = alike and dtypes == [feature.dtype for feature in codec.features]
            alike = alike and len(names) == len(dtypes)
        tables = {self.columns[column].table for column in codec.columns}
        flat = not any(self.columns[column].shape for column in named)
        events = all(self.columns[column].table == EVENTS for column in conditions)
        return alike and flat and len(tables) == 1 and events

    def _is_linked(self, codec: PlainCodec) -> bool:
        """Whether its linked columns have names of their own, and are of tables counted in entries."""
        own = self.columns[codec.columns[0]].table
        names = [one.name for one in codec.linked] + [feature.name for feature in codec.features]
        return len(set(names)) == len(names) and all(self._is_linked_column(one, own) for one in codec.linked)

    def _is_linked_column(self, one: Linked, own: int) -> bool:
        """Whether rows are named by integers of their own table, or the codec's table is that of events."""
        if any(not 0 <= number < len(self.columns) or self.columns[number].shape for number in one.needs):
            return False
        other = self.columns[one.column].table
        kinds = [self.columns[only.column] for only in one.only]
        near = self._in_entries(other) and all(kind.table == other for kind in kinds)
        whole = all(kind.dtype in COUNTING for kind in kinds) and isfinite(one.factor)
        if one.index is not None:
            index = self.columns[one.index]
            named = index.table == own and index.dtype in COUNTING and self._in_entries(own)
            return near and whole and named and one.row is None and not kinds and one.least is None
        alone = one.row is None or (one.row >= 0 and not kinds and one.least is None)
        return near and whole and own == EVENTS and alone

    def _in_entries(self, table: int) -> bool:
        """Whether the rows of a table are counted in entries."""
        return table != EVENTS and self.tables[table].parent == EVENTS

    def _in_turn(self) -> bool:
        """Whether columns can be decoded one after the other: none waits for itself."""
        waiting = {column: set(needed) for column, needed in self.needs.items()}
        while waiting:
            ready = [column for column, needed in waiting.items() if needed.isdisjoint(waiting)]
            if not ready:
                return False
            for column in ready:
                del waiting[column]
        return True
