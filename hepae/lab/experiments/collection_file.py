"""A collection in memory as a ROOT file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hepae.core.values.objects import Collection, Objects
from hepae.root.columns import Column, Jagged
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch

__all__ = ["write_objects"]


def write_objects(
    path: str | Path, objects: Objects, collection: Collection, features: Sequence[str]
) -> None:
    """Write a tree ``Events`` with a counter, features of a collection, and the event-level columns.

    Parameters
    ----------
    path
        ROOT file to write.
    objects
        Whole events.
    collection
        What they are of.
    features
        Short names of the features to write.
    """
    counter = collection.counter or f"n{collection.name}"
    chosen = [collection.feature(name) for name in features]
    plan = [NewBranch(name, str(column.dtype)) for name, column in objects.events.items() if name != counter]
    plan.append(NewBranch(counter, "int32", f"number of {collection.name} objects"))
    plan += [NewBranch(feature.branch, feature.dtype, feature.title, counter) for feature in chosen]
    columns: dict[str, Column] = {**objects.events, counter: objects.counts.astype(np.int32)}
    columns |= {feature.branch: Jagged(objects.counts, objects.columns[feature.name]) for feature in chosen}
    with RootWriter(path) as out:
        tree = out.new_tree("Events", plan)
        tree.append(columns)
        tree.finish()
