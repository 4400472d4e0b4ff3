"""Learned compression of jets and other jagged collections in ROOT files, under bounds that hold for every value."""

from __future__ import annotations

from hepae.version import __version__

__all__ = ["__version__"]
