"""RNTuples that are compressed as a whole, and back: values, schema, pages that are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import CorruptionError, HepaeError
from hepae.learn.recipe import recipe_of
from hepae.root.file.source import open_source
from hepae.root.rntuple.ntuple import NTuple
from hepae.stored.compressed import as_stored
from hepae.stored.described import schemas_of
from hepae.stored.models import models_of
from hepae.stored.ntuples import compressed_ntuple
from tests.format_fields import Maker, envelope
from tests.format_layouts import entries_of
from tests.root_process import in_root, needs_root

N = 5000


def events() -> ak.Array:
    """Events with every kind of field that uproot writes."""
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, N)
    total = int(counts.sum())
    pt = rng.exponential(30, total).astype("f4")
    jets = ak.zip(
        {
            "pt": np.float32(20) + pt,
            "eta": rng.normal(0, 2, total).astype("f4"),
            "id": rng.integers(0, 6, total),
        }
    )
    return ak.Array(
        {
            "event": np.arange(N, dtype="u8") + 2**40,
            "flag": rng.integers(0, 2, N).astype(bool),
            "met": (pt.sum() / N + rng.exponential(20, N)).astype("f4"),
            "Jet": ak.unflatten(jets, counts),
            "weights": ak.unflatten(ak.unflatten(rng.normal(1, 0.1, 2 * total), np.full(total, 2)), counts),
            "matrix": ak.to_regular(rng.integers(0, 9, (N, 2, 3)).astype("i2"), axis=None),
            "name": [f"run {number // 100}" for number in range(N)],
        }
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "a.root"
    data = events()
    with uproot.recreate(path) as file:
        ntuple = file.mkrntuple("Events", data[:2000])
        ntuple.extend(data[2000:2100])
        ntuple.extend(data[2100:])
        file["Runs"] = ak.Array({"run": np.arange(3), "sum": np.array([0.5, 1.5, 2.5])})
        file.mktree("tree", {"x": "float32"}).extend({"x": np.arange(4, dtype="f4")})
    return path


@pytest.fixture(scope="module")
def small(original: Path) -> Path:
    path = original.with_name("small.root")
    done = hepae.compress(original, path)
    assert [tree.path for tree in done.trees] == ["Events", "Runs", "tree"]
    assert done.file_after < 0.9 * done.file_before
    return path


def ntuple_of(path: Path, tree: str = "Events") -> NTuple:
    source = open_source(path)
    return source.ntuple(source.key(tree))


def same(one: Any, two: Any) -> bool:
    return bool(ak.array_equal(one, two, equal_nan=True, dtype_exact=True))


def test_a_file_comes_back_with_its_very_schema(original: Path, small: Path, tmp_path: Path) -> None:
    back = tmp_path / "back.root"
    assert hepae.decompress(small, back) == ["Events", "Runs", "tree"]
    assert hepae.verify(original, back).kept
    for tree in ("Events", "Runs"):
        before, after = ntuple_of(original, tree), ntuple_of(back, tree)
        assert after.header_bytes == before.header_bytes
        assert after.edges.tolist() == before.edges.tolist()
        for one, two in zip(before.clusters, after.clusters, strict=True):
            assert two.numbers.tolist() == one.numbers.tolist()
            assert two.firsts.tolist() == one.firsts.tolist()
            assert two.settings.tolist() == one.settings.tolist()
    with uproot.open(original) as first, uproot.open(back) as second:
        assert same(first["Events"].arrays(), second["Events"].arrays())
        assert second.classnames() == first.classnames()


def test_what_is_in_the_compressed_file(original: Path, small: Path) -> None:
    left, payload = ntuple_of(small), ntuple_of(small, "Events__hepae")
    assert [field.name for field in left.schema.fields] == ["hepae"]
    assert left.edges.tolist() == ntuple_of(original).edges.tolist()
    assert [field.name for field in payload.schema.fields if field.name != "_0"] == [
        "chunk",
        "entries",
        "schema",
        "sizes",
        "payload",
    ]
    assert len(payload.clusters) == payload.num_entries == 1
    with uproot.open(small) as file:
        assert file["Events__hepae"]["entries"].array().to_list() == [N]


def test_bounds_hold_and_are_those_of_the_request(original: Path, tmp_path: Path) -> None:
    bounds = ["Jet.pt=rel:1e-3", "met=abs:0.5", "weights=bits:10"]
    hepae.compress(original, tmp_path / "lossy.root", bounds=bounds)
    checked = hepae.verify(original, tmp_path / "lossy.root", bounds=bounds)
    assert checked.kept
    columns = checked.trees["Events"].columns
    assert not columns["Jet.pt"].same
    assert columns["Jet.eta"].same
    assert 0 < columns["Jet.pt"].worst <= 1
    assert not hepae.verify(original, tmp_path / "lossy.root", bounds=["Jet.pt=rel:1e-5", *bounds[1:]]).kept
    hepae.decompress(tmp_path / "lossy.root", tmp_path / "back.root")
    with uproot.open(original) as first, uproot.open(tmp_path / "back.root") as second:
        before, after = (file["Events"].arrays() for file in (first, second))
    assert ak.max(abs(after.met - before.met)) <= 0.5
    assert same(before[["event", "flag", "matrix", "name"]], after[["event", "flag", "matrix", "name"]])


def test_fields_that_are_kept_are_read_without_hepae(original: Path, tmp_path: Path) -> None:
    hepae.compress(original, tmp_path / "kept.root", skip=["met", "Jet.id"])
    left = ntuple_of(tmp_path / "kept.root")
    names = [field.name for number, field in enumerate(left.schema.fields) if field.parent == number]
    assert names == ["met", "Jet", "hepae"]
    before = ntuple_of(original)
    assert left.sealed(left.clusters[0], 0) == before.sealed(before.clusters[0], 2)
    hepae.decompress(tmp_path / "kept.root", tmp_path / "back.root")
    assert hepae.verify(original, tmp_path / "back.root").kept
    hepae.compress(original, tmp_path / "only.root", only=["event", "name"])
    assert {field.name for field in ntuple_of(tmp_path / "only.root").schema.fields} >= {"flag", "met", "Jet"}
    assert hepae.verify(original, tmp_path / "only.root").kept


def test_compressing_twice_leaves_it_alone(small: Path, tmp_path: Path) -> None:
    done = hepae.compress(small, tmp_path / "again.root")
    assert done.trees == []
    assert sum("compressed already" in line for line in done.left) == 3
    with pytest.raises(HepaeError, match="compressed already"):
        hepae.compress(small, tmp_path / "again.root", only=["met"])


def test_a_second_maker_has_the_same_elements(original: Path, small: Path) -> None:
    with open_source(small) as source, as_stored(), uproot.open(original) as file:
        ((text, header, _),) = [
            parts for parts in schemas_of(source).values() if json.loads(parts[0])["tree"] == "Events"
        ]
        stored, ntuple = json.loads(text), file["Events"]
        described, footer = envelope(header)
        compressed = compressed_ntuple(source, "Events", models_of(source))
        assert compressed is not None
        values = compressed.whole(compressed.payload.rows[0])
        made = 0
        for cluster, summary in enumerate(ntuple.cluster_summaries):
            start, stop = summary.num_first_entry, summary.num_first_entry + summary.num_entries
            for field in stored["fields"]:
                columns = {}
                for physical, column in field["columns"]:
                    part = values[column].cut(start, stop)
                    columns[physical] = entries_of(part.levels, part.values.tolist())
                number = [record.field_name for record in described.field_records].index(field["name"])
                for physical, elements in Maker(described, columns).field(number).items():
                    expected = ntuple.read_cluster_pages(
                        cluster, physical, ntuple.get_field_metadata(physical)
                    )
                    assert elements == expected.tolist(), (field["name"], physical, cluster)
                    made += 1
    assert made == 3 * len(described.column_records)
    assert footer[:2] == b"\x02\x00"


def test_a_flipped_bit_is_seen(small: Path, tmp_path: Path) -> None:
    payload = ntuple_of(small, "Events__hepae")
    cluster = payload.clusters[0]
    column = len(payload.schema.columns) - 1
    place = int(cluster.offsets[cluster.pages(column)[0]])
    data = bytearray(small.read_bytes())
    data[place + 100] ^= 4
    (tmp_path / "bad.root").write_bytes(data)
    with pytest.raises(CorruptionError):
        hepae.decompress(tmp_path / "bad.root", tmp_path / "back.root")
    assert not (tmp_path / "back.root").exists()


IMPORT = """
importer = getattr(ROOT, "RNTupleImporter", None) or ROOT.Experimental.RNTupleImporter
one = importer.Create(paths[0], "Events", paths[1])
one.SetIsQuiet(True)
one.Import()
result = 0
"""


@pytest.mark.root
@needs_root
@pytest.mark.parametrize("container", ["ttree", "rntuple"])
def test_a_collection_of_an_imported_tree_is_stored_once(tmp_path: Path, container: str) -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, 3000)
    pt, eta = (ak.unflatten(rng.exponential(30, int(counts.sum())).astype("f4"), counts) for _ in range(2))
    weights = ak.unflatten(rng.exponential(1, 6000).astype("f4"), np.full(3000, 2))
    with uproot.recreate(tmp_path / "tree.root") as file:
        types = {"Jet": ak.zip({"pt": pt, "eta": eta}), "PSWeight": weights, "event": np.arange(3000)}
        file.mktree("Events", {name: ak.type(column) for name, column in types.items()}).extend(types)
    in_root(IMPORT, tmp_path / "tree.root", tmp_path / "ntuple.root")
    small, bounds = tmp_path / "small.root", ["pt=rel:1e-2", "eta=rel:1e-2"]
    recipe = recipe_of({"codec": "lifting"})
    path = tmp_path / "ntuple.root"
    hepae.compress(path, small, collection="Jet", bounds=bounds, recipe=recipe, container=container)  # type: ignore[arg-type]
    with hepae.open(small) as file:
        names = file["Events"].keys()
        assert {"Jet_pt", "Jet_eta", "nJet", "PSWeight", "nPSWeight", "event"} <= set(names)
        moved = np.abs(flat(file["Events"]["Jet_pt"].array()) - flat(pt))
        assert moved.max() > 0
        assert (moved <= 1e-2 * flat(pt)).all()
        assert flat(file["Events"]["PSWeight"].array()).tobytes() == flat(weights).tobytes()
    stored = [name for name in uproot_names(small) if "Jet_pt" in name and not name.startswith("n")]
    assert len(stored) <= 1


def flat(array: Any) -> Any:
    return np.asarray(ak.flatten(array))


def uproot_names(path: Path) -> list[str]:
    """Names of what is in the file, unrestored."""
    with as_stored(), uproot.open(path) as file:
        return list(file["Events"].keys())
