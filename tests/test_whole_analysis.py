"""Risk: an analysis of a whole compressed file makes other histograms than of the original.

The same coffea processor, with coffea's own schemas, and the same RDataFrame macro run on both. Names with dots are
read with hepae from the original too: ROOT keeps the dots.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

import hepae
from tests.root_process import in_root, needs_root

NTUPLE = Path(__file__).parent / "data" / "ntuple.root"
NANO, NANO_2015 = "zoo/coffea__nano_dy.root", "nanoAOD_2015_CMS_Open_Data_ttbar.root"
PHYSLITE = "PHYSLITE_example.root"

pytestmark = [
    # what coffea warns about whatever it reads
    pytest.mark.filterwarnings("ignore:Missing cross-reference target for:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Branch Photon_:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Missing event_ids:RuntimeWarning"),
]


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """A file compressed as a whole, once for all tests."""
    folder = tmp_path_factory.mktemp("whole")

    def path(original: Path) -> Path:
        small = folder / original.name
        if not small.exists():
            hepae.compress(original, small)
            assert small.stat().st_size < original.stat().st_size
        return small

    return path


def run(path: Path, tree: str, schema: Any, instance: Any) -> Any:
    from coffea import processor

    runner = processor.Runner(
        processor.IterativeExecutor(status=False), schema=schema, chunksize=500, savemetrics=False
    )
    return runner({"sample": {"files": {str(path): tree}}}, processor_instance=instance)


def require_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Equal counts in every bin, and something in them."""
    assert before.keys() == after.keys()
    for name, histogram in before.items():
        assert histogram.sum(flow=True) != 0, name
        assert np.array_equal(histogram.values(flow=True), after[name].values(flow=True)), name


def leptons_and_jets(jets: Any, leptons: Any, weights: Any) -> dict[str, Any]:
    """Histograms that weights, masses of pairs, sums and cuts of several tables go into."""
    import hist

    pt = hist.Hist.new.Reg(40, 0, 400).Double()
    pt.fill(ak.flatten(jets.pt[abs(jets.eta) < 2.4]))
    number = hist.Hist.new.Reg(10, 0, 10).Weight()
    number.fill(ak.num(leptons.pt), weight=weights)
    pairs = ak.combinations(jets, 2, fields=["one", "other"])
    apart = hist.Hist.new.Reg(50, 0, 6).Double()
    apart.fill(ak.flatten(np.hypot(pairs.one.eta - pairs.other.eta, np.cos(pairs.one.phi - pairs.other.phi))))
    total = hist.Hist.new.Reg(40, 0, 1000).Weight()
    total.fill(ak.sum(jets.pt, axis=1) + ak.sum(leptons.pt, axis=1), weight=weights)
    return {"pt": pt, "number": number, "apart": apart, "total": total}


def nano_processor(weight: str) -> Any:
    from coffea import processor

    class Nano(processor.ProcessorABC):  # type: ignore[misc,unused-ignore]
        def process(self, events: Any) -> dict[str, Any]:
            weights = ak.to_numpy(events[weight]) if weight in events.fields else np.ones(len(events))
            return leptons_and_jets(events.Jet, events.Muon, weights)

        def postprocess(self, accumulator: Any) -> None:
            pass

    return Nano()


def physlite_processor() -> Any:
    from coffea import processor

    class Physlite(processor.ProcessorABC):  # type: ignore[misc,unused-ignore]
        def process(self, events: Any) -> dict[str, Any]:
            jets = events.Jets
            scaled = ak.zip({"pt": jets.pt / 1000, "eta": jets.eta, "phi": jets.phi})
            electrons = ak.zip({"pt": events.Electrons.pt / 1000, "eta": events.Electrons.eta})
            return leptons_and_jets(scaled, electrons, np.ones(len(events)))

        def postprocess(self, accumulator: Any) -> None:
            pass

    return Physlite()


def test_a_processor_over_an_ntuple_with_vectors(compressed: Callable[[Path], Path]) -> None:
    pytest.importorskip("coffea")
    from coffea.nanoevents import schemas

    both = [
        run(path, "Events", schemas.NanoAODSchema, nano_processor("genWeight"))
        for path in (NTUPLE, compressed(NTUPLE))
    ]
    require_same(*both)


@pytest.mark.shared
@pytest.mark.parametrize("name", [NANO, NANO_2015])
def test_a_processor_over_nanoaod(
    name: str, shared: Callable[[str], Path], compressed: Callable[[Path], Path]
) -> None:
    pytest.importorskip("coffea")
    from coffea.nanoevents import NanoEventsFactory, schemas

    source = shared(name)
    both = [
        run(path, "Events", schemas.NanoAODSchema, nano_processor("genWeight"))
        for path in (source, compressed(source))
    ]
    require_same(*both)
    links = [
        NanoEventsFactory.from_root({str(path): "Events"}, schemaclass=schemas.NanoAODSchema)
        .events()
        .Jet.matched_gen.pt
        for path in (source, compressed(source))
    ]
    assert ak.array_equal(*map(ak.materialize, links))


@pytest.mark.shared
@pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # coffea's, of hundreds of branches that uproot cannot interpret
def test_a_processor_over_physlite(shared: Callable[[str], Path], compressed: Callable[[Path], Path]) -> None:
    pytest.importorskip("coffea")
    from coffea.nanoevents import schemas

    source = shared(PHYSLITE)
    both = [
        run(path, "CollectionTree", schemas.PHYSLITESchema, physlite_processor())
        for path in (source, compressed(source))
    ]
    require_same(*both)


MACRO = """
import hepae.rdataframe, json

def histograms(frame, steps, fills):
    for kind, *words in steps:
        frame = getattr(frame, kind)(*words)
    made = [frame.Histo1D((f"h{n}", "", 50, low, high), *columns) for n, (low, high, columns) in enumerate(fills)]
    return [[one.GetBinContent(bin) for bin in range(52)] + [one.GetMean(), one.GetEntries()] for one in made]

tree, columns, steps, fills = json.loads(paths[2])
dotted = any("." in name for name in columns)
plain = hepae.rdataframe.open(paths[0], columns, tree=tree) if dotted else ROOT.RDataFrame(tree, paths[0])
restored = hepae.rdataframe.open(paths[1], columns, tree=tree)
result = [histograms(frame, steps, fills) for frame in (plain, restored)]
"""


def run_macro(original: Path, small: Path, request: Any) -> tuple[Any, Any]:
    import json

    before, after = in_root(MACRO, original, small, Path(json.dumps(request)))
    return before, after


@needs_root
@pytest.mark.root
def test_a_macro_over_an_ntuple_with_vectors(compressed: Callable[[Path], Path]) -> None:
    columns = [
        "Jet_pt",
        "Jet_eta",
        "Muon_pt",
        "Muon_tightId",
        "genWeight",
        "HLT_PFJet80",
        "Vertex_z",
        "LHEScaleWeight",
        "MET",
    ]
    steps = [
        ["Filter", "HLT_PFJet80"],
        ["Define", "central", "Jet_pt[abs(Jet_eta) < 2.4]"],
        ["Define", "tight", "Sum(Muon_tightId)"],
        ["Define", "up", "genWeight * LHEScaleWeight[8]"],
        ["Define", "spread", "Max(Vertex_z) - Min(Vertex_z)"],
    ]
    fills = [[0, 400, ["central"]], [0, 5, ["tight"]], [0, 300, ["MET", "up"]], [0, 40, ["spread"]]]
    before, after = run_macro(NTUPLE, compressed(NTUPLE), ["Events", columns, steps, fills])
    assert all(one[-1] > 0 for one in before)
    assert after == before


@needs_root
@pytest.mark.root
@pytest.mark.shared
def test_a_macro_over_nanoaod(shared: Callable[[str], Path], compressed: Callable[[Path], Path]) -> None:
    source = shared(NANO)
    columns = [
        "Jet_pt",
        "Jet_eta",
        "Muon_pt",
        "Muon_charge",
        "genWeight",
        "HLT_IsoMu24",
        "nJet",
        "LHEPdfWeight",
    ]
    steps = [
        ["Filter", "nJet > 1 || HLT_IsoMu24"],
        ["Define", "lead", "Max(Jet_pt)"],
        ["Define", "charge", "Sum(Muon_charge)"],
        ["Define", "varied", "genWeight * LHEPdfWeight[3]"],
    ]
    fills = [[0, 400, ["lead"]], [-3, 3, ["charge"]], [0, 400, ["lead", "varied"]]]
    before, after = run_macro(source, compressed(source), ["Events", columns, steps, fills])
    assert all(one[-1] > 0 for one in before)
    assert after == before


@needs_root
@pytest.mark.root
@pytest.mark.shared
def test_a_macro_over_physlite(shared: Callable[[str], Path], compressed: Callable[[Path], Path]) -> None:
    source = shared(PHYSLITE)
    columns = ["AnalysisJetsAuxDyn.pt", "AnalysisJetsAuxDyn.eta", "AnalysisElectronsAuxDyn.pt"]
    jets, electrons = "AnalysisJetsAuxDyn", "AnalysisElectronsAuxDyn_pt"
    steps = [
        ["Define", "central", f"{jets}_pt[abs({jets}_eta) < 2.4] / 1000"],
        ["Define", "lead", f"{electrons}.size() ? Max({electrons}) / 1000 : -1"],
    ]
    fills = [[0, 400, ["central"]], [0, 200, ["lead"]]]
    before, after = run_macro(source, compressed(source), ["CollectionTree", columns, steps, fills])
    assert all(one[-1] > 0 for one in before)
    assert after == before
