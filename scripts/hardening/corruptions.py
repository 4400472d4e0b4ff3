"""A million damaged frames, event payloads, models, RNTuples: the same values, or a typed error.

    python -m scripts.hardening.corruptions --corruptions 1000000 --seed 1 --evidence docs/evidence/corruptions.md

What hepae wrote into a small file is taken into memory as the readers of ROOT files give it, so that each damage is to
bytes that are hepae's own, and is read as a file would be. ``--only NUMBER --subject …`` does one again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from hepae.errors import DefectError, HepaeError
from hepae.root.columns import Column, Jagged, cut
from hepae.root.file.source import MODELS_TREE, Source, open_source
from hepae.root.tree import TreeReader
from hepae.stored.models import ModelStore, models_of
from hepae.stored.restore import CompressedCollection
from hepae.testing.hostile import KINDS, Bytes
from scripts.hardening import fuzz_files
from scripts.hardening.ntuple_parts import NTuples
from scripts.hardening.ntuple_parts import subject as ntuples

SUFFIX = "__hepae"
EVENTS = 60
SAME_LENGTH = tuple(kind for kind in KINDS if kind.__name__ not in ("cut", "drop"))
SHARES = {
    "lifting": 0.33,
    "masked": 0.2,
    "bottleneck": 0.2,
    "models": 0.15,
    "manifests": 0.1,
    "rntuples": 0.02,
}

Random = np.random.Generator


@dataclass(frozen=True)
class Remembered:
    """A tree whose columns are in memory: as much of `TreeReader` as restoring asks for."""

    where: str
    num_entries: int
    branches: Mapping[str, Any]
    columns: Mapping[str, Column]

    @classmethod
    def of(cls, tree: TreeReader) -> Remembered:
        """Everything in a tree."""
        columns = {name: tree.read(name, 0, tree.num_entries) for name in tree.branches}
        return cls(tree.where, tree.num_entries, tree.branches, columns)

    def read(self, branch: str, start: int, stop: int) -> Column:
        """Values of a branch, as `TreeReader.read`."""
        return cut(self.columns[branch], start, stop)

    def with_column(self, name: str, column: Column) -> Remembered:
        """The same tree with another column."""
        return replace(self, columns={**self.columns, name: column})


def damaged_bytes(data: Bytes, rng: Random, kinds: tuple[Callable[[Bytes, Random], Bytes], ...]) -> Bytes:
    """Bytes with one kind of damage."""
    usable = kinds if len(data) > 8 else KINDS[:1]
    return usable[int(rng.integers(len(usable)))](data.copy(), rng)


def damaged(column: Column, rng: Random) -> Column:
    """A column with one kind of damage; only of a payload in one piece, a frame, does the length change."""
    if not isinstance(column, Jagged):
        data = damaged_bytes(np.ascontiguousarray(column).view(np.uint8).ravel(), rng, SAME_LENGTH)
        return data.view(column.dtype).reshape(column.shape)
    if not len(column.values) or (rng.random() < 0.1 and len(column) > 1):
        counts = column.counts.copy()
        first, second = rng.choice(len(counts), 2, replace=False)
        moved = int(rng.integers(1, counts[first] + 1)) if counts[first] else 0
        counts[first] -= moved
        counts[second] += moved
        return Jagged(counts, column.values)
    whole = np.count_nonzero(column.counts) == 1 and column.values.dtype == np.uint8
    raw = np.ascontiguousarray(column.values).view(np.uint8).ravel()
    data = damaged_bytes(raw, rng, KINDS if whole else SAME_LENGTH)
    counts = np.where(column.counts > 0, len(data), 0) if whole else column.counts
    return Jagged(counts, data.view(column.values.dtype))


@dataclass(frozen=True)
class Collection:
    """A compressed collection in memory, and what it restores to."""

    tree: Remembered
    models: ModelStore
    values: dict[str, bytes]

    @classmethod
    def of(cls, source: Source) -> Collection:
        """The collection of a small file."""
        tree = Remembered.of(source.tree("Events"))
        found = cls(tree, models_of(source), {})
        found.values.update(found.restored(tree))
        return found

    @property
    def own(self) -> list[str]:
        """The counter, and branches of hepae's; of their counters the one that is read."""
        own = [name for name in self.tree.branches if name.endswith(SUFFIX)]
        counters = [name for name in own if name.startswith("n")]
        return ["nJet", *counters[:1], *(name for name in own if name not in counters)]

    def restored(self, tree: Remembered) -> dict[str, bytes]:
        """Counts and bit patterns of every feature."""
        one = CompressedCollection(cast(TreeReader, tree), "Jet", self.models)
        objects = one.restore(list(one.features), 0, tree.num_entries)
        return {"counts": objects.counts.tobytes(), **{n: v.tobytes() for n, v in objects.columns.items()}}

    def outcome(self, rng: Random) -> str:
        """What one damage comes to."""
        name = self.own[int(rng.integers(len(self.own)))]
        other = self.tree.with_column(name, damaged(self.tree.columns[name], rng))
        return "identical" if self.restored(other) == self.values else "silent"


@dataclass(frozen=True)
class Models:
    """The table of models of a file in memory."""

    table: Remembered
    manifest: slice | None = None

    @classmethod
    def of(cls, source: Source, only_manifest: bool) -> Models:
        """The table of a small file, and where in the only model its manifest is."""
        table = Remembered.of(source.tree(MODELS_TREE))
        if not only_manifest:
            return cls(table)
        (model,) = (source_model for source_model in models_of(source).embedded)
        store = models_of(source)
        text, data = store.find(model, "").manifest.to_json(), store.embedded[model]
        return cls(table, slice(data.find(text), data.find(text) + len(text)))

    def outcome(self, rng: Random) -> str:
        """What one damage comes to."""
        name = "onnx" if self.manifest or rng.random() < 0.9 else "sha256"
        column = self.table.columns[name]
        if self.manifest is None:
            other = damaged(column, rng)
        else:
            values = cast(Jagged, column).values.copy()
            values[self.manifest] = damaged_bytes(values[self.manifest], rng, SAME_LENGTH)
            other = Jagged(cast(Jagged, column).counts, values)
        source = SimpleNamespace(
            has_models=True, path="memory", tree=lambda _: self.table.with_column(name, other)
        )
        found, expected = models_of(cast(Source, source)), models_of(self.undamaged()).embedded
        if found.embedded == expected:
            return "identical"
        # a model of no bytes is one by reference: whoever needs it is told that it is missing
        same = [found.find(name, "memory").data == data for name, data in expected.items()]
        return "identical" if all(same) else "silent"

    def undamaged(self) -> Source:
        """A source with the table as it was."""
        return cast(Source, SimpleNamespace(has_models=True, path="memory", tree=lambda _: self.table))


Subject = Collection | Models | NTuples


def word_of(subject: Subject, rng: Random) -> tuple[str, str]:
    """The outcome of one damage, and what must not be in detail."""
    try:
        word = subject.outcome(rng)
    except DefectError as defect:
        return "untyped", str(defect)
    except HepaeError as refused:
        return f"refused: {type(refused).__name__}", ""
    except Exception:  # noqa: BLE001 - anything else is what is looked for
        return "untyped", traceback.format_exc(limit=-8)
    return word, "values differ" if word == "silent" else ""


def subject_of(name: str, folder: Path) -> Subject:
    """What is damaged, by name."""
    if name == "rntuples":
        return ntuples(folder)
    codec = name if name in fuzz_files.CODECS else "lifting"
    first = fuzz_files.original(folder / "original.root", events=EVENTS)
    path = fuzz_files.compressed(first, folder / f"{codec}.root", codec)
    with open_source(path) as source:
        return (
            Models.of(source, name == "manifests")
            if name in ("models", "manifests")
            else Collection.of(source)
        )


TITLES = {
    "lifting": "frames and counters, lifting",
    "masked": "frames and counters, masked",
    "bottleneck": "branches and checksums of events, bottleneck",
    "models": "models and their names",
    "manifests": "manifests in their models",
    "rntuples": "anchors, envelopes and pages of RNTuples",
}


def run(name: str, numbers: range, seed: int) -> tuple[Counter[str], float, list[str]]:
    """Outcomes, CPU seconds, and what must not be."""
    outcomes, faults = Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="hepae-corruptions-") as folder:
        subject = subject_of(name, Path(folder))
        began = time.process_time()
        for number in numbers:
            word, details = word_of(subject, np.random.default_rng([seed, number]))
            outcomes[word] += 1
            if details:
                faults.append(f"{name} {number}: {word}: {details}")
    return outcomes, time.process_time() - began, faults


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corruptions", type=int, default=10_000, help="in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--subject", choices=SHARES, help="only this one")
    parser.add_argument("--only", type=int, help="only the damage of this number")
    parser.add_argument("--evidence", type=Path, metavar="FILE", help="page to write what was found on")
    options = parser.parse_args()
    failed = False
    for name in [options.subject] if options.subject else SHARES:
        numbers = range(round(options.corruptions * SHARES[name]))
        if options.only is not None:
            numbers = range(options.only, options.only + 1)
        outcomes, seconds, faults = run(name, numbers, options.seed)
        failed |= bool(faults)
        print(f"{TITLES[name]}: {outcomes.total():,} in {seconds:.0f} s: {dict(outcomes)}", flush=True)
        for fault in faults[:20]:
            print(fault, flush=True)
        if options.evidence is not None:
            fuzz_files.page(options.evidence).note([fuzz_files.row(TITLES[name], outcomes, seconds)])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
