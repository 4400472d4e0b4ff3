"""Commands that are told to stop: SIGTERM and SIGHUP end them as Ctrl-C does, and nothing half-written stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from hepae.root.file.atomic import remove_unfinished

__all__ = ["Stopped", "exit_code", "stop_workers", "stoppable", "worker"]

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
SHELL = 128
"""A process that a signal ended has this and the number of the signal as its exit code in a shell."""


class Stopped(KeyboardInterrupt):
    """A signal asked the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def exit_code(problem: KeyboardInterrupt) -> int:
    """What the shell expects of a process that was stopped.

    Examples
    --------
    >>> exit_code(KeyboardInterrupt()), exit_code(Stopped(15))
    (130, 143)
    """
    return SHELL + (problem.number if isinstance(problem, Stopped) else signal.SIGINT)


@contextmanager
def stoppable() -> Iterator[None]:
    """Signals that end a process raise `Stopped` inside; those that are ignored (``nohup``) stay ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def worker() -> None:
    """Make a process of a pool leave at once when it is told to, without its unfinished files."""
    for number in (*SIGNALS, signal.SIGINT):
        signal.signal(number, _leave)


def stop_workers() -> None:
    """Tell the processes of all pools of this process to leave."""
    for process in multiprocessing.active_children():
        process.terminate()


def _raise(number: int, _: FrameType | None) -> None:
    for other in SIGNALS:  # cleaning up is not interrupted: SIGHUP often follows SIGTERM
        if signal.getsignal(other) is _raise:
            signal.signal(other, _ignore)
    raise Stopped(number)


def _ignore(_: int, __: FrameType | None) -> None:
    """Nothing: unlike SIG_IGN, processes that are started meanwhile do not inherit it."""


def _leave(number: int, _: FrameType | None) -> None:
    remove_unfinished()
    os._exit(SHELL + number)
