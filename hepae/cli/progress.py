"""Progress on a terminal, silence elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["Reporter", "reporter"]


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
    if not sys.stderr.isatty():
        yield Reporter(None)
        return
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    console = Console(stderr=True)
    with Progress(
        *columns, TimeRemainingColumn(), TextColumn("{task.fields[note]}"), console=console
    ) as bars:
        yield Reporter(bars)
