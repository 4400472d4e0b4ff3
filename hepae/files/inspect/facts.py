"""What is said of a file: its trees, their tables, their columns. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hepae.root.file.source import Key
from hepae.shown.notebook import html_table

__all__ = [
    "ENTRIES",
    "OTHERS",
    "PLAIN",
    "ColumnFacts",
    "FileFacts",
    "TableFacts",
    "TreeFacts",
    "ValueFacts",
    "tables_of",
]

ENTRIES = "(per entry)"
"""The table with one row per entry."""

OTHERS = "(not numbers)"
"""Branches of no table: what they hold is not taken apart."""


PLAIN = "(plain branches)"
"""Branches of a compressed tree that stayed as they were."""


@dataclass
class ValueFacts:
    """What the values of a column are like.

    Attributes
    ----------
    mantissa
        Bits of the mantissa in use, None for integers.
    low, high
        Range of the finite values, None where there are none.
    non_finite
        Share of NaN and infinities.
    """

    mantissa: int | None = None
    low: float | None = None
    high: float | None = None
    non_finite: float = 0.0


@dataclass
class ColumnFacts:
    """A column: where it takes how many bytes, and what becomes of it.

    Attributes
    ----------
    name
        Full path of its branch, with the leaf where a branch has several.
    table
        Label of its table.
    dtype
        NumPy dtype and fixed dimensions; the C++ type of what is not taken apart.
    on_disk, in_memory
        Bytes on disk and before compression; columns of one branch share its bytes by their widths.
    bound
        The bound it has, or would get; empty where it stays as it is.
    codec
        ``plain``, ``lifting`` or the like where it is compressed or a plan was made; else empty.
    needs
        Columns that are read with it, because it is predicted from them.
    kept
        Why it stays as it is; empty where it is compressed or would be.
    after
        Bytes that it would take, where an estimate was asked for.
    values
        What its values are like, where that was asked for.
    """

    name: str
    table: str
    dtype: str
    title: str = ""
    on_disk: int = 0
    in_memory: int = 0
    bound: str = ""
    codec: str = ""
    needs: list[str] = field(default_factory=list)
    kept: str = ""
    after: int | None = None
    values: ValueFacts | None = None


@dataclass
class TableFacts:
    """The columns of a table together.

    Attributes
    ----------
    rows
        In all entries; None where nobody counts them.
    columns
        How many there are.
    bounds
        How many have or would get each bound.
    kept
        How many stay as they are.
    """

    name: str
    rows: int | None
    columns: int = 0
    on_disk: int = 0
    after: int | None = None
    bounds: dict[str, int] = field(default_factory=dict)
    kept: int = 0


@dataclass
class TreeFacts:
    """A tree.

    Attributes
    ----------
    compressed
        Whether it is compressed already.
    kept
        Why it stays as it is as a whole; empty where columns say it.
    """

    path: str
    classname: str
    title: str
    entries: int
    compressed: bool = False
    kept: str = ""
    tables: list[TableFacts] = field(default_factory=list)
    columns: list[ColumnFacts] = field(default_factory=list)


@dataclass(repr=False)
class FileFacts:
    """A file: its trees, its other keys, the models that it carries by SHA-256 with their size in bytes.

    Attributes
    ----------
    after
        Bytes that the compressed file would have, where an estimate was asked for.
    rest
        Bytes that no table has: headers, other objects, models. None where not all trees were looked at, and of a CSV
        file, whose tables share their lines.
    """

    path: str
    size: int
    trees: list[TreeFacts]
    keys: list[Key] = field(default_factory=list)
    models: dict[str, int] = field(default_factory=dict)
    after: int | None = None
    rest: int | None = None

    @property
    def _title(self) -> str:
        return f"{self.path}: {self.size:,} B, {len(self.trees)} trees"

    def __repr__(self) -> str:
        return f"<FileFacts {self._title}>"

    def _repr_html_(self) -> str:
        columns = ["tree", "table", "rows", "columns", "on disk, B", "share"]
        rows = [
            (t.path, table.name, "" if table.rows is None else table.rows, table.columns, table.on_disk,
             table.on_disk / max(self.size, 1))
            for t in self.trees for table in t.tables
        ]  # fmt: skip
        return html_table(self._title, columns, rows)


def tables_of(columns: Iterable[ColumnFacts], rows: Mapping[str, int]) -> list[TableFacts]:
    """Columns summed up by table, the table with most bytes first.

    Examples
    --------
    >>> column = ColumnFacts("Jet_pt", "Jet", "float32", on_disk=10, bound="exact")
    >>> tables_of([column], {"Jet": 7})[0].bounds
    {'exact': 1}
    """
    tables: dict[str, TableFacts] = {}
    for column in columns:
        table = tables.setdefault(column.table, TableFacts(column.table, rows.get(column.table)))
        table.columns += 1
        table.on_disk += column.on_disk
        if column.after is not None:
            table.after = (table.after or 0) + column.after
        if column.bound:
            table.bounds[column.bound] = table.bounds.get(column.bound, 0) + 1
        else:
            table.kept += 1
    return sorted(tables.values(), key=lambda table: -table.on_disk)
