"""Histograms into a ROOT file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import uproot

from hepae.root.file.atomic import atomic_output, check_target

__all__ = ["check_pages", "write_histograms"]


def write_histograms(path: str | Path, histograms: Mapping[str, Any], *, force: bool = False) -> None:
    """Write histograms of the package ``hist``, one- or two-dimensional, as TH1D and TH2D.

    Parameters
    ----------
    path
        ROOT file to write; it appears complete or not at all.
    histograms
        By path in the file; a path with a slash goes into a directory.
    force
        Replace a file that exists, which is an error otherwise.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with atomic_output(path, force=force) as temporary, uproot.recreate(temporary) as file:
        for name, histogram in histograms.items():
            file[name] = histogram


def check_pages(target: Path, inputs: Iterable[str | Path], *, force: bool = False) -> Path:
    """Refuse a page that cannot be written, or whose histograms cannot; where the histograms go otherwise."""
    histograms, inputs = target.with_suffix(".root"), tuple(inputs)
    for path in (target, histograms):
        check_target(path, inputs, force=force)
    return histograms
