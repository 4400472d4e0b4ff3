"""Work on the cores of one machine, results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["cores", "in_order"]

Given = TypeVar("Given")
Made = TypeVar("Made")


def cores() -> int:
    """Cores that this process may use: those of a batch slot, where the system says which, or all of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(function: Callable[[Given], Made], items: Iterable[Given], workers: int) -> Iterator[Made]:
    """Map over the cores, results in order, never more items at a time than workers: memory stays bounded.

    >>> list(in_order(abs, [-3, 2, -1], workers=2))
    [3, 2, 1]
    """
    with ThreadPoolExecutor(workers) as pool:
        ahead: deque[Future[Made]] = deque()
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) >= workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
