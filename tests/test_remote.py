"""Risk: over a network every column costs a request of its own, or comes back wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import awkward as ak
import pytest
import uproot

import hepae
from hepae.stored.payload import Payload, Row
from scripts import remote_reading
from tests.compressed import SAMPLE

COLUMNS = ["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Muon_pt", "MET"]
NTUPLE = SAMPLE.with_name("ntuple.root")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("remote") / "small.root"
    hepae.compress(NTUPLE, path)
    return path


def test_columns_that_are_read_together_are_fetched_together(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[int] = []
    fetch = Payload.fetch

    def counted(self: Payload, row: Row, streams: Sequence[int]) -> Mapping[int, bytes]:
        fetched.append(len(streams))
        return fetch(self, row, streams)

    monkeypatch.setattr(Payload, "fetch", counted)
    with uproot.open(small) as file, uproot.open(NTUPLE) as original:
        tree = file["Events"]
        arrays = tree.arrays(COLUMNS)
        assert len(fetched) == 1
        assert ak.array_equal(arrays, original["Events"].arrays(COLUMNS), dtype_exact=True)
        more = [str(branch.name) for branch in tree.branches if branch.name not in COLUMNS]
        tree[more[0]].array()
        tree[more[1]].array()
        assert len(fetched) <= 3


def test_a_server_is_asked_no_more_than_it_must(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_reading, "DELAY", 0.0)
    monkeypatch.setattr(remote_reading, "ROUNDS", 1)
    one = remote_reading.row(small, "Events", "one", ["Jet_pt"])
    six = remote_reading.row(small, "Events", "six", COLUMNS)
    # header of the file, keys, tree, payload tree, schemas and theirs, the basket's key, a range
    assert int(str(one["requests"])) <= 9
    assert int(str(six["requests"])) <= int(str(one["requests"])) + len(COLUMNS)
    asked = remote_reading.Asked()
    with remote_reading.served(small.parent, asked) as address, uproot.open(NTUPLE) as original:
        with uproot.open(f"{address}/{small.name}") as file:
            arrays = file["Events"].arrays(COLUMNS)
        assert ak.array_equal(arrays, original["Events"].arrays(COLUMNS), dtype_exact=True)
    assert asked.bytes < small.stat().st_size
