"""Risk: a formula or an elementary function that differs between machines, or is wrong."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepae.core.arithmetic import exact as exactmath
from hepae.core.arithmetic.kinematics import FORMULAS, find_met, find_roles, parse_roles
from hepae.core.values.bounds import parse
from hepae.core.values.lattice import Lattice
from hepae.core.values.lattice_fit import fit_lattice
from hepae.errors import SchemaError

ANGLES = st.floats(-1e5, 1e5)


@given(st.floats(1e-300, 1e300))
def test_log_is_the_logarithm(x: float) -> None:
    assert exactmath.log(np.array([x]))[0] == pytest.approx(math.log(x), rel=1e-14, abs=1e-15)
    assert exactmath.table_log(np.array([x]))[0] == pytest.approx(math.log(x), abs=1e-7)


@given(st.floats(-700, 700))
def test_exp_cosh_and_sinh(x: float) -> None:
    column = np.array([x])
    assert exactmath.exp(column)[0] == pytest.approx(math.exp(x), rel=1e-14)
    assert exactmath.cosh(column)[0] == pytest.approx(math.cosh(x), rel=1e-14)
    assert exactmath.sinh(column)[0] == pytest.approx(math.sinh(x), rel=1e-9, abs=1e-15)


@given(ANGLES)
def test_cos_and_sin(x: float) -> None:
    assert exactmath.cos(np.array([x]))[0] == pytest.approx(math.cos(x), abs=1e-11)
    assert exactmath.sin(np.array([x]))[0] == pytest.approx(math.sin(x), abs=1e-11)


@given(st.floats(-1e100, 1e100), st.floats(-1e100, 1e100))
def test_arctan2(y: float, x: float) -> None:
    exact = math.atan2(y, x)
    fine = float(exactmath.arctan2(np.array([y]), np.array([x]))[0])
    coarse = float(exactmath.table_arctan2(np.array([y]), np.array([x]))[0])
    assert math.cos(fine - exact) == pytest.approx(1.0, abs=1e-14) or (x, y) == (0.0, 0.0)
    assert math.cos(coarse - exact) == pytest.approx(1.0, abs=1e-6) or max(abs(x), abs(y)) < 1e-290


def test_the_bits_are_those_of_every_machine() -> None:
    """Golden digest: a machine on which it differs could not read the files of others."""
    x = np.arange(1, 4001) / 97.0
    parts = [
        exactmath.log(x),
        exactmath.exp(x),
        exactmath.cos(x),
        exactmath.sin(x),
        exactmath.cosh(x),
        exactmath.sinh(x),
        exactmath.arctan2(x - 20.0, 20.0 - x * x),
        exactmath.table_log(x),
        exactmath.table_arctan2(x - 20.0, 20.0 - x * x),
    ]
    digest = hashlib.sha256(b"".join(part.astype("<f8").tobytes() for part in parts)).hexdigest()
    assert digest == "b8ffd194bce55b37594631af083645c62a3bf8bfe43876b33553d5a295cfbf18"


def test_values_that_are_no_numbers_do_no_harm() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, 1e308])
    assert np.isfinite(exactmath.table_arctan2(odd, odd[::-1])).all()
    for bound in ("abs:1e-3", "rel:1e-3", "exact"):
        lattice = fit_lattice(np.array([1.0, 2.0, 3.0], np.float32), parse(bound))
        assert lattice.nearest(odd).dtype == np.int64


def _four_vectors(n: int = 500) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    pt, eta, phi = rng.exponential(50, n) + 20, rng.uniform(-4, 4, n), rng.uniform(-np.pi, np.pi, n)
    mass = rng.exponential(8, n)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + mass**2)
    return {"pt": pt, "eta": eta, "phi": phi, "mass": mass, "px": px, "py": py, "pz": pz, "E": energy}


@pytest.mark.parametrize("name", FORMULAS)
def test_formulas_agree_with_each_other(name: str) -> None:
    vectors, formula = _four_vectors(), FORMULAS[name]
    transforms = {
        "value": lambda x: x, "cosh": np.cosh, "sinh": np.sinh, "cos": np.cos, "sin": np.sin,
    }  # fmt: skip
    arguments = [
        transforms[transform](vectors[role])
        for role, transform in zip(formula.needs, formula.transforms, strict=True)
    ]
    massless = name in ("energy_massless", "energy_cartesian")
    tolerance = 0.5 if massless else 1e-5 * np.max(np.abs(vectors[formula.target]))
    np.testing.assert_allclose(
        formula.function(*arguments), vectors[formula.target], rtol=0.2 if massless else 1e-5, atol=tolerance
    )


@pytest.mark.parametrize("bound", ["abs:1e-3", "rel:1e-3", "bits:10", "exact"])
def test_the_nearest_point_is_that_of_the_lattice(bound: str) -> None:
    values = _four_vectors()["pt"].astype(np.float32)
    lattice: Lattice = fit_lattice(values, parse(bound))
    q, _ = lattice.to_integers(values, parse(bound))
    assert np.abs(lattice.nearest(values.astype(np.float64)) - q).max() <= 1


def test_roles_are_found_by_name_or_given() -> None:
    assert find_roles(["Pt", "ETA", "phi", "btag", "m"]) == {
        "pt": "Pt", "eta": "ETA", "phi": "phi", "mass": "m",
    }  # fmt: skip
    assert parse_roles("pt=a, E=b", ["a", "b"]) == {"pt": "a", "E": "b"}
    with pytest.raises(SchemaError):
        parse_roles("pt=c", ["a"])
    with pytest.raises(SchemaError):
        parse_roles("speed=a", ["a"])


def test_missing_momentum_is_found_by_name() -> None:
    assert find_met(["MET", "METphi"]) == {"met": "MET", "met_phi": "METphi"}
    assert find_met(["PuppiMET_pt", "PuppiMET_phi"]) == {"met": "PuppiMET_pt", "met_phi": "PuppiMET_phi"}
    assert find_met(["run", "event"]) == {}
