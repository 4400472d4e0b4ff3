"""Size against speed, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hepae.bench.run import Measurement
from hepae.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

__all__ = ["plot"]

COLOURS = {True: "#c1272d", False: "#4d6a8a"}
CORNERS = (
    (5, 4, "left", "bottom"),
    (5, -4, "left", "top"),
    (-5, -4, "right", "top"),
    (-5, 4, "right", "bottom"),
)
"""Where the name of a point may stand: offsets and alignment."""


def plot(measured: Sequence[Measurement], path: Path, title: str) -> None:
    """Draw bits per object, model included, against the speed of restoring on one thread.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        import matplotlib as mpl

        mpl.use("Agg")
        import matplotlib.pyplot as plt
        from matplotlib.ticker import ScalarFormatter
    except ModuleNotFoundError as problem:
        hint = "pip install 'hepae[bench]'"
        raise MissingExtraError("a plot needs matplotlib", got=str(problem), hint=hint) from None
    figure, axes = plt.subplots(figsize=(8, 5.2), layout="constrained")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.set_xlabel("restored, MB/s of the columns as stored, one thread")
    axes.set_ylabel("bits per object, model included")
    axes.set_title(title, fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.margins(x=0.18)
    for one in measured:
        own = one.method.startswith("hepae")
        axes.scatter(one.restore, 8 * one.total, s=46 if own else 28, color=COLOURS[own], zorder=3)
    figure.draw_without_rendering()
    _name(axes, measured)
    figure.savefig(path, dpi=160)
    plt.close(figure)


def _name(axes: Axes, measured: Sequence[Measurement]) -> None:
    """Write the name of each method at a corner of its point where no other name stands, if there is one."""
    taken: list[Bbox] = []
    for one in sorted(measured, key=lambda one: not one.method.startswith("hepae")):
        own, place = one.method.startswith("hepae"), (one.restore, 8 * one.total)
        for x, y, across, along in CORNERS:
            text = axes.annotate(
                one.method.removeprefix("hepae "), place, xytext=(x, y), textcoords="offset points", fontsize=8,
                color=COLOURS[own], fontweight="bold" if own else "normal", ha=across, va=along,
            )  # fmt: skip
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken) or (x, y) == CORNERS[-1][:2]:
                taken.append(box)
                break
            text.remove()
