"""Values as stored against values as restored, in the words of the promise. Pure NumPy, no I/O.

Nothing of the lattices and codecs is used, on purpose: the comparison is written again from the words of the promise,
so that a defect in the one is seen by the other.
"""

from __future__ import annotations

import numpy as np

from hepae.arrays import Array, Booleans, Floats
from hepae.core.values.bounds import Bound
from hepae.core.values.nested import Nested
from hepae.files.verify.result import ColumnCheck, Offender
from hepae.files.verify.values import entry_of

__all__ = ["MOST_OFFENDERS", "measure"]

MOST_OFFENDERS = 10
"""As many as fit on a screen beside everything else."""


def measure(
    check: ColumnCheck, bound: Bound | None, stored: Nested, restored: Nested, tree: str, start: int
) -> tuple[list[Offender], str]:
    """Compare a run of entries, and add what is found to the check of the column.

    Parameters
    ----------
    bound
        None where none was claimed: errors are measured, and no value is out of bounds.
    tree
        Name of the tree, for the offenders.
    start
        First entry of the run.

    Returns
    -------
    list of Offender
        The worst values of this run.
    str
        What makes it impossible to compare value by value; empty where nothing does.

    Examples
    --------
    >>> check = ColumnCheck("pt")
    >>> runs = (Nested((), np.array([1.0, 2.0, values])) for values in (3.0, 3.5))
    >>> offenders, _ = measure(check, Bound("abs", 0.25), *runs, "Events", 100)
    >>> check.identical, check.worst_error, offenders[0].entry
    (2, 0.5, 102)
    """
    changed = _another_form(stored, restored, start)
    if changed:
        check.changed = True
        return [], changed
    x, y = stored.values, restored.values
    different = np.flatnonzero(~same_bits(x, y).ravel())
    check.values += x.size
    check.identical += x.size - len(different)
    numbers = x.dtype.kind in "fiub"
    if x.dtype.kind == "f" and bound is not None and bound.kind != "exact":
        check.non_finite += int(np.count_nonzero(~np.isfinite(x)))
    if not len(different):
        return [], ""
    before, after = x.ravel()[different], y.ravel()[different]
    excess, error = _errors(before, after, bound) if numbers else _infinite(len(different))
    if bound is None:
        excess[:] = 0
    check.worst = max(check.worst, float(excess.max()))
    check.worst_error = max(check.worst_error, float(error.max()))
    bad = np.flatnonzero(~(excess <= 1.0))
    check.violations += len(bad)
    worst = bad[np.argsort(-excess[bad], kind="stable")[:MOST_OFFENDERS]]
    size = x.size // max(1, len(x))
    offenders = []
    for number in worst.tolist():
        entry, row = entry_of(stored, int(different[number]) // size)
        index = row * size + int(different[number]) % size
        was, now = (float(v[number]) if numbers else float("nan") for v in (before, after))
        offenders.append(Offender(tree, check.name, start + entry, index, was, now, float(excess[number])))
    return offenders, ""


def same_bits(x: Array, y: Array) -> Booleans:
    """Where values of one dtype are the same bit for bit: NaN payloads and signs of zero included.

    Examples
    --------
    >>> same_bits(np.array([0.0, np.nan]), np.array([-0.0, np.nan])).tolist()
    [False, True]
    """
    if x.dtype.kind in "iu":
        return np.asarray(x == y)
    words = [np.ascontiguousarray(v).reshape(-1, 1).view(np.uint8) for v in (x, y)]
    if x.dtype.itemsize in (2, 4, 8):
        words = [bits.view(f"u{x.dtype.itemsize}") for bits in words]
    return np.asarray((words[0] == words[1]).all(axis=1).reshape(x.shape))


def _another_form(stored: Nested, restored: Nested, start: int) -> str:
    """What keeps two runs from being compared value by value."""
    if len(stored.levels) != len(restored.levels):
        return f"{len(stored.levels)} levels of counts before, {len(restored.levels)} after"
    for level, (before, after) in enumerate(zip(stored.levels, restored.levels, strict=True)):
        if not np.array_equal(before, after):
            shared = min(len(before), len(after))
            first = int(np.flatnonzero(np.append(before[:shared] != after[:shared], True))[0])
            above = Nested(stored.levels[:level], before)
            return f"another number of items in entry {start + entry_of(above, first)[0]}"
    x, y = stored.values, restored.values
    if len(x) != len(y):
        return f"{len(x)} values before, {len(y)} after, from entry {start} on"
    # what holds nothing has no shape and no type in some readers
    if x.shape != y.shape and len(x):
        return f"shape {x.shape[1:]} before, {y.shape[1:]} after"
    return f"{x.dtype} before, {y.dtype} after" if x.dtype != y.dtype and x.size else ""


def _infinite(n: int) -> tuple[Floats, Floats]:
    return np.full(n, np.inf), np.full(n, np.inf)


def _errors(x: Array, y: Array, bound: Bound | None) -> tuple[Floats, Floats]:
    """Error over what is allowed, and error, of values that differ; infinite where only the same bits are allowed."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
        error = np.abs(wide_y - wide_x)
        if x.dtype.kind != "f" or bound is None or bound.kind == "exact":
            return np.full(len(x), np.inf), np.nan_to_num(error, nan=np.inf)
        magnitude = np.abs(wide_x)
        relative = 2.0 ** -(bound.size + 1) if bound.kind == "bits" else bound.size
        allowed = np.full(len(x), bound.size) if bound.kind == "abs" else relative * magnitude
        # error / allowed could round to 1 from above: the comparison is made on the errors themselves
        excess = np.where(
            error <= allowed, np.minimum(error / allowed, 1.0), np.maximum(error / allowed, 1.0 + 1e-9)
        )
        hopeless = ~np.isfinite(wide_x) | ~np.isfinite(wide_y) | (wide_x == 0)
        shown = error if bound.kind == "abs" else error / magnitude
    return np.where(hopeless, np.inf, excess), np.nan_to_num(np.where(hopeless, np.inf, shown), nan=np.inf)
