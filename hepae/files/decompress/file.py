"""Decompress a file: every compressed tree gets its original branches back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hepae.errors import CollectionError, UnsupportedError
from hepae.files.convert.file import converted
from hepae.files.decompress.collections import restore_collections
from hepae.files.decompress.ntuple import restore_ntuple
from hepae.files.decompress.tree import restore_tree
from hepae.files.verify.run import verify
from hepae.progress import Report, silent
from hepae.root.file.atomic import atomic_output, scratch
from hepae.root.file.own_names import BACKUPS_TREE, MODELS_TREE, OWN_TREES, SCHEMAS_TREE
from hepae.root.file.source import Source, open_source
from hepae.root.file.writer import RootWriter
from hepae.root.tree import Container
from hepae.root.ttree.reader import TTreeReader
from hepae.shown.bars import in_notebook
from hepae.stored.backups import backups_of
from hepae.stored.mixed import without_trees
from hepae.stored.models import AnyModel, at_hand, models_of
from hepae.stored.ntuples import compressed_ntuple, has_payload
from hepae.stored.own_tables import write_models
from hepae.stored.titles import compressed_collections

__all__ = ["decompress", "restore_file"]


def decompress(
    source: str | Path,
    target: str | Path,
    *,
    tree: str | None = None,
    models: Iterable[AnyModel] = (),
    container: Container | None = None,
    force: bool = True,
    report: Report = in_notebook,
) -> list[str]:
    """Restore the original layout of a compressed file: branches, order, titles, types.

    Parameters
    ----------
    source
        File that `compress` wrote.
    target
        ROOT file to write. It appears complete, or not at all.
    tree
        The only tree to restore; all that are compressed where it is None. A file without any is copied.
    models
        Models that the file holds by reference.
    container
        What all trees of the file become, ``ttree`` or ``rntuple``; each is as it was where it is None.
    force
        Whether a target that exists is replaced, as uproot's ``recreate`` does; an error otherwise, as in the
        command line.

    Returns
    -------
    list of str
        Paths of the trees that were restored; none where the file is a copy.

    Raises
    ------
    CollectionError
        If a tree is named of which nothing is compressed.
    CorruptionError
        If the file is damaged, or events of a chunk were dropped.
    UnsupportedError
        If a tree cannot be in the other container: the message names what it has that cannot.
    """
    models = list(models)
    with (
        at_hand(models),
        atomic_output(target, (source,), force=force) as temporary,
        open_source(source) as opened,
    ):
        if container is None:
            return restore_file(temporary, opened, tree, models, report)
        with scratch(temporary) as restored:
            done = restore_file(restored, opened, tree, models, report)
            with converted(restored, temporary, container, check=verify, force=True, report=report) as given:
                Path(given).replace(temporary)
        return done


def restore_file(
    temporary: Path,
    source: Source,
    tree: str | None = None,
    models: Iterable[AnyModel] = (),
    report: Report = silent,
) -> list[str]:
    """Write a file in which compressed trees have their original branches; where there are none, a copy.

    `compress` leaves a file as it is where nothing would become smaller, and such a file has to come back too.

    Parameters
    ----------
    temporary
        Where to write.
    source
        The compressed file.
    tree
        The only tree to restore; all compressed trees where it is None.
    models
        Models that it holds by reference.
    report
        Told how far the work is; by default a notebook shows it.

    Returns
    -------
    list of str
        Paths of the trees that were restored.

    Raises
    ------
    CollectionError
        If a tree is named of which nothing is compressed.
    UnsupportedError
        If a collection of an RNTuple is compressed, not the RNTuple as a whole.
    """
    whole, framed = _compressed(source)
    chosen = [path for path in (*whole, *framed) if tree in (None, path)]
    if not chosen and tree is not None:
        raise CollectionError("nothing is compressed here", where=source.tree(tree).where)
    if not chosen:
        source.copy_to(temporary)
        return []
    store, backups = models_of(source, models), backups_of(source)
    with RootWriter(temporary, source) as out:
        for path in chosen:
            reader, ntuple = source.tree(path), compressed_ntuple(source, path, store)
            if ntuple is not None:
                restore_ntuple(out, source, ntuple, report)
            elif not isinstance(reader, TTreeReader):
                raise UnsupportedError("payload fields of RNTuples are not decompressed", where=reader.where)
            elif path in whole:
                restore_tree(out, source, reader, [one for one in backups if one.path == path], report)
            else:
                restore_collections(out, reader, store, report)
        # a tree that was compressed as a whole may have had payload branches: they are back, and need their models
        framed_left = [path for path in framed if path not in chosen] + [
            path for path in whole if compressed_collections(source.tree(path))
        ]
        if framed_left and source.has_models:
            restored = [path for path in framed if path in chosen]
            write_models(out, store.embedded, without_trees(store.compressed, restored))
        out.done |= {MODELS_TREE} | (set() if set(whole) - set(chosen) else {SCHEMAS_TREE, BACKUPS_TREE})
        out.copy_rest()
    return chosen


def _compressed(source: Source) -> tuple[list[str], list[str]]:
    """Paths of the trees whose columns are in payload trees, and of those that have payload branches."""
    whole, framed = [], []
    for path in source.trees:
        if path in OWN_TREES:
            continue
        tree = source.readable(path)
        if tree is None:
            continue  # what nobody can read was not compressed either
        if has_payload(tree):
            whole.append(path)
        elif compressed_collections(tree):
            framed.append(path)
    return whole, framed
