"""Risk: a value that comes back out of its bound, or anything else of a file that comes back changed."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

import hepae
from hepae.errors import AlreadyCompressedError, BoundError, CollectionError, SchemaError
from hepae.learn.recipe import recipe_of
from hepae.root.file.source import open_source
from hepae.testing import strategies
from hepae.testing.files import jets, write_events

BOUNDS = ["pt,mass=rel:1e-3", "eta,phi,chHEF=abs:1e-3"]

QUICK = {
    "bottleneck": recipe_of({"codec": "bottleneck", "epochs": 2, "layers": (16,)}),
    "lifting": recipe_of({"codec": "lifting"}),
    "masked": recipe_of({"codec": "masked", "effort": "fast"}),
}

SENTINELS = (np.nan, np.inf, -np.inf, -0.0, 0.0, -999.0, -1.0, np.float32(np.pi), 1e30, -5.0, 1e-42)


BROAD = ["bottleneck", "lifting", "masked"]
FITTED = ["bottleneck", "lifting"]
"""Codecs that a test can afford to train for itself."""


@pytest.fixture(scope="session")
def masked_model(tmp_path_factory: pytest.TempPathFactory) -> hepae.Model:
    """A masked model of jets, trained once: the other codecs are trained where they are used."""
    original = write_events(tmp_path_factory.mktemp("masked") / "a.root", *jets(300))
    return hepae.train([original], collection="Jet", bounds=BOUNDS, recipe=QUICK["masked"])


def compressed(
    codec: str, original: Path, target: Path, masked_model: hepae.Model
) -> hepae.files.summary.Compression:
    """Compress jets with a model of the codec."""
    if codec == "masked":
        return hepae.compress(original, target, model=masked_model)
    return hepae.compress(original, target, collection="Jet", bounds=BOUNDS, recipe=QUICK[codec])


def kept(original: Path, file: Path, bounds: list[str] = BOUNDS) -> bool:
    result = hepae.verify(original, file, bounds=bounds)
    assert result.kept, (result.differences, result.offenders)
    return result.kept


@pytest.mark.parametrize("codec", QUICK)
def test_the_bundled_sample_is_within_its_bounds_compressed_and_restored(
    codec: str, sample_root: Path, tmp_path: Path
) -> None:
    bounds = ["*=abs:1e-3", "pt,mass,leadTrackPt=rel:1e-3"]
    small, back = tmp_path / "small.root", tmp_path / "back.root"
    done = hepae.compress(sample_root, small, collection="Jet", bounds=bounds, recipe=QUICK[codec])
    hepae.decompress(small, back)
    assert kept(sample_root, small, bounds)
    restored = [f"Jet_{name}=rel:1e-3" for name in ("pt", "mass", "leadTrackPt")]
    assert kept(sample_root, back, ["Jet_*=abs:1e-3", *restored])
    assert done.objects > 10_000
    assert 0.5 < max(feature.worst for feature in done.features) <= 1


@pytest.mark.parametrize("codec", FITTED)
def test_csv_becomes_a_file_within_its_bounds(codec: str, sample_csv: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.root"
    bounds = ["E,pt=rel:1e-3", "eta,phi=abs:1e-3"]
    hepae.compress(sample_csv, small, collection="Jet", bounds=bounds, recipe=QUICK[codec])
    assert kept(sample_csv, small, bounds)


@pytest.mark.parametrize("codec", BROAD)
@pytest.mark.parametrize("n_events", [0, 1, 3])
def test_files_with_hardly_an_event(
    codec: str, n_events: int, tmp_path: Path, masked_model: hepae.Model
) -> None:
    original = write_events(tmp_path / "a.root", *jets(n_events))
    compressed(codec, original, tmp_path / "b.root", masked_model)
    assert kept(original, tmp_path / "b.root")


@pytest.mark.parametrize("codec", BROAD)
@pytest.mark.parametrize("counts", [[0, 0, 0], [0, 3, 0], [5, 0, 0, 2], [1]], ids=str)
def test_empty_events_first_last_and_everywhere(
    codec: str, counts: list[int], tmp_path: Path, masked_model: hepae.Model
) -> None:
    _, columns = jets(100)
    n = sum(counts)
    original = write_events(tmp_path / "a.root", np.array(counts), {k: v[:n] for k, v in columns.items()})
    compressed(codec, original, tmp_path / "b.root", masked_model)
    assert kept(original, tmp_path / "b.root")


@pytest.mark.parametrize("codec", BROAD)
def test_nan_infinities_signed_zeros_sentinels_and_what_is_no_jet(
    codec: str, tmp_path: Path, masked_model: hepae.Model
) -> None:
    counts, columns = jets(400)
    rng = np.random.default_rng(5)
    for name in ("pt", "eta", "phi", "mass"):
        columns[name][rng.random(len(columns[name])) < 0.2] = rng.choice(np.array(SENTINELS, np.float32))
        columns[name][: len(SENTINELS)] = SENTINELS
    columns["eta"].view(np.uint32)[20] = 0x7FC12345
    original = write_events(tmp_path / "a.root", counts, columns)
    done = compressed(codec, original, tmp_path / "b.root", masked_model)
    assert kept(original, tmp_path / "b.root")
    # the NaN with a payload of its own is no frequent value: it at least is stored bit for bit, and the summary says so
    assert 0 < {feature.branch: feature.escapes for feature in done.features}["Jet_eta"] < len(columns["eta"])
    checked = hepae.verify(original, tmp_path / "b.root").trees["Events"].columns["Jet_eta"]
    assert 0 < checked.escapes < len(columns["eta"])
    restored = hepae.open(tmp_path / "b.root")["Events"].arrays(["Jet_eta"])["Jet_eta"].layout.content.data
    assert np.asarray(restored).view(np.uint32)[20] == 0x7FC12345


@pytest.mark.parametrize("codec", ["lifting"])
@pytest.mark.parametrize(
    "dtype",
    ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"],
)
def test_every_dtype_keeps_its_type_and_its_edges(codec: str, dtype: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    kind = np.dtype(dtype)
    if kind.kind in "iu":
        edges = np.iinfo(kind)
        values = rng.integers(edges.min, edges.max, 300, dtype=kind, endpoint=True)
        values[:2] = edges.min, edges.max
    else:
        values = rng.normal(0, 100, 300).astype(kind)
    original = write_events(tmp_path / "a.root", np.full(100, 3), {"x": values, "y": values[::-1].copy()})
    hepae.compress(original, tmp_path / "b.root", collection="Jet", recipe=QUICK[codec])
    result = hepae.verify(original, tmp_path / "b.root")
    assert result.kept
    assert result.trees["Events"].columns["Jet_x"].identical == 300


@settings(max_examples=12)
@given(
    st.sampled_from(["lifting", "bottleneck"]),
    strategies.counts(),
    strategies.bounds(),
    st.integers(0, 2**32 - 1),
)
def test_any_bit_pattern_under_any_bound(
    tmp_path: Path, codec: str, counts: np.ndarray, bound: hepae.core.values.bounds.Bound, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n = int(counts.sum())
    columns = {
        "x": rng.integers(0, 2**32, n, dtype=np.uint32).view(np.float32),
        "y": rng.exponential(50, n).astype(np.float32),
        "z": rng.integers(0, 5, n).astype(np.int16),
    }
    original = write_events(tmp_path / "a.root", counts, columns)
    (tmp_path / "b.root").unlink(missing_ok=True)  # of the example before
    try:
        hepae.compress(
            original, tmp_path / "b.root", collection="Jet", bounds=[f"y={bound}"], recipe=QUICK[codec]
        )
    except BoundError:  # finer than the dtype or a float network resolves
        assert not (tmp_path / "b.root").exists()
        return
    assert kept(original, tmp_path / "b.root", [f"y={bound}"])


@pytest.mark.parametrize("codec", BROAD)
def test_a_model_of_other_physics_keeps_the_bound(
    codec: str, tmp_path: Path, masked_model: hepae.Model
) -> None:
    model = masked_model
    if codec != "masked":
        trained_on = write_events(tmp_path / "a.root", *jets(500, seed=1))
        model = hepae.train([trained_on], collection="Jet", bounds=BOUNDS, recipe=QUICK[codec])
    counts, columns = jets(500, seed=2)
    foreign = {
        name: np.random.default_rng(7).permutation(values) * values.dtype.type(3)
        if values.dtype == "f4"
        else values
        for name, values in columns.items()
    }
    foreign["eta"] = (
        np.random.default_rng(8).integers(0, 2**32, len(foreign["eta"]), np.uint32).view(np.float32)
    )
    original = write_events(tmp_path / "b.root", counts, foreign)
    hepae.compress(original, tmp_path / "c.root", model=model)
    assert kept(original, tmp_path / "c.root")


def test_a_feature_of_the_model_that_is_missing_or_of_another_dtype_is_refused(tmp_path: Path) -> None:
    counts, columns = jets(50)
    model = hepae.train(
        [write_events(tmp_path / "a.root", counts, columns)],
        collection="Jet",
        bounds=BOUNDS,
        recipe=QUICK["lifting"],
    )
    renamed = {("ptt" if name == "pt" else name): values for name, values in columns.items()}
    with pytest.raises(SchemaError, match="Jet_ptt"):
        hepae.compress(write_events(tmp_path / "b.root", counts, renamed), tmp_path / "x.root", model=model)
    wide = {**columns, "pt": columns["pt"].astype(np.float64)}
    with pytest.raises(SchemaError, match="float64"):
        hepae.compress(write_events(tmp_path / "c.root", counts, wide), tmp_path / "x.root", model=model)
    assert not (tmp_path / "x.root").exists()


def test_extra_branches_pass_through(tmp_path: Path) -> None:
    counts, columns = jets(50)
    model = hepae.train(
        [write_events(tmp_path / "a.root", counts, columns)],
        collection="Jet",
        features=["pt", "eta"],
        bounds=["pt=rel:1e-3", "eta=abs:1e-3"],
        recipe=QUICK["lifting"],
    )
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root", model=model)
    result = hepae.verify(tmp_path / "a.root", tmp_path / "b.root")
    assert result.kept
    assert [check.name for check in result.columns() if check.compressed] == ["Jet_pt", "Jet_eta"]


def test_a_compressed_collection_is_not_compressed_again_but_another_one_is(
    sample_root: Path, tmp_path: Path
) -> None:
    hepae.compress(sample_root, tmp_path / "a.root", collection="Jet", recipe=QUICK["lifting"])
    with pytest.raises(AlreadyCompressedError, match="Jet is compressed already"):
        hepae.compress(tmp_path / "a.root", tmp_path / "b.root", collection="Jet", recipe=QUICK["lifting"])
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root", collection="Muon", recipe=QUICK["lifting"])
    hepae.decompress(tmp_path / "b.root", tmp_path / "c.root")
    assert hepae.verify(sample_root, tmp_path / "b.root").kept
    assert hepae.verify(sample_root, tmp_path / "c.root").kept


def test_what_is_not_compressed_is_copied(sample_root: Path, tmp_path: Path) -> None:
    """As `compress` does with what would not become smaller."""
    hepae.decompress(sample_root, tmp_path / "x.root")
    assert (tmp_path / "x.root").read_bytes() == sample_root.read_bytes()
    with pytest.raises(CollectionError, match="nothing is compressed"):
        hepae.decompress(sample_root, tmp_path / "y.root", tree="Events")


def test_a_collection_that_is_not_there_names_those_that_are(sample_root: Path, tmp_path: Path) -> None:
    with pytest.raises(CollectionError, match="Jet, Muon"):
        hepae.compress(sample_root, tmp_path / "x.root", collection="Jets", recipe=QUICK["lifting"])


def test_branches_of_one_collection_that_disagree_are_refused_with_the_event(tmp_path: Path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"Jet_pt": "var * float32", "Jet_eta": "var * float32"})
        import awkward as ak

        tree.extend({"Jet_pt": ak.Array([[1.0], [2.0, 3.0]]), "Jet_eta": ak.Array([[1.0], [2.0]])})
    with pytest.raises(CollectionError, match="event 1"):
        hepae.compress(
            path, tmp_path / "b.root", collection="Jet", features=["pt", "eta"], recipe=QUICK["lifting"]
        )


def test_physlite_is_written_to_a_side_file(shared, tmp_path: Path) -> None:
    original = shared("PHYSLITE_example.root")
    arguments = {
        "collection": "AnalysisJetsAuxDyn",
        "features": ["pt", "eta", "phi", "m"],
        "bounds": ["pt,m=rel:1e-3", "eta,phi=abs:1e-3"],
        "recipe": QUICK["bottleneck"],
    }
    hepae.compress(original, tmp_path / "side.root", side=True, **arguments)
    assert hepae.verify(original, tmp_path / "side.root").kept
    with open_source(tmp_path / "side.root") as source:
        assert source.tree("CollectionTree").num_entries == 100


@pytest.mark.parametrize("codec", FITTED)
def test_real_nanoaod_is_within_its_bounds_and_all_else_the_same(codec: str, shared, tmp_path: Path) -> None:
    original = shared("nanoAOD_2015_CMS_Open_Data_ttbar.root")
    bounds = ["pt,eta,phi,mass,*EF=bits:9"]
    hepae.compress(original, tmp_path / "a.root", collection="Jet", bounds=bounds, recipe=QUICK[codec])
    hepae.decompress(tmp_path / "a.root", tmp_path / "b.root")
    restored = [f"Jet_{name}=bits:9" for name in ("pt", "eta", "phi", "mass", "*EF")]
    result = hepae.verify(original, tmp_path / "b.root", bounds=restored)
    assert result.kept, (result.differences, result.offenders)
    assert len(list(result.columns())) == 947


@pytest.mark.parametrize("codec", BROAD)
def test_the_same_input_and_seed_give_the_same_bytes(codec: str, tmp_path: Path) -> None:
    original = write_events(tmp_path / "a.root", *jets(60))
    written = []
    for name in ("b.root", "c.root"):
        hepae.compress(original, tmp_path / name, collection="Jet", bounds=BOUNDS, recipe=QUICK[codec])
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_one_event_with_a_million_objects(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    pt = rng.exponential(30, 1_000_001).astype(np.float32)
    original = write_events(tmp_path / "a.root", np.array([0, 1_000_000, 1]), {"pt": pt})
    hepae.compress(
        original, tmp_path / "b.root", collection="Jet", bounds=["pt=rel:1e-3"], recipe=QUICK["lifting"]
    )
    assert kept(original, tmp_path / "b.root", ["pt=rel:1e-3"])


def test_dither_is_reproducible_within_the_bound_and_differs_from_the_middle_of_cells(tmp_path: Path) -> None:
    original = write_events(tmp_path / "a.root", *jets(500))
    for name, dither in (("plain", False), ("dither", True)):
        recipe = recipe_of({"codec": "lifting", "dither": dither})
        hepae.compress(original, tmp_path / f"{name}.root", collection="Jet", bounds=BOUNDS, recipe=recipe)
        assert kept(original, tmp_path / f"{name}.root")
    whole = hepae.open(tmp_path / "dither.root")["Events"]["Jet_pt"].array()
    part = hepae.open(tmp_path / "dither.root")["Events"]["Jet_pt"].array(entry_start=100, entry_stop=200)
    assert ak.array_equal(whole[100:200], part)
    assert not ak.array_equal(whole, hepae.open(tmp_path / "plain.root")["Events"]["Jet_pt"].array())


def test_a_second_tree_and_other_objects_are_kept(sample_root: Path, tmp_path: Path) -> None:
    hepae.compress(sample_root, tmp_path / "a.root", collection="Jet", recipe=QUICK["lifting"])
    with open_source(sample_root) as before, open_source(tmp_path / "a.root") as after:
        assert {key.path for key in before.keys} <= {key.path for key in after.keys}


def test_a_tree_in_a_directory_stays_there(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mkdir("deep/down").mktree("Events", {"Jet_pt": "var * float32"}, title="in a directory")
        tree.extend({"Jet_pt": ak.Array([[50.0, 30.0], [], [20.0]])})
    hepae.compress(tmp_path / "a.root", tmp_path / "b.root", collection="Jet", recipe=QUICK["lifting"])
    hepae.decompress(tmp_path / "b.root", tmp_path / "c.root")
    for name in ("b.root", "c.root"):
        assert hepae.verify(tmp_path / "a.root", tmp_path / name).kept
        with open_source(tmp_path / name) as source:
            assert list(source.trees) == ["deep/down/Events"]
