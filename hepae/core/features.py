"""What a codec knows of a feature: its place in the file, its bound, its lattice."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Lattice
from hepae.errors import ModelRejectedError


class FeatureSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One compressed feature, as the manifest records it.

    Parameters
    ----------
    name, branch
        Short name (``pt``) and name of the branch in the file (``Jet_pt``).
    dtype
        NumPy dtype of the values, native byte order.
    title
        Title of the original branch.
    bound
        How far a restored value may be from the stored one.
    lattice
        The integer grid of this bound.
    dither
        Whether values fill their cells evenly instead of standing in their middles (`hepae.core.values.dither`).
    """

    name: str
    branch: str
    dtype: str
    title: str
    bound: Bound
    lattice: Lattice
    dither: bool = False

    def __post_init__(self) -> None:
        if self.dither and not self.lattice.dithers:
            raise ModelRejectedError(
                "dither on a grid without cells",
                where=self.name,
                expected="linear or log",
                got=self.lattice.grid,
            )


def as_exact(features: Sequence[FeatureSpec]) -> tuple[FeatureSpec, ...]:
    """The same features for values that were restored before, which are kept bit for bit."""
    return tuple(msgspec.structs.replace(feature, bound=Bound("exact")) for feature in features)
