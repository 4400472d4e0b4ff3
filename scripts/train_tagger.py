"""Train a tagger on fat jets, test it on others, and write it as ONNX; several seeds for the spread.

    python -m scripts.train_tagger ../shared/data/fat_jets.root -o tagger.onnx --seeds 1,2,3
    python -m scripts.train_tagger ../shared/data/fat_jets.root -o kinds.onnx --view kinds
    python -m scripts.train_tagger ../shared/data/fat_jets.root -o cnn.onnx --network image
    python -m scripts.train_tagger ../shared/data/fat_jets.root -o better.onnx --pretrain more.root

With ``--pretrain`` one network is trained on all jets of another file first (see `scripts.simulate_fat_jets`), and each
seed begins from its weights: ``--epochs`` and ``--learning-rate`` are then of what follows.

The seed shuffles jets into training and test, and sets the initial weights; the file has the tagger of the first seed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import msgspec

from hepae.lab.judge import pretrain_tagger, train_tagger
from hepae.lab.tagging.detection import held_out, in_common
from hepae.lab.tagging.features import EXTRA
from hepae.lab.tagging.figures import FIGURES
from hepae.lab.tagging.fit import Pretrained
from hepae.lab.tagging.jets import Jets
from hepae.lab.tagging.reading import read_jets
from hepae.lab.tagging.spec import FINE_TUNING, PRETRAINING, recipe_for


def main() -> None:
    """Train, test, print a line of JSON a seed."""
    options = _options()
    jets, labels = read_jets(options.file, options.label)
    choices = (
        "width",
        "epochs",
        "members",
        "device",
        "threads",
        "patience",
        "batch_size",
        "learning_rate",
        "dropout",
    )
    chosen = {name: getattr(options, name) for name in choices if getattr(options, name) is not None}
    start = None
    if options.pretrain is not None:
        start = _pretrained(options, jets, chosen)
        chosen = {**FINE_TUNING, **chosen}
    for place, seed in enumerate(options.seeds):
        recipe = recipe_for(options.network, options.constituents, options.view, seed=seed, **chosen)
        began, wall = time.process_time(), time.perf_counter()
        tagger = train_tagger(
            jets,
            labels,
            recipe,
            options.train,
            "Constituent",
            options.label,
            _told,
            start,
        )
        seconds = {"cpu": time.process_time() - began, "wall": time.perf_counter() - wall}
        rows = held_out(tagger, len(jets))
        scores = tagger.scores(jets.take(rows))
        found = {name: of(scores, labels[rows]) for name, of in FIGURES.items()}
        facts = {"seed": seed, "trained": len(jets) - len(rows), "tested": len(rows), "seconds": seconds}
        print(msgspec.json.encode({**facts, **found, "bytes": len(tagger.data)}).decode(), flush=True)
        if place == 0:
            tagger.save(options.output, force=True)


def _pretrained(options: argparse.Namespace, jets: Jets, chosen: dict[str, Any]) -> Pretrained:
    """A network trained on the other file, none of whose jets may be tested on."""
    others, labels = read_jets(options.pretrain, options.label)
    common = in_common(jets, others)
    if common:
        raise SystemExit(f"{common} jets of {options.file} are in {options.pretrain} too")
    shape: dict[str, Any] = {name: chosen[name] for name in ("width", "device", "threads") if name in chosen}
    how = {**PRETRAINING, **shape, "epochs": options.pretrain_epochs}
    recipe = recipe_for(options.network, options.constituents, options.view, **how)
    began = time.process_time()
    start = pretrain_tagger(others, labels, recipe, _told)
    facts = {"pretrained": len(others), "seconds": time.process_time() - began}
    print(msgspec.json.encode(facts).decode(), flush=True)
    return start


def _told(*told: object) -> None:
    print(*told, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--label", default="FatJet_isTop")
    parser.add_argument("--network", choices=("constituents", "image"), default="constituents")
    parser.add_argument("--seeds", type=lambda text: [int(seed) for seed in text.split(",")], default=[1])
    parser.add_argument("--train", type=float, default=0.7)
    parser.add_argument("--constituents", type=int, default=100)
    parser.add_argument("--view", choices=tuple(EXTRA), default="directions")
    for name in ("width", "epochs", "members", "threads", "patience"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--dropout", type=float)
    parser.add_argument("--device")
    parser.add_argument("--pretrain", type=Path, help="file of other jets to train on first")
    parser.add_argument("--pretrain-epochs", type=int, default=PRETRAINING["epochs"])
    return parser.parse_args()


if __name__ == "__main__":
    main()
