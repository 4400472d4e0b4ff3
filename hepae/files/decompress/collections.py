"""The compressed collections of one tree as they were, in the branches that their payloads stand for."""

from __future__ import annotations

from collections.abc import Sequence

from hepae.progress import Report
from hepae.root.columns import Column, Jagged
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.layout import restored_plan
from hepae.stored.models import ModelStore
from hepae.stored.restore import CompressedCollection, runs_of
from hepae.stored.titles import compressed_collections

__all__ = ["restore_collections"]


def restore_collections(out: RootWriter, tree: TTreeReader, store: ModelStore, report: Report) -> None:
    """Write a tree with its original branches.

    Parameters
    ----------
    out
        The file that is written.
    tree, store
        The compressed tree, and the models of the file.
    report
        Told how far the work is.
    """
    restorers = [CompressedCollection(tree, name, store) for name in compressed_collections(tree)]
    written = out.rewrite_tree(tree, restored_plan(tree, restorers))
    for start, stop in runs_of(restorers, tree.num_entries):
        written.append(_restored(restorers, start, stop))
        report("restoring", stop, tree.num_entries, "")
    written.finish()


def _restored(restorers: Sequence[CompressedCollection], start: int, stop: int) -> dict[str, Column]:
    """Every compressed feature of these events, under its original name."""
    columns: dict[str, Column] = {}
    for one in restorers:
        objects = one.restore(list(one.features), start, stop)
        columns |= {
            one.features[name].branch: Jagged(objects.counts, objects.columns[name]) for name in one.features
        }
    return columns
