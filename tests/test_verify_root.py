"""Risk: what only ROOT writes (cycles, aliases, second branches of a name, objects) changes, and nobody says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hepae
from tests.root_process import in_root, needs_root

pytestmark = [pytest.mark.root, needs_root]

# each variant is the original with one line of its recipe changed
MAKE = """
from array import array
ROOT.gInterpreter.Declare('''
TNamed* fresh(const char* title) { return new TNamed("named", title); }
''')
folder = paths[0]

def make(name, changed={}):
    say = lambda what, usual: changed.get(what, usual)
    f = ROOT.TFile(f"{folder}/{name}.root", "recreate", say("file", ""), say("compress", 101))
    if say("old cycle", True):
        old = ROOT.TTree("Events", "older")
        m = array("i", [3])
        old.Branch("m", m, "m/I")
        old.Fill()
        old.Write()
    directory = f.mkdir(say("directory", "deep"), say("directory title", "of things"))
    h = ROOT.TH1D("h", say("hist title", "histogram"), 10, 0, say("edge", 1.0))
    h.SetDirectory(ROOT.nullptr)
    for value in (0.1, 0.2, 0.2):
        h.Fill(value)
    if say("sumw2", False):
        h.Sumw2()
    directory.WriteTObject(h)
    f.cd()
    t = ROOT.TTree("Events", "events")
    n, x, y = array("i", [0]), array("f", 4 * [0.0]), array("d", [0.0])
    i, j, long = array("i", [0]), array("i", [0]), array("l", [0])
    v, vv, s = ROOT.std.vector("float")(), ROOT.std.vector("vector<int>")(), ROOT.std.string("text")
    named = ROOT.fresh("title")
    two = array("i", [1, 2])
    t.Branch("n", n, "n/I")
    t.Branch("m", n, "m/I")
    t.Branch("x", x, f"x[{say('counter', 'n')}]/F")
    if say("uncompressed", False):
        t.GetBranch("x").SetCompressionSettings(0)
    t.Branch("y", y, say("leaf name", "y") + "/D")
    t.Branch("i", i, say("int type", "i/I"))
    t.Branch("long", long, say("long type", "long/L"))
    t.Branch("i", j, "i/I")
    t.Branch("pair", two, say("pair", "a/I:b/I"))
    t.Branch("v", v)
    t.Branch("vv", vv)
    t.Branch("s", s)
    t.Branch("named", "TNamed", named, say("basket", 32000), 0)
    t.GetBranch("y").SetTitle(say("branch title", "y/D"))
    for k in range(50):
        n[0], y[0], i[0], j[0], long[0] = k % 4, 0.5 * k, k, say("second", 100) + k, k
        two[0], two[1] = k, say("b", k) if k == 30 else k
        for l in range(4):
            x[l] = k + l
        v.clear(); vv.clear()
        for l in range(k % 3):
            v.push_back(l)
            vv.push_back([l] * l if (k, l) != (41, 1) else [say("deep value", 1)])
        s.assign("text" * (k % 3) if k != 8 else say("string", "text"))
        named.SetTitle(say("named", "title") if k == 20 else "title")
        t.Fill()
    if say("weight", 1.0) != 1:
        t.SetWeight(say("weight", 1.0))
    t.SetAlias("twice", say("alias", "2 * y"))
    friend = say("friend", "Other")
    t.AddFriend(friend, f"{folder}/{friend}.root")
    t.BuildIndex(say("index", "n"), "0")
    if say("user info", True):
        info = ROOT.TNamed("info", say("info", "of the user"))
        ROOT.SetOwnership(info, False)
        t.GetUserInfo().Add(info)
    t.SetBit(1 << 19, say("reshuffled", False))
    t.SetAutoFlush(say("flush", 0))
    t.Write()
    if say("extra", False):
        ROOT.TNamed("extra", "").Write()
    f.Close()

for name in ("Other", "Another"):
    f = ROOT.TFile(f"{folder}/{name}.root", "recreate")
    ROOT.TTree(name, "").Write()
    f.Close()
make("original")
for number, changed in enumerate(json.loads(VARIANTS)):
    make(f"v{number}", changed)
result = None
"""

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "an older cycle is lost": ({"old cycle": False}, "Events;2 (TTree) is missing"),
    "a directory": ({"directory": "deeper"}, "deep;1 (TDirectory) is missing"),
    "the title of a directory": ({"directory title": "x"}, "deep;1: title 'of things' before, 'x' after"),
    "the title of a histogram": ({"hist title": "x"}, "deep/h;1: title"),
    "an edge of a histogram": ({"edge": 2.0}, "deep/h;1: fXaxis.fXmax: 1.0 before, 2.0 after"),
    "errors of a histogram": ({"sumw2": True}, "deep/h;1: fSumw2.fN: 0 before, 12 after"),
    "the counter of a branch": ({"counter": "m"}, "x, leaf x: counter 'n' before, 'm' after"),
    "the compression of a branch": ({"uncompressed": True}, "x: compression setting 101 before, 0 after"),
    "the compression of all": ({"compress": 505}, "n: compression setting 101 before, 505 after"),
    "the name of a leaf": ({"leaf name": "z"}, "y, leaf y: name 'y' before, 'z' after"),
    "the sign of a leaf": ({"int type": "i/i"}, "i, leaf i: unsigned False before, True after"),
    "the class of a leaf": ({"long type": "long/G"}, "leaf long: class 'TLeafL' before, 'TLeafG' after"),
    "the second branch of a name": ({"second": 99}, "Events, i#2"),
    "a leaf among several": ({"b": 31}, "Events, pair.b"),
    "a value of nested vectors": ({"deep value": 5}, "Events, vv"),
    "a string": ({"string": "Text"}, "Events, s"),
    "an unsplit object": ({"named": "Title"}, "named: other bytes from entry 20 on (cannot be interpreted"),
    "the title of a branch": ({"branch title": ""}, "y: title 'y/D' before, '' after"),
    "the weight": ({"weight": 2.0}, "Events: weight 1.0 before, 2.0 after"),
    "an alias": ({"alias": "3 * y"}, "Events: aliases"),
    "a friend": ({"friend": "Another"}, "Events: friends"),
    "an index": ({"index": "i"}, "Events: tree index"),
    "user information": ({"info": "x"}, "Events: user information"),
    "no user information": ({"user info": False}, "Events: user information"),
    "the bit for shuffled entries": ({"reshuffled": True}, "Events: bits 0 before, 524288 after"),
    "a setting": ({"flush": 10}, "Events: automatic flush"),
    "an object more": ({"extra": True}, "extra;1 (TNamed) is new"),
}
SAME: dict[str, dict[str, Any]] = {"made again": {}, "other baskets": {"basket": 500}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("verify-root")
    variants = [*(changed for changed, _ in CHANGES.values()), *SAME.values()]
    in_root(f"VARIANTS = {json.dumps(variants)!r}\n" + MAKE, where)
    return where


@pytest.mark.parametrize("change", CHANGES)
def test_a_single_change_is_told(change: str, made: Path) -> None:
    other = made / f"v{list(CHANGES).index(change)}.root"
    result = hepae.verify(made / "original.root", other)
    assert not result.kept
    bad = [
        f"{name}, {c.name}"
        for name, tree in result.trees.items()
        for c in tree.columns.values()
        if not c.kept
    ]
    assert any(CHANGES[change][1] in line for line in result.differences + bad), result.differences + bad


@pytest.mark.parametrize("same", SAME)
def test_the_same_contents_are_the_same(same: str, made: Path) -> None:
    other = made / f"v{len(CHANGES) + list(SAME).index(same)}.root"
    result = hepae.verify(made / "original.root", other)
    assert result.kept, (result.differences, result.offenders)
    assert set(result.trees) == {"Events;1", "Events"}
    columns = result.trees["Events"].columns
    assert {"i", "i#2", "pair", "vv", "named"} <= set(columns)


def test_a_histogram_that_hadd_wrote_is_the_same(made: Path, tmp_path: Path) -> None:
    code = """
merger = ROOT.TFileMerger(False)
merger.OutputFile(paths[1], "RECREATE")
merger.AddFile(paths[0])
result = merger.Merge()
"""
    assert in_root(code, made / "original.root", tmp_path / "hadd.root")
    result = hepae.verify(made / "original.root", tmp_path / "hadd.root")
    assert result.objects == 2
    assert not [line for line in result.differences if "deep" in line]


def test_objects_that_uproot_does_not_take_apart_are_measured_where_they_are_coarsened(
    tmp_path: Path,
) -> None:
    """Bytes say nothing of a bound: hepae's own parser takes them apart, and both files the same way."""
    write = """
file = ROOT.TFile(paths[0], "recreate")
tree, points = ROOT.TTree("t", ""), ROOT.std.vector("TVector3")()
tree.Branch("points", points, 32000, 0)
for i in range(4000):
    points.clear()
    for k in range(i % 5): points.push_back(ROOT.TVector3(0.1 * i + k, 1. / (k + 1), i * k * 0.37))
    tree.Fill()
tree.Write(); file.Close()
result = None
"""
    source, small = tmp_path / "a.root", tmp_path / "b.root"
    in_root(write, source)
    done = hepae.compress(source, small, bounds=["*=abs:0.01"], only=["*"])
    assert set(done.trees[0].bounds) == {"points.fX", "points.fY", "points.fZ"}
    result = hepae.verify(source, small, bounds=["*=abs:0.01"])
    assert result.kept
    checks = result.trees["t"].columns
    assert {name for name in checks if checks[name].identical < checks[name].values} == {
        "points.fX",
        "points.fZ",
    }
    assert all(0.001 < checks[name].worst_error <= 0.01 for name in ("points.fX", "points.fZ"))
    assert not hepae.verify(source, small, bounds=["*=abs:0.001"]).kept
