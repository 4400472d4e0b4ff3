"""The registered uproot interpretation: a compressed branch reads back restored wherever uproot reads it.

Through uproot's public extension point, so ``tree["Jet_pt__hepae"].array()``, ``arrays``, ``iterate``, virtual arrays
and ``uproot.dask`` all give restored values. Nothing is decoded here: the `restorer` is injected, so that this module
knows no codec.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

import numpy as np
import uproot
from uproot.interpretation.custom import CustomInterpretation
from uproot.interpretation.jagged import JaggedArray

from hepae.core.locks import ForkSafeLock
from hepae.errors import HepaeError, UnsupportedError
from hepae.root.columns import Jagged
from hepae.root.file.source import Source
from hepae.root.tree import TreeReader
from hepae.root.ttree.reader import FETCHED, TTreeReader
from hepae.stored.titles import SUFFIX, Payload, parse_title

__all__ = ["AsHepae", "Restorer", "register", "restorer", "set_restorer", "stands_for"]


class Restorer(Protocol):
    """Restores a run of events of one compressed feature."""

    def __call__(self, source: Source, tree: TreeReader, branch: str, start: int, stop: int) -> Jagged:
        """Restored values of the events ``start`` to ``stop`` of the payload branch of that name.

        ``source`` and ``tree`` are the same objects for all branches of one open tree, so a restorer can keep what
        it needs with them (weakly) from one call to the next.
        """


IN_FILE: Final = "_hepae_in_file"
"""Attribute of a branch under another name: the branch that is in the file."""

_restorer: list[Restorer] = []
_registered: list[type] = []


def set_restorer(restorer: Restorer) -> None:
    """Say what restores; called once, on ``import hepae``."""
    _restorer[:] = [restorer]


def restorer() -> Restorer:
    """What restores.

    Raises
    ------
    UnsupportedError
        If it has not been said, because hepae was not imported as a whole.
    """
    if not _restorer:
        raise UnsupportedError("compressed branch without hepae", hint="import hepae")
    return _restorer[0]


def register() -> None:
    """Let uproot read compressed branches; harmless when repeated."""
    if not _registered:
        uproot.register_interpretation(AsHepae)
        _registered.append(AsHepae)


class AsHepae(CustomInterpretation):  # type: ignore[misc]
    """Interpretation of a compressed branch as what it was before.

    Parameters
    ----------
    branch
        uproot's branch; only its name and title are kept, so that this pickles.
    """

    def __init__(self, branch: Any, context: Any = None, simplify: bool = True) -> None:
        payload = parse_title(str(branch.title))
        assert payload is not None
        self._setup(str(branch.name), payload, stored_interpretation(branch))

    def _setup(self, name: str, payload: Payload, stored: Any) -> None:
        self.name, self.payload, self.stored = name, payload, stored
        self.restored = uproot.AsJagged(uproot.AsDtype(np.dtype(payload.dtype).newbyteorder(">")))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.name, self.payload, self.stored)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsHepae) and (self.name, self.payload) == (other.name, other.payload)

    def __hash__(self) -> int:
        return hash((self.name, self.payload))

    @classmethod
    def match_branch(cls, branch: Any, context: Any, simplify: bool) -> bool:
        """Whether this is a branch of ours: by its name and the mark in its title, so that nothing else matches."""
        if not str(branch.name).endswith(SUFFIX) or branch.classname != "TBranch":
            return False
        try:
            return parse_title(str(branch.title)) is not None
        except HepaeError:
            return False

    @property
    def typename(self) -> str:
        """C++ type of the restored branch."""
        return str(self.restored.typename)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """dtype of the restored branch in NumPy arrays: one object per event."""
        return np.dtype(object)

    @property
    def cache_key(self) -> str:
        """Name under which arrays are cached."""
        return f"AsHepae({self.name},{self.payload.dtype})"

    def __repr__(self) -> str:
        return f"AsHepae({self.payload.collection}.{self.payload.feature}: {self.payload.dtype})"

    def awkward_form(self, *arguments: Any, **options: Any) -> Any:
        """Form of the restored array, known from the title alone."""
        return self.restored.awkward_form(*arguments, **options)

    def basket_array(self, data: Any, byte_offsets: Any, basket: Any, branch: Any, *_: Any, **__: Any) -> Any:
        """Nothing: frames are read where they are needed; uproot only checks the number of events.

        The basket is kept until then, so that it is not fetched twice.
        """
        vars(_in_file(branch)).setdefault(FETCHED, {})[basket.basket_num] = basket
        return np.broadcast_to(np.uint8(0), (int(basket.num_entries),))

    def final_array(
        self,
        basket_arrays: Any,
        entry_start: int,
        entry_stop: int,
        entry_offsets: Any,
        library: Any,
        branch: Any,
        options: Any,
    ) -> Any:
        """The restored array of a run of events, in the library that was asked for."""
        start, stop = int(entry_start), max(int(entry_stop), int(entry_start))
        found = Jagged(np.zeros(0, np.int64), np.empty(0, self.payload.dtype))
        if branch is not None:  # uproot names none where no basket is in the range
            stored = _in_file(branch)
            source, tree = readers_of(stored.tree)
            try:
                found = restorer()(source, tree, self.name, start, stop)
            finally:
                vars(stored).pop(FETCHED, None)
        edges = np.zeros(len(found.counts) + 1, np.int64)
        np.cumsum(found.counts, out=edges[1:])
        jagged = JaggedArray(edges, found.values)
        return library.finalize(jagged, branch, self.restored, entry_start, entry_stop, options)

    @property
    def _forth(self) -> None:
        """None: there is no Forth machine; coffea and uproot set it all the same."""
        return

    @_forth.setter
    def _forth(self, machine: Any) -> None:
        return


def stands_for(shown: Any, branch: Any) -> None:
    """Let a branch under another name be read as the one that is in the file (both uproot's)."""
    vars(shown)[IN_FILE] = branch


def _in_file(branch: Any) -> Any:
    return vars(branch).get(IN_FILE, branch)


def _rebuild(name: str, payload: Payload, stored: Any) -> AsHepae:
    # unpickling imports this module, and importing hepae registers: workers of dask need nothing else
    made = AsHepae.__new__(AsHepae)
    made._setup(name, payload, stored)
    return made


def stored_interpretation(branch: Any) -> Any:
    """uproot's interpretation of the branch as it is stored, from its leaf."""
    leaf = branch.member("fLeaves")[0]
    unsigned = bool(leaf.member("fIsUnsigned"))
    code = {"O": "?", "B": "i1", "S": "i2", "I": "i4", "L": "i8", "F": "f4", "D": "f8"}[leaf.classname[-1]]
    dtype = np.dtype(">" + (code.replace("i", "u") if unsigned else code))
    content = uproot.AsDtype(
        dtype if int(leaf.member("fLen")) == 1 else np.dtype((dtype, (leaf.member("fLen"),)))
    )
    return content if leaf.member("fLeafCount") is None else uproot.AsJagged(content)


class Readers(list[tuple[Source, TTreeReader]]):
    """Our readers over a tree of uproot's, none or one pair; pickled empty, because they hold locks and models."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Readers, ()


def readers_of(tree: Any) -> tuple[Source, TTreeReader]:
    """Our readers over a tree that uproot has open; they live as long as the tree."""
    kept: Readers = vars(tree).setdefault("_hepae_readers", Readers())
    with vars(tree).setdefault("_hepae_opening", ForkSafeLock()):
        if not kept:
            source = Source.of(tree.file.root_directory)
            name = str(tree.object_path).partition(":")[2] or str(tree.name)
            kept.append((source, TTreeReader(tree, f"{source.path}:{tree.name}", name)))
        return kept[0]
