"""NumPy on one thread while predictions are fitted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_thread"]


@contextmanager
def one_thread() -> Iterator[None]:
    """NumPy on one thread: of many small products, threads wait for each other more than they work.

    On a machine that others use as well, a fit of a second takes a minute otherwise. Without threadpoolctl (the extras
    `cli` and `train`) the same is fitted, only slower.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ModuleNotFoundError:
        yield
    else:
        with threadpool_limits(1):
            yield
