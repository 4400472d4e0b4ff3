"""The version of the package, in one place."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("hepae")
except PackageNotFoundError:  # a checkout on the path that was not installed
    __version__ = "0+unknown"
