"""One model for a data set: how the tables of whole files predict each other, planned once on a sample of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from hepae import limits
from hepae.core.tables.columns import ColumnInfo
from hepae.core.tables.dataset import DatasetManifest, KnownMatch, KnownPart
from hepae.core.tables.schema import TreeSchema
from hepae.core.values.bounds import Assignments
from hepae.core.values.nested import Nested
from hepae.core.versioned import Training
from hepae.errors import InputError, SchemaError
from hepae.files.compress.bounds import Asked, bounds_by_tree
from hepae.files.compress.known import type_of
from hepae.files.compress.narrowing import Narrowing, narrowing_of, require_lossy
from hepae.files.compress.outcome import AnyColumns
from hepae.files.compress.request import requested
from hepae.files.compress.tree import SAMPLE_ENTRIES
from hepae.files.compress.whole import described_of, original_of
from hepae.input.columns import sampled
from hepae.input.selection import selection_of
from hepae.learn.whole.lifted import lifted_tables
from hepae.learn.whole.matches import Match
from hepae.learn.whole.plan import planned
from hepae.learn.whole.tables import Found, find_tables
from hepae.model.dataset import DatasetModel
from hepae.progress import Report
from hepae.root.file.source import open_source
from hepae.root.ttree.columns import IrregularError
from hepae.shown.bars import in_notebook
from hepae.version import __version__

__all__ = ["train_dataset"]

ROWS: Final = 60_000
"""Rows of a table that predictions are fitted on: three times those of a single file, as many files share them."""

TRAINING_FILES: Final = 64
"""At most this many files, evenly spread over all, give entries to train on."""


class _Part:
    """The sample of a tree of one file."""

    def __init__(self, where: str, columns: AnyColumns, entries: int, kept: Collection[str]) -> None:
        self.where, self.infos, self.kept = where, {info.name: info for info in columns.infos}, set(kept)
        self.values, self.entries = sampled(columns, entries)
        self.num_entries = columns.num_entries


def train_dataset(
    files: Sequence[str | Path],
    *,
    bounds: Assignments = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    tree: str | Sequence[str] | None = None,
    dither: bool = False,
    report: Report = in_notebook,
) -> DatasetModel:
    """Train one model on whole files: what `hepae.compress` searches in each file anew, for all files of a data set.

    Parameters
    ----------
    files
        ROOT files; at most 64 of them, evenly spread, give their part of a sample of 20,000 entries of each tree.
        Columns that all of these have take part; a file that is compressed may have others.
    bounds, only, skip, tree, dither
        As in `hepae.compress`. The model keeps the bounds, of whatever it compresses.
    report
        Told how far the work is; by default a notebook shows it.

    Raises
    ------
    InputError
        If there are no files, or nothing in them that can be compressed.
    SchemaError
        If a column is of different types in the files.
    BoundError
        If a bound or dither means nothing for the columns.

    Examples
    --------
    >>> model = train_dataset(["a.root", "b.root"], bounds=["Jet_*=rel:1e-3"])  # doctest: +SKIP
    >>> model.save("nano.onnx")  # doctest: +SKIP
    """
    if not files:
        raise InputError("no files to train on")
    pairs, narrowing = selection_of(bounds=bounds).bounds, narrowing_of(only, skip, (), tree)
    require_lossy(dither, pairs, files[0])
    places = np.unique(np.linspace(0, len(files) - 1, TRAINING_FILES).round().astype(int)).tolist()
    parts: dict[str, list[_Part]] = {}
    for done, place in enumerate(places):
        for path, part in _parts(files[place], narrowing, -(-SAMPLE_ENTRIES // len(places))):
            parts.setdefault(path, []).append(part)
        report("reading", done + 1, len(places), str(files[place]))
    whole = {path: each for path, each in parts.items() if len(each) == len(places)}
    if not whole:
        raise InputError("no tree that can be compressed and that all files have", where=files[0])
    infos = {path: _common(each) for path, each in whole.items()}
    asked = bounds_by_tree(pairs, infos, str(files[0]))
    known = {
        path: _known(path, infos[path], each, asked[path], dither, report) for path, each in whole.items()
    }
    reference = _reference(
        files[0], narrowing, whole, infos, {path: schema for path, (schema, _) in known.items()}
    )
    entries = sum(part.entries for each in whole.values() for part in each)
    rows = sum(
        len(column.values) for each in whole.values() for part in each for column in part.values.values()
    )
    trees = tuple(
        msgspec.structs.replace(known[path][1], header=len(header), schema=len(text))
        for path, (header, text) in reference.items()
    )
    manifest = DatasetManifest(limits.FORMAT_VERSION, trees, dither, Training(__version__, 0, entries, rows))
    return DatasetModel.of(manifest, b"".join(header + text for header, text in reference.values()))


def _parts(path: str | Path, narrowing: Narrowing, entries: int) -> Iterator[tuple[str, _Part]]:
    """A sample of each tree of a file; branches whose baskets are not what their layout says take no part."""
    kept: dict[str, set[str]] = {}
    with open_source(path) as source:
        while True:
            try:
                trees, _ = requested(source, (), kept, narrowing)
                found = [
                    (name, _Part(f"{path}:{name}", one, entries, kept.get(name, ())))
                    for name, one in trees.items()
                ]
            except IrregularError as problem:
                kept.setdefault(problem.tree, set()).add(problem.path)
            else:
                yield from found
                return


def _common(parts: Sequence[_Part]) -> list[ColumnInfo]:
    """The columns that all parts have.

    Raises
    ------
    SchemaError
        If one is of different types.
    """
    first = parts[0]
    names = [name for name in first.infos if all(name in part.infos for part in parts)]
    for part in parts[1:]:
        for name in names:
            expected, got = type_of(first.infos[name]), type_of(part.infos[name])
            if expected != got:
                raise SchemaError(
                    "a column of another type than in the first file",
                    where=f"{part.where}, {name}", expected=expected, got=got,
                    hint="train on files of one version, or leave the column out with --skip",
                )  # fmt: skip
    return [first.infos[name] for name in names]


def _known(
    path: str,
    infos: Sequence[ColumnInfo],
    parts: Sequence[_Part],
    asked: Asked,
    dither: bool,
    report: Report,
) -> tuple[TreeSchema, KnownPart]:
    """How a tree would be stored, and what the manifest says beside."""
    values = {info.name: Nested.concatenated([part.values[info.name] for part in parts]) for info in infos}
    entries, every = (sum(getattr(part, name) for part in parts) for name in ("entries", "num_entries"))
    found = find_tables(infos, values)
    bounds = asked.resolved(values)
    searched = lifted_tables(found, values, bounds, every / entries, dither, report, ROWS)
    plan = planned(found, values, every / entries, bounds, lifted=searched.codecs, dither=dither)
    methods = tuple(plan.methods.get(number, ()) for number in range(len(found.columns)))
    matches = tuple(_match(match, found) for match in searched.matches)
    predicted = [n for codec in searched.codecs for n in codec.columns]
    bits = tuple(
        (round(before, 2), round(after, 2)) for before, after in map(searched.bits.__getitem__, predicted)
    )
    return plan.schema, KnownPart(0, 0, methods, matches, bits)


def _reference(
    path: str | Path,
    narrowing: Narrowing,
    parts: Mapping[str, Sequence[_Part]],
    common: Mapping[str, Sequence[ColumnInfo]],
    schemas: Mapping[str, TreeSchema],
) -> dict[str, tuple[bytes, bytes]]:
    """What the first file would say of its trees: original header and JSON, without columns that others lack."""
    left = {name: _alone(parts[name][0], common[name]) for name in schemas}
    with open_source(path) as source:
        trees, _ = requested(source, (), left, narrowing)
        return {
            name: (
                original_of(source, name, trees[name]),
                described_of(source, name, trees[name])(schema).to_json(),
            )
            for name, schema in schemas.items()
        }


def _alone(part: _Part, common: Sequence[ColumnInfo]) -> set[str]:
    """Branches of a file that are kept, or have columns that others lack."""
    names = {info.name for info in common}
    return part.kept | {info.branch for info in part.infos.values() if info.name not in names}


def _match(match: Match, found: Found) -> KnownMatch:
    numbers = {column.name: number for number, column in enumerate(found.columns)}
    here, there = ((numbers[a], numbers[b], numbers[c]) for a, b, c in (match.here, match.there))
    return KnownMatch(match.link.index, here, there)
