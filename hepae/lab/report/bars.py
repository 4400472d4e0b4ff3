"""Bars of bytes before and after: of tables, of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hepae.lab.report.figures import AFTER, BEFORE, EDGE, GREY, styled

__all__ = ["bytes_figure"]

BAR: Final = 0.27
"""Height of a bar and its gap, inches."""

UNITS = ((1e6, "MB"), (1e3, "kB"), (1, "bytes"))


def bytes_figure(names: Sequence[str], before: Sequence[int], after: Sequence[int]) -> Figure:
    """A pair of bars for each name: wide and light before, narrow, dark and hatched after, with the ratio beside it.

    Parameters
    ----------
    names
        From top to bottom.
    before, after
        Bytes.
    """
    with styled():
        figure = Figure((11.5, 0.9 + BAR * max(len(names), 1)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        unit, word = next(one for one in UNITS if max(before, default=0) >= 2 * one[0] or one[0] == 1)
        at = np.arange(len(names))
        axes.barh(at, np.array(before) / unit, 0.8, color=BEFORE, edgecolor=EDGE, lw=0.6, label="before")
        axes.barh(
            at,
            np.array(after) / unit,
            0.4,
            color=AFTER,
            edgecolor="white",
            lw=0.0,
            hatch="////",
            label="after",
        )
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            ratio = f"{new / old:.2f}" if old else "new"
            axes.annotate(
                ratio,
                (max(old, new) / unit, place),
                (4, 0),
                textcoords="offset points",
                va="center",
                color=GREY,
                size=7.5,
            )
        axes.set_yticks(at, list(names))
        axes.set(xlabel=f"{word} on disk", ylim=(len(names) - 0.4, -0.6))
        axes.margins(x=0.06)
        axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False, borderpad=0.1)
        return figure
