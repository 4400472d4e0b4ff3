"""A part of one file against its partner in the other: by bytes where that tells, else by values."""

from __future__ import annotations

import numpy as np

from hepae.core.values.bounds import EXACT
from hepae.core.values.combs import Comb, comb_over
from hepae.core.values.nested import Nested
from hepae.files.verify.measure import MOST_OFFENDERS, measure
from hepae.files.verify.ntuple_parts import CountPart
from hepae.files.verify.request import Request
from hepae.files.verify.result import ColumnCheck, Verification
from hepae.files.verify.sides import Columns, Held, Members, Part, runs
from hepae.files.verify.structure import differences
from hepae.files.verify.values import NotInterpretedError

__all__ = ["PairCheck"]


class PairCheck:
    """The comparison of one part in two files; what is found goes into the result.

    Parameters
    ----------
    result, tree
        Where rows, sentences and offenders are added, and the tree that both parts are of.
    request
        Which bounds were asked for.
    """

    def __init__(self, result: Verification, tree: str, request: Request, before: Part, after: Part) -> None:
        self.result, self.tree, self.request = result, tree, request
        self.before, self.after = before, after
        self.claim = before.claim if after.claim is None else after.claim
        self.columns: dict[str, ColumnCheck] = {}
        self._combs: dict[str, Comb] = {}
        self.as_bytes = 0
        self.where = f"{tree}, {before.name}"

    def structure(self) -> bool:
        """Compare what they are besides their values; whether values can be compared at all."""
        try:
            facts = [self.request.asked_of(part.facts()) for part in (self.before, self.after)]
            found = list(differences(self.where, *facts))
        except NotInterpretedError as problem:
            found = [f"{self.where}: cannot be described ({problem})"]
        self.result.differences += found
        if self.before.entries == self.after.entries:
            return True
        if not found:
            self._tell(f"{self.before.entries} entries before, {self.after.entries} after")
        self._changed(self.before.name)
        return False

    def whole(self) -> None:
        """Compare all entries."""
        if self._same_bytes():
            self._rest_is_bytes(same=True)
            return
        size = max(part.sizes()[1] for part in (self.before, self.after))
        for start, stop in runs(self.before.edges(), self.before.entries, size):
            self.run(start, stop)
        self.finish()

    def run(self, start: int, stop: int) -> None:
        """Compare a run of entries by values; where nobody can tell what they are, by bytes, all of them."""
        if self._is_bytes() or self._same_run(start, stop):
            return
        try:
            stored, restored = self._read(start, stop)
        except NotInterpretedError as problem:
            self._bytes(problem)
            return
        for added, values in stored.items():
            if added in restored:
                self._measure(added, values, restored[added], start)
        for added in stored.keys() ^ restored.keys():
            self._changed(self.before.name + added)
            self._tell("another structure of members")

    def _read(self, start: int, stop: int) -> tuple[Columns, Columns]:
        """Both parts' columns.

        Objects are taken apart by hepae's own parser where a bound leaves their bytes no say: uproot has no
        interpretation for some, and reads others wrongly (those with a version of their own behind a byte count).
        """
        before, after = self.before, self.after
        lossy = bool(self.request) or (self.claim is not None and self.claim.lossy)
        if lossy and isinstance(before, Members) and isinstance(after, Members) and before.of_objects:
            try:
                return before.members(start, stop), after.members(start, stop)
            except NotInterpretedError:
                pass
        return before.read(start, stop), after.read(start, stop)

    def finish(self) -> None:
        """Note sizes, and what the file says of itself."""
        if not self.columns:
            self._rest_is_bytes(same=True)
        elif not self._is_bytes():
            for check in self.columns.values():
                check.values, check.identical = check.values + self.as_bytes, check.identical + self.as_bytes
        first = next(iter(self.columns.values()))
        first.bytes_before, first.bytes_after = self.before.sizes()[0], self.after.sizes()[0]
        if self.claim is not None:
            first.escapes = self.claim.escapes

    def _measure(self, added: str, stored: Nested, restored: Nested, start: int) -> None:
        name = self.before.name + added
        if isinstance(self.before, CountPart) != isinstance(self.after, CountPart):
            # an RNTuple counts by itself: a count has no type of its own
            stored, restored = _counted(stored), _counted(restored)
        check = self.columns.get(name)
        claimed = EXACT if self.claim is None else self.claim.bound(added)
        bound = self.request.bound(self._names(name), stored.values.dtype.name, claimed)
        if check is None:
            check = self._row(name)
            check.bound = "none" if bound is None else str(bound)
        if check.changed:
            return
        offenders, changed = measure(check, bound, stored, restored, self.tree, start)
        if changed:
            self._tell(changed)
        elif bound is not None and bound.kind != "exact" and stored.values.dtype.kind == "f":
            self._count_bins(check, stored, restored)
        everyone = [*self.result.offenders, *offenders]
        everyone.sort(key=lambda one: -one.excess)
        self.result.offenders = everyone[:MOST_OFFENDERS]

    def _count_bins(self, check: ColumnCheck, stored: Nested, restored: Nested) -> None:
        """Fill the histograms of a column; their range is that of its first run that has one."""
        before, after = stored.values.ravel(), restored.values.ravel()
        comb = self._combs.get(check.name) or comb_over(before)
        if comb is not None:
            self._combs[check.name] = comb
            comb.add(before, after)
            check.combed_50, check.combed_100 = comb.different(50), comb.different(100)

    def _same_bytes(self) -> bool:
        """Whether bytes alone show that all values are the same."""
        try:
            if not isinstance(self.before, Held):
                return False
            return self.before.same_bytes(self.after) or self.before.first_different(self.after) is None
        except NotInterpretedError:
            return False

    def _same_run(self, start: int, stop: int) -> bool:
        """Whether bytes alone show it for a run; not tried again once they differed, as they do within bounds."""
        if self.columns or not isinstance(self.before, Held):
            return False
        try:
            values = self.before.same_run(self.after, start, stop)
        except NotInterpretedError:
            return False
        self.as_bytes += values or 0
        return values is not None

    def _bytes(self, problem: NotInterpretedError) -> None:
        """Compare the bytes of what cannot be interpreted."""
        try:
            if not isinstance(self.before, Held):
                raise NotInterpretedError("no bytes to compare")
            entry = self.before.first_different(self.after)
        except NotInterpretedError as worse:
            entry, problem = 0, worse
        self.columns.clear()
        self._rest_is_bytes(same=entry is None)
        if entry is not None:
            self._tell(f"other bytes from entry {entry} on (cannot be interpreted: {problem})")

    def _is_bytes(self) -> bool:
        return any(check.how == "bytes" for check in self.columns.values())

    def _rest_is_bytes(self, same: bool) -> None:
        """One row for all that the part holds."""
        self.request.note(self._names(self.before.name))
        check = self._row(self.before.name)
        check.how, check.changed = "bytes", not same
        check.values = self.as_bytes or self.before.count()
        check.identical = check.values if same else 0
        check.bytes_before, check.bytes_after = self.before.sizes()[0], self.after.sizes()[0]

    def _names(self, name: str) -> tuple[str, ...]:
        """Names by which a bound may call a column: its own, with its tree, without its collection."""
        return (name, f"{self.tree}/{name}", *self.before.short_names(), *self.after.short_names())

    def _changed(self, name: str) -> None:
        check = self.columns.get(name) or self._row(name)
        check.changed = True

    def _row(self, name: str) -> ColumnCheck:
        check = ColumnCheck(name, compressed=self.claim is not None)
        self.columns[name] = check
        return check

    def _tell(self, what: str) -> None:
        self.result.differences.append(f"{self.where}: {what}")


def _counted(column: Nested) -> Nested:
    """Integers of any type, as int64."""
    if column.levels or column.values.dtype.kind not in "iu":
        return column
    return Nested((), column.values.astype(np.int64))
