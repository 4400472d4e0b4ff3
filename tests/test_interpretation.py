"""Compressed branches read back restored wherever uproot reads, and nothing else is touched."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepae.core.values.bounds import Bound
from hepae.read import interpretation
from hepae.read.interpretation import AsHepae, register, set_restorer
from hepae.root import Jagged, NewBranch, RootWriter, Source, TTreeReader
from hepae.stored.titles import Payload, format_title

COUNTS = np.tile([2, 0, 1], 1000)
EDGES = np.concatenate([[0], np.cumsum(COUNTS)])
VALUES = np.arange(COUNTS.sum(), dtype="f4")
WANTED = ak.unflatten(VALUES, COUNTS)
NAME = "Jet_pt__hepae"


def stub(source: Source, tree: TTreeReader, branch: str, start: int, stop: int) -> Jagged:
    """Known values, after reading the payload as a restorer would."""
    raw = tree.read(branch, 0, 1)
    assert isinstance(raw, Jagged)
    assert raw.values.tolist() == [0] * 7
    assert tree.read("nJet", start, stop).tolist() == COUNTS[start:stop].tolist()
    return Jagged(COUNTS[start:stop], VALUES[EDGES[start] : EDGES[stop]])


@pytest.fixture
def compressed(tmp_path: Path) -> Iterator[Path]:
    """A tree with one compressed feature in three chunks, and a restorer that knows its values."""
    path = tmp_path / "compressed.root"
    title = format_title(
        Payload("Jet", "pt", "nJet", "masked", "float32", Bound("abs", 0.1), "pt of the jet")
    )
    plan = [
        NewBranch("nJet", "uint32"),
        NewBranch("nJet_pt__hepae", "int32"),
        NewBranch(NAME, "uint8", title, counter="nJet_pt__hepae"),
        NewBranch("Jet_eta__hepae", "float32", "no mark here", counter="nJet"),
    ]
    with RootWriter(path) as out:
        tree = out.new_tree("Events", plan)
        for number in range(3):
            run = slice(1000 * number, 1000 * number + 1000)
            lengths = np.zeros(1000, np.int64)
            lengths[0] = 7
            eta = Jagged(COUNTS[run], VALUES[EDGES[run.start] : EDGES[run.stop]])
            payload = Jagged(lengths, np.full(7, number, "u1"))
            tree.append({"nJet": COUNTS[run], NAME: payload, "Jet_eta__hepae": eta})
        tree.finish()
    before = interpretation._restorer.copy()
    register()
    register()  # a second time is harmless: warnings are errors here
    set_restorer(stub)
    yield path
    interpretation._restorer[:] = before


def test_arrays_of_any_kind(compressed: Path) -> None:
    with uproot.open(compressed) as file:
        tree = file["Events"]
        branch = tree[NAME]
        assert branch.typename == "float[]"
        assert branch.array().type == WANTED.type
        assert ak.all(branch.array() == WANTED)
        for start, stop in ((5, 2100), (0, 1), (999, 1001), (2999, 3000), (4, 4)):
            assert branch.array(entry_start=start, entry_stop=stop).tolist() == WANTED[start:stop].tolist()
        objects = branch.array(library="np")
        assert objects.dtype == object
        assert [one.dtype for one in objects[:3]] == ["float32"] * 3
        assert ak.all(tree.arrays()[NAME] == WANTED)
        assert ak.all(tree.arrays(["pt"], aliases={"pt": NAME}).pt == WANTED)
        assert ak.all(ak.concatenate([run[NAME] for run in tree.iterate([NAME], step_size=700)]) == WANTED)
        assert ak.all(tree.arrays(virtual=True)[NAME] == WANTED)
    assert ak.all(uproot.concatenate({compressed: "Events"}, [NAME])[NAME] == WANTED)


def test_only_marked_branches_match(compressed: Path) -> None:
    with uproot.open(compressed) as file:
        tree = file["Events"]
        assert [b.name for b in tree.branches if isinstance(b.interpretation, AsHepae)] == [NAME]
        assert tree["Jet_eta__hepae"].array().tolist() == WANTED.tolist()
        stored = tree[NAME].array(interpretation=tree[NAME].interpretation.stored)
        assert ak.num(stored).tolist() == ([7] + [0] * 999) * 3


def test_it_pickles_and_takes_what_coffea_sets(compressed: Path) -> None:
    with uproot.open(compressed) as file:
        found = file["Events"][NAME].interpretation
        again = pickle.loads(pickle.dumps(found))
        assert again == found
        assert again.cache_key == found.cache_key
        assert again.numpy_dtype == np.dtype(object)
        again._forth = None
        assert again.awkward_form(None) == found.awkward_form(None)


def test_one_worker_is_enough(compressed: Path) -> None:
    """A nested read through the executor of the file would wait for itself."""
    executor = uproot.source.futures.ThreadPoolExecutor(1)
    with uproot.open(compressed, decompression_executor=executor, interpretation_executor=executor) as file:
        assert ak.all(file["Events"][NAME].array() == WANTED)


@pytest.mark.parametrize("open_files", [True, False])
def test_dask(compressed: Path, open_files: bool) -> None:
    pytest.importorskip("dask_awkward")
    lazy = uproot.dask({compressed: "Events"}, open_files=open_files, steps_per_file=4)
    for scheduler in ("sync", "threads"):
        assert ak.all(lazy[NAME].compute(scheduler=scheduler) == WANTED)
