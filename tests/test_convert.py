"""Risk: a tree that becomes an RNTuple, or back, with other values, names or titles; what cannot be is not said."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import uproot

import hepae
from hepae.cli import main
from hepae.errors import UnsupportedError
from hepae.files.pipeline import compress
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.plain import plain_header
from hepae.root.ttree.plan import NewBranch
from tests.root_ntuples import each_shown, inspected
from tests.root_process import in_root, needs_root

EVENTS = 3000


def tree_of(path: Path) -> Path:
    """TTrees with every kind of branch that becomes a field, a histogram, and a TTree in a directory."""
    rng, counts = np.random.default_rng(3), np.arange(EVENTS) % 4
    jets = int(counts.sum())
    columns: dict[str, Column] = {
        "run": np.full(EVENTS, 7, np.uint32),
        "Jet_pt": Jagged(counts, rng.exponential(30, jets).astype("f4")),
        "Jet_charge": Jagged(counts, rng.integers(-1, 2, jets).astype("i4")),
        "Jet_cov": Jagged(counts, rng.integers(0, 5, (jets, 3)).astype("i2")),
        "flag": rng.integers(0, 2, EVENTS).astype(bool),
        "matrix": rng.integers(0, 9, (EVENTS, 2, 3)).astype("f8"),
        "name": np.array([f"entry {n % 5}" for n in range(EVENTS)]),
    }
    plan = [
        NewBranch("run", "uint32", "the run"),
        NewBranch("nJet", "int32", "how many"),
        NewBranch("Jet_pt", "float32", "transverse momentum", "nJet"),
        NewBranch("Jet_charge", "int32", "", "nJet"),
        NewBranch("Jet_cov", "int16", "", "nJet", (3,)),
        NewBranch("flag", "bool"),
        NewBranch("matrix", "float64", "", None, (2, 3)),
        NewBranch("name", "str"),
    ]
    with RootWriter(path) as out:
        for name in ("Events", "inner/Events"):
            tree = out.new_tree(name, plan, "some events")
            tree.append(columns)
            tree.finish()
    with uproot.update(path) as file:
        file["h"] = np.histogram([1.0, 2.0])
    return path


def kinds(path: Path) -> dict[str, str]:
    with uproot.open(path) as file:
        return {name: kind for name, kind in file.classnames(cycle=False).items() if "Directory" not in kind}


def contents(path: Path) -> dict[str, list[object]]:
    """What each branch of a tree holds, with its dtype and title."""
    with open_source(path) as source:
        tree, found = source.tree("Events"), {}
        for name, branch in tree.branches.items():
            if name == "nJet_cov":
                continue  # ROOT projects no arrays of fixed size, so that these are a list of their own
            counter = None if branch.shape else branch.counter
            column = tree.read(name, 0, tree.num_entries)
            counts = column.counts.tolist() if isinstance(column, Jagged) else []
            values = column.values if isinstance(column, Jagged) else column
            dtype = "a count" if name == "nJet" else str(values.dtype)
            found[name] = [branch.kind, branch.title, counter, dtype, counts, values.tolist()]
        return found


def test_a_file_of_ttrees_becomes_one_of_rntuples_and_back(tmp_path: Path) -> None:
    plain, ntuples, trees = tree_of(tmp_path / "a.root"), tmp_path / "b.root", tmp_path / "c.root"
    assert hepae.decompress(plain, ntuples, container="rntuple") == []
    assert kinds(ntuples) == {"Events": "ROOT::RNTuple", "inner/Events": "ROOT::RNTuple", "h": "TH1D"}
    assert contents(ntuples) == contents(plain)
    assert hepae.verify(plain, ntuples).kept
    hepae.decompress(ntuples, trees, container="ttree")
    assert kinds(trees) == {"Events": "TTree", "inner/Events": "TTree", "h": "TH1D"}
    assert contents(trees) == contents(plain)
    assert hepae.verify(ntuples, trees).kept
    assert not list(tmp_path.glob(".*.part"))


@pytest.mark.parametrize("container", ["rntuple", "ttree"])
def test_compress_and_decompress_change_the_container(tmp_path: Path, container: str) -> None:
    plain, given = tree_of(tmp_path / "a.root"), tmp_path / "given.root"
    hepae.decompress(plain, given, container="ttree" if container == "rntuple" else "rntuple")
    small, back = tmp_path / "small.root", tmp_path / "back.root"
    assert main(["compress", str(given), str(small), "--format", container, "--force"]) == 0
    classname = {"rntuple": "ROOT::RNTuple", "ttree": "TTree"}[container]
    assert kinds(small)["Events"] == kinds(small)["Events__hepae"] == classname
    assert main(["verify", str(given), str(small)]) == 0
    other = "ttree" if container == "rntuple" else "rntuple"
    assert main(["decompress", str(small), str(back), "--format", other]) == 0
    assert kinds(back)["Events"] == {"rntuple": "TTree", "ttree": "ROOT::RNTuple"}[container]
    assert contents(back) == contents(plain)


def test_sizes_are_those_of_the_file_that_was_given(tmp_path: Path) -> None:
    plain = tree_of(tmp_path / "a.root")
    done = compress(plain, tmp_path / "small.root", container="rntuple")
    assert (done.source, done.file_before) == (str(plain), plain.stat().st_size)  # type: ignore[union-attr]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.root", "small.root"]


def test_what_is_in_the_container_already_stays_as_it_is(tmp_path: Path) -> None:
    plain = tree_of(tmp_path / "a.root")
    hepae.decompress(plain, tmp_path / "b.root", container="ttree")
    assert (tmp_path / "b.root").read_bytes() == plain.read_bytes()


def test_what_cannot_be_converted_is_named_in_one_message(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    plan = [NewBranch("x", "float32"), NewBranch("dotted.name", "float32")]
    with RootWriter(path) as out:
        for name in ("Events", "Runs"):
            tree = out.new_tree(name, plan)
            tree.append({"x": np.zeros(3, "f4"), "dotted.name": np.zeros(3, "f4")})
            tree.finish()
    for call in (hepae.decompress, compress):
        with pytest.raises(UnsupportedError, match=r"Events: dotted\.name.*Runs: dotted\.name.*--format"):
            call(path, tmp_path / "b.root", container="rntuple")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.root"]


def test_a_compressed_tree_is_decompressed_first(tmp_path: Path) -> None:
    plain = tree_of(tmp_path / "a.root")
    hepae.compress(plain, tmp_path / "small.root")
    with pytest.raises(UnsupportedError, match="decompress"):
        hepae.compress(tmp_path / "small.root", tmp_path / "b.root", container="rntuple")


def test_no_entries_and_no_branches(tmp_path: Path) -> None:
    with RootWriter(tmp_path / "a.root", ntuples=True) as out:
        out.new_ntuple("Empty", plain_header("Empty", "", [])).finish()
        out.new_ntuple("Lists", plain_header("Lists", "", [NewBranch("x", "float32", "", "")])).finish()
    hepae.decompress(tmp_path / "a.root", tmp_path / "b.root", container="ttree")
    with uproot.open(tmp_path / "b.root") as file:
        assert (file["Empty"].num_entries, file["Lists"].num_entries) == (0, 0)
        assert file["Lists"].keys() == ["nx", "x"]


@needs_root
@pytest.mark.root
def test_root_reads_both(tmp_path: Path) -> None:
    plain, ntuples, trees = tree_of(tmp_path / "a.root"), tmp_path / "b.root", tmp_path / "c.root"
    hepae.decompress(plain, ntuples, container="rntuple")
    hepae.decompress(ntuples, trees, container="ttree")
    text = each_shown(ntuples, entries=4)[0]["Events;1"]
    for field in (
        r"nJet ROOT::RNTupleCardinality<std::uint32_t> .*of Jet: 3",
        r"Jet_charge ROOT::VecOps::RVec<std::int32_t> .*of Jet: .*",
        r"matrix std::array<std::array<double,3>,2> .*",
    ):
        assert re.search(f"^{field}$", text, re.MULTILINE)
    assert inspected(ntuples)[0]["Events"][0] == EVENTS
    sums = """
result = []
for path in paths:
    frame = ROOT.RDataFrame("Events", path)
    result.append([frame.Sum(name).GetValue() for name in ("run", "nJet", "Jet_pt", "Jet_charge", "flag")])
"""
    one, two, three = in_root(sums, plain, ntuples, trees)
    assert one == two == three
    assert one[0] == 7 * EVENTS


IMPORT = """
for source, target in zip(paths[::2], paths[1::2]):
    importer = ROOT.Experimental.RNTupleImporter.Create(source, "Events", target)
    importer.SetIsQuiet(True)
    importer.Import()
result = True
"""
IMPORTED = ("run", "flag", "name", "nJet", "Jet_pt", "Jet_charge")
"""Without arrays of fixed size, which ROOT's importer flattens, and of `x[n][3]` takes a third."""


@needs_root
@pytest.mark.root
def test_root_imports_ttrees_as_they_are_converted(tmp_path: Path) -> None:
    plain, ntuples, trees = tree_of(tmp_path / "a.root"), tmp_path / "b.root", tmp_path / "c.root"
    hepae.decompress(plain, ntuples, container="rntuple")
    hepae.decompress(ntuples, trees, container="ttree")
    imported = [tmp_path / "imported_a.root", tmp_path / "imported_c.root"]
    assert in_root(IMPORT, plain, imported[0], trees, imported[1])
    texts = [one["Events;1"] for one in each_shown(ntuples, *imported, entries=EVENTS)]
    ours, first, last = (
        [re.sub(r" of \w+: ", ": ", line) for line in text.splitlines() if line.startswith(IMPORTED)]
        for text in texts
    )
    titles = ("the run", "how many", "transverse momentum")
    # the importer leaves titles out, and orders fields as it likes
    ours = [re.sub("|".join(titles), "", line) for line in ours]
    for name in IMPORTED:
        each = [[line for line in lines if line.startswith(f"{name} ")] for lines in (ours, first, last)]
        assert len(each[0]) == EVENTS
        assert each[0] == each[1] == each[2], name
    assert {facts["Events"][0] for facts in inspected(ntuples, *imported)} == {EVENTS}
