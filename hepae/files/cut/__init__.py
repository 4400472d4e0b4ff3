"""Cuts on events, in the language of ``TTree::Draw`` and RDataFrame: ``nJet >= 2 && Jet_pt[0] > 50``.

A text becomes words (`tokens`) and a tree (`parser`, `syntax`), which is evaluated for many events at once
(`evaluation`): `operators` of numbers, exact `integers`, `functions`, `elements` of arrays, `reductions` of objects to
events, all on `values` that know where they are not defined. `condition` decides what passes. Nothing is run as code.
"""

from __future__ import annotations

from hepae.files.cut.condition import Cut

__all__ = ["Cut"]
