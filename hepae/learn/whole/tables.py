"""Which columns of a tree belong together: found in the data, not in names. No I/O.

Columns whose counts agree in every entry that was looked at are of one table. An integer column whose values are these
counts is its counter; where there is none, the table keeps counts of its own. Names only label tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np
import xxhash
from numpy.typing import NDArray

from hepae.core.tables.columns import EVENTS, ColumnInfo, ColumnSpec, TableSpec
from hepae.core.values.nested import Nested

__all__ = ["Found", "find_tables"]

COUNTS_DTYPE = "uint32"
"""Of counts that no branch holds: a chunk has fewer rows (`hepae.limits.MAX_OBJECTS_PER_CHUNK`)."""


@dataclass
class Found:
    """Tables of a tree, and all of its columns, those that hold counts alone included."""

    tables: list[TableSpec]
    columns: list[ColumnSpec]


@dataclass
class _Group:
    """Columns with one array of counts below one table."""

    parent: int
    counts: NDArray[np.int64]
    counter: str | None
    members: list[int] = field(default_factory=list)


def find_tables(columns: Sequence[ColumnInfo], sample: Mapping[str, Nested]) -> Found:
    """The tables of columns, from their values for some entries.

    Parameters
    ----------
    columns
        The columns of a tree.
    sample
        Their values for the same entries.
    """
    table_of = dict.fromkeys(range(len(columns)), EVENTS)
    groups = [_Group(EVENTS, np.empty(0, np.int64), None)]
    deepest = max((column.depth for column in columns), default=0)
    for level in range(deepest):
        known: dict[object, int] = {}
        for number, column in enumerate(columns):
            if column.depth <= level:
                continue
            counts = sample[column.name].levels[level]
            key = _key(table_of[number], column, counts, level)
            if key not in known:
                known[key] = len(groups)
                groups.append(_Group(table_of[number], counts, column.counter if level == 0 else None))
            groups[known[key]].members.append(number)
            table_of[number] = known[key]
    specs = [ColumnSpec(c.name, c.dtype, c.shape, table_of[number]) for number, c in enumerate(columns)]
    return _with_counters(columns, specs, groups, sample)


def _key(parent: int, column: ColumnInfo, counts: NDArray[np.int64], level: int) -> object:
    """What columns of one table have in common; empty ones, whose counts say nothing, their counter or prefix."""
    if not counts.any():
        label = column.counter if level == 0 and column.counter else _prefix(column.name)
        return parent, "empty", label
    return parent, xxhash.xxh3_128_digest(np.ascontiguousarray(counts).data)


def _prefix(name: str) -> str:
    last = name.rpartition("/")[2]
    return last.partition("." if "." in last else "_")[0]


def _with_counters(
    columns: Sequence[ColumnInfo],
    specs: list[ColumnSpec],
    groups: Sequence[_Group],
    sample: Mapping[str, Nested],
) -> Found:
    tables = [TableSpec("", EVENTS, 0)]
    labels: set[str] = set()
    for number, group in enumerate(groups[1:], 1):
        names = [columns[member].name for member in group.members]
        label = _label(names)
        if label in labels and group.parent == 0 and len(names) == 1:
            label = names[0].rpartition("/")[2]  # FatJet_area says more than a third FatJet
        while label in labels:
            label += "'"
        labels.add(label)
        counter = _counter(group, specs, sample)
        if counter is None:
            counter = len(specs)
            specs.append(ColumnSpec(f"{label}#{number}", COUNTS_DTYPE, (), group.parent))
        tables.append(TableSpec(label, group.parent, counter))
    return Found(tables, specs)


def _label(names: Sequence[str]) -> str:
    """The common prefix of the names of branches, without separators at its end."""
    last = [name.rpartition("/")[2] for name in names]
    if len(set(last)) == 1:
        return _prefix(last[0]) if "_" in last[0] or "." in last[0] else last[0]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*last, strict=False))
    return "".join(letters[0] for letters in alike).rstrip("._[") or _prefix(last[0])


def _counter(group: _Group, specs: Sequence[ColumnSpec], sample: Mapping[str, Nested]) -> int | None:
    """The column that counts a group: the one that the file names, else one that holds its counts."""
    for number, spec in enumerate(specs):
        if spec.name == group.counter and _counts(spec, group, sample):
            return number
    if not group.counts.any():
        return None
    return next((number for number, spec in enumerate(specs) if _counts(spec, group, sample)), None)


def _counts(spec: ColumnSpec, group: _Group, sample: Mapping[str, Nested]) -> bool:
    if spec.table != group.parent or spec.shape or np.dtype(spec.dtype).kind not in "iu":
        return False
    values = sample[spec.name].values if spec.name in sample else np.empty(0)
    return bool(np.array_equal(values, group.counts))
