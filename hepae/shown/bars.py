"""Progress in a notebook: one line for each phase, with a bar, that goes away when all is done."""

from __future__ import annotations

import sys
from html import escape
from typing import Any

__all__ = ["in_notebook"]

_lines: dict[tuple[int, str], Any] = {}
"""Displays of phases that are not done, by the number of the cell that runs: work that failed leaves its own behind."""


def in_notebook(phase: str, done: int, total: int, note: str = "") -> None:
    """Show how far work is where there is a notebook to show it in; elsewhere nothing: the default of all long work.

    Parameters
    ----------
    phase, done, total, note
        As `hepae.progress.Report` says.

    Examples
    --------
    >>> in_notebook("compressing", 1, 3)  # no notebook here
    """
    shell = _shell()
    if shell is None:
        return
    key, line = (shell.execution_count, phase), _line(phase, done, total, note)
    if key in _lines:
        _lines[key].update(line)
    else:
        _lines[key] = sys.modules["IPython"].display.display(line, display_id=True)
    if 0 < total <= done:
        _lines.pop(key).update(_Html(""))


class _Html:
    """What IPython shows as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def _repr_html_(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return ""


def _line(phase: str, done: int, total: int, note: str) -> _Html:
    bar = f'<progress value="{done}" max="{total}"></progress> {done:,}/{total:,}' if total else ""
    return _Html(f"{escape(phase)} {bar} {escape(note)}")


def _shell() -> Any:
    """IPython in a notebook's kernel; None elsewhere, a terminal with IPython included."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if hasattr(shell, "kernel") else None
