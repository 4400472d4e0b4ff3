"""Compress and decompress files: the data path from end to end, streaming, in parallel, all or nothing.

Everything is written to a temporary file, which is read back and compared with the input value by value before it
takes the final name.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from hepae import limits
from hepae.collection import Collection, Objects
from hepae.errors import (
    BoundViolationError,
    CollectionError,
    SchemaError,
    UnsupportedError,
    nearest,
)
from hepae.events import is_csv, open_events
from hepae.layout import (
    Encoder,
    encoder_of,
    model_plan,
    model_rows,
    new_plan,
    ntuple_plan,
    plain_columns,
    plan_in_place,
    restored_plan,
)
from hepae.model.model import Model
from hepae.modelling import Report, find_collection, model_of, sample, silent
from hepae.recipe import Recipe
from hepae.restore import CompressedCollection, compressed_collections, models_of
from hepae.rootio.atomic import atomic_output
from hepae.rootio.columns import Column, Jagged
from hepae.rootio.ntuple_writer import NTupleFile
from hepae.rootio.raw_copy import refuse_unless_rewritable
from hepae.rootio.source import MODELS_TREE, Source, open_source
from hepae.rootio.tree import TreeReader, split
from hepae.rootio.tree_writer import NewBranch, TreeWriter
from hepae.rootio.ttree import TTreeReader
from hepae.rootio.writer import RootWriter
from hepae.verify import Verification, verify

__all__ = ["Compression", "FeatureReport", "compress", "decompress"]

Container = Literal["ttree", "rntuple"]
Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(frozen=True)
class FeatureReport:
    """One feature of a compressed file: compressed bytes before and after, escapes, largest error over its bound."""

    branch: str
    bound: str
    grid: str
    bytes_before: int
    bytes_after: int
    escapes: int
    worst: float


@dataclass
class Compression:
    """What `compress` did.

    Attributes
    ----------
    codec, model
        Name of the codec, SHA-256 of the model.
    events, objects
        How many there are.
    features
        A report for each compressed feature.
    collection_before, collection_after
        Compressed bytes of the features; after: with all that hepae keeps for them but the model.
    model_bytes
        Bytes of the model on disk; 0 by reference.
    file_before, file_after
        Sizes of the files.
    train_seconds, encode_seconds, verify_seconds
        Wall-clock time of the three phases.
    """

    source: str
    target: str
    codec: str
    model: str
    events: int
    objects: int = 0
    features: list[FeatureReport] = field(default_factory=list)
    collection_before: int = 0
    collection_after: int = 0
    model_bytes: int = 0
    file_before: int = 0
    file_after: int = 0
    train_seconds: float = 0.0
    encode_seconds: float = 0.0
    verify_seconds: float = 0.0


def compress(
    source: str | Path,
    target: str | Path,
    *,
    collection: str | None = None,
    features: Sequence[str] | None = None,
    bounds: Sequence[str] = (),
    tree: str | None = None,
    model: Model | None = None,
    recipe: Recipe | None = None,
    side: bool = False,
    embed: bool = True,
    container: Container = "ttree",
    threads: int | None = None,
    report: Report = silent,
) -> Compression:
    """Compress a collection of a file.

    Parameters
    ----------
    source
        ROOT or CSV.
    target
        ROOT file to write. It appears complete and verified, or not at all.
    collection, features, bounds, tree, recipe
        As in `hepae.train`, which is called on the input where no model is given. With a model, they must agree
        with it or be left out.
    model
        A trained model.
    side
        Write only the collection, entry for entry, as a friend of the source, which stays as it is.
    embed
        Whether the model travels in the file, or only its SHA-256.
    container
        ``ttree`` or ``rntuple``: how the events are stored. An RNTuple is written anew, one cluster a chunk, with the
        titles of its fields in another one beside it, ``hepae_titles``.
    threads
        Chunks coded at once; the cores where it is None.
    report
        Told how far the work is.

    Returns
    -------
    Compression
        Sizes, escapes and largest errors.

    Raises
    ------
    BoundViolationError
        If a value as read back is out of its bound. Nothing has been written under the final name.
    HepaeError
        As the catalogue says.

    Examples
    --------
    >>> done = compress("events.root", "small.root", collection="Jet", bounds=["*=rel:1e-3"])  # doctest: +SKIP
    >>> done.file_before / done.file_after  # doctest: +SKIP
    3.1
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_output(target, (source,)))
        events = stack.enter_context(open_events(source, tree))
        found = find_collection(events, collection or (model.manifest.collection if model else None))
        if not side:
            _require_writable(events, container)
        if model is None:
            model = _trained(events, found, features, bounds, recipe or Recipe(), report)
        encoder = encoder_of(model, side)
        _require_schema(model, found, events)
        trained = time.perf_counter()
        done = Compression(
            str(source), str(target), model.manifest.codec_name, model.sha256, events.num_entries
        )
        if container == "rntuple":
            _write_ntuple(temporary, events, found, encoder, embed, threads, done, report)
        else:
            _write(temporary, events, found, encoder, side, embed, threads, done, report)
        encoded = time.perf_counter()
        checked = verify(
            source, temporary, tree=None if is_csv(source) else events.path, models=[model], report=report
        )
        _require_kept(checked)
        done.train_seconds, done.encode_seconds = trained - began, encoded - trained
        done.verify_seconds = time.perf_counter() - encoded
        _measure(done, temporary, events, encoder, checked)
    return done


def decompress(
    source: str | Path,
    target: str | Path,
    *,
    tree: str | None = None,
    models: Iterable[Model] = (),
    report: Report = silent,
) -> None:
    """Restore the original layout of a compressed file: branches, order, titles, types.

    Parameters
    ----------
    source
        File that `compress` wrote.
    target
        ROOT file to write. It appears complete, or not at all.
    tree
        Name of the tree.
    models
        Models that the file holds by reference.

    Raises
    ------
    CollectionError
        If nothing in the tree is compressed.
    CorruptionError
        If the file is damaged, or events of a chunk were dropped.
    """
    with atomic_output(target, (source,)) as temporary, open_source(source) as opened:
        events = opened.tree(tree)
        found = compressed_collections(events)
        if not found:
            raise CollectionError("nothing is compressed here", where=events.where)
        if not isinstance(events, TTreeReader):
            raise UnsupportedError("only TTrees are decompressed", where=events.where)
        store = models_of(opened, models)
        restorers = [CompressedCollection(events, name, store) for name in found]
        with RootWriter(temporary, opened) as out:
            out.done.add(MODELS_TREE)
            written = out.rewrite_tree(events, restored_plan(events, restorers))
            for start, stop in _chunk_edges(restorers, events.num_entries):
                written.append(_restored_columns(restorers, start, stop))
                report("restoring", stop, events.num_entries, "")
            written.finish()
            out.copy_rest()


def _trained(
    events: TreeReader,
    found: Collection,
    features: Sequence[str] | None,
    bounds: Sequence[str],
    recipe: Recipe,
    report: Report,
) -> Model:
    names = tuple(f.name for f in (found.features if features is None else map(found.feature, features)))
    objects = sample(events, found, names, recipe.conditions, recipe.train_objects)
    return model_of(objects, found, names, bounds, recipe, report)


def _require_writable(events: TreeReader, container: Container) -> None:
    """Refuse before training what could not be written after it."""
    if isinstance(events, TTreeReader) and container == "ttree":
        refuse_unless_rewritable(events)
        return
    for name, branch in events.branches.items():
        if branch.kind == "other":
            raise UnsupportedError(
                "a branch that a tree of ours cannot hold",
                where=f"{events.where}, {name}",
                got=branch.typename,
                hint="write the collection into a friend with --side FILE",
            )


def _require_schema(model: Model, found: Collection, events: TreeReader) -> None:
    """Refuse a model that is for other features than the collection has."""
    there = {feature.branch: feature.dtype for feature in found.features}
    for feature in model.manifest.features:
        if feature.branch not in there:
            raise SchemaError(
                "a feature of the model is missing",
                where=events.where,
                expected=feature.branch,
                hint=nearest(feature.branch, there) or None,
            )
        if there[feature.branch] != feature.dtype:
            raise SchemaError(
                "a feature of another dtype than the model's",
                where=f"{events.where}, {feature.branch}",
                expected=feature.dtype,
                got=there[feature.branch],
            )
    missing = [name for name in model.manifest.conditions if name not in events.event_branches()]
    if missing:
        raise SchemaError(
            "event branches that the model is conditioned on are missing",
            where=events.where,
            got=", ".join(missing),
        )


def _write(
    temporary: Path,
    events: TreeReader,
    found: Collection,
    encoder: Encoder,
    side: bool,
    embed: bool,
    threads: int | None,
    done: Compression,
    report: Report,
) -> None:
    with ExitStack() as stack:
        origin = None
        if isinstance(events, TTreeReader) and not side:
            origin = stack.enter_context(open_source(done.source))
        out = stack.enter_context(RootWriter(temporary, origin))
        out.done.add(MODELS_TREE)
        written, plain = _begin_tree(out, origin, events, found, encoder)
        names = [feature.name for feature in encoder.manifest.features]

        def encoded(chunk: Chunk) -> tuple[Chunk, dict[str, Column]]:
            return chunk, {**chunk.plain, **encoder.encode(chunk.objects, chunk.number)}

        chunks = _chunks(events, found, names, encoder, plain)
        for chunk, columns in _in_order(encoded, chunks, threads):
            written.append(columns)
            done.objects += chunk.objects.n_objects
            report("compressing", chunk.stop, events.num_entries, "")
        written.finish()
        _write_models(out, origin, encoder.model, embed)
        out.copy_rest()


def _write_ntuple(
    temporary: Path,
    events: TreeReader,
    found: Collection,
    encoder: Encoder,
    embed: bool,
    threads: int | None,
    done: Compression,
    report: Report,
) -> None:
    with ExitStack() as stack:
        origin = None
        if isinstance(events, TTreeReader) and not encoder.side:
            origin = stack.enter_context(open_source(done.source))
        out = stack.enter_context(NTupleFile(temporary, origin))
        plan, plain = ntuple_plan(events, found, encoder)
        written = out.new_ntuple(events.name, plan, events.title)
        names = [feature.name for feature in encoder.manifest.features]

        def encoded(chunk: Chunk) -> tuple[Chunk, dict[str, Column]]:
            return chunk, {**chunk.plain, **encoder.encode(chunk.objects, chunk.number)}

        for chunk, columns in _in_order(encoded, _chunks(events, found, names, encoder, plain), threads):
            written.append(columns)
            done.objects += chunk.objects.n_objects
            report("compressing", chunk.stop, events.num_entries, "")
        rows = model_rows(_models(origin, encoder.model, embed))
        fields = [branch for branch in model_plan() if isinstance(branch, NewBranch) and branch.name in rows]
        out.new_ntuple(MODELS_TREE, fields, "models of hepae, by SHA-256").append(rows)
        out.copy_rest((events.name, MODELS_TREE))


def _begin_tree(
    out: RootWriter,
    origin: Source | None,
    events: TreeReader,
    found: Collection,
    encoder: Encoder,
) -> tuple[TreeWriter, list[str] | None]:
    """The tree to write, and the branches that are written as they are; None where they are copied raw."""
    if origin is not None:
        tree = origin.tree(events.path)
        assert isinstance(tree, TTreeReader)
        return out.rewrite_tree(tree, plan_in_place(encoder, tree)), None
    plan, plain = new_plan(events, found, encoder)
    return out.new_tree(events.name, plan, events.title), plain


def _write_models(out: RootWriter, origin: Source | None, model: Model, embed: bool) -> None:
    """The table of models."""
    table = out.new_tree(MODELS_TREE, model_plan(), "models of hepae, by SHA-256")
    table.append(model_rows(_models(origin, model, embed)))
    table.finish()


def _models(origin: Source | None, model: Model, embed: bool) -> dict[str, bytes]:
    """The models that the source had, and this one."""
    models = dict(models_of(origin).embedded) if origin is not None else {}
    models[model.sha256] = model.data if embed else models.get(model.sha256, b"")
    return models


@dataclass(frozen=True)
class Chunk:
    """Whole events that are coded together, and the columns of theirs that are written as they are."""

    number: int
    stop: int
    objects: Objects
    plain: dict[str, Column]


def _chunks(
    events: TreeReader,
    found: Collection,
    features: Sequence[str],
    encoder: Encoder,
    plain: Sequence[str] | None,
) -> Iterator[Chunk]:
    number, conditions = 0, encoder.manifest.conditions
    for start in range(0, events.num_entries, limits.EVENTS_PER_CHUNK):
        stop = min(start + limits.EVENTS_PER_CHUNK, events.num_entries)
        for first, last in split(events.counts(found, start, stop), limits.OBJECTS_PER_CHUNK):
            edges = start + first, start + last
            objects = events.objects(found, features, conditions, *edges)
            columns = (
                {} if plain is None else plain_columns(events, plain, encoder.counter, objects.counts, *edges)
            )
            yield Chunk(number, edges[1], objects, columns)
            number += 1


def _in_order(
    function: Callable[[Given], Made], items: Iterable[Given], threads: int | None
) -> Iterator[Made]:
    """Map over the cores, results in order, never more than a few items ahead: memory stays bounded."""
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[Made]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _require_kept(checked: Verification) -> None:
    if checked.kept:
        return
    offender = checked.offenders[0] if checked.offenders else None
    raise BoundViolationError(
        "what was written does not restore to what was read",
        where=f"{offender.branch}, event {offender.event}, object {offender.object}"
        if offender
        else checked.file,
        expected=offender.stored if offender else None,
        got=offender.restored if offender else "; ".join(checked.differences[:3]),
        hint="the output was not written; please report this",
    )


def _measure(
    done: Compression, temporary: Path, events: TreeReader, encoder: Encoder, checked: Verification
) -> None:
    """Sizes as they are on disk."""
    with open_source(temporary) as source:
        tree = source.tree(events.path if events.path in source.trees else events.name)
        for spec in encoder.manifest.features:
            check = checked.checks[spec.branch]
            done.features.append(
                FeatureReport(
                    spec.branch,
                    check.bound,
                    type(spec.lattice.grid).__name__.lower(),
                    check.bytes_before,
                    sum(
                        tree.bytes_on_disk(branch.name)[0]
                        for branch in encoder.payload(spec)
                        if branch.name in tree.branches
                    ),
                    encoder.escapes.get(spec.name, 0),
                    check.worst,
                )
            )
        done.collection_before = sum(feature.bytes_before for feature in done.features)
        done.collection_after = sum(
            tree.bytes_on_disk(name)[0] for name in encoder.branches() if name in tree.branches
        )
        models = source.tree(MODELS_TREE)
        done.model_bytes = sum(models.bytes_on_disk(name)[0] for name in models.branches)
    done.file_before, done.file_after = Path(done.source).stat().st_size, temporary.stat().st_size


def _chunk_edges(restorers: Sequence[CompressedCollection], entries: int) -> Iterator[tuple[int, int]]:
    """Runs of events to restore: the chunks of the first chunked collection, else runs of equal length."""
    chunked = [one for one in restorers if one.codec != "bottleneck"]
    if chunked:
        yield from ((chunk.start, chunk.stop) for chunk in chunked[0].chunks())
        return
    for start in range(0, entries, limits.EVENTS_PER_CHUNK):
        yield start, min(start + limits.EVENTS_PER_CHUNK, entries)


def _restored_columns(restorers: Sequence[CompressedCollection], start: int, stop: int) -> dict[str, Column]:
    """Every compressed feature of these events, under its original name."""
    columns: dict[str, Column] = {}
    for one in restorers:
        objects = one.restore(list(one.features), start, stop)
        columns |= {
            one.features[name].branch: Jagged(objects.counts, objects.columns[name]) for name in one.features
        }
    return columns
