"""Bounds of the columns of a whole file, from the patterns that a user gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from hepae.core.tables.columns import ColumnInfo
from hepae.core.values.bounds import Bound, asked

__all__ = ["bounds_by_tree", "short_name"]

Pairs = Sequence[tuple[str, Bound]]


def bounds_by_tree(
    pairs: Pairs, trees: Mapping[str, Iterable[ColumnInfo]], where: str
) -> dict[str, dict[str, Bound]]:
    """The bounds of the columns of each tree, by full name; columns without one are exact.

    Parameters
    ----------
    pairs
        (pattern, bound); a pattern is the name of a column, with or without the prefix of its table, and may hold
        wildcards. The last one that matches wins.
    trees
        The columns of each tree, by its path.
    where
        The file, for messages.

    Raises
    ------
    BoundError
        If a pattern matches no column of any tree, or names an integer with a bound other than ``exact``.
    """
    features = {path: [_names(column) for column in columns] for path, columns in trees.items()}
    asked(pairs, [feature for columns in features.values() for feature in columns], where)
    return {path: _of_tree(pairs, columns, f"{where}:{path}") for path, columns in features.items()}


def _of_tree(pairs: Pairs, columns: Sequence[tuple[str, str, str]], where: str) -> dict[str, Bound]:
    bounds: dict[str, Bound] = {}
    for pair in pairs:
        # a pattern may be of another tree: each by itself, in their order
        if any(fnmatchcase(name, pair[0]) for column in columns for name in column[:2]):
            bounds |= asked([pair], columns, where)
    return {name: bound for name, bound in bounds.items() if bound.kind != "exact"}


def _names(column: ColumnInfo) -> tuple[str, str, str]:
    """Full name, name without the prefix of the table, dtype."""
    return column.name, short_name(column), column.dtype


def short_name(column: ColumnInfo) -> str:
    """The name of a column without the prefix of its table; the whole of it in the event table, which has none.

    ``pt`` means the pt of jets and muons, not ``MET_pt``.
    """
    if not column.depth:
        return column.name
    last = column.name.rpartition("/")[2]
    return last.partition("." if "." in last else "_")[2] or last
