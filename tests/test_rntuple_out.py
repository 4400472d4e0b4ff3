"""Risk: an RNTuple that ROOT cannot read, or that restores something else than the same file as a TTree."""

from __future__ import annotations

import functools
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae import limits
from hepae.cli import main
from hepae.errors import UnsupportedError
from hepae.root.columns import Jagged
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.plain import append_cluster, plain_header
from hepae.root.ttree.plan import NewBranch
from tests.compressed import FEATURES, SAMPLE, compressed, folder, model
from tests.root_process import in_root, needs_root


@functools.cache
def written(codec: str) -> Path:
    """An RNTuple of several chunks."""
    target = folder() / f"{codec}-ntuple.root"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(limits, "EVENTS_PER_CHUNK", 1000)
        done = hepae.compress(SAMPLE, target, collection="Jet", model=model(codec), container="rntuple")
    assert done.events == 2400
    return target


@pytest.fixture(params=["bottleneck", "lifting"])
def pair(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """The same events as TTree and as RNTuple, compressed with the same model."""
    return compressed(request.param), written(request.param)


def test_it_restores_what_the_tree_restores(pair: tuple[Path, Path]) -> None:
    with hepae.open(pair[0]) as first, hepae.open(pair[1]) as second:
        tree, ntuple = first["Events"], second["Events"]
        assert set(tree.keys()) == set(ntuple.keys())
        assert first.keys() == second.keys()
        for start, stop in ((0, None), (990, 1010), (-5, None), (7, 7)):
            expected = tree.arrays(entry_start=start, entry_stop=stop)
            got = ntuple.arrays(list(tree.keys()), entry_start=start, entry_stop=stop)
            for name in expected.fields:
                assert ak.array_equal(expected[name], got[name], equal_nan=True), (name, start)
        some = ntuple["Jet_pt"].array(entry_stop=3, library="np")
        assert [row.dtype for row in some] == [np.float32] * 3
        assert len(list(ntuple.iterate(["Jet_pt"], step_size=1000))) == 3
    assert hepae.verify(SAMPLE, pair[1]).kept


def test_one_cluster_a_chunk_and_titles_as_descriptions(pair: tuple[Path, Path]) -> None:
    with uproot.open(pair[1]) as file:
        assert file["Events"].num_entries == 2400
        assert len(file["Events"].cluster_summaries) == 3
        records = {record.field_name: record for record in file["Events"].header.field_records}
        assert "[hepae v1 collection=Jet feature=pt" in records["Jet_pt__hepae"].field_desc
        with uproot.open(SAMPLE) as original:
            assert (file["metOfAllEvents"].values() == original["metOfAllEvents"].values()).all()
        assert file["hepae_models"].num_entries == 1
    with open_source(SAMPLE) as source, open_source(pair[1]) as target:
        before, after = source.tree("Events"), target.tree()
        for name in set(before.branches) & set(after.branches):
            assert before.branches[name].title == after.branches[name].title
        assert set(before.branches) - set(after.branches) == {f"Jet_{name}" for name in FEATURES}


@needs_root
@pytest.mark.root
def test_root_reads_what_was_not_compressed() -> None:
    got = in_root(
        """
result = []
for path in paths:
    frame = ROOT.RDataFrame("Events", path)
    sums = [frame.Sum(name) for name in ("MET", "nJet", "Muon_pt", "Jet_btag")]
    kind = str(frame.GetColumnType("Jet_pt__hepae"))
    result.append([[s.GetValue() for s in sums], frame.Count().GetValue(), kind])
""",
        *(written(codec) for codec in ("bottleneck", "lifting")),
    )
    with hepae.open(SAMPLE) as file:
        events = file["Events"].arrays(["MET", "nJet", "Muon_pt", "Jet_btag"])
    expected = [
        float(np.sum(np.asarray(ak.flatten(events[name], axis=None), float))) for name in events.fields
    ]
    for sums, count, kind in got:
        assert np.allclose(sums, expected)
        assert count == 2400
        assert "RVec" in kind


def test_command_line(tmp_path: Path) -> None:
    model("lifting").save(tmp_path / "jets.onnx")
    target = tmp_path / "small.root"
    arguments = [
        "compress",
        str(SAMPLE),
        str(target),
        "--model",
        str(tmp_path / "jets.onnx"),
        "--format",
        "rntuple",
    ]
    assert main(arguments) == 0
    assert main(["verify", str(SAMPLE), str(target)]) == 0
    assert main(["inspect", str(target)]) == 0


def test_all_types_and_what_no_field_can_be_called(tmp_path: Path) -> None:
    plan = [
        NewBranch("n", "uint32", "how many"),
        *(
            NewBranch(f"v_{dtype}", dtype, "", "")
            for dtype in ("bool", "int8", "uint16", "int64", "float32", "float64")
        ),
        NewBranch("words", "str"),
        NewBranch("name", "uint8", "", None, (4,)),
    ]
    counts = np.array([2, 0, 1])
    columns = {
        b.name: Jagged(counts, np.array([1, 0, 1]).astype(b.dtype)) for b in plan if b.counter is not None
    }
    columns |= {
        "n": counts.astype("u4"),
        "words": np.array(["a", "", "ü"]),
        "name": np.arange(12, dtype="u1").reshape(3, 4),
    }
    with RootWriter(tmp_path / "types.root", ntuples=True) as out:
        written = out.new_ntuple("deep", plain_header("deep", "a title", plan))
        append_cluster(written, plan, columns, 3)
        append_cluster(written, plan, columns, 3)
        written.finish()
    with open_source(tmp_path / "types.root") as source:
        tree = source.tree()
        assert (tree.num_entries, tree.title, tree.branches["n"].title) == (6, "a title", "how many")
        for branch in plan:
            read = tree.read(branch.name, 3, 6)
            expected = columns[branch.name]
            for one, other in (
                (read, expected),
                *((getattr(read, "counts", 0), getattr(expected, "counts", 0)),),
            ):
                values = [getattr(part, "values", part) for part in (one, other)]
                assert np.array_equal(*values), branch.name
            if branch.dtype != "str":
                assert getattr(read, "values", read).dtype == branch.dtype
    with pytest.raises(UnsupportedError, match="name"):
        plain_header("deep", "", [NewBranch("Jet.pt", "float32")])


def ntuple_of(path: Path, *names: str) -> Path:
    """A file with a small RNTuple of jets under each name."""
    with uproot.recreate(path) as file:
        for name in names:
            file.mkrntuple(name, {"Jet_pt": ak.Array([[1.0, 2.0], [], [3.0]])})
    return path


def tree_of(path: Path) -> Path:
    with uproot.recreate(path) as file:
        file.mktree("Events", {"Jet": ak.zip({"pt": [[1.0, 2.0], []]}).type.content})
        file["Events"].extend({"Jet": ak.zip({"pt": ak.Array([[1.0, 2.0], []])})})
    return path


def test_an_rntuple_beside_that_of_a_collection_is_kept(tmp_path: Path) -> None:
    several, target = ntuple_of(tmp_path / "several.root", "First", "Second"), tmp_path / "out.root"
    hepae.compress(several, target, tree="First", collection="Jet", container="rntuple")
    assert hepae.verify(several, target).kept
    with uproot.open(target) as file:
        assert file["Second"]["Jet_pt"].array().tolist() == [[1, 2], [], [3]]


def test_other_trees_that_cannot_be_kept_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hepae.files.compress.collection.model_of", lambda *_: pytest.fail("it was trained"))
    several = ntuple_of(tmp_path / "several.root", "First", "Second")
    with pytest.raises(UnsupportedError, match=r"beside an RNTuple.*Second.*--side"):
        hepae.compress(several, tmp_path / "out.root", tree="First", collection="Jet", container="ttree")
    assert not (tmp_path / "out.root").exists()


def mixed_of(path: Path) -> Path:
    """A TTree of jets with an RNTuple beside it."""
    with uproot.update(tree_of(path)) as file:
        file.mkrntuple("Runs", {"run": np.arange(3)})
    return path


def test_other_trees_stay_what_they_are_beside_an_rntuple(tmp_path: Path) -> None:
    mixed, target = mixed_of(tmp_path / "mixed.root"), tmp_path / "out.root"
    with uproot.update(mixed) as file:
        file.mktree("Blocks", {"run": np.int32}).extend({"run": np.arange(4, dtype=np.int32)})
    hepae.compress(mixed, target, tree="Events", collection="Jet", container="rntuple")
    with uproot.open(target) as file:
        classes = file.classnames(cycle=False)
        kinds = {name: classes[name] for name in ("Events", "Runs", "Blocks")}
        assert kinds == {"Events": "ROOT::RNTuple", "Runs": "ROOT::RNTuple", "Blocks": "TTree"}
        assert file["Runs"].arrays()["run"].to_list() == [0, 1, 2]
        assert file["Blocks"]["run"].array().tolist() == [0, 1, 2, 3]
    with hepae.open(target) as file:
        assert file["Events"]["Jet_pt"].array().tolist() == [[1.0, 2.0], []]


def test_an_rntuple_beside_a_tree_is_kept(tmp_path: Path) -> None:
    mixed = mixed_of(tmp_path / "mixed.root")
    hepae.compress(mixed, tmp_path / "out.root", tree="Events", collection="Jet")
    with uproot.open(tmp_path / "out.root") as file:
        assert file["Runs"].arrays()["run"].to_list() == [0, 1, 2]


def test_histograms_in_directories_alone_are_kept(tmp_path: Path) -> None:
    source = tree_of(tmp_path / "tree.root")
    with uproot.update(source) as file:
        file["control/pt"] = np.histogram([1.0, 2.0, 3.0])
    hepae.compress(source, tmp_path / "out.root", collection="Jet", container="rntuple")
    with uproot.open(tmp_path / "out.root") as file:
        assert file["control/pt"].values().sum() == 3
        assert not [name for name in file.keys(cycle=False) if not name]
