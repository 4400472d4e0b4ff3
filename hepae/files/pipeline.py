"""Compress a file: as a whole, or one collection of it with a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hepae.core.values.bounds import Assignments
from hepae.files.compress.collection import compress_collection
from hepae.files.compress.file import FileDone, compress_file
from hepae.files.compress.known import require_whole
from hepae.files.compress.narrowing import narrowing_of, refuse_for_a_collection, require_lossy
from hepae.files.convert.file import converted
from hepae.files.summary import Compression
from hepae.files.verify.run import verify
from hepae.input.events import is_csv
from hepae.input.selection import selection_of
from hepae.learn.recipe import Recipe
from hepae.learn.whole.lifted import lifted_tables
from hepae.model.dataset import DatasetModel
from hepae.model.model import Model
from hepae.progress import Report
from hepae.root.file.source import RNTUPLES, open_source, size_of
from hepae.root.tree import Container
from hepae.shown.bars import in_notebook

__all__ = ["compress"]


def compress(
    source: str | Path,
    target: str | Path,
    *,
    collection: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    bounds: Assignments = (),
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    tree: str | Sequence[str] | None = None,
    dither: bool = False,
    model: Model | DatasetModel | None = None,
    recipe: Recipe | None = None,
    side: bool = False,
    embed: bool = True,
    container: Container | None = None,
    threads: int | None = None,
    force: bool = True,
    report: Report = in_notebook,
) -> FileDone | Compression:
    """Compress a file: every tree, every column, losslessly but for the bounds. Or one collection, with a model.

    Parameters
    ----------
    source
        ROOT or CSV.
    target
        ROOT file to write. It appears complete and verified, or not at all.
    bounds
        ``PATTERNS=BOUND`` over names of columns, with or without the prefix of their table; later ones win. Columns
        without a bound are exact.
    only, skip
        Patterns over names of columns: what is compressed, and what stays as it is. Everything is compressed by
        default.
    tree
        Trees that are compressed, by path; all by default.
    dither
        Fill the cells of lossy columns evenly, so that histograms show no comb; docs/bounds.md has the cost.
    threads
        Chunks coded at once; the cores where it is None.
    force
        Whether a target that exists is replaced, as uproot's ``recreate`` does; an error otherwise, as in the
        command line.
    report
        Told how far the work is; by default a notebook shows it.
    collection
        Several collections: their columns alone are compressed. A single one makes this `compress_collection`.
    model
        A model of a data set (`hepae.train_dataset`): the file is compressed as a whole, with its predictions and its
        bounds, and nothing is searched; without ``embed`` the file refers to it, and its readers need it. Or a model of
        a collection.
    container
        What trees become, ``ttree`` or ``rntuple``; each stays what it is where it is None.
    features, model of a collection, recipe, side, embed
        Each of them makes this `compress_collection`, which says what they mean, with a TTree as the container where
        none is named; but in an RNTuple that stays one, a collection is compressed as in whole files, so that all else
        stays as it is, unless a model is asked for.

    Returns
    -------
    FileDone or Compression
        What became of each tree; of a collection sizes, escapes and largest errors.

    Raises
    ------
    BoundError
        If a bound or dither means nothing for the columns of the file.
    BoundViolationError
        If a value as read back is out of the bound asked for. Nothing has been written under the final name.
    HepaeError
        As the catalogue says.

    Examples
    --------
    >>> done = compress("events.root", "small.root", bounds=["Jet_*=rel:1e-3"])  # doctest: +SKIP
    >>> done.file_before / done.file_after  # doctest: +SKIP
    1.6
    """
    names = (collection,) if isinstance(collection, str) else tuple(dict.fromkeys(collection or ()))
    known = model if isinstance(model, DatasetModel) else None
    if known is not None:
        require_whole(known, source, features=features, recipe=recipe, side=side)
    part = len(names) == 1 or any(said is not None for said in (features, model, recipe))
    alone = part or side or not embed or is_csv(source)
    sealed = container == "rntuple" and embed and not side and features is None and model is None
    if known is not None or not alone or (sealed and _is_lifting(recipe) and _is_ntuple(source)):
        narrowing = narrowing_of(only, skip, names, tree)
        assigned = selection_of(bounds=bounds).bounds
        if known is None:
            require_lossy(dither, assigned, source)
        with converted(source, target, container, check=verify, force=force, report=report) as given:
            done = compress_file(
                given, target, assigned, narrowing, dither, threads, report,
                check=verify, search=lifted_tables if known is None else None, model=known, embed=embed, force=force,
            )  # fmt: skip
        done.source, done.file_before = str(source), size_of(source)
        return done
    assert not isinstance(model, DatasetModel)
    refuse_for_a_collection(only, skip, dither, tree)
    return compress_collection(
        source,
        target,
        collection=names or None,
        features=features,
        bounds=bounds,
        tree=tree if isinstance(tree, str) else next(iter(tree or ()), None),
        model=model,
        recipe=recipe,
        side=side,
        embed=embed,
        container=container or "ttree",
        threads=threads,
        force=force,
        report=report,
        check=verify,
    )


def _is_lifting(recipe: Recipe | None) -> bool:
    """Whether a recipe says no more than whole files do by themselves."""
    return recipe is None or (recipe.codec == "lifting" and set(recipe.given) <= {"codec"})


def _is_ntuple(source: str | Path) -> bool:
    """Whether the trees of a file are RNTuples: what stays of one keeps its pages and its types."""
    if is_csv(source):
        return False
    with open_source(source) as opened:
        return bool(opened.trees) and set(opened.trees.values()) <= set(RNTUPLES)
