"""Columns that formulas of four-vectors give."""

from __future__ import annotations

import numpy as np

from hepae.arrays import Floats, Integers
from hepae.core.arithmetic import kinematics
from hepae.core.prediction.context import SMALLEST, ColumnKind, Context, octaves
from hepae.errors import ModelRejectedError

__all__ = ["FormulaOffset", "FormulaPoint", "MassShell", "Slope"]


class FormulaPoint(ColumnKind, frozen=True, tag="formula"):
    """Lattice point of `target` that a formula of `kinematics` gives for the restored values of features."""

    formula: str
    target: str
    features: tuple[str, ...]

    def __post_init__(self) -> None:
        formula = kinematics.FORMULAS.get(self.formula)
        if formula is None or len(formula.transforms) != len(self.features):
            raise ModelRejectedError("no such formula", got=(self.formula, *self.features))

    @property
    def needs(self) -> tuple[str, ...]:
        return self.features

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.lattices[self.target].nearest(self.values(context, rank))

    def values(self, context: Context, rank: int | None) -> Floats:
        """What the formula gives, before it is moved to a lattice point."""
        formula = kinematics.FORMULAS[self.formula]
        arguments = zip(self.features, formula.transforms, strict=True)
        return formula.function(
            *(context.values(feature, rank, transform) for feature, transform in arguments)
        )


class FormulaOffset(ColumnKind, frozen=True, tag="formula_offset"):
    """How far the value of a formula is from the lattice point that `FormulaPoint` gives, in 1/64 of the spacing."""

    point: FormulaPoint | MassShell

    @property
    def needs(self) -> tuple[str, ...]:
        return self.point.needs

    def read(self, context: Context, rank: int | None) -> Integers:
        lattice = context.lattices[self.point.target]
        values = self.point.values(context, rank)
        here = lattice.nearest(values)
        above, below = lattice.centres(here + 1), lattice.centres(here - 1)
        offset = 128.0 * (values - lattice.centres(here)) / np.maximum(above - below, SMALLEST)
        finite = np.where(np.isfinite(offset), offset, 0.0)
        return np.asarray(np.floor(np.clip(finite, -128.0, 127.0)), np.int64)


class MassShell(ColumnKind, frozen=True, tag="mass_shell"):
    """Lattice point of the energy of a momentum and a mass that depends on the kind of the object.

    Parameters
    ----------
    target, features
        The energy, and the three components of the momentum.
    kind
        A feature with few values.
    first, masses
        Lattice integer of the first mass; the masses of this one and those that follow. Beyond, the nearest counts.
    """

    target: str
    features: tuple[str, str, str]
    kind: str
    first: int
    masses: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.masses:
            raise ModelRejectedError("no masses", got=self.masses)

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.features, self.kind)

    def read(self, context: Context, rank: int | None) -> Integers:
        return context.lattices[self.target].nearest(self.values(context, rank))

    def values(self, context: Context, rank: int | None) -> Floats:
        """The energy, before it is moved to a lattice point."""
        kinds = context.part(context.known[self.kind], rank)
        place = np.clip(kinds, self.first, self.first + len(self.masses) - 1) - self.first
        mass = np.take(np.asarray(self.masses, np.float64), place)
        px, py, pz = (context.values(feature, rank) for feature in self.features)
        return kinematics.energy_cartesian_massive(px, py, pz, mass)


class Slope(ColumnKind, frozen=True, tag="slope"):
    """Logarithm of the magnitude of the tangent of an azimuth."""

    phi: str

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.phi,)

    def read(self, context: Context, rank: int | None) -> Integers:
        sine, cosine = (context.values(self.phi, rank, transform) for transform in ("sin", "cos"))
        return octaves(sine) - octaves(cosine)
