"""Compress one tree of a file: plan it from a sample, then code it chunk by chunk on the cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hepae.core.chunk import ChunkCodec
from hepae.core.tables.schema import PlainCodec, TreeSchema
from hepae.core.tables.streams import encode
from hepae.core.values.bounds import Bound
from hepae.core.values.nested import Nested
from hepae.files.compress.bounds import Asked
from hepae.files.compress.outcome import EncodedChunk
from hepae.files.threads import cores, in_order
from hepae.input.columns import ColumnSource, chunks, sampled
from hepae.learn.whole.matches import Match, Search, Searched, nearest_rows
from hepae.learn.whole.plan import Planned, planned, worthwhile
from hepae.learn.whole.tables import find_tables
from hepae.progress import Report, silent
from hepae.stored.compressed import plain_codec
from hepae.stored.schemas import StoredTree

__all__ = ["Sample", "TreePlan", "encoded", "plan_tree", "tree_sample"]

SAMPLE_ENTRIES = 20_000
"""Entries that a tree is planned from."""

Sample = tuple[Mapping[str, Nested], int]
"""Values of columns for some entries, by name, and how many entries these are."""


@dataclass
class TreePlan:
    """How a tree will be stored.

    Attributes
    ----------
    stored
        What the file will say of it.
    planned
        Its schema, and how its exact columns are packed.
    bounds
        Bounds of the columns that are not exact, by name.
    matches
        Rows that are matched with rows of other tables.
    """

    stored: StoredTree
    planned: Planned
    bounds: Mapping[str, Bound]
    matches: Sequence[Match] = ()

    @property
    def codecs(self) -> list[ChunkCodec]:
        """What codes the columns of each codec of the schema."""
        return [plain_codec(spec) for spec in self.stored.schema.codecs if isinstance(spec, PlainCodec)]


def tree_sample(source: ColumnSource) -> Sample:
    """What a tree is planned from."""
    return sampled(source, SAMPLE_ENTRIES)


def plan_tree(
    source: ColumnSource,
    described: Callable[[TreeSchema], StoredTree],
    asked: Asked,
    dither: bool = False,
    search: Search | None = None,
    report: Report = silent,
    sample: Sample | None = None,
) -> TreePlan:
    """How to store a tree, from a sample of it.

    Parameters
    ----------
    source
        The columns that are compressed.
    described
        What the file will say of the tree, from how its columns are stored.
    asked
        What was asked of its columns.
    dither
        Whether the cells of lossy columns are filled evenly.
    search
        Finds which columns predict each other; none does where it is None.
    report
        Told how far the search for predictions is.
    sample
        Values of the columns; taken here where it is None.
    """
    values, entries = sample or tree_sample(source)
    found = find_tables(source.infos, values)
    start, stop = next(iter(chunks(source)), (0, 0))
    share = (stop - start) / entries if entries else 0.0
    scale = source.num_entries / entries if entries else 0.0
    bounds = worthwhile(values, asked.resolved(values), scale, dither)
    searched = search(found, values, bounds, scale, dither, report) if search is not None else Searched()
    lossy = [f for codec in searched.codecs for f in codec.features if f.bound.kind != "exact"]
    bounds |= {feature.name: feature.bound for feature in lossy}
    plan = planned(
        found, values, share, bounds, lifted=searched.codecs, dither=dither, known=searched.methods
    )
    return TreePlan(described(plan.schema), plan, bounds, searched.matches)


def encoded(
    source: ColumnSource, plan: TreePlan, threads: int | None, report: Report
) -> Iterator[EncodedChunk]:
    """The chunks of a tree in order, coded on the cores."""
    codecs = plan.codecs
    schema, numbers = plan.stored.schema, plan.stored.schema.numbers
    names = [info.name for info in source.infos]

    def read() -> Iterator[tuple[int, int, int, dict[str, Nested]]]:
        for sequence, (start, stop) in enumerate(chunks(source)):
            columns = source.read(names, start, stop)
            yield sequence, start, stop, columns

    def made(run: tuple[int, int, int, dict[str, Nested]]) -> EncodedChunk:
        sequence, start, stop, by_name = run
        columns = {numbers[name]: column for name, column in by_name.items()}
        columns |= {match.link.index: nearest_rows(match, by_name) for match in plan.matches}
        number, streams = encode(schema, codecs, columns, stop - start, sequence, plan.planned.methods)
        return EncodedChunk(number, start, stop, streams)

    for chunk in in_order(made, read(), threads or cores()):
        yield chunk
        report("compressing", chunk.stop, source.num_entries, "")
