"""What is opened and read once: the source of a compression, the counter of a collection."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

import hepae
from hepae.root.columns import Jagged
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch
from tests.compressed import SAMPLE

FEATURES = ("pt", "eta", "phi", "mass")
BASKETS, ENTRIES = 5, 200


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file is opened."""
    opened: Counter[str] = Counter()
    plain = uproot.open

    def counting(path: Any, *arguments: Any, **options: Any) -> Any:
        opened[str(path)] += 1
        return plain(path, *arguments, **options)

    monkeypatch.setattr(uproot, "open", counting)
    return opened


@pytest.fixture
def baskets(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """How often each basket is read, by branch and number."""
    read: Counter[tuple[str, int]] = Counter()
    branch = uproot.behaviors.TBranch.TBranch
    plain = branch.basket

    def counting(self: Any, number: int) -> Any:
        read[str(self.name), number] += 1
        return plain(self, number)

    monkeypatch.setattr(branch, "basket", counting)
    return read


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Jets in several baskets."""
    path, random = tmp_path / "events.root", np.random.default_rng(1)
    with RootWriter(path, None) as out:
        plan = [NewBranch("nJet", "int32"), *(NewBranch(f"Jet_{f}", "float32", "", "nJet") for f in FEATURES)]
        tree = out.new_tree("Events", plan)
        for _ in range(BASKETS):
            counts = random.integers(0, 5, ENTRIES)
            values = {
                f"Jet_{f}": random.exponential(50, int(counts.sum())).astype(np.float32) for f in FEATURES
            }
            tree.append({name: Jagged(counts, column) for name, column in values.items()})
        tree.finish()
    return path


@pytest.mark.parametrize(
    "words", [{}, {"collection": "Jet", "recipe": hepae.Recipe(codec="lifting", effort="fast")}]
)
def test_a_file_is_opened_once_by_compressing_it_and_once_by_verifying(
    words: dict[str, Any], opens: Counter[str], tmp_path: Path
) -> None:
    """The verification opens the original itself, on purpose: it uses nothing of the reader that was written from."""
    source, target = shutil.copy(SAMPLE, tmp_path / "in.root"), tmp_path / "out.root"
    hepae.compress(source, target, **words)
    by_compress, by_verify = 1, 1
    assert opens[str(source)] == by_compress + by_verify


def test_four_features_of_a_collection_read_its_counter_once(
    events: Path, baskets: Counter[tuple[str, int]]
) -> None:
    with open_source(events) as source:
        tree = source.tree("Events")
        jets = tree.collection("Jet")
        (read,) = tree.iterate(jets, FEATURES)
    assert set(read.columns) == set(FEATURES)
    assert baskets == {
        (name, n): 1 for name in ("nJet", *(f"Jet_{f}" for f in FEATURES)) for n in range(BASKETS)
    }


def test_four_compressed_features_read_their_counter_once(
    events: Path, tmp_path: Path, baskets: Counter[tuple[str, int]]
) -> None:
    small = tmp_path / "small.root"
    hepae.compress(events, small, collection="Jet", recipe=hepae.Recipe(codec="lifting", effort="fast"))
    baskets.clear()
    with hepae.open(small) as file:
        read = file["Events"].arrays([f"Jet_{feature}" for feature in FEATURES])
    assert len(read) == BASKETS * ENTRIES
    assert {number: n for (name, number), n in baskets.items() if name == "nJet"} == dict.fromkeys(
        range(BASKETS), 1
    )
