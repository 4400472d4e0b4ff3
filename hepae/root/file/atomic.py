"""Replace a file at once or not at all: a temporary beside it, flushed to the disk, then renamed over it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from hepae.errors import OutputError

__all__ = ["atomic_output", "check_target", "remove_stale", "temporary_name"]

TEMPORARY = re.compile(r"\.(?P<target>.+)\.hepae-(?P<process>\d+)-\d+\.part")
_numbers = count()
_open: set[Path] = set()


def temporary_name(target: Path) -> Path:
    """Where a target is written before it is complete: hidden, in the same folder, named by process and number."""
    return target.with_name(f".{target.name}.hepae-{os.getpid()}-{next(_numbers)}.part")


@contextmanager
def atomic_output(target: str | Path, inputs: tuple[str | Path, ...] = ()) -> Iterator[Path]:
    """A path to write to; on leaving without an error what was written there becomes the target.

    Whatever happens before, the target stays as it was, and the temporary is removed. One that a killed process left
    is removed by the next run. Of two writers the one that completes last wins.

    Parameters
    ----------
    target
        The final name.
    inputs
        Files that the target must not be.

    Raises
    ------
    OutputError
        If the target is one of the inputs or a folder, its folder does not exist or cannot be written, or the disk
        is full.
    """
    final = Path(target)
    check_target(final, inputs)
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
        replace(temporary, final)
    except OSError as error:
        raise OutputError("cannot be written", where=final, got=error.strerror) from error
    finally:
        _open.discard(temporary)
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_target(final: Path, inputs: tuple[str | Path, ...]) -> None:
    """Refuse targets that cannot be, before any work."""
    if final.is_dir():
        raise OutputError("is a directory", where=final, expected="a file name")
    if not final.parent.is_dir():
        raise OutputError("no such directory", where=final.parent)
    if not os.access(final.parent, os.W_OK):
        raise OutputError("no permission to write", where=final.parent)
    for given in inputs:
        path = Path(given)
        if path.exists() and final.exists() and path.samefile(final):
            raise OutputError("output is the input", where=final, hint="write to another name")


def replace(temporary: Path, final: Path) -> None:
    """Flush a file and its folder to the disk, and rename it in between."""
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


def remove_stale(final: Path) -> None:
    """Remove temporaries of this target whose process is gone."""
    for path in final.parent.glob(f".{glob_escaped(final.name)}.hepae-*.part"):
        found = TEMPORARY.fullmatch(path.name)
        if found and found["target"] == final.name and not in_use(path, int(found["process"])):
            with suppress(OSError):
                path.unlink()


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
