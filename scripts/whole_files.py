"""Sizes of whole files: as they are, repacked for ROOT, compressed losslessly, and compressed at a bound.

Run as ``python -m scripts.whole_files FILE…``. Each step uses all cores, and compares every value with the original.
Prints a table in Markdown. With ``--columns`` two cells more: what pcodec and OpenZL make of the numbers of all trees,
each column at once and by itself. These are bytes of columns alone, without the headers that a file needs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import uproot

import hepae
from hepae.lab.bench.alternatives import openzl_bytes
from scripts.columns_alone import flat_values, pcodec_size

BOUND = "*=rel:1e-3"
"""Of floats; a wildcard leaves integers exact."""


def timed(run: Callable[[], object]) -> float:
    """Seconds of wall-clock time."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def numbers(source: Path) -> Iterator[np.ndarray[Any, Any]]:
    """The values of every branch of numbers or flags, flat."""
    with uproot.open(source) as file:
        for tree in file.values(filter_classname="TTree"):
            for branch in tree.itervalues(recursive=True):
                text = isinstance(branch.interpretation, uproot.interpretation.strings.AsStrings)
                if not branch.branches and not text:
                    yield flat_values(branch)


def alone(source: Path) -> list[str]:
    """Bytes of the numbers, each column by itself: pcodec, OpenZL."""
    sizes = np.zeros(2, np.int64)
    for column in numbers(source):
        sizes += [pcodec_size(column), len(openzl_bytes(column)) if len(column) else 0]
    return [f"{size:,}" for size in sizes]


def row(source: Path, folder: Path, columns: bool) -> str:
    """The row of one file."""
    targets = {name: folder / f"{source.stem}-{name}.root" for name in ("repacked", "exact", "bounded")}
    hepae.repack(source, targets["repacked"])
    seconds = timed(lambda: hepae.compress(source, targets["exact"]))
    reading = timed(lambda: hepae.decompress(targets["exact"], folder / "restored.root", force=True))
    hepae.compress(source, targets["bounded"], bounds=[BOUND])
    before = source.stat().st_size
    sizes = {name: path.stat().st_size for name, path in targets.items()}
    cells = [f"{size:,} ({size / before:.2f})" for size in sizes.values()]
    if columns:
        cells += alone(source)
    for path in targets.values():
        path.unlink()
    return f"| {source.name} | {before:,} | {' | '.join(cells)} | {seconds:.0f} | {reading:.0f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--columns", action="store_true", help="pcodec and OpenZL on each column as well")
    options = parser.parse_args()
    names = ["original, B", "`hepae repack`", "`hepae compress`", f"`--bound '{BOUND}'`"]
    names += ["columns, pcodec", "columns, OpenZL"] if options.columns else []
    names += ["compress, s", "restore, s"]
    print(f"| file | {' | '.join(names)} |")
    print(f"|---|{'---:|' * len(names)}")
    with tempfile.TemporaryDirectory() as folder:
        for source in options.files:
            print(row(source, Path(folder), options.columns), flush=True)


if __name__ == "__main__":
    main()
