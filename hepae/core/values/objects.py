"""What a jagged collection is: a counter, features, and objects in memory. No I/O.

A *collection* is a set of branches that share one counter (``nJet``: ``Jet_pt``, ``Jet_eta``, …); one *object* is
one jet. In memory a chunk of a collection is a count per event and one flat column per feature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from hepae.arrays import Integers, Values
from hepae.errors import CollectionError

__all__ = ["Collection", "Feature", "Objects", "concatenate", "find_collections", "offsets", "ranks"]


@dataclass(frozen=True)
class Feature:
    """One branch of a collection.

    Parameters
    ----------
    name
        Short name, ``"pt"``.
    branch
        Name in the file, ``"Jet_pt"``.
    dtype
        NumPy dtype in native byte order, such as ``"float32"``.
    title
        Title of the branch, which becomes the documentation of the column.
    """

    name: str
    branch: str
    dtype: str
    title: str = ""


@dataclass(frozen=True)
class Collection:
    """A collection as found in a file: its name, its counter (None for implicit counters) and its features."""

    name: str
    counter: str | None
    features: tuple[Feature, ...]

    def feature(self, name: str) -> Feature:
        """The feature of that short or full name."""
        for feature in self.features:
            if name in (feature.name, feature.branch):
                return feature
        raise CollectionError(
            f"no feature {name!r}", where=self.name, expected=", ".join(f.name for f in self.features)
        )


@dataclass
class Objects:
    """A run of whole events of one collection in memory.

    Attributes
    ----------
    counts : int64[n_events]
        Objects per event.
    columns : dict of arrays [n_objects]
        One flat column per feature, keyed by short name, objects in event order.
    events : dict of arrays [n_events]
        Event-level columns that a codec may use as conditions, keyed by branch name; and columns [n_objects] of
        linked rows, keyed by the names that predictions know them by.
    """

    counts: Integers
    columns: dict[str, Values] = field(default_factory=dict)
    events: dict[str, Values] = field(default_factory=dict)

    @property
    def n_events(self) -> int:
        return len(self.counts)

    @property
    def n_objects(self) -> int:
        return int(self.counts.sum())

    def slice(self, start: int, stop: int) -> Objects:
        """Events ``start`` to ``stop`` as views, nothing copied."""
        edges = offsets(self.counts)
        first, last = edges[start], edges[stop]
        return Objects(
            self.counts[start:stop],
            {name: column[first:last] for name, column in self.columns.items()},
            {name: column[start:stop] for name, column in self.events.items()},
        )


def concatenate(parts: Iterable[Objects]) -> Objects:
    """Runs of events one after the other."""
    runs = list(parts)
    if not runs:
        raise CollectionError("no events to concatenate", hint="give at least one run of events")
    return Objects(
        np.concatenate([run.counts for run in runs]),
        {name: np.concatenate([run.columns[name] for run in runs]) for name in runs[0].columns},
        {name: np.concatenate([run.events[name] for run in runs]) for name in runs[0].events},
    )


def offsets(counts: Integers) -> Integers:
    """Index of the first object of each event, and one past the last: int64[n_events + 1].

    Examples
    --------
    >>> offsets(np.array([2, 0, 1])).tolist()
    [0, 2, 2, 3]
    """
    edges = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=edges[1:])
    return edges


def ranks(counts: Integers) -> Integers:
    """Place of each object in its event, from 0: int64[n_objects].

    Examples
    --------
    >>> ranks(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    first = offsets(counts)[:-1]
    return np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(first, counts)


def find_collections(
    branches: Mapping[str, tuple[str, str | None, str]],
) -> dict[str, Collection]:
    """Collections among the branches of a tree, by name.

    A jagged branch belongs to the collection of its counter: ``Jet_pt`` counted by ``nJet`` or ``Jet_n``, ``px``
    counted by ``nparticles``. Branches with a dot (``AnalysisJetsAuxDyn.pt``) belong to what stands before the dot,
    whatever counts them; branches that each have a counter of their own, or none, to what stands before the
    underscore.

    Parameters
    ----------
    branches
        For each one-level jagged branch of numbers: dtype, name of its counter or None, title.

    Examples
    --------
    >>> found = find_collections({"Jet_pt": ("float32", "nJet", ""), "MuonMass": ("float32", None, "")})
    >>> found["Jet"].counter, [f.name for f in found["Jet"].features]
    ('nJet', ['pt'])
    """
    found: dict[str, tuple[str | None, list[Feature]]] = {}
    for branch, (dtype, counter, title) in branches.items():
        name, short = _split(branch, counter)
        if short:
            found.setdefault(name, (counter, []))[1].append(Feature(short, branch, dtype, title))
    return {name: Collection(name, counter, tuple(features)) for name, (counter, features) in found.items()}


def _split(branch: str, counter: str | None) -> tuple[str, str]:
    """Collection and feature that a branch name is made of; an empty feature where it is not of a collection."""
    if "." in branch:
        name, short = branch.split(".", 1)
        return name, short
    for stem in _stems(counter or ""):
        if branch.startswith(f"{stem}_"):
            return stem, branch[len(stem) + 1 :]
    name, _, short = branch.partition("_")
    if not short and counter is not None and branch not in _stems(counter):
        return next(iter(_stems(counter)), counter), branch
    return name, short


def _stems(counter: str) -> list[str]:
    """What a counter counts, by its name: ``nJet``, ``NJet``, ``Jet_n`` and ``Jet_size`` count ``Jet``."""
    stems = [counter.removesuffix(end) for end in ("_n", "_N", "_size") if counter.endswith(end)]
    if counter[:1] in ("n", "N"):
        stems.append(counter[1:])
    return [stem for stem in stems if stem]
