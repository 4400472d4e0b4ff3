"""ROOT's RDataFrame over compressed files, decoded in C++ inside the event loop where that can be.

`open` gives a data frame on files of every codec: columns are read and decoded when they are asked for, in as many
threads as ROOT has (``ROOT.EnableImplicitMT()`` before it). Of other files, and of columns that the decoder in C++ does
not know, it restores all in memory first, for event loops in one thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from hepae.errors import CollectionError, UnsupportedError, nearest
from hepae.export.cpp import identifier
from hepae.extras import needed
from hepae.read.opened import open_file
from hepae.root.columns import Branch
from hepae.root.file.source import Source, open_source
from hepae.root.headers import DECLARED, SOURCE, built, include_folder
from hepae.root.tree import TreeReader
from hepae.stored.described import schemas_of
from hepae.stored.models import models_of
from hepae.stored.ntuples import compressed_ntuple, has_payload
from hepae.stored.payload import MARKER
from hepae.stored.titles import SUFFIX, compressed_collections

__all__ = ["open"]

MOST_NAMED = 8
"""Columns that a warning names."""

STANDARDS = {2017: "c++17", 2020: "c++20", 2023: "c++23"}
"""What compilers call standards of C++, by the year that ``__cplusplus`` begins with."""


def open(  # noqa: A001 - the word users know from uproot
    path: str | Path,
    columns: Sequence[str] | None = None,
    *,
    tree: str | None = None,
    entry_start: int | None = None,
    entry_stop: int | None = None,
) -> Any:
    """A data frame of restored columns under their original names, for every codec.

    Parameters
    ----------
    path
        A compressed file (or one that is not).
    columns
        Branches to restore; where none are named all numbers and texts, one an event, in vectors, or in vectors of
        vectors, with a warning that names the others. Where they cannot be decoded in the event loop, they are held
        in memory, and vectors in vectors are columns only if they are named. A tree in which nothing is compressed is
        read by ROOT, as without hepae.
    tree
        Name of the tree; where none is named, the one that has the columns.
    entry_start, entry_stop
        Events to read.

    Returns
    -------
    ROOT.RDataFrame
        Jagged columns are ``ROOT::RVec``, those of two levels ``ROOT::RVec<std::vector<float>>``, as RDataFrame has
        them from the original. What C++ does not take in a name is an underscore in that of the column:
        ``AnalysisJetsAuxDyn_pt`` is ``AnalysisJetsAuxDyn.pt``.

    Raises
    ------
    MissingExtraError
        If ROOT is not installed.
    CollectionError
        If the tree has no column of a name.
    UnsupportedError
        If ROOT's implicit multi-threading is on and columns are restored in memory: an event loop over arrays never
        ends then; or two columns would have one name.

    Examples
    --------
    >>> import hepae.rdataframe
    >>> frame = hepae.rdataframe.open("small.root", ["Jet_pt", "MET"])  # doctest: +SKIP
    >>> frame.Define("HT", "Sum(Jet_pt)").Mean("HT").GetValue()  # doctest: +SKIP
    """
    root = _root()
    with open_source(path) as source:
        reader = source.tree(tree, partial(_holds, source, columns))
        name, branches = reader.path, _branches(source, reader)
        _require_columns([one for one in columns or () if one not in _known(source, reader)], path, name)
        entries = range(int(reader.num_entries))[entry_start:entry_stop]
        lazily = len(entries) > 0 and _is_decoded_natively(source, reader)
        plainly = len(entries) == int(reader.num_entries) > 0 and _is_plain(reader)
    if plainly:
        return _with_dots_replaced(root.RDataFrame(name, str(path)))
    if lazily:
        frame = _lazy(root, path, name, entries)
        offered = {str(column) for column in frame.GetColumnNames()}
        # nothing that would be there in memory may be missing
        if offered.issuperset(_plain_names(branches) if columns is None else columns):
            of_all = "no numbers or texts, nor vectors of them up to two levels"
            _say_what_is_left(columns, set(branches) - offered, of_all, f"{path}:{name}")
            return _called(frame, sorted(offered) if columns is None else list(columns), f"{path}:{name}")
    if root.IsImplicitMTEnabled():
        raise UnsupportedError(
            "restored columns are read in one thread",
            where=path,
            got="ROOT.EnableImplicitMT()",
            hint="call ROOT.DisableImplicitMT() before it",
        )
    with open_file(path) as file:
        opened = file[name]
        there = opened.keys()
        names = [name for name in there if _plain(name, branches)] if columns is None else list(columns)
        unnamed = "where none are named, only numbers, one an event or one an object, are columns in memory"
        _say_what_is_left(columns, set(there) - set(names), unnamed, f"{path}:{name}")
        called = _cpp_names(names, f"{path}:{name}")
        arrays = {
            called[key]: _for_root(
                opened[key].array(entry_start=entry_start, entry_stop=entry_stop, library="ak")
            )
            for key in names
        }
    return ak.to_rdataframe(arrays)


def _called(frame: Any, columns: Sequence[str], where: str) -> Any:
    """A data frame whose columns can be named in C++ too, as those that are restored in memory."""
    known = {str(column) for column in frame.GetColumnNames()}
    for column, name in _cpp_names([one for one in columns if "." in one], where).items():
        if name not in known:
            frame = frame.Alias(name, column)
    return frame


def _is_decoded_natively(source: Source, tree: TreeReader) -> bool:
    """Whether C++ decodes a tree: it is compressed as a whole, or by collections, and models lie where C++ looks."""
    models = models_of(source)
    if not all(map(models.lies_there, models.embedded)):
        return False
    if has_payload(tree):
        return all(models.lies_there(one.model) for one in schemas_of(source).values() if one.reference)
    collections = compressed_collections(tree).values()
    codecs = [next(iter(features.values())).payload.codec for features in collections]
    return 0 < len(codecs) <= codecs.count("bottleneck") + 1


def _is_plain(tree: TreeReader) -> bool:
    """Whether nothing in a tree is compressed, as in a file of few events, so that ROOT reads it by itself."""
    return not compressed_collections(tree) and not has_payload(tree)


def _with_dots_replaced(frame: Any) -> Any:
    """The data frame, and what C++ takes for names of columns whose own names have dots, where these are free."""
    taken = {str(column) for column in frame.GetColumnNames()}
    for column in sorted(taken):
        name = identifier(column)
        if "." in column and name not in taken:
            taken.add(name)
            frame = frame.Alias(name, column)
    return frame


def _lazy(root: Any, path: str | Path, tree: str, entries: range) -> Any:
    """A data frame that decodes in its event loop."""
    _require_data_source(root)
    files = root.std.vector["std::string"]([str(path)])
    return root.hepae.open_data_frame(files, tree, entries.start, entries.stop)


def _require_data_source(root: Any) -> None:
    """Make the data source known to ROOT: from its library, or compiled by ROOT's interpreter."""
    if hasattr(root, "hepae") and hasattr(root.hepae, "open_data_frame"):
        return
    standard = STANDARDS[int(root.gInterpreter.ProcessLine("__cplusplus;")) // 100]
    library = built(str(root.TROOT.GetIncludeDir()), str(root.gROOT.GetVersion()), standard)
    root.gInterpreter.AddIncludePath(str(include_folder()))
    if library is None or root.gSystem.Load(str(library)) < 0:
        root.gInterpreter.Declare(SOURCE)
    root.gInterpreter.Declare(DECLARED)


def _cpp_names(names: Sequence[str], where: str) -> dict[str, str]:
    """Names that C++ takes for columns in memory, by name of the branch.

    Raises
    ------
    UnsupportedError
        If two would have the same.
    """
    called = {name: identifier(name) for name in names}
    for name, one in called.items():
        if one != name and list(called.values()).count(one) > 1:
            raise UnsupportedError(
                "two columns of one name in C++", where=where, got=one, hint="name columns"
            )
    return called


def _holds(source: Source, columns: Sequence[str] | None, tree: TreeReader) -> bool:
    """Whether a tree has the columns, or has any that are compressed where none are named."""
    if columns is not None:
        return set(columns) <= _known(source, tree)
    return bool(compressed_collections(tree)) or has_payload(tree)


def _known(source: Source, tree: TreeReader) -> set[str]:
    """Names of the branches of a tree, those that are compressed by their original names."""
    restored = {stored.branch for one in compressed_collections(tree).values() for stored in one.values()}
    return restored.union(_branches(source, tree))


def _require_columns(unknown: Sequence[str], path: str | Path, tree: str) -> None:
    """Refuse names that uproot does not know either: it takes paths to branches inside others, too."""
    if not unknown:
        return
    with open_file(path) as file:
        missing = [name for name in unknown if name not in file[tree]]
        if missing:
            hint = nearest(missing[0], file[tree].keys())
            where = f"{path}:{tree}"
            raise CollectionError("no such column", where=where, got=", ".join(missing), hint=hint or None)


def _say_what_is_left(columns: Sequence[str] | None, left: Collection[str], why: str, where: str) -> None:
    """Warn of branches that a data frame of all columns has not."""
    names = sorted(name for name in left if not name.endswith(SUFFIX) and name != MARKER)
    if columns is None and names:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        warnings.warn(
            f"{where}: left out: {', '.join(names[:MOST_NAMED])}{more} ({why})",
            stacklevel=3,
        )


def _branches(source: Source, tree: TreeReader) -> Mapping[str, Branch]:
    """What is known of the branches of a tree; of an RNTuple that is compressed as a whole, those of the original."""
    compressed = compressed_ntuple(source, tree.path, models_of(source))
    return tree.branches if compressed is None else compressed.branches


def _plain_names(branches: Mapping[str, Branch]) -> list[str]:
    """Branches with one number an event, or one an object, but for those that hold what is compressed."""
    return [name for name in branches if _plain(name, branches) and not name.endswith(SUFFIX)]


def _plain(name: str, branches: Any) -> bool:
    if "." in name:
        return False  # no column of RDataFrame's can be called so
    if name not in branches:
        return f"{name}{SUFFIX}" in branches  # compressed: one number an object
    branch = branches[name]
    return branch.kind in ("flat", "jagged") and not branch.shape


def _for_root(array: Any) -> Any:
    """ROOT takes an empty event range only with its type, and no read-only buffers."""
    return ak.Array(array, behavior={}) if len(array) else ak.from_numpy(np.asarray(array))


def _root() -> Any:
    with needed("RDataFrame"):
        import ROOT
    return ROOT
