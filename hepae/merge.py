"""`from hepae.merge import merge`: the public path of `hepae.files.merge`."""

from hepae.files.merge.file import merge

__all__ = ["merge"]
