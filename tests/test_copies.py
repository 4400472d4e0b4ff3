"""Risk: what two columns have in common, digit by digit, is coded twice."""

from __future__ import annotations

import numpy as np
import pytest

from hepae.core.features import FeatureSpec
from hepae.core.lifting.codec import Lifting
from hepae.core.prediction.columns import Here
from hepae.core.prediction.predictors import LiftingSpec, Predictors
from hepae.core.values.bounds import parse
from hepae.core.values.lattice import Integer, Lattice
from hepae.core.values.lattice_fit import fit_lattice
from hepae.learn.fit.prediction import fit
from hepae.learn.whole.lifted import QUICK

LATTICE = Lattice("int32", Integer())
COUNTS = np.full(2000, 3)


def fitted(integers: dict[str, np.ndarray]) -> tuple[Predictors, dict[str, int]]:
    """Predictors, and bytes of each column."""
    features = [FeatureSpec(name, name, "int32", "", parse("exact"), LATTICE) for name in integers]
    predictors = fit(integers, dict.fromkeys(integers, LATTICE), COUNTS, {}, settings=QUICK)
    payloads = Lifting(LiftingSpec(predictors), features).encode(COUNTS, dict(integers), {})
    return predictors, {name: len(payload) for name, payload in payloads.items()}


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_column_that_is_often_another_takes_the_bytes_of_the_rest(share: float) -> None:
    rng = np.random.default_rng(1)
    a, other = rng.integers(0, 1 << 24, (2, COUNTS.sum()))
    same = rng.random(len(a)) < share
    predictors, sizes = fitted({"a": a, "b": np.where(same, a, other)})
    copy = next(one for one in predictors.features if isinstance(one.base, Here))
    assert sizes[copy.feature] < (1.08 - share) * 3 * len(a)


def test_columns_that_are_equal_by_their_frequent_values_are_no_copies() -> None:
    rng = np.random.default_rng(2)
    n = int(COUNTS.sum())
    columns = {name: rng.integers(1, 1 << 24, n) * (rng.random(n) < 0.3) for name in ("a", "b")}
    predictors, _ = fitted(columns)
    assert not any(isinstance(one.base, Here) for one in predictors.features)


def test_few_values_of_more_digits_do_not_escape_where_that_costs_more() -> None:
    rng = np.random.default_rng(3)
    masses = rng.choice(rng.lognormal(0, 2, 500).astype(np.float16), 20_000).astype(np.float32)
    masses[:500] *= np.float32(1.0001)
    lattice = fit_lattice(masses, parse("exact"))
    assert len(lattice.to_integers(masses, parse("exact"))[1]) == 0
    spread = rng.lognormal(0, 2, 20_000).astype(np.float16).astype(np.float32)
    spread[:4] *= np.float32(1.0001)
    lattice = fit_lattice(spread, parse("exact"))
    assert len(lattice.to_integers(spread, parse("exact"))[1]) == 4
