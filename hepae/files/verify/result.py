"""What a verification found: a row a column, the worst values, and everything else that differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from hepae.errors import BoundViolationError, report_it
from hepae.shown.notebook import html_table

__all__ = ["ColumnCheck", "Offender", "TreeCheck", "Verification"]

COMBED = 0.05
"""Share of bins that may differ without a word: dither leaves a few, where values crossed the edge of a bin."""

MOST_NAMED = 3
"""Columns of a sentence that has to fit in a line."""


@dataclass(frozen=True)
class Offender:
    """A value out of its bound.

    Attributes
    ----------
    tree, column
        Where it is.
    entry, index
        Entry of the tree, and which value of the entry.
    stored, restored
        What it was, and what came back.
    excess
        Error over what the bound allows; infinite where nothing but the same bits is allowed.
    """

    tree: str
    column: str
    entry: int
    index: int
    stored: float
    restored: float
    excess: float


@dataclass
class ColumnCheck:
    """What was found out about one column: a leaf of a branch, or a field.

    Attributes
    ----------
    name
        Full path of the branch, with the leaf or the members after it where it has several.
    bound
        What was checked against: ``exact`` where nothing else was asked for, ``none`` where none was claimed.
    compressed
        Whether hepae stores it.
    how
        ``values``; ``bytes`` where both files hold the same bytes, or where nobody can interpret them.
    values, identical
        Number of values, and of those that are the same bit for bit. Of uninterpreted bytes: of entries.
    non_finite
        NaN and infinities, which are restored bit for bit. Counted where a bound is checked.
    escapes
        Values that a compressed file says it stores bit for bit.
    worst
        Largest error over what the bound allows; above 1 is a violation.
    worst_error
        Largest error: relative for ``rel`` and ``bits``, otherwise in the unit of the column.
    violations
        Number of values out of bound.
    changed
        Whether counts, type or bytes differ, so that values could not be compared one by one; a sentence among the
        differences says how.
    combed_50, combed_100
        Bins of a histogram of 50, and of 100, that differ by more than the square root of what they held before.
        Counted for floats with a bound; not part of the promise.
    bytes_before, bytes_after
        Compressed bytes of the branch in either file.
    """

    name: str
    bound: str = "exact"
    compressed: bool = False
    how: str = "values"
    values: int = 0
    identical: int = 0
    non_finite: int = 0
    escapes: int = 0
    worst: float = 0.0
    worst_error: float = 0.0
    violations: int = 0
    changed: bool = False
    combed_50: int = 0
    combed_100: int = 0
    bytes_before: int = 0
    bytes_after: int = 0

    @property
    def kept(self) -> bool:
        """Whether every value is within the bound."""
        return not self.violations and not self.changed

    @property
    def combed(self) -> bool:
        """Whether more bins differ than a few values that moved explain."""
        return self.combed_50 > COMBED * 50 or self.combed_100 > COMBED * 100

    @property
    def same(self) -> bool:
        """Whether every value is the same bit for bit."""
        return self.kept and self.identical == self.values


@dataclass
class TreeCheck:
    """One tree: its entries, and a check for each column by name."""

    entries: int
    columns: dict[str, ColumnCheck] = field(default_factory=dict)


@dataclass(repr=False)
class Verification:
    """The outcome of a verification.

    Attributes
    ----------
    trees
        By path; with the cycle after it where a path has several.
    offenders
        The values that are furthest out of their bounds.
    differences
        Everything else that is not as it was, a sentence each.
    objects
        Number of objects besides trees that were compared.
    backups
        Older cycles of trees that were left out, since all their baskets are in the newest: back-ups of AutoSave.
    """

    original: str
    other: str
    trees: dict[str, TreeCheck] = field(default_factory=dict)
    offenders: list[Offender] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    objects: int = 0
    backups: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept: every value within its bound, all else the same."""
        return not self.differences and all(column.kept for column in self.columns())

    def require_kept(self) -> None:
        """Refuse what was written where the promise was not kept.

        Raises
        ------
        BoundViolationError
            With the worst value, or the first differences.
        """
        if self.kept:
            return
        worst = self.offenders[0] if self.offenders else None
        raise BoundViolationError(
            "what was written does not restore to what was read",
            where=f"{worst.tree}, {worst.column}, entry {worst.entry}, value {worst.index}"
            if worst
            else self.other,
            expected=worst.stored if worst else None,
            got=worst.restored if worst else "; ".join(self.differences[:3]),
            hint=f"the output was not written; {report_it()}",
        )

    def columns(self) -> Iterator[ColumnCheck]:
        """The columns of all trees."""
        for tree in self.trees.values():
            yield from tree.columns.values()

    @property
    def combs(self) -> str:
        """A sentence on the columns whose histograms differ before and after, and the remedy; empty without such.

        Examples
        --------
        >>> check = ColumnCheck("pt", combed_50=3, combed_100=40)
        >>> Verification("a.root", "b.root", {"Events": TreeCheck(1, {"pt": check})}).combs.split(": ")[-1]
        'pt in 3 of 50 and 40 of 100; compress with --dither, or with smaller bounds where that was done'
        """
        combed = [
            (f"{tree}/{check.name}" if len(self.trees) > 1 else check.name, check)
            for tree, checks in self.trees.items()
            for check in checks.columns.values()
            if check.combed
        ]
        if not combed:
            return ""
        combed.sort(key=lambda one: (-one[1].combed_50, -one[1].combed_100))
        worst = ", ".join(
            f"{name} in {check.combed_50} of 50 and {check.combed_100} of 100"
            for name, check in combed[:MOST_NAMED]
        )
        more = f" and {len(combed) - MOST_NAMED} more columns" if len(combed) > MOST_NAMED else ""
        return (
            f"combs: bins of histograms differ by more than their statistical error: {worst}{more}; "
            "compress with --dither, or with smaller bounds where that was done"
        )

    def __repr__(self) -> str:
        columns = list(self.columns())
        within = sum(not column.same and column.kept for column in columns)
        bad = sum(not column.kept for column in columns)
        facts = [
            "kept" if self.kept else "not kept",
            f"{len(self.trees)} trees",
            f"{len(columns):,} columns",
            *([f"{within:,} within bounds"] if within else []),
            *([f"{bad:,} out of bounds or changed"] if bad else []),
            *([f"{len(self.differences):,} differences"] if self.differences else []),
        ]
        return f"<Verification: {', '.join(facts)}>"

    def _repr_html_(self) -> str:
        columns = ["tree", "entries", "columns", "same", "within bounds", "not kept"]
        rows = [
            (
                path,
                tree.entries,
                len(tree.columns),
                sum(column.same for column in tree.columns.values()),
                sum(column.kept and not column.same for column in tree.columns.values()),
                sum(not column.kept for column in tree.columns.values()),
            )
            for path, tree in self.trees.items()
        ]
        return html_table(f"{self.other}: {'kept' if self.kept else 'not kept'}", columns, rows)
