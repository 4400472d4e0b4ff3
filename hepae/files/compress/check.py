"""What was written, read back and compared with what was read, before the file takes its name."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hepae.core.values.bounds import EXACT, Bound, accept
from hepae.core.values.nested import Nested
from hepae.errors import BoundViolationError
from hepae.input.columns import chunks
from hepae.progress import Report
from hepae.root.file.source import Source
from hepae.root.ttree.columns import TreeColumns
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.compressed import compressed_of

__all__ = ["check_tree"]


def check_tree(
    before: Source, after: Source, path: str, kept: set[str], bounds: Mapping[str, Bound], report: Report
) -> None:
    """Compare every value of every column that was compressed, with the bounds that were asked for.

    Parameters
    ----------
    before, after
        The original and the compressed file.
    path
        The tree.
    kept
        Branches that were left as they are.
    bounds
        Bounds by column; all others are exact.

    Raises
    ------
    BoundViolationError
        If a value is out of its bound, or counts differ.
    """
    original, restored = before.tree(path), after.tree(path)
    assert isinstance(original, TTreeReader)
    assert isinstance(restored, TTreeReader)
    compressed = compressed_of(restored.tree)
    if compressed is None:
        raise BoundViolationError("a tree that was compressed is not", where=restored.where)
    columns = TreeColumns(original, kept)
    rows = {(row.start, row.stop): row for row in compressed.payload.rows}
    for start, stop in chunks(columns):
        if (start, stop) not in rows:
            raise BoundViolationError(
                "a chunk is missing", where=restored.where, expected=f"{start} to {stop}"
            )
        read = columns.read([info.name for info in columns.infos], start, stop)
        for branch in compressed.branches.values():
            values = compressed.columns(rows[start, stop], branch.path)
            for info in (info for info in columns.infos if info.branch == branch.path):
                name = info.name.removeprefix(f"{branch.path}.") if info.name != branch.path else ""
                _compare(
                    read[info.name],
                    values[name],
                    bounds.get(info.name, EXACT),
                    f"{restored.where}, {info.name}",
                )
        report("verifying", stop, original.num_entries, "")


def _compare(stored: Nested, restored: Nested, bound: Bound, where: str) -> None:
    same = len(stored.levels) == len(restored.levels) and all(
        map(np.array_equal, stored.levels, restored.levels)
    )
    if (
        not same
        or stored.values.dtype != restored.values.dtype
        or stored.values.shape != restored.values.shape
    ):
        raise BoundViolationError("counts or types differ from what was read", where=where)
    within = accept(stored.values.reshape(-1), restored.values.reshape(-1), bound)
    if not within.all():
        worst = int(np.flatnonzero(~within)[0])
        raise BoundViolationError(
            "what was written does not restore to what was read",
            where=f"{where}, value {worst}",
            expected=f"{stored.values.reshape(-1)[worst]!r} within {bound}",
            got=repr(restored.values.reshape(-1)[worst]),
            hint="the output was not written; please report this",
        )
