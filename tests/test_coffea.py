"""Risk: an analysis with coffea must change by more than the schema class, sees other events, or decodes too much."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

pytest.importorskip("coffea")

from coffea import processor
from coffea.nanoevents import NanoEventsFactory, schemas

import hepae
import hepae.coffea
from hepae.learn.recipe import recipe_of
from tests.chunked import CODECS, chunked, decoded, watched
from tests.compressed import FEATURES, SAMPLE
from tests.dijets import Dijets

pytestmark = [
    # what coffea and its libraries warn about whatever they read
    pytest.mark.filterwarnings("ignore:Missing cross-reference target for:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:Branch Photon_:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

MODES = ("virtual", "eager", "dask")


def events_of(path: Path, schema: Any, mode: str = "virtual", tree: str = "Events") -> Any:
    if mode == "dask":
        pytest.importorskip("dask_awkward")
    return NanoEventsFactory.from_root({str(path): tree}, schemaclass=schema, mode=mode).events()


def computed(array: Any) -> Any:
    return array.compute(scheduler="sync") if hasattr(array, "compute") else array


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("mode", MODES)
def test_events_look_like_those_of_the_original(codec: str, mode: str) -> None:
    before = events_of(SAMPLE, schemas.NanoAODSchema, mode)
    after = events_of(chunked(codec), hepae.coffea.NanoAODSchema, mode)
    assert set(after.fields) == set(before.fields)
    assert set(after.Jet.fields) == set(before.Jet.fields)
    assert not [name for name in (*after.fields, *after.Jet.fields) if "hepae" in name]
    assert after.Jet.pt.__doc__ == before.Jet.pt.__doc__
    assert computed(after.Jet).layout.form.parameters == computed(before.Jet).layout.form.parameters
    for feature in ("nConstituents", "muonIdx", "jetId", "btag"):
        assert ak.array_equal(computed(after.Jet[feature]), computed(before.Jet[feature]))


@pytest.mark.parametrize("mode", MODES)
def test_behaviours_work_on_restored_columns(codec: str, mode: str) -> None:
    before = events_of(SAMPLE, schemas.NanoAODSchema, mode)
    after = events_of(chunked(codec), hepae.coffea.NanoAODSchema, mode)
    first, second = (computed((e.Jet[:, :1] + e.Jet[:, :1]).pt) for e in (before, after))
    assert np.allclose(ak.flatten(first), ak.flatten(second), rtol=2e-3)
    near, far = (computed(e.Jet.delta_r(e.Jet.nearest(e.Muon))) for e in (before, after))
    assert ak.array_equal(ak.is_none(near, axis=1), ak.is_none(far, axis=1))


def test_values_are_those_that_uproot_restores(codec: str) -> None:
    jets = events_of(chunked(codec), hepae.coffea.NanoAODSchema).Jet
    tree = uproot.open(chunked(codec))["Events"]
    for feature in FEATURES:
        plain = tree[f"Jet_{feature}__hepae"].array()
        assert ak.array_equal(ak.materialize(jets[feature]), plain, check_parameters=False)


def test_only_what_is_touched_is_decoded(codec: str) -> None:
    uproot_keeps = uproot.open(chunked(codec)).file.object_cache
    if uproot_keeps is not None:
        uproot_keeps.clear()
    with watched() as opened:
        events = events_of(chunked(codec), hepae.coffea.NanoAODSchema)
        assert ak.sum(events.MET) > 0
        assert ak.max(events.Muon.pt) > 0
        assert ak.sum(ak.num(events.Jet)) == 12169
        assert not decoded(opened)
        assert ak.max(events.Jet.pt) > 100
        # masked decodes pt, eta and phi together, rank by rank: each looks at the others of the jets before
        expected = ("pt", "eta", "phi") if codec == "masked" else ("pt",)
        assert decoded(opened) == dict.fromkeys(expected, 12169)


def test_the_schema_takes_uncompressed_files_too() -> None:
    before, after = (
        events_of(SAMPLE, schema) for schema in (schemas.NanoAODSchema, hepae.coffea.NanoAODSchema)
    )
    assert after.fields == before.fields
    assert ak.array_equal(ak.materialize(after.Jet.pt), ak.materialize(before.Jet.pt))


def test_the_plain_schema_fails_instead_of_giving_wrong_jets() -> None:
    events = events_of(chunked("lifting"), schemas.NanoAODSchema)
    with pytest.raises(AttributeError, match="missing azimuthal coordinates"):
        _ = events.Jet


def test_any_schema_can_be_the_base() -> None:
    class Mine(schemas.NanoAODSchema):
        mixins = {**schemas.NanoAODSchema.mixins, "Jet": "PtEtaPhiMLorentzVector"}  # noqa: RUF012

    jets = events_of(chunked("lifting"), hepae.coffea.schema(Mine)).Jet
    assert type(jets).__name__ == "PtEtaPhiMLorentzVectorArray"
    assert hepae.coffea.schema(Mine) is hepae.coffea.schema(Mine)
    base = events_of(chunked("lifting"), hepae.coffea.BaseSchema)
    assert {"Jet_pt", "nJet", "Muon_pt", "MET"} <= set(base.fields)
    assert "Jet_pt__hepae" not in base.fields


def test_ready_made_schemas_pickle_by_name() -> None:
    for name in hepae.coffea.__all__:
        if name != "schema":
            made = getattr(hepae.coffea, name)
            assert pickle.loads(pickle.dumps(made)) is made


def test_hepae_does_not_import_coffea_or_dask() -> None:
    code = "import sys, hepae; print([name for name in ('coffea', 'dask', 'distributed') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def run(path: Path, schema: Any, executor: Any, chunksize: int = 700) -> Any:
    runner = processor.Runner(executor, schema=schema, chunksize=chunksize, savemetrics=False)
    return runner({"sample": {"files": {str(path): "Events"}}}, processor_instance=Dijets())


def require_same_physics(before: Any, after: Any) -> None:
    """Exact features: the same histograms. Masses: none moves by more than a bin, which is wider than their error."""
    assert after["events"] == before["events"]
    assert np.array_equal(after["number"].values(flow=True), before["number"].values(flow=True))
    assert np.array_equal(after["constituents"].values(flow=True), before["constituents"].values(flow=True))
    first, second = (np.cumsum(found["mass"].values(flow=True)) for found in (before, after))
    assert first[-1] == second[-1] > 0
    assert (second[1:] >= first[:-1]).all()
    assert (second[:-1] <= first[1:]).all()


@pytest.fixture(scope="module")
def original() -> Any:
    return run(SAMPLE, schemas.NanoAODSchema, processor.IterativeExecutor(status=False))


def test_the_same_processor_here(original: Any, codec: str) -> None:
    after = run(chunked(codec), hepae.coffea.NanoAODSchema, processor.IterativeExecutor(status=False))
    require_same_physics(original, after)


@pytest.mark.slow
def test_the_same_processor_in_other_processes(original: Any) -> None:
    executor = processor.FuturesExecutor(workers=2, status=False)
    require_same_physics(original, run(chunked("lifting"), hepae.coffea.NanoAODSchema, executor))


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.mark.slow
def test_the_same_processor_on_a_dask_cluster(original: Any, client: Any) -> None:
    for codec in ("lifting", "bottleneck"):
        executor = processor.DaskExecutor(client=client, status=False)
        require_same_physics(original, run(chunked(codec), hepae.coffea.NanoAODSchema, executor))


@pytest.mark.slow
def test_dask_mode_on_a_dask_cluster(client: Any) -> None:
    events = events_of(chunked("lifting"), hepae.coffea.NanoAODSchema, "dask")
    pt = client.compute(events.Jet.pt).result()
    plain = uproot.open(chunked("lifting"))["Events"]["Jet_pt__hepae"].array()
    assert ak.array_equal(pt, plain, check_parameters=False)


@pytest.mark.slow
def test_workers_that_import_hepae_first_take_coffeas_own_schema(tmp_path: Path) -> None:
    distributed, dask = pytest.importorskip("distributed"), pytest.importorskip("dask")
    small = tmp_path / "small.root"
    hepae.compress(SAMPLE, small, only=["Jet_*"])
    options = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with (
        dask.config.set({"distributed.worker.preload": ["hepae"]}),
        distributed.LocalCluster(**options) as cluster,
        distributed.Client(cluster) as client,
    ):
        events = events_of(small, schemas.NanoAODSchema, "dask")
        pt = client.compute(events.Jet.pt).result()
    assert ak.array_equal(pt, uproot.open(SAMPLE)["Events"]["Jet_pt"].array(), check_parameters=False)


@pytest.mark.shared
def test_nanoaod_of_cms(shared: Callable[[str], Path], tmp_path: Path) -> None:
    source = shared("nanoAOD_2015_CMS_Open_Data_ttbar.root")
    hepae.compress(
        source,
        tmp_path / "small.root",
        collection="Jet",
        features=["pt", "eta", "phi", "mass", "jetId", "nConstituents", "genJetIdx"],
        bounds=["pt,mass=rel:1e-3", "eta,phi=abs:1e-3"],
        recipe=recipe_of({"codec": "lifting", "effort": "fast"}),
    )
    iterative = processor.IterativeExecutor(status=False)
    before = run(source, schemas.NanoAODSchema, iterative)
    after = run(tmp_path / "small.root", hepae.coffea.NanoAODSchema, iterative)
    require_same_physics(before, after)
    links = [
        events_of(path, schema).Jet.matched_gen.pt
        for path, schema in (
            (source, schemas.NanoAODSchema),
            (tmp_path / "small.root", hepae.coffea.NanoAODSchema),
        )
    ]
    assert ak.array_equal(*map(ak.materialize, links))


@pytest.mark.shared
def test_physlite_side_file_of_atlas(shared: Callable[[str], Path], tmp_path: Path) -> None:
    source = shared("PHYSLITE_example.root")
    hepae.compress(
        source,
        tmp_path / "side.root",
        collection="AnalysisJetsAuxDyn",
        features=["pt", "eta", "phi", "m"],
        bounds=["pt,m=rel:1e-3", "eta,phi=abs:1e-3"],
        side=True,
        recipe=recipe_of({"codec": "lifting", "effort": "fast"}),
    )
    stored = uproot.open(source)["CollectionTree"]
    jets = events_of(tmp_path / "side.root", hepae.coffea.PHYSLITESchema, tree="CollectionTree").Jets
    for feature in ("pt", "eta", "phi", "m"):
        before = stored[f"AnalysisJetsAuxDyn.{feature}"].array()
        assert np.allclose(
            ak.flatten(ak.materialize(jets[feature])), ak.flatten(before), rtol=1e-3, atol=1e-3
        )


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "tree", "name"),
    [
        ("zoo/coffea__test_FCC_Spring2021.root", "events", "FCCSchema"),
        ("zoo/coffea__treemaker.root", "PreSelection", "TreeMakerSchema"),
        ("zoo/coffea__pduneana.root", "pduneana/beamana", "PDUNESchema"),
    ],
)
def test_every_field_of_other_experiments_is_the_same(
    shared: Callable[[str], Path], tmp_path: Path, file: str, tree: str, name: str
) -> None:
    source, target = shared(file), tmp_path / "small.root"
    hepae.compress(source, target)
    before = events_of(source, getattr(schemas, name), "eager", tree)
    after = events_of(target, getattr(hepae.coffea, name), "eager", tree)
    assert after.fields == before.fields
    for record in before.fields:
        # without the behaviours of coffea, which refuse some records of the original too
        stored, restored = (ak.Array(events[record].layout, behavior={}) for events in (before, after))
        assert restored.fields == stored.fields
        assert ak.array_equal(stored, restored, equal_nan=True, check_parameters=False)
