"""Risk: rows are matched with those of other entries, values change by it, or tables wait for each other."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.tables.schema import PlainCodec
from hepae.core.values.nested import Nested
from hepae.learn.whole.links import RowLink, above, in_order
from hepae.learn.whole.matches import Match, nearest_rows
from hepae.skim import skim
from hepae.stored.compressed import compressed_of

ENTRIES = 4000


def table(
    prefix: str, counts: list[int], eta: list[float], phi: list[float], pt: list[float]
) -> dict[str, Nested]:
    columns = zip(("eta", "phi", "pt"), (eta, phi, pt), strict=True)
    return {
        f"{prefix}_{name}": Nested((np.array(counts),), np.array(values, "f4")) for name, values in columns
    }


def nearest(columns: dict[str, Nested]) -> list[int]:
    here, there = ("a_eta", "a_phi", "a_pt"), ("b_eta", "b_phi", "b_pt")
    return nearest_rows(Match(RowLink(1, 9, 2, (), 0.0), here, there), columns).values.tolist()


def test_the_nearest_row_is_of_the_same_entry_and_around_the_circle() -> None:
    a = table("a", [2, 0, 1, 1], [0, 1, 0, 5], [3.1, 0, 0, 0], [10, 20, 10, np.nan])
    b = table("b", [3, 1, 0, 1], [2, 0, 1.1, 0, 5], [0, -3.1, 0, 0, 0], [10, 10.5, 20, 10, 10])
    assert nearest({**a, **b}) == [1, 2, -1, -1]


def test_columns_with_rows_of_their_own_match_nothing() -> None:
    a = table("a", [1, 1], [0, 0], [0, 0], [1, 1])
    b = table("b", [1, 1], [0, 0], [0, 0], [1, 1])
    b["b_pt"] = Nested((np.array([0, 2]),), b["b_pt"].values)
    assert nearest({**a, **b}) == [-1, -1]


def test_many_rows_are_compared_in_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    counts, others = (random.integers(0, 6, 200).tolist() for _ in range(2))
    a = table("a", counts, *(random.normal(0, 1, (3, sum(counts))).tolist()))
    b = table("b", others, *(random.normal(0, 1, (3, sum(others))).tolist()))
    whole = nearest({**a, **b})
    monkeypatch.setattr("hepae.learn.whole.matches.PAIRS", 25)
    assert nearest({**a, **b}) == whole
    assert max(whole) > 0
    monkeypatch.setattr("hepae.learn.whole.matches.PAIRS", 7)
    few = np.repeat(np.array(counts) * np.array(others) <= 7, counts)
    assert nearest({**a, **b}) == np.where(few, whole, -1).tolist()


def test_tables_are_read_after_those_that_they_are_linked_to() -> None:
    links = {1: [RowLink(1, 0, 2, (), 0.0)], 2: [RowLink(2, 0, 3, (), 0.0), RowLink(2, 1, 2, (), 0.0)], 3: []}
    assert above(links, 1) == [3, 2, 1]
    assert list(in_order(links)) == [3, 2, 1]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Partons that are particles in another order, and no index between them."""
    path, random = tmp_path_factory.mktemp("matches") / "a.root", np.random.default_rng(2)
    n_part, n_lhe = random.integers(4, 9, ENTRIES), random.integers(0, 4, ENTRIES)
    parts = {
        "pt": random.exponential(30, n_part.sum()).astype("f4"),
        "eta": random.normal(0, 2, n_part.sum()).astype("f4"),
        "phi": random.uniform(-3, 3, n_part.sum()).astype("f4"),
    }
    first = np.repeat(np.cumsum(n_part) - n_part, n_lhe)
    chosen = first + (random.random(len(first)) * np.repeat(n_part, n_lhe)).astype(int)
    partons = {name: (column[chosen] * (1 + 1e-5)).astype("f4") for name, column in parts.items()}
    with uproot.recreate(path) as file:
        columns = {
            "GenPart": ak.unflatten(ak.zip(parts), n_part),
            "LHEPart": ak.unflatten(ak.zip(partons), n_lhe),
        }
        file.mktree("Events", {name: column.type.content for name, column in columns.items()}).extend(columns)
    return path


@pytest.mark.parametrize("bounds", [[], ["*=rel:1e-3"]], ids=["lossless", "bounded"])
def test_rows_near_to_others_are_smaller_and_come_back(
    bounds: list[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, plain = tmp_path / "small.root", tmp_path / "plain.root"
    hepae.compress(source, small, bounds=bounds)
    with uproot.open(small) as file:
        schema = next(iter(compressed_of(file["Events"]).stored.values())).schema
    linked = {one.index for codec in schema.codecs if isinstance(codec, PlainCodec) for one in codec.linked}
    assert {schema.columns[number].name for number in linked} == {"LHEPart@GenPart#"}
    assert hepae.verify(source, small, bounds=bounds or None).kept
    hepae.decompress(small, tmp_path / "back.root")
    result = hepae.verify(source, tmp_path / "back.root", bounds=bounds or None)
    assert result.kept
    assert not [name for name in result.trees["Events"].columns if "#" in name]
    skim(small, tmp_path / "few.root", "nLHEPart > 1")
    with uproot.open(tmp_path / "few.root") as few, uproot.open(small) as before:
        wanted = before["Events"]["LHEPart_eta"].array()
        assert ak.array_equal(few["Events"]["LHEPart_eta"].array(), wanted[ak.num(wanted) > 1])
    monkeypatch.setattr("hepae.learn.whole.lifted.find_matches", lambda *_: [])
    hepae.compress(source, plain, bounds=bounds)
    assert small.stat().st_size < 0.95 * plain.stat().st_size
