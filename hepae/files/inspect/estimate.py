"""How large a compressed file would be, from the sample that its plan is made of. Nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hepae.core.tables.streams import encode
from hepae.core.values.bounds import Assignments, Bound
from hepae.files.compress.bounds import Asked
from hepae.files.compress.narrowing import ALL, Narrowing
from hepae.files.compress.outcome import AnyColumns
from hepae.files.compress.request import compressible, requested
from hepae.files.compress.tree import Sample, TreePlan, plan_tree, tree_sample
from hepae.files.compress.whole import described_of, original_of
from hepae.files.inspect.compressed import needs_of, shares, stored_as
from hepae.files.inspect.facts import FileFacts, TreeFacts, tables_of
from hepae.files.inspect.plain import label
from hepae.files.repack.tree import gaining
from hepae.input.columns import chunks
from hepae.input.selection import selection_of
from hepae.learn.whole.matches import Search
from hepae.progress import Report, silent
from hepae.root.file.compression import LZMA_BEST, Compression
from hepae.root.file.source import Source, open_source
from hepae.root.ttree.columns import IrregularError, TreeColumns
from hepae.root.ttree.header import TREE_CLASSES
from hepae.stored.described import schemas_of

__all__ = ["estimate"]

LEFT_OUT = "not asked for"

OVERHEAD = 2048
"""Bytes of a file besides its objects and branches: header, list of keys, the tables of schemas and of payloads."""


def estimate(
    facts: FileFacts,
    bounds: Assignments = (),
    narrowing: Narrowing = ALL,
    dither: bool = False,
    report: Report = silent,
    *,
    search: Search | None = None,
) -> None:
    """Add to what is known of a file what `hepae compress` would do, by table and by column, with estimated sizes.

    Parameters
    ----------
    facts
        Of a file (`hepae.files.inspect.file.inspect`); its ``after``, and what is said of columns, is set.
    bounds, narrowing, dither, search
        As of `hepae.files.compress.file.compress_file`.
    report
        Told how far the search for predictions is.

    Raises
    ------
    HepaeError
        As compressing the file would.
    """
    pairs = selection_of(bounds=bounds).bounds
    with open_source(facts.path) as source:
        kept: dict[str, set[str]] = {}
        while facts.after is None:
            try:
                facts.after = _planned(facts, source, pairs, kept, narrowing, dither, report, search)
            except IrregularError as found:
                kept.setdefault(found.tree, set()).add(found.path)


def _planned(
    facts: FileFacts,
    source: Source,
    pairs: Sequence[tuple[str, Bound]],
    kept: Mapping[str, set[str]],
    narrowing: Narrowing,
    dither: bool,
    report: Report,
    search: Search | None,
) -> int:
    """Say of each column what a plan makes of it; the bytes of the file."""
    trees, asked = requested(source, pairs, kept, narrowing)
    if not trees:
        return facts.size
    total = OVERHEAD + _class_bytes(source)
    total += sum(key.nbytes for key in source.keys if key.path not in trees)
    left_out = {path: _branches(columns) for path, columns in compressible(source, kept).items()}
    for tree in facts.trees:
        if tree.path in trees:
            columns = trees[tree.path]
            total += _tree(tree, source, columns, asked[tree.path], dither, report, search)
            left_out[tree.path] = left_out.get(tree.path, set()) - _branches(columns)
        branches = left_out.get(tree.path, set())
        for column in tree.columns:
            if column.bound and column.after is None and not tree.compressed and branches:
                column.bound, column.kept = "", LEFT_OUT
        total += sum(column.on_disk for column in tree.columns if column.after is None)
        if narrowing == ALL:
            total -= _repacked(source, tree.path, trees.get(tree.path))
        rows = {table.name: table.rows for table in tree.tables if table.rows is not None}
        tree.tables = tables_of(tree.columns, rows)
    return min(total, facts.size)


def _class_bytes(source: Source) -> int:
    """Bytes of what a file says of classes, compressed as it will be."""
    start = int(source.directory.file.fSeekInfo)
    return len(
        Compression.of(source.compression).pack(
            source.raw(start, start + int(source.directory.file.fNbytesInfo))
        )
    )


def _tree(
    facts: TreeFacts,
    source: Source,
    columns: AnyColumns,
    asked: Asked,
    dither: bool,
    report: Report,
    search: Search | None,
) -> int:
    """Say of each column of a tree what a plan makes of it; bytes of all but the branches that stay."""
    sample, described = tree_sample(columns), described_of(source, facts.path, columns)
    plan = plan_tree(columns, described, asked, dither, search, report, sample)
    schema, sizes = plan.stored.schema, _sizes(plan, columns, sample)
    words, known = stored_as(schema, {}), {column.name: column for column in facts.columns}
    for number, column in enumerate(schema.columns):
        if column.name in known:
            one = known[column.name]
            one.table, one.after = label(schema.tables[column.table].name), round(sizes[number])
            one.codec, one.bound = words[number]
            one.needs = needs_of(schema, number)
            one.kept = ""
    stored = [plan.stored.to_json(), original_of(source, facts.path, columns)]
    return round(sum(sizes)) + sum(len(LZMA_BEST.pack(data)) for data in stored) + _left(source, columns)


def _repacked(source: Source, path: str, columns: AnyColumns | None) -> int:
    """Bytes that the branches of a TTree that stay lose in other baskets."""
    if source.trees.get(path) not in TREE_CLASSES or schemas_of(source):
        return 0
    replaced = columns.layouts if isinstance(columns, TreeColumns) else ()
    return round(sum(branch.saves() for branch in gaining(source, path, replaced)))


def _left(source: Source, columns: AnyColumns) -> int:
    """Bytes of what is left of a header; that of an RNTuple with few fields left is as small as its list of pages."""
    if not isinstance(columns, TreeColumns):
        return 0
    key = source.key(columns.tree.path)
    header = source.header(key)
    header.remove([branch for branch in header.branches if branch.path in columns.layouts])
    return len(Compression.of(source.compression).pack(header.pack(key.length)))


def _branches(columns: AnyColumns) -> set[str]:
    """The branches or fields that columns are of."""
    return {info.branch for info in columns.infos}


def _sizes(plan: TreePlan, columns: AnyColumns, sample: Sample) -> list[float]:
    """Bytes of each column in the whole tree: the sample, coded in chunks as large as those of the tree."""
    values, entries = sample
    schema, numbers = plan.stored.schema, plan.stored.schema.numbers
    total = [0.0] * len(schema.columns)
    step = max((stop - start for start, stop in chunks(columns)), default=1)
    for sequence, start in enumerate(range(0, entries, step)):
        stop = min(start + step, entries)
        run = {numbers[name]: column.cut(start, stop) for name, column in values.items()}
        _, streams = encode(schema, plan.codecs, run, stop - start, sequence, plan.planned.methods)
        own = shares(schema, [len(stream) for stream in streams], dict(enumerate(streams)), columns.where)
        total = [one + more for one, more in zip(total, own.tolist(), strict=True)]
    scale = columns.num_entries / entries if entries else 0.0
    return [scale * size for size in total]
