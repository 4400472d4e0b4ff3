"""Results as HTML, for notebooks, and the words in which numbers are told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["counted", "html_table", "sizes"]

MOST_ROWS = 40
"""More rows than fit on a screen are cut, and counted."""


def html_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a line above it; names from files are nothing but text, numbers stand to the right.

    Examples
    --------
    >>> html_table("a.root", ["tree"], [["Events <1>"]])
    '<p>a.root</p><table><tr><th>tree</th></tr><tr><td>Events &lt;1&gt;</td></tr></table>'
    """
    every = list(rows)
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in every[:MOST_ROWS])
    more = f"<p>and {len(every) - MOST_ROWS:,} more</p>" if len(every) > MOST_ROWS else ""
    return f"<p>{escape(title)}</p><table><tr>{head}</tr>{body}</table>{more}"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td style="text-align:right">{value:,}</td>'
    if isinstance(value, float):
        return f'<td style="text-align:right">{value:.3f}</td>'
    return f"<td>{escape(str(value))}</td>"


def sizes(before: int, after: int) -> str:
    """Bytes before and after, and what is left of them.

    Examples
    --------
    >>> sizes(2000, 500)
    '2,000 B before, 500 B after, 0.250 of it'
    """
    return f"{before:,} B before, {after:,} B after, {after / max(before, 1):.3f} of it"


def counted(number: int, what: str) -> str:
    """How many of something, in the plural where that is meant.

    Examples
    --------
    >>> counted(1, "smaller table"), counted(1200, "entry")
    ('1 smaller table', '1,200 entries')
    """
    if number == 1:
        return f"1 {what}"
    return f"{number:,} {what[:-1]}ies" if what.endswith("y") else f"{number:,} {what}s"
