"""Learned compression of jets and other jagged collections in ROOT files, under bounds that hold for every value.

Importing this registers an interpretation with uproot, after which compressed branches read back restored.

Examples
--------
>>> import hepae
>>> model = hepae.train(["events.root"], collection="Jet", bounds=["pt,mass=rel:1e-3"])  # doctest: +SKIP
>>> hepae.compress("events.root", "small.root", model=model)  # doctest: +SKIP
>>> assert hepae.verify("events.root", "small.root").kept  # doctest: +SKIP
>>> with hepae.open("small.root:Events") as events:  # doctest: +SKIP
...     jets = events.arrays(["Jet_pt", "Jet_eta"], cut="nJet >= 2")
"""

from __future__ import annotations

from hepae.files.dataset import train_dataset
from hepae.files.decompress.file import decompress
from hepae.files.inspect.file import inspect
from hepae.files.many.compress import ManyFiles, compress_files
from hepae.files.merge.file import merge
from hepae.files.pipeline import compress
from hepae.files.repack.file import repack
from hepae.files.skim.file import skim
from hepae.files.verify.run import verify
from hepae.learn.modelling import train
from hepae.learn.recipe import Recipe
from hepae.model.dataset import DatasetModel
from hepae.model.model import Model
from hepae.read.interpretation import register, set_restorer
from hepae.read.ntuples import register_ntuples
from hepae.read.opened import concatenate, iterate
from hepae.read.opened import open_file as open  # noqa: A004 - the word users know from uproot
from hepae.read.trees import register_trees
from hepae.stored.reader import restore_branch
from hepae.version import __version__

__all__ = [
    "DatasetModel",
    "ManyFiles",
    "Model",
    "Recipe",
    "__version__",
    "compress",
    "compress_files",
    "concatenate",
    "decompress",
    "inspect",
    "iterate",
    "merge",
    "open",
    "repack",
    "skim",
    "train",
    "train_dataset",
    "verify",
]

set_restorer(restore_branch)
register()
register_trees()
register_ntuples()
