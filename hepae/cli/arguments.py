"""Arguments that several commands have: files and URLs, and what becomes of an output that exists."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from hepae.core.values.names import is_url

__all__ = ["Add", "add_force", "local", "location"]

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: name, function, help, example."""


def location(text: str) -> str | Path:
    """A file of the command line: a path, or a URL, which keeps its slashes.

    Examples
    --------
    >>> location("root://eos.cern.ch//eos/a.root")
    'root://eos.cern.ch//eos/a.root'
    """
    return text if is_url(text) else Path(text)


def local(text: str) -> Path:
    """A file or folder of the command line that is written: never a URL."""
    if is_url(text):
        raise argparse.ArgumentTypeError(f"a URL cannot be written to: {text}; name a local file")
    return Path(text)


def add_force(part: argparse.ArgumentParser) -> None:
    """The option ``--force`` of a command that writes."""
    part.add_argument("--force", action="store_true", help="replace what exists under the name of the output")
