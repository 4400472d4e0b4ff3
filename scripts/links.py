"""What links between tables save: one file, the first three quarters trained on, the last quarter compressed.

    python -m scripts.links ../shared/data/nano_like.root --evidence docs/evidence/links.md
    python -m scripts.links ../shared/data/nano_like.root --bound '*=rel:1e-3' --evidence docs/evidence/links.md

Two models are trained, with links and without. The last quarter is compressed with each, and its tables are compared by
their bytes on disk: as the input has them, each column by itself with pcodec, and with both models. Without a bound
everything is lossless. The model is embedded and counted in the size of the file.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import uproot

import hepae
from hepae.core.values.bounds import Bound, asked
from hepae.core.values.lattice_fit import fit_lattice
from hepae.core.values.nested import Nested
from hepae.files.inspect.facts import FileFacts, TreeFacts
from hepae.files.inspect.file import inspect
from hepae.input.selection import selection_of
from hepae.learn.whole import lifted
from hepae.learn.whole.links import RowLink
from hepae.learn.whole.links import find_links as of_the_file
from hepae.learn.whole.matches import Match
from hepae.learn.whole.matches import find_matches as by_direction
from hepae.learn.whole.tables import Found
from hepae.model.dataset import DatasetModel
from hepae.root.file.compression import ZSTD_DEFAULT
from scripts.columns_alone import flat_values, pcodec_size
from scripts.hardening import evidence

Sample = Mapping[str, Nested]

COLUMNS = (
    "bound", "table", "rows", "input B", "input, bits per row", "pcodec", "without links", "with links", "links save",
    "pcodec, bits per row", "without, bits per row", "with, bits per row", "needs, largest", "needs, median",
)  # fmt: skip
TEXT = """
The last quarter of a file, compressed with a model that was trained on the first three quarters: exactly, and floats
within a bound. *Input*: bytes of the table as the input has them (LZMA-9 in a NanoAOD file, exact). *pcodec*: each
column by itself, on its lattice where it has a bound. It and the next two are shares of the input's bytes. *Links
save*: of the bytes without links. *Needs*: columns that are decoded to read one column of the table, itself included.
*(file)*: the model is counted where it is in the file. Below: seconds of CPU to read some columns, and links with the
bits that a row of the table saves by plain differences alone, of the run that was noted last.
"""
FILE, FLAGS = "(file)", "(flags)"
READ = ("Muon_pt", "Muon_eta", "Muon_phi", "Muon_mass")
ROUNDS = 7
SOURCES = ("hepae/core", "hepae/learn", "hepae/files/compress", "hepae/files/dataset.py")


@contextmanager
def without_links() -> Iterator[None]:
    """Tables are told nothing of each other."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(lifted, "find_links", lambda found, *_: {}))
        stack.enter_context(patch.object(lifted, "find_matches", lambda *_: []))
        stack.enter_context(patch.object(lifted, "find_sums", lambda *_: []))
        yield


@contextmanager
def noted(links: dict[str, float]) -> Iterator[None]:
    """Note the links of tables: bits that a linked row saves by plain differences alone."""
    of_file, nearest = of_the_file, by_direction

    def find_links(found: Found, sample: Sample, *rest: Any) -> dict[int, list[RowLink]]:
        kept = of_file(found, sample, *rest)
        for link in (link for each in kept.values() for link in each):
            links[f"{_said(found, link)} by {found.columns[link.index].name}"] = _per_row(found, sample, link)
        return kept

    def find_matches(found: Found, sample: Sample, *rest: Any) -> list[Match]:
        matches = nearest(found, sample, *rest)
        for match in matches:
            links[f"{_said(found, match.link)}, the nearest in direction"] = _per_row(
                found, sample, match.link
            )
        return matches

    with patch.object(lifted, "find_links", find_links), patch.object(lifted, "find_matches", find_matches):
        yield


def _said(found: Found, link: RowLink) -> str:
    return f"{found.tables[link.table].name} → {found.tables[link.other].name}"


def _per_row(found: Found, sample: Sample, link: RowLink) -> float:
    """Bits that a row of the table saves; rows that are linked with none count too."""
    name = next(
        column.name for column in found.columns if column.table == link.table and column.name in sample
    )
    return link.gain / max(len(sample[name].values), 1)


def flags_of(path: Path, tree: str) -> set[str]:
    """Names of the flags of events."""
    with uproot.open(path) as file:
        branches = {branch.name: branch.interpretation for branch in file[tree].branches}
    return {name for name, one in branches.items() if getattr(one, "numpy_dtype", None) == np.dtype(bool)}


def pcodec_sizes(
    path: Path, tree: TreeFacts, bounds: Sequence[str], flags: set[str]
) -> tuple[dict[str, int], int]:
    """Bytes of each table, every column by itself and on its lattice where it has a bound; ZSTD bytes of all flags."""
    sizes: dict[str, int] = {FILE: 0, FLAGS: 0}
    zstd = 0
    with uproot.open(path) as file:
        branches = {
            column.name: file[tree.path][column.name]
            for column in tree.columns
            if column.name in file[tree.path]
        }
        assigned = asked(selection_of(bounds=bounds).bounds, [(name, name, "float32") for name in branches])
        for column in tree.columns:
            if column.name in branches:
                values = flat_values(branches[column.name])
                size = pcodec_size(on_lattice(values, assigned.get(column.name)))
                flag = column.name in flags
                zstd += len(ZSTD_DEFAULT.pack(values.tobytes())) if flag else 0
                for table in (column.table, FILE, *([FLAGS] if flag else [])):
                    sizes[table] = sizes.get(table, 0) + size
    return sizes, zstd


def on_lattice(values: np.ndarray[Any, Any], bound: Bound | None) -> np.ndarray[Any, Any]:
    """Integers of floats that have a bound; other values as they are."""
    if bound is None or bound.kind == "exact" or values.dtype.kind != "f":
        return values
    q, escaped = fit_lattice(values, bound).to_integers(values, bound)
    return np.concatenate([q, escaped.astype(np.int64)])


def needs(tree: TreeFacts) -> dict[str, list[int]]:
    """Columns that each column of a table is read with, itself included."""
    direct = {column.name: column.needs for column in tree.columns}
    closed: dict[str, set[str]] = {}

    def all_of(name: str) -> set[str]:
        if name not in closed:
            closed[name] = {name}
            closed[name] = {name}.union(*(all_of(one) for one in direct.get(name, ())))
        return closed[name]

    sizes: dict[str, list[int]] = {}
    for column in tree.columns:
        sizes.setdefault(column.table, []).append(len(all_of(column.name)))
    return sizes


def compressed(source: Path, target: Path, model: DatasetModel, embed: bool) -> FileFacts:
    """Facts of a file that a model compressed."""
    model.save(target.with_suffix(".onnx"))
    hepae.compress(source, target, model=model, embed=embed, force=True)
    with patch.dict(os.environ, {"HEPAE_MODEL_PATH": str(target.parent)}):
        return inspect(target)


def reading(path: Path, tree: str) -> float:
    """Seconds of CPU to read the momenta of muons, the file opened anew: the smallest of some rounds."""
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        with uproot.open(path) as file:
            file[tree].arrays(READ)
        seconds.append(time.process_time() - began)
    return min(seconds)


def measure(
    source: Path, tree: str, bounds: Sequence[str], embed: bool, folder: Path
) -> tuple[list[dict[str, object]], dict[str, float], list[str]]:
    """Rows of the page, the links, and a line for each file size."""
    with uproot.open(source) as file:
        cut = file[tree].num_entries * 3 // 4
    first, last = folder / "first.root", folder / "last.root"
    hepae.skim(source, first, f"Entry$ < {cut}", tree=tree, force=True)
    hepae.skim(source, last, f"Entry$ >= {cut}", tree=tree, force=True)
    links: dict[str, float] = {}
    with noted(links):
        with_links = hepae.train_dataset([first], bounds=bounds)
    with without_links():
        alone = hepae.train_dataset([first], bounds=bounds)
    before = inspect(last)
    small = {name: compressed(last, folder / f"{name}.root", model, embed) for name, model in
             (("without links", alone), ("with links", with_links))}  # fmt: skip
    trees = {name: next(one for one in facts.trees if one.path == tree) for name, facts in
             (("before", before), *small.items())}  # fmt: skip
    flags = flags_of(last, tree)
    packed, zstd = pcodec_sizes(last, trees["before"], bounds, flags)
    needed = needs(trees["with links"])
    sizes = [
        [facts.size for facts in (before, *small.values())],
        [_of(one, flags) for one in trees.values()],
    ]
    rows = [
        _row(table, trees["before"], sizes[place], packed, needed)
        for place, table in enumerate((FILE, FLAGS))
    ]
    rows += [
        _row(table, trees["before"], [_on_disk(one, table) for one in trees.values()], packed, needed)
        for table in _tables(trees["before"])
    ]
    for row in rows:
        row["bound"] = ", ".join(bounds) or "exact"
    files = {"the quarter": last, **{name: folder / f"{name}.root" for name in small}}
    with patch.dict(os.environ, {"HEPAE_MODEL_PATH": str(folder)}):
        lines = [
            f"reading {', '.join(READ)}, {name}: {reading(path, tree):.3f} s" for name, path in files.items()
        ]
    return rows, links, [f"the flags with ZSTD, each by itself: {zstd:,} B", *lines]


def _tables(tree: TreeFacts) -> list[str]:
    return [table.name for table in tree.tables if (table.rows or 0) > 0]


def _on_disk(tree: TreeFacts, table: str) -> int:
    return next((one.on_disk for one in tree.tables if one.name == table), 0)


def _of(tree: TreeFacts, names: set[str]) -> int:
    """Bytes of some columns."""
    return sum(column.on_disk for column in tree.columns if column.name in names)


def _row(
    table: str,
    tree: TreeFacts,
    sizes: Sequence[int],
    packed: Mapping[str, int],
    needed: Mapping[str, list[int]],
) -> dict[str, object]:
    """A row of the page; sizes are of the input, without links and with links."""
    of_table = next((one.rows for one in tree.tables if one.name == table), None)
    rows = of_table or tree.entries
    before, plain, linked = sizes
    each = (before, packed.get(table, 0), plain, linked)
    share = [f"{size / max(before, 1):.3f}" for size in each[1:]]
    bits = [f"{8 * size / max(rows, 1):.1f}" for size in each]
    own = needed.get(table, [0])
    cells = [
        "", table, f"{rows:,}", f"{before:,}", bits[0], *share, f"{1 - linked / max(plain, 1):.1%}", *bits[1:],
        max(own), round(statistics.median(own)),
    ]  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def main() -> None:
    """Measure a file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--tree", default="Events")
    parser.add_argument("--bound", action="append", default=[], help="as of `hepae compress`; repeatable")
    parser.add_argument(
        "--by-reference", action="store_true", help="the model is not in the file, nor counted"
    )
    parser.add_argument("--evidence", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows, links, sizes = measure(
            options.file, options.tree, options.bound, not options.by_reference, Path(folder)
        )
    for row in rows:
        print("  ".join(str(cell) for cell in row.values()))
    for name, gain in sorted(links.items(), key=lambda pair: -pair[1]):
        print(f"{name}: {gain:.1f} bits a row")
    print(*sizes, sep="\n")
    if options.evidence:
        text = TEXT + "\n" + "\n".join(f"- {line}" for line in sizes) + "\n"
        text += "".join(f"- {name}: {gain:.1f} bits a row\n" for name, gain in links.items())
        title = "What links between tables save"
        evidence.Page(options.evidence, title, text, COLUMNS, SOURCES, key=2).note(rows)


if __name__ == "__main__":
    main()
