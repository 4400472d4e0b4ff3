"""What is in a file: every tree by table and by column, and what compressing it losslessly would do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from hepae.core.values.nested import Nested
from hepae.errors import InputError, nearest
from hepae.files.compress.branches import needed
from hepae.files.inspect.compressed import compressed_columns, compressed_rows, compressed_runs
from hepae.files.inspect.facts import OTHERS, PLAIN, ColumnFacts, FileFacts, TreeFacts, tables_of
from hepae.files.inspect.ntuples import compressed_fields, leaf_columns, plain_fields
from hepae.files.inspect.payloads import as_features, counters_of
from hepae.files.inspect.plain import (
    branch_bytes,
    column_facts,
    first_tables,
    other_branches,
    rows_of_tables,
    runs_of,
)
from hepae.files.inspect.values import value_facts
from hepae.input.columns import PlainColumns, chunks
from hepae.input.events import csv_tree, is_csv
from hepae.root.file.source import OWN_TREES, Source, open_source, size_of
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.tree import TreeReader
from hepae.root.ttree.columns import IrregularError, TreeColumns
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import compressed_of
from hepae.stored.models import model_sizes, models_of
from hepae.stored.ntuples import compressed_ntuple
from hepae.stored.payload import MARKER
from hepae.stored.reader import restore_branch
from hepae.stored.titles import SUFFIX

__all__ = ["inspect"]

Runs = Callable[[Iterable[str]], Iterator[Mapping[str, Nested]]]
"""Gives the values of columns, a run of entries at a time."""

CSV = "compressed by collection, with a model"


def inspect(path: str | Path, tree: str | None = None, values: Sequence[str] = ()) -> FileFacts:
    """What is in a ROOT or CSV file.

    Parameters
    ----------
    path
        The file.
    tree
        One tree only; all by default.
    values
        Patterns of names of columns whose values are read, for range, precision in use and what is not finite.

    Raises
    ------
    InputError
        If the file cannot be read, there is no such tree, or a pattern matches no column.

    Examples
    --------
    >>> facts = inspect("tests/data/sample.root")
    >>> [(table.name, table.rows) for table in facts.trees[0].tables][:2]
    [('Jet', 12169), ('(per entry)', 2400)]
    """
    if is_csv(path):
        events = csv_tree(path)
        facts = FileFacts(str(path), size_of(path), [_numbers(events, "CSV", CSV, values)])
    else:
        with open_source(path) as source:
            names = [tree] if tree else list(source.trees)
            keys = [key for key in source.keys if key.path not in source.trees and key.path not in OWN_TREES]
            keys = [key for key in keys if not source.is_own(key.path)]
            trees = [_tree(source, name, values) for name in names]
            facts = FileFacts(str(path), source.size, trees, keys, model_sizes(source))
            if tree is None:
                in_tables = sum(table.on_disk for one in trees for table in one.tables)
                facts.rest = max(source.size - in_tables, 0)
    _require_matches(facts, values)
    return facts


def _require_matches(facts: FileFacts, patterns: Sequence[str]) -> None:
    names = [column.name for tree in facts.trees for column in tree.columns]
    for pattern in patterns:
        if names and not any(fnmatchcase(name, pattern) for name in names):
            raise InputError(
                "matches no column", where=facts.path, got=pattern, hint=nearest(pattern, names) or None
            )


def _tree(source: Source, path: str, patterns: Sequence[str]) -> TreeFacts:
    classname = source.trees.get(path, "")
    reader = source.readable(path)
    if reader is None:
        return TreeFacts(path, classname, "", 0, kept="uproot cannot read its header")
    if isinstance(reader, RNTupleReader):
        return _ntuple(source, reader, classname, patterns)
    irregular: set[str] = set()
    while True:
        try:
            return _ttree(source, reader, irregular, patterns)
        except IrregularError as found:
            irregular.add(found.path)


def _ttree(source: Source, reader: TTreeReader, irregular: set[str], patterns: Sequence[str]) -> TreeFacts:
    key = source.key(reader.path)
    header = source.header(key)
    facts = TreeFacts(reader.path, header.classname, header.title, reader.num_entries)
    compressed = compressed_of(reader.tree)
    packed = key.nbytes / max(key.objlen + key.length, 1)
    if compressed is not None:
        facts.compressed = True
        facts.columns = compressed_columns(compressed)
        plain = other_branches(header, reader.tree, packed, {*compressed.branches, MARKER})
        facts.columns += [dataclasses.replace(one, table=PLAIN, kept="as it was") for one in plain]
        rows = compressed_rows(compressed, reader.num_entries)
        return _finished(facts, rows, lambda names: compressed_runs(compressed, names), patterns)
    columns = TreeColumns(reader, irregular)
    counting = needed(header, columns)
    found = first_tables(columns)
    sizes = {branch.path: branch_bytes(branch, packed) for branch in header.branches}
    titles = {branch.path: branch.title for branch in header.branches}
    facts.columns = column_facts(columns.infos, found, sizes, titles)
    for column, info in zip(facts.columns, columns.infos, strict=True):
        stays = info.branch in counting
        column.bound, column.kept = ("", "counts what stays as it is") if stays else ("exact", "")
    facts.columns += other_branches(header, reader.tree, packed, columns.layouts, irregular)
    rows = rows_of_tables(columns, found, {column.name: column.on_disk for column in facts.columns})
    for collection, counter in counters_of(facts.columns).items():
        rows[collection] = sum(int(run[counter].values.sum()) for run in runs_of(columns, [counter]))
    facts.columns = as_features(facts.columns)
    return _finished(facts, rows, lambda names: _restored_runs(source, reader, columns, names), patterns)


def _restored_runs(
    source: Source, reader: TTreeReader, columns: TreeColumns, names: Iterable[str]
) -> Iterator[Mapping[str, Nested]]:
    """Values of columns, those of compressed features restored, a run of entries at a time."""
    wanted, known = sorted(names), {info.name for info in columns.infos}
    plain = [name for name in wanted if name in known]
    for start, stop in chunks(columns) if wanted else ():
        run = dict(columns.read(plain, start, stop))
        for name in set(wanted) - known:
            feature = restore_branch(source, reader, f"{name}{SUFFIX}", start, stop)
            run[name] = Nested((feature.counts,), feature.values)
        yield run


def _ntuple(source: Source, reader: RNTupleReader, classname: str, patterns: Sequence[str]) -> TreeFacts:
    facts = TreeFacts(reader.path, classname, reader.title, reader.num_entries)
    compressed = compressed_ntuple(source, reader.path, models_of(source))
    if compressed is not None:
        facts.compressed = True
        facts.columns = compressed_fields(reader, compressed)
        rows = compressed_rows(compressed, reader.num_entries)
        return _finished(facts, rows, lambda names: compressed_runs(compressed, names), patterns)
    columns = leaf_columns(reader)
    found, facts.columns = plain_fields(reader, columns)
    for column in facts.columns if not reader.num_entries else ():
        column.bound, column.kept = "", "no entries"
    rows = rows_of_tables(columns, found, {column.name: column.on_disk for column in facts.columns})
    return _finished(facts, rows, lambda names: runs_of(columns, names), patterns)


def _numbers(reader: TreeReader, classname: str, kept: str, patterns: Sequence[str]) -> TreeFacts:
    """Facts of a table of text."""
    facts = TreeFacts(reader.path, classname, reader.title, reader.num_entries, kept=kept)
    columns = PlainColumns(reader)
    found = first_tables(columns)
    sizes = {name: reader.bytes_on_disk(name) for name in reader.branches}
    titles = {name: branch.title for name, branch in reader.branches.items()}
    facts.columns = column_facts(columns.infos, found, sizes, titles)
    for name, branch in reader.branches.items():
        if name not in columns.branches:
            facts.columns.append(ColumnFacts(name, OTHERS, branch.typename, branch.title, *sizes[name]))
    rows = rows_of_tables(columns, found, {column.name: column.on_disk for column in facts.columns})
    return _finished(facts, rows, lambda names: runs_of(columns, names), patterns)


def _finished(facts: TreeFacts, rows: Mapping[str, int], runs: Runs, patterns: Sequence[str]) -> TreeFacts:
    """The facts with those of values, where they were asked for, and summed up by table."""
    numbers = {column.name for column in facts.columns if column.bound or column.table in rows}
    wanted = {name for name in numbers if any(fnmatchcase(name, pattern) for pattern in patterns)}
    seen = value_facts(runs(wanted))
    for column in facts.columns:
        column.values = seen.get(column.name)
    facts.tables = tables_of(facts.columns, rows)
    return facts
