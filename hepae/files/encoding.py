"""Events to a file: chunk after chunk, encoded on the cores and written in order, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hepae import limits
from hepae.core.arithmetic.memory import give_back_freed_memory
from hepae.core.values.objects import Collection, Objects
from hepae.files.threads import cores, in_order
from hepae.progress import Report
from hepae.root.columns import Column
from hepae.root.file.source import MODELS_TREE, Source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.plain import append_cluster, plain_header
from hepae.root.tree import TreeReader, split
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import TreeWriter
from hepae.stored.layout import (
    Encoder,
    new_plan,
    ntuple_plan,
    plain_columns,
    plan_in_place,
)
from hepae.stored.mixed import compressed_lines
from hepae.stored.models import ModelStore, models_of
from hepae.stored.own_tables import model_plan, model_rows

__all__ = ["Encoding", "write_ntuple", "write_tree"]


@dataclass(frozen=True)
class Encoding:
    """What is written, and how.

    Attributes
    ----------
    source
        The file that the events are of, open; None where they are of a text.
    events, found
        The tree and its collection.
    encoder
        Chunks to columns.
    embed
        Whether the model travels in the file.
    threads
        Chunks encoded at once; the cores where it is None.
    report
        Told how far the work is.
    """

    source: Source | None
    events: TreeReader
    found: Collection
    encoder: Encoder
    embed: bool
    threads: int | None
    report: Report

    @property
    def origin(self) -> Source | None:
        """The file whose rest is kept, with its baskets copied as they are; None where everything is written anew."""
        return self.source if isinstance(self.events, TTreeReader) and not self.encoder.side else None

    def encoded(self, plain: Sequence[str] | None) -> Iterator[tuple[int, dict[str, Column]]]:
        """For each chunk the number of its objects and the columns that are written for it."""

        def columns(chunk: Chunk) -> tuple[int, int, dict[str, Column]]:
            # the objects are let go here: several chunks may wait to be written
            made = {**chunk.plain, **self.encoder.encode(chunk.objects, chunk.number)}
            return chunk.stop, chunk.objects.n_objects, made

        workers = self.threads or cores()
        for number, (stop, objects, made) in enumerate(in_order(columns, self._chunks(plain), workers), 1):
            yield objects, made
            del made
            if number % workers == 0:
                give_back_freed_memory()  # or each thread keeps what its largest chunk took
            self.report("compressing", stop, self.events.num_entries, "")

    def _chunks(self, plain: Sequence[str] | None) -> Iterator[Chunk]:
        features = [feature.name for feature in self.encoder.manifest.features]
        number, conditions = 0, self.encoder.manifest.conditions
        for start in range(0, self.events.num_entries, limits.EVENTS_PER_CHUNK):
            stop = min(start + limits.EVENTS_PER_CHUNK, self.events.num_entries)
            counts = self.events.counts(self.found, start, stop)
            for first, last in split(counts, limits.OBJECTS_PER_CHUNK):
                edges = start + first, start + last
                objects = self.events.objects(self.found, features, conditions, *edges)
                columns: dict[str, Column] = {}
                if plain is not None:
                    columns = plain_columns(self.events, plain, self.encoder.counter, objects.counts, *edges)
                yield Chunk(number, edges[1], objects, columns)
                number += 1


@dataclass(frozen=True)
class Chunk:
    """Whole events that are coded together, and the columns of theirs that are written as they are."""

    number: int
    stop: int
    objects: Objects
    plain: dict[str, Column]


def write_tree(temporary: Path, encoding: Encoding) -> int:
    """Write a file whose events are in a TTree; how many objects it has."""
    objects = 0
    with RootWriter(temporary, encoding.origin) as out:
        out.done.add(MODELS_TREE)
        written, plain = _begin_tree(out, encoding)
        for n, columns in encoding.encoded(plain):
            written.append(columns)
            objects += n
        written.finish()
        _write_models(out, encoding)
        out.copy_rest()
    return objects


def write_ntuple(temporary: Path, encoding: Encoding) -> int:
    """Write a file whose events are in an RNTuple, one cluster for each chunk; how many objects it has."""
    events, objects = encoding.events, 0
    with RootWriter(temporary, encoding.origin, ntuples=True) as out:
        plan, plain = ntuple_plan(events, encoding.found, encoding.encoder)
        written = out.new_ntuple(events.path, plain_header(events.name, events.title, plan))
        out.done |= {events.path, MODELS_TREE}
        for n, columns in encoding.encoded(plain):
            append_cluster(written, plan, columns, len(columns[encoding.encoder.counter]))
            objects += n
        written.finish()
        _write_models(out, encoding)
        out.copy_rest()
    return objects


def _begin_tree(out: RootWriter, encoding: Encoding) -> tuple[TreeWriter, list[str] | None]:
    """The tree to write, and the branches that are written as they are; None where they are copied raw."""
    tree, encoder = encoding.events, encoding.encoder
    if encoding.origin is not None and isinstance(tree, TTreeReader):
        return out.rewrite_tree(tree, plan_in_place(encoder, tree)), None
    plan, plain = new_plan(tree, encoding.found, encoder)
    return out.new_tree(tree.name, plan, tree.title), plain


def _write_models(out: RootWriter, encoding: Encoding) -> None:
    """The table of models."""
    table = out.new_tree(MODELS_TREE, model_plan(), "models of hepae, by SHA-256")
    table.append(_model_rows(encoding))
    table.finish()


def _model_rows(encoding: Encoding) -> dict[str, Column]:
    """The models that the source had, and this one; what they compress."""
    store = models_of(encoding.origin) if encoding.origin is not None else ModelStore()
    models, compressed, model = dict(store.embedded), dict(store.compressed), encoding.encoder.model
    models[model.sha256] = model.data if encoding.embed else models.get(model.sha256, b"")
    mine = compressed_lines(encoding.events.path, (spec.branch for spec in model.manifest.features))
    compressed[model.sha256] = "\n\n".join(filter(None, [compressed.get(model.sha256), mine]))
    return model_rows(models, compressed)
