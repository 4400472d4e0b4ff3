"""A lock that a forked child finds open, and a property that needs none.

Whatever thread held a lock in the parent does not run in the child, which would wait for it for ever.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload
from weakref import WeakSet

__all__ = ["ForkSafeLock", "computed_once"]

Value = TypeVar("Value")


class ForkSafeLock:
    """A reentrant lock for ``with``; open in a forked child and in an unpickled copy.

    What a lock guards belongs to an object (a tree, a table of models), never to the process: threads that read
    different files do not wait for each other.
    """

    def __init__(self) -> None:
        self.renew()
        _all.add(self)

    def renew(self) -> None:
        """Begin anew, open."""
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def __reduce__(self) -> tuple[type[ForkSafeLock], tuple[()]]:
        return ForkSafeLock, ()


class computed_once(Generic[Value]):  # noqa: N801 - a decorator
    """`functools.cached_property` without its lock, which in Python 3.11 is one for all objects of a class.

    Two threads may compute the value at the same time; the result must not depend on who does.

    Examples
    --------
    >>> class Square:
    ...     @computed_once
    ...     def area(self) -> int:
    ...         return print("computed") or 4
    >>> square = Square()
    >>> square.area, square.area
    computed
    (4, 4)
    """

    def __init__(self, function: Callable[[Any], Value]) -> None:
        self.function, self.name, self.__doc__ = function, function.__name__, function.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: object, kind: type) -> Value: ...
    def __get__(self, owner: object | None, kind: type) -> Value | Self:
        if owner is None:
            return self
        # from now on Python finds the value in the object, and this is not asked again
        value = vars(owner)[self.name] = self.function(owner)
        return value


_all: WeakSet[ForkSafeLock] = WeakSet()


def _renew_all() -> None:
    for lock in _all:
        lock.renew()


os.register_at_fork(after_in_child=_renew_all)
