"""A tree of one of the two files, in parts that are read together: branches, fields, what hepae stores of either."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from hepae.arrays import Integers
from hepae.core.values.bounds import EXACT, Bound
from hepae.core.values.nested import Nested
from hepae.files.verify.structure import Facts

__all__ = ["Claim", "Columns", "Held", "Members", "Part", "Side", "numbered", "runs"]

Columns = dict[str, Nested]
"""Values by what is added to the name of the part."""

RUN_BYTES = 32 << 20
"""Uncompressed bytes of a part that are read at once: enough to make calls cheap, few beside what Python takes."""


@dataclass(frozen=True)
class Claim:
    """What a compressed file says of a part that it stores.

    Attributes
    ----------
    bounds
        The bound that was kept of each column, by what is added to the name of the part; None where none was claimed.
        Columns that are not named are exact.
    escapes
        Values stored bit for bit.
    """

    bounds: Mapping[str, Bound | None]
    escapes: int = 0

    def bound(self, added: str) -> Bound | None:
        """The bound of a column."""
        return self.bounds.get(added, EXACT)

    @property
    def lossy(self) -> bool:
        """Whether any column may differ from what it was."""
        return any(bound is None or bound.kind != "exact" for bound in self.bounds.values())


class Part(Protocol):
    """A branch or a field.

    Attributes
    ----------
    name
        Full path; with its number after it where a name stands a second time: ``x#2``.
    entries
        How many it has.
    claim
        What the file says of a part that hepae stores; None for any other.
    """

    name: str
    entries: int

    @property
    def claim(self) -> Claim | None:
        """What the file says of it."""

    def facts(self) -> Facts:
        """What it is besides its values; only what the parts of both files say is compared."""

    def short_names(self) -> tuple[str, ...]:
        """Names by which a bound may call it besides its own."""

    def edges(self) -> Integers:
        """Entries at which it can be cut without unpacking anything twice."""

    def read(self, start: int, stop: int) -> dict[str, Nested]:
        """Columns of a run of entries: by what is added to the name, ``""`` where the part is one column.

        Raises
        ------
        NotInterpretedError
            If nobody can tell what the bytes mean.
        """

    def sizes(self) -> tuple[int, int]:
        """Bytes on disk, and uncompressed."""

    def count(self) -> int:
        """Number of values, or of entries where that is not known without a look at each."""


@runtime_checkable
class Held(Protocol):
    """A part whose bytes can be compared as they are."""

    def same_bytes(self, other: Part) -> bool:
        """Whether both hold the same bytes, so that nothing needs to be interpreted."""

    def first_different(self, other: Part) -> int | None:
        """The first entry whose bytes differ, or that of the block it is in; None where none does."""

    def same_run(self, other: Part, start: int, stop: int) -> int | None:
        """Number of values in a run of entries that has the same bytes in both; None where that cannot be told."""


@runtime_checkable
class Members(Protocol):
    """A part whose objects hepae's own parser can take apart."""

    @property
    def of_objects(self) -> bool:
        """Whether it holds objects rather than numbers and texts."""

    def members(self, start: int, stop: int) -> Columns:
        """Its columns for a run of entries."""


@dataclass
class Side:
    """A tree of one of the files.

    Attributes
    ----------
    name
        Path and, where it needs one, cycle.
    container
        ``ttree``, ``rntuple`` or ``csv``: facts are compared within one kind.
    parts
        In the order of the tree, without what hepae keeps for itself.
    whole
        Whether it is all of a tree; a side file is not.
    runs
        Runs of entries in which all parts are best read one after the other, where there are such.
    """

    name: str
    container: str
    entries: int
    facts: Facts = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    whole: bool = True
    runs: Callable[[], Iterable[tuple[int, int]]] | None = None


def numbered(names: Sequence[str]) -> list[str]:
    """Names that stand once; a second one of a name gets its number.

    Examples
    --------
    >>> numbered(["x", "y", "x"])
    ['x', 'y', 'x#2']
    """
    seen: dict[str, int] = {}
    out = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return out


def runs(edges: Integers, entries: int, size: int, most: int = RUN_BYTES) -> Iterator[tuple[int, int]]:
    """Runs of entries of about ``most`` bytes each, cut where blocks end as far as that is possible.

    Parameters
    ----------
    edges
        Entries at which blocks begin and end.
    entries, size
        Of the whole part, in entries and in bytes.

    Examples
    --------
    >>> list(runs(np.array([0, 10, 20, 100]), 100, 1000, 300))
    [(0, 20), (20, 50), (50, 80), (80, 100)]
    """
    step = max(1, entries * most // max(size, 1))
    start = 0
    while start < entries:
        at = int(np.searchsorted(edges, start + step, side="right")) - 1
        stop = int(edges[at]) if at >= 0 and edges[at] > start else start + step
        stop = min(stop, entries)
        yield start, stop
        start = stop
