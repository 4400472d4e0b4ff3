"""Columns that a prediction may look at: integers, one per object, the same on every machine.

A column is a small frozen description (it round-trips through JSON inside the manifest). It is read from a `Context`,
which holds what is known of a chunk, for one rank or for all ranks at once. Columns that use the feature being
predicted do so through objects of smaller rank only.
"""

from __future__ import annotations

from hepae.core.prediction.columns.axis import Axis, Left
from hepae.core.prediction.columns.combined import Apart, When
from hepae.core.prediction.columns.events import Condition, ConditionPoint
from hepae.core.prediction.columns.formulas import FormulaOffset, FormulaPoint, MassShell, Slope
from hepae.core.prediction.columns.objects import Count, Here, Latent, Leading, Nearest, Neighbour, Rank
from hepae.core.prediction.columns.predicted import Predicted, PredictedOffset
from hepae.core.prediction.columns.recoil import Ceiling, Recoil, RecoilPoint, RecoilSize
from hepae.core.prediction.columns.sums import Blend, Mix, Product
from hepae.core.prediction.context import MISSING, Context, Memory

__all__ = [
    "MISSING",
    "Apart",
    "Axis",
    "Blend",
    "Ceiling",
    "Column",
    "Condition",
    "ConditionPoint",
    "Context",
    "Count",
    "FormulaOffset",
    "FormulaPoint",
    "Here",
    "Latent",
    "Leading",
    "Left",
    "MassShell",
    "Memory",
    "Mix",
    "Nearest",
    "Neighbour",
    "Predicted",
    "PredictedOffset",
    "Product",
    "Rank",
    "Recoil",
    "RecoilPoint",
    "RecoilSize",
    "Slope",
    "When",
]

Column = (
    Here
    | Latent
    | Neighbour
    | Product
    | Mix
    | Count
    | Rank
    | Condition
    | FormulaPoint
    | FormulaOffset
    | Predicted
    | PredictedOffset
    | Recoil
    | RecoilSize
    | RecoilPoint
    | Ceiling
    | Blend
    | When
    | ConditionPoint
    | Leading
    | Nearest
    | Axis
    | Left
    | MassShell
    | Slope
    | Apart
)
