"""Risk: uproot reads compressed branches wrongly for some codec, range or library, decodes what nobody asked for, or
decodes it twice, hangs, or cannot send a tree to another process.
"""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.decode import codec_of
from tests.chunked import CODECS, chunked, decoded, watched
from tests.compressed import FEATURES, SAMPLE, compressed, model

EVENTS, OBJECTS = 2400, 12169
RUNS = ((0, 2400), (0, 1), (499, 501), (250, 1750), (2000, 2400), (2399, 2400), (700, 700), (-300, -5))


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def file(codec: str) -> Path:
    return chunked(codec)


@pytest.fixture
def tree(file: Path) -> Any:
    # uproot keeps trees by the UUID of their file, and ours keep what they decoded: begin afresh
    return uproot.open(file, object_cache=None, array_cache=None)["Events"]


@pytest.fixture(scope="module")
def original() -> Any:
    return uproot.open(SAMPLE)["Events"].arrays()


def within(restored: Any, stored: Any, feature: str) -> bool:
    """Whether values obey the bounds of `tests.compressed`, counts and dtype included."""
    assert ak.num(restored).tolist() == ak.num(stored).tolist()
    x, y = ak.to_numpy(ak.flatten(stored)), ak.to_numpy(ak.flatten(restored))
    assert x.dtype == y.dtype
    if feature in ("eta", "phi"):
        return bool((np.abs(y.astype(float) - x) <= 1e-3).all())
    if feature in ("pt", "mass"):
        return bool((np.abs(y.astype(float) - x) <= 1e-3 * np.abs(x.astype(float))).all())
    return bool((x == y).all())


def test_every_feature_reads_back_within_its_bound(tree: Any, original: Any) -> None:
    for feature in FEATURES:
        branch = tree[f"Jet_{feature}__hepae"]
        assert branch.typename == f"{uproot.open(SAMPLE)['Events'][f'Jet_{feature}'].typename}"
        assert within(branch.array(), original[f"Jet_{feature}"], feature)


def test_any_run_of_events_is_the_same_part_of_the_whole(tree: Any, file: Path) -> None:
    whole = tree["Jet_mass__hepae"].array()
    for start, stop in RUNS:
        fresh = uproot.open(file, object_cache=None, array_cache=None)["Events"]
        for part in (tree, fresh):
            got = part["Jet_mass__hepae"].array(entry_start=start, entry_stop=stop)
            assert ak.array_equal(got, whole[slice(*slice(start, stop).indices(EVENTS))])


def test_arrays_of_every_library(tree: Any) -> None:
    names = ["nJet", "Jet_pt__hepae", "Jet_muonIdx__hepae", "MET"]
    events = tree.arrays(names, entry_start=480, entry_stop=1020)
    objects = tree.arrays(names, entry_start=480, entry_stop=1020, library="np")
    assert [one.tolist() for one in objects["Jet_pt__hepae"]] == events["Jet_pt__hepae"].tolist()
    assert objects["Jet_muonIdx__hepae"][0].dtype == "int16"
    pytest.importorskip("awkward_pandas", reason="uproot needs it for jagged branches in pandas")
    frame = tree.arrays(names, entry_start=480, entry_stop=1020, library="pd")
    assert ak.array_equal(ak.Array(list(frame["Jet_pt__hepae"])), events["Jet_pt__hepae"], dtype_exact=False)


def test_iterate_and_concatenate(file: Path, tree: Any) -> None:
    whole = tree.arrays(["Jet_eta__hepae", "Jet_pt__hepae"])
    steps = list(uproot.iterate({file: "Events"}, whole.fields, step_size=333))
    assert [len(step) for step in steps] == [333] * 7 + [69]
    assert ak.array_equal(ak.concatenate(steps), whole)
    both = uproot.concatenate([{file: "Events"}, {chunked("lifting"): "Events"}], whole.fields)
    assert len(both) == 2 * EVENTS
    assert ak.array_equal(both[:EVENTS], whole)


def test_virtual_arrays_decode_when_touched(tree: Any) -> None:
    with watched() as opened:
        events = tree.arrays(filter_name=["Jet_*__hepae", "nJet"], virtual=True)
        assert not decoded(opened)
        counts = ak.num(events["Jet_pt__hepae"])
        assert ak.sum(counts) == OBJECTS
        assert ak.max(events["Jet_pt__hepae"]) > 100
    assert "pt" in decoded(opened)
    assert "muonIdx" not in decoded(opened)


def test_one_column_decodes_no_more_than_its_ancestors(tree: Any, codec: str) -> None:
    for feature in ("pt", "muonIdx"):
        fresh = uproot.open(chunked(codec), object_cache=None)["Events"]
        with watched() as opened:
            fresh[f"Jet_{feature}__hepae"].array()
        needed = {feature}
        if codec != "bottleneck":
            needed |= set(codec_of(model(codec)).integer_codec.ancestors(feature))  # type: ignore[union-attr]
            assert len(needed) < len(FEATURES)
        assert decoded(opened) == dict.fromkeys(needed, OBJECTS)


def test_a_run_of_events_decodes_only_its_chunks(codec: str) -> None:
    tree = uproot.open(chunked(codec), object_cache=None)["Events"]
    with watched() as opened:
        tree["Jet_pt__hepae"].array(entry_start=510, entry_stop=520)
    if codec == "bottleneck":
        assert decoded(opened)["pt"] == ak.sum(tree["nJet"].array(entry_start=510, entry_stop=520))
    else:
        assert decoded(opened)["pt"] == ak.sum(tree["nJet"].array(entry_start=500, entry_stop=1000))


def test_all_columns_one_by_one_decode_hardly_more_than_together(tree: Any, codec: str) -> None:
    """What was decoded as an ancestor is kept: a chunk is not decoded again for each column."""
    with watched() as opened:
        for feature in FEATURES:
            tree[f"Jet_{feature}__hepae"].array()
            tree[f"Jet_{feature}__hepae"].array(entry_start=3, entry_stop=2222)
    (collection,) = opened
    assert sum(collection.decoded.values()) <= 2 * len(FEATURES) * OBJECTS
    if codec == "bottleneck":
        assert len(collection._predicted) == 2


def test_a_bottleneck_runs_its_network_once_for_all_columns() -> None:
    tree = uproot.open(chunked("bottleneck"), object_cache=None)["Events"]
    with watched() as opened:
        tree["Jet_pt__hepae"].array()
        (known,) = opened[0]._predicted.values()
        tree.arrays([f"Jet_{feature}__hepae" for feature in FEATURES])
    assert list(opened[0]._predicted.values()) == [known]


def test_many_threads_read_the_same(file: Path, tree: Any) -> None:
    whole = tree.arrays([f"Jet_{feature}__hepae" for feature in FEATURES])
    shared = uproot.open(file, object_cache=None, array_cache=None)["Events"]

    def read(number: int) -> bool:
        feature, (start, stop) = FEATURES[number % len(FEATURES)], RUNS[number % 6]
        got = shared[f"Jet_{feature}__hepae"].array(entry_start=start, entry_stop=stop)
        return bool(ak.array_equal(got, whole[f"Jet_{feature}__hepae"][start:stop]))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(60), timeout=60))


@pytest.mark.parametrize("handler", [None, uproot.MultithreadedFileSource, uproot.MemmapSource])
def test_no_deadlock_with_one_worker(file: Path, tree: Any, handler: Any) -> None:
    options: dict[str, Any] = {} if handler is None else {"handler": handler, "num_workers": 1}
    fresh = uproot.open(file, object_cache=None, array_cache=None, **options)["Events"]
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as caller:
        reading = caller.submit(
            fresh.arrays, ["Jet_mass__hepae", "nJet"], decompression_executor=one, interpretation_executor=one
        )
        got = reading.result(timeout=60)
    assert ak.array_equal(got["Jet_mass__hepae"], tree["Jet_mass__hepae"].array())


def test_trees_and_branches_pickle_before_and_after_reading(tree: Any) -> None:
    before = pickle.loads(pickle.dumps(tree))
    whole = tree["Jet_pt__hepae"].array()
    after = pickle.loads(pickle.dumps(tree))
    branch = pickle.loads(pickle.dumps(tree["Jet_pt__hepae"]))
    for got in (before["Jet_pt__hepae"], after["Jet_pt__hepae"], branch):
        assert ak.array_equal(got.array(), whole)


def test_files_with_different_models_do_not_mix() -> None:
    one, two = (uproot.open(chunked(codec))["Events"]["Jet_pt__hepae"] for codec in ("lifting", "bottleneck"))
    assert one.file.uuid != two.file.uuid
    assert not ak.array_equal(one.array(), two.array())


def test_hepae_open_gives_the_same_under_the_original_names(file: Path, tree: Any) -> None:
    with hepae.open(file) as opened:
        events = opened["Events"].arrays(
            ["Jet_pt", "Jet_nConstituents", "MET"], entry_start=100, entry_stop=600
        )
    for name in ("pt", "nConstituents"):
        assert ak.array_equal(events[f"Jet_{name}"], tree[f"Jet_{name}__hepae"].array()[100:600])


def test_rntuples_read_and_compress(tmp_path: Path) -> None:
    names = ["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "MET"]
    events = uproot.open(SAMPLE)["Events"].arrays(names)
    with uproot.recreate(tmp_path / "ntuple.root") as file:
        file["Events"] = {name: events[name] for name in names}
    with hepae.open(tmp_path / "ntuple.root") as opened:
        assert sorted(opened["Events"].keys()) == sorted(names)
        read = opened["Events"].arrays(names, entry_start=7, entry_stop=900)
        assert all(ak.array_equal(read[name], events[name][7:900]) for name in names)
    recipe = hepae.Recipe(codec="lifting", effort="fast")
    hepae.compress(
        tmp_path / "ntuple.root",
        tmp_path / "small.root",
        collection="Jet",
        bounds=["*=abs:1e-2"],
        recipe=recipe,
    )
    with hepae.open(tmp_path / "small.root") as opened:
        read = opened["Events"].arrays(names)
    assert ak.array_equal(read["MET"], events["MET"])
    assert ak.max(abs(read["Jet_pt"] - events["Jet_pt"])) <= 1e-2 * (1 + 1e-6)


def test_no_basket_of_a_payload_is_fetched_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """uproot has fetched them all when it asks what they mean: over a network that is most of the time."""
    small, fetched = compressed("lifting"), list[tuple[str, int]]()
    basket = uproot.behaviors.TBranch.TBranch.basket

    def counted(self: Any, number: int) -> Any:
        fetched.append((self.name, number))
        return basket(self, number)

    monkeypatch.setattr(uproot.behaviors.TBranch.TBranch, "basket", counted)
    with uproot.open(small, object_cache=None, array_cache=None) as file:
        tree = file["Events"]
        del fetched[:]
        values = tree["Jet_pt__hepae"].array()
        assert "Jet_pt__hepae" not in dict(fetched)
        assert dict(fetched)["nJet"] == tree["nJet"].num_baskets - 1
        assert len(fetched) == len(set(fetched))
        assert ak.array_equal(values, tree["Jet_pt__hepae"].array())
