"""ROOT files, read and written; the only importer of uproot.

Reading::

    with open_source(path) as source:                  # InputError: missing, empty, truncated, not ROOT, directory
        source.keys, source.trees, source.has_models   # every key with its cycle; trees by path with their class
        tree = source.tree("Events")                   # or source.tree(): the only or the largest one
        tree.name, tree.title, tree.num_entries, tree.branches       # dict[str, Branch]
        tree.collections(), tree.collection("Jet")     # hepae.collection.Collection
        tree.event_branches(), tree.passed_through()   # one number per event; everything else, with its C++ type
        for objects in tree.iterate(collection, ["pt", "eta"], events=["MET_pt"], events_per_chunk=10_000):
            ...                                        # hepae.collection.Objects, native byte order, dtypes kept
        tree.read("Jet_pt", 0, 100)                    # an array [n_events], or Jagged(counts, values)
"""

from __future__ import annotations

from hepae.rootio.columns import Branch, Column, Jagged
from hepae.rootio.source import Key, Source, open_source
from hepae.rootio.tree import TreeReader

__all__ = ["Branch", "Column", "Jagged", "Key", "Source", "TreeReader", "open_source"]
