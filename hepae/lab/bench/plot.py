"""Size against speed, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from hepae.extras import needed
from hepae.lab.bench.run import Measurement
from hepae.root.file.atomic import atomic_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

__all__ = ["plot"]

Corner: TypeAlias = tuple[int, int, str, str]

DOT = 10
"""Size of a point, in pixels."""

COLOURS = {True: "#c1272d", False: "#4d6a8a"}
CORNERS: tuple[Corner, ...] = tuple(
    (x, y, "left" if x > 0 else "right", "bottom" if y > 0 else "top")
    for far in (4, 12, 20)
    for x, y in ((5, far), (5, -far), (-5, -far), (-5, far))
)
"""Where the name of a point may stand: offsets in points and alignment, the best first."""


def plot(measured: Sequence[Measurement], path: Path, title: str, *, force: bool = False) -> None:
    """Draw bits per object, model included, against the speed of restoring on one thread.

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    with needed("a plot"):
        import matplotlib as mpl

        mpl.use("Agg")
        import matplotlib.pyplot as plt
        from matplotlib.ticker import ScalarFormatter
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
        own = _is_own(one)
        axes.scatter(one.restore, 8 * one.total, s=46 if own else 28, color=COLOURS[own], zorder=3)
    figure.draw_without_rendering()
    _name(axes, measured)
    with atomic_output(path, force=force) as temporary:
        figure.savefig(temporary, dpi=160, format=path.suffix[1:])
    plt.close(figure)


def _name(axes: Axes, measured: Sequence[Measurement]) -> None:
    """Write the name of each method beside its point, where the fewest other names and points stand."""
    from matplotlib.transforms import Bbox

    places = [(one.restore, 8 * one.total) for one in measured]
    taken = [
        Bbox.from_bounds(x - DOT / 2, y - DOT / 2, DOT, DOT) for x, y in axes.transData.transform(places)
    ]
    for one, place in sorted(zip(measured, places, strict=True), key=lambda pair: not _is_own(pair[0])):
        text = axes.annotate(
            one.method.removeprefix("hepae "), place, xytext=(0, 0), textcoords="offset points", fontsize=8,
            color=COLOURS[_is_own(one)], fontweight="bold" if _is_own(one) else "normal",
        )  # fmt: skip
        boxes = [_placed(text, corner) for corner in CORNERS]
        best = min(range(len(boxes)), key=lambda k: boxes[k].count_overlaps(taken))
        taken.append(_placed(text, CORNERS[best]))


def _placed(text: Annotation, corner: Corner) -> Bbox:
    """What a name takes up at a corner of its point."""
    x, y, across, along = corner
    text.set(position=(x, y), ha=across, va=along)
    return text.get_window_extent()


def _is_own(one: Measurement) -> bool:
    return one.method.startswith("hepae")
