"""Open a ROOT file for reading: typed refusals first, then its keys and trees."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import uproot

from hepae.core.locks import computed_once
from hepae.core.values.names import is_url
from hepae.errors import InputError, UnsupportedError, nearest
from hepae.root.file.classes import Classes
from hepae.root.file.compression import require_whole, unpack
from hepae.root.file.directory import Key, keys_of
from hepae.root.file.own_names import MODELS_TREE, OWN_TREES, PAYLOAD, SCHEMAS_TREE, TITLES_TREE
from hepae.root.file.reading import reading
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.reader import RNTupleReader
from hepae.root.tree import TreeReader
from hepae.root.ttree.header import TREE_CLASSES, TreeHeader, parse_tree
from hepae.root.ttree.reader import TTreeReader

__all__ = [
    "MODELS_TREE",
    "OWN_TREES",
    "PAYLOAD",
    "SCHEMAS_TREE",
    "TREES",
    "Key",
    "Source",
    "open_source",
    "size_of",
]

RNTUPLES = ("ROOT::RNTuple", "ROOT::Experimental::RNTuple")
TREES = (*TREE_CLASSES, *RNTUPLES)
RECOVER = (
    "the job that wrote it was killed or still runs; ROOT recovers what was saved: hadd recovered.root FILE"
)
COPIED_AT_ONCE = 1 << 24
"""Bytes of a request: what a server of files sends in a second or less."""


class Source:
    """A ROOT file open for reading. Use as a context manager, or call `close`.

    Parameters
    ----------
    path
        Local path, or a URL that uproot understands.
    options
        Those of ``uproot.open``.

    Attributes
    ----------
    keys : list of Key
        Every key of every directory, all cycles, directories included.
    """

    def __init__(self, path: str | Path, **options: Any) -> None:
        self.path = str(path)
        if not is_url(path):
            check_header(Path(path))
        with reading(self.path):
            # the whole header of each tree, so that friends, indices and user data are seen and never dropped
            self._begin(uproot.open(self.path, **{"minimal_ttree_metadata": False} | options))

    @classmethod
    def of(cls, directory: Any) -> Source:
        """A source over a file that uproot has open already, from its top directory."""
        source = cls.__new__(cls)
        source.path = str(directory.file.file_path)
        with reading(source.path):
            source._begin(directory)
        return source

    def _begin(self, directory: Any) -> None:
        if not int(directory.fSeekKeys):
            raise InputError("was never closed: its list of keys is not there", where=self.path, hint=RECOVER)
        self.directory = directory
        self.keys = keys_of(self.raw, int(directory.file.fBEGIN) + int(directory.file.fNbytesName))
        self._open: dict[str, TTreeReader | RNTupleReader] = {}
        self._ntuples: dict[Key, NTuple] = {}
        self._require_trees()

    def _require_trees(self) -> None:
        """Refuse an object beside a payload tree that is no tree: its class or its name is damaged."""
        paths = {
            key.path for key in self.keys if key.path.endswith(PAYLOAD) and key.classname in TREE_CLASSES
        }
        for key in self.keys:
            if f"{key.path}{PAYLOAD}" in paths and key.classname not in TREE_CLASSES:
                raise InputError(
                    "a compressed tree that is no tree",
                    where=f"{self.path}:{key.path}",
                    expected=" or ".join(TREE_CLASSES),
                    got=key.classname,
                    hint="is the file damaged?",
                )

    @property
    def trees(self) -> dict[str, str]:
        """Trees of the file by path, with their class; hepae's own table of models is not one of them."""
        return {
            key.path: key.classname
            for key in self.keys
            if key.classname in TREES and not self.is_own(key.path)
        }

    def is_own(self, path: str) -> bool:
        """Whether an object is one of those that hepae keeps for itself."""
        if path.rpartition("/")[2] in OWN_TREES:
            return True
        beside = path.removesuffix(PAYLOAD)
        return beside != path and any(key.path == beside for key in self.keys)

    @property
    def uuid(self) -> bytes:
        """The UUID of the file, 16 bytes."""
        return bytes(self.directory.file.fUUID)

    @property
    def datime(self) -> int:
        """When the file was made, in ROOT's packed form."""
        return int(self.directory.fDatimeC)

    @property
    def size(self) -> int:
        """Bytes of the file, as its header says."""
        return int(self.directory.file.fEND)

    @property
    def compression(self) -> int:
        """ROOT's number for how the file is compressed where a branch does not say."""
        return int(self.directory.file.fCompress)

    def copy_to(self, target: Path) -> None:
        """Copy the file as it is, from wherever it is."""
        if not is_url(self.path):
            shutil.copyfile(self.path, target)
            return
        with target.open("wb") as out, reading(self.path):
            for start in range(0, self.size, COPIED_AT_ONCE):
                stop = min(start + COPIED_AT_ONCE, self.size)
                out.write(self.directory.file.source.chunk(start, stop).raw_data)

    @property
    def has_models(self) -> bool:
        """Whether the file carries a table of models."""
        return any(key.path == MODELS_TREE for key in self.keys)

    def raw(self, start: int, stop: int) -> bytes:
        """Bytes of the file."""
        return bytes(self.directory.file.source.chunk(start, stop).raw_data)

    @computed_once
    def classes(self) -> Classes:
        """What the file says of the classes of its objects."""
        with reading(f"{self.path}, streamer infos"):
            return Classes(self.directory.file.streamers)

    def object(self, key: Key) -> bytes:
        """The bytes of an object, uncompressed.

        Raises
        ------
        InputError
            If the record is not as long as its key says.
        """
        packed = self.raw(key.seek + key.length, key.seek + key.nbytes)
        if len(packed) == key.objlen:
            return packed
        return unpack(packed, key.objlen, f"{self.path}:{key.path};{key.cycle}")

    def key(self, path: str, cycle: int | None = None) -> Key:
        """The key of a path: that of the highest cycle, or the one asked for.

        Raises
        ------
        InputError
            If there is none.
        """
        found = [key for key in self.keys if key.path == path and cycle in (None, key.cycle)]
        if not found:
            raise InputError(f"no object {path!r}", where=self.path)
        return max(found, key=lambda key: key.cycle)

    def header(self, key: Key) -> TreeHeader:
        """The header of a TTree.

        Raises
        ------
        InputError
            If it is damaged, or no tree.
        """
        where = f"{self.path}:{key.path};{key.cycle}"
        data = self.object(key)
        return parse_tree(data, where, classname=key.classname, key_length=key.length, classes=self.classes)

    def ntuple(self, key: Key) -> NTuple:
        """The RNTuple of a key, its header and footer read.

        Raises
        ------
        InputError
            If it is damaged.
        UnsupportedError
            If a later version of the format wrote what is not known.
        """
        if key not in self._ntuples:
            self._ntuples[key] = NTuple.of(self, key)
        return self._ntuples[key]

    def get(self, name: str) -> Any:
        """An object as uproot reads it, by path or path and cycle, after a look at what its key says of its size."""
        path, _, cycle = name.rpartition(";")
        key = self.key(path, int(cycle)) if path and cycle.isdigit() else self.key(name)
        packed = self.raw(key.seek + key.length, key.seek + key.nbytes)
        if len(packed) != key.objlen:
            require_whole(packed, key.objlen, f"{self.path}, {name}")
        try:
            return self.directory[f"{key.path};{key.cycle}"]
        except uproot.KeyInFileError:  # a name with slashes or colons in it
            return self._key_of(key).get()

    def _key_of(self, key: Key) -> Any:
        """A key as uproot has it, read where it stands."""
        file = self.directory.file
        chunk, cursor = (
            file.source.chunk(key.seek, key.seek + key.length),
            uproot.source.cursor.Cursor(key.seek),
        )
        return uproot.reading.ReadOnlyKey(chunk, cursor, {}, file, self.directory, read_strings=True)

    def tree(
        self, name: str | None = None, holds: Callable[[TreeReader], bool] | None = None
    ) -> TTreeReader | RNTupleReader:
        """The tree of that name; without a name the only one that holds what is asked for.

        Where none does, or nothing is asked for, it is the one with most entries.

        Raises
        ------
        InputError
            If there is no such tree, or no single one: the message names the candidates.
        """
        if name is None:
            name = self._chosen(holds)
        if name not in self._open:
            classname = self.trees.get(name) or self._own(name)
            with reading(f"{self.path}, tree {name}"):
                if classname in TREE_CLASSES:
                    self._open[name] = TTreeReader(self.get(name), f"{self.path}:{name}", name)
                else:
                    ntuple = self.ntuple(self.key(name))
                    texts = ntuple.header.name, ntuple.header.description
                    opened = RNTupleReader(ntuple, ntuple.schema, name, *texts)
                    opened.give_titles(self._titles(name))
                    self._open[name] = opened
        return self._open[name]

    def _titles(self, path: str) -> dict[str, str]:
        """Titles of the fields of an RNTuple, where they stand in a table of their own."""
        if not any(key.path == TITLES_TREE for key in self.keys):
            return {}
        table = self.get(TITLES_TREE).arrays()
        mine = table[table["tree"] == path]
        return dict(zip(mine["field"].to_list(), mine["title"].to_list(), strict=True))

    def readable(self, name: str) -> TTreeReader | RNTupleReader | None:
        """The tree of that name; None where nobody can read its header.

        Whether the file is damaged then shows when what it consists of is copied.
        """
        try:
            return self.tree(name)
        except (InputError, UnsupportedError):
            return None

    def _own(self, name: str) -> str:
        for key in self.keys:
            if key.path == name and key.classname in TREES:
                return key.classname
        raise InputError(
            f"no tree {name!r}",
            where=self.path,
            expected=", ".join(self.trees) or "a TTree or an RNTuple",
            hint=nearest(name, self.trees) or None,
        )

    def _chosen(self, holds: Callable[[TreeReader], bool] | None) -> str:
        holding = [name for name in self.trees if holds is not None and holds(self.tree(name))]
        if len(holding) > 1:
            raise InputError(
                "several trees have what is asked for",
                where=self.path,
                got=", ".join(holding),
                hint="name one: --tree NAME, in Python tree=",
            )
        return holding[0] if holding else self._largest()

    def _largest(self) -> str:
        names = list(self.trees)
        if not names:
            raise InputError("no tree in the file", where=self.path, expected="a TTree or an RNTuple")
        if len(names) == 1:
            return names[0]
        sizes = {name: (self.tree(name).num_entries, len(self.tree(name).branches)) for name in names}
        first, second = sorted(names, key=lambda name: sizes[name], reverse=True)[:2]
        if sizes[first] == sizes[second]:
            raise InputError(
                "several trees of one size",
                where=self.path,
                got=", ".join(names),
                hint="name one with --tree",
            )
        return first

    def close(self) -> None:
        """Close the file."""
        self.directory.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(path: str | Path) -> Source:
    """Open a ROOT file for reading.

    Raises
    ------
    InputError
        If there is no such file, or it is a directory, empty, not ROOT, or truncated.
    """
    return Source(path)


def size_of(path: str | Path) -> int:
    """Bytes of a file, or of what a URL names.

    Raises
    ------
    InputError
        If it is not there, or a URL is of no ROOT file.
    """
    if is_url(path):
        with open_source(path) as source:
            return source.size
    try:
        return Path(path).stat().st_size
    except OSError as error:
        raise InputError("cannot be read", where=path, got=error.strerror) from error


def check_header(path: Path) -> None:
    """Refuse what is no whole ROOT file, from its first bytes and its length alone.

    The layout is that of ROOT's ``TFile``: magic, version, begin, end; ``end`` is the length of a closed file.
    """
    if path.is_dir():
        raise InputError("is a directory", where=path, expected="a ROOT file")
    if not path.exists():
        raise InputError("no such file", where=path)
    try:
        with path.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise InputError("cannot be opened", where=path, got=error.strerror) from error
    size = path.stat().st_size
    if size == 0:
        raise InputError("is empty", where=path, expected="a ROOT file")
    if head[:4] != b"root":
        raise InputError("is not a ROOT file", where=path, expected="b'root'", got=repr(head[:4]))
    if size < 64:
        raise InputError("is truncated", where=path, expected="at least 64 bytes", got=size)
    version, _ = struct.unpack_from(">ii", head, 4)
    (end,) = struct.unpack_from(">q" if version >= 1_000_000 else ">i", head, 12)
    if end > size:
        raise InputError("is truncated", where=path, expected=f"{end} bytes", got=size)
