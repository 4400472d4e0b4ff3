"""The masked codec: every integer comes back, whatever the data, and foreign data never cost more than plain coding."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training needs PyTorch")

from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.masked.alphabet import Alphabet, fit_alphabet
from hepae.core.masked.codec import Masked
from hepae.core.masked.spec import MaskedSpec, Shape
from hepae.core.prediction.columns import Ceiling, Here, Neighbour
from hepae.core.prediction.predictors import Lookup, Predictor, Predictors
from hepae.core.values.bounds import parse
from hepae.core.values.lattice_fit import fit_lattice
from hepae.errors import HepaeError, ModelRejectedError
from hepae.learn.fit.prediction import Settings, fit
from hepae.learn.masked.efforts import EFFORTS, Effort
from hepae.learn.masked.fit import TrainedMasked, fit_masked
from hepae.learn.masked.integer_network import Size
from hepae.learn.masked.shown import blurred
from hepae.model.runtime import session

QUICK = Effort((Size((8,), (4, 3), 8, 8),), bins=32, samples=120_000, least_gain=0.0, batch=256, rate=1e-2)
Columns = dict[str, NDArray[np.generic]]


def jets(events: int, seed: int = 0) -> tuple[NDArray[np.int64], Columns]:
    """Events of a few objects whose features depend on one another, on their neighbours and on nothing."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3, events).astype(np.int64)
    n = int(counts.sum())
    pt = rng.exponential(50, n) + 20
    share = rng.beta(2, 3, n)
    rank = np.concatenate([np.arange(c) for c in counts]) if events else np.empty(0)
    columns: Columns = {
        "pt": (pt / (1 + rank)).astype(np.float32),
        "eta": rng.normal(0, 1.5, n).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        "share": share.astype(np.float32),
        "inner": (share * pt * rng.normal(1, 0.02, n)).astype(np.float32),
        "width": rng.normal(0, 0.01 + share**2).astype(np.float32),
        "number": rng.poisson(share * 10),
        "constant": np.full(n, 7, np.int32),
        "wide": rng.integers(-(2**62), 2**62, n),
    }
    return counts, columns


def falling(events: int, seed: int) -> tuple[NDArray[np.int64], Columns]:
    """Events of three objects in falling pt, the second of which nearly balances the first."""
    rng = np.random.default_rng(seed)
    first, angle = rng.exponential(100, events) + 50, rng.uniform(-np.pi, np.pi, events)
    size = first * rng.uniform(0.95, 1, events)
    pt = np.stack([first, size, size * rng.uniform(0.1, 0.2, events)], 1)
    phi = np.stack(
        [angle, angle + np.pi + rng.normal(0, 0.02, events), rng.uniform(-np.pi, np.pi, events)], 1
    )
    phi = (phi + np.pi) % (2 * np.pi) - np.pi
    eta = rng.normal(0, 1.5, 3 * events)
    columns = {"pt": pt.ravel(), "eta": eta, "phi": phi.ravel()}
    return np.full(events, 3), {name: column.astype(np.float32) for name, column in columns.items()}


class Fitted:
    """A trained masked codec of some data."""

    def __init__(
        self,
        counts: NDArray[np.int64],
        columns: Columns,
        effort: Effort = QUICK,
        settings: Settings = Settings(),  # noqa: B008
    ) -> None:
        bound = parse("abs:1e-3")
        self.features, integers = [], {}
        for name, column in columns.items():
            own = bound if column.dtype.kind == "f" else parse("exact")
            lattice = fit_lattice(column, own)
            self.features.append(FeatureSpec(name, f"Jet_{name}", str(column.dtype), "", own, lattice))
        self.lattices = {feature.name: feature.lattice for feature in self.features}
        integers = self.integers(columns)
        roles = {"pt": "pt", "eta": "eta", "phi": "phi"}
        predictors = fit(
            integers, self.lattices, counts, {}, order=list(columns), roles=roles, settings=settings
        )
        self.trained: TrainedMasked = fit_masked(
            integers, self.lattices, counts, {}, predictors, effort=effort, roles=roles
        )
        networks = {name: session(m.SerializeToString()) for name, m in self.trained.networks.items()}
        self.codec = Masked(self.trained.spec, self.features, networks, self.trained.tables)

    def integers(self, columns: Columns) -> dict[str, NDArray[np.int64]]:
        return {f.name: f.lattice.to_integers(columns[f.name], f.bound)[0] for f in self.features}


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return Fitted(*jets(8000))


def require_round_trip(
    fitted: Fitted, counts: NDArray[np.int64], integers: dict[str, NDArray[np.int64]]
) -> dict[str, bytes]:
    payloads = fitted.codec.encode(counts, dict(integers), {})
    restored = dict(fitted.codec.decode(counts, payloads, {}, list(integers)))
    for name, q in integers.items():
        np.testing.assert_array_equal(restored[name].to_events(), q, err_msg=name)
    return payloads


def test_every_integer_comes_back(fitted: Fitted) -> None:
    counts, columns = jets(2000, seed=1)
    require_round_trip(fitted, counts, fitted.integers(columns))


def test_networks_are_used_and_pay(fitted: Fitted) -> None:
    """Else the tests here would show nothing of networks: width depends on share, pt on the rank."""
    used = {shape.feature for shape in fitted.trained.spec.shapes if shape.levels}
    assert {"inner", "width"} <= used, fitted.trained.bits
    assert not used & {"eta", "phi", "constant", "wide"}
    without, with_network = fitted.trained.bits["width"]
    assert with_network < without - 0.3


def test_payloads_are_smaller_than_plain_coding(fitted: Fitted) -> None:
    counts, columns = jets(4000, seed=2)
    integers = fitted.integers(columns)
    payloads = fitted.codec.encode(counts, dict(integers), {})
    plain = {name: len(pack(q)) for name, q in integers.items()}
    assert len(payloads["width"]) < 0.96 * plain["width"]
    assert len(payloads["inner"]) < 0.88 * plain["inner"]


@pytest.mark.parametrize("events", [0, 1, 2, 10])
def test_few_events_code_and_train(fitted: Fitted, events: int) -> None:
    counts, columns = jets(events, seed=3)
    require_round_trip(fitted, counts, fitted.integers(columns))
    own = Fitted(counts, columns)
    require_round_trip(own, counts, own.integers(columns))


def test_one_event_with_many_objects(fitted: Fitted) -> None:
    _, columns = jets(700, seed=4)
    counts = np.array([0, len(columns["pt"]), 0], np.int64)
    require_round_trip(fitted, counts, fitted.integers(columns))


@pytest.mark.parametrize("features", [["pt"], ["number"], ["inner", "eta"]])
def test_a_feature_is_decoded_from_itself_and_its_ancestors_alone(
    fitted: Fitted, features: list[str]
) -> None:
    counts, columns = jets(300, seed=5)
    integers = fitted.integers(columns)
    payloads = fitted.codec.encode(counts, dict(integers), {})
    needed = set(features).union(*(fitted.codec.ancestors(name) for name in features))
    given = {name: payloads[name] for name in needed}
    restored = dict(fitted.codec.decode(counts, given, {}, features))
    assert set(restored) == set(features)
    for name in features:
        np.testing.assert_array_equal(restored[name].to_events(), integers[name])


def test_pt_is_coded_by_how_far_it_is_below_what_bounds_it() -> None:
    counts, columns = falling(3000, 11)
    fitted = Fitted(counts, columns, settings=Settings(first_plain=True))
    spec = fitted.trained.spec
    assert isinstance(spec.predictors["pt"].base, Ceiling)
    assert spec.together == ("pt", "eta", "phi")
    assert set(fitted.codec.ancestors("pt")) == {"eta", "phi"}
    counts, columns = falling(500, 12)
    payloads = require_round_trip(fitted, counts, fitted.integers(columns))
    plain = Fitted(*falling(3000, 11)).codec.encode(counts, fitted.integers(columns), {})
    assert len(payloads["pt"]) < 0.95 * len(plain["pt"])
    rng = np.random.default_rng(13)
    wild = {name: rng.integers(-(2**62), 2**62, 1500) >> rng.integers(0, 62, 1500) for name in columns}
    require_round_trip(fitted, counts, wild)


def test_what_bounds_pt_is_known_without_networks_too() -> None:
    counts, columns = falling(2000, 16)
    effort = Effort(QUICK.sizes, bins=32, samples=20_000, least_gain=99.0, batch=256)
    fitted = Fitted(counts, columns, effort, Settings(first_plain=True))
    assert fitted.trained.networks == {}
    assert isinstance(fitted.trained.spec.predictors["pt"].base, Ceiling)
    require_round_trip(fitted, counts, fitted.integers(columns))


def test_pt_in_no_order_is_coded_as_it_is() -> None:
    counts, columns = jets(2000, seed=14)
    columns["pt"] = np.random.default_rng(15).uniform(20, 200, len(columns["pt"])).astype(np.float32)
    fitted = Fitted(counts, columns, settings=Settings(first_plain=True))
    assert fitted.trained.spec.predictors["pt"].base is None


def test_random_integers_cost_no_more_than_plain_coding(fitted: Fitted) -> None:
    rng = np.random.default_rng(6)
    counts, columns = jets(2000, seed=6)
    integers = {name: rng.integers(-(2**40), 2**40, len(columns["pt"])) for name in columns}
    payloads = require_round_trip(fitted, counts, integers)
    plain = sum(len(pack(q)) for q in integers.values())
    assert sum(map(len, payloads.values())) <= 1.01 * plain + 4096


def test_extreme_integers_come_back(fitted: Fitted) -> None:
    counts, columns = jets(50, seed=7)
    info = np.iinfo(np.int64)
    values = itertools.cycle([info.min, info.max, 0, -1, 1, 2**53, -(2**60)])
    integers = {name: np.array(list(itertools.islice(values, len(columns["pt"])))) for name in columns}
    require_round_trip(fitted, counts, integers)


def test_damage_is_an_error_or_other_integers_but_never_a_crash(fitted: Fitted) -> None:
    """The frame around a payload has a checksum; here only what a decoder does with garbage counts."""
    counts, columns = jets(60, seed=8)
    payloads = fitted.codec.encode(counts, fitted.integers(columns), {})
    rng = np.random.default_rng(8)
    for name, payload in payloads.items():
        for _ in range(60):
            damaged = bytearray(payload)
            damaged[rng.integers(len(damaged))] ^= 1 << int(rng.integers(8))
            if rng.random() < 0.3:
                damaged = damaged[: rng.integers(len(damaged))]
            try:
                restored = dict(fitted.codec.decode(counts, payloads | {name: bytes(damaged)}, {}, [name]))
            except HepaeError:
                continue
            assert len(restored[name]) == counts.sum()


def test_few_objects_are_learnt_with_noise_and_not_too_often() -> None:
    few, many = EFFORTS["default"].for_objects(20_000), EFFORTS["default"].for_objects(200_000)
    assert few.noise > many.noise == 0
    assert few.epochs(20_000) <= 60
    assert few.sizes[0].hidden < many.sizes[0].hidden


def test_inputs_with_noise_are_inputs() -> None:
    import torch

    levels, generator = torch.full((2000, 3), 250.0), torch.Generator().manual_seed(1)
    assert blurred(levels, 0.0, generator) is levels
    noisy = blurred(levels, 4.0, generator)
    assert noisy.max() == 255
    assert torch.equal(noisy, noisy.round())
    assert 3 < float(noisy.std()) < 4


def test_training_is_reproducible() -> None:
    counts, columns = jets(400, seed=9)
    first, second = Fitted(counts, columns), Fitted(counts, columns)
    assert first.trained.spec == second.trained.spec
    assert {k: m.SerializeToString() for k, m in first.trained.networks.items()} == {
        k: m.SerializeToString() for k, m in second.trained.networks.items()
    }


@pytest.mark.parametrize("column", [Here("pt"), Here("eta"), Neighbour("pt", 1)])
def test_a_network_that_looks_ahead_is_refused(column: Here | Neighbour) -> None:
    shapes = (Shape("pt", Alphabet(0, ((0, 4),)), (0,), (2,)), Shape("eta", Alphabet(0, ((0, 4),))))
    predictors = Predictors((Predictor("pt"), Predictor("eta")))
    with pytest.raises(ModelRejectedError, match="looks ahead"):
        MaskedSpec(predictors, shapes, (Lookup(column, 0, 0, (1, 5)),))


@pytest.mark.parametrize("bins", [32, 100])
def test_bins_hold_what_they_were_made_for(bins: int) -> None:
    rng = np.random.default_rng(10)
    residuals = np.concatenate([np.zeros(500), rng.laplace(0, 300, 4000), [10**12, -(10**9)]]).astype(
        np.int64
    )
    alphabet = fit_alphabet(residuals, bins)
    symbols, inside, widths = alphabet.split(residuals)
    np.testing.assert_array_equal(alphabet.join(symbols, inside), residuals)
    assert np.all(inside < np.int64(1) << widths)
    assert symbols.max() < alphabet.n_bins
    assert alphabet.split(np.zeros(1, np.int64))[2][0] == 0, "a frequent value has a bin of its own"
