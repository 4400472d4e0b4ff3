"""Progress on a terminal, silence elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Reporter", "quietly", "reporter"]

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quietly() -> Iterator[None]:
    """Neither results nor progress are shown inside."""
    token = _quiet.set(True)
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nothing, redirect_stdout(nothing):
            yield
    finally:
        _quiet.reset(token)


class Reporter:
    """Where long work says how far it is: one bar for each phase."""

    def __init__(self, bars: Progress | None) -> None:
        self._bars, self._tasks = bars, {}  # type: ignore[var-annotated]

    def __call__(self, phase: str, done: int, total: int, note: str = "") -> None:
        """Phase, amount done and in all, and a note such as the loss."""
        if self._bars is None:
            return
        if phase not in self._tasks:
            self._tasks[phase] = self._bars.add_task(phase, total=total, note="")
        self._bars.update(self._tasks[phase], completed=done, total=total, note=note)


@contextmanager
def reporter() -> Iterator[Reporter]:
    """Bars on the standard error where that is a terminal, else nothing."""
    if _quiet.get() or not sys.stderr.isatty():
        yield Reporter(None)
        return
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=console
    ) as bars:
        yield Reporter(bars)
