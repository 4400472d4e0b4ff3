"""ROOT files made from arrays, and jets to put into them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hepae.arrays import Integers, Values
from hepae.root.columns import Column, Jagged
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch

DTYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64",
)  # fmt: skip
"""What a branch can be of."""


def write_events(
    path: Path,
    counts: Integers,
    columns: Mapping[str, Values],
    events: Mapping[str, Values] | None = None,
    *,
    collection: str = "Jet",
    runs: int = 1,
) -> Path:
    """Write a tree ``Events`` with one collection and event-level branches, in so many baskets.

    Parameters
    ----------
    path
        The file to write; it is replaced where there is one.
    counts
        Objects of each event, int64[events].
    columns
        Values of the objects of all events, one after the other, by feature: a branch ``Jet_pt`` for ``pt``.
    events
        A value of each event, by branch.
    collection
        Prefix of the branches of objects; their counter is ``nJet``.
    runs
        Baskets of each branch.

    Returns
    -------
    Path
        The file.

    Examples
    --------
    >>> path = write_events(Path("events.root"), *jets(100))  # doctest: +SKIP
    """
    events = events or {}
    counter = f"n{collection}"
    plan = [NewBranch(counter, "int32", "how many")]
    plan += [NewBranch(name, values.dtype.name, f"{name} of the event") for name, values in events.items()]
    plan += [
        NewBranch(f"{collection}_{name}", values.dtype.name, f"{name} of the object", counter)
        for name, values in columns.items()
    ]
    edges = np.concatenate([[0], np.cumsum(counts)])
    cuts = np.linspace(0, len(counts), runs + 1).astype(int)
    with RootWriter(path) as out:
        tree = out.new_tree("Events", plan, "events for a test")
        for start, stop in itertools.pairwise(cuts):
            if start == stop:
                continue
            run: dict[str, Column] = {name: values[start:stop] for name, values in events.items()}
            run[counter] = np.asarray(counts[start:stop], np.int32)
            for name, values in columns.items():
                run[f"{collection}_{name}"] = Jagged(counts[start:stop], values[edges[start] : edges[stop]])
            tree.append(run)
        tree.finish()
    return path


def jets(n_events: int, seed: int = 1, most: int = 6) -> tuple[Integers, dict[str, Values]]:
    """Counts and columns of jets that look like jets: falling pt, one energy fraction, an integer, a flag.

    Parameters
    ----------
    n_events
        How many events.
    seed
        Of the random numbers.
    most
        Jets of an event, at most.

    Returns
    -------
    counts : int64[events]
        Jets of each event.
    columns : dict
        pt [GeV], eta, phi, mass [GeV], chHEF (float32), nConst (int32) and tight (bool) of each jet.
    """
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most + 1, n_events)
    n = int(counts.sum())
    event = np.repeat(np.arange(n_events), counts)
    pt = (20 * (1 + rng.pareto(2.5, n))).astype(np.float32)
    pt = pt[np.lexsort((-pt, event))]
    columns = {
        "pt": pt,
        "eta": rng.normal(0, 2, n).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        "mass": (0.1 * pt * rng.lognormal(0, 0.3, n)).astype(np.float32),
        "chHEF": np.clip(rng.normal(0.6, 0.25, n), 0, 1).astype(np.float32),
        "nConst": rng.poisson(np.sqrt(pt)).astype(np.int32),
        "tight": rng.random(n) < 0.8,
    }
    return counts, columns
