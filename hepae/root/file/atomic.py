"""Replace a file at once or not at all: a temporary beside it, flushed to the disk, then renamed over it.

Every command that writes goes through `atomic_output` or `check_target`, so that one rule holds for all of them: what
exists is kept unless the user says ``force``, and an input is never the output.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from hepae.core.values.names import is_url
from hepae.errors import OutputError

__all__ = [
    "atomic_output",
    "check_target",
    "output_folder",
    "remove_stale",
    "remove_unfinished",
    "scratch",
    "temporary_name",
]

TEMPORARY = re.compile(r"\.(?P<target>.+)\.hepae-(?P<process>\d+)-\d+\.part")
FORCE_HINT = "write to another name, or replace it with --force (in Python force=True)"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""Errors of a file system that takes no more, which come without the name of a file."""
_numbers = count()
_open: set[Path] = set()


def temporary_name(target: Path) -> Path:
    """Where a target is written before it is complete: hidden, in the same folder, named by process and number."""
    return target.with_name(f".{target.name}.hepae-{os.getpid()}-{next(_numbers)}.part")


@contextmanager
def atomic_output(
    target: str | Path, inputs: Iterable[str | Path] = (), *, force: bool = False
) -> Iterator[Path]:
    """A path to write to; on leaving without an error what was written there becomes the target.

    Whatever happens before, the target stays as it was, and the temporary is removed. One that a killed process left
    is removed by the next run. Where the target is a symbolic link, the file that it points to is written.

    Parameters
    ----------
    target
        The final name.
    inputs
        Files that the target must not be.
    force
        Replace a target that exists; of two writers the one that completes last wins. Without it, a target that
        exists, at the start or at the end, is an error.

    Raises
    ------
    OutputError
        If the target exists, is one of the inputs, a folder, a device or a URL, its folder does not exist or cannot be
        written, or the disk is full.
    """
    final = check_target(target, inputs, force=force)
    remove_stale(final)
    temporary = temporary_name(final)
    _open.add(temporary)
    try:
        temporary.touch()
    except OSError as error:
        _open.discard(temporary)
        raise OutputError("cannot be written", where=final, got=error.strerror) from error
    try:
        yield temporary
        if not force:
            _refuse_existing(final)
        replace(temporary, final)
    except OSError as error:
        if error.errno in FULL or error.filename in (temporary, str(temporary)):
            raise OutputError("cannot be written", where=final, got=error.strerror) from error
        raise
    finally:
        _open.discard(temporary)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def scratch(final: Path) -> Iterator[Path]:
    """A path for what is written on the way to an output, and removed in the end.

    Parameters
    ----------
    final
        The output, or its temporary name.
    """
    found = TEMPORARY.fullmatch(final.name)
    temporary = temporary_name(final.with_name(found["target"]) if found else final)
    _open.add(temporary)
    try:
        yield temporary
    finally:
        _open.discard(temporary)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_target(target: str | Path, inputs: Iterable[str | Path] = (), *, force: bool = False) -> Path:
    """Refuse targets that cannot be, before any work; the file to write otherwise, symbolic links followed.

    Raises
    ------
    OutputError
        See `atomic_output`.
    """
    if is_url(target):
        raise OutputError("a URL cannot be written to", where=target, hint="write to a local file")
    final = _followed(Path(target))
    if final.is_dir():
        raise OutputError("is a directory", where=final, expected="a file name")
    if not final.parent.is_dir():
        raise OutputError("no such directory", where=final.parent)
    for given in inputs:
        if _same_file(given, final):
            raise OutputError("output is the input", where=final, hint="write to another name")
    if final.exists() and not final.is_file():
        raise OutputError("is no ordinary file", where=final, hint="write to another name")
    if not force:
        _refuse_existing(final)
    if not os.access(final.parent, os.W_OK):
        raise OutputError("no permission to write", where=final.parent)
    return final


def output_folder(folder: str | Path) -> Path:
    """The folder for several outputs, made if it is not there.

    Raises
    ------
    OutputError
        If it cannot be made, or there is a file of that name.
    """
    if is_url(folder):
        raise OutputError("a URL cannot be written to", where=folder, hint="write to a local folder")
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError("the folder cannot be made", where=folder, got=error.strerror) from error
    return Path(folder)


def _followed(target: Path) -> Path:
    """The file that a symbolic link points to, whether it exists or not; anything else as it is."""
    if not target.is_symlink():
        return target
    final = Path(os.path.realpath(target))
    if final.is_symlink():  # what cannot be followed to its end stays a link
        raise OutputError("is a symbolic link to itself", where=target)
    return final


def _same_file(given: str | Path, final: Path) -> bool:
    path = Path(str(given).removeprefix("file://"))
    return not is_url(path) and path.exists() and final.exists() and path.samefile(final)


def _refuse_existing(final: Path) -> None:
    if final.exists():
        raise OutputError("exists already", where=final, hint=FORCE_HINT)


def replace(temporary: Path, final: Path) -> None:
    """Flush a file and its folder to the disk, and rename it in between."""
    try:
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        if final.exists():
            temporary.chmod(final.stat().st_mode & 0o777)
        temporary.replace(final)
        folder = os.open(final.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise OutputError("cannot be written", where=final, got=error.strerror) from error


def remove_stale(final: Path) -> None:
    """Remove temporaries of this target whose process is gone."""
    for path in final.parent.glob(f".{glob_escaped(final.name)}.hepae-*.part"):
        found = TEMPORARY.fullmatch(path.name)
        if found and found["target"] == final.name and not in_use(path, int(found["process"])):
            with suppress(OSError):
                path.unlink()


def remove_unfinished() -> None:
    """Remove what this process is writing, where it leaves at once."""
    for path in tuple(_open):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def glob_escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def in_use(path: Path, process: int) -> bool:
    """Whether a temporary belongs to a process that runs; process numbers are used again, our own too."""
    if process == os.getpid():
        return path in _open
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
