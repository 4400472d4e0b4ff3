"""Layouts of what ROOT itself writes: split objects, clones, vectors of everything, strings, coded floats."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepae.core.values.nested import Nested
from hepae.root.ttree.layouts.awkward import branch_to_awkward
from hepae.root.ttree.layouts.basket import read_basket
from hepae.root.ttree.layouts.describe import describe_tree
from hepae.root.ttree.layouts.layout import fitted, layout_of, round_trip
from tests.root_process import in_root, needs_root

pytestmark = [pytest.mark.root, needs_root]

ENTRIES = 30

MAKE = """
ROOT.gErrorIgnoreLevel = ROOT.kFatal
ROOT.gInterpreter.Declare(r'''
#include <TClonesArray.h>
#include <TLorentzVector.h>
#include <TVector3.h>
#include <deque>
#include <list>
#include <set>
struct Inner { float q; std::vector<float> v; };
class Thing : public TObject { public:
  int n = 0; float* p = nullptr; //[n]
  Double32_t plain = 0;
  Double32_t ranged = 0; //[-1,1,12]
  Double32_t short_ = 0; //[0,0,10]
  Float16_t half = 0;
  Double32_t many[4]; //[0,1,16]
  std::string s; TString ts; std::vector<int> vi; std::vector<std::string> vs; float m[2][3]; bool b; Inner in;
  ClassDef(Thing, 1) };
class Part : public TObject { public:
  float pt = 0; float cov[3]; Double32_t w = 0; //[0,100,16]
  std::vector<float> vf; std::string name; TString label; TVector3 at;
  ClassDef(Part, 1) };
void make(const char* path, int entries) {
  TFile file(path, "recreate"); TTree t("t", "");
  int n; float x[9]; double y[9][3];
  struct { double w; int k; float z[4]; } several; struct { int k; float z[9]; } own;
  t.Branch("n", &n, "n/I"); t.Branch("x", x, "x[n]/F"); t.Branch("y", y, "y[n][3]/D");
  t.Branch("several", &several, "w/D:k/I:z[4]/F"); t.Branch("own", &own, "k/I:z[k]/F");
  Long_t big; t.Branch("big", &big); char text[400]; t.Branch("text", text, "text/C");
  Double32_t d[9]; t.Branch("d", d, "d[n]/d[0,10,20]"); Float16_t f[3]; t.Branch("f", f, "f[3]/f[0,10,8]");
  std::vector<float> vf; std::vector<bool> vb; std::vector<std::vector<float>> vvf; std::vector<std::string> vs;
  std::string s; std::set<int> si; std::list<double> ld; std::deque<float> df;
  t.Branch("vf", &vf); t.Branch("vb", &vb); t.Branch("vvf", &vvf); t.Branch("vs", &vs); t.Branch("s", &s);
  t.Branch("si", &si); t.Branch("ld", &ld); t.Branch("df", &df);
  auto* thing = new Thing; thing->p = new float[9]; t.Branch("thing.", &thing);
  auto* lv = new TLorentzVector; t.Branch("lv", &lv);
  auto* parts = new TClonesArray("Part", 9); t.Branch("parts", &parts);
  for (int i = 0; i < entries; i++) {
    n = i % 4; several.k = i; several.w = i / 3.; own.k = (i * 7) % 5; big = -i;
    for (int j = 0; j < 9; j++) { x[j] = i + j / 8.; d[j] = (i + j) % 10; own.z[j] = j;
      for (int k = 0; k < 3; k++) y[j][k] = i - k; }
    for (int j = 0; j < 4; j++) several.z[j] = j * i;
    for (int j = 0; j < 3; j++) f[j] = (i + j) % 10;
    s = std::string((i * i) % 300, 'a' + i % 26); strcpy(text, s.c_str());
    vf.clear(); vb.clear(); vvf.clear(); vs.clear(); si.clear(); ld.clear(); df.clear();
    for (int j = 0; j < i % 5; j++) {
      vf.push_back(i * j); vb.push_back(j & 1); vs.push_back(std::string((i * j * 11) % 300, 'q'));
      si.insert(j * 3); ld.push_back(j / 7.); df.push_back(j);
      vvf.push_back(std::vector<float>((i + j) % 4, j)); }
    thing->n = n; for (int j = 0; j < n; j++) thing->p[j] = j;
    thing->plain = i / 7.; thing->ranged = i / 31.; thing->short_ = i / 7.;
    thing->half = -i / 7.; thing->s = s; thing->ts = s.c_str(); thing->vi = {1, 2, i}; thing->vs = vs; thing->b = i & 1;
    for (int j = 0; j < 6; j++) thing->m[j / 3][j % 3] = j * i;
    for (int j = 0; j < 4; j++) thing->many[j] = j / 4.;
    thing->in.q = i; thing->in.v = vf;
    lv->SetPxPyPzE(i, 2, 3, 99);
    parts->Clear("C");
    for (int j = 0; j < i % 3; j++) { auto* part = (Part*)parts->ConstructedAt(j); part->pt = i + j; part->w = i;
      for (int k = 0; k < 3; k++) part->cov[k] = k; part->vf = vf; part->name = "n"; part->label = "l";
      part->at = TVector3(i, j, 1); }
    t.Fill();
    if (i == 11) t.FlushBaskets(); }
  t.Write(); file.Close(); }
''')
ROOT.make(str(paths[0]), 30)
result = None
"""

READ_OTHERWISE = {
    "own": "uproot has no interpretation of leaves that count each other",
    "text": "uproot loses its place after an empty string",
    "d": "uproot takes the counter for the range",
    "f": "uproot takes the dimension for the range",
    "df": "uproot knows no deque",
    "parts/parts.label": "uproot reads one string per entry",
}
"""What plain uproot 5.7 does not read, or reads as something else than ROOT wrote."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("root") / "all.root"
    in_root(MAKE, path)
    return uproot.open(path)["t"]


@pytest.fixture(scope="module")
def columns(tree: Any) -> dict[str, Any]:
    """Every branch that has baskets, decoded: its layout (None: kept) and its columns."""
    decoded: dict[str, Any] = {}
    described = describe_tree(tree)
    counts: dict[str, np.ndarray] = {}
    for path, branch in tree.iteritems(recursive=True):
        layout = layout_of(described[path])
        if not branch.num_baskets or layout is None:
            decoded[path] = None, {}
            continue
        parts, edges = [], branch.entry_offsets
        for number in range(branch.num_baskets):
            seek, size = branch.member("fBasketSeek")[number], branch.member("fBasketBytes")[number]
            basket = read_basket(bytes(tree.file.source.chunk(int(seek), int(seek + size)).raw_data))
            assert basket.entries == edges[number + 1] - edges[number]
            layout = fitted(layout, basket.data, basket.offsets) if not number else layout
            known = {name: counts[name][edges[number] : edges[number + 1]] for name in layout.counters}
            assert round_trip(layout, basket, known), path
            parts.append(layout.decode(basket.data, basket.offsets, basket.entries, known, path))
        whole = {name: Nested.concatenated([part[name] for part in parts]) for name in parts[0]}
        decoded[path] = layout, whole
        if "" in whole and not whole[""].levels:
            counts[path] = whole[""].values
    return decoded


def test_every_kind_has_a_layout(columns: dict[str, Any]) -> None:
    without = {path for path, (layout, _) in columns.items() if layout is None}
    assert without == {"thing.", "thing./thing.TObject", "thing./thing.in"}  # they hold nothing but branches


def test_the_columns_are_what_uproot_reads(tree: Any, columns: dict[str, Any]) -> None:
    compared = 0
    for path, (layout, whole) in columns.items():
        if layout is None or path in READ_OTHERWISE or len(tree[path].branches):
            continue
        expected, got = tree[path].array(), branch_to_awkward(layout, whole)
        assert got.typestr == expected.typestr, path
        assert ak.array_equal(got, expected), path
        compared += 1
    assert compared > 30


def test_what_uproot_cannot_read_is_what_root_wrote(columns: dict[str, Any]) -> None:
    def seen(path: str) -> ak.Array:
        layout, whole = columns[path]
        return branch_to_awkward(layout, whole)

    entries = range(ENTRIES)
    assert seen("text").to_list() == [chr(97 + i % 26) * (i * i % 300) for i in entries]
    assert seen("own").to_list() == [
        {"k": i * 7 % 5, "z": [float(j) for j in range(i * 7 % 5)]} for i in entries
    ]
    assert seen("df").to_list() == [[float(j) for j in range(i % 5)] for i in entries]
    assert seen("parts/parts.label").to_list() == [["l"] * (i % 3) for i in entries]
    assert seen("parts").to_list() == [i % 3 for i in entries]
    assert ak.all(
        abs(seen("d") - ak.Array([[float((i + j) % 10) for j in range(i % 4)] for i in entries])) < 1e-5
    )
    assert ak.all(abs(seen("f") - np.array([[(i + j) % 10 for j in range(3)] for i in entries])) < 0.02)


def test_counters_are_found(tree: Any) -> None:
    described = describe_tree(tree)
    assert described["x"].leaves[0].counter == "n"
    assert described["thing./thing.p"].leaves[0].counter == "thing./thing.n"
    assert described["parts/parts.vf"].leaves[0].counter == "parts"
    assert described["own"].leaves[1].inside
