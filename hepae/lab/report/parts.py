"""Parts of the pages of reports: the frame, tables, pictures."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence

from matplotlib.figure import Figure

from hepae.lab.report import figures
from hepae.lab.report.panels import Panel
from hepae.lab.report.style import STYLE
from hepae.progress import Report
from hepae.version import __version__

__all__ = ["document", "grid", "picture", "table", "tiles"]

MOST_PROBLEMS = 20


def document(title: str, head: str, sections: Mapping[str, str]) -> str:
    """A page as HTML: no script, no network, pictures inline.

    Parameters
    ----------
    title, head
        Its title, and what stands under it.
    sections
        Content by heading.
    """
    links = " ".join(f'<a href="#{_anchor(name)}">{name}</a>' for name in sections)
    body = "\n".join(
        f'<section id="{_anchor(name)}"><h2>{name}</h2>\n{content}</section>'
        for name, content in sections.items()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{html.escape(title)}</title><style>{STYLE}</style></head>\n<body>'
        f"<header><h1>{html.escape(title)}</h1>{head}</header>\n<nav>{links}</nav>\n"
        f"<main>{body}</main>\n<footer>hepae {__version__}</footer></body></html>\n"
    )


def tiles(values: Mapping[str, str], problems: Sequence[str]) -> str:
    """Figures in large letters, and a list of what is wrong; a figure that says NO is marked."""
    cells = "".join(
        f'<div class="tile{" bad" if value == "NO" else ""}"><b>{value}</b><span>{name}</span></div>'
        for name, value in values.items()
    )
    items = "".join(f"<li>{html.escape(text)}</li>" for text in problems[:MOST_PROBLEMS])
    return f'<div class="tiles">{cells}</div>' + (f'<ul class="bad">{items}</ul>' if items else "")


def grid(panels: Sequence[Panel], report: Report, phase: str) -> str:
    pictures = []
    for place, panel in enumerate(panels):
        pictures.append(picture(figures.panel_figure(panel), f"{panel.title}: original, restored, residual"))
        report(phase, place + 1, len(panels), "")
    return f'<div class="grid">{"".join(pictures)}</div>'


NARROW = 800
"""Pixels of a picture; a wider one is not made so small on a telephone that its words cannot be read."""


def picture(figure: Figure, words: str) -> str:
    data = base64.b64encode(figures.png(figure)).decode()
    width = round(96 * figure.get_size_inches()[0])
    kind = ' class="wide"' if width > NARROW else ""
    shown = f'<img src="data:image/png;base64,{data}" alt="{html.escape(words)}" width="{width}">'
    return f"<figure{kind}>{shown}</figure>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads) if any(heads) else ""
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    head = f"<thead><tr>{head}</tr></thead>"
    return f'<div class="scroll"><table class="{kind}">{head}<tbody>{body}</tbody></table></div>'


def _anchor(name: str) -> str:
    return name.lower()
