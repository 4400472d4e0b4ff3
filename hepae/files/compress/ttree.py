"""Write a TTree without the branches that are replaced, beside its payload tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hepae.files.compress.outcome import MARKER_TITLE, EncodedChunk, TreeDone, marks
from hepae.files.repack.branch import RepackedBranch
from hepae.root.file.source import PAYLOAD, Source
from hepae.root.file.writer import RootWriter, basket_tables
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.plan import NewBranch
from hepae.root.ttree.raw_copy import Copied
from hepae.root.ttree.writer import Filling, Treatment
from hepae.stored.payload import MARKER, payload_plan, row_columns
from hepae.stored.schemas import StoredTree

__all__ = ["write_tree"]


def write_tree(
    out: RootWriter,
    source: Source,
    columns: TreeColumns,
    stored: StoredTree,
    made: Iterable[EncodedChunk],
    repacked: Sequence[RepackedBranch] = (),
) -> TreeDone:
    """Write a TTree without the branches that are replaced, and its payload tree.

    Parameters
    ----------
    out, source
        The file that is written, and the one that the tree is of.
    columns, stored, made
        Its columns, what the file says of them, and their chunks in order.
    repacked
        Branches that stay, in other baskets than they have.
    """
    tree, replaced = columns.tree, {branch.path for branch in stored.branches}
    header = source.header(source.key(tree.path))
    treatments: dict[str, Treatment] = {
        branch.path: Filling.DROPPED if branch.path in replaced else Copied(source, branch)
        for branch in header.branches
    }
    treatments |= {one.branch.path: Filling.GIVEN for one in repacked}
    before = sum(branch.sizes[1] for branch in header.branches if branch.path in replaced)
    done = TreeDone(
        tree.path, tree.num_entries, sorted(replaced), sorted(treatments.keys() - replaced), before
    )
    key, marker = source.key(tree.path), NewBranch(MARKER, "uint32", MARKER_TITLE)
    out.originals[tree.path] = basket_tables(header)
    written = out.rewrite(
        header, treatments, path=tree.path, key=key, new=[(marker, None)], entries=done.entries
    )
    payload = out.new_tree(
        tree.path + PAYLOAD, payload_plan(), f"columns of {tree.name}, compressed by hepae"
    )
    for chunk in made:
        written.append({MARKER: marks(chunk)})
        payload.append(row_columns(chunk.number, chunk.stop - chunk.start, stored.sha256, chunk.streams))
        done.after += sum(map(len, chunk.streams))
        for branch in repacked:
            branch.write(written, chunk.stop)
    for branch in repacked:
        branch.finish(written)
    written.finish()
    payload.finish()
    return done
