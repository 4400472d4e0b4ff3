"""Compress fat jets under one bound after the other, and let a tagger and detectors judge each: a table and a figure.

    python -m scripts.train_tagger DATA/fat_jets.root -o tagger.onnx
    python -m scripts.judge_bounds DATA/fat_jets.root tagger.onnx -o judged --figure docs/figures/judge.png

Each bound is that of E, px, py and pz, and its result is kept in the output folder: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import hepae
from hepae.files.compress.collection import compress_collection
from hepae.lab.judge import judge
from hepae.lab.report.figures import save, styled
from hepae.lab.tagging.detector import detect
from hepae.lab.tagging.features import View
from hepae.lab.tagging.reading import read_jets
from hepae.lab.tagging.spec import ConstituentView, TaggerRecipe
from hepae.lab.tagging.tagger import Tagger

BOUNDS = "1e-4,3e-4,1e-3,3e-3,1e-2,3e-2,1e-1"
VIEWS: tuple[View, ...] = ("directions", "masses")
COLOURS = {"directions": "#33658a", "masses": "#c1440e"}
SHOWN = {"directions": "momenta and directions", "masses": "and masses of constituents"}
Result = dict[str, Any]


def main() -> None:
    """One bound after the other, then the table and the figure."""
    options = _options()
    options.output.mkdir(parents=True, exist_ok=True)
    results = [_judged(options, bound) for bound in options.bounds]
    table = "\n".join(_table(results))
    (options.output / "judge.md").write_text(table + "\n", encoding="utf-8")
    print(table)
    if options.figure is not None:
        with styled():
            save(_figure(results), options.figure, force=True)


def _judged(options: argparse.Namespace, bound: float) -> Result:
    """All that is known of this bound: compressed, tagged and looked at by detectors now or before."""
    file = options.output / f"rel_{bound:g}.root"
    sizes = _kept(file.with_suffix(".size.json"), lambda: _compressed(options, bound, file))
    tagger = Tagger.load(options.tagger)

    def tagged() -> Result:
        return asdict(judge(options.file, file, label=options.label, tagger=tagger, detectors=())[0])

    verdict = _kept(file.with_suffix(f".{tagger.sha256[:8]}.json"), tagged)
    detections = []
    for view in VIEWS:
        if bound in options.detect.get(view, ()):
            kept = file.with_suffix(f".{view}.json")
            detections.append(_kept(kept, lambda view=view: _detected(options, file, view)))  # type: ignore[misc]
    return {"bound": bound, **sizes, "verdict": verdict, "detections": detections}


def _kept(path: Path, make: Callable[[], Result]) -> Result:
    """A result from its file, where there is one."""
    if not path.exists():
        path.write_bytes(msgspec.json.encode(make()))
        print(path, path.read_text(), flush=True)
    result: Result = msgspec.json.decode(path.read_bytes())
    return result


def _compressed(options: argparse.Namespace, bound: float, file: Path) -> Result:
    recipe = hepae.Recipe(
        codec=options.codec, effort=options.effort, dither=options.dither, train_objects=options.train_objects
    )
    done = compress_collection(
        options.file,
        file,
        collection="Constituent",
        bounds=[f"E,px,py,pz=rel:{bound:g}"],
        recipe=recipe,
        threads=options.threads,
        force=True,
        check=hepae.verify,
    )
    return {"bytes": done.collection_after / done.objects, "before": done.collection_before / done.objects}


def _detected(options: argparse.Namespace, file: Path, view: View) -> Result:
    recipe = TaggerRecipe(
        ConstituentView(options.constituents),
        epochs=options.epochs,
        threads=options.threads,
        device=options.device,
    )
    original, restored = (read_jets(path, options.label)[0] for path in (options.file, file))
    return asdict(detect(original, restored, recipe, view))


def _table(results: list[Result]) -> list[str]:
    """Markdown."""
    names = ["accuracy", "AUC", "rejection at 50 %", "rejection at 30 %"]
    head = [
        "bound",
        "bytes",
        *names,
        "accuracy lost",
        "changed sides",
        *(f"detector, {view}" for view in VIEWS),
    ]
    original = results[0]["verdict"]["figures"]
    rows = [head, ["---"] + ["---:"] * (len(head) - 1)]
    first = [f"{original[name]['original']:.4g}{_error(original[name]['error'])}" for name in names]
    rows.append(["original", f"{results[0]['before']:.2f}", *first, "", "", "", ""])
    for result in results:
        figures = result["verdict"]["figures"]
        lost = figures["accuracy"]
        seen = {one["view"]: f"{one['auc']:.3f} ± {one['error']:.3f}" for one in result["detections"]}
        rows.append(
            [
                f"rel:{result['bound']:g}",
                f"{result['bytes']:.2f}",
                *(f"{figures[name]['restored']:.4g}" for name in names),
                f"{0.0 - lost['difference']:+.4f} ± {lost['difference_error']:.4f}",
                f"{result['verdict']['moved']:.2%}",
                *(seen.get(view, "") for view in VIEWS),
            ]
        )
    return ["| " + " | ".join(row) + " |" for row in rows]


def _error(error: float | None) -> str:
    return "" if error is None else f" ± {error:.2g}"


def _figure(results: list[Result]) -> Figure:
    figure = Figure((7.4, 3.1), layout="constrained")
    left, right = figure.subplots(1, 2)
    _losses(left, results)
    _detections(right, results)
    return figure


def _losses(axes: Axes, results: list[Result]) -> None:
    sizes = [result["bytes"] for result in results]
    losses = [result["verdict"]["figures"]["cross-entropy"] for result in results]
    values = np.array([loss["difference"] for loss in losses])
    axes.axhline(0, color="#8a8a8a", lw=0.8)
    axes.errorbar(
        sizes, values, [loss["difference_error"] for loss in losses], fmt="o", ms=4, lw=1, color="#2d6a4f"
    )
    for size, value, result in zip(sizes, values, results, strict=True):
        text = f"{result['bound']:.0e}".replace("e-0", "e-")
        axes.annotate(text, (size, value), xytext=(4, 5), textcoords="offset points", fontsize=7.5)
    axes.set_yscale("symlog", linthresh=1e-3)
    axes.set(
        xlabel="bytes per constituent", ylabel="tagger loss added, nats per jet", title="what a tagger loses"
    )


def _detections(axes: Axes, results: list[Result]) -> None:
    for view in VIEWS:
        found = [
            (result["bound"], one["auc"], one["error"])
            for result in results
            for one in result["detections"]
            if one["view"] == view
        ]
        if found:
            bounds, aucs, errors = np.array(found).T
            axes.errorbar(bounds, aucs, errors, fmt="o-", ms=4, lw=1, color=COLOURS[view], label=SHOWN[view])
    axes.axhline(0.5, color="#8a8a8a", lw=0.8)
    axes.set_xscale("log")
    axes.set(xlabel="relative bound", ylabel="AUC, restored against original", title="what a detector sees")
    axes.legend()


def _options() -> argparse.Namespace:
    def numbers(text: str) -> list[float]:
        return [float(number) for number in text.split(",") if number]

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("tagger", type=Path, help="made by scripts.train_tagger")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for results")
    parser.add_argument("--figure", type=Path, help="picture to draw")
    parser.add_argument("--label", default="FatJet_isTop")
    parser.add_argument("--bounds", type=numbers, default=numbers(BOUNDS))
    for view in VIEWS:
        parser.add_argument(
            f"--{view}",
            type=numbers,
            default=numbers(BOUNDS),
            help=f"bounds for which detectors see {SHOWN[view]}",
        )
    parser.add_argument("--codec", choices=("lifting", "masked"), default="lifting")
    parser.add_argument("--effort", default="default")
    parser.add_argument("--dither", action="store_true")
    parser.add_argument("--train-objects", type=int, default=250_000)
    parser.add_argument("--constituents", type=int, default=100, help="shown to detectors")
    parser.add_argument("--epochs", type=int, default=30, help="of detectors")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    options.detect = {view: getattr(options, view) for view in VIEWS}
    return options


if __name__ == "__main__":
    main()
