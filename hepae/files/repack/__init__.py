"""Rewrite a ROOT file losslessly without any model: lean headers, the best classical compression. ROOT reads it.

`file` takes a file through it, `tree` one TTree: fuller baskets, each branch under the algorithm that suits it.
"""

from hepae.files.repack.file import Repacked, repack

__all__ = ["Repacked", "repack"]
