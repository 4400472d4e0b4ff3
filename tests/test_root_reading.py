"""A ROOT file is read exactly, in bounded memory, or refused in words: never half, never with a traceback."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

from hepae.core.values.objects import Collection, Feature, concatenate, find_collections
from hepae.errors import CollectionError, HepaeError, InputError, UnsupportedError
from hepae.root import Jagged, NewBranch, RootWriter, TreeReader, open_source
from hepae.root.columns import Branch
from hepae.root.ttree.reader import describe_branch
from hepae.testing.files import DTYPES


def same_bytes(mine: np.ndarray, theirs: object) -> bool:
    """Whether an array equals what uproot read, bit for bit and in dtype."""
    other = np.asarray(ak.to_numpy(ak.flatten(theirs, axis=None)))
    flat = mine.reshape(-1)
    return flat.dtype == other.dtype and flat.tobytes() == other.tobytes()


def require_equal_to_uproot(tree: TreeReader, path: Path) -> int:
    """Compare every branch of numbers with uproot's reading of it; return how many there were."""
    with uproot.open(path) as file:
        theirs = file[tree.path]
        compared = 0
        for name, branch in tree.branches.items():
            if branch.kind in ("flat", "jagged"):
                mine, other = tree.read(name, 0, tree.num_entries), theirs[name].array()
                if isinstance(mine, Jagged):
                    assert mine.counts.tolist() == ak.num(other, axis=1).tolist(), name
                    mine = mine.values
                assert same_bytes(mine, other), name
                assert mine.dtype == branch.dtype
                compared += 1
    return compared


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written by uproot: 97 events in baskets of 1, 0, 40 and 56, empty events first and last."""
    path = tmp_path_factory.mktemp("uneven") / "uneven.root"
    random = np.random.default_rng(1)
    types = {"nJet": "int32", "met": "float32", **{f"Jet_{t}": f"var * {t}" for t in DTYPES}}
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", types, counter_name=lambda name: "n" + name.partition("_")[0])
        for events in (1, 40, 56):
            counts = random.poisson(2, events)
            counts[[0, -1]] = 0
            chunk = {"met": random.normal(size=events).astype("f4")}
            for dtype in DTYPES:
                bits = random.integers(0, 256, 8 * counts.sum(), np.uint8)
                values = (bits[: counts.sum()] & 1).astype(bool) if dtype == "bool" else bits.view(dtype)
                chunk[f"Jet_{dtype}"] = ak.unflatten(values[: counts.sum()], counts)
            tree.extend({"nJet": counts.astype("i4"), **chunk})
    return path


def test_sample(sample_root: Path) -> None:
    with open_source(sample_root) as source:
        tree = source.tree()
        assert (tree.name, tree.num_entries) == ("Events", 2400)
        assert {"Jet", "Muon"} <= set(tree.collections())
        assert {key.classname for key in source.keys} >= {"TTree", "TObjString"}
        assert require_equal_to_uproot(tree, sample_root) > 20


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "collections", "branches"),
    [
        ("qcd_jets.root", {"Jet"}, 23),
        ("uproot-HZZ.root", {"Jet", "Muon", "Electron", "Photon"}, 51),
        ("fat_jets.root", {"Constituent"}, 11),
        ("nanoAOD_2015_CMS_Open_Data_ttbar.root", {"Jet", "Electron", "FatJet", "GenPart"}, 947),
        ("PHYSLITE_example.root", {"AnalysisJetsAuxDyn"}, 600),
    ],
)
def test_real_files(shared: Callable[[str], Path], name: str, collections: set[str], branches: int) -> None:
    path = shared(name)
    with open_source(path) as source:
        tree = source.tree()
        assert collections <= set(tree.collections())
        assert require_equal_to_uproot(tree, path) >= branches


@pytest.mark.shared
def test_physlite_names_what_it_does_not_read(shared: Callable[[str], Path]) -> None:
    with open_source(shared("PHYSLITE_example.root")) as source:
        tree = source.tree()
        jets = tree.collection("AnalysisJetsAuxDyn")
        assert {"pt", "eta", "phi", "m"} <= {feature.name for feature in jets.features}
        run = next(tree.iterate(jets, ["pt", "eta", "phi", "m"]))
        assert run.n_events == 100
        assert run.columns["pt"].dtype == np.float32
        everything = {*tree.passed_through(), *tree.event_branches()}
        everything |= {f.branch for c in tree.collections().values() for f in c.features}
        assert everything == set(tree.branches)
        with pytest.raises(UnsupportedError, match="not a branch of numbers"):
            tree.read(next(iter(tree.passed_through())), 0, 1)


@given(events=st.integers(1, 120), objects=st.integers(1, 50))
def test_chunks_are_the_whole(uneven: Path, events: int, objects: int) -> None:
    with open_source(uneven) as source:
        tree = source.tree()
        jets = tree.collection("Jet")
        names = [feature.name for feature in jets.features]
        runs = list(tree.iterate(jets, names, ["met"], events, objects))
        whole = concatenate(runs)
        assert all(0 < run.n_events <= events for run in runs)
        assert all(run.n_objects <= objects or run.n_events == 1 for run in runs)
        assert whole.n_events == tree.num_entries
        for dtype in DTYPES:
            stored = tree.read(f"Jet_{dtype}", 0, tree.num_entries)
            assert isinstance(stored, Jagged)
            assert whole.columns[dtype].dtype == dtype
            assert whole.columns[dtype].tobytes() == stored.values.tobytes()
            assert np.array_equal(whole.counts, stored.counts)
        assert whole.events["met"].tobytes() == np.asarray(tree.read("met", 0, 97)).tobytes()


@given(start=st.integers(0, 97), stop=st.integers(0, 97))
def test_any_range(uneven: Path, start: int, stop: int) -> None:
    with open_source(uneven) as source:
        tree = source.tree()
        whole, part = tree.read("Jet_int64", 0, 97), tree.read("Jet_int64", start, max(start, stop))
        assert isinstance(whole, Jagged)
        assert isinstance(part, Jagged)
        first, last = whole.counts[:start].sum(), whole.counts[: max(start, stop)].sum()
        assert part.counts.tolist() == whole.counts[start : max(start, stop)].tolist()
        assert part.values.tolist() == whole.values[first:last].tolist()


def test_different_multiplicities_name_the_first_bad_event(tmp_path: Path) -> None:
    path = tmp_path / "bad.root"
    with RootWriter(path) as out:
        plan = [NewBranch(f"n{x}", "int32") for x in "AB"] + [
            NewBranch(f"Jet_{x}", "float32", counter=f"n{x}") for x in "AB"
        ]
        tree = out.new_tree("Events", plan)
        counts = {"A": np.array([1, 2, 0, 3]), "B": np.array([1, 2, 1, 2])}
        tree.append({f"Jet_{x}": Jagged(c, np.ones(6, "f4")) for x, c in counts.items()})
        tree.finish()
    jets = Collection("Jet", "nA", tuple(Feature(x, f"Jet_{x}", "float32") for x in "AB"))
    with open_source(path) as source, pytest.raises(CollectionError, match="event 2") as caught:
        list(source.tree().iterate(jets, ["A", "B"], events_per_chunk=2))
    assert (caught.value.expected, caught.value.got) == (0, 1)


def test_rntuple_and_ttree_read_alike(uneven: Path, tmp_path: Path) -> None:
    path = tmp_path / "ntuple.root"
    with uproot.open(uneven) as file:
        arrays = file["Events"].arrays()
    content = {name: arrays[name] for name in arrays.fields if name != "nJet"}
    content["process"] = ["qcd" if event % 2 else "t\u0305t" for event in range(97)]
    content["Muon"] = ak.zip({"pt": arrays.Jet_float64, "charge": arrays.Jet_int8})
    with uproot.recreate(path) as file:
        made = file.mkrntuple("Events", content)
        made.extend(content)
    with open_source(path) as source, open_source(uneven) as other:
        ntuple, tree = source.tree(), other.tree()
        assert ntuple.num_entries == 194
        assert {f.name for f in ntuple.collection("Muon").features} == {"pt", "charge"}
        assert ntuple.read("process", 96, 98).tolist() == ["t\u0305t"] * 2
        runs = list(ntuple.iterate(ntuple.collection("Jet"), DTYPES, ["met"], events_per_chunk=97))
        for run in runs:
            for dtype in DTYPES:
                stored = tree.read(f"Jet_{dtype}", 0, 97)
                assert isinstance(stored, Jagged)
                assert run.columns[dtype].dtype == dtype
                assert run.columns[dtype].tobytes() == stored.values.tobytes()


def test_choice_of_tree(tmp_path: Path) -> None:
    path = tmp_path / "several.root"
    with RootWriter(path) as out:
        for name, events in (("Runs", 1), ("Events", 5), ("Twins", 5)):
            tree = out.new_tree(name, [NewBranch("x", "float32")])
            tree.append({"x": np.zeros(events, "f4")})
            tree.finish()
    with open_source(path) as source:
        assert list(source.trees) == ["Runs", "Events", "Twins"]
        assert source.tree("Runs").num_entries == 1
        with pytest.raises(InputError, match=r"several trees.*Events, Twins.*--tree"):
            source.tree()
        with pytest.raises(InputError, match=r"no tree 'Event'.*did you mean Events"):
            source.tree("Event")
        with pytest.raises(CollectionError, match="no collection 'Jet'"):
            source.tree("Runs").collection("Jet")


@pytest.mark.parametrize("kind", ["missing", "empty", "directory", "text", "short"])
def test_what_is_no_root_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "in.root"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"empty": b"", "text": b"event;process\n" * 9, "short": b"root"}[kind])
    with pytest.raises(InputError, match=str(path)):
        open_source(path)


def test_every_truncation_is_refused(sample_root: Path, tmp_path: Path) -> None:
    whole = sample_root.read_bytes()
    path = tmp_path / "cut.root"
    for length in [*range(70), 99, 100, 200, *range(1000, len(whole), 100_000), len(whole) - 1]:
        path.write_bytes(whole[:length])
        start = time.monotonic()
        with pytest.raises(InputError):
            open_source(path)
        assert time.monotonic() - start < 2


@given(st.lists(st.tuples(st.integers(100, 40_000), st.integers(0, 7)), min_size=1, max_size=8))
def test_damage_is_an_error_in_words(
    uneven: Path, tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]]
) -> None:
    """ROOT has no checksums, so damage may go unseen here; what is seen is one of hepae's errors."""
    whole = bytearray(uneven.read_bytes())
    for place, bit in flips:
        whole[place % len(whole)] ^= 1 << bit
    path = tmp_path_factory.mktemp("damage") / "damaged.root"
    path.write_bytes(whole)
    with suppress(HepaeError), open_source(path) as source:
        tree = source.tree()
        for name in tree.branches:
            if tree.branches[name].kind != "other":
                tree.read(name, 0, tree.num_entries)


@pytest.mark.parametrize(
    ("branches", "collections"),
    [
        ({"px": "nparticles", "py": "nparticles"}, {"particles": ["px", "py"]}),
        ({"reco_jet_pt": "reco_jet_n", "reco_mu_pt": "reco_mu_n"}, {"reco_jet": ["pt"], "reco_mu": ["pt"]}),
        ({"Jet_pt": "nJet_pt", "Jet_eta": "nJet_eta"}, {"Jet": ["pt", "eta"]}),
        ({"Jet_pt": "NJet", "Muon_pt": None, "x": None}, {"Jet": ["pt"], "Muon": ["pt"]}),
    ],
)
def test_collections_are_what_a_counter_counts(branches: dict[str, str | None], collections: object) -> None:
    described = {name: ("float32", counter, "") for name, counter in branches.items()}
    named = {c.name: [feature.name for feature in c.features] for c in find_collections(described).values()}
    assert named == collections


class Nameless:
    """A branch of which uproot can tell neither meaning nor type."""

    title, classname = "x[4]/s", "TBranchElement"

    @property
    def interpretation(self) -> object:
        raise KeyError(("V", 16))

    typename = interpretation


def test_a_branch_without_a_type_is_described_by_its_class() -> None:
    """It stays as it is; to refuse it would refuse its file."""
    assert describe_branch(Nameless(), "x") == Branch("x", "other", "TBranchElement", title="x[4]/s")
