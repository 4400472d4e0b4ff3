"""Compress every tree of a ROOT file, and copy everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from hepae.core.tables.schema import PlainCodec, TreeSchema
from hepae.files.compress.bounds import Asked
from hepae.files.compress.branches import described_tree
from hepae.files.compress.fields import described_ntuple, original_bytes
from hepae.files.compress.known import differences
from hepae.files.compress.ntuple import write_ntuple
from hepae.files.compress.outcome import AnyColumns, TreeDone
from hepae.files.compress.tree import TreePlan, encoded, plan_tree
from hepae.files.compress.ttree import write_tree
from hepae.files.repack.tree import gaining, repack_gaining
from hepae.learn.whole.known import search_of
from hepae.learn.whole.matches import Search
from hepae.learn.whole.paying import JSON_BYTES, REFERRED_BYTES
from hepae.model.dataset import DatasetModel
from hepae.progress import Report, silent
from hepae.root.file.source import RNTUPLES, SCHEMAS_TREE, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.columns import TreeColumns
from hepae.stored.backups import Backup, write_backups
from hepae.stored.own_tables import write_schemas
from hepae.stored.schemas import StoredSchema, StoredTree

__all__ = ["described_of", "original_of", "write_whole"]


def write_whole(
    temporary: Path,
    source: Source,
    trees: Mapping[str, AnyColumns],
    asked: Mapping[str, Asked],
    schemas: Mapping[str, StoredSchema] = MappingProxyType({}),
    dither: bool = False,
    threads: int | None = None,
    report: Report = silent,
    search: Search | None = None,
    model: DatasetModel | None = None,
    embed: bool = True,
    repacks: bool = False,
) -> list[TreeDone]:
    """Write a file in which trees are compressed.

    Parameters
    ----------
    temporary
        Where to write.
    source
        The file.
    trees, asked
        The columns of each tree that are replaced, and what is asked of them (`hepae.files.compress.request`).
    schemas
        Those of trees that are compressed already.
    dither
        Fill the cells of lossy columns evenly.
    search
        Finds which columns predict each other; none does where it is None.
    model
        Of the data set, which says that instead: then nothing is searched.
    embed
        Whether the file holds what it needs of the model, rather than refer to it.
    repacks
        Whether what stays as it is of TTrees is repacked where that makes it smaller.

    Raises
    ------
    IrregularError
        If a branch turns out not to be what its layout says: it has to be kept, and the file written anew.
    """
    done: list[TreeDone] = []
    every = dict(schemas)
    with RootWriter(temporary, source) as out:
        out.done |= {SCHEMAS_TREE}
        for path, columns in trees.items():
            described = described_of(source, path, columns)
            known = None if model is None else model.known.tree(path)
            if model is not None:
                search = None if known is None else search_of(known, JSON_BYTES if embed else REFERRED_BYTES)
            plan = plan_tree(columns, described, asked[path], dither, search, report)
            said = StoredSchema(plan.stored.to_json(), original_of(source, path, columns))
            if model is not None and not embed:
                said = said.referring(model.sha256, model.reference)
            every[plan.stored.sha256] = said
            made = encoded(columns, plan, threads, report)
            if isinstance(columns, TreeColumns):
                replaced = {branch.path for branch in plan.stored.branches}
                repacked = gaining(source, path, replaced) if repacks else ()
                done.append(write_tree(out, source, columns, plan.stored, made, repacked))
            else:
                done.append(write_ntuple(out, source.key(path), columns, plan.stored, made))
            _account(done[-1], plan)
            if model is not None:
                different = differences(columns.infos, known)
                done[-1].unknown, done[-1].missing = different.unknown, different.missing
        write_schemas(out, every)
        if repacks and not schemas:
            for path in source.trees:
                if path not in trees and source.trees[path] not in RNTUPLES:
                    repack_gaining(out, source, path)
        backups: list[Backup] = []
        out.copy_rest(lambda key, header: backups.append(Backup.of(source, key, header)))
        write_backups(out, backups)
    return done


def _account(done: TreeDone, plan: TreePlan) -> None:
    """Note what the plan of a tree says of its columns."""
    lifting = [
        codec for codec in plan.stored.schema.codecs if isinstance(codec, PlainCodec) and codec.lifting
    ]
    done.bounds, done.predicted = plan.bounds, sum(len(codec.columns) for codec in lifting)


def described_of(source: Source, path: str, columns: AnyColumns) -> Callable[[TreeSchema], StoredTree]:
    """What the file will say of a tree, from how its columns are stored."""
    if isinstance(columns, TreeColumns):
        return described_tree(source, columns)
    return described_ntuple(path, source.ntuple(source.key(path)), columns)


def original_of(source: Source, path: str, columns: AnyColumns) -> bytes:
    """The original header of a tree."""
    if isinstance(columns, TreeColumns):
        return source.header(source.key(path)).lean()
    return original_bytes(source.ntuple(source.key(path)))
