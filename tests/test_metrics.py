"""A metric that flatters: losses, residuals and observables against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepae.core.bottleneck.scaling import Transform
from hepae.lab.report.residuals import residuals_of

pytest.importorskip("vector")

from hepae.core.values.objects import Objects
from hepae.lab.experiments.metrics import constant_mass, quality_of, scaled_loss
from hepae.lab.report.observables import observables_of

HALF = Transform("linear", 0.0, 0.5, -1e6, 1e6)
LOG = Transform("log", 0.0, 1.0, -50.0, 50.0)


def jets(pt: list[float], eta: list[float], phi: list[float], E: list[float]) -> dict[str, np.ndarray]:
    return {name: np.array(x) for name, x in (("pt", pt), ("eta", eta), ("phi", phi), ("E", E))}


def test_the_loss_is_the_mean_square_of_scaled_differences() -> None:
    before, after = {"x": np.array([2.0, 4.0])}, {"x": np.array([2.0, 8.0])}
    assert scaled_loss(before, after, {"x": HALF}) == pytest.approx((0.0 + 2.0**2) / 2)


def test_the_loss_of_logarithms_is_relative_and_leaves_out_what_has_none() -> None:
    before, after = {"x": np.array([1.0, -1.0])}, {"x": np.array([np.e, 5.0])}
    assert scaled_loss(before, after, {"x": LOG}) == pytest.approx(1.0, rel=1e-6)


@given(hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e6, 1e6)), st.floats(-1e3, 1e3))
def test_a_constant_shift_is_all_bias(x: np.ndarray, shift: float) -> None:
    found = residuals_of(x, x + shift).absolute
    assert found.bias == pytest.approx(shift, abs=1e-9)
    assert found.rms == pytest.approx(abs(shift), abs=1e-9)
    assert found.worst == pytest.approx(abs(shift), abs=1e-9)
    assert list(found.quantiles) == sorted(found.quantiles)


def test_values_that_are_not_finite_are_not_in_the_residuals_but_in_the_count() -> None:
    x = np.array([1.0, np.nan, np.inf])
    found = residuals_of(x, x)
    assert (found.values, found.identical, found.absolute.worst) == (3, 3, 0.0)


def test_zero_has_no_relative_error() -> None:
    found = residuals_of(np.array([0.0, 2.0]), np.array([1.0, 3.0]))
    assert found.absolute.worst == 1.0
    assert found.relative.worst == 0.5


def test_masses_of_one_jet_and_of_two() -> None:
    columns = jets([3.0, 3.0], [0.0, 0.0], [0.0, np.pi], [5.0, 5.0])
    found = observables_of(np.array([2, 0]), columns)
    assert found is not None
    assert found.values["mass"] == pytest.approx([4.0, 4.0])
    assert found.values["dijet_mass"] == pytest.approx([10.0])
    assert found.values["HT"] == pytest.approx([6.0, 0.0])
    assert found.values["MHT"] == pytest.approx([0.0, 0.0], abs=1e-9)


def test_space_like_jets_are_counted_and_have_negative_mass() -> None:
    found = observables_of(np.array([2]), jets([3.0, 5.0], [0.0, 0.0], [0.0, 1.0], [5.0, 3.0]))
    assert found is not None
    assert found.space_like == 0.5
    assert found.values["mass"][1] == pytest.approx(-4.0)


def test_dijets_are_the_leading_two_of_each_event() -> None:
    columns = jets([1.0, 9.0, 8.0, 7.0], [0.0] * 4, [0.0, 0.0, np.pi, 0.0], [1.0, 9.0, 8.0, 7.0])
    found = observables_of(np.array([1, 3]), columns)
    assert found is not None
    assert found.values["dijet_mass"] == pytest.approx([2 * np.sqrt(9.0 * 8.0)])


def test_without_four_vectors_there_are_no_observables() -> None:
    assert observables_of(np.array([1]), {"pt": np.array([1.0]), "eta": np.array([0.0])}) is None


def test_a_constant_mass_ratio_keeps_three_numbers_and_loses_the_mass() -> None:
    rng = np.random.default_rng(1)
    pt, eta = rng.uniform(20, 500, 300), rng.uniform(-2, 2, 300)
    mass = 0.1 * pt * rng.uniform(0.5, 1.5, 300)
    columns = jets(pt.tolist(), eta.tolist(), [0.0] * 300, np.hypot(pt * np.cosh(eta), mass).tolist())
    restored = constant_mass(columns)
    assert all(restored[name] is columns[name] for name in ("pt", "eta", "phi"))
    quality = quality_of(Objects(np.full(300, 1), columns), restored, {"E": LOG}, {"E": LOG})
    assert quality.loss < 1e-4
    assert quality.observables["mass"].relative.quantiles[0] > 0.1
