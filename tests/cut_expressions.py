"""Cuts as analysts write them, trees to try them on, and ROOT's own answers: TTree::Draw and RDataFrame."""

from __future__ import annotations

import json
from pathlib import Path

import awkward as ak
import numpy as np
import uproot
from hypothesis import strategies as st

from hepae.files.cut import Cut
from hepae.root.file.source import open_source
from tests.root_process import in_root

SAME = (
    # triggers, flags, run and event numbers
    "HLT_IsoMu24", "HLT_IsoMu24 == 1", "HLT_IsoMu24 || HLT_Ele32", "HLT_IsoMu24 && !HLT_Ele32",
    "!HLT_IsoMu24", "HLT_IsoMu24 + HLT_Ele32 + HLT_MET >= 2", "(HLT_IsoMu24 || HLT_Ele32) && MET_pt > 30",
    "HLT_IsoMu24 != HLT_Ele32", "HLT_IsoMu24 * MET_pt > 20", "run == 3 && luminosityBlock < 5",
    "run >= 2 && run <= 6", "run != 4", "run % 2 == 1", "(run == 1 && luminosityBlock > 3) || run == 2",
    "event8 % 10 < 3", "Entry$ < 100", "Entry$ % 3 == 0",
    # event-level numbers
    "MET_pt > 50", "MET_pt>50&&MET_pt<80.5", "50 < MET_pt", "MET_pt >= 50 & nJet > 1",
    "MET_pt > 80 | nMuon > 1", "!(MET_pt > 50)", "!nJet == 1", "!nJet", "nJet", "nJet && nMuon", "nJet >= 2",
    "nJet == 2 || nJet == 3", "nJet + nMuon > 3", "nJet - nMuon < 0", "2 * nJet - 3 * nMuon >= 1",
    "nJet * nMuon", "-nJet < -2", "+nJet > 2", "HT - MET_pt > 100", "HT + MET_pt - 20 > 100",
    "HT - 2 * MET_pt + 5 > 0", "HT > 2.5 * MET_pt", "HT * MET_pt > 1e3", "HT / 4 > 20",
    "MET_pt > 1 && HT / MET_pt > 2", "PV_npvsGood - PV_npvs < 0", "PV_npvs / 2. > 4", "genWeight < 0",
    "(HT > 100) + (MET_pt > 50) + (nJet > 1) >= 2", "MET_pt > 0x20", "MET_pt > .5e2", "MET_pt > 5.e+1",
    "HT > -1e-5", "MET_pt > 50 ? HT > 100 : HT > 200", "(nJet > 2 ? HT : MET_pt) > 60",
    "nJet > 2 ? 1 : nMuon > 1 ? 1 : 0", "HLT_IsoMu24 ? MET_pt > 20 : MET_pt > 60", "MET_pt > 20 and HT > 50",
    "nJet > 2 or nMuon > 1", "true && nJet > 1",
    # bits
    "(flags & 4) == 4", "flags & 1", "(flags & 5) != 0", "(flags | 2) == 7", "flags >> 1 & 1",
    "(flags >> 2) % 2 == 1", "(flags & (1 << 2)) > 0", "(flags & (1 << nMuon)) > 0", "1 << flags > 16",
    "(flags & 3) == 3 && nJet > 1", "flags % 4 == 3", "short % 3 == -1", "short % 3 == 1",
    "(short + 20) % 7 > 3", "flags ** 2 > 20",
    # functions
    "abs(short) > 2", "fabs(HT) < 50", "TMath::Abs(short) > 2", "std::abs(HT) < 50", "sqrt(MET_pt) > 7",
    "sqrt(HT * HT + MET_pt * MET_pt) > 100", "TMath::Sqrt(HT) > 7", "pow(MET_pt, 2) > 2500",
    "MET_pt ** 2 > 2500", "TMath::Power(MET_pt, 2) > 2500", "max(HT, genWeight) > 50",
    "min(HT, genWeight) > -1", "TMath::Max(HT, genWeight) > 3", "TMath::Min(HT, genWeight) > -1",
    "exp(-MET_pt / 50.) < 0.5", "MET_pt > 0 && log(MET_pt) > 3.5", "MET_pt > 0 && log10(MET_pt) > 1.5",
    "TMath::Log(MET_pt) > 3.5", "sin(MET_phi) > 0.5", "cos(MET_phi) > 0.5", "tan(MET_phi) > 1",
    "sinh(MET_phi) > 1", "cosh(MET_phi) > 2", "tanh(MET_phi) > 0.5", "atan2(HT, MET_pt) > 0.5",
    "TMath::ATan2(HT, MET_pt) > 0.5", "TMath::Cos(MET_phi) > 0.5", "abs(MET_phi) < TMath::Pi() / 2",
    "floor(HT / 50) == 1", "TMath::Floor(HT) > 50", "ceil(HT) < 50", "fmod(MET_pt, 3) > 1",
    "int(MET_pt) % 2 == 1", "hypot(HT, MET_pt) > 100", "isnan(genWeight)", "isfinite(genWeight)",
    "TMath::IsNaN(genWeight)", "genWeight != genWeight", "genWeight > 0",
    "TVector2::Phi_mpi_pi(MET_phi - 2.5) > 1", "acos(cos(MET_phi)) < 1.1", "asin(tanh(HT / 100)) > 0.3",
    # any object passes
    "Jet_pt > 30", "Jet_pt > 30 && abs(Jet_eta) < 2", "Jet_pt > 30 && Jet_tight", "Jet_tight", "!Jet_tight",
    "Jet_id & 2", "Jet_pt > 30 && nMuon > 0", "nMuon > 0 || Jet_pt > 60",
    "(Jet_pt > 30) + (Jet_eta > 0) >= 2", "Jet_n < 0", "Jet_pt > 50 ? Jet_eta > 0 : Jet_eta < -2",
    "Jet_pt * cosh(Jet_eta) > 100", "Jet_pt == Max$(Jet_pt) && Jet_eta > 0", "weights > 3", "cov > 4",
    "!(Jet_pt > 30)", "-Jet_eta > 2", "Jet_pt[] > 60",
    # from objects to a number per event
    "Sum$(Jet_pt > 30) >= 2", "Sum$(Jet_pt > 30 && abs(Jet_eta) < 2.4) >= 2 && MET_pt > 20",
    "Sum$(Jet_pt) > 100", "Sum$(Jet_pt * (Jet_pt > 30)) > 100", "Sum$(Jet_tight) == 1",
    "Sum$(Jet_id & 1) >= 1", "Sum$(Jet_n) < 0", "Max$(Jet_pt) > 60", "Max$(Jet_pt) < 40",
    "Min$(Jet_pt) < 20", "Max$(Jet_n) - Min$(Jet_n) > 3", "Max$(abs(Jet_eta)) < 2",
    "MaxIf$(Jet_pt, Jet_eta > 0) > 40", "MinIf$(Jet_pt, Jet_tight) < 20", "Length$(Jet_pt) >= 2",
    "Length$(Jet_pt > 30) >= 2", "Sum$(Jet_pt > 30) >= 1 || Sum$(Muon_pt > 20) >= 1",
    "Sum$(Jet_pt > 0.8 * Max$(Jet_pt)) >= 2", "Sum$(weights) > 2", "Max$(weights) > 4",
    "Length$(weights) == 3", "Sum$(Jet_pt > 30 && Muon_pt[0] > 20) == 0", "Max$(Jet_pt > 30)",
    # one object
    "nJet > 0 && Jet_pt[0] > 50", "nJet >= 2 && Jet_pt[0] > 50 && Jet_pt[1] > 30",
    "nJet > 0 && Jet_pt[nJet - 1] > 30", "nMuon == 2 && Muon_charge[0] * Muon_charge[1] < 0",
    "nMuon >= 2 && Muon_charge[0] + Muon_charge[1] == 0",
    "nMuon > 0 && Muon_jetIdx[0] >= 0 && Jet_pt[Muon_jetIdx[0]] > 30",
    "nJet > 0 && Jet_tight[0] && Jet_eta[0] > 0", "weights[0] > 0", "weights[1] + weights[2] > 0",
    "cov[1][2] > 1", "weights[flags % 3] > 0", "nJet > 0 && !Jet_tight[0]",
    "nMuon > 1 && sqrt(2 * Muon_pt[0] * Muon_pt[1] * (cosh(Muon_eta[0] - Muon_eta[1]) + 1)) > 60",
    # texts and names
    'dataset == "abc"', 'dataset != "abc"', '"de" == dataset && nJet > 1', "Aux.met > 50",
    "Aux.met > 50 && Aux.met < 70",
)  # fmt: skip
"""Cuts that select the same events here, by TTree::Draw and by RDataFrame, wherever these accept the text."""

DRAWN = (
    "Jet_pt[0] > 50", "Jet_pt[1] < 30", "!(Jet_pt[0] > 50)", "Jet_pt[0] > 50 || MET_pt > 200",
    "Jet_pt[0] + Jet_pt[1] > 80", "Muon_charge[0] != Muon_charge[1]", "Jet_pt > 30 && Muon_pt[0] > 20",
    "Jet_tight[0]", "Jet_pt[0] > Jet_pt", "Alt$(Jet_pt[0], 0) < 50", "nJet == 0 || Alt$(Jet_pt[0], 0) > 50",
    "Alt$(Jet_pt[0], -1) < 0", "Alt$(Jet_pt[1], 0) > 30 || Alt$(Muon_pt[0], 0) > 20", "u4 - u2 < 0",
    "u4 - i4 < 0", "u8 - i4 < 0", "i4 < u4", "-u4 < 0", "u4 > -1", "i4 * u4 < -3", "u1 - u4 == -2",
    "max(HT, genWeight) > 50 && u4 - 3 < 0", "i4 % (u4 + 1) == -1",
)  # fmt: skip
"""Cuts of TTree::Draw alone: C++ reads elements that are not there, and wraps unsigned numbers around."""

COUNTED = (
    "event == 9007199254740993", "event % 2 == 1", "event != 9007199254740994", "event % 100 < 30",
    "event >= 9007199254740993 && event < 9007199254741000", "big > 9223372036854775807", "big % 3 == 1",
    "(event & 1) == 1", "(event >> 1 & 1) == 1", "(big | 1) == big", "signed8 % 2 == 1",
    "signed8 + 1 > signed8 && signed8 % 2", "abs(signed8) % 2 == 1", "big == 9223372036854775808",
    "signed8 == -4611686018427387905", "event + 1 == 9007199254740994",
)  # fmt: skip
"""Cuts on integers above 2**53, which TTree::Draw rounds: RDataFrame has the events."""

REFUSED = {
    "nJet / 2 > 1": "1.0 * a / b",
    "sqrt(HT) > 5": "TMath::Sqrt",
    "log(HT) < 1": "TMath::Log",
    "HT / nJet > 20": "b != 0",
    "genWeight / genWeight == 1": "b != 0",
    "nJet ^ 2 > 4": "pow",
    "1 < nJet < 3": "a < b && b < c",
    "nJet > 2 == HLT_MET": "(a < b) == c",
    "short % 4 * 2 == 2": "brackets",
    "nJet + 1 >> 1 == 1": "brackets",
    "flags & 4 == 4": "(flags & 4) == 4",
    "(i4 | 1) < 4": "x >= 0",
    "i4 >> 1 < 3": "not negative",
    "MET_pt % 2 == 1": "fmod",
    "100. * short / 25 > 28": "(a * b) / c",
    "MET_pt > 010": "octal",
    "nJet == 0 || Jet_pt[0] > 50": "Alt$(Jet_pt[0], 0)",
    "Jet_pt[0] > 50 || nMuon > 0": "Alt$(Jet_pt[0], 0)",
    "nJet > 0 ? Jet_pt[0] > 50 : MET_pt > 50": "Alt$(Jet_pt[0], 0)",
    "Jet_pt[nJet - 1] > 30": "i < n",
    "nMuon > 0 && Jet_pt[Muon_jetIdx[0]] > 30": "i < n",
    "Jet_pt[Jet_eta > 0] > 30": "Sum$",
    "Jet_pt > 30 && Muon_pt > 20": "reduce each",
    "cov[1] > 3": "2 indices",
    "big + big > 5": "1.0 * x",
    "not nJet == 1": "!a == b",
    "Jet_pt[-1] > 30": "i >= 0",
    "exp(10 * HT) > 1": "TMath::Exp",
    "2 ** nJet ** 2 > 3": "(a ** b) ** c",
    "HLT_IsoMu24 ? HLT_Ele32 ? 1 : 0 : 0": "brackets",
    "!nJet ** 2 == 1": "!(a ** b)",
    "(i4 ? i2 : i1) < (u4 ? i1 : u1)": "(c != 0) * a + (c == 0) * b",
    "(nJet > 1 ? i4 : i2) > i2": "name i2 before the choice",
    "(nJet > 1 ? HT : MET_pt) > 60 && MET_pt > 40": "name MET_pt before the choice",
    "abs(nJet > 1 ? nJet : Jet_id[0]) <= abs(u2 * Jet_id[0])": "name Jet_id before the choice",
    "(i4 ? i2 : i1) > 2 ? (u4 ? i1 : u1) : i1": "(c != 0) * a + (c == 0) * b",
}  # fmt: skip
"""What is refused, and what the hint says: ROOT's two ways select different events, or one of them is not defined."""

ASK = """
f = ROOT.TFile.Open(paths[0])
tree, frame = f.Get("Events"), ROOT.RDataFrame("Events", paths[0])
ROOT.gErrorIgnoreLevel = ROOT.kFatal
def drawn(text):
    ROOT.gDirectory.Delete("chosen;*")
    if tree.Draw(">>chosen", text, "entrylist") < 0:
        return None
    chosen = ROOT.gDirectory.Get("chosen")
    return [chosen.GetEntry(i) for i in range(chosen.GetN())]
def booked(text):
    try:
        return frame.Filter(text).Take["ULong64_t"]("rdfentry_")
    except Exception:
        return None
questions = json.load(open(paths[1]))
# all filters are compiled together, and run in one loop over the events
filtered = [booked(text) if filter else None for text, draw, filter in questions]
result = [
    [drawn(text) if draw else None, None if taken is None else [int(i) for i in taken.GetValue()]]
    for (text, draw, filter), taken in zip(questions, filtered)
]
"""


def write_tree(path: Path, seed: int, events: int = 300) -> Path:
    """A tree of every width of integer, floats on a lattice (so that single precision is exact too), and objects."""
    r = np.random.default_rng(seed)

    def lattice(low: int, high: int, size: object) -> np.ndarray:
        return r.integers(4 * low, 4 * high, size) / 4

    jets, muons = r.poisson(1.3, events), r.poisson(0.9, events)
    n_jets, n_muons, own = int(jets.sum()), int(muons.sum()), np.repeat(jets, muons)
    jet = {
        "pt": lattice(10, 90, n_jets).astype("f4"), "eta": lattice(-3, 3, n_jets).astype("f4"),
        "id": r.integers(0, 8, n_jets).astype("u1"), "n": r.integers(-4, 9, n_jets).astype("i2"),
        "tight": r.random(n_jets) < 0.5,
    }  # fmt: skip
    muon = {
        "pt": lattice(10, 90, n_muons).astype("f4"), "eta": lattice(-2, 3, n_muons).astype("f4"),
        "charge": r.choice([-1, 1], n_muons).astype("i4"),
        "jetIdx": np.where(own > 0, r.integers(0, 60, n_muons) % np.maximum(own, 1), -1).astype("i2"),
    }  # fmt: skip
    weight = lattice(-5, 5, events)
    weight[:5] = np.nan, np.inf, -np.inf, 0.0, -0.0
    columns = {
        "run": r.integers(1, 8, events).astype("u4"), "luminosityBlock": r.integers(0, 10, events).astype("u4"),
        "event": np.uint64(2**53) + r.integers(0, 30, events, dtype="u8"),
        "event8": r.integers(0, 100, events, dtype="u8"),
        "big": r.integers(2**63 - 2, 2**63 + 20, events, dtype="u8"),
        "signed8": r.integers(-(2**62) - 20, -(2**62) + 20, events),
        **{f"HLT_{name}": r.random(events) < 0.4 for name in ("IsoMu24", "Ele32", "MET")},
        **{
            f"{kind}{width}": r.integers(-5 if kind == "i" else 0, 12, events).astype(f"{kind}{width}")
            for kind in "iu" for width in (1, 2, 4, 8)
        },
        "MET_pt": lattice(0, 100, events).astype("f4"), "MET_phi": lattice(-3, 3, events).astype("f4"),
        "HT": lattice(-50, 300, events), "genWeight": weight, "PV_npvs": r.integers(0, 40, events).astype("i4"),
        "PV_npvsGood": r.integers(0, 40, events).astype("u1"), "flags": r.integers(0, 8, events).astype("i4"),
        "short": r.integers(-6, 12, events).astype("i2"), "weights": lattice(-5, 5, (events, 3)),
        "cov": lattice(-5, 5, (events, 2, 3)), "Aux.met": lattice(0, 100, events),
        "dataset": ak.Array(r.choice(["abc", "de", "f g"], events).tolist()),
        "Jet": ak.zip({name: ak.unflatten(values, jets) for name, values in jet.items()}),
        "Muon": ak.zip({name: ak.unflatten(values, muons) for name, values in muon.items()}),
    }  # fmt: skip
    types = {
        name: values.type.content if isinstance(values, ak.Array) else (values.dtype, values.shape[1:])
        for name, values in columns.items()
    }
    with uproot.recreate(path) as file:
        file.mktree("Events", types).extend(columns)
    return path


def chosen_by_root(path: Path, questions: list[tuple[str, bool, bool]]) -> list[list[list[int] | None]]:
    """The events that TTree::Draw and RDataFrame select, each if asked for; None for a text that is refused."""
    asked = path.with_suffix(".json")
    asked.write_text(json.dumps(questions))
    found: list[list[list[int] | None]] = in_root(ASK, path, asked)
    return found


def chosen(path: Path, text: str) -> list[int]:
    """The events that hepae selects."""
    cut = Cut(text)
    with open_source(path) as source:
        tree = source.tree("Events")
        cut.require(tree.branches, tree.where)
        columns = {name: tree.read(name, 0, tree.num_entries) for name in cut.names}
        return np.flatnonzero(cut.keeps(columns, tree.num_entries)).tolist()


def _binary(parts: st.SearchStrategy[str], *operators: str) -> st.SearchStrategy[str]:
    return st.builds(lambda a, o, b: f"{a} {o} {b}", parts, st.sampled_from(operators), parts)


def _numbers(integers: bool) -> st.SearchStrategy[str]:
    whole = st.sampled_from(
        ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "nJet", "nMuon", "flags", "short", "HLT_MET", "1", "2", "3",
         "Sum$(Jet_pt > 30)", "Length$(Muon_pt)", "Max$(Jet_n)", "Sum$(Jet_id & 3)", "Jet_id[0]", "Muon_charge[1]"]
    )  # fmt: skip
    real = st.sampled_from(
        [
            "HT",
            "MET_pt",
            "genWeight",
            "weights[1]",
            "Jet_pt[0]",
            "0.5",
            "10.",
            "Max$(Jet_pt)",
            "Sum$(weights)",
            "30",
        ]
    )

    def more(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        same = _binary(parts, "+", "-", "*") | parts.map("({})".format) | parts.map("-({})".format)
        same |= parts.map("abs({})".format) | st.builds("({} ? {} : {})".format, parts, parts, parts)
        only = _binary(parts, "%", "&", "|", "<<", ">>") if integers else _binary(parts, "/")
        return same | only

    return st.recursive(whole if integers else real | whole, more, max_leaves=4)


def conditions() -> st.SearchStrategy[str]:
    """Random cuts on the trees of `write_tree`."""
    of_objects = st.sampled_from(
        ["Jet_pt > 30", "Jet_eta < HT / 40", "Jet_tight", "Jet_n - nJet > 0", "Jet_id & flags"]
    )
    sides = _numbers(integers=True) | _numbers(integers=False)
    compared = _binary(sides, "<", ">", "<=", ">=", "==", "!=")
    leaves = compared | compared | of_objects | _numbers(integers=True)
    return st.recursive(
        leaves,
        lambda parts: (
            _binary(parts, "&&", "||", "&", "|") | parts.map("!({})".format) | parts.map("({})".format)
            | _binary(parts.map("({})".format), "==", "!=", "+")
        ),
        max_leaves=4,
    )  # fmt: skip
