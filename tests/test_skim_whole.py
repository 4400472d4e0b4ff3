"""Risk: a skim loses a byte of an entry that it keeps, a setting, or a tree; or it codes a bound twice."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.values.bounds import parse
from hepae.errors import CutError, InputError, UnsupportedError
from hepae.files.pipeline import compress
from hepae.files.skim.file import skim
from tests.root_process import in_root, needs_root
from tests.root_view import view
from tests.whole_samples import arrays_of, write_nano, write_with_root

CUT = "nJet > 3 && event % 3 == 1"


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("skim") / "nano.root"
    write_nano(path, 900, 1)
    return path


@pytest.fixture(scope="module")
def small(nano: Path) -> Path:
    """The same, compressed as a whole, with a bound."""
    path = nano.with_name("small.root")
    compress(nano, path, bounds=[("Jet_pt", parse("rel:0.05")), ("cov", parse("abs:0.1"))])
    return path


@pytest.fixture(scope="module")
def made_by_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("root") / "made.root"
    write_with_root(path, 300, 1)
    return path


def require_same(expected: ak.Array, found: ak.Array) -> None:
    """Every branch, bit for bit."""
    assert found.fields == expected.fields
    for name in expected.fields:
        assert ak.array_equal(found[name], expected[name], equal_nan=True), name
        flat = [np.asarray(ak.flatten(one[name], axis=None)) for one in (expected, found)]
        assert flat[0].tobytes() == flat[1].tobytes(), name


@pytest.mark.parametrize("stored", ["nano", "small"])
def test_what_passes_is_what_was_restored(
    stored: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    source, once, twice = request.getfixturevalue(stored), tmp_path / "once.root", tmp_path / "twice.root"
    before = arrays_of(source, "Events")
    keep = (before.nJet > 3) & (before.event % 3 == 1)
    done = skim(source, once, CUT)
    assert (done.events_before, done.events_after) == (900, ak.sum(keep))
    assert 0 < done.events_after < 300
    require_same(before[keep], arrays_of(once, "Events"))
    # bounds do not add up: values of a skim are those of the file
    skim(once, twice, "HLT_a == 0")
    require_same(before[keep & ~before.HLT_a], arrays_of(twice, "Events"))
    for tree in ("Runs", "dir/Extra"):
        require_same(arrays_of(source, tree), arrays_of(once, tree))
    assert hepae.verify(once, once).kept


def test_a_compressed_tree_stays_compressed(nano: Path, small: Path, tmp_path: Path) -> None:
    skim(small, tmp_path / "skim.root", CUT)
    skim(nano, tmp_path / "plain.root", CUT)
    with uproot.open(small) as before, uproot.open(tmp_path / "skim.root") as after:
        assert after.keys() == before.keys()
        assert after["Events__hepae"]["entries"].array().to_list() == [after["Events"].num_entries]
    hepae.decompress(tmp_path / "skim.root", tmp_path / "back.root")
    bounds = ["Jet_pt=rel:0.05", "cov=abs:0.1"]
    assert hepae.verify(tmp_path / "plain.root", tmp_path / "back.root", bounds=bounds).kept


def test_all_and_none_pass(small: Path, tmp_path: Path) -> None:
    skim(small, tmp_path / "all.root", "nJet >= 0")
    assert (tmp_path / "all.root").read_bytes() == small.read_bytes()
    assert skim(small, tmp_path / "none.root", "nJet < 0").events_after == 0
    none = arrays_of(tmp_path / "none.root", "Events")
    assert len(none) == 0
    assert none.fields == arrays_of(small, "Events").fields


def test_the_compression_of_the_input_is_kept(nano: Path, tmp_path: Path) -> None:
    """uproot writes no setting into branches: what its baskets are compressed with is taken."""
    skim(nano, tmp_path / "skim.root", "event % 10 != 3")
    with uproot.open(nano) as before, uproot.open(tmp_path / "skim.root") as after:
        sizes = [file["Events"].compressed_bytes for file in (before, after)]
        basket = after["Events"]["Jet_pt"].basket(0)
        assert basket.block_compression_info[0][0] == "LZMA"
    assert sizes[1] < 0.95 * sizes[0]


def test_the_tree_that_has_what_the_cut_names_is_meant(nano: Path, tmp_path: Path) -> None:
    done = skim(nano, tmp_path / "runs.root", "genEventSumw > 4.5")
    assert (done.events_before, done.events_after) == (2, 0)
    assert len(arrays_of(tmp_path / "runs.root", "Events")) == 900
    with pytest.raises(CutError, match="did you mean"):
        skim(nano, tmp_path / "x.root", "nJett > 2")


def test_trees_of_one_size_have_to_be_named(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "two.root") as file:
        for name in ("one", "two"):
            file.mktree(name, {"x": "int32"}).extend({"x": np.arange(4, dtype=np.int32)})
    with pytest.raises(InputError, match="--tree"):
        skim(tmp_path / "two.root", tmp_path / "out.root", "x > 1")
    assert skim(tmp_path / "two.root", tmp_path / "out.root", "x > 1", tree="two").events_after == 2
    assert len(arrays_of(tmp_path / "out.root", "one")) == 4


@needs_root
@pytest.mark.root
@pytest.mark.parametrize("whole", [False, True])
def test_root_reads_the_entries_that_were_kept(made_by_root: Path, whole: bool, tmp_path: Path) -> None:
    """Numbers, vectors, strings, split and unsplit objects, objects with pointers between them."""
    source = made_by_root
    if whole:
        source = tmp_path / "small.root"
        compress(made_by_root, source)
    skim(source, tmp_path / "skim.root", "n > 4 && late > 0", tree="Events")
    if whole:
        hepae.decompress(tmp_path / "skim.root", tmp_path / "back.root")
    before, after = view(made_by_root), view(tmp_path / ("back.root" if whole else "skim.root"))
    with uproot.open(made_by_root) as file:
        columns = file["Events"].arrays(["n", "pair"])
        keep = np.asarray((columns.n > 4) & (columns.pair["first"] > 0))
    expected = [one for one, kept in zip(before["values"]["Events"], keep, strict=True) if kept]
    assert 20 < len(expected) < 280
    assert after["values"]["Events"] == expected
    assert after["values"]["Runs"] == before["values"]["Runs"]
    assert after["branches"] == before["branches"]
    assert after["keys"] == before["keys"]
    assert after["histograms"] == before["histograms"]


LATE = """
from array import array
file = ROOT.TFile(paths[0], "recreate")
tree, n, w = ROOT.TTree("Events", ""), array("i", [0]), array("f", [0.0])
tree.Branch("n", n, "n/I")
for i in range(300):
    n[0] = i % 5
    tree.Fill()
late = tree.Branch("w", w, "w/F")
for i in range(200):
    w[0] = i
    late.Fill()
tree.Write(), file.Close()
result = 0
"""


@needs_root
@pytest.mark.root
def test_a_branch_with_fewer_entries_than_its_tree(tmp_path: Path) -> None:
    source, target = tmp_path / "late.root", tmp_path / "skim.root"
    in_root(LATE, source)
    assert skim(source, target, "n > 2").events_after == 120
    with uproot.open(target) as file:
        assert file["Events"].num_entries == 120
        kept = [i for i in range(200) if i % 5 > 2]
        assert file["Events"]["w"].array().to_list() == kept
    with pytest.raises(UnsupportedError, match=r"w\]|w:"):
        skim(source, tmp_path / "no.root", "w > 3")


FRIEND = """
file = ROOT.TFile(paths[0], "update")
file.Get("Events").AddFriend("Runs")
file.Get("Events").Write("", ROOT.TObject.kOverwrite)
file.Close()
result = 0
"""


@needs_root
@pytest.mark.root
def test_a_tree_with_friends_is_refused(nano: Path, tmp_path: Path) -> None:
    path = tmp_path / "friends.root"
    path.write_bytes(nano.read_bytes())
    in_root(FRIEND, path)
    with pytest.raises(UnsupportedError, match="friends"):
        skim(path, tmp_path / "skim.root", CUT)
