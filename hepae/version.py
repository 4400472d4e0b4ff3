"""The version of the package, in one place: the build, CITATION.cff and the documentation take it from here."""

__version__ = "0.1.0"
