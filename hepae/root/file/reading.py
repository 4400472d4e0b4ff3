"""What goes wrong while a file is read, as errors of the catalogue: a damaged file, an unreachable one, or a defect."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uproot

from hepae.errors import (
    PACKAGE,
    DefectError,
    HepaeError,
    InputError,
    MissingExtraError,
    UnsupportedError,
    report_it,
)

__all__ = ["reading"]

UPROOT = Path(uproot.__file__).parent
PARSERS = PACKAGE / "root"
"""Where bytes of a file are taken apart by hepae itself."""

NETWORK = frozenset({"aiohttp", "botocore", "fsspec", "http", "requests", "ssl", "urllib3", "XRootD"})
"""Packages whose errors are those of a server or of the way to it."""

UNSUPPORTED = (
    NotImplementedError,
    uproot.interpretation.identify.UnknownInterpretation,
    uproot.interpretation.objects.CannotBeAwkward,
)


@contextmanager
def reading(where: object) -> Iterator[None]:
    """Turn whatever reading raises inside into an error of the catalogue that says where.

    Raises
    ------
    InputError
        If the file is damaged, is not there, or cannot be reached.
    UnsupportedError
        If uproot cannot read what is there.
    MissingExtraError
        If a package is missing, such as one for a protocol.
    DefectError
        If what failed is hepae's own.
    """
    try:
        yield
    except (HepaeError, MemoryError):
        raise
    except Exception as error:
        raise explained(error, where) from error


def explained(error: Exception, where: object) -> HepaeError:
    """The error of the catalogue for one that a reader raised."""
    text = str(error).strip().split("\n")[0]
    got = f"{type(error).__name__}: {text}"
    if isinstance(error, ImportError):
        return MissingExtraError("a package is needed to read this", where=where, got=text)
    if isinstance(error, FileNotFoundError):
        return InputError("no such file", where=where)
    if isinstance(error, OSError) and error.errno is not None:
        return InputError("cannot be read", where=where, got=error.strerror or text)
    if isinstance(error, TimeoutError) or type(error).__module__.partition(".")[0] in NETWORK:
        return InputError("cannot be reached", where=where, got=got)
    frame = _innermost(error)
    if PARSERS in frame.parents:
        return InputError("cannot be read", where=where, got=got, hint=f"where ROOT reads it, {report_it()}")
    if PACKAGE in frame.parents:
        return DefectError.of(error, where)
    if isinstance(error, UNSUPPORTED):
        return UnsupportedError("uproot cannot read this", where=where, got=got)
    if isinstance(error, KeyError):
        return InputError("not in the file", where=where, got=text)
    return InputError("cannot be read", where=where, got=got, hint="is the file damaged?")


def _innermost(error: Exception) -> Path:
    """The file of hepae or uproot in which the innermost call of either was made."""
    paths = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    return next((path for path in reversed(paths) if {PACKAGE, UPROOT} & set(path.parents)), PACKAGE)
