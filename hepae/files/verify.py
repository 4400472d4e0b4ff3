"""An independent check of the promise: every value of every branch of two files, in plain NumPy.

Nothing of the lattices and codecs is used to compare, on purpose: the comparison is written again from the words of
the promise, so that a defect in the one is seen by the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepae.arrays import Values
from hepae.core.arithmetic.denormals import kept_subnormals
from hepae.core.compiled import unloaded
from hepae.core.values.bounds import Bound, assign, parse_assignments
from hepae.errors import SchemaError
from hepae.input.events import CsvTree, open_events
from hepae.model.model import Model
from hepae.progress import Report, silent
from hepae.root.columns import Branch, Jagged
from hepae.root.file.content import content_checksum, other_objects
from hepae.root.file.source import Source, open_source
from hepae.root.tree import TreeReader
from hepae.root.ttree.reader import TTreeReader
from hepae.stored.restore import CompressedCollection, compressed_collections, models_of, runs_of

__all__ = ["Check", "Offender", "Verification", "verify"]

MOST_OFFENDERS = 10


@dataclass(frozen=True)
class Offender:
    """A value out of its bound: where it is, what it was, what came back."""

    branch: str
    event: int
    object: int
    stored: float
    restored: float
    excess: float


@dataclass
class Check:
    """What was found out about one branch.

    Attributes
    ----------
    bound
        The bound checked against; ``exact`` for branches that were not compressed, ``none`` where none was claimed.
    values, identical
        Number of values, and of those that are the same bit for bit.
    worst
        Largest error over what the bound allows; above 1 is a violation.
    worst_error
        Largest error in the unit of the feature.
    violations
        Number of values out of bound.
    escapes
        Values of a compressed feature that the file stores bit for bit.
    non_finite
        Number of NaN and infinities, which are restored bit for bit.
    bytes_before, bytes_after
        Compressed bytes of the branch in either file.
    """

    branch: str
    bound: str
    compressed: bool = False
    values: int = 0
    identical: int = 0
    non_finite: int = 0
    escapes: int = 0
    worst: float = 0.0
    worst_error: float = 0.0
    violations: int = 0
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass
class Verification:
    """The outcome: a check for each branch, the worst offenders, and whatever else differs."""

    original: str
    file: str
    events: int
    checks: dict[str, Check] = field(default_factory=dict)
    offenders: list[Offender] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return not self.differences and not any(check.violations for check in self.checks.values())


@unloaded()
@kept_subnormals()
def verify(
    original: str | Path,
    file: str | Path,
    *,
    bounds: Iterable[str | tuple[str, Bound]] = (),
    tree: str | None = None,
    models: Iterable[Model] = (),
    report: Report = silent,
) -> Verification:
    """Compare a compressed or restored file with its original, value by value.

    Parameters
    ----------
    original
        ROOT or CSV.
    file
        What `hepae.compress` or `hepae.decompress` wrote; of a side file only what it holds is compared.
    bounds
        ``NAMES=BOUND`` or (pattern, `Bound`) to check against instead of the bounds that the file states. A restored
        file states none, so without them it must be the same bit for bit.
    tree
        Name of the tree in the original.
    models
        Models that the file holds by reference.
    report
        Called with the phase, the number of events done and of all.

    Returns
    -------
    Verification
        ``kept`` says whether every value of every branch is within its bound, and all else is the same.
    """
    with open_events(original, tree) as before, open_source(file) as source:
        # a side file has its tree at the top, wherever that of the original is
        same_place = before.path if before.path in source.trees else before.name
        after = source.tree(None if isinstance(before, CsvTree) else same_place)
        result = Verification(str(original), str(file), before.num_entries)
        if before.num_entries != after.num_entries:
            result.differences.append(f"{before.num_entries} events before, {after.num_entries} after")
            return result
        pairs = _Pairs(before, after, source, bounds, models)
        result.checks = pairs.checks
        result.differences += pairs.differences
        for start, stop in runs_of(list(pairs.collections.values()), before.num_entries):
            for name in pairs.checks:
                _compare(pairs, name, start, stop, result)
            report("verifying", stop, before.num_entries, "")
        for name, (collection, feature) in pairs.compressed.items():
            if name in pairs.checks:
                pairs.checks[name].escapes = pairs.collections[collection].escapes(feature)
        if not isinstance(before, CsvTree):
            result.differences += _other_differences(before, after, pairs, original, source)
    return result


class _Pairs:
    """Which branch of the original is to be compared with what, and against which bound."""

    def __init__(
        self,
        before: TreeReader,
        after: TreeReader,
        source: Source,
        bounds: Iterable[str | tuple[str, Bound]],
        models: Iterable[Model],
    ) -> None:
        self.before, self.after = before, after
        self.differences: list[str] = []
        self.checks: dict[str, Check] = {}
        self.bounds: dict[str, Bound | None] = {}
        self.whole = True
        found = compressed_collections(after)
        store = models_of(source, models)
        self.collections = {name: CompressedCollection(after, name, store) for name in found}
        self.compressed = {
            stored.branch: (name, feature)
            for name, features in found.items()
            for feature, stored in features.items()
        }
        everything = [stored for features in found.values() for stored in features.values()]
        self.whole = not any(stored.payload.side for stored in everything)
        stated = {stored.branch: stored.payload.bound for stored in everything}
        for name, branch in before.branches.items():
            self._add(name, branch, stated)
        self._override(bounds)

    def read(self, name: str, start: int, stop: int) -> tuple[Values | Jagged, Values | Jagged]:
        """The branch as stored and as restored."""
        stored = self.before.read(name, start, stop)
        if name not in self.compressed:
            return stored, self.after.read(name, start, stop)
        collection, feature = self.compressed[name]
        objects = self.collections[collection].restore([feature], start, stop)
        return stored, Jagged(objects.counts, objects.columns[feature])

    def _add(self, name: str, branch: Branch, stated: Mapping[str, Bound | None]) -> None:
        if name in self.compressed:
            self.bounds[name] = stated[name]
            self._start(name, compressed=True)
        elif name in self.after.branches:
            self.bounds[name] = Bound("exact")
            if branch.kind in ("flat", "jagged", "string"):
                self._start(name, compressed=False)
            self._same("type", name, *self._types(branch, self.after.branches[name]))
            # fields of an RNTuple need no title, and a branch gets that of its leaf
            if branch.title or isinstance(self.before, TTreeReader):
                self._same("title", name, branch.title, self.after.branches[name].title)
        elif self.whole:
            self.differences.append(f"branch {name} is missing")

    def _start(self, name: str, compressed: bool) -> None:
        after = f"{name}__hepae" if compressed else name
        self.checks[name] = Check(
            name,
            str(self.bounds[name] or "none"),
            compressed,
            bytes_before=self.before.bytes_on_disk(name)[0],
            bytes_after=self.after.bytes_on_disk(after)[0],
        )

    def _types(self, before: Branch, after: Branch) -> tuple[str, str]:
        """C++ types; between TTree and RNTuple, which name them differently, kinds and dtypes."""
        if type(self.before) is type(self.after):
            return before.typename, after.typename
        first, second = ((branch.kind, branch.dtype, branch.shape) for branch in (before, after))
        return str(first), str(second)

    def _same(self, what: str, name: str, before: str, after: str) -> None:
        if before != after and not isinstance(self.before, CsvTree):
            self.differences.append(f"{what} of {name}: {before!r} before, {after!r} after")

    def _override(self, bounds: Iterable[str | tuple[str, Bound]]) -> None:
        """Bounds that the user gave, for the features of every collection."""
        pairs = parse_assignments(bounds)
        if not pairs:
            return
        features = [
            (feature.name, feature.branch, feature.dtype)
            for collection in self.before.collections().values()
            for feature in collection.features
            if feature.branch in self.checks
        ]
        # short names repeat between collections, so each branch is assigned for itself
        for short, branch, dtype in features:
            own = [pair for pair in pairs if _applies(pair[0], short, branch)]
            self.bounds[branch] = assign(own, [(short, branch, dtype)])[short]
            self.checks[branch].bound = str(self.bounds[branch])
        assign(pairs, [(branch, short, dtype) for short, branch, dtype in features])


def _applies(pattern: str, short: str, branch: str) -> bool:
    from fnmatch import fnmatchcase

    return fnmatchcase(short, pattern) or fnmatchcase(branch, pattern)


def _compare(pairs: _Pairs, name: str, start: int, stop: int, result: Verification) -> None:
    stored, restored = pairs.read(name, start, stop)
    check = result.checks[name]
    if isinstance(stored, Jagged) != isinstance(restored, Jagged):
        raise SchemaError("a branch changed its structure", where=name)
    counts = np.ones(stop - start, np.int64)
    if isinstance(stored, Jagged) and isinstance(restored, Jagged):
        if not np.array_equal(stored.counts, restored.counts):
            event = int(np.flatnonzero(stored.counts != restored.counts)[0])
            result.differences.append(f"{name}: another number of objects in event {start + event}")
            return
        counts, stored, restored = stored.counts, stored.values, restored.values
    x, y = np.asarray(stored), np.asarray(restored)
    if x.dtype != y.dtype and x.dtype.kind not in "US":
        result.differences.append(f"{name}: {x.dtype} before, {y.dtype} after")
        return
    _measure(check, pairs.bounds[name], x, y, counts, start, result)


def _measure(
    check: Check,
    bound: Bound | None,
    x: Values,
    y: Values,
    counts: NDArray[np.int64],
    start: int,
    result: Verification,
) -> None:
    """Compare values as stored with values as restored, in the words of the promise."""
    same = _identical(x, y)
    check.values += len(x)
    check.identical += int(same.sum())
    if bound is None:
        bad, ratio = np.zeros(len(x), bool), np.zeros(len(x))
        error = _ratio(x, y, Bound("abs", 1.0))[1]
    elif x.dtype.kind != "f" or bound.kind == "exact":
        bad = ~same
        ratio = np.where(bad, np.inf, 0.0)
        error = (
            np.where(same, 0.0, _ratio(x, y, Bound("abs", 1.0))[1])
            if x.dtype.kind == "f"
            else np.zeros(len(x))
        )
    else:
        check.non_finite += int((~np.isfinite(x)).sum())
        ratio, error = _ratio(x, y, bound)
        ratio[same], error[same] = 0.0, 0.0
        bad = ~(ratio <= 1.0)
    if len(x):
        check.worst = max(check.worst, float(ratio.max()))
        check.worst_error = max(check.worst_error, float(np.nan_to_num(error, nan=np.inf).max()))
    if bad.any():
        check.violations += int(bad.sum())
        _name_offenders(check.branch, x, y, ratio, bad, counts, start, result)


def _ratio(x: Values, y: Values, bound: Bound) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Error over allowance, and error; infinite where a non-finite value or a signed zero changed."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        wide_x, wide_y = x.astype(np.float64), y.astype(np.float64)
        error = np.abs(wide_y - wide_x)
        size = 2.0 ** -(bound.size + 1) if bound.kind == "bits" else bound.size
        allowed = np.full(len(x), size) if bound.kind == "abs" else size * np.abs(wide_x)
        # error / allowed could round to 1 from above: the comparison is made on the errors themselves
        ratio = np.where(
            error <= allowed, np.minimum(error / allowed, 1.0), np.maximum(error / allowed, 1.0 + 1e-9)
        )
    hopeless = ~np.isfinite(wide_x) | ~np.isfinite(wide_y) | (wide_x == 0)
    return np.where(hopeless, np.inf, ratio), error


def _identical(x: Values, y: Values) -> NDArray[np.bool_]:
    """Where values are the same bit for bit; of fixed arrays, where all elements are."""
    if x.dtype.kind == "f":
        x, y = (np.ascontiguousarray(v).view(f"u{v.dtype.itemsize}") for v in (x, y))
    same = np.asarray(x == y)
    return np.asarray(same.all(axis=tuple(range(1, same.ndim))))


def _name_offenders(
    branch: str,
    x: Values,
    y: Values,
    ratio: NDArray[np.float64],
    bad: NDArray[np.bool_],
    counts: NDArray[np.int64],
    start: int,
    result: Verification,
) -> None:
    """Keep the worst offenders of all."""
    places = np.flatnonzero(bad)
    places = places[np.argsort(-ratio[places], kind="stable")[:MOST_OFFENDERS]]
    edges = np.concatenate([[0], np.cumsum(counts)])
    for place in places.tolist():
        event = int(np.searchsorted(edges, place, "right")) - 1
        found = (np.ravel(x[place])[0], np.ravel(y[place])[0])
        stored, restored = (float(v) if x.dtype.kind in "fiub" else float("nan") for v in found)
        offender = Offender(
            branch, start + event, place - int(edges[event]), stored, restored, float(ratio[place])
        )
        result.offenders.append(offender)
    result.offenders.sort(key=lambda offender: -offender.excess)
    del result.offenders[MOST_OFFENDERS:]


def _other_differences(
    before: TreeReader, after: TreeReader, pairs: _Pairs, original: str | Path, source: Source
) -> list[str]:
    """Branches that are not numbers, and objects besides the tree, compared byte by byte."""
    different = [
        f"content of {name} changed"
        for name, branch in before.branches.items()
        if branch.kind not in ("flat", "jagged", "string")
        and name in after.branches
        and content_checksum(before, name) != content_checksum(after, name)
    ]
    if not pairs.whole:
        return different
    with open_source(original) as first:
        objects, restored = other_objects(first, before.path), other_objects(source, after.path)
    different += [f"object {path} is missing" for path in objects if path not in restored]
    return different + [
        f"object {path} changed"
        for path, found in objects.items()
        if path in restored and restored[path] != found
    ]
