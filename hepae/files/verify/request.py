"""The bound that each column is checked against: as requested, or, with no request, as the compressed file says."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from hepae.core.values.bounds import EXACT, Assignments, Bound, feasible, parse_assignments
from hepae.errors import BoundError, nearest
from hepae.files.verify.structure import COMPRESSION, Facts

__all__ = ["Request"]

WILD = "*?["


class Request:
    """What was asked for.

    Parameters
    ----------
    bounds
        Patterns of column names with their bounds, or texts such as ``"pt,E=rel:1e-3"``; later ones win. None or
        nothing: what the compressed file says.
    recompressed
        Whether branches may be compressed otherwise than they were.

    Examples
    --------
    >>> asked = Request(["*=rel:1e-3", "Jet_eta=exact"])
    >>> str(asked.bound(("Jet_pt", "pt"), "float32", EXACT)), str(asked.bound(("Jet_eta",), "float32", EXACT))
    ('rel:0.001', 'exact')
    >>> str(asked.bound(("event",), "uint64", EXACT))
    'exact'
    """

    def __init__(self, bounds: Assignments | None, recompressed: bool = False) -> None:
        self._unasked = COMPRESSION if recompressed else frozenset[str]()
        self._pairs = parse_assignments(bounds or ())
        self._unused = {pattern for pattern, _ in self._pairs}
        self._seen: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def asked_of(self, facts: Facts) -> Facts:
        """What has to be the same of a branch besides its values."""
        return {words: fact for words, fact in facts.items() if words not in self._unasked}

    def bound(self, names: Sequence[str], dtype: str, claimed: Bound | None) -> Bound | None:
        """The bound of a column.

        Parameters
        ----------
        names
            The name of the column, and others by which a pattern may call it.
        dtype
            NumPy's name of its type: numbers that are no floats are kept exactly, whatever was asked for.
        claimed
            What the compressed file says of it; exact where it says nothing.

        Returns
        -------
        Bound or None
            None where the file claims none, and none was asked for.

        Raises
        ------
        BoundError
            If integers were named without a wildcard, and are to be anything but exact.
        """
        if not self._pairs:
            return claimed
        bound = EXACT
        for pattern, asked in self._pairs:
            if not _matches(pattern, names):
                continue
            self._unused.discard(pattern)
            wild = any(sign in pattern for sign in WILD)
            if dtype.startswith("float"):
                bound = _feasible(asked, dtype, names[0], wild)
            elif asked.kind != "exact" and not wild:
                raise BoundError(
                    "integers and booleans are kept exactly", where=names[0], expected="exact", got=asked
                )
        return bound

    def note(self, names: Sequence[str]) -> None:
        """Note a branch that need not be measured, so that a bound for it, or for a member, is not for nothing."""
        if self._pairs:
            self._seen.append(names[0])
            members = tuple(f"{name}." for name in names)
            self._unused = {
                pattern
                for pattern in self._unused
                if not _matches(pattern, names) and not pattern.startswith(members)
            }

    def require_used(self, where: str) -> None:
        """Refuse a request for a column that is nowhere.

        Raises
        ------
        BoundError
            Naming the pattern.
        """
        for pattern, _ in self._pairs:
            if pattern in self._unused:
                hint = nearest(pattern, self._seen)
                raise BoundError(
                    "a bound for a column that is not there", where=where, got=pattern, hint=hint or None
                )


def _feasible(asked: Bound, dtype: str, where: str, wild: bool) -> Bound:
    """The bound; where a wildcard gave it to a type that does not resolve it, every bit."""
    try:
        return feasible(asked, dtype, where)
    except BoundError:
        if not wild:
            raise
        return EXACT


def _matches(pattern: str, names: Sequence[str]) -> bool:
    # a name may hold brackets, which mean something else in a pattern
    return any(name == pattern or fnmatchcase(name, pattern) for name in names)
