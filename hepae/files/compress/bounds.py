"""Bounds of the columns of a whole file, from the patterns that a user gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType

import numpy as np

from hepae.core.tables.columns import ColumnInfo
from hepae.core.values.bounds import EXACT, Bound, asked
from hepae.core.values.lattice_fit import require_feasible
from hepae.core.values.nested import Nested
from hepae.errors import BoundError

__all__ = ["Asked", "Idle", "bounds_by_tree", "idle_match", "short_name"]

Pairs = Sequence[tuple[str, Bound]]
Idle = Mapping[str, Sequence[str]]
"""Branches of trees without entries, by tree: what is said of them does nothing, and is no error."""

WILD = "*?["


@dataclass
class Asked:
    """What was asked of the columns of a tree.

    Attributes
    ----------
    bounds
        By full name; columns without one are exact.
    named
        Columns that were named without a wildcard: a bound that means nothing for one of them is an error. Of others
        it is kept by keeping every bit.
    exact
        Columns of which every bit was asked for in so many words.
    """

    bounds: dict[str, Bound] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    exact: set[str] = field(default_factory=set)

    def resolved(self, sample: Mapping[str, Nested]) -> dict[str, Bound]:
        """The bounds of the columns that need not be exact: those that their values resolve.

        Parameters
        ----------
        sample
            Values of the columns, by name.

        Raises
        ------
        BoundError
            If a column was named with a bound that is finer than its values resolve.
        """
        return {
            name: bound
            for name, bound in self.bounds.items()
            if name in self.named or _resolves(sample[name], bound, name)
        }


def bounds_by_tree(
    pairs: Pairs, trees: Mapping[str, Iterable[ColumnInfo]], where: str, idle: Idle = MappingProxyType({})
) -> dict[str, Asked]:
    """What is asked of the columns of each tree.

    Parameters
    ----------
    pairs
        (pattern, bound); a pattern is the name of a column, with or without the prefix of its table, and may hold
        wildcards. The last one that matches wins.
    trees
        The columns of each tree, by its path.
    where
        The file, for messages.
    idle
        Branches of trees without entries.

    Raises
    ------
    BoundError
        If a pattern matches no column of any tree, or names an integer with a bound other than ``exact``.
    """
    columns = {path: list(infos) for path, infos in trees.items()}
    every = [_names(column) for infos in columns.values() for column in infos]
    for pair in pairs:
        if (
            not any(_matches(pair[0], names) for names in every)
            and not idle_match(pair[0], idle)
            and pair[0] != "*"
        ):
            asked([pair], every, where)  # raises, with a hint
        _require_float(pair, every, where)
    return {path: _of_tree(pairs, infos, f"{where}:{path}") for path, infos in columns.items()}


def _require_float(pair: tuple[str, Bound], every: Sequence[tuple[str, str, str]], where: str) -> None:
    """Refuse a bound that does nothing: a pattern that only integers match."""
    kinds = {np.dtype(names[2]).kind for names in every if _matches(pair[0], names)}
    if kinds and "f" not in kinds and pair[1].kind != "exact" and pair[0] != "*":
        raise BoundError(
            "integers and booleans are kept exactly, and no float matches", where=where, expected="exact", got=pair[0],
            hint="leave the bound out",
        )  # fmt: skip


def idle_match(pattern: str, idle: Idle) -> bool:
    """Whether a pattern is of a branch of a tree without entries."""
    names = [name for branches in idle.values() for name in branches]
    return any(_matches(pattern, (name, name.partition("_")[2])) for name in names)


def _of_tree(pairs: Pairs, columns: Iterable[ColumnInfo], where: str) -> Asked:
    found = Asked()
    for column in columns:
        matching = [pair for pair in pairs if _matches(pair[0], _names(column))]
        if not matching:
            continue
        wild = any(sign in matching[-1][0] for sign in WILD)
        bound = _bound_of(column, matching[-1], wild, where)
        if bound.kind == "exact":
            found.exact.add(column.name)
            continue
        found.bounds[column.name] = bound
        found.named |= set() if wild else {column.name}
    return found


def _bound_of(column: ColumnInfo, pair: tuple[str, Bound], wild: bool, where: str) -> Bound:
    names = column.name, short_name(column), column.dtype
    try:
        return asked([pair], [names], where)[column.name]
    except BoundError:
        if not wild:
            raise
        return EXACT


def _resolves(column: Nested, bound: Bound, name: str) -> bool:
    try:
        require_feasible(column.values, bound, name)
    except BoundError:
        return False
    return True


def _names(column: ColumnInfo) -> tuple[str, str, str]:
    """Full name, name without the prefix of the table, dtype."""
    return column.name, short_name(column), column.dtype


def _matches(pattern: str, names: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names[:2])


def short_name(column: ColumnInfo) -> str:
    """The name of a column without the prefix of its table; the whole of it in the event table, which has none.

    ``pt`` means the pt of jets and muons, not ``MET_pt``.
    """
    if not column.depth:
        return column.name
    last = column.name.rpartition("/")[2]
    return last.partition("." if "." in last else "_")[2] or last
