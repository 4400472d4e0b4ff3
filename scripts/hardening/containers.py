"""Sizes and speeds of one data set as a TTree and as an RNTuple.

    python -m scripts.hardening.containers ../shared/data/nano_like.root --evidence docs/evidence/containers.md

ROOT's RNTupleImporter makes the RNTuple, with the compression of the TTree and with ROOT's default. Each file is
compressed with all that is asked for by default, decompressed, and copied with pages or baskets as they are, in one
thread; seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import hepae
from hepae.files.merge.file import merge
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from scripts.hardening import evidence
from tests.root_process import in_root

SETTINGS = {"LZMA, level 9": 209, "ZSTD, level 5": 505}
"""ROOT's numbers: that of NanoAOD, and the default of RNTuples."""
COPIES = 8
"""Of a file that is copied, one after the other: headers and streamer infos are then a small part."""
COLUMNS = (
    "file", "MB", "compressed MB", "per cent", "compress s", "decompress s", "copy MB/s",
)  # fmt: skip
TEXT = """
One data set in both containers, in one thread, by time of the processor. *Compress* searches, codes and verifies;
*copy* is of a file of eight times the entries, whose baskets or pages stay as they are, with their checksums looked at
where there are any. Made by
`python -m scripts.hardening.containers FILE --tree Events --evidence docs/evidence/containers.md`.
"""
SOURCES = ("hepae/core", "hepae/files", "hepae/learn", "hepae/root", "hepae/stored")
IMPORT = """
importer = ROOT.Experimental.RNTupleImporter.Create(paths[0], tree, paths[1])
importer.SetIsQuiet(True)
options = importer.GetWriteOptions()
options.SetCompression(setting)
importer.SetWriteOptions(options)
importer.Import()
result = True
"""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("file", type=Path, help="with a TTree that ROOT's importer takes")
    parser.add_argument("--tree", default="Events")
    parser.add_argument("--only", nargs="*", help="rows that are made anew; all without")
    parser.add_argument("--evidence", type=Path, help="page to write")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in files(options.file, options.tree, Path(folder)):
            if options.only is None or name in options.only:
                rows.append({"file": name, **measured(path, Path(folder))})
                print(*rows[-1].values(), sep=" | ", flush=True)
                if options.evidence:
                    page(options.evidence).note(rows)
    return 0


def page(path: Path) -> evidence.Page:
    """The page of evidence."""
    return evidence.Page(path, "TTree and RNTuple", TEXT, COLUMNS, SOURCES, ("ROOT", "numpy"))


def files(path: Path, tree: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The data set in both containers."""
    yield f"{path.stem}, TTree", path
    for words, setting in SETTINGS.items():
        target = folder / f"{setting}.root"
        in_root(f"tree, setting = {tree!r}, {setting}\n{IMPORT}", path, target)
        yield f"{path.stem}, RNTuple, {words}", target


def measured(path: Path, folder: Path) -> Mapping[str, object]:
    """What a row says of a file."""
    small, back, many, copy = (
        folder / name for name in ("small.root", "back.root", "many.root", "copy.root")
    )
    compressing = seconds(lambda: hepae.compress(path, small, threads=1))
    decompressing = seconds(lambda: hepae.decompress(small, back))
    merge(many, [path] * COPIES, force=True)
    copying = min(seconds(lambda: copied(many, copy)) for _ in range(3))
    before, after = (one.stat().st_size / 1e6 for one in (path, small))
    return {
        "MB": before,
        "compressed MB": after,
        "per cent": 100 * after / before,
        "compress s": compressing,
        "decompress s": decompressing,
        "copy MB/s": many.stat().st_size / 1e6 / copying,
    }


def copied(path: Path, target: Path) -> None:
    """Write a file anew, with every basket and page as it is."""
    with open_source(path) as source, RootWriter(target, source) as out:
        out.copy_rest()


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, in this process."""
    began = time.process_time()
    work()
    return time.process_time() - began


if __name__ == "__main__":
    sys.exit(main())
