"""ROOT files, read and written; the only importer of uproot.

Reading::

    with open_source(path) as source:              # InputError: missing, empty, truncated, not ROOT, directory
        source.keys, source.trees, source.has_models   # all keys with cycles; trees by path with class
        tree = source.tree("Events")               # or source.tree(): the only or the largest one
        tree.name, tree.title, tree.num_entries, tree.branches       # branches: dict[str, Branch]
        tree.collections(), tree.collection("Jet")     # hepae.core.values.objects.Collection
        tree.event_branches(), tree.passed_through()   # one number per event; the rest, with C++ types
        for objects in tree.iterate(collection, ["pt", "eta"], events=["MET_pt"], events_per_chunk=10_000):
            ...                                    # hepae.core.values.objects.Objects, native byte order, dtypes kept
        tree.read("Jet_pt", 0, 100)                # an array [n_events], or Jagged(counts, values)

Writing::

    with atomic_output(target, inputs=(path,)) as temporary:       # temporary file, fsync, os.replace on leaving
        with RootWriter(temporary, source) as out:                 # source=None: nothing to copy from
            tree = out.rewrite_tree(source.tree("Events"), plan)   # plan: Keep(name) | NewBranch(...), in order
            tree.append({"Jet_pt__hepae": Jagged(counts, values)}) # one basket per new branch; as often as needed
            tree.finish()                                          # counts must add up to the kept entries
            models = out.new_tree("hepae_models", [NewBranch("sha256", "uint8", shape=(32,)), ...])
            models.append({...}); models.finish()
            out.copy_rest()                                        # all other keys of the source, raw
        verify(temporary)                                          # whatever raises here leaves the target alone

`NewBranch(name, dtype, title, counter=None, shape=(), compression=Compression("zstd", 5))`. A jagged branch names its
counter, a kept one or a new one that stands before it in the plan; new counters are filled from the counts.
"""

from __future__ import annotations

from hepae.root.columns import Branch, Column, Jagged
from hepae.root.file.atomic import atomic_output
from hepae.root.file.compression import LZMA_BEST, STORED, ZSTD_DEFAULT, Compression
from hepae.root.file.source import Key, Source, open_source
from hepae.root.file.writer import RootWriter
from hepae.root.tree import TreeReader
from hepae.root.ttree.plan import Keep, NewBranch, Plan
from hepae.root.ttree.reader import TTreeReader
from hepae.root.ttree.writer import TreeWriter

__all__ = [
    "LZMA_BEST",
    "STORED",
    "ZSTD_DEFAULT",
    "Branch",
    "Column",
    "Compression",
    "Jagged",
    "Keep",
    "Key",
    "NewBranch",
    "Plan",
    "RootWriter",
    "Source",
    "TTreeReader",
    "TreeReader",
    "TreeWriter",
    "atomic_output",
    "open_source",
]
