"""Risk: more or less of a file is compressed than was asked for, or a word that names nothing is passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.cli import main
from hepae.errors import AlreadyCompressedError, BoundError, CollectionError, InputError

ENTRIES = 3000
JETS = {"Jet_pt", "Jet_eta"}
EVERY = {*JETS, "nJet", "nMuon", "Muon_pt", "MET", "MET_pt"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, random = tmp_path_factory.mktemp("narrowing") / "a.root", np.random.default_rng(5)
    counts = random.integers(0, 4, ENTRIES)
    jagged = lambda: ak.unflatten(random.exponential(30, counts.sum()).astype("f4"), counts)  # noqa: E731
    with uproot.recreate(path) as file:
        for tree in ("Events", "Other"):
            kinds = {"Jet": "var * {pt: float32, eta: float32}", "Muon": "var * {pt: float32}"}
            columns = {"Jet": ak.zip({"pt": jagged(), "eta": jagged()}), "Muon": ak.zip({"pt": jagged()})}
            flat = {name: random.normal(50, 9, ENTRIES).astype("f4") for name in ("MET", "MET_pt")}
            file.mktree(tree, kinds | dict.fromkeys(flat, "float32")).extend({**columns, **flat})
    return path


def compressed_branches(path: Path) -> dict[str, set[str]]:
    """Branches of each tree that hepae stores: those that are not in the file as it is."""
    from hepae.stored.compressed import as_stored

    with uproot.open(path) as file, as_stored():
        found = {}
        for tree in ("Events", "Other"):
            found[tree] = EVERY - set(file[tree].keys())
    return found


CHOICES: list[tuple[dict[str, Any], set[str], set[str]]] = [
    ({"only": ["Jet_*"]}, JETS, JETS),
    ({"only": ["pt"], "tree": "Events"}, {"Jet_pt", "Muon_pt"}, set()),
    ({"skip": ["Jet_*"], "tree": ["Other"]}, set(), EVERY - JETS - {"nJet"}),
    ({"only": ["Jet_*"], "skip": ["eta"]}, {"Jet_pt"}, {"Jet_pt"}),
    ({"collection": ["Jet", "Muon"], "tree": "Events"}, {*JETS, "Muon_pt"}, set()),
    ({"tree": "Events"}, EVERY, set()),
]


@pytest.mark.parametrize(("words", "events", "other"), CHOICES)
def test_what_is_named_is_compressed_and_nothing_else(
    words: dict[str, Any], events: set[str], other: set[str], source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "b.root"
    hepae.compress(source, target, **words)
    assert compressed_branches(target) == {"Events": events, "Other": other}
    assert hepae.verify(source, target).kept


WRONG = [
    ({"only": ["Jte_*"]}, InputError, "matches no column"),
    ({"skip": ["nothing"]}, InputError, "matches no column"),
    ({"tree": "Event"}, InputError, "no such tree"),
    ({"collection": ["Jet", "Tau"]}, CollectionError, "no collection 'Tau'"),
    ({"only": ["Jet_*"], "bounds": ["MET=abs:1"]}, BoundError, "MET"),
    ({"only": ["Jet_*"], "collection": "Jet"}, InputError, "do nothing for one collection"),
    ({"only": "Jet_*"}, InputError, "not a list"),
    ({"skip": [True]}, InputError, "not a list"),
    ({"dither": True}, BoundError, "dither where everything is exact"),
    ({"dither": True, "bounds": ["MET=exact"]}, BoundError, "dither where everything is exact"),
]


@pytest.mark.parametrize(("words", "kind", "message"), WRONG)
def test_a_word_that_names_nothing_is_an_error(
    words: dict[str, Any], kind: type[Exception], message: str, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        hepae.compress(source, tmp_path / "b.root", **words)
    assert not (tmp_path / "b.root").exists()


def test_the_command_line_and_a_configuration_say_the_same(source: Path, tmp_path: Path) -> None:
    config = tmp_path / "a.toml"
    config.write_text(
        'only = ["Jet_*", "MET"]\nskip = ["MET"]\nkeep = "eta"\ntree = ["Events"]\nbound = ["pt=rel:1e-3"]\n'
    )
    words = ["--only", "Jet_*", "--keep", "eta", "--tree", "Events", "--bound", "pt=rel:1e-3"]
    for name, said in (("words.root", words), ("config.root", ["--config", str(config)])):
        assert main(["compress", str(source), str(tmp_path / name), *said]) == 0
        assert compressed_branches(tmp_path / name) == {"Events": {"Jet_pt"}, "Other": set()}
    first, second = ((tmp_path / name).read_bytes() for name in ("words.root", "config.root"))
    assert len(first) == len(second)


def test_dither_fills_the_cells_of_a_whole_file(source: Path, tmp_path: Path) -> None:
    for dither in (False, True):
        hepae.compress(source, tmp_path / "b.root", bounds=["MET=abs:0.5"], dither=dither)
        with uproot.open(tmp_path / "b.root") as file:
            values = len(np.unique(file["Events"]["MET"].array(library="np")))
        assert (values > 1000) == dither
        assert hepae.verify(source, tmp_path / "b.root", bounds=["MET=abs:0.5"]).kept


def test_a_short_name_is_not_that_of_a_number_per_event(source: Path, tmp_path: Path) -> None:
    """``pt`` is the pt of jets and muons: nobody asked for a coarser ``MET_pt``."""
    hepae.compress(source, tmp_path / "b.root", bounds=["pt=rel:1e-2"])
    with uproot.open(source) as before, uproot.open(tmp_path / "b.root") as after:
        same = {
            name: ak.array_equal(before["Events"][name].array(), after["Events"][name].array())
            for name in EVERY
        }
    assert {name for name, equal in same.items() if not equal} == {"Jet_pt", "Muon_pt"}
    assert hepae.verify(source, tmp_path / "b.root", bounds=["pt=rel:1e-2"]).kept


@pytest.mark.parametrize(
    "words",
    [
        {"bounds": ["Jet_pt=rel:1e-3"]},
        {"only": ["pt"]},
        {"tree": "Events"},
        {"collection": ["Jet", "Muon"]},
    ],
)
def test_what_is_said_of_a_tree_without_entries_is_no_error(words: dict[str, Any], tmp_path: Path) -> None:
    """One of a thousand files of a data set has no events."""
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", {"Jet": "var * {pt: float32}", "Muon": "var * {pt: float32}"})
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root", **words)
    assert hepae.verify(tmp_path / "a.root", tmp_path / "b.root").kept


def test_a_wildcard_keeps_every_bit_where_values_do_not_resolve_the_bound(tmp_path: Path) -> None:
    """A sum of weights of 1e15 beside momenta; named by itself, such a bound is an error."""
    random = np.random.default_rng(2)
    columns = {"pt": random.normal(50, 9, 2000), "sumw2": random.normal(1e17, 1e16, 2000)}
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", dict.fromkeys(columns, "float64")).extend(columns)
    done = hepae.compress(tmp_path / "a.root", tmp_path / "b.root", bounds=["*=abs:0.01"])
    assert set(done.trees[0].bounds) == {"pt"}
    assert hepae.verify(tmp_path / "a.root", tmp_path / "b.root", bounds=["*=abs:0.01", "sumw2=exact"]).kept
    with pytest.raises(BoundError, match="finer than float64 resolves"):
        hepae.compress(tmp_path / "a.root", tmp_path / "b.root", bounds=["sumw2=abs:0.01"])
    with pytest.raises(BoundError, match="float64"):
        hepae.compress(tmp_path / "a.root", tmp_path / "b.root", bounds=["pt=rel:1e-20"])
    done = hepae.compress(tmp_path / "a.root", tmp_path / "b.root", bounds=["*=rel:1e-20"])
    assert not done.trees[0].bounds


def test_a_compressed_tree_keeps_its_bounds(source: Path, tmp_path: Path) -> None:
    hepae.compress(source, tmp_path / "b.root")
    done = hepae.compress(tmp_path / "b.root", tmp_path / "c.root")
    assert [line.partition(": ")[2] for line in done.left] == ["compressed already; it stays as it is"] * 2
    assert (tmp_path / "c.root").read_bytes() == (tmp_path / "b.root").read_bytes()
    recipe = hepae.Recipe(codec="lifting")
    for words in (
        {"bounds": ["*=rel:1e-3"]},
        {"only": ["Jet_*"]},
        {"collection": "Jet", "tree": "Events", "recipe": recipe},
    ):
        with pytest.raises(AlreadyCompressedError, match="decompress the file first"):
            hepae.compress(tmp_path / "b.root", tmp_path / "d.root", **words)
