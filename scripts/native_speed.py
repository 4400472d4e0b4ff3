"""How fast the C++ decoders restore a chunk, and how many instructions they take for a value.

    python -m scripts.native_speed jets.root --model lifting.onnx --evidence docs/evidence/native_speed.md

A fifth of the events, which `hepae bench --held-out 0.2` would report, is one chunk; ``--model`` (repeatable) has been
trained on the rest. Each is decoded with loops for AVX2 and with plain ones, checksums included, on one thread: the
fastest of all runs, and what valgrind counts of instructions, which other work on the machine does not change.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from hepae.core.values.objects import Objects
from hepae.input.events import open_events
from hepae.lab.bench.run import split_events
from hepae.learn.modelling import find_collection
from hepae.model.model import Model
from scripts.hardening.evidence import Page
from tests.native_build import program
from tests.native_cases import chunk_case

HELD_OUT: Final = 0.2
FORMS: Final[dict[str, tuple[str, ...]]] = {"AVX2": (), "plain": ("-DHEPAE_PLAIN",)}
COLLECTED: Final = re.compile(r"Collected\s*:\s*(\d+)")


def reported(file: Path, collection: str, model: Model) -> Objects:
    """The events that the model was not trained on."""
    with open_events(file, None, collection) as events:
        found = find_collection(events, collection)
        names = [feature.name for feature in model.manifest.features]
        objects = events.objects(found, names, list(model.manifest.conditions), 0, events.num_entries)
    return split_events(objects, HELD_OUT, 1)[1]


def fastest(timer: Path, case: Path, repeats: int) -> tuple[float, int, int]:
    """Seconds, bytes and values of a chunk."""
    done = subprocess.run([timer, case, str(repeats)], check=True, capture_output=True, text=True)
    seconds, nbytes, values = done.stdout.split()
    return float(seconds), int(nbytes), int(values)


def instructions(timer: Path, case: Path) -> int | None:
    """Those of a chunk after the first one, for which tables are made; None without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    counts = []
    with tempfile.TemporaryDirectory() as folder:
        for repeats in (0, 1):
            command = [
                "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out",
                "--toggle-collect=*::decode(hepae::ChunkCodec*", str(timer), str(case), str(repeats),
            ]  # fmt: skip
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = COLLECTED.search(done.stderr)
            assert found is not None
            counts.append(int(found.group(1)))
    return counts[1] - counts[0]


def row(name: str, form: str, case: Path, repeats: int) -> dict[str, object]:
    """What is found of a model with one form of the loops."""
    timer = program("time_chunk", "-O3", "-g1", *FORMS[form])
    seconds, nbytes, values = fastest(timer, case, repeats)
    counted = instructions(timer, case)
    return {
        "model": name,
        "loops": form,
        "values": values,
        "MB/s": nbytes / 1e6 / seconds,
        "instructions a value": "?" if counted is None else counted / values,
        "load": os.getloadavg()[0],
    }


def page(path: Path) -> Page:
    """The page of evidence."""
    columns = ("model", "loops", "values", "MB/s", "instructions a value", "load")
    sources = ("native/include/hepae", "native/tests/time_chunk.cpp", "scripts/native_speed.py")
    text = (
        f"{__doc__}\nvalgrind knows no VNNI: networks of `masked` are counted with AVX2, and timed with both."
    )
    return Page(path, "Speed of the C++ decoders", text, columns, sources, key=2)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--collection", default="Jet")
    parser.add_argument("--model", type=Path, action="append", required=True)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for path in options.model:
            model = Model.from_bytes(path.read_bytes())
            objects = reported(options.file, options.collection, model)
            case = chunk_case(model, objects, Path(folder, "case"))
            for form in FORMS:
                found = row(path.stem, form, case, options.repeats)
                print(*found.values(), sep="\t", flush=True)
                if options.evidence is not None:
                    page(options.evidence).note([found])


if __name__ == "__main__":
    main()
