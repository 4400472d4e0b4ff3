"""`hepae.open`: files that read as the originals, in uproot's words, whatever was compressed in them and how.

What comes back is uproot's: directories without what hepae keeps for itself, trees under the names of the original.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uproot

from hepae.errors import CollectionError
from hepae.read.ntuple_fields import NTupleFields
from hepae.read.renamed import renamed
from hepae.read.sealed import sealed
from hepae.root.file.reading import reading
from hepae.root.file.source import Source
from hepae.root.rntuple.reader import RNTupleReader
from hepae.stored.titles import SUFFIX

__all__ = ["OpenedDirectory", "concatenate", "iterate", "open_file"]


def open_file(path: str | Path | dict[str, str], **options: Any) -> Any:
    """Open a file, compressed or not, and read it as the original; a drop-in for ``uproot.open``.

    Parameters
    ----------
    path
        Local path or URL; with ``:tree`` behind it, or as ``{path: tree}``, an object of the file. The tree may be in a
        directory, and a path goes on to its branches: ``"small.root:dir/tree/Jet_pt"``.
    options
        Those of ``uproot.open``: caches, executors, what a protocol needs.

    Returns
    -------
    OpenedDirectory
        The file, a mapping from names to objects and a context manager; or the object that was asked for: a tree is
        uproot's own, with all that it can do (``arrays`` with expressions, cut and aliases, ``iterate``, ``show``,
        ``typenames``).

    Raises
    ------
    InputError
        If it is no ROOT file.
    KeyError
        If there is no object of that name (``uproot.KeyInFileError``).

    Examples
    --------
    >>> with open_file("small.root:Events") as events:  # doctest: +SKIP
    ...     jets = events.arrays(["Jet_pt", "Jet_eta"], cut="nJet >= 2", entry_stop=1000)
    """
    location, name = _location(path)
    file = OpenedDirectory.of_file(location, options)
    return file if name is None else file[name]


def iterate(
    files: Any, expressions: Any = None, *, library: Any = "ak", report: bool = False, **options: Any
) -> Iterator[Any]:
    """Arrays of many files, some entries at a time: ``uproot.iterate``, under the original names.

    Parameters
    ----------
    files
        As for ``uproot.iterate``: ``"path:tree"``, a glob, a list, ``{path: tree}``. Files are opened in turn.
    library
        ``"ak"``, ``"np"`` or ``"pd"``; an index of pandas goes on from file to file.
    report
        Whether uproot's report of where the arrays are from goes with them.
    expressions, options
        Those of the tree's ``iterate``: cut, filter_name, step_size (entries, or ``"100 MB"``).

    Raises
    ------
    TypeError
        If a range of entries is asked for: all are gone through, as by ``uproot.iterate``.

    Examples
    --------
    >>> for events in iterate("small*.root:Events", ["Jet_pt"], step_size="100 MB"):  # doctest: +SKIP
    ...     histogram.fill(ak.flatten(events.Jet_pt))
    """
    ranges = sorted({"entry_start", "entry_stop"} & options.keys())
    if ranges:
        raise TypeError(
            f"{', '.join(ranges)}: iterate goes through all entries; hepae.concatenate takes a range"
        )
    form = uproot.interpretation.library._regularize_library(library)
    before = 0
    for tree in _trees(files):
        for item in tree.iterate(expressions, library=form, report=report, **options):
            if report:
                arrays, told = item
                yield form.global_index(arrays, before), told.to_global(before)
            else:
                yield form.global_index(item, before)
        before += tree.num_entries


def concatenate(
    files: Any,
    expressions: Any = None,
    *,
    entry_start: int | None = None,
    entry_stop: int | None = None,
    library: Any = "ak",
    **options: Any,
) -> Any:
    """Arrays of many files as one: ``uproot.concatenate``, under the original names.

    Parameters
    ----------
    files, expressions, library, options
        As for `iterate`, without ``step_size``.
    entry_start, entry_stop
        Entries of all files together, negative ones counted from the end.
    """
    form = uproot.interpretation.library._regularize_library(library)
    every = sum(tree.num_entries for tree in _trees(files))
    start, stop, _ = slice(entry_start, entry_stop).indices(every)
    read, before = [], 0
    for tree in _trees(files):
        first = min(max(start - before, 0), tree.num_entries)
        last = min(max(stop - before, first), tree.num_entries)  # files out of the range give no entries
        arrays = tree.arrays(expressions, entry_start=first, entry_stop=last, library=form, **options)
        read.append(form.global_index(arrays, before))
        before += tree.num_entries
    return form.concatenate(read)


def _trees(files: Any) -> Iterator[Any]:
    """The tree of each file in turn, open until the next is asked for."""
    for path, name in uproot._util.regularize_files(files, steps_allowed=False):
        with open_file({path: name} if name else path) as opened:
            yield opened if name else _only_tree(opened, path)


class OpenedDirectory(uproot.ReadOnlyDirectory):  # type: ignore[misc]
    """A directory of a file as uproot has it (`uproot.ReadOnlyDirectory`), without the objects that are hepae's own.

    Pickles: the file is opened again where it arrives.
    """

    _source: Source
    _opened: tuple[str, dict[str, Any]]

    @classmethod
    def of_file(cls, location: str, options: dict[str, Any]) -> OpenedDirectory:
        """The top directory of a file."""
        source = Source(location, **options)
        return cls._of(source.directory, source, (location, options))

    @classmethod
    def _of(cls, directory: Any, source: Source, opened: tuple[str, dict[str, Any]]) -> OpenedDirectory:
        shown = copy.copy(directory)
        shown.__class__ = cls
        shown._source, shown._opened = source, opened
        above = "".join(f"{part}/" for part in directory.path)
        shown._keys = [key for key in directory._keys if not source.is_own(f"{above}{key.fName}")]
        shown._keys_lookup = {}
        for place, key in enumerate(shown._keys):
            shown._keys_lookup.setdefault(key.fName, []).append(place)
        return shown  # type: ignore[no-any-return]

    def __getitem__(self, where: str) -> Any:
        """An object by its name or path, with or without cycle; of a tree, a branch by the path that goes on."""
        missing = None
        with reading(f"{self._source.path}:{where}"):
            try:
                item = self._shown(super().__getitem__(where))
            except uproot.KeyInFileError as error:
                missing = error
        if missing is not None:
            raise missing
        return item

    def iterkeys(self, **filters: Any) -> Iterator[str]:
        """Names, with cycles, those in directories below included (``recursive=False``: not)."""
        return (name for name in super().iterkeys(**filters) if not self._is_own(name))

    def iterclassnames(self, **filters: Any) -> Iterator[tuple[str, str]]:
        """Names and C++ classes, as `iterkeys`."""
        return (item for item in super().iterclassnames(**filters) if not self._is_own(item[0]))

    def _is_own(self, name: str) -> bool:
        return self._source.is_own("/".join((*self.path, name.rpartition(";")[0] or name)))

    def iteritems(self, **filters: Any) -> Iterator[tuple[str, Any]]:
        """Names and objects, as `iterkeys`."""
        for name in self.iterkeys(**filters):
            yield name, self[name]

    def itervalues(self, **filters: Any) -> Iterator[Any]:
        """Objects, as `iteritems`."""
        for _, item in self.iteritems(**filters):
            yield item

    def _shown(self, item: Any) -> Any:
        if isinstance(item, OpenedDirectory):
            return item
        if isinstance(item, uproot.ReadOnlyDirectory):
            return self._of(item, self._source, self._opened)
        if isinstance(item, uproot.behaviors.TTree.TTree):
            return renamed(item)
        if isinstance(item, uproot.behaviors.RNTuple.RNTuple):
            return self._ntuple(item)
        return item

    def _ntuple(self, item: Any) -> Any:
        key = item.parent  # in a directory below this one, where a path was asked for
        reader = self._source.tree("/".join((*key.parent.path, str(key.fName))))
        if isinstance(reader, RNTupleReader) and any(key.endswith(SUFFIX) for key in reader.branches):
            return NTupleFields(self._source, reader)
        return sealed(item)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (*self._opened, "/".join(self.path))


def _reopened(location: str, options: dict[str, Any], path: str) -> Any:
    file = open_file(Path(location) if "://" not in location else location, **options)
    return file[path] if path else file


def _location(path: str | Path | dict[str, str]) -> tuple[str, str | None]:
    """The file, and the object that is asked for."""
    if isinstance(path, dict):
        if len(path) != 1:
            raise TypeError("hepae.open takes one file; hepae.iterate and hepae.concatenate take many")
        ((location, name),) = path.items()
        return str(location), name
    if isinstance(path, Path):
        return str(path), None
    location, name = uproot._util.file_object_path_split(str(path))
    return str(location), name or None


def _only_tree(file: OpenedDirectory, path: str) -> Any:
    """The tree of a file for which none was named."""
    names = sorted({name for name in file._source.trees if not file._source.is_own(name)})
    if len(names) != 1:
        raise CollectionError(
            "which tree? Name it behind the file",
            where=path,
            expected=f"{path}:TREE",
            got=", ".join(names) or "no tree",
        )
    return file[names[0]]
