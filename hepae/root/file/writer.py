"""Write a whole ROOT file: rewritten trees, new trees, and everything else of a source as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from hepae.errors import OutputError, SchemaError
from hepae.root.file.compression import Compression
from hepae.root.file.container import DEFAULT_DATIME, Directory, RootFile
from hepae.root.file.directory import DIRECTORIES
from hepae.root.file.directory import Key as FileKey
from hepae.root.file.records import Key
from hepae.root.file.rest import copy_object, refuse_what_cannot_be_moved
from hepae.root.file.source import RNTUPLES, Source
from hepae.root.file.streamers import streamer_list
from hepae.root.rntuple.clusters import ClusterWriter
from hepae.root.rntuple.copying import NTUPLE, copy_ntuple
from hepae.root.rntuple.schema import Schema
from hepae.root.ttree.branches import Baskets, seeks_of
from hepae.root.ttree.header import TREE_CLASSES, TreeHeader, new_tree
from hepae.root.ttree.plan import Keep, NewBranch, Plan
from hepae.root.ttree.raw_copy import Copied, Moved
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import Filling, Rewriting, Treatment, TreeWriter

__all__ = ["RootWriter", "basket_tables"]


class RootWriter:
    """A ROOT file that is being written, front to back. Use as a context manager.

    Leaving the context without an error completes the file; after an error it is left incomplete, which is why it
    should be a temporary one (`hepae.root.atomic_output`).

    Parameters
    ----------
    path
        Where to write.
    source
        File that other keys are copied from; its time stamp, streamer infos and order of keys are kept.
    more
        Further files that objects come from, whose classes are described too.
    ntuples
        Whether there will be RNTuples in it that none of these has: the class of their anchor is described.

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

    def __init__(
        self,
        path: str | Path,
        source: Source | None = None,
        more: Sequence[Source] = (),
        *,
        ntuples: bool = False,
    ) -> None:
        self.source = source
        self.done: set[str] = set()
        self.moved: dict[str, Moved] = {}
        self.originals: dict[str, Mapping[str, Baskets]] = {}
        seed = source.uuid if source is not None else b""
        given = [*more] if source is None else [source, *more]
        # uproot does not describe their class
        ntuples = ntuples or any(key.classname in RNTUPLES for one in given for key in one.keys)
        # what may be damaged is read before a file is open
        streamers = streamer_list(source, more, ntuples=ntuples)
        self.file = RootFile(path, source.datime if source is not None else DEFAULT_DATIME, seed)
        self.file.write_streamers(*streamers)
        if source is not None:
            self.file.order = {
                (key.above, key.name, key.cycle): number for number, key in enumerate(source.keys)
            }

    def new_tree(self, path: str, plan: Plan, title: str = "") -> TreeWriter:
        """Begin a tree that has no source: `TreeWriter.append` to it, then `TreeWriter.finish` it.

        Parameters
        ----------
        path
            Name, with the directories that it is in before it.
        plan
            Its branches in order.
        title
            Title of the tree.
        """
        for branch in plan:
            if isinstance(branch, Keep):
                raise SchemaError("no such branch to keep", where=branch.name)
        header = new_tree(path.rpartition("/")[2], title)
        new = [(branch, None) for branch in plan if isinstance(branch, NewBranch)]
        return self.rewrite(header, {}, path=path, new=new)

    def rewrite(
        self,
        header: TreeHeader,
        treatments: Mapping[str, Treatment],
        *,
        path: str,
        cycle: int = 0,
        key: FileKey | None = None,
        new: Sequence[tuple[NewBranch, int | None]] = (),
        entries: int | None = None,
        settings: Mapping[str, Compression] | None = None,
    ) -> TreeWriter:
        """Begin a tree with a header that exists.

        Parameters
        ----------
        header
            What the tree is; it is changed, and belongs to the writer from now on.
        treatments
            For every branch of the header, by path: `Copied` from a branch of a source (at once),
            ``Filling.GIVEN`` (`TreeWriter.append_basket`), or ``Filling.DROPPED``.
        path, cycle
            Where it is listed: directories and name, and which version (0 for the next).
        key
            The key whose name, title and cycle it has, in place of the two.
        new
            Further branches, each with its place among those at the top, None for the end; `TreeWriter.append`
            fills them.
        entries
            Number of entries, where it is not the number that is appended to new branches.
        settings
            How baskets of branches that are given are compressed, by path, where it is not what their headers say.

        Raises
        ------
        SchemaError
            If a branch has no treatment, or one that counts another is dropped; nothing has been written then.
        """
        dropped = Filling.DROPPED in treatments.values()
        if dropped or new:
            header.become_tree()
        above, name, title = path.rpartition("/")[0], path.rpartition("/")[2], header.title
        if key is not None:
            above, name, title, cycle = key.above, key.name, key.title, key.cycle
            self.done.add(f"{key.path};{key.cycle}")
        home = self.home_of(above)
        listed = Key(header.classname, name, title, 0, 0, 0, 0, cycle=cycle)
        plan = Rewriting(header, treatments, new, entries, settings or {})
        return TreeWriter(self.file, plan, listed, home, self.moved)

    def keep_tree(self, key: FileKey) -> None:
        """Copy a TTree of the source with all its baskets.

        Parameters
        ----------
        key
            One of the keys of the source, of any cycle.

        Raises
        ------
        InputError
            If its header or a basket is not what it should be.
        """
        assert self.source is not None
        self._keep(key, self.source.header(key))

    def _keep(self, key: FileKey, header: TreeHeader) -> None:
        assert self.source is not None
        self.rewrite(
            header, kept(self.source, header), path=key.path, key=key, entries=header.entries
        ).finish()

    def new_ntuple(
        self,
        path: str,
        header: bytes,
        extension: Schema | None = None,
        title: str = "",
        key: FileKey | None = None,
    ) -> ClusterWriter:
        """Begin an RNTuple, whose pages are given sealed.

        Parameters
        ----------
        path
            Name, with the directories that it is in before it.
        header
            The envelope of its header, which has its name once more.
        extension
            Fields and columns that its footer adds.
        title
            Of its key.
        key
            The key whose name, title and cycle it has, in place of path and title.
        """
        above, name, cycle = path.rpartition("/")[0], path.rpartition("/")[2], 0
        if key is not None:
            above, name, title, cycle = key.above, key.name, key.title, key.cycle
            self.done.add(f"{key.path};{key.cycle}")
        listed = Key(NTUPLE, name, title, 0, 0, 0, 0, cycle=cycle)
        return ClusterWriter(self.file, self.home_of(above), listed, header, extension)

    def keep_ntuple(self, key: FileKey, source: Source | None = None, *, smallest: bool = False) -> None:
        """Copy an RNTuple with all its pages.

        Parameters
        ----------
        key
            Its key.
        source
            The file that it is in, the source of the others by default.
        smallest
            Whether its header is packed anew, as well as can be.

        Raises
        ------
        InputError
            If a page or a list of pages is not what it should be.
        UnsupportedError
            If a later version of the format wrote what is not known.
        """
        of = source or self.source
        assert of is not None
        listed = Key(NTUPLE, key.name, key.title, 0, 0, 0, 0, cycle=key.cycle)
        copy_ntuple(of.ntuple(key), self.file, self.home_of(key.above), listed, smallest=smallest)
        self.done.add(f"{key.path};{key.cycle}")

    def rewrite_tree(
        self, tree: TTreeReader, plan: Plan | None = None, title: str | None = None
    ) -> TreeWriter:
        """Begin a tree that keeps branches of another, whose baskets are copied at once.

        Parameters
        ----------
        tree
            A tree of the source.
        plan
            Branches in order; all of the tree's by default. New ones stand where they are in it.
        title
            A new title, the tree's own by default.

        Raises
        ------
        SchemaError
            If there is no branch of a name that is to be kept.
        """
        assert self.source is not None
        key = self.source.key(tree.path)
        header = self.source.header(key)
        self.originals[key.path] = basket_tables(header)
        branches = plan if plan is not None else [Keep(name) for name in tree.branches]
        treatments, new = arranged(branches, tree, header, self.source)
        copies = any(isinstance(treatment, Copied) for treatment in treatments.values())
        if not copies:
            header.forget_entries()
        if title is not None:
            header.title = title
            key = replace(key, title=title)
        entries = tree.num_entries if copies else None
        return self.rewrite(header, treatments, path=key.path, key=key, new=new, entries=entries)

    def home_of(self, above: str) -> Directory:
        """The directory of a path, made with those that it is in as they are in the source; empty for the top."""
        if not above or above in self.file.directories:
            return self.file.directories[above]
        keys = self.source.keys if self.source is not None else []
        key = next((key for key in keys if key.path == above and key.classname in DIRECTORIES), None)
        self.home_of(key.above if key is not None else above.rpartition("/")[0])
        if key is None:
            return self.file.directory(above)
        return self.file.directory(above, key.title, key.classname)

    def copy_rest(
        self, tell: Callable[[FileKey, TreeHeader], object] = lambda key, header: None
    ) -> list[str]:
        """Copy every other key of the source; return the keys that were left out.

        Trees are written again with all their baskets or pages, other objects as they are. Left out are only older
        cycles of rewritten trees whose baskets are the first of the newer one, and were not all kept: back-ups of the
        same entries. Called first, it puts objects with positions of 4 bytes where they fit.

        Parameters
        ----------
        tell
            Called with the key and the header of each tree that is left out; the header is its own to change.

        Raises
        ------
        UnsupportedError
            If there is an RNTuple that cannot be moved.
        """
        if self.source is None:
            return []
        refuse_what_cannot_be_moved(self.source, self.done)
        left_out = []
        for key in self.source.keys:
            item = f"{key.path};{key.cycle}"
            if key.path in self.done or item in self.done:
                continue
            if key.classname in DIRECTORIES:
                self.home_of(key.path)
            elif key.classname in RNTUPLES:
                self.keep_ntuple(key)
            elif key.classname not in TREE_CLASSES:
                copy_object(self.source, key, self.file, self.home_of(key.above))
            else:
                header = self.source.header(key)
                if self._is_backup(key, header):
                    left_out.append(item)
                    tell(key, header)
                else:
                    self._keep(key, header)
        return left_out

    def _is_backup(self, key: FileKey, header: TreeHeader) -> bool:
        """Whether a tree is an older cycle of a rewritten one, with its first baskets, and they were not all kept."""
        assert self.source is not None
        newer = self.originals.get(key.path)
        if newer is None:
            return False
        older = basket_tables(header)
        if not all(path in newer and table.begins(newer[path]) for path, table in older.items()):
            return False
        kept = self.moved.get(self.source.path, Moved()).find(seeks_of(older.values()))[0]
        return not kept.all()

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


def kept(source: Source, header: TreeHeader) -> dict[str, Treatment]:
    """Every branch of a header copied from the source that the header is of."""
    return {branch.path: Copied(source, branch) for branch in header.branches}


def basket_tables(header: TreeHeader) -> dict[str, Baskets]:
    """Where the baskets of each branch of a tree are, by its path."""
    return {branch.path: branch.baskets for branch in header.branches}


def arranged(
    plan: Plan, tree: TTreeReader, header: TreeHeader, source: Source
) -> tuple[dict[str, Treatment], list[tuple[NewBranch, int | None]]]:
    """What becomes of each branch, and where new ones stand among those at the top."""
    listed = [branch for branch in header.branches if branch.classname != "TBranchRef"]
    by_name = dict(zip(tree.sources, listed, strict=True))
    treatments: dict[str, Treatment] = {branch.path: Filling.DROPPED for branch in header.branches}
    new: list[tuple[NewBranch, int | None]] = []
    place = 0
    for item in plan:
        if isinstance(item, NewBranch):
            new.append((item, place))
            place += 1
            continue
        branch = by_name.get(item.name)
        if branch is None:
            raise SchemaError("no such branch to keep", where=item.name)
        treatments[branch.path] = Copied(source, branch)
        place += branch.parent is None
    if place > len(new):  # a table of references belongs to the entries that are kept
        treatments.update({b.path: Copied(source, b) for b in header.branches if b.classname == "TBranchRef"})
    return treatments, new
