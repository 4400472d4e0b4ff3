"""Risk: a number of an event that follows from its rows comes back wrongly, or differs between Python and C++."""

from __future__ import annotations

import subprocess
from pathlib import Path

import awkward as ak
import msgspec
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.features import FeatureSpec
from hepae.core.prediction.columns import GivenPoint
from hepae.core.prediction.predictors import LiftingSpec, Predictor, Predictors
from hepae.core.tables.columns import EVENTS, ColumnSpec, TableSpec
from hepae.core.tables.links import Linked, Only, linked_values
from hepae.core.tables.schema import Bundle, Framed, PlainCodec, TreeSchema
from hepae.core.values.bounds import Bound
from hepae.core.values.lattice import Lattice, Linear
from hepae.core.values.nested import Nested
from hepae.errors import CorruptionError
from hepae.stored.compressed import compressed_of
from tests.native_build import needs_compiler
from tests.test_native_file import dump, example

ENTRIES = 6000
KINDS = (-2, -1, 1, 2, 21)
BEAM = 6800.0
TENTHS = Lattice("float64", Linear(0.1))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Partons whose first two have the momenta of the beams' parts, and sums over some of them and over jets."""
    path, random = tmp_path_factory.mktemp("sums") / "a.root", np.random.default_rng(7)
    n_part, n_jet = random.integers(2, 7, ENTRIES), random.integers(0, 6, ENTRIES)
    part = {
        "pt": random.exponential(40, n_part.sum()).astype("f4"),
        "pdgId": random.choice([*KINDS, 11, -11], n_part.sum()).astype("i4"),
        "incomingpz": (random.exponential(300, n_part.sum()) + 10).astype("f4"),
    }
    jets = {"pt": (random.exponential(12, n_jet.sum()) + 1).astype("f4")}
    parts, jet_pt = ak.unflatten(ak.zip(part), n_part), ak.unflatten(jets["pt"], n_jet)
    coloured = ak.unflatten(np.isin(part["pdgId"], KINDS), n_part)
    off = random.normal(0, 1e-4, ENTRIES)
    events = {
        "LHE_HT": ak.to_numpy(ak.sum(parts.pt[coloured], axis=1)).astype("f4"),
        "JetHT10": ak.to_numpy(ak.sum(jet_pt[jet_pt >= 10], axis=1) * (1 + off)).astype("f4"),
        "Generator_x1": (ak.to_numpy(parts.incomingpz[:, 0]) / BEAM).astype("f4"),
        "other": random.exponential(30, ENTRIES).astype("f4"),
    }
    with uproot.recreate(path) as file:
        columns = {"LHEPart": parts, "Jet": ak.zip({"pt": jet_pt}), **events}
        types = {
            name: getattr(column, "dtype", None) or column.type.content for name, column in columns.items()
        }
        file.mktree("Events", types).extend(columns)
    return path


def schema_of(path: Path) -> TreeSchema:
    with uproot.open(path) as file:
        return next(iter(compressed_of(file["Events"]).stored.values())).schema


def of_events(schema: TreeSchema) -> dict[str, Linked]:
    """The sums, and the rows, that the codec of the event table looks at, by the column that they are for."""
    plain = [codec for codec in schema.codecs if isinstance(codec, PlainCodec)]
    own = [codec for codec in plain if schema.columns[codec.columns[0]].table == EVENTS]
    return {one.name.partition("[")[2].rstrip("]"): one for codec in own for one in codec.linked}


@pytest.mark.parametrize("bounds", [[], ["*=rel:1e-3"]], ids=["lossless", "bounded"])
def test_sums_and_rows_are_told_and_everything_comes_back(
    bounds: list[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, plain = tmp_path / "small.root", tmp_path / "plain.root"
    hepae.compress(source, small, bounds=bounds)
    schema = schema_of(small)
    told = of_events(schema)
    assert told.keys() == {"LHE_HT", "JetHT10", "Generator_x1"}
    (kinds,) = told["LHE_HT"].only
    assert schema.columns[kinds.column].name == "LHEPart_pdgId"
    assert kinds.values == KINDS
    assert told["JetHT10"].least == 10.0
    assert told["Generator_x1"].row == 0
    assert told["Generator_x1"].factor == pytest.approx(1 / BEAM, rel=2e-3 if bounds else 1e-6)
    assert hepae.verify(source, small, bounds=bounds or None).kept
    hepae.decompress(small, tmp_path / "back.root")
    assert hepae.verify(source, tmp_path / "back.root", bounds=bounds or None).kept
    monkeypatch.setattr("hepae.learn.whole.lifted.find_sums", lambda *_: [])
    hepae.compress(source, plain, bounds=bounds)
    assert not of_events(schema_of(plain))
    assert small.stat().st_size < 0.95 * plain.stat().st_size


def test_a_model_of_a_data_set_knows_them(source: Path, tmp_path: Path) -> None:
    model = hepae.train_dataset([source])
    hepae.compress(source, tmp_path / "small.root", model=model)
    assert of_events(schema_of(tmp_path / "small.root")).keys() >= {"LHE_HT", "Generator_x1"}
    assert hepae.verify(source, tmp_path / "small.root").kept


@pytest.mark.native
@needs_compiler
def test_they_are_the_same_in_c(source: Path, tmp_path: Path) -> None:
    hepae.compress(source, tmp_path / "small.root")
    dump(tmp_path / "small.root", tmp_path)
    names = ("LHE_HT", "JetHT10", "Generator_x1", "other")
    command = [str(example(tmp_path)), str(tmp_path / "schema"), str(tmp_path / "chunk"), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    with uproot.open(source) as file:
        for line, name in zip(done.stdout.splitlines(), names, strict=True):
            values = file["Events"][name].array(library="np").astype(np.float64)
            assert line.split()[:2] == [name, str(ENTRIES)]
            assert float(line.split()[2]) == sum(values.tolist())


def test_rows_of_other_counts_say_nothing() -> None:
    """In a chunk whose kinds have rows of their own, nothing is summed."""
    values = Nested((np.array([2, 0, 1]),), np.array([1.0, 2.5, 4.0]))
    kinds = Nested((np.array([1, 1, 1]),), np.array([7, 7, 8]))
    one = Linked(name="sum", column=0, only=(Only(1, (7,)),), factor=2.0, lattice=TENTHS)
    entries = np.ones(3, np.int64)
    assert np.isnan(linked_values(one, {0: values, 1: kinds}, entries)).all()
    alike = Nested(values.levels, np.array([7, 8, 7]))
    assert linked_values(one, {0: values, 1: alike}, entries).tolist() == [2.0, 0.0, 8.0]
    least = msgspec.structs.replace(one, only=(), least=2.5)
    assert linked_values(least, {0: values}, entries).tolist() == [5.0, 0.0, 8.0]
    second = msgspec.structs.replace(one, only=(), row=1)
    np.testing.assert_array_equal(linked_values(second, {0: values}, entries), [5.0, np.nan, np.nan])


def a_schema(linked: Linked, table: int = EVENTS) -> TreeSchema:
    """Column 3, of events, or 4, of the table that column 0 counts, predicted from a linked column."""
    columns = (
        ColumnSpec("nA", "int32"), ColumnSpec("A_x", "float64", (), 1), ColumnSpec("A_kind", "int32", (), 1),
        ColumnSpec("total", "float64"), ColumnSpec("A_y", "float64", (), 1), ColumnSpec("nB", "int32"),
        ColumnSpec("B_kind", "int32", (), 2),
    )  # fmt: skip
    number = 3 if table == EVENTS else 4
    name = columns[number].name
    feature = FeatureSpec(name, name, "float64", "", Bound("exact"), TENTHS)
    lifting = LiftingSpec(Predictors((Predictor(name, base=GivenPoint(name, linked.name, 0)),)))
    codec = PlainCodec((number,), (feature,), lifting, (linked,))
    tables = TableSpec("", 0, 0), TableSpec("A", 0, 0), TableSpec("B", 0, 5)
    rest = tuple(n for n in range(len(columns)) if n != number)
    return TreeSchema(1, tables, columns, (codec,), (Bundle(rest), Framed(0, number)))


def test_sums_that_cannot_be_are_refused() -> None:
    fine = Linked(name="sum", column=1, only=(Only(2, (1,)),), least=1.0, lattice=TENTHS)
    a_schema(fine).require_sense("here")
    a_schema(Linked(name="row", column=1, row=1, lattice=TENTHS)).require_sense("here")
    of_rows = a_schema(fine, table=1)
    wrong = [
        {"column": 0}, {"column": 99}, {"only": (Only(6, (1,)),)}, {"only": (Only(1, (1,)),)},
        {"row": 0}, {"row": -1, "only": (), "least": None}, {"index": 2}, {"factor": float("inf")},
    ]  # fmt: skip
    for schema in (of_rows, *(a_schema(msgspec.structs.replace(fine, **one)) for one in wrong)):
        with pytest.raises(CorruptionError, match="cannot be"):
            schema.require_sense("here")
