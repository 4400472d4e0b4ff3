"""Risk: what is predicted from linked rows comes back wrongly, waits for itself, or reads half the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import awkward as ak
import msgspec
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

import hepae
from hepae.core.features import FeatureSpec
from hepae.core.lifting.codec import Lifting
from hepae.core.prediction.columns import (
    MISSING,
    Apart,
    Column,
    Context,
    Given,
    GivenPoint,
    Here,
    Mother,
    OffBefore,
    Remainder,
    RowsBefore,
    Siblings,
)
from hepae.core.prediction.context import octaves
from hepae.core.prediction.predictors import LiftingSpec, Lookup, Predictor, Predictors
from hepae.core.prediction.ranks import RankOrder
from hepae.core.prediction.tables import Term, Widths
from hepae.core.tables.columns import ColumnSpec, TableSpec
from hepae.core.tables.links import Linked, along
from hepae.core.tables.schema import Bundle, Framed, PlainCodec, TreeSchema
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Integer, Lattice, Linear
from hepae.errors import CorruptionError, ModelRejectedError
from hepae.learn.whole.matches import Searched
from hepae.stored.compressed import compressed_of
from hepae.stored.payload import Payload, Row

TENTHS, WHOLE = Lattice("float64", Linear(0.1)), Lattice("int64", Integer())
LATTICES = {"index": WHOLE, "pt": TENTHS, "phi": TENTHS, "eta": TENTHS, "far": TENTHS}


def in_context(counts: Sequence[int], last: int = 6, **columns: Sequence[float]) -> Context:
    """Features of objects in event order, as lattice integers."""
    order = RankOrder(np.array(counts), last)
    context = Context(order, LATTICES, {})
    for name, values in columns.items():
        context.known[name] = order.to_ranks(LATTICES[name].nearest(np.array(values, np.float64)))
    return context


def read(column: Column, context: Context) -> list[int]:
    whole = column.read(context, None)
    ranks = [column.read(context, rank) for rank in range(context.order.n_ranks)]
    np.testing.assert_array_equal(np.concatenate(ranks), whole)
    return context.order.to_events(whole).tolist()


def test_a_mother_is_a_row_before_in_the_same_event() -> None:
    context = in_context([4, 2], index=[-1, 0, 1, 3, 1, 0], pt=[5, 3, 2, 1, 9, 8])
    assert read(Mother("pt", "index"), context) == [MISSING, 50, 30, MISSING, MISSING, 90]
    assert read(Apart(Here("pt"), Mother("pt", "index")), context)[1] == -20


def test_objects_of_the_last_rank_have_mothers_of_smaller_rank_only() -> None:
    context = in_context([4], last=2, index=[-1, 0, 1, 2], pt=[5, 3, 2, 1])
    assert read(Mother("pt", "index"), context) == [MISSING, 50, 30, MISSING]


def test_siblings_have_the_same_mother() -> None:
    context = in_context([5, 3], index=[-1, 0, 0, 1, 0, -1, 0, 0], pt=[0] * 8)
    assert read(Siblings("index", False), context) == [MISSING, 0, 1, 0, 2, MISSING, 0, 1]
    assert read(Siblings("index", True), context) == [MISSING, 3, 3, 1, 3, MISSING, 2, 2]


def test_what_a_mother_has_left() -> None:
    """The first child is expected to be its mother; the second what the first has left of it."""
    index, pt = [-1, 0, 0, 0], [10.0, 6.0, 3.0, 1.0]
    context = in_context([4], index=index, pt=pt, phi=[0.5, 0.7, 0.1, 0.3], eta=[1.0, 1.2, 0.4, 0.2])
    assert read(Remainder("pt", "index", "mother", otherwise=7), context) == [7, 100, 100, 100]
    assert read(Remainder("pt", "index", "value", otherwise=7), context) == [7, 100, 40, 10]
    momentum = 10 * np.exp(0.5j) - 6 * np.exp(0.7j)
    assert read(Remainder("phi", "index", "phi", "pt"), context)[:3] == [0, 5, round(10 * np.angle(momentum))]
    along_beam = 10 * np.sinh(1.0) - 6 * np.sinh(1.2)
    assert read(Remainder("eta", "index", "eta", "pt"), context)[2] == round(
        10 * np.arcsinh(along_beam / 3.0)
    )


def predictors() -> Predictors:
    """Predictors of every kind of linked column, made by hand."""
    columns: list[Column] = [
        Given("far"), Mother("pt", "index"), Siblings("index", True), Siblings("index", False),
        Apart(Here("phi"), Mother("phi", "index")), Mother("eta", "index"),
        OffBefore("phi", (1.0, 0.3, 7.5, 40.0, 2.0), 2),
    ]  # fmt: skip
    sources = tuple(Lookup(column, -20, k % 2 + 9 * (k == 6), (1, 9, 40)) for k, column in enumerate(columns))
    terms = [Term(k, (64 * k, -640, 64, 6400)) for k in range(len(sources))]
    turned = Remainder("phi", "index", "phi", "pt")
    return Predictors(
        (
            Predictor("index", base=RowsBefore("index", (1.0, 0.0, -1.0), ((), (0.5,), (1.0,)))),
            Predictor("pt", 3, (terms[0], terms[1]), Remainder("pt", "index", "value", otherwise=2)),
            Predictor("phi", 0, (terms[2],), turned, None, Widths(0, (terms[3], terms[6]), (5, 90))),
            Predictor("eta", 1, (terms[4], terms[5]), Remainder("eta", "index", "eta", "pt")),
            Predictor("count", 1, (terms[0], terms[6]), GivenPoint("count", "far", 3)),
        ),
        sources,
    )  # fmt: skip


def test_rows_are_predicted_from_those_before() -> None:
    context = in_context([3, 1, 4], pt=[2, 3, 5, 1, 4, 1, 2, 9])
    column = RowsBefore("pt", (1.0, 0.5, 0.0), ((), (2.0,), (1.0, -1.0)))
    assert read(column, context) == [10, 45, -10, 10, 10, 85, 30, 0]
    with pytest.raises(ModelRejectedError):
        RowsBefore("pt", (0.0,), ((1.0,),))


def test_rows_are_as_far_off_as_those_before() -> None:
    context = in_context([3, 1, 4], pt=[2, 3, 5, 1, 4, 1, 2, 9])
    context.latents["pt"] = context.order.to_ranks(np.array([4, -2, 9, 8, 0, -6, 1, 5]))
    column = OffBefore("pt", (2.0, 4.0, 1.0, 1.0), 2)
    expected = [8.0, (2 + 0.5) / 2, 0.0, 1.5 / 2, (1.5 + 1) / 2]
    found = read(column, context)
    assert [found[k] for k in (1, 2, 5, 6, 7)] == octaves(np.array(expected)).tolist()
    assert [found[k] for k in (0, 3, 4)] == [MISSING] * 3
    with pytest.raises(ModelRejectedError):
        OffBefore("pt", (1.0, 0.0), 2)


@given(st.lists(st.integers(0, 9), max_size=8), st.data())
@settings(max_examples=60)
def test_whatever_the_links_everything_comes_back(counts: list[int], data: st.DataObject) -> None:
    lattices = {"index": WHOLE, "pt": TENTHS, "phi": TENTHS, "eta": TENTHS, "count": WHOLE}
    features = [
        FeatureSpec(n, n, lattice.dtype, "", Bound("exact"), lattice) for n, lattice in lattices.items()
    ]
    codec = Lifting(LiftingSpec(predictors()), features, {"far": TENTHS})
    n = sum(counts)
    numbers = st.lists(st.integers(-60, 60), min_size=n, max_size=n)
    q = {name: np.array(data.draw(numbers), np.int64) for name in lattices}
    q["index"] = np.array(data.draw(st.lists(st.integers(-2, 10), min_size=n, max_size=n)), np.int64)
    far = data.draw(st.lists(st.sampled_from([np.nan, -1e300, 0.0, 3.25, 1e9]), min_size=n, max_size=n))
    events = {"far": np.array(far, np.float64)}
    payloads = codec.encode(np.array(counts, np.int64), dict(q), events)
    for name in q:
        asked = {other: payloads[other] for other in (*codec.ancestors(name), name)}
        beside = {key: events[key] for key in codec.given(name)}
        decoded = dict(codec.decode(np.array(counts, np.int64), asked, beside, [name]))
        np.testing.assert_array_equal(decoded[name].to_events(), q[name], err_msg=name)
    assert codec.given("index") == frozenset()
    assert codec.given("eta") == codec.given("count") == {"far"}


def test_values_along_a_link() -> None:
    values = along(
        np.array([1, 2, 3], "f4"),
        np.array([2, 0, 1]),
        np.array([1, 5, 0, 0, 1], "i2"),
        np.array([2, 1, 2]),
    )
    np.testing.assert_array_equal(values, [2, np.nan, np.nan, 3, np.nan])


def a_link(name: str, column: int, index: int) -> Linked:
    return Linked(name=name, column=column, index=index, lattice=TENTHS)


def schema(first: Linked, second: Linked) -> TreeSchema:
    """Two tables, columns 0 and 1 of counts; each has an index (2, 4) and a column predicted from the other (3, 5)."""
    columns = [
        ColumnSpec("nA", "int32", (), 0), ColumnSpec("nB", "int32", (), 0),
        ColumnSpec("A_index", "int16", (), 1), ColumnSpec("A_x", "float64", (), 1),
        ColumnSpec("B_index", "int16", (), 2), ColumnSpec("B_x", "float64", (), 2),
    ]  # fmt: skip
    codecs = []
    for number, linked in ((3, first), (5, second)):
        name = columns[number].name
        feature = FeatureSpec(name, name, "float64", "", Bound("exact"), TENTHS)
        base = GivenPoint(name, linked.name, 0)
        predicted = LiftingSpec(Predictors((Predictor(name, base=base),)))
        codecs.append(PlainCodec((number,), (feature,), predicted, (linked,)))
    tables = TableSpec("", 0, 0), TableSpec("A", 0, 0), TableSpec("B", 0, 1)
    streams = Bundle((0, 1, 2, 4)), Framed(0, 3), Framed(1, 5)
    return TreeSchema(1, tables, tuple(columns), tuple(codecs), streams)


def test_a_schema_whose_columns_wait_for_each_other_is_refused() -> None:
    fine = schema(a_link("far", 0, 2), a_link("far", 3, 4))
    with pytest.raises(CorruptionError, match="cannot be"):
        fine.require_sense("here")  # column 0 is of the event table
    circle = schema(a_link("far", 5, 2), a_link("far", 3, 4))
    with pytest.raises(CorruptionError, match="cannot be"):
        circle.require_sense("here")
    first, second = circle.codecs
    assert isinstance(first, PlainCodec)
    assert isinstance(second, PlainCodec)
    plain = msgspec.structs.replace(first, lifting=None, linked=())
    msgspec.structs.replace(circle, codecs=(plain, second)).require_sense("here")
    for wrong in (a_link("far", 3, 2), a_link("far", 99, 4), a_link("B_x", 3, 4)):
        other = msgspec.structs.replace(
            circle, codecs=(plain, msgspec.structs.replace(second, linked=(wrong,)))
        )
        with pytest.raises(CorruptionError, match="cannot be"):
            other.require_sense("here")


ENTRIES = 5000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jets that know their generator jets, particles that know their mothers."""
    path, random = tmp_path_factory.mktemp("links") / "a.root", np.random.default_rng(5)
    n_gen, n_jet = random.integers(0, 5, ENTRIES), random.integers(0, 5, ENTRIES)
    gen = {
        "pt": random.exponential(40, n_gen.sum()).astype("f4") + 20,
        "eta": random.normal(0, 2, n_gen.sum()).astype("f4"),
    }
    index = random.integers(-1, 5, n_jet.sum())
    index = np.where(index < np.repeat(n_gen, n_jet), index, -1)
    near = {name: along(column, n_gen, index, n_jet) for name, column in gen.items()}
    alone = {"pt": random.exponential(20, len(index)) + 15, "eta": random.normal(0, 2, len(index))}
    off = random.normal(0, 1e-3, (2, len(index)))
    smeared = {"pt": near["pt"] * (1 + off[0]), "eta": near["eta"] + off[1]}
    jets = {name: np.where(index < 0, alone[name], smeared[name]).astype("f4") for name in alone}
    jets["genJetIdx"] = index.astype("i2")
    n_part = random.integers(1, 9, ENTRIES)
    place = np.arange(n_part.sum()) - np.repeat(np.cumsum(n_part) - n_part, n_part)
    mother = np.where(place > 0, (place * random.random(len(place))).astype(int), -1)
    kind = random.integers(0, 6, len(place))
    first = np.repeat(np.cumsum(n_part) - n_part, n_part)
    copy = random.random(len(place)) < 0.8
    pt = random.exponential(5, len(place))
    for row in range(1, 8):
        copied, of = (place == row) & copy, first + np.maximum(mother, 0)
        kind, pt = np.where(copied, kind[of], kind), np.where(copied, 0.999 * pt[of], pt)
    parts = {
        "pdgId": np.array([11, -11, 13, -13, 22, 211], "i4")[kind],
        "genPartIdxMother": mother.astype("i2"),
        "pt": pt.astype("f4"),
    }
    with uproot.recreate(path) as file:
        columns = {
            "GenJet": ak.unflatten(ak.zip(gen), n_gen),
            "Jet": ak.unflatten(ak.zip(jets), n_jet),
            "GenPart": ak.unflatten(ak.zip(parts), n_part),
        }
        file.mktree("Events", {name: column.type.content for name, column in columns.items()}).extend(columns)
    return path


def codecs(path: Path) -> list[PlainCodec]:
    with uproot.open(path) as file:
        stored = next(iter(compressed_of(file["Events"]).stored.values()))
    return [codec for codec in stored.schema.codecs if isinstance(codec, PlainCodec)]


@pytest.mark.parametrize("bounds", [[], ["*=rel:1e-3"]], ids=["lossless", "bounded"])
def test_what_follows_from_linked_rows_is_smaller_and_comes_back(
    bounds: list[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, plain = tmp_path / "small.root", tmp_path / "plain.root"
    hepae.compress(source, small, bounds=bounds)
    linked = {one.name for codec in codecs(small) for one in codec.linked}
    assert linked >= {"GenJet_pt[Jet_genJetIdx]", "GenJet_eta[Jet_genJetIdx]"}
    columns = [c for codec in codecs(small) if codec.lifting for c in codec.lifting.predictors.sources]
    assert any(isinstance(one.column, Mother | Siblings) for one in columns)
    assert hepae.verify(source, small, bounds=bounds or None).kept
    hepae.decompress(small, tmp_path / "back.root")
    assert hepae.verify(source, tmp_path / "back.root", bounds=bounds or None).kept
    monkeypatch.setattr("hepae.learn.whole.lifted.find_links", lambda *_: {})
    hepae.compress(source, plain, bounds=bounds)
    assert not [one for codec in codecs(plain) for one in codec.linked]
    assert small.stat().st_size < 0.93 * plain.stat().st_size


def test_a_column_reads_what_it_is_linked_to_and_no_more(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hepae.compress(source, tmp_path / "small.root")
    fetched: set[int] = set()
    fetch = Payload.fetch

    def counted(self: Payload, row: Row, streams: Sequence[int]) -> Mapping[int, bytes]:
        fetched.update(streams)
        return fetch(self, row, streams)

    monkeypatch.setattr(Payload, "fetch", counted)
    with uproot.open(tmp_path / "small.root") as file, uproot.open(source) as before:
        assert ak.array_equal(file["Events"]["Jet_eta"].array(), before["Events"]["Jet_eta"].array())
        schema = next(iter(compressed_of(file["Events"]).stored.values())).schema
    streams = {column.name: schema.stream_of[number] for number, column in enumerate(schema.columns)}
    assert {streams["Jet_eta"], streams["Jet_genJetIdx"], streams["GenJet_eta"]} <= fetched
    assert not {streams["GenPart_pt"], streams["GenPart_pdgId"]} & fetched


def test_a_vector_of_weights_is_told_by_its_first_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve variations in three directions, by much more in some events than in others."""
    random = np.random.default_rng(3)
    directions, amounts = random.normal(0, 0.1, (3, 12)), random.normal(0, 1, (ENTRIES, 3))
    noise = random.normal(0, 1e-4, (ENTRIES, 12)) * random.choice([1.0, 30.0], (ENTRIES, 1))
    weights = (1 + amounts @ directions + noise).astype("f4")
    source, small = tmp_path / "a.root", tmp_path / "b.root"
    with uproot.recreate(source) as file:
        file.mktree("Events", {"LHEWeight": "var * float32"}).extend(
            {"LHEWeight": ak.Array(weights.tolist())}
        )
    hepae.compress(source, small)
    (codec,) = codecs(small)
    assert codec.lifting is not None
    assert isinstance(codec.lifting.predictors["LHEWeight"].base, RowsBefore)
    assert hepae.verify(source, small).kept
    columns = [source.column for source in codec.lifting.predictors.sources]
    assert any(isinstance(column, OffBefore) for column in columns)
    monkeypatch.setattr("hepae.files.pipeline.lifted_tables", lambda *_: Searched())
    hepae.compress(source, tmp_path / "plain.root")
    assert small.stat().st_size < 0.9 * (tmp_path / "plain.root").stat().st_size


@pytest.mark.parametrize("wild", [0.0, 1.0, 1e30, 3e38])
def test_weights_that_are_all_alike_or_wild_come_back(wild: float, tmp_path: Path) -> None:
    """Equations that cannot be solved, or only with infinite numbers, are none."""
    random = np.random.default_rng(4)
    weights = np.full((ENTRIES, 6), wild, "f4")
    weights[::7] *= random.choice(np.array([0, 1, -1], "f4"), (len(weights[::7]), 6))
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("Events", {"LHEWeight": "var * float32"})
        tree.extend({"LHEWeight": ak.Array(weights.tolist())})
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root")
    assert hepae.verify(tmp_path / "a.root", tmp_path / "b.root").kept


def test_weights_that_follow_exactly_cost_next_to_nothing(tmp_path: Path) -> None:
    """Nine variations of two scales in two directions, the nominal one always 1."""
    random = np.random.default_rng(6)
    shifts = random.normal(0, [0.02, 1e-3], (ENTRIES, 2))
    parts = np.array([[1, 0], [0, 1], [1, 1], [-1, 0], [0, -1], [-1, -1], [0.5, 0], [0, 0.5]]).T
    weights = np.concatenate([np.ones((ENTRIES, 1)), 1 + shifts @ parts], axis=1).astype("f4")
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("Events", {"LHEScaleWeight": "var * float32"})
        tree.extend({"LHEScaleWeight": ak.Array(weights.tolist())})
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root")
    assert hepae.verify(tmp_path / "a.root", tmp_path / "b.root").kept
    free = 2 * 4 * ENTRIES  # two numbers of an event are free, the others follow but for rounding
    assert (tmp_path / "b.root").stat().st_size < free
