"""Compress one collection of a file with a model: streaming, in parallel, all or nothing.

Everything is written to a temporary file, which is read back and compared with the input value by value before it
takes the final name.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from hepae.core.arithmetic.memory import give_back_freed_memory
from hepae.core.values.bounds import Assignments
from hepae.core.values.objects import Collection
from hepae.errors import AlreadyCompressedError, SchemaError, UnsupportedError, nearest
from hepae.files.agreement import checked_bounds, require_agreement
from hepae.files.encoding import Encoding, write_ntuple, write_tree
from hepae.files.summary import Compression, measure
from hepae.files.verify.check import Check
from hepae.input.events import csv_tree, events_of, is_csv
from hepae.input.selection import Selection, selection_of
from hepae.learn.modelling import find_collection, model_of, require_bounds_mean_something, sample
from hepae.learn.recipe import Recipe
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.file.atomic import atomic_output
from hepae.root.file.rest import refuse_what_cannot_be_moved, refuse_what_is_not_written_anew
from hepae.root.file.source import MODELS_TREE, Source, open_source
from hepae.root.tree import Container, TreeReader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import compressed_of
from hepae.stored.layout import Original, encoder_of

__all__ = ["compress_collection"]

WRITERS = {"ttree": write_tree, "rntuple": write_ntuple}


def compress_collection(
    source: str | Path,
    target: str | Path,
    *,
    collection: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    bounds: Assignments = (),
    tree: str | None = None,
    model: Model | None = None,
    recipe: Recipe | None = None,
    side: bool = False,
    embed: bool = True,
    container: Container = "ttree",
    threads: int | None = None,
    force: bool = True,
    report: Report = silent,
    check: Check,
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
        with it or be left out; a bound may be wider than the model's.
    model
        A trained model.
    side
        Write only the collection, entry for entry, as a friend of the source, which stays as it is.
    embed
        Whether the model travels in the file, or only its SHA-256.
    container
        ``ttree`` or ``rntuple``: how the events are stored. An RNTuple is written anew, one cluster a chunk; other
        trees of the file stay what they are.
    threads
        Chunks coded at once; the cores where it is None.
    force
        Whether a target that exists is replaced, as uproot's ``recreate`` does; an error otherwise, as in the
        command line.
    report
        Told how far the work is.
    check
        Compares what was written with the source: `hepae.verify`.

    Returns
    -------
    Compression
        Sizes, escapes and largest errors.

    Raises
    ------
    SchemaError
        If what is asked for and the model do not agree. Nothing has been read or written.
    BoundViolationError
        If a value as read back is out of the bound asked for. Nothing has been written under the final name.
    HepaeError
        As the catalogue says.

    Examples
    --------
    >>> done = compress_collection("in.root", "out.root", collection="Jet", check=hepae.verify)  # doctest: +SKIP
    >>> done.file_before / done.file_after  # doctest: +SKIP
    3.1
    """
    began = time.perf_counter()
    selection = selection_of(collection, features, bounds, tree)
    if model is not None:
        require_agreement(selection, recipe, model.manifest, source)
    wanted = selection.collection or (model.manifest.collection if model else None)
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_output(target, (source,), force=force))
        opened = None if is_csv(source) else stack.enter_context(open_source(source))
        events = csv_tree(source) if opened is None else events_of(opened, tree, wanted)
        found = find_collection(events, wanted)
        if not side:
            _require_writable(opened, events, container)
        if model is None:
            model = _trained(events, found, selection, recipe or Recipe(), report)
        promised = checked_bounds(selection, found, model.manifest)
        encoder = encoder_of(
            model, side, originals=_originals(found, events, in_place=not side and opened is not None)
        )
        _require_schema(model, found, events)
        trained = time.perf_counter()
        encoding = Encoding(opened, events, found, encoder, embed, threads, report)
        objects = WRITERS[container](temporary, encoding)
        encoded = time.perf_counter()
        give_back_freed_memory()
        only = events.path if side and opened is not None else None
        asked = [(f"{events.path}/{branch}", bound) for branch, bound in promised]
        checked = check(source, temporary, bounds=asked, tree=only, models=[model], report=report)
        checked.require_kept()
        verified = time.perf_counter()
        done = Compression(
            str(source), str(target), model.manifest.codec_name, model.sha256, events.num_entries, objects
        )
        done.train_seconds, done.encode_seconds = trained - began, encoded - trained
        done.verify_seconds = verified - encoded
        measure(done, temporary, events, encoder, checked)
    return done


def _originals(found: Collection, events: TreeReader, *, in_place: bool) -> dict[str, Original]:
    """Titles of the features, and their counters where these stay in the file."""
    counted = in_place and isinstance(events, TTreeReader)
    return {
        feature.branch: Original(feature.title, events.branches[feature.branch].counter if counted else None)
        for feature in found.features
    }


def _trained(
    events: TreeReader,
    found: Collection,
    selection: Selection,
    recipe: Recipe,
    report: Report,
) -> Model:
    require_bounds_mean_something(selection, recipe)
    names = selection.names(found)
    objects = sample(events, found, names, recipe.conditions, recipe.choices.train_objects)
    return model_of(objects, found, names, selection.bounds, recipe, report)


def _require_writable(source: Source | None, events: TreeReader, container: Container) -> None:
    """Refuse before training what could not be written after it."""
    if isinstance(events, TTreeReader) and compressed_of(events.tree) is not None:
        raise AlreadyCompressedError(
            "the tree is compressed as a whole already", where=events.where, hint="decompress the file first"
        )
    if source is not None:
        if not isinstance(events, TTreeReader):
            refuse_what_is_not_written_anew(source, events.path)
        else:
            refuse_what_cannot_be_moved(source, (events.path, MODELS_TREE))
    if isinstance(events, TTreeReader) and container == "ttree":
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
