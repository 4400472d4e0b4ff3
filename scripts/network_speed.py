"""How fast float networks restore events: in C++, and in Python with ONNX Runtime.

    python -m scripts.network_speed tests/data/sample.root --evidence docs/evidence/network_speed.md

Four features of the jets of a file, many times over, are encoded with networks of the codec `bottleneck` that are
trained for seconds: speed depends on their shapes alone. Everything is restored on one thread: the checksum of each
event, the network, corrections and escapes. MB/s are those of the features, by processor time, the best of all runs.
"Network" is that of ONNX Runtime alone.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import hepae
from hepae.core.bottleneck.codec import Bottleneck
from hepae.core.bottleneck.spec import BottleneckSpec
from hepae.core.values.objects import Objects, concatenate
from hepae.learn.recipe import recipe_of
from hepae.model.model import Model
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import open_source
from hepae.stored.event_payload import checks_of
from scripts.hardening.evidence import Page
from tests.native_build import program
from tests.native_cases import encoded_events, event_case, restored_events

FEATURES: Final = ("pt", "eta", "phi", "mass")
BOUNDS: Final = ("pt,mass=rel:1e-3", "eta,phi=abs:1e-3")
SHAPES: Final[dict[str, dict[str, object]]] = {
    "8": {"layers": (8,)},
    "64-64 (fast)": {"layers": (64, 64), "shortcut": True},
    "200-100-50 (AE_3D_200)": {"preset": "AE_3D_200"},
}
FORMS: Final[dict[str, tuple[str, ...]]] = {
    "C++, AVX-512": (),
    "C++, AVX2": ("-DHEPAE_NO_AVX512",),
    "C++, plain": ("-DHEPAE_PLAIN",),
}


def jets(path: Path, times: int) -> Objects:
    """The jets of a file, many times over."""
    with open_source(path) as source:
        tree = source.tree("Events")
        found = tree.objects(tree.collection("Jet"), FEATURES, (), 0, int(tree.num_entries))
    return concatenate([found] * times)


def shortest(work: Callable[[], object], repeats: int) -> float:
    """Processor seconds of one run."""
    found = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        found.append(time.process_time() - began)
    return min(found)


def seconds(model: Model, objects: Objects, repeats: int) -> dict[str, float]:
    """By who restores."""
    spec = model.manifest.codec
    assert isinstance(spec, BottleneckSpec)
    branches = encoded_events(model, objects)
    stored = branches["Jet_latent__hepae"]
    assert isinstance(stored, Jagged)
    latents = stored.values.reshape(-1, spec.latents)
    codec = Bottleneck(spec, model.networks, model.tables)
    checked: list[Column] = [one for name, one in branches.items() if "check" not in name]

    def in_python() -> None:
        checks_of(objects.counts, checked)
        restored_events(model, objects.counts, branches)

    found = {
        "network": shortest(lambda: codec.predict(latents), repeats),
        "Python": shortest(in_python, repeats),
    }
    with tempfile.TemporaryDirectory() as folder:
        case = event_case(model, objects.counts, branches, Path(folder, "case"))
        for name, flags in FORMS.items():
            command = [
                str(program("decode_events", "-O3", *flags)),
                str(case),
                f"{folder}/values",
                str(repeats),
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found[name] = float(done.stdout.split()[0])
    return found


def page(path: Path) -> Page:
    """The page of evidence."""
    columns = ("network", "who", "objects", "MB/s", "load")
    sources = (
        "native/include/hepae/bottleneck",
        "native/tests/decode_events.cpp",
        "scripts/network_speed.py",
    )
    return Page(path, "Speed of float networks", f"{__doc__}", columns, sources, key=2)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    objects = jets(options.file, options.times)
    nbytes = sum(values.nbytes for values in objects.columns.values())
    for shape, choices in SHAPES.items():
        recipe = recipe_of({"codec": "bottleneck", "epochs": 2, "train_objects": 6000, **choices})
        model = hepae.train(
            [options.file], collection="Jet", features=FEATURES, bounds=list(BOUNDS), recipe=recipe
        )
        for who, took in seconds(model, objects, options.repeats).items():
            row = {
                "network": shape,
                "who": who,
                "objects": objects.n_objects,
                "MB/s": nbytes / 1e6 / took,
                "load": os.getloadavg()[0],
            }
            print(*row.values(), sep="\t", flush=True)
            if options.evidence is not None:
                page(options.evidence).note([row])


if __name__ == "__main__":
    main()
