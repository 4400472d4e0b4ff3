"""Train a tagger on fat jets, test it on others, and write it as ONNX; several seeds for the spread.

    python -m scripts.train_tagger ../shared/data/fat_jets.root -o tagger.onnx --seeds 1,2,3
    python -m scripts.train_tagger ../shared/data/fat_jets.root -o kinds.onnx --view kinds
    python -m scripts.train_tagger ../shared/data/fat_jets.root -o cnn.onnx --network image

The seed shuffles jets into training and test, and sets the initial weights; the file has the tagger of the first seed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import msgspec

from hepae.judge import train_tagger
from hepae.tagging.detection import held_out
from hepae.tagging.features import EXTRA
from hepae.tagging.figures import FIGURES
from hepae.tagging.jets import read_jets
from hepae.tagging.spec import recipe_for


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
            lambda *told: print(*told, flush=True),
        )
        seconds = {"cpu": time.process_time() - began, "wall": time.perf_counter() - wall}
        rows = held_out(tagger, len(jets))
        scores = tagger.scores(jets.take(rows))
        found = {name: of(scores, labels[rows]) for name, of in FIGURES.items()}
        facts = {"seed": seed, "trained": len(jets) - len(rows), "tested": len(rows), "seconds": seconds}
        print(msgspec.json.encode({**facts, **found, "bytes": len(tagger.data)}).decode(), flush=True)
        if place == 0:
            tagger.save(options.output)


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
    return parser.parse_args()


if __name__ == "__main__":
    main()
