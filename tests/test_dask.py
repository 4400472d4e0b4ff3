"""Risk: dask reads compressed files only where hepae happens to be imported, or under names that no analysis knows."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

pytest.importorskip("dask_awkward")
pytest.importorskip("distributed")

import dask_awkward
from distributed import Client, LocalCluster

import hepae.dask
from hepae.read.dask_events import OriginalNames
from tests.chunked import chunked
from tests.compressed import FEATURES, SAMPLE


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return {str(chunked(codec)): "Events" for codec in ("lifting", "bottleneck")}


@pytest.fixture(scope="module")
def plain(files: dict[str, str]) -> Any:
    return ak.concatenate(
        [uproot.open(path)[tree].arrays(filter_name="Jet_*__hepae") for path, tree in files.items()]
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    # nannies start their workers afresh: these have imported neither hepae nor this module
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        yield client


def same(got: Any, expected: Any) -> bool:
    return bool(ak.array_equal(got, expected, check_parameters=False))


@pytest.mark.parametrize("open_files", [True, False])
def test_events_have_the_names_and_values_of_the_original(
    open_files: bool, files: dict[str, str], plain: Any
) -> None:
    events = hepae.dask.events(files, open_files=open_files, steps_per_file=3)
    assert events.npartitions == 6
    with uproot.open(SAMPLE) as original:
        assert set(events.fields) == set(original["Events"].keys())
        assert events.Jet_pt.form.parameters["__doc__"] == original["Events"]["Jet_pt"].title
    for feature in FEATURES:
        got = events[f"Jet_{feature}"].compute(scheduler="sync")
        assert same(got, plain[f"Jet_{feature}__hepae"])


@pytest.mark.parametrize("codec", ["lifting", "bottleneck"])
def test_only_the_branches_that_are_needed_are_asked_for(codec: str) -> None:
    events = hepae.dask.events({str(chunked(codec)): "Events"})
    (needed,) = dask_awkward.necessary_columns(events.Jet_pt[events.MET > 50]).values()
    assert needed == {"Jet_pt__hepae", "MET"}


def test_files_that_are_compressed_and_files_that_are_not(files: dict[str, str], tmp_path: Path) -> None:
    compressed = next(iter(files))
    with uproot.open(SAMPLE) as original, uproot.recreate(tmp_path / "plain.root") as plain:
        fewer = {name: original["Events"][name].array(entry_stop=100) for name in ("MET", "Jet_pt")}
        plain.mktree("Events", {name: values.type.content for name, values in fewer.items()}).extend(fewer)
    for order in (
        (compressed, SAMPLE),
        (SAMPLE, compressed),
        (compressed, tmp_path / "plain.root", compressed),
    ):
        events = hepae.dask.events([f"{path}:Events" for path in order])
        expected = [uproot.open(f"{path}:Events")["MET"].num_entries for path in order]
        got = events.Jet_pt.compute(scheduler="sync")
        assert len(got) == sum(expected)
        assert not ak.any(ak.is_none(got, axis=1))
        assert np.count_nonzero(ak.num(got)) > len(got) / 2
    assert set(events.fields) == {"MET", "Jet_pt"}


def test_the_form_mapping_pickles_and_brings_hepae_along() -> None:
    form = ak.forms.RecordForm([ak.forms.NumpyForm("float32", parameters={"__doc__": "MET"})], ["MET"])
    _, how = OriginalNames()(form)
    sent = pickle.dumps(how)
    assert b"hepae.read.dask_events" in sent
    assert pickle.loads(sent).keys_for_buffer_keys(frozenset()) == frozenset()


@pytest.mark.slow
@pytest.mark.parametrize("open_files", [False, True])
def test_workers_that_never_imported_hepae(
    open_files: bool, files: dict[str, str], plain: Any, client: Client
) -> None:
    events = hepae.dask.events(files, open_files=open_files, steps_per_file=2)
    got = client.compute(events.Jet_pt).result(timeout=120)
    assert same(got, plain["Jet_pt__hepae"])


@pytest.mark.slow
def test_uproots_own_dask_reads_payload_names(files: dict[str, str], plain: Any, client: Client) -> None:
    # here the preload is called as dask calls it; without hepae in the workers uproot fails, and never misreads
    client.run(preload)
    for open_files in (True, False):
        events = uproot.dask(files, open_files=open_files, filter_name=["Jet_mass__hepae", "nJet"])
        got = client.compute(events["Jet_mass__hepae"]).result(timeout=120)
        assert same(got, plain["Jet_mass__hepae"])


def preload() -> None:
    importlib.import_module("hepae.dask").dask_setup(None)
