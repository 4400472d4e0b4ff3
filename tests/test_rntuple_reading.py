"""Compressed RNTuples read as the originals: plain uproot, hepae.open, dask, coffea, RDataFrame."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.errors import BoundViolationError, CorruptionError, InputError
from hepae.root.columns import Column, Jagged
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.plain import append_cluster, plain_header
from hepae.root.ttree.plan import NewBranch
from tests.root_process import in_root, needs_root

N = 3000


def same(one: Any, two: Any) -> bool:
    return bool(ak.array_equal(one, two, equal_nan=True, dtype_exact=True))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same events as they were, in three clusters, and compressed with a field that is kept."""
    folder = tmp_path_factory.mktemp("reading")
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 4, N)
    total = int(counts.sum())
    jets = ak.zip({"pt": rng.exponential(30, total).astype("f4"), "id": rng.integers(0, 6, total)})
    data = ak.Array(
        {
            "event": np.arange(N, dtype="u8"),
            "Jet": ak.unflatten(jets, counts),
            "met": rng.exponential(20, N).astype("f4"),
            "flag": rng.integers(0, 2, N).astype(bool),
            "lists": ak.unflatten(ak.unflatten(rng.integers(0, 9, 2 * total), np.full(total, 2)), counts),
            "name": [f"run {number // 100}" for number in range(N)],
        }
    )
    with uproot.recreate(folder / "a.root") as file:
        ntuple = file.mkrntuple("Events", data[:1000])
        ntuple.extend(data[1000:1007])
        ntuple.extend(data[1007:])
    done = hepae.compress(folder / "a.root", folder / "small.root", skip=["met"])
    assert [tree.path for tree in done.trees] == ["Events"]
    return folder / "a.root", folder / "small.root"


@pytest.mark.parametrize("entries", [(None, None), (0, 5), (990, 1020), (-7, None), (5, 5)])
def test_uproot_reads_it_as_before(pair: tuple[Path, Path], entries: tuple[int | None, int | None]) -> None:
    with uproot.open(pair[0]) as first, uproot.open(pair[1]) as second:
        before, after = first["Events"], second["Events"]
        assert after.keys() == before.keys()
        assert after.classname == before.classname
        for name in before.keys():  # noqa: SIM118 - no dict
            assert after[name].typename == before[name].typename
        start, stop = entries
        one, two = (tree.arrays(entry_start=start, entry_stop=stop) for tree in (before, after))
        assert same(one, two)
        assert same(before["Jet.pt"].array(), after["Jet.pt"].array())


def test_uproot_iterates_and_asks_dask(pair: tuple[Path, Path]) -> None:
    with uproot.open(pair[0]) as file:
        before = file["Events"].arrays(["event", "Jet"])
    parts = list(uproot.iterate({str(pair[1]): "Events"}, ["event", "Jet"], step_size=700))
    assert same(ak.concatenate(parts), before)
    pytest.importorskip("dask_awkward")
    lazy = uproot.dask({str(pair[1]): "Events"})
    assert same(lazy.event.compute(), before.event)


def test_dask_has_values_and_titles(pair: tuple[Path, Path]) -> None:
    pytest.importorskip("dask_awkward")
    dask = pytest.importorskip("hepae.dask")
    with uproot.open(pair[0]) as file:
        expected = file["Events"].arrays()
    for path in pair:
        for opened in (True, False):
            events = dask.events({str(path): "Events"}, open_files=opened)
            assert set(expected.fields) == set(events.fields)
            for name in ("event", "met", "lists", "name"):
                assert events[name].compute().tolist() == expected[name].tolist()


@pytest.mark.parametrize("mode", ["eager", "virtual", "dask"])
def test_coffea_has_the_fields_of_the_original(pair: tuple[Path, Path], mode: str) -> None:
    nanoevents, coffea = pytest.importorskip("coffea.nanoevents"), pytest.importorskip("hepae.coffea")
    found = []
    for path, schema in ((pair[0], nanoevents.BaseSchema), (pair[1], coffea.BaseSchema)):
        source = {str(path): "Events"}
        events = nanoevents.NanoEventsFactory.from_root(source, schemaclass=schema, mode=mode).events()
        columns = [events[name] for name in ("event", "met", "flag")]
        found.append([column.compute() if mode == "dask" else column for column in columns])
    assert all(ak.array_equal(*columns) for columns in zip(*found, strict=True))


def test_hepae_open_has_the_original_names(pair: tuple[Path, Path]) -> None:
    with hepae.open(pair[0]) as first, hepae.open(pair[1]) as second:
        before, after = first["Events"], second["Events"]
        assert second.keys() == first.keys() == ["Events;1"]
        assert (
            after.keys()
            == before.keys()
            == ["event", "Jet", "Jet.pt", "Jet.id", "met", "flag", "lists", "name"]
        )
        assert same(after["Jet.pt"].array(), before["Jet.pt"].array())
        assert same(
            after.arrays(["met", "event"], entry_stop=9), before.arrays(["met", "event"], entry_stop=9)
        )


def test_entries_of_another_chunk_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with open_source(pair[1]) as source:
        ntuple = source.ntuple(source.key("Events"))
        column = next(
            n for n, c in enumerate(ntuple.schema.columns) if ntuple.schema.fields[c.field].name == "hepae"
        )
        cluster = ntuple.clusters[1]
        page = cluster.pages(column)[0]
        start, size = int(cluster.offsets[page]), int(cluster.sizes[page])
    data = bytearray(pair[1].read_bytes())
    data[start + size - 1] ^= 1
    (tmp_path / "bad.root").write_bytes(data)
    with uproot.open(tmp_path / "bad.root") as file, pytest.raises(Exception, match=r"checksum|dropped"):
        file["Events"]["event"].array()


def test_a_payload_that_is_missing_is_told(pair: tuple[Path, Path], tmp_path: Path) -> None:
    data = pair[1].read_bytes().replace(b"Events__hepae", b"Events__other")
    (tmp_path / "alone.root").write_bytes(data)
    with uproot.open(tmp_path / "alone.root") as file, pytest.raises(CorruptionError, match="missing"):
        file["Events"]


@pytest.mark.shared
@pytest.mark.filterwarnings(
    "ignore::RuntimeWarning"
)  # of coffea's, on cross-references that the sample lacks
def test_coffea_reads_nanoaod(shared: Callable[[str], Path], tmp_path: Path) -> None:
    factory = pytest.importorskip("coffea.nanoevents")
    path, small = shared("zoo/coffea__nano_dy_rntuple.root"), tmp_path / "small.root"
    assert hepae.compress(path, small).trees
    events = [
        factory.NanoEventsFactory.from_root(
            {str(file): "Events"}, schemaclass=factory.NanoAODSchema, mode=mode
        ).events()
        for file in (path, small)
        for mode in ("eager", "virtual")
    ]
    for other in events[1:]:
        assert other.fields == events[0].fields
        assert same(other.Jet.pt, events[0].Jet.pt)
        assert same(other.Muon.mass, events[0].Muon.mass)


@pytest.mark.root
@needs_root
def test_rdataframe_in_memory(pair: tuple[Path, Path]) -> None:
    code = """
import hepae, hepae.rdataframe
frame = hepae.rdataframe.open(paths[0], ["met", "event"])
everything = hepae.rdataframe.open(paths[0])
result = [frame.Sum("met").GetValue(), frame.Count().GetValue(), sorted(str(n) for n in everything.GetColumnNames())]
"""
    total, count, names = in_root(code, pair[1])
    with uproot.open(pair[0]) as file:
        assert total == pytest.approx(float(ak.sum(file["Events"]["met"].array())), rel=1e-5)
    assert count == N
    assert {"event", "met", "flag"} <= set(names)


def written(path: Path) -> Path:
    """An RNTuple whose pages have checksums, which uproot does not write."""
    plan = [
        NewBranch("number", "uint32"),
        NewBranch("noise", "float64"),
        NewBranch("lists", "uint16", "", ""),
    ]
    rng = np.random.default_rng(1)
    with RootWriter(path, ntuples=True) as out:
        ntuple = out.new_ntuple("Events", plain_header("Events", "", plan))
        for cluster in range(2):
            counts = rng.integers(0, 4, 8000)
            columns: dict[str, Column] = {
                "number": (cluster + np.cumsum(rng.integers(0, 3, 8000))).astype(np.uint32),
                "noise": rng.random(8000),
                "lists": Jagged(counts, rng.integers(0, 900, int(counts.sum())).astype(np.uint16)),
            }
            append_cluster(ntuple, plan, columns, 8000)
        ntuple.finish()
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_to_pages_that_are_kept_is_seen(tmp_path: Path, compressed: bool) -> None:
    path = plain = written(tmp_path / "plain.root")
    if compressed:
        path = tmp_path / "small.root"
        hepae.compress(plain, path, skip=["noise", "lists"])
    with open_source(path) as source, hepae.open(path) as file:
        assert compressed == any(key.path == "Events__hepae" for key in source.keys)
        expected = source.tree("Events").read("noise", 0, 16000).tolist()  # type: ignore[union-attr]
        assert file["Events"]["noise"].array().tolist() == expected
        ntuple = source.ntuple(source.key("Events"))
        pages = [
            (int(cluster.offsets[page]), int(cluster.offsets[page] + cluster.spans[page]))
            for cluster in ntuple.clusters
            for field in ("noise", "lists")
            for column in source.tree("Events").columns.whole[field].columns  # type: ignore[union-attr]
            for page in cluster.pages(column)
        ]
    assert len(pages) == 6
    raw = path.read_bytes()
    for place, (start, stop) in zip(range(8), 4 * pages, strict=False):
        data = bytearray(raw)
        data[int(np.random.default_rng(place).integers(start, stop))] ^= 1 << place
        (tmp_path / "bad.root").write_bytes(data)
        with pytest.raises(InputError, match="checksum"), hepae.open(tmp_path / "bad.root") as file:
            file["Events"].arrays(["noise", "lists"])
        with pytest.raises(InputError, match="checksum"):
            hepae.decompress(tmp_path / "bad.root", tmp_path / "back.root", container="ttree")
        assert not (tmp_path / "back.root").exists()
        with pytest.raises((InputError, BoundViolationError)):
            hepae.verify(plain, tmp_path / "bad.root").require_kept()
        if compressed:
            uncached = uproot.open(tmp_path / "bad.root", object_cache=None, array_cache=None)
            with pytest.raises(InputError, match="checksum"), uncached as file:
                file["Events"].arrays(["noise", "lists"])
