"""`hepae repack`: the same file in ROOT's own compression, smaller; and `compress` where that is the smallest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import InputError, UnsupportedError
from hepae.files.repack.branch import RepackedBranch, united
from hepae.files.repack.file import repack
from hepae.root.file.source import open_source
from hepae.root.ttree.layouts.basket import Basket
from tests.root_process import in_root, needs_root

DATA = Path(__file__).parent / "data"
SAMPLES = ("sample.root", "ntuple.root")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_is_smaller_and_the_same(name: str, tmp_path: Path) -> None:
    source, target = DATA / name, tmp_path / "small.root"
    done = repack(source, target)
    assert done.bytes_after < done.bytes_before
    assert target.stat().st_size == done.bytes_after
    assert hepae.verify(source, target, recompressed=True).kept
    told = hepae.verify(source, target).differences
    assert told
    assert all("compression setting" in line for line in told)


def test_what_is_compressed_with_hepae_stays_so(tmp_path: Path) -> None:
    small, again = tmp_path / "small.root", tmp_path / "again.root"
    hepae.compress(DATA / "ntuple.root", small)
    repack(small, again)
    assert hepae.verify(DATA / "ntuple.root", again, recompressed=True).kept


def test_nothing_smaller_is_a_copy(tmp_path: Path) -> None:
    once, twice = tmp_path / "once.root", tmp_path / "twice.root"
    repack(DATA / "ntuple.root", once)
    repack(once, twice)
    assert once.read_bytes() == twice.read_bytes()


def test_baskets_are_united_with_their_offsets() -> None:
    first = Basket.of(np.arange(5, dtype=np.uint8), np.array([0, 2, 5]), 2)
    second = Basket.of(np.arange(3, dtype=np.uint8), np.array([0, 3]), 1)
    both = united([first, second])
    assert both.entries == 3
    assert both.offsets is not None
    assert both.offsets.tolist() == [0, 2, 5, 8]
    assert both.data.tolist() == [0, 1, 2, 3, 4, 0, 1, 2]


def test_few_entries_are_repacked_by_compress(tmp_path: Path) -> None:
    """A schema would cost more than it saves; what ROOT lists, settings included, is as it was."""
    source, small, back = (tmp_path / name for name in ("a.root", "b.root", "c.root"))
    with uproot.recreate(source, compression=uproot.ZLIB(1)) as file:
        branches = {f"x{number}": np.arange(3, dtype=np.float32) * number for number in range(300)}
        file.mktree("t", {name: values.dtype for name, values in branches.items()})
        file["t"].extend(branches)
    hepae.compress(source, small)
    assert small.stat().st_size < source.stat().st_size
    assert not [key for key in uproot.open(small) if "hepae" in key]
    assert hepae.verify(source, small).kept
    hepae.decompress(small, back)
    assert hepae.verify(source, back).kept


def test_a_file_that_cannot_be_repacked_is_compressed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refused(*_: object, **__: object) -> None:
        tried.append(True)
        raise InputError("a basket was lost")

    monkeypatch.setattr("hepae.files.compress.file.write_repacked", refused)
    small = tmp_path / "small.root"
    hepae.compress(DATA / "ntuple.root", small)
    assert tried
    assert hepae.verify(DATA / "ntuple.root", small).kept
    assert small.stat().st_size < (DATA / "ntuple.root").stat().st_size


def test_a_file_that_nothing_makes_smaller_is_a_copy(tmp_path: Path) -> None:
    """Neither columns nor repacking: one number each of a few entries, random."""
    source, small = tmp_path / "a.root", tmp_path / "b.root"
    with uproot.recreate(source, compression=uproot.LZMA(9)) as file:
        file.mkrntuple("t", {"x": np.float32}).extend({"x": np.random.default_rng(1).random(7, np.float32)})
    hepae.compress(source, small)
    assert small.read_bytes() == source.read_bytes()


def test_what_is_named_is_compressed_and_not_repacked(tmp_path: Path) -> None:
    source, small = tmp_path / "a.root", tmp_path / "b.root"
    with uproot.recreate(source, compression=uproot.ZLIB(1)) as file:
        file.mktree("t", {"x": np.float32}).extend({"x": np.repeat(np.arange(4, dtype=np.float32), 3000)})
    hepae.compress(source, small, only=["x"])
    assert [key for key in uproot.open(small) if "hepae" in key]


@needs_root
def test_root_reads_what_was_repacked(tmp_path: Path) -> None:
    """Objects that are not split, strings, vectors, a leaf list, counted arrays: baskets of every kind, joined."""
    write = """
import array
file = ROOT.TFile(paths[0], "recreate", "", 101)
tree = ROOT.TTree("t", "")
n, x = array.array("i", [0]), array.array("f", [0] * 9)
words, vector, vectors = ROOT.std.string(), ROOT.std.vector("double")(), ROOT.std.vector("vector<float>")()
pair = ROOT.TLorentzVector()
tree.Branch("n", n, "n/I"); tree.Branch("x", x, "x[n]/F"); tree.Branch("words", words)
tree.Branch("vector", vector); tree.Branch("vectors", vectors)
tree.Branch("whole", pair, 32000, 0); tree.Branch("split", pair, 32000, 99)
for i in range(4000):
    n[0] = i % 9
    for j in range(9): x[j] = i + j
    words.assign("w" * (i % 5)); vector.clear(); vectors.clear()
    for j in range(i % 3):
        vector.push_back(i * j); inner = ROOT.std.vector("float")(); inner.push_back(j); vectors.push_back(inner)
    pair.SetPxPyPzE(i, 2, 3, 4 * i)
    tree.Fill()
    if i % 700 == 699: tree.FlushBaskets()
tree.Write()
ROOT.TH1D("h", "", 10, 0, 1).Write()
file.Close()
result = None
"""
    source, target = tmp_path / "a.root", tmp_path / "b.root"
    in_root(write, source)
    done = repack(source, target)
    assert done.bytes_after < done.bytes_before
    read = """
def told(name):
    file = ROOT.TFile(name)
    tree, values = file.Get("t"), []
    for i in range(0, 4000, 97):
        tree.GetEntry(i)
        values.append([tree.n, list(tree.x), str(tree.words), list(tree.vector), [list(v) for v in tree.vectors]])
        values.append([tree.whole.E(), tree.split.Px()])
    return [tree.GetEntries(), file.Get("h").GetNbinsX(), values]
result = [told(name) for name in paths]
"""
    before, after = in_root(read, source, target)
    assert before == after


OBJECTS = """
file = ROOT.TFile(paths[0], "RECREATE", "", 101)
tree, named = ROOT.TTree("events", ""), ROOT.TNamed("name", "title")
number = ROOT.std.vector["int"]([0])
tree.Branch("named", named, 2000, 0)
tree.Branch("number", number.data(), "number/I")
for entry in range(3000):
    number[0] = entry
    named.SetTitle(f"a title of {entry % 7} words, the same again and again")
    tree.Fill()
tree.Write()
file.Close()
result = 1
"""

TITLES = """
result = []
for path in paths:
    file = ROOT.TFile.Open(path)
    tree = file.Get("events")
    result.append([str(tree.named.GetTitle()) for _ in tree])
"""


def kept_baskets(path: Path) -> list[int]:
    """Bytes of each basket of the branch that stays."""
    with open_source(path) as source:
        (branch,) = (one for one in source.header(source.key("events")).branches if one.path == "named")
        return list(branch.baskets.sizes.tolist())


@needs_root
@pytest.mark.root
def test_branches_that_stay_are_repacked_where_that_makes_them_smaller(tmp_path: Path) -> None:
    source, small, plain, back = (tmp_path / f"{name}.root" for name in ("in", "small", "plain", "back"))
    in_root(OBJECTS, source)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hepae.files.compress.file.REPACKED_BYTES", 0)
        done = hepae.compress(source, small)
    assert done.trees[0].kept == ["named"]
    old, new = kept_baskets(source), kept_baskets(small)
    assert len(new) < len(old) / 10
    assert sum(new) < 0.5 * sum(old)
    hepae.compress(source, plain, only=["number"])
    assert kept_baskets(plain) == old, "somebody chose what is compressed: the rest is read as it was"
    hepae.decompress(small, back)
    assert hepae.verify(source, back).kept
    titles = in_root(TITLES, source, small, back)
    assert titles[0] == titles[1] == titles[2]


def test_an_rntuple_that_stays_is_copied_as_it_is(tmp_path: Path) -> None:
    source, small = tmp_path / "in.root", tmp_path / "small.root"
    with uproot.recreate(source) as file:
        file.mkrntuple("empty", {"x": "float32"})
        file.mktree("events", {"x": "float32"}).extend({"x": np.linspace(0, 1, 5000, dtype=np.float32)})
    hepae.compress(source, small)
    assert hepae.verify(source, small).kept
    with uproot.open(small) as file:
        assert file["empty"].num_entries == 0


@needs_root
@pytest.mark.root
def test_baskets_that_cannot_be_taken_apart_are_copied_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, small = tmp_path / "in.root", tmp_path / "small.root"
    in_root(OBJECTS, source)
    asked: list[str] = []

    def refused(self: RepackedBranch, *_: object) -> None:
        asked.append(self.branch.path)
        raise UnsupportedError("a basket of another kind")

    monkeypatch.setattr(RepackedBranch, "write", refused)
    monkeypatch.setattr("hepae.files.compress.file.REPACKED_BYTES", 0)
    hepae.compress(source, small)
    assert asked == ["named"]
    assert kept_baskets(small) == kept_baskets(source)
    assert hepae.verify(source, small).kept
