"""ROOT itself reads what is written here: the sums agree, it draws, it copies fast, it merges.

ROOT runs in a process of its own, because a malformed header would bring it down.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot

import hepae
from hepae.root import Jagged, Keep, NewBranch, RootWriter, open_source
from hepae.testing.files import DTYPES

if importlib.util.find_spec("ROOT") is None:  # not imported here: it takes seconds and warns
    pytest.skip("the ROOT wheel is not installed", allow_module_level=True)

pytestmark = pytest.mark.root

READ = """
def facts(path, name, branches):
    file = ROOT.TFile.Open(path)
    tree = file.Get(name)
    frame = ROOT.RDataFrame(name, path)
    sums = [frame.Sum(branch) for branch in branches]
    listed = tree.GetListOfBranches()
    return {
        "entries": tree.GetEntries(),
        "titles": [[b.GetName(), b.GetTitle()] for b in listed],
        "leaves": [[l.GetTypeName(), l.GetTitle(), l.GetMaximum()] for b in listed for l in b.GetListOfLeaves()],
        "sums": [repr(s.GetValue()) for s in sums],
        "drawn": [tree.Draw(branch, "", "goff") for branch in branches],
        "keys": sorted([k.GetName(), k.GetClassName(), k.GetCycle()] for k in file.GetListOfKeys()),
        "recovered": file.TestBit(ROOT.TFile.kRecovered),
    }
"""


def root(code: str, *arguments: object) -> Any:
    """Run a few lines in ROOT; what they put into ``result`` comes back. Anything ROOT reports is a failure."""
    head = "import json, sys, warnings\nwarnings.simplefilter('ignore')\nimport ROOT\nargs = json.loads(sys.argv[1])\n"
    tail = "\nprint('RESULT' + json.dumps(result))"
    run = subprocess.run(
        [sys.executable, "-c", head + READ + code + tail, json.dumps(arguments, default=str)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Error in" not in run.stderr, run.stderr
    assert "Warning in" not in run.stderr, run.stderr
    return json.loads(run.stdout.rpartition("RESULT")[2])


def copy(path: Path, target: Path, name: str, extra: bool = False) -> None:
    """Copy a file, with a new jagged branch of bytes where asked for."""
    with open_source(path) as source, RootWriter(target, source) as out:
        tree = source.tree(name)
        plan: list[Keep | NewBranch] = [Keep(branch) for branch in tree.branches]
        if extra:
            plan.insert(3, NewBranch("nblob__hepae", "int32"))
            plan.insert(4, NewBranch("blob__hepae", "uint8", "bytes [x]", "nblob__hepae"))
        made = out.rewrite_tree(tree, plan)
        if extra:
            for start in range(0, tree.num_entries, 1000):
                counts = np.zeros(min(1000, tree.num_entries - start), np.int64)
                counts[0] = 5000
                made.append({"blob__hepae": Jagged(counts, (np.arange(5000) % 251).astype("u1"))})
        made.finish()
        out.copy_rest()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "tree", "branches"),
    [
        ("qcd_jets.root", "Events", ("event", "nJet", "Jet_pt", "Jet_nConst", "Jet_charge")),
        (
            "nanoAOD_2015_CMS_Open_Data_ttbar.root",
            "Events",
            (
                "run",
                "event",
                "nJet",
                "MET_pt",
                "Jet_pt",
                "Jet_jetId",
                "Muon_charge",
                "GenPart_pdgId",
                "Electron_pt",
                "HLT_IsoMu20",
            ),
        ),
        ("uproot-HZZ.root", "events", ("NJet", "MET_px", "NMuon", "EventWeight", "NPrimaryVertices")),
    ],
)
def test_real_files(
    shared: Callable[[str], Path], tmp_path: Path, name: str, tree: str, branches: tuple[str, ...]
) -> None:
    copy(shared(name), tmp_path / name, tree)
    code = "result = [facts(path, args[2], args[3]) for path in args[:2]]"
    before, after = root(code, shared(name), tmp_path / name, tree, branches)
    assert before == after
    assert not after["recovered"]


def test_new_branches_and_what_root_does_with_them(sample_root: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.root"
    copy(sample_root, target, "Events", extra=True)
    code = """
path, folder, names = args
result = {"new": facts(path, "Events", names), "old": facts(args[0], "Events", names)}
tree = (file := ROOT.TFile.Open(path)).Get("Events")
out = ROOT.TFile(folder + "/fast.root", "recreate")
tree.CloneTree(-1, "fast").Write()
out.Close()
merger = ROOT.TFileMerger(False)
merger.OutputFile(folder + "/merged.root", "recreate")
merger.AddFile(path), merger.AddFile(path)
result["merged"] = bool(merger.Merge())
for which in ("fast", "merged"):
    result[which + " facts"] = facts(folder + "/" + which + ".root", "Events", names)
ROOT.EnableImplicitMT(2)
result["parallel"] = repr(ROOT.RDataFrame("Events", path).Sum("blob__hepae").GetValue())
hist = [k.GetName() for k in file.GetListOfKeys() if k.GetClassName().startswith("TH")]
result["histograms"] = [file.Get(name).GetEntries() for name in hist]
"""
    names = ["nJet", "Jet_pt", "Jet_eta", "nblob__hepae", "blob__hepae"]
    found = root(code, target, tmp_path, names)
    total = sum(int(k % 251) for k in range(5000)) * 3
    assert [float(x) for x in found["new"]["sums"][3:]] == [15000, total]
    assert float(found["parallel"]) == total
    assert found["fast facts"]["sums"] == found["new"]["sums"]
    assert found["fast facts"]["titles"] == found["new"]["titles"]
    assert found["merged"]
    assert found["merged facts"]["entries"] == 2 * found["new"]["entries"]
    doubled = [2 * float(x) for x in found["new"]["sums"]]
    assert np.allclose([float(x) for x in found["merged facts"]["sums"]], doubled, rtol=1e-12)
    assert found["new"]["drawn"][3:] == [2400, 15000]
    assert found["histograms"]
    with open_source(tmp_path / "merged.root") as source:
        twice = source.tree("Events").read("blob__hepae", 0, 4800)
        assert isinstance(twice, Jagged)
        assert twice.counts.sum() == 30000


def test_a_new_tree_of_all_types(tmp_path: Path) -> None:
    path = tmp_path / "types.root"
    plan = [NewBranch("n", "uint32"), NewBranch("label", "str")]
    plan += [NewBranch(f"f_{t}", t) for t in DTYPES]
    plan += [NewBranch(f"j_{t}", t, counter="n") for t in DTYPES]
    with RootWriter(path) as out:
        tree = out.new_tree("T", plan)
        for _ in range(2):
            columns: dict[str, object] = {f"f_{t}": np.array([1, 0, 1]).astype(t) for t in DTYPES}
            columns |= {f"j_{t}": Jagged(np.array([2, 0, 1]), np.ones(3, t)) for t in DTYPES}
            tree.append({**columns, "label": np.array(["a", "", "long " * 80])})
        tree.finish()
        out.file.directory("empty")
        # held in the header, and longer than the buffer that ROOT would take by default
        held = out.new_tree("Held", [NewBranch("n", "int32"), NewBranch("x", "int16", counter="n")])
        for events in (100, 16_000):
            held.append({"x": Jagged(np.ones(events, np.int64), np.ones(events, "i2"))})
        held.finish()
        out.new_tree("Nothing", [NewBranch("n", "int32"), NewBranch("x", "float32", counter="n")]).finish()
    code = """
file = ROOT.TFile.Open(args[0])
tree = file.Get("T")
def total(name):
    return sum(tree.GetV1()[k] for k in range(tree.Draw(name, "", "goff")))
# ROOT draws a jagged Char_t as if it were a string
result = {n: [total("f_" + n), total("j_" + n) if n != "int8" else 6] for n in args[1]}
formula, labels = ROOT.TTreeFormula("f", "label", tree), []
for entry in range(tree.GetEntries()):
    tree.LoadTree(entry)
    labels.append(str(formula.EvalStringInstance()))
result["labels"], result["nothing"] = labels, file.Get("Nothing").GetEntries()
result["held"] = [file.Get("Held").GetBranch("n").GetWriteBasket(), file.Get("Held").Draw("x", "x == 1", "goff")]
"""
    found = root(code, path, DTYPES)
    assert found.pop("labels") == ["a", "", "long " * 80] * 2
    assert found.pop("nothing") == 0
    assert found.pop("held") == [1, 16_100]
    assert found == {t: [4.0, 6.0] for t in DTYPES}


def test_what_root_writes(tmp_path: Path) -> None:
    """A ROOT-written file with everything around the tree: cycles, directories, objects, other trees, clusters."""
    path, target = tmp_path / "rich.root", tmp_path / "copy.root"
    write = """
import array
file = ROOT.TFile(args[0], "recreate")
h = ROOT.TH1F("h", "hist", 10, 0, 1); h.Fill(0.5); h.Write(); h.Fill(0.2); h.Write()
ROOT.TObjString("hello").Write("note")
folder = file.mkdir("dir", "my dir"); folder.cd()
g = ROOT.TGraph(3); g.SetPoint(0, 1, 2); g.Write("graph")
sub = folder.mkdir("sub"); sub.cd(); ROOT.TNamed("named", "title").Write(); file.cd()
runs = ROOT.TTree("Runs", "runs")
v = ROOT.std.vector("float")(); s = ROOT.std.string("abc"); a = array.array("i", [0])
runs.Branch("v", v); runs.Branch("s", s); runs.Branch("a", a, "a/I")
for i in range(5000):
    a[0] = i; v.clear(); [v.push_back(x) for x in range(i % 4)]; runs.Fill()
runs.Write()
nt = ROOT.TNtuple("nt", "nt", "x:y"); nt.Fill(1, 2); nt.Fill(3, 4); nt.Write()
tree = ROOT.TTree("Events", "main tree")
n = array.array("I", [0]); pt = array.array("f", [0] * 20); w = array.array("d", [0]); st = array.array("b", [0] * 8)
tree.Branch("w", w, "w/D"); tree.Branch("nJet", n, "nJet/i"); tree.Branch("str", st, "str/C")
tree.Branch("Jet_pt", pt, "Jet_pt[nJet]/F").SetTitle("pt of the jet")
tree.SetAutoFlush(700)
for i in range(3000):
    w[0] = i * .5; n[0] = i % 20
    for k in range(20): pt[k] = 100. / (k + 1) + i
    st[0] = 65 + i % 26; st[1] = 0; tree.Fill()
    if i == 1500: tree.AutoSave("FlushBaskets")
tree.Write()
file.Close()
result = None
"""
    root(write, path)
    with open_source(path) as source, RootWriter(target, source) as out:
        out.rewrite_tree(source.tree("Events")).finish()
        assert all(item.startswith("Events;") for item in out.copy_rest())
    code = """
result = []
for path in args:
    file = ROOT.TFile.Open(path)
    one = facts(path, "Events", ["w", "nJet", "Jet_pt"])
    one["keys"] = [key for key in one["keys"] if key[0] != "Events"]
    one["rest"] = [
        file.Get("h;1").GetEntries(), file.Get("h;2").GetEntries(), str(file.Get("note").GetString()),
        file.Get("dir/graph").GetN(), file.Get("dir/sub/named").GetTitle(), file.GetDirectory("dir").GetTitle(),
        file.Get("nt").GetMaximum("y"), file.Get("Runs").Draw("v", "", "goff"),
        file.Get("Runs").Draw("a", 's == "abc"', "goff"),
    ]
    result.append(one)
"""
    before, after = root(code, path, target)
    assert before == after
    assert after["rest"][-1] == 5000


def test_rntuple_written_by_root(tmp_path: Path, sample_root: Path) -> None:
    path = tmp_path / "ntuple.root"
    code = """
options = ROOT.RDF.RSnapshotOptions()
options.fOutputFormat = ROOT.RDF.ESnapshotOutputFormat.kRNTuple
ROOT.RDataFrame("Events", args[0]).Snapshot("Events", args[1], ["nJet", "Jet_pt", "Jet_eta", "MET"], options)
result = None
"""
    root(code, sample_root, path)
    with open_source(path) as ntuple, open_source(sample_root) as original:
        there, here = ntuple.tree(), original.tree("Events")
        for name in ("Jet_pt", "Jet_eta"):
            x, y = there.read(name, 0, 2400), here.read(name, 0, 2400)
            assert isinstance(x, Jagged)
            assert isinstance(y, Jagged)
            assert x.values.tobytes() == y.values.tobytes()
            assert x.counts.tolist() == y.counts.tolist()
        assert (
            np.asarray(there.read("nJet", 0, 2400)).tolist()
            == np.asarray(here.read("nJet", 0, 2400)).tolist()
        )


def autosaved(path: Path) -> None:
    """A tree of 3,000 entries, saved once in the middle with all its baskets, and its older cycle."""
    write = """
import array
file = ROOT.TFile(args[0], "recreate")
tree = ROOT.TTree("Events", "")
n, pt, words = array.array("i", [2]), array.array("f", [1, 2]), ROOT.std.string()
tree.Branch("nJet", n, "nJet/I"); tree.Branch("Jet_pt", pt, "Jet_pt[nJet]/F"); tree.Branch("words", words)
for i in range(3000):
    pt[0] = i; words.assign("a" * (i % 7)); tree.Fill()
    if i == 1500: tree.SetAlias("p", "Jet_pt"); tree.AutoSave("FlushBaskets")
tree.Write("", 0)
file.Close()
result = None
"""
    root(write, path)
    assert sorted(uproot.open(path).keys()) == ["Events;1", "Events;2"]


def test_a_backup_of_autosave_is_left_out_of_a_collections_file_and_told(tmp_path: Path) -> None:
    """Its baskets are all in the newest cycle; another tree of the name would be a loss, and stays."""
    path, target = tmp_path / "a.root", tmp_path / "b.root"
    autosaved(path)
    hepae.compress(path, target, collection="Jet", recipe=hepae.Recipe(codec="lifting"))
    checked = hepae.verify(path, target)
    assert checked.kept
    assert checked.backups == ["Events;1"]


@pytest.mark.parametrize("chunk", [None, 1000], ids=["it ends in a chunk", "chunks of 1,000 entries"])
def test_a_backup_of_autosave_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int | None
) -> None:
    path, small, back = (tmp_path / name for name in ("a.root", "b.root", "c.root"))
    autosaved(path)
    if chunk:
        monkeypatch.setattr("hepae.limits.EVENTS_PER_CHUNK", chunk)
    hepae.compress(path, small)
    assert "Events;1" not in uproot.open(small)
    checked = hepae.verify(path, small)
    assert checked.kept
    assert not checked.backups
    hepae.decompress(small, back)
    assert hepae.verify(path, back).kept
    read = """
def told(name):
    file = ROOT.TFile(name)
    tree = file.Get("Events;1")
    values = [(tree.GetEntry(i), tree.nJet, list(tree.Jet_pt), str(tree.words))[1:] for i in (0, 999, 1000, 1500)]
    return [tree.GetEntries(), tree.GetListOfAliases().GetSize(), values]
result = [told(name) for name in args]
"""
    before, after = root(read, path, back)
    assert before == after
    assert before[0] == 1501


def test_a_backup_comes_back_within_the_bounds_of_the_newest_cycle(tmp_path: Path) -> None:
    path, small, back = (tmp_path / name for name in ("a.root", "b.root", "c.root"))
    autosaved(path)
    hepae.compress(path, small, bounds=["Jet_pt=rel:1e-2"])
    hepae.decompress(small, back)
    checked = hepae.verify(path, back, bounds=["Jet_pt=rel:1e-2"])
    assert checked.kept
    assert checked.trees.keys() == {"Events", "Events;1"}
    for tree in checked.trees.values():
        column = tree.columns["Jet_pt"]
        assert not column.same
        assert column.bound == "rel:0.01"


def test_a_backup_of_a_tree_with_other_entries_is_no_backup_any_more(tmp_path: Path) -> None:
    """Files are joined by ROOT's hadd, which takes the newest cycle of each."""
    path, small, twice, back = (tmp_path / name for name in ("a.root", "b.root", "c.root", "d.root"))
    autosaved(path)
    hepae.compress(path, small)
    join = """
merger = ROOT.TFileMerger(False)
merger.OutputFile(args[0], "recreate")
for name in args[1:]: merger.AddFile(name)
result = merger.Merge()
"""
    assert root(join, twice, small, small)
    hepae.decompress(twice, back)
    tree = uproot.open(back)["Events"]
    assert tree.num_entries == 6000
    assert [key for key in uproot.open(back) if "hepae" in key or key == "Events;2"] == []


def test_a_backup_with_baskets_in_its_header_stays(tmp_path: Path) -> None:
    """What AutoSave wrote before baskets were flushed is in no other cycle as it is there."""
    write = """
import array
file = ROOT.TFile(args[0], "recreate")
tree = ROOT.TTree("Events", "")
x = array.array("f", [0])
tree.Branch("x", x, "x/F")
for i in range(20000):
    x[0] = i; tree.Fill()
    if i == 15000: tree.AutoSave()
tree.Write("", 0)
file.Close()
result = None
"""
    path, target = tmp_path / "a.root", tmp_path / "b.root"
    root(write, path)
    assert sorted(uproot.open(path).keys()) == ["Events;1", "Events;2"]
    hepae.compress(path, target)
    assert {"Events;1", "Events;2"} <= set(uproot.open(target).keys())
    assert hepae.verify(path, target).kept
