"""Peak memory of `hepae` on a file that is much larger than it: no more than three chunks and 300 MB.

    python -m scripts.hardening.memory ../shared/data/qcd_jets.root --jets 2000000 --evidence docs/evidence/memory.md

repeats the events of the file given until there are so many jets, and compresses, restores and verifies the outcome by
the command line, each in a process of its own, whose ``ru_maxrss`` the system tells. A chunk counts as the float32 of
the features of its objects. With ``--codec whole`` the file is compressed as a whole, losslessly and without a model:
18 million jets make a file of more than 2 GiB.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import uproot

from hepae import limits
from scripts.hardening import evidence

ALLOWED_CHUNKS, ALLOWED_MB = 3, 300
QUICK = {
    "lifting": ("--effort", "fast", "--train-objects", "20000"),
    "masked": ("--effort", "fast", "--train-objects", "20000"),
    "bottleneck": ("--epochs", "1", "--train-objects", "20000"),
}
"""A model that is trained quickly: what is measured does not depend on how well it fits."""

WHOLE = "whole"
ALLOWED_WHOLE_MB = 1000
"""The search for what predicts what looks at 20,000 entries of all columns; up to 256 MB of what was read are kept."""

SOURCES = (
    *("hepae/cli", "hepae/core", "hepae/files", "hepae/learn", "hepae/model", "hepae/root", "hepae/stored"),
    "scripts/hardening/memory.py",
)
BOUNDS = ("--bound", "*=abs:1e-3", "--bound", "pt,mass,E,ptCh,leadChPt=rel:1e-3")


@dataclass(frozen=True)
class Size:
    """Of a file: events, jets, features."""

    events: int
    jets: int
    features: int

    @property
    def chunk(self) -> int:
        """Bytes of the features of a chunk, as float32."""
        per_event = self.jets / self.events
        return int(4 * self.features * min(limits.EVENTS_PER_CHUNK * per_event, limits.OBJECTS_PER_CHUNK))


def repeated(source: Path, target: Path, jets: int, packed: bool) -> Size:
    """A file with the events of another, again and again, written in pieces; ``packed`` with ZSTD or as they are."""
    with uproot.open(source) as file:
        events = file["Events"].arrays(filter_name=["event", "Jet_*"])
    collection = ak.zip(
        {name.removeprefix("Jet_"): events[name] for name in events.fields if name != "event"}
    )
    once, written, number = int(ak.sum(ak.num(collection))), 0, 0
    with uproot.recreate(target, compression=uproot.ZSTD(1) if packed else None) as file:
        tree = file.mktree("Events", {"event": "int64", "Jet": collection.type.content})
        while written < jets:
            tree.extend({"event": ak.to_numpy(events["event"]) + number, "Jet": collection})
            written, number = written + once, number + len(events)
    return Size(number, written, len(collection.fields))


def peak(arguments: Sequence[str]) -> tuple[float, float]:
    """Peak memory of a `hepae` command in MB, and its CPU seconds.

    Raises
    ------
    ChildProcessError
        If the command fails.
    """
    child = os.posix_spawn(sys.executable, [sys.executable, "-m", "hepae", *arguments], os.environ)
    _, status, used = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status):
        raise ChildProcessError(f"hepae {' '.join(arguments)} failed")
    return used.ru_maxrss * 1024 / 1e6, used.ru_utime + used.ru_stime


def page(path: Path) -> evidence.Page:
    """The page that tells of it."""
    return evidence.Page(
        path,
        "Peak memory on two million jets",
        "Each command runs in a process of its own, whose largest resident size the system tells (`ru_maxrss`): the\n"
        "interpreter and the libraries are in it. Compressing uses two threads.\n"
        f"Allowed are {ALLOWED_CHUNKS} chunks and {ALLOWED_MB} MB; a chunk is the float32 of\n"
        "all features of its objects. *whole*: all columns, losslessly, without a model; allowed are\n"
        f"{ALLOWED_WHOLE_MB} MB. Made by `make memory`.",
        (
            "codec",
            "command",
            "jets",
            "file, MB",
            "chunk, MB",
            "allowed, MB",
            "peak, MB",
            "CPU seconds",
        ),
        SOURCES,
        ("numpy", "uproot", "onnxruntime"),
        key=3,
    )


def trained(codec: str, folder: Path) -> tuple[str, ...]:
    """Train a model on the first events; the options that name it."""
    if codec == WHOLE:
        return ()
    first, model = folder / "first.root", folder / f"{codec}.onnx"
    options = ("--collection", "Jet", "--codec", codec, *BOUNDS, *QUICK[codec])
    peak(("train", str(first), "-o", str(model), *options))
    return "--model", str(model)


def measure(codec: str, source: Path, size: Size, folder: Path) -> list[dict[str, object]]:
    """The rows of a codec."""
    small, again = folder / f"{codec}.root", folder / f"{codec}-again.root"
    commands = {
        "compress": ("compress", str(source), str(small), *trained(codec, folder)),
        "decompress": ("decompress", str(small), str(again)),
        "verify": ("verify", str(source), str(small)),
    }
    allowed = ALLOWED_WHOLE_MB if codec == WHOLE else ALLOWED_CHUNKS * size.chunk / 1e6 + ALLOWED_MB
    rows: list[dict[str, object]] = []
    for name, command in commands.items():
        most, seconds = peak(command)
        print(f"{evidence.now()} {codec} {name}: {most:.0f} MB of {allowed:.0f}, {seconds:.0f} s", flush=True)
        rows.append(
            {
                "codec": codec,
                "command": name,
                "jets": size.jets,
                "file, MB": source.stat().st_size / 1e6,
                "chunk, MB": size.chunk / 1e6,
                "allowed, MB": allowed,
                "peak, MB": most,
                "CPU seconds": seconds,
            }
        )
    again.unlink()
    return rows


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="ROOT file with Events, event and Jet_*")
    parser.add_argument("--jets", type=int, default=2_000_000)
    parser.add_argument("--codec", action="append", help="only these")
    parser.add_argument(
        "--folder", type=Path, help="where to put the files; a temporary one where it is missing"
    )
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hepae-memory-", dir=options.folder) as name:
        folder = Path(name)
        packed = options.codec != [WHOLE]  # 2 GiB are there sooner without
        repeated(options.source, folder / "first.root", 1, packed)
        size = repeated(options.source, folder / "large.root", options.jets, packed)
        rows = []
        for codec in options.codec or ("lifting", "masked", "bottleneck"):
            rows += measure(codec, folder / "large.root", size, folder)
            if options.evidence is not None:
                page(options.evidence).note(rows)
    return int(any(row["peak, MB"] > row["allowed, MB"] for row in rows))  # type: ignore[operator]


if __name__ == "__main__":
    sys.exit(main())
