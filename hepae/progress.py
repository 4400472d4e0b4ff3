"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Report", "silent"]

Report: TypeAlias = Callable[[str, int, int, str], None]
"""Called with the phase, the steps done, all steps (0 where they are not known) and a note."""


def silent(phase: str, done: int, total: int, note: str = "") -> None:
    """Report nothing."""
