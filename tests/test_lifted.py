"""Risk: columns that predict each other in a whole file come back wrongly, or cost more than they save."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.tables.schema import PlainCodec
from hepae.learn.whole.matches import Searched
from hepae.stored.compressed import compressed_of
from hepae.stored.payload import Payload, Row

ENTRIES = 6000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jets with a number that nearly follows from another; muons without any relation."""
    path, random = tmp_path_factory.mktemp("lifted") / "a.root", np.random.default_rng(11)
    counts = random.integers(0, 5, ENTRIES)
    n = int(counts.sum())
    cells = random.integers(0, 100_000, n)
    jets = {
        "cells": cells.astype("i4"),
        "pt": (random.exponential(40, n) + 20).astype("f4"),
        "noise": (cells + random.normal(0, 20, n)).astype("i4"),
        "eta": random.normal(0, 2, n).astype("f4"),
    }
    noise = random.integers(0, 2**31, (2, n)).astype("i4")
    muons = {"a": noise[0], "b": noise[1]}
    with uproot.recreate(path) as file:
        columns = {
            "Jet": ak.unflatten(ak.zip(jets), counts),
            "Muon": ak.unflatten(ak.zip(muons), counts[::-1]),
        }
        file.mktree("Events", {name: column.type.content for name, column in columns.items()}).extend(columns)
    return path


def codecs(path: Path) -> list[PlainCodec]:
    with uproot.open(path) as file:
        stored = next(iter(compressed_of(file["Events"]).stored.values()))
    return [codec for codec in stored.schema.codecs if isinstance(codec, PlainCodec)]


@pytest.mark.parametrize("bounds", [[], ["Jet_pt=rel:1e-3", "Jet_eta=abs:1e-3"]], ids=["lossless", "bounded"])
def test_what_follows_from_another_column_is_smaller_and_comes_back(
    bounds: list[str], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hepae.compress(source, tmp_path / "b.root", bounds=bounds)
    lifted = [codec for codec in codecs(tmp_path / "b.root") if codec.lifting is not None]
    assert len(lifted) == 1
    names = {feature.name for feature in lifted[0].features}
    assert {"Jet_cells", "Jet_noise"} <= names
    assert not names & {"Muon_a", "Muon_b"}
    assert hepae.verify(source, tmp_path / "b.root", bounds=bounds or None).kept
    hepae.decompress(tmp_path / "b.root", tmp_path / "c.root")
    assert hepae.verify(source, tmp_path / "c.root", bounds=bounds or None).kept
    monkeypatch.setattr("hepae.files.pipeline.lifted_tables", lambda *_: Searched())
    hepae.compress(source, tmp_path / "plain.root", bounds=bounds)
    assert not [codec for codec in codecs(tmp_path / "plain.root") if codec.lifting is not None]
    saved = (tmp_path / "plain.root").stat().st_size - (tmp_path / "b.root").stat().st_size
    assert saved > 0.05 * (tmp_path / "plain.root").stat().st_size


def test_a_column_reads_what_it_is_predicted_from_and_no_more(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hepae.compress(source, tmp_path / "b.root")
    fetched: set[int] = set()
    fetch = Payload.fetch

    def counted(self: Payload, row: Row, streams: Sequence[int]) -> Mapping[int, bytes]:
        fetched.update(streams)
        return fetch(self, row, streams)

    monkeypatch.setattr(Payload, "fetch", counted)
    needs = {
        "Jet_eta": {"nJet", "Jet_eta"},
        "Jet_noise": {"nJet", "Jet_noise", "Jet_cells"},
        "Muon_b": {"nMuon", "Muon_b"},
    }
    for name, columns in needs.items():
        with uproot.open(source) as before, uproot.open(tmp_path / "b.root", object_cache=None) as after:
            tree = after["Events"]
            schema = next(iter(compressed_of(tree).stored.values())).schema
            fetched.clear()
            run = {"entry_start": 1000, "entry_stop": 2000}
            assert ak.array_equal(before["Events"][name].array(**run), tree[name].array(**run))
            streams = {schema.stream_of[schema.numbers[column]] for column in columns}
            assert {schema.stream_of[schema.numbers[name]]} <= fetched <= streams, name


def test_the_first_column_of_a_tree_takes_part(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    first = random.integers(0, 1000, 20_000)
    columns = {"first": first.astype("i4"), "near": (first + random.integers(0, 3, 20_000)).astype("i4")}
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", dict.fromkeys(columns, "int32")).extend(columns)
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root")
    (codec,) = codecs(tmp_path / "b.root")
    assert {feature.name for feature in codec.features} == {"first", "near"}
    assert hepae.verify(tmp_path / "a.root", tmp_path / "b.root").kept
