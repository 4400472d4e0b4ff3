"""A small analysis: select jets, mass of the leading two, histograms. In a module, so that workers can import it."""

from __future__ import annotations

from typing import Any

import awkward as ak
import hist
from coffea import processor


class Dijets(processor.ProcessorABC):
    """Differs between original and compressed files in nothing."""

    def process(self, events: Any) -> dict[str, Any]:
        jets = events.Jet[(events.Jet.jetId > 0) & (events.Jet.nConstituents > 4)]
        pairs = jets[ak.num(jets) >= 2]
        mass = (pairs[:, 0] + pairs[:, 1]).mass
        number = hist.Hist.new.Reg(12, -0.5, 11.5, name="jets").Int64()
        constituents = hist.Hist.new.Reg(100, -0.5, 99.5, name="constituents").Int64()
        dijets = hist.Hist.new.Reg(200, 20, 4000, transform=hist.axis.transform.log, name="mass").Int64()
        number.fill(jets=ak.num(jets))
        constituents.fill(constituents=ak.flatten(jets.nConstituents))
        dijets.fill(mass=mass)
        return {"events": len(events), "number": number, "constituents": constituents, "mass": dijets}

    def postprocess(self, accumulator: Any) -> Any:
        return accumulator
