"""Model files as bytes, and where a model that was refused came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hepae import limits
from hepae.core.values.names import is_url
from hepae.errors import HepaeError, InputError, OutputError

__all__ = ["located", "read_model", "write_model"]


def read_model(path: str | Path) -> bytes:
    """The bytes of a model file, one more than may be at the most.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if is_url(path):
        raise InputError("a model is not read from a URL", where=path, hint="download it first")
    try:
        with Path(path).open("rb") as file:
            return file.read(limits.MAX_MODEL_BYTES + 1)
    except OSError as problem:
        raise InputError("the model cannot be read", where=path, got=problem.strerror) from None


def write_model(path: str | Path, data: bytes, *, force: bool = False) -> None:
    """Write a model file.

    Raises
    ------
    OutputError
        If it exists and ``force`` does not say to replace it, or it cannot be written.
    """
    try:
        with Path(path).open("wb" if force else "xb") as file:
            file.write(data)
    except FileExistsError:
        raise OutputError(
            "exists already", where=path, hint="save to another name, or replace it with force=True"
        ) from None
    except OSError as problem:
        raise OutputError("the model cannot be written", where=path, got=problem.strerror) from None


@contextmanager
def located(path: str | Path) -> Iterator[None]:
    """Errors inside say which file they are about."""
    try:
        yield
    except HepaeError as problem:
        place = path if problem.where is None else f"{path}, {problem.where}"
        facts = {"expected": problem.expected, "got": problem.got}
        raise type(problem)(problem.what, where=place, **facts, hint=problem.hint) from None
