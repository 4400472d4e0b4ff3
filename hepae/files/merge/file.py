"""Put files together: every tree end to end, histograms added, models and schemas united.

Baskets are copied as they are. Frames, rows and events name their models and schemas, so that files of different ones
can be put together.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from hepae.errors import InputError, UnsupportedError
from hepae.files.merge.compressed import require_same_storage, united_models
from hepae.files.merge.ntuples import JoinedNTuple, schemas_of_rows
from hepae.files.merge.objects import JoinedObject, Others
from hepae.files.merge.trees import JoinedTree, TreePart
from hepae.files.merge.whole import WholeTree
from hepae.progress import Report
from hepae.root.file.atomic import atomic_output
from hepae.root.file.directory import DIRECTORIES
from hepae.root.file.own_names import BACKUPS_TREE, MODELS_TREE, SCHEMAS_TREE
from hepae.root.file.source import RNTUPLES, TREES, Key, Source, open_source, size_of
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.header import TREE_CLASSES
from hepae.shown.bars import in_notebook
from hepae.stored.own_tables import write_models, write_schemas
from hepae.stored.schemas import Schemas

__all__ = ["Merge", "merge"]


@dataclass(frozen=True)
class Merge:
    """What `merge` did; events are the entries of all trees that were named, or of the largest."""

    target: str
    files: int
    events: int
    models: int
    bytes_before: int
    bytes_after: int


def merge(
    target: str | Path,
    sources: Sequence[str | Path],
    *,
    tree: str | None = None,
    others: Others = "same",
    fill: bool = False,
    force: bool = False,
    report: Report = in_notebook,
) -> Merge:
    """Write several files into one, as ROOT's ``hadd`` would: every tree is put together.

    Parameters
    ----------
    target
        ROOT file to write. It appears complete and verified, or not at all.
    sources
        The files. Trees of one name have the same branches: names, types, bounds; one without entries adds nothing.
        Histograms are added; other objects are the same in all files that have them.
    tree
        Name of a tree that has to be there, whose entries are counted as the events.
    others
        What becomes of objects that differ and are neither trees nor histograms: with ``same`` they are an error, with
        ``first`` that of the first file is taken.
    fill
        Fill a branch that only some files have with zeros where it is missing, as ``haddnano`` does; it is an error
        otherwise.
    force
        Replace a target that exists, which is an error otherwise.

    Raises
    ------
    SchemaError
        If the trees differ; the message names the first difference.
    UnsupportedError
        If other objects differ, or a branch cannot be put together.

    Examples
    --------
    >>> merge("all.root", ["a.root", "b.root"]).events  # doctest: +SKIP
    4800
    """
    if not sources:
        raise InputError("no files to merge")
    with atomic_output(target, sources, force=force) as temporary, ExitStack() as stack:
        opened = [stack.enter_context(open_source(path)) for path in sources]
        plan = _Plan(opened, others, fill)
        events = plan.events(tree)
        done, total = 0, sum(joined.entries for joined in plan.written)

        def tell(entries: int) -> None:
            nonlocal done
            done += entries
            report("merging", done, total, "")

        with RootWriter(temporary, opened[0], opened[1:]) as out:
            for joined in plan.written:
                joined.write(out, tell)
            plan.write_rest(out)
        with open_source(temporary) as written:
            for joined in plan.written:
                joined.check(written)
        before, after = sum(map(size_of, sources)), size_of(temporary)
    return Merge(str(target), len(sources), events, len(plan.models.embedded), before, after)


@dataclass
class _Plan:
    """What is in the files, and what becomes of it; everything that can be refused is refused here."""

    sources: Sequence[Source]
    others: Others
    fill: bool
    trees: list[JoinedTree | JoinedNTuple] = field(default_factory=list)
    rows: list[WholeTree] = field(default_factory=list)
    schemas: Schemas = field(default_factory=dict)
    objects: list[JoinedObject] = field(default_factory=list)

    def __post_init__(self) -> None:
        found: dict[str, list[tuple[Source, Key]]] = {}
        for source in self.sources:
            for path in dict.fromkeys(key.path for key in source.keys):
                found.setdefault(path, []).append((source, source.key(path)))
        self.directories = [path for path, keys in found.items() if keys[0][1].classname in DIRECTORIES]
        for path, keys in found.items():
            if path in (*self.directories, MODELS_TREE, SCHEMAS_TREE, BACKUPS_TREE):
                continue
            if keys[0][1].classname not in TREES:
                self.objects.append(JoinedObject(path, keys, self.others))
                continue
            self._join(path, keys)
        self.trees = [joined for joined in self.trees if joined.path not in {one.path for one in self.rows}]
        self.models = united_models(self.sources)

    @property
    def written(self) -> list[JoinedTree | JoinedNTuple | WholeTree]:
        """All trees that are written."""
        return [*self.trees, *self.rows]

    def _join(self, path: str, keys: Sequence[tuple[Source, Key]]) -> None:
        classes = TREE_CLASSES if keys[0][1].classname in TREE_CLASSES else RNTUPLES
        for source, key in keys:
            if key.classname not in classes:
                raise UnsupportedError(
                    "a TTree and an RNTuple of one name are not merged",
                    where=f"{source.path}:{path}",
                    expected=keys[0][1].classname,
                    got=key.classname,
                )
        if classes == RNTUPLES:
            self.schemas |= schemas_of_rows(path, keys)
            self.trees.append(JoinedNTuple(path, keys, self.fill))
            return
        parts = [TreePart(source, source.header(key)) for source, key in keys]
        require_same_storage(path, parts)
        self.trees.append(JoinedTree(path, parts, self.fill))
        if path in parts[0].source.trees:
            whole = WholeTree(path, parts, self.fill)
            self.schemas |= whole.schemas()
            if whole.changed:
                self.rows.append(whole)

    def events(self, name: str | None) -> int:
        """Entries of the tree of that name, or of the largest."""
        entries = {joined.path: joined.entries for joined in self.trees}
        if name is not None and name not in entries:
            raise InputError("no such tree in any of the files", where=name, expected=", ".join(entries))
        return entries[name] if name is not None else max(entries.values(), default=0)

    def write_rest(self, out: RootWriter) -> None:
        """Write what is no tree that users have."""
        if self.models.embedded:
            write_models(out, self.models.embedded, self.models.compressed)
        write_schemas(out, self.schemas)
        for path in self.directories:
            out.home_of(path)
        for one in self.objects:
            one.write(out)
