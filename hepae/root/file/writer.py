"""Write a whole ROOT file: rewritten trees, new trees, and everything else of a source as it was."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from hepae.errors import OutputError
from hepae.root.file.container import DEFAULT_DATIME, Directory, RootFile
from hepae.root.file.rest import copy_rest
from hepae.root.file.source import Source
from hepae.root.file.streamers import streamer_list
from hepae.root.ttree.raw_copy import refuse_unless_rewritable
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import Keep, Plan, TreeWriter

__all__ = ["RootWriter"]


class RootWriter:
    """A ROOT file that is being written, front to back. Use as a context manager.

    Leaving the context without an error completes the file; after an error it is left incomplete, which is why it
    should be a temporary one (`hepae.rootio.atomic_output`).

    Parameters
    ----------
    path
        Where to write.
    source
        File that trees and other keys are copied from; its time stamp is kept.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from hepae.root import Jagged, NewBranch, RootWriter, open_source
    >>> path = tempfile.mkdtemp() + "/a.root"
    >>> with RootWriter(path) as out:
    ...     plan = [NewBranch("nJet", "int32"), NewBranch("Jet_pt", "float32", counter="nJet")]
    ...     tree = out.new_tree("Events", plan)
    ...     tree.append({"Jet_pt": Jagged(np.array([2, 0]), np.array([50.0, 30.0], "f4"))})
    ...     tree.finish()
    >>> with open_source(path) as file:
    ...     file.tree().read("Jet_pt", 0, 2).counts.tolist()
    [2, 0]
    """

    def __init__(self, path: str | Path, source: Source | None = None) -> None:
        self.source = source
        self.done: set[str] = set()
        seed = source.uuid if source is not None else b""
        streamers, big = streamer_list(source)
        self.file = RootFile(path, source.datime if source is not None else DEFAULT_DATIME, seed)
        self.file.write_streamers(streamers, big)

    def new_tree(self, name: str, plan: Plan, title: str = "") -> TreeWriter:
        """Begin a tree that has no source: `append` to it, then `finish` it."""
        return TreeWriter(self.file, name, title, plan)

    def rewrite_tree(
        self, tree: TTreeReader, plan: Plan | None = None, title: str | None = None
    ) -> TreeWriter:
        """Begin a tree that keeps branches of another, whose baskets are copied at once.

        Parameters
        ----------
        tree
            A tree of the source.
        plan
            Branches in order; all of the tree's by default.
        title
            A new title, the tree's own by default.

        Raises
        ------
        UnsupportedError
            If the tree cannot be rewritten; raised before anything is copied.
        """
        refuse_unless_rewritable(tree)
        branches = plan if plan is not None else [Keep(name) for name in tree.branches]
        self.done.add(tree.path)
        above, _, name = tree.path.rpartition("/")
        home = self.file.directory(above) if above else None
        return TreeWriter(self.file, name, tree.title if title is None else title, branches, tree, home)

    def home_of(self, path: str) -> Directory:
        """The directory that an object of that path is in, made as it is in the source."""
        above = path.rpartition("/")[0]
        if not above:
            return self.file.root
        self.home_of(above)
        key = self.source.directory.key(above) if self.source is not None else None
        if key is None:
            return self.file.directory(above)
        return self.file.directory(above, str(key.fTitle), str(key.fClassName))

    def copy_rest(self) -> list[str]:
        """Copy every other key of the source raw; return the keys that were left out.

        Left out are only older cycles of rewritten trees, which are back-ups of the same entries.

        Raises
        ------
        UnsupportedError
            If there is a key that cannot be moved, such as an RNTuple.
        """
        return copy_rest(self.source, self.file, self.done) if self.source is not None else []

    def __enter__(self) -> RootWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.file.finish()
            return
        try:
            self.file.close()
        except OutputError:
            if not isinstance(error, OutputError):
                raise
