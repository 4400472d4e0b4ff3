"""What is in a file, for ``hepae inspect``: trees, collections, features, bytes, precision in use, payloads, models."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hepae import limits
from hepae.root.columns import Branch, Jagged
from hepae.root.file.source import MODELS_TREE, OWN_TREES, Key, Source, open_source
from hepae.root.tree import TreeReader
from hepae.stored.titles import SUFFIX, parse_title

__all__ = ["BranchFacts", "FileFacts", "TreeFacts", "describe", "mantissa_bits"]


@dataclass
class BranchFacts:
    """A branch of numbers: where it takes how many bytes, and what its values are like.

    Attributes
    ----------
    values
        How many there are.
    compressed, uncompressed
        Bytes on disk and before compression.
    mantissa
        Bits of the mantissa in use, None for integers.
    low, high
        Range of the finite values, None where there are none.
    non_finite
        Share of NaN and infinities.
    """

    name: str
    dtype: str
    title: str
    compressed: int
    uncompressed: int
    values: int = 0
    mantissa: int | None = None
    low: float | None = None
    high: float | None = None
    non_finite: float = 0.0


@dataclass
class TreeFacts:
    """A tree: its collections with their features, event-level branches, payloads of hepae, and the rest by type."""

    path: str
    classname: str
    title: str
    entries: int
    collections: dict[str, list[BranchFacts]] = field(default_factory=dict)
    counters: dict[str, str | None] = field(default_factory=dict)
    events: list[BranchFacts] = field(default_factory=list)
    payloads: dict[str, str] = field(default_factory=dict)
    passed_through: dict[str, str] = field(default_factory=dict)


@dataclass
class FileFacts:
    """A file: its trees, its other keys, and the models it carries by SHA-256 with their size in bytes."""

    path: str
    size: int
    trees: list[TreeFacts]
    keys: list[Key]
    models: dict[str, int]


def describe(path: str | Path, tree: str | None = None, values: bool = True) -> FileFacts:
    """What is in a ROOT file.

    Parameters
    ----------
    path
        The file.
    tree
        One tree only; all by default.
    values
        Whether to read the values, for precision, range and non-finite share.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    with open_source(path) as source:
        names = [tree] if tree else list(source.trees)
        others = [key for key in source.keys if key.path not in source.trees and key.path not in OWN_TREES]
        facts = [tree_facts(source.tree(name), source.trees.get(name, ""), values) for name in names]
        return FileFacts(str(path), source.size, facts, others, models_in(source))


def models_in(source: Source) -> dict[str, int]:
    """Models in a file: SHA-256 and bytes, 0 for those kept by reference."""
    if not source.has_models:
        return {}
    table = source.tree(MODELS_TREE)
    limits.check("models in a file", table.num_entries, limits.MAX_MODELS_PER_FILE, source.path)
    names = np.asarray(table.read("sha256", 0, table.num_entries)).astype(np.uint8)
    onnx = table.read("onnx", 0, table.num_entries)
    sizes = onnx.counts if isinstance(onnx, Jagged) else np.zeros(len(names), np.int64)
    return {name.tobytes().hex(): int(size) for name, size in zip(names, sizes, strict=True)}


def tree_facts(tree: TreeReader, classname: str, values: bool) -> TreeFacts:
    """What is in a tree."""
    facts = TreeFacts(tree.path, classname, tree.title, tree.num_entries)
    hidden = {name for name in tree.branches if name.endswith(SUFFIX)}
    facts.payloads = {
        name: str(tree.branches[name].title) for name in hidden if parse_title(tree.branches[name].title)
    }
    for name, collection in tree.collections().items():
        wanted = [feature.branch for feature in collection.features if feature.branch not in hidden]
        if wanted:
            facts.collections[name] = [branch_facts(tree, branch, values) for branch in wanted]
            facts.counters[name] = collection.counter
    flat = [name for name in tree.event_branches() if name not in hidden]
    facts.events = [branch_facts(tree, name, values) for name in flat]
    facts.passed_through = {name: kind for name, kind in tree.passed_through().items() if name not in hidden}
    return facts


def branch_facts(tree: TreeReader, name: str, values: bool) -> BranchFacts:
    """What a branch is, read a run of events at a time."""
    info: Branch = tree.branches[name]
    facts = BranchFacts(name, info.dtype, info.title, *tree.bytes_on_disk(name))
    if not values:
        return facts
    used, broken = 0, 0
    for start in range(0, tree.num_entries, limits.EVENTS_PER_CHUNK):
        column = tree.read(name, start, min(start + limits.EVENTS_PER_CHUNK, tree.num_entries))
        run = column.values if isinstance(column, Jagged) else np.asarray(column)
        finite = run[np.isfinite(run)] if run.dtype.kind == "f" else run
        facts.values += len(run)
        broken += len(run) - len(finite)
        if len(finite):
            low, high = float(finite.min()), float(finite.max())
            facts.low = low if facts.low is None else min(facts.low, low)
            facts.high = high if facts.high is None else max(facts.high, high)
        if run.dtype.kind == "f":
            used = max(used, mantissa_bits(finite))
            facts.mantissa = used
    facts.non_finite = broken / facts.values if facts.values else 0.0
    return facts


def mantissa_bits(values: NDArray[np.floating]) -> int:
    """Bits of the mantissa, the hidden one left out, that any of these finite values has set.

    Examples
    --------
    >>> mantissa_bits(np.array([1.0, 1.5, 1.25], "float32"))
    2
    """
    width = np.finfo(values.dtype).nmant
    pattern = f"u{values.dtype.itemsize}"
    set_bits = int(np.bitwise_or.reduce(values.view(pattern), initial=0)) & ((1 << width) - 1)
    return width - (set_bits & -set_bits).bit_length() + 1 if set_bits else 0
