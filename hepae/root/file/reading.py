"""What goes wrong while a file is read, as errors of the catalogue: a damaged file, an unreachable one, or a defect."""

from __future__ import annotations

import queue
import traceback
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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

__all__ = ["merged_ranges", "reading", "side_by_side"]

UPROOT = Path(uproot.__file__).parent
PARSERS = PACKAGE / "root"
"""Where bytes of a file are taken apart by hepae itself."""

NEIGHBOURS = 1 << 14
"""Bytes between two ranges that are read rather than asked for anew: less than a request costs on a network."""

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


def side_by_side(source: Any, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
    """Ranges of bytes of one of uproot's sources: over a network all are asked for at once."""
    chunks = source.chunks(list(ranges), notifications=queue.Queue())
    return [bytes(chunk.raw_data) for chunk in chunks]


def merged_ranges(
    read: Callable[[Sequence[tuple[int, int]]], list[bytes]],
    ranges: Sequence[tuple[int, int]],
    where: object,
) -> list[bytes]:
    """Ranges of bytes; neighbouring ones are one request.

    Parameters
    ----------
    read
        Gives the bytes of ranges, from their starts and stops.
    ranges
        In any order.
    where
        For messages.

    Raises
    ------
    InputError
        If there are fewer bytes than that.

    Examples
    --------
    >>> data = bytes(range(100))
    >>> def read(ranges):
    ...     return [data[start:stop] for start, stop in ranges]
    >>> merged_ranges(read, [(7, 9), (1, 2)], "a file")
    [b'\\x07\\x08', b'\\x01']
    """
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if merged and start - merged[-1][1] <= NEIGHBOURS:
            merged[-1] = merged[-1][0], max(merged[-1][1], stop)
        else:
            merged.append((start, stop))
    with reading(where):
        data = read(merged)
    starts = [start for start, _ in merged]
    parts = []
    for start, stop in ranges:
        number = bisect_right(starts, start) - 1
        part = data[number][start - starts[number] : stop - starts[number]]
        if len(part) != stop - start:
            raise InputError("the file is cut short", where=where, expected=stop - start, got=len(part))
        parts.append(part)
    return parts


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
