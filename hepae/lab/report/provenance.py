"""Where a report comes from: which files, which command, which versions, when."""

from __future__ import annotations

import hashlib
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from hepae.core.values.names import is_url

__all__ = ["digest", "provenance"]

LIBRARIES = ("hepae", "numpy", "awkward", "uproot", "hist")
"""What numbers and pictures of a report depend on."""

READ_AT_ONCE = 1 << 22
"""Bytes of a file in memory."""


def digest(path: str) -> str:
    """SHA-256 of a local file; of a URL, that it was not read as a whole."""
    if is_url(path):
        return "not read as a whole"
    found = hashlib.sha256()
    with Path(path).open("rb") as file:
        while data := file.read(READ_AT_ONCE):
            found.update(data)
    return found.hexdigest()


def provenance(original: str, file: str) -> list[list[str]]:
    """The last section of a report.

    Parameters
    ----------
    original, file
        Before and after.

    Returns
    -------
    list of [name, value]
        A row for each fact.
    """
    words = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return [
        ["original", original],
        ["SHA-256", digest(original)],
        ["file", file],
        ["SHA-256", digest(file)],
        ["command", words],
        ["made", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"],
        ["versions", ", ".join(f"{name} {version(name)}" for name in LIBRARIES)],
        ["Python", platform.python_version()],
    ]
