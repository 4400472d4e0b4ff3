"""Compress every tree of a ROOT file, and copy everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hepae.core.values.bounds import Bound
from hepae.files.compress.bounds import Pairs
from hepae.files.compress.narrowing import ALL, Narrowing
from hepae.files.compress.request import requested, unsaid_settings
from hepae.files.compress.tree import TreePlan, encoded, marks, plan_tree
from hepae.learn.whole.plan import Search
from hepae.progress import Report, silent
from hepae.root.file.source import PAYLOAD, SCHEMAS_TREE, Source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.header import TreeHeader
from hepae.root.ttree.plan import NewBranch
from hepae.root.ttree.raw_copy import Copied
from hepae.root.ttree.writer import Filling, Treatment
from hepae.stored.own_tables import schemas_of, write_schemas
from hepae.stored.payload import MARKER, payload_plan, row_columns

__all__ = ["TreeDone", "write_whole"]

MARKER_TITLE = (
    "compressed by hepae: in Python, import hepae and read with uproot as before; or run hepae decompress"
)


@dataclass
class TreeDone:
    """What became of a tree.

    Attributes
    ----------
    path, entries
        The tree.
    replaced, kept
        Paths of branches that were compressed, and that were left as they are.
    before, after
        Bytes of the replaced branches in the source, and of what stands in their place.
    bounds
        Bounds of columns, by name; all others are exact.
    """

    path: str
    entries: int
    replaced: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    before: int = 0
    after: int = 0
    bounds: Mapping[str, Bound] = field(default_factory=dict)


def write_whole(
    temporary: Path,
    source: Source,
    pairs: Pairs,
    kept: Mapping[str, set[str]],
    narrowing: Narrowing = ALL,
    dither: bool = False,
    threads: int | None = None,
    report: Report = silent,
    search: Search | None = None,
) -> list[TreeDone]:
    """Write a file in which every tree is compressed that becomes smaller.

    Parameters
    ----------
    temporary
        Where to write.
    source
        The file.
    pairs
        Patterns and the bounds of the columns that they match.
    kept
        Branches of each tree that turned out to be irregular and stay as they are, by path.
    narrowing
        What is to be compressed.
    dither
        Fill the cells of lossy columns evenly.
    search
        Finds which columns predict each other; none does where it is None.

    Raises
    ------
    IrregularError
        If a branch turns out not to be what its layout says: it has to be kept, and the file written anew.
    """
    done: list[TreeDone] = []
    schemas = schemas_of(source)
    trees, asked = requested(source, pairs, kept, narrowing)
    with RootWriter(temporary, source) as out:
        out.done |= {SCHEMAS_TREE}
        for path, columns in trees.items():
            header = source.header(source.key(path))
            plan = plan_tree(
                columns,
                columns.layouts,
                asked[path],
                unsaid_settings(source, header),
                dither,
                search,
                report,
            )
            plan.stored = msgspec.structs.replace(plan.stored, tree=path)
            schemas[plan.stored.sha256] = plan.stored.to_json(), header.lean()
            done.append(_write_tree(out, source, columns, header, plan, threads, report))
            done[-1].bounds = plan.bounds
        write_schemas(out, schemas)
        out.copy_rest()
    return done


def _write_tree(
    out: RootWriter,
    source: Source,
    columns: TreeColumns,
    header: TreeHeader,
    plan: TreePlan,
    threads: int | None,
    report: Report,
) -> TreeDone:
    tree, replaced = columns.tree, {branch.path for branch in plan.stored.branches}
    treatments: dict[str, Treatment] = {
        branch.path: Filling.DROPPED if branch.path in replaced else Copied(source, branch)
        for branch in header.branches
    }
    before = sum(branch.sizes[1] for branch in header.branches if branch.path in replaced)
    done = TreeDone(
        tree.path, tree.num_entries, sorted(replaced), sorted(treatments.keys() - replaced), before
    )
    key, marker = source.key(tree.path), NewBranch(MARKER, "uint32", MARKER_TITLE)
    written = out.rewrite(
        header.copy(), treatments, path=tree.path, key=key, new=[(marker, None)], entries=done.entries
    )
    payload = out.new_tree(
        tree.path + PAYLOAD, payload_plan(), f"columns of {tree.name}, compressed by hepae"
    )
    for chunk in encoded(columns, plan, threads, report):
        written.append({MARKER: marks(chunk)})
        payload.append(row_columns(chunk.number, chunk.stop - chunk.start, plan.stored.sha256, chunk.streams))
        done.after += sum(map(len, chunk.streams))
    written.finish()
    payload.finish()
    return done
