"""Jets as images: made from constituents, averaged, drawn, kept in ROOT files."""

from __future__ import annotations

from hepae.lab.images.pixels import CHANNELS, jet_images

__all__ = ["CHANNELS", "jet_images"]
