"""Facts of a tree that is not compressed: its tables from the first entries, its branches, why some would stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from hepae.core.tables.columns import ColumnInfo, ColumnSpec
from hepae.core.values.nested import Nested
from hepae.files.inspect.facts import ENTRIES, OTHERS, ColumnFacts
from hepae.input.columns import ColumnSource, chunks
from hepae.learn.whole.tables import Found, find_tables
from hepae.root.ttree.branches import BranchHeader
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.layouts.describe import describe_tree

__all__ = [
    "branch_bytes",
    "column_facts",
    "first_tables",
    "label",
    "other_branches",
    "rows_of_tables",
    "runs_of",
    "typed",
]

SEEN = 1000
"""Entries from which tables are told: a basket or two of each branch, so that large files are looked at in seconds."""


def first_tables(source: ColumnSource) -> Found:
    """The tables of a tree, from its first entries."""
    stop = min(SEEN, source.num_entries)
    return find_tables(source.infos, source.read([info.name for info in source.infos], 0, stop))


def label(name: str) -> str:
    """What a table is called: that of the entries has no name of its own."""
    return name or ENTRIES


def typed(column: ColumnSpec | ColumnInfo) -> str:
    """Dtype with the fixed dimensions.

    Examples
    --------
    >>> typed(ColumnSpec("cov", "float32", (3, 3), 0))
    'float32[3, 3]'
    """
    return column.dtype + (str(list(column.shape)) if column.shape else "")


def rows_of_tables(source: ColumnSource, found: Found, sizes: Mapping[str, int]) -> dict[str, int]:
    """Rows of each table in all entries, by label: from its counter, or else from its smallest column.

    Parameters
    ----------
    source, found
        The columns of a tree, and its tables.
    sizes
        Bytes on disk of each column.
    """
    rows = {ENTRIES: source.num_entries}
    known = {info.name for info in source.infos}
    counted: dict[str, tuple[str, bool]] = {}
    for number, table in enumerate(found.tables[1:], 1):
        counter = found.columns[table.counter].name
        if counter in known:
            counted[label(table.name)] = counter, True
            continue
        own = [column.name for column in found.columns if column.table == number and column.name in known]
        if own:
            counted[label(table.name)] = min(own, key=lambda name: sizes.get(name, 0)), False
    for run in runs_of(source, {name for name, _ in counted.values()}):
        for table_name, (name, is_counter) in counted.items():
            counts = run[name].values if is_counter else run[name].levels[-1]
            rows[table_name] = rows.get(table_name, 0) + int(counts.sum())
    return rows


def runs_of(source: ColumnSource, names: Iterable[str]) -> Iterator[Mapping[str, Nested]]:
    """Values of columns, a run of entries at a time."""
    wanted = sorted(names)
    if wanted:
        for start, stop in chunks(source):
            yield source.read(wanted, start, stop)


def column_facts(
    infos: Sequence[ColumnInfo],
    found: Found,
    sizes: Mapping[str, tuple[int, int]],
    titles: Mapping[str, str],
) -> list[ColumnFacts]:
    """Facts of the columns of a tree; those of one branch share its bytes by their widths.

    Parameters
    ----------
    infos, found
        The columns, and their tables.
    sizes
        Bytes of each branch on disk and in memory.
    titles
        Of the branches.
    """
    tables = {column.name: found.tables[column.table].name for column in found.columns}
    widths: dict[str, int] = {}
    for info in infos:
        widths[info.branch] = widths.get(info.branch, 0) + _width(info)
    facts = []
    for info in infos:
        disk, memory = sizes.get(info.branch, (0, 0))
        share = _width(info) / widths[info.branch]
        facts.append(
            ColumnFacts(
                info.name,
                label(tables[info.name]),
                typed(info),
                titles.get(info.branch, ""),
                round(disk * share),
                round(memory * share),
            )
        )
    return facts


def _width(info: ColumnInfo) -> int:
    return int(np.dtype(info.dtype).itemsize) * prod(info.shape)


def branch_bytes(branch: BranchHeader, packed: float = 1.0) -> tuple[int, int]:
    """Bytes of a branch on disk and in memory.

    Parameters
    ----------
    branch
        The branch.
    packed
        Bytes of the header on disk over its bytes in memory: baskets that it holds are as small as it is itself.
    """
    memory, disk = branch.sizes
    if memory or disk or not branch.entries:
        return disk, memory
    held = sum(map(len, branch.baskets.embedded.values()))
    return round(held * packed), held


def other_branches(
    header: TreeHeader, tree: Any, packed: float, readable: Iterable[str], irregular: Iterable[str] = ()
) -> list[ColumnFacts]:
    """The branches of a tree that are no columns, and why.

    Parameters
    ----------
    header, tree
        The header of a tree, and the tree as uproot has it.
    packed
        As of `branch_bytes`.
    readable
        Paths of the branches that are columns.
    irregular
        Paths of branches whose baskets turned out not to be what their layout says.
    """
    columns, odd = set(readable), set(irregular)
    others = [
        branch for branch in header.branches if branch.path not in columns and not _is_folder(branch, header)
    ]
    types = describe_tree(tree) if others else {}
    facts = []
    for branch in others:
        disk, memory = branch_bytes(branch, packed)
        kind = types[branch.path].typename if branch.path in types else ""
        kind = kind or branch.object_class or ", ".join(leaf.classname for leaf in branch.leaves)
        facts.append(ColumnFacts(branch.path, OTHERS, kind or branch.classname, branch.title, disk, memory))
        facts[-1].kept = _why(branch, header.entries, branch.path in odd)
    return facts


def _is_folder(branch: BranchHeader, header: TreeHeader) -> bool:
    """Whether a branch has sub-branches and nothing of its own."""
    filled = any(branch_bytes(branch)) or branch.entries
    return not filled and bool(header.entries or not branch.leaves)


def _why(branch: BranchHeader, entries: int, odd: bool) -> str:
    if not entries:
        return "no entries"
    if odd:
        return "its baskets are not what its type says"
    if branch.entries != entries:
        return f"filled for {branch.entries:,} of {entries:,} entries"
    return "not numbers that can be taken apart"
