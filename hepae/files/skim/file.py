"""Choose events of a file. What is compressed stays compressed, without losing a bit of what it restores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hepae.errors import CorruptionError, report_it
from hepae.files.cut import Cut
from hepae.files.skim.digests import Digests
from hepae.files.skim.meant import tree_for
from hepae.files.skim.ntuples import NTupleEvents
from hepae.files.skim.tree import Events
from hepae.progress import Report
from hepae.root.file.atomic import atomic_output
from hepae.root.file.rest import refuse_what_cannot_be_moved
from hepae.root.file.source import Source, open_source, size_of
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.ttree.reader import TTreeReader
from hepae.shown.bars import in_notebook
from hepae.stored.models import AnyModel, at_hand

__all__ = ["Skim", "skim"]


@dataclass(frozen=True)
class Skim:
    """What `skim` did: the tree that was cut, its events before and after, bytes of the files."""

    source: str
    target: str
    tree: str
    cut: str
    events_before: int
    events_after: int
    bytes_before: int
    bytes_after: int


def skim(
    source: str | Path,
    target: str | Path,
    cut: str,
    *,
    tree: str | None = None,
    models: Iterable[AnyModel] = (),
    force: bool = True,
    report: Report = in_notebook,
) -> Skim:
    """Write the events that pass a cut into a new file, compressed collections staying compressed.

    Parameters
    ----------
    source
        A ROOT file with a TTree or an RNTuple, compressed or not.
    target
        ROOT file to write. It appears complete and verified, or not at all. Branches, titles and types are those of the
        source; everything else in the file (histograms, other trees) is copied as it is.
    cut
        Such as ``nJet >= 2 && Jet_pt[0] > 50``; docs/cuts.md has the language. Restored features can be used by name.
    tree
        Name of the tree.
    models
        Models that the file holds by reference.
    force
        Whether a target that exists is replaced, as uproot's ``recreate`` does; an error otherwise, as in the
        command line.

    Raises
    ------
    CutError
        If the cut cannot be understood, or names what is not there.
    UnsupportedError
        If the tree cannot be rewritten.
    CorruptionError
        If a chunk is damaged, or what was written does not read back bit for bit.

    Examples
    --------
    >>> skim("small.root", "dijets.root", "nJet >= 2").events_after  # doctest: +SKIP
    1840
    """
    condition, models = Cut(cut), list(models)
    with at_hand(models), atomic_output(target, (source,), force=force) as temporary:
        with open_source(source) as opened:
            events = events_of(opened, tree_for(opened, tree, condition), models)
            path, entries = events.tree.path, events.tree.num_entries
            keep = events.passing(condition, _told(report, "choosing", entries))
            if keep.all():
                opened.copy_to(temporary)
                digests = None
            else:
                refuse_what_cannot_be_moved(opened, ())
                with RootWriter(temporary, opened) as out:
                    digests = events.write(out, keep, _told(report, "skimming", entries))
                    out.copy_rest()
        kept = int(np.count_nonzero(keep))
        if digests is not None:
            _check(temporary, path, models, digests, kept)
        sizes = size_of(source), size_of(temporary)
    return Skim(str(source), str(target), path, cut, entries, kept, *sizes)


def events_of(
    source: Source, tree: TTreeReader | RNTupleReader, models: Iterable[AnyModel]
) -> Events | NTupleEvents:
    """A tree whose entries are chosen, as it is stored."""
    if isinstance(tree, TTreeReader):
        return Events(source, tree, models)
    return NTupleEvents(source, tree, models)


def _told(report: Report, stage: str, entries: int) -> Callable[[int], None]:
    return lambda done: report(stage, done, entries, "")


def _check(path: Path, tree: str, models: Iterable[AnyModel], expected: Digests, kept: int) -> None:
    """Read back what was written."""
    with open_source(path) as opened:
        events = events_of(opened, opened.tree(tree), models)
        if events.tree.num_entries != kept:
            raise CorruptionError(
                "a tree has another number of entries after writing",
                where=path,
                expected=kept,
                got=events.tree.num_entries,
                hint=report_it(),
            )
        events.digest().require_same(expected, path)
