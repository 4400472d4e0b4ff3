"""Sizes of whole files: as they are, repacked for ROOT, compressed losslessly, and compressed at a bound.

Run as ``python -m scripts.whole_files FILE…``. Each step uses all cores, and compares every value with the original.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hepae

BOUND = "*=rel:1e-3"
"""Of floats; a wildcard leaves integers exact."""


def timed(run: Callable[[], object]) -> float:
    """Seconds of wall-clock time."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def row(source: Path, folder: Path) -> str:
    """The row of one file."""
    targets = {name: folder / f"{source.stem}-{name}.root" for name in ("repacked", "exact", "bounded")}
    hepae.repack(source, targets["repacked"])
    seconds = timed(lambda: hepae.compress(source, targets["exact"]))
    reading = timed(lambda: hepae.decompress(targets["exact"], folder / "restored.root", force=True))
    hepae.compress(source, targets["bounded"], bounds=[BOUND])
    before = source.stat().st_size
    sizes = {name: path.stat().st_size for name, path in targets.items()}
    cells = [f"{size:,} ({size / before:.2f})" for size in sizes.values()]
    for path in targets.values():
        path.unlink()
    return f"| {source.name} | {before:,} | {' | '.join(cells)} | {seconds:.0f} | {reading:.0f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    files = parser.parse_args().files
    print(
        f"| file | original, B | `hepae repack` | `hepae compress` | `--bound '{BOUND}'` | compress, s | restore, s |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for source in files:
            print(row(source, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
