"""What a report of a whole file is made of: bytes by table and column before and after, and the coarsened columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from hepae.arrays import Values
from hepae.files.inspect.compressed import compressed_run
from hepae.files.inspect.facts import PLAIN, TreeFacts
from hepae.files.inspect.file import inspect
from hepae.files.inspect.ntuples import leaf_columns
from hepae.files.verify.result import ColumnCheck, Verification
from hepae.files.verify.run import verify
from hepae.input.columns import ColumnSource
from hepae.lab.report.compared import FeaturePair
from hepae.lab.report.whole_sizes import MOST_DRAWN, ColumnSizes, TreeSizes, WholeComparison
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.file.source import Source, open_source
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import CompressedColumns, compressed_of
from hepae.stored.models import models_of
from hepae.stored.ntuples import compressed_ntuple

__all__ = ["compare_whole", "is_whole"]

COUNTS = "#"
"""In the name of a column of hepae's own, which counts the rows of a table that no branch counts."""

MOST_VALUES = 1_000_000
"""Values of a column that are drawn: more are taken from runs of entries evenly spread over the file."""


def is_whole(path: str | Path) -> bool:
    """Whether a tree of a file is compressed as a whole."""
    with open_source(path) as source:
        return any(_compressed(source, name) is not None for name in source.trees)


def _compressed(source: Source, path: str) -> CompressedColumns | None:
    """What restores the columns of a tree; None where it is not compressed."""
    tree = source.readable(path)
    if isinstance(tree, TTreeReader):
        return compressed_of(tree.tree)
    return None if tree is None else compressed_ntuple(source, path, models_of(source))


def _columns(source: Source, path: str) -> ColumnSource:
    """The columns of a tree that is not compressed."""
    tree = source.tree(path)
    return TreeColumns(tree) if isinstance(tree, TTreeReader) else leaf_columns(tree)


def compare_whole(
    original: str | Path,
    file: str | Path,
    *,
    bounds: Sequence[str] = (),
    tree: str | None = None,
    models: Iterable[Model] = (),
    report: Report = silent,
) -> WholeComparison:
    """Verify a compressed file, and read what a report of it needs.

    Parameters
    ----------
    original, file
        Before, and what `hepae.compress` wrote.
    bounds, tree, models, report
        As in `hepae.verify`.
    """
    checked = verify(original, file, bounds=bounds, tree=tree, models=list(models), report=report)
    before, after = inspect(original, tree), inspect(file, tree)
    known = {tree.path: tree for tree in before.trees}
    compressed = [tree for tree in after.trees if tree.compressed and tree.path in known]
    trees = [_sizes(known[tree.path], tree) for tree in compressed]
    pairs = {tree.path: _coarsened(original, file, tree, known[tree.path], checked) for tree in trees}
    return WholeComparison(
        before, after, checked, trees, {path: found for path, found in pairs.items() if found}
    )


def _sizes(before: TreeFacts, after: TreeFacts) -> TreeSizes:
    """Columns of a tree that are in both files, and the counts that no branch held before."""
    stored = {column.name: column for column in after.columns}
    rows = {table.name: table.rows for table in (*before.tables, *after.tables)}
    sizes = TreeSizes(after.path, after.entries, rows=rows)
    for column in before.columns:
        now = stored.pop(column.name, None)
        kept = now is None or now.table == PLAIN
        table = column.table if now is None or kept else now.table
        bound = "" if now is None else now.bound
        disk = column.on_disk if now is None else now.on_disk
        sizes.columns.append(ColumnSizes(column.name, table, column.dtype, bound, column.on_disk, disk))
    for now in stored.values():
        name = f"rows of {now.name.partition(COUNTS)[0]}" if COUNTS in now.name else now.name
        sizes.columns.append(ColumnSizes(name, now.table, now.dtype, now.bound, 0, now.on_disk))
    return sizes


def _coarsened(
    original: str | Path, file: str | Path, sizes: TreeSizes, facts: TreeFacts, checked: Verification
) -> list[FeaturePair]:
    """The columns of a tree that moved, with values before and after."""
    checks = checked.trees[sizes.path].columns if sizes.path in checked.trees else {}
    titles = {column.name: column.title for column in facts.columns}
    moved = [
        column
        for column in sorted(sizes.columns, key=lambda column: -column.before)
        if column.bound and column.name in checks and _moved(checks[column.name])
    ][:MOST_DRAWN]
    names = [column.name for column in moved]
    values = _values(original, file, sizes, names) if names else {}
    return [FeaturePair(name, name, titles.get(name, ""), *values[name], checks[name]) for name in names]


def _moved(check: ColumnCheck) -> bool:
    return check.how == "values" and check.identical < check.values


def _values(
    original: str | Path, file: str | Path, sizes: TreeSizes, names: Sequence[str]
) -> dict[str, tuple[Values, Values]]:
    """Values of columns before and after, of the same entries."""
    most = max((rows or 0 for rows in sizes.rows.values()), default=0)
    keep = min(1.0, MOST_VALUES / max(most, 1))
    runs: dict[str, tuple[list[Values], list[Values]]] = {name: ([], []) for name in names}
    with open_source(original) as source, open_source(file) as target:
        columns, compressed = _columns(source, sizes.path), _compressed(target, sizes.path)
        assert compressed is not None
        for row in compressed.payload.rows:
            start, stop, after = row.start, row.stop, compressed_run(compressed, row, names)
            last = start + max(1, round(keep * (stop - start)))
            before = columns.read(names, start, last)
            for name in names:
                runs[name][0].append(before[name].values.reshape(-1))
                runs[name][1].append(after[name].cut(0, last - start).values.reshape(-1))
    return {name: (np.concatenate(old), np.concatenate(new)) for name, (old, new) in runs.items()}
