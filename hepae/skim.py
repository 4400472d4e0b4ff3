"""`from hepae.skim import skim`: the public path of `hepae.files.skim`."""

from hepae.files.skim.file import skim

__all__ = ["skim"]
