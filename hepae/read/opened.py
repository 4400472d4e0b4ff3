"""`hepae.open`: a compressed file that reads like the original, under the original names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from types import TracebackType
from typing import Any

import awkward as ak
import uproot

from hepae.errors import CollectionError, nearest
from hepae.read.ntuple_fields import NTupleFields
from hepae.root.file.reading import reading
from hepae.root.file.source import TREE_CLASSES, Source
from hepae.root.rntuple.reader import RNTupleReader
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["OpenedFile", "OpenedTree", "open_file"]


def open_file(path: str | Path) -> OpenedFile:
    """Open a file, compressed or not, and read it under the original names of its branches.

    Raises
    ------
    InputError
        If it is no ROOT file.

    Examples
    --------
    >>> with open_file("small.root") as file:  # doctest: +SKIP
    ...     jets = file["Events"].arrays(["Jet_pt", "Jet_eta"], entry_stop=1000)
    """
    return OpenedFile(path)


class OpenedFile:
    """A file open for reading; a context manager."""

    def __init__(self, path: str | Path) -> None:
        self._source = Source(path)

    def keys(self) -> list[str]:
        """Paths of all objects but what hepae keeps for itself."""
        return [key.path for key in self._source.keys if not self._source.is_own(key.path)]

    def __getitem__(self, name: str) -> Any:
        """A tree as `OpenedTree`, anything else as uproot gives it."""
        with reading(f"{self._source.path}, {name}"):
            found = self._source.get(name)
            if isinstance(found, uproot.ReadOnlyDirectory) or found.classname not in TREE_CLASSES:
                return found
            reader = self._source.tree(name.partition(";")[0])
            if isinstance(reader, RNTupleReader) and any(key.endswith(SUFFIX) for key in reader.branches):
                return OpenedTree(NTupleFields(self._source, reader))
            return OpenedTree(found)

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class OpenedTree:
    """A tree under the original names of its branches; values are restored when they are asked for.

    Attributes
    ----------
    num_entries : int
        Number of events.
    """

    def __init__(self, tree: Any) -> None:
        self._tree = tree
        self.num_entries = int(tree.num_entries)
        self._branches = dict(_original_names(tree))

    def keys(self) -> list[str]:
        """Names of the branches as in the original file."""
        return list(self._branches)

    def __len__(self) -> int:
        return len(self._branches)

    def __contains__(self, name: object) -> bool:
        return name in self._branches

    def __iter__(self) -> Iterator[str]:
        return iter(self._branches)

    def __getitem__(self, name: str) -> Any:
        """uproot's branch, whose ``array`` gives restored values."""
        if name not in self._branches:
            raise CollectionError(f"no branch {name!r}", hint=nearest(name, self._branches) or None)
        return self._tree[self._branches[name]]

    def arrays(
        self,
        names: str | Sequence[str] | None = None,
        *,
        filter_name: str | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        library: str = "ak",
    ) -> Any:
        """Branches together, as in uproot.

        Parameters
        ----------
        names
            Names of branches; all that match ``filter_name`` (a pattern with wildcards) where none are given.
        entry_start, entry_stop
            Events to read, negative ones counted from the end.
        library
            ``"ak"`` for an awkward record array, ``"np"`` for a dict of NumPy arrays.
        """
        if names is None:
            names = [name for name in self._branches if fnmatchcase(name, filter_name or "*")]
        chosen = [names] if isinstance(names, str) else list(names)
        with reading(", ".join(chosen)):
            read = {
                name: self[name].array(entry_start=entry_start, entry_stop=entry_stop, library=library)
                for name in chosen
            }
        return ak.zip(read, depth_limit=1) if library == "ak" else read

    def iterate(
        self, names: str | Sequence[str] | None = None, *, step_size: int = 10_000, library: str = "ak"
    ) -> Iterator[Any]:
        """`arrays` for runs of ``step_size`` events."""
        for start in range(0, self.num_entries, step_size):
            yield self.arrays(names, entry_start=start, entry_stop=start + step_size, library=library)


def _original_names(tree: Any) -> Iterable[tuple[str, str]]:
    # names of fields in different fields of an RNTuple may be the same
    paths = isinstance(tree, uproot.behaviors.RNTuple.HasFields)
    for name in tree.keys(recursive=True, full_paths=paths):
        if not name.endswith(SUFFIX):
            yield name, name
        elif parse_title(str(tree[name].title)) is not None:
            yield name.removesuffix(SUFFIX), name
