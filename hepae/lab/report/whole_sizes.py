"""Bytes of a whole file by table and column, before and after, and what else its report shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from hepae.files.inspect.facts import FileFacts
from hepae.files.verify.result import Verification
from hepae.lab.report.compared import FeaturePair

__all__ = ["MOST_DRAWN", "ColumnSizes", "TreeSizes", "WholeComparison"]

MOST_DRAWN = 60
"""Columns whose histograms are drawn, those with most bytes first."""


@dataclass(frozen=True)
class ColumnSizes:
    """Bytes of a column on disk before and after; its bound, its type and its table."""

    name: str
    table: str
    dtype: str
    bound: str
    before: int
    after: int


@dataclass
class TreeSizes:
    """A tree that is compressed: its columns, and the rows of its tables."""

    path: str
    entries: int
    columns: list[ColumnSizes] = field(default_factory=list)
    rows: dict[str, int | None] = field(default_factory=dict)

    def tables(self) -> dict[str, list[ColumnSizes]]:
        """Columns by table, the table with most bytes before first."""
        tables: dict[str, list[ColumnSizes]] = {}
        for column in self.columns:
            tables.setdefault(column.table, []).append(column)
        return dict(sorted(tables.items(), key=lambda table: -sum(column.before for column in table[1])))


@dataclass
class WholeComparison:
    """A file before and after.

    Attributes
    ----------
    checked
        What `hepae.verify` found.
    trees
        Sizes of the trees that are compressed.
    coarsened
        The columns whose values are not all the same bit for bit, by tree: those that are drawn.
    """

    original: FileFacts
    file: FileFacts
    checked: Verification
    trees: list[TreeSizes]
    coarsened: dict[str, list[FeaturePair]]
