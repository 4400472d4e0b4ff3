"""`hepae judge`: what a tagger and a detector say of restored jets."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from dataclasses import asdict

from rich.console import Console

from hepae.cli import tables
from hepae.cli.arguments import add_force, local, location
from hepae.cli.progress import reporter
from hepae.root.file.atomic import atomic_output, check_target

__all__ = ["add_judge"]

Add = Callable[..., argparse.ArgumentParser]
"""Adds a command: name, function, help, example."""

SHOWN = {
    "directions": "momenta and directions",
    "masses": "momenta, directions and the mass of each constituent",
}


def add_judge(add: Add) -> None:
    """Add `hepae judge` to a parser."""
    part = add("judge", judge, "let a tagger and a detector compare original and restored jets",
               "hepae judge fat_jets.root restored.root --label FatJet_isTop --save-tagger tagger.onnx")  # fmt: skip
    part.add_argument("original", type=location)
    part.add_argument("restored", type=location, help="compressed or restored file")
    part.add_argument(
        "--label", default="FatJet_isTop", help="branch that says what is signal (default: FatJet_isTop)"
    )
    part.add_argument(
        "--collection",
        default="Constituent",
        help="constituents with E, px, py, pz, type (default: Constituent)",
    )
    part.add_argument("--tree", help="name of the tree")
    part.add_argument("--tagger", type=location, help="a tagger made before; trained on the original without")
    part.add_argument(
        "--save-tagger", type=local, metavar="FILE", help="where to write the trained tagger (.onnx)"
    )
    add_force(part)
    part.add_argument(
        "--detector",
        action="append",
        choices=tuple(SHOWN),
        help="what the detector is shown, repeatable: momenta and directions (default), or the masses of "
        "constituents too",
    )
    part.add_argument("--no-detector", action="store_true", help="only the tagger")
    training = part.add_argument_group("training")
    training.add_argument(
        "--network", choices=("constituents", "image"), default="constituents", help="kind of tagger"
    )
    training.add_argument(
        "--train", type=float, default=0.7, metavar="SHARE", help="jets to train on (default: 0.7)"
    )
    training.add_argument("--constituents", type=int, default=100, help="of each jet (default: 100)")
    training.add_argument("--width", type=int, help="units of hidden layers, or channels of convolutions")
    training.add_argument("--epochs", type=int)
    training.add_argument("--threads", type=int, help="of torch (default: the cores)")
    training.add_argument("--members", type=int, default=1, help="networks whose outputs are averaged")
    training.add_argument("--seed", type=int, default=1)
    training.add_argument("--device", default="cpu", help="where torch trains: cpu (default), cuda")


def judge(options: argparse.Namespace) -> int:
    """`hepae judge`."""
    from hepae.lab.judge import judge as run
    from hepae.lab.tagging.spec import recipe_for
    from hepae.lab.tagging.tagger import Tagger

    inputs = options.original, options.restored
    if options.save_tagger is not None:
        check_target(options.save_tagger, inputs, force=options.force)
    asked = {
        name: getattr(options, name) for name in ("width", "epochs", "members", "seed", "device", "threads")
    }
    chosen = {name: value for name, value in asked.items() if value is not None}
    with reporter() as report:
        verdict, tagger = run(
            options.original,
            options.restored,
            label=options.label,
            collection=options.collection,
            tree=options.tree,
            tagger=None if options.tagger is None else Tagger.load(options.tagger),
            recipe=recipe_for(options.network, options.constituents, **chosen),
            train=options.train,
            detectors=() if options.no_detector else tuple(options.detector or ("directions",)),
            report=report,
        )
    if options.save_tagger is not None:
        with atomic_output(options.save_tagger, inputs, force=options.force) as temporary:
            tagger.save(temporary, force=True)
    tables.show(asdict(verdict), _verdict, options.json)
    return 0


def _verdict(result: tables.Result, console: Console) -> None:
    shown = tables.table("figure", "", "original", "restored", "difference")
    for name, row in result["figures"].items():
        shown.add_row(
            name,
            "",
            f"{row['original']:.4f}{_error(row['error'], 4)}",
            f"{row['restored']:.4f}",
            f"{row['difference']:+.5f}{_error(row['difference_error'], 5)}",
        )
    console.print(shown)
    console.print(
        f"{result['jets']:,} jets that the tagger was not trained on; {result['moved']:.3%} changed sides",
        highlight=False,
    )
    for one in result["detections"]:
        console.print(
            f"a detector shown {SHOWN[one['view']]} tells restored from original jets with an AUC of "
            f"{one['auc']:.3f} ± {one['error']:.3f} ({one['tested_on']:,} jets); 0.5 is not at all",
            highlight=False,
        )


def _error(error: float, digits: int) -> str:
    """Nothing where some of the bootstrap's samples have no background left, so that a rejection is infinite."""
    return f" ± {error:.{digits}f}" if math.isfinite(error) else ""
