"""Risk: a chunk that does not come back, a prediction that depends on the machine, a bad model that costs bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from unittest import mock

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepae.core.coding.integers import pack
from hepae.core.features import FeatureSpec
from hepae.core.lifting.codec import Lifting
from hepae.core.prediction import ranks as rank_order
from hepae.core.prediction.columns import (
    Condition,
    Here,
    Latent,
    Mix,
    Neighbour,
    Product,
    Recoil,
    RecoilSize,
    When,
)
from hepae.core.prediction.evaluation import Evaluation
from hepae.core.prediction.predictors import LiftingSpec, Lookup, Predictor, Predictors, trivial
from hepae.core.prediction.ranks import LAST_RANK, RankOrder
from hepae.core.prediction.tables import Period, Term, Widths, expand
from hepae.core.values.bounds import parse
from hepae.core.values.lattice import Inserted, Integer, Lattice, Linear, Log
from hepae.core.values.objects import ranks
from hepae.errors import CorruptionError, ModelRejectedError
from hepae.learn.fit import additive
from hepae.learn.fit.prediction import fit
from hepae.learn.fit.state import Settings

STEP = 0.002
LATTICES = {
    "pt": Lattice("float32", Log(20.0, 1.002, 40_000), (Inserted(-1),)),
    "phi": Lattice("float32", Linear(STEP)),
    "count": Lattice("int32", Integer()),
    "share": Lattice("float32", Linear(STEP)),
}
HUGE = st.integers(-(2**63), 2**63 - 1)


def specs(lattices: Mapping[str, Lattice]) -> list[FeatureSpec]:
    bound = parse("exact")
    return [FeatureSpec(name, f"Jet_{name}", "float32", "", bound, lattices[name]) for name in lattices]


def events_of(
    n_events: int, seed: int = 1
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Jets that depend on each other: pt falls, phi balances, count and share follow from pt and from one another."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3, n_events)
    n = int(counts.sum())
    place = ranks(counts)
    pt = np.rint(900 / (1 + place) + rng.normal(0, 20, n)).astype(np.int64) + 1
    phi = (rng.integers(-1570, 1571, n_events).repeat(counts) + 1571 * place + rng.normal(0, 60, n)).astype(
        int
    )
    phi = (phi + 1571) % 3142 - 1571
    count = pt // 40 + rng.poisson(2, n)
    share = np.rint(300 + 2.0 * np.sqrt(np.abs(pt)) + 5 * count + rng.normal(0, 1 + count / 8, n)).astype(
        np.int64
    )
    q = {"pt": pt, "phi": phi.astype(np.int64), "count": count, "share": share}
    return counts, q, {"MET": rng.exponential(50, n_events).astype(np.float32)}


def everything() -> Predictors:
    """Predictors that use every kind of column, made by hand."""
    recoil = Recoil("pt", "phi")
    columns = [
        Neighbour("pt", -1), Condition("MET"), When("first", Condition("MET", 3.0)), Here("pt"),
        RecoilSize(recoil), RecoilSize(recoil, relative=False), Latent("pt"), Neighbour("phi", 1),
        Product(("pt", "count"), (2, -1), 1), Mix(("pt", "count"), (70_000, -9000), 16),
        When("last", Neighbour("phi", -1)),
    ]  # fmt: skip
    sources = tuple(
        Lookup(column, -500, k % 3, (1, 40 + k, 900 + 100 * k)) for k, column in enumerate(columns)
    )
    values = [(64 * k, -640 + k, 64 * k, 6400) for k in range(len(sources))]
    term = [Term(k, values[k]) for k in range(len(sources))]
    return Predictors(
        (
            Predictor("pt", 64, (term[0], term[1], term[2]), widths=Widths(0, (term[0],), (10, 500))),
            Predictor(
                "phi", 0, (term[4],), recoil, Period(-1571, 1570), Widths(3, (term[5], term[10]), (200,))
            ),
            Predictor("count", 5, (term[3], term[6], term[7])),
            Predictor("share", 9, (term[8], term[9], term[4]), widths=Widths(1, (term[9],), (0, 100))),
        ),
        sources,
    )


def roundtrip(
    codec: Lifting, counts: np.ndarray, q: Mapping[str, np.ndarray], events: Mapping[str, np.ndarray]
) -> None:
    payloads = codec.encode(counts, dict(q), events)
    for name in q:
        needed = {other: payloads[other] for other in (*codec.ancestors(name), name)}
        decoded = dict(codec.decode(counts, needed, events, [name]))
        assert list(decoded) == [name]
        np.testing.assert_array_equal(decoded[name].to_events(), q[name], err_msg=name)
    for name, column in codec.decode(counts, payloads, events, list(q)):
        np.testing.assert_array_equal(column.to_events(), q[name])


@given(st.lists(st.integers(0, 12), max_size=12), st.data())
@settings(max_examples=60)
def test_any_integers_come_back_whatever_the_predictors(counts: list[int], data: st.DataObject) -> None:
    n = sum(counts)
    element = data.draw(st.sampled_from([st.integers(-2000, 2000), HUGE, st.just(7)]))
    q = {name: np.array(data.draw(st.lists(element, min_size=n, max_size=n)), np.int64) for name in LATTICES}
    met = np.array([data.draw(st.floats(width=32)) for _ in counts], np.float32)
    codec = Lifting(LiftingSpec(everything()), specs(LATTICES))
    roundtrip(codec, np.array(counts, np.int64), q, {"MET": met})


@pytest.mark.parametrize("n_events", [0, 1, 3, 10, 400])
def test_fitted_predictors_bring_everything_back(n_events: int) -> None:
    counts, q, events = events_of(n_events)
    predictors = fit(q, LATTICES, counts, events)
    codec = Lifting(LiftingSpec(predictors), specs(LATTICES))
    roundtrip(codec, counts, q, events)
    roundtrip(codec, *events_of(50, seed=2))


def test_fitting_pays_and_survives_the_manifest() -> None:
    counts, q, events = events_of(4000)
    predictors = fit(q, LATTICES, counts, events)
    spec = msgspec.json.decode(msgspec.json.encode(LiftingSpec(predictors)), type=LiftingSpec)
    assert spec.predictors == predictors
    counts, q, events = events_of(4000, seed=2)
    payloads = Lifting(spec, specs(LATTICES)).encode(counts, dict(q), events)
    for name, gain in {"pt": 0.9, "phi": 0.95, "share": 0.8, "count": 0.8}.items():
        assert len(payloads[name]) < gain * len(pack(q[name])), name


@pytest.mark.parametrize("seed", range(3))
def test_foreign_integers_cost_no_more_than_plain_ones(seed: int) -> None:
    codec = Lifting(LiftingSpec(fit(*_shuffled(events_of(1500)))), specs(LATTICES))
    rng = np.random.default_rng(seed)
    counts = rng.poisson(4, 300)
    spread = [10, 10**5, 10**12][seed]
    q = {name: rng.integers(-spread, spread, int(counts.sum())) for name in LATTICES}
    payloads = codec.encode(counts, dict(q), {"MET": np.zeros(300, np.float32)})
    order = RankOrder(counts)
    for name in q:
        assert len(payloads[name]) <= len(pack(order.to_ranks(q[name]))) + 1
    roundtrip(codec, counts, q, {"MET": np.full(300, np.nan, np.float32)})


def _shuffled(sample: tuple) -> tuple:
    counts, q, events = sample
    return q, LATTICES, counts, events


def test_constant_and_wide_columns_are_coded_as_they_are() -> None:
    counts = np.full(200, 3)
    q = {
        "pt": np.full(600, 5, np.int64),
        "count": np.random.default_rng(0).integers(-(2**62), 2**62, 600),
        "share": np.arange(600) % 2,
    }
    codec = Lifting(LiftingSpec(fit(q, LATTICES, counts, {})), specs({name: LATTICES[name] for name in q}))
    roundtrip(codec, counts, q, {})
    assert len(codec.encode(counts, dict(q), {})["pt"]) < 12


def test_products_tell_what_is_not_finite_and_nothing_else() -> None:
    ones = np.ones((3, 2), np.float32)
    assert additive._product(ones.T, ones).tolist() == [[3.0, 3.0], [3.0, 3.0]]
    for wild in (np.float32(np.inf), np.float32(3e38)):
        with pytest.raises(np.linalg.LinAlgError, match="not finite"):
            additive._product(ones.T, ones * wild)
    wild_residuals = np.array([1e30, -1e30, 1e30])
    change, left = additive._step(ones, wild_residuals, additive.weights_robust)
    assert change.tolist() == [0.0, 0.0], "nothing is learnt where no weight is left"
    assert left is wild_residuals


def test_phi_goes_around_the_circle() -> None:
    predictors = Predictors(
        (Predictor("pt"), Predictor("phi", 0, (), Recoil("pt", "phi"), Period(-1571, 1570)))
    )
    counts = np.array([2, 2])
    evaluation = Evaluation(predictors, LATTICES, counts, {})
    evaluation.encode("pt", np.array([100, 100, 90, 90]))
    residuals = evaluation.encode("phi", np.array([5, -3, -1566, 1568]))
    assert np.abs(residuals[2:]).max() <= 2


def test_predictions_do_not_depend_on_what_is_asked_for() -> None:
    """All ranks at once, rank by rank, and other events in the chunk give the same integers."""
    counts, q, events = events_of(300)
    whole = Evaluation(everything(), LATTICES, counts, events)
    first = Evaluation(everything(), LATTICES, counts[:100], {"MET": events["MET"][:100]})
    n = int(counts[:100].sum())
    for name in q:
        whole.encode(name, whole.order.to_ranks(q[name]))
        first.encode(name, first.order.to_ranks(q[name][:n]))
        np.testing.assert_array_equal(
            whole.order.to_events(whole.context.latents[name])[:n],
            first.order.to_events(first.context.latents[name]),
        )
        by_rank = [whole.classes(name, rank) for rank in range(whole.order.n_ranks)]
        np.testing.assert_array_equal(np.concatenate(by_rank), whole.classes(name))


@given(st.lists(st.integers(0, 2 * LAST_RANK), max_size=20))
def test_rank_order_is_a_permutation_and_back(counts: list[int]) -> None:
    order = RankOrder(np.array(counts, np.int64))
    column = np.arange(order.n_objects)
    np.testing.assert_array_equal(order.to_events(order.to_ranks(column)), column)
    expected = np.minimum(ranks(order.counts), LAST_RANK)
    np.testing.assert_array_equal(order.to_events(order.ranks), expected)
    np.testing.assert_array_equal(
        order.to_events(order.spread(np.arange(len(counts)))), np.repeat(np.arange(len(counts)), counts)
    )
    before = order.to_events(order.neighbour(order.to_ranks(column), -1, -9))
    place = ranks(order.counts)
    known = (place > 0) & (place <= LAST_RANK)
    np.testing.assert_array_equal(before, np.where(known, column - 1, -9))


@given(st.lists(st.integers(0, 40), max_size=20))
def test_rank_order_is_the_same_rank_by_rank_and_sorted(counts: list[int]) -> None:
    ways = []
    for few in (0, 1 << 40):
        with mock.patch.object(rank_order, "FEW", few):
            ways.append(RankOrder(np.array(counts, np.int64)).permutation)
    np.testing.assert_array_equal(*ways)
    assert ways[0].dtype == ways[1].dtype == np.int64


@given(st.lists(st.integers(2, 50), min_size=1, max_size=6), st.data())
def test_tables_pass_through_their_knots(runs: list[int], data: st.DataObject) -> None:
    knots = tuple(int(k) for k in np.cumsum([1, *runs]))
    values = tuple(
        data.draw(st.lists(st.integers(-(2**40), 2**40), min_size=len(knots) + 1, max_size=len(knots) + 1))
    )
    table = expand(knots, values)
    assert len(table) == knots[-1] + 1
    assert table[0] == values[0]
    np.testing.assert_array_equal(table[list(knots)], values[1:])


@pytest.mark.parametrize(
    "make",
    [
        lambda: Predictors((Predictor("a"), Predictor("a"))),
        lambda: LiftingSpec(Predictors((Predictor("a", base=Here("b")), Predictor("b")))),
        lambda: Predictors((Predictor("a", 0, (Term(0, (0, 1)),)),)),
        lambda: LiftingSpec(Predictors((Predictor("a", 0, (Term(0, (0, 1)),)),), (Lookup(Here("a"), 0, 0, (1,)),))),
        lambda: Predictors((Predictor("b"), Predictor("a", 0, (Term(0, (0,)),))), (Lookup(Here("b"), 0, 0, (1,)),)),
        lambda: Predictors((Predictor("b"), Predictor("a", 1 << 60)),),
        lambda: Lookup(Here("a"), 0, 0, ()),
        lambda: Lookup(Here("a"), 0, 0, (1, 1)),
        lambda: Lookup(Here("a"), 0, 99, (1, 2)),
        lambda: Lookup(Here("a"), 0, 0, (1, 1 << 40)),
        lambda: Period(3, 3),
        lambda: Widths(0, (), (5, 3)),
        lambda: Widths(0, (), tuple(range(256))),
    ],
)  # fmt: skip
def test_predictors_that_cannot_be_are_refused(make: object) -> None:
    with pytest.raises((ModelRejectedError, CorruptionError)):
        make()  # type: ignore[operator]


@given(st.data())
@settings(max_examples=50)
def test_damaged_payloads_are_refused_or_decode(data: st.DataObject) -> None:
    counts, q, events = events_of(30)
    codec = Lifting(LiftingSpec(everything()), specs(LATTICES))
    payloads = codec.encode(counts, dict(q), events)
    name = data.draw(st.sampled_from(sorted(payloads)))
    damaged = bytearray(payloads[name])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    payloads[name] = bytes(damaged[: data.draw(st.integers(0, len(damaged)))])
    with contextlib.suppress(CorruptionError):
        list(codec.decode(counts, payloads, events, [name]))


def test_trivial_predictors_have_no_ancestors() -> None:
    codec = Lifting(LiftingSpec(trivial(tuple(LATTICES))), specs(LATTICES))
    assert all(codec.ancestors(name) == () for name in LATTICES)
    counts, q, events = events_of(20)
    roundtrip(codec, counts, q, events)


@pytest.mark.parametrize("seed", range(2))
def test_the_same_sample_and_seed_give_the_same_predictors(seed: int) -> None:
    counts, q, events = events_of(300)
    arguments = (q, LATTICES, counts, events)
    assert fit(*arguments, settings=Settings(seed=seed)) == fit(*arguments, settings=Settings(seed=seed))
