"""RNTuples copied as they are: pages stay sealed, everything that points to them is written anew."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
import xxhash

import hepae
from hepae.errors import InputError, UnsupportedError
from hepae.files.merge.file import merge
from hepae.files.pipeline import compress
from hepae.files.skim.file import skim
from hepae.root.file import container
from hepae.root.file.compression import ZSTD_DEFAULT
from hepae.root.file.source import RNTUPLES, Source, open_source
from hepae.root.file.writer import RootWriter
from hepae.root.rntuple.clusters import SealedPage
from hepae.root.rntuple.copying import linked
from hepae.root.rntuple.envelopes import NTupleHeader
from hepae.root.rntuple.ntuple import NTuple
from hepae.root.rntuple.schema import ColumnRecord, FieldRecord, Schema
from tests.root_ntuples import shown, write_attributes, write_cms
from tests.root_process import in_root, needs_root

SHARED = Path(__file__).parents[1] / "../shared/data/zoo"
ZOO = sorted(SHARED.glob("*rntuple*.root"))


def copied(path: Path, target: Path) -> Path:
    with open_source(path) as source, RootWriter(target, source) as out:
        assert out.copy_rest() == []
    return target


def ntuples(source: Source) -> Iterator[tuple[str, NTuple]]:
    for key in source.keys:
        if key.classname in RNTUPLES:
            yield f"{key.path};{key.cycle}", source.ntuple(key)


def assert_sealed_alike(one: NTuple, other: NTuple) -> None:
    """Header, extension, groups, clusters and pages are the same bytes; only positions differ."""
    assert one.header_bytes == other.header_bytes
    assert one.stored(one.anchor.header, "header") == other.stored(other.anchor.header, "header")
    assert one.footer.extension == other.footer.extension
    assert [len(group) for group in one.groups] == [len(group) for group in other.groups]
    for mine, theirs in zip(one.clusters, other.clusters, strict=True):
        for name in ("starts", "elements", "sizes", "sums", "firsts", "settings"):
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
        for column in range(mine.columns):
            assert one.sealed(mine, column) == other.sealed(theirs, column)


def assert_same(before: Path, after: Path) -> None:
    """RNTuples are the same on disk, and plain uproot reads the same of both files."""
    with open_source(before) as source, open_source(after) as copy:
        assert [(key.path, key.cycle, key.title) for key in source.keys] == [
            (key.path, key.cycle, key.title) for key in copy.keys
        ]
        pairs = list(zip(ntuples(source), ntuples(copy), strict=True))
        assert pairs
        for (_, one), (_, other) in pairs:
            assert_sealed_alike(one, other)
    with uproot.open(before) as file, uproot.open(after) as copy:
        for name, _ in ((name, one) for (name, one), _ in pairs):
            if len(file[name].field_records) > 1000:  # for NanoAOD uproot takes half a minute
                assert file[name].num_entries == copy[name].num_entries
                continue
            arrays, again = file[name].arrays(), copy[name].arrays()
            assert str(arrays.type) == str(again.type)
            assert ak.array_equal(arrays, again, equal_nan=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copies")


@pytest.fixture(scope="module")
def cms(folder: Path) -> Path:
    return write_cms(folder / "cms.root")


@pytest.fixture(scope="module")
def plain(folder: Path) -> Path:
    """A column of numbers in two clusters of several pages with checksums, written by hepae itself."""
    path = folder / "plain.root"
    schema = Schema([FieldRecord("x", "std::uint32_t", 0)], [ColumnRecord(0x08, 32, 0)])
    header = NTupleHeader("T", "numbers", "a test", schema).pack()
    with RootWriter(path, ntuples=True) as out:
        ntuple = out.new_ntuple("dir/T", header, title="a title")
        for cluster in range(2):
            ntuple.begin(500)
            for page in range(5):
                values = np.arange(100, dtype="<u4") + 100 * page + 500 * cluster
                ntuple.fill(0, [SealedPage.of(100, values.tobytes(), ZSTD_DEFAULT)], ZSTD_DEFAULT.code)
            ntuple.end()
        ntuple.finish()
    return path


def test_a_new_rntuple_is_read_by_uproot(plain: Path) -> None:
    with uproot.open(plain) as file:
        assert file["dir/T"].arrays()["x"].to_list() == list(range(1000))
        assert file["dir/T"].description == "numbers"


@needs_root
@pytest.mark.root
def test_a_new_rntuple_is_read_by_root(folder: Path) -> None:
    path = folder / "new.root"
    schema = Schema([FieldRecord("x", "float", 0)], [ColumnRecord(0x0C, 32, 0)])
    with RootWriter(path, ntuples=True) as out:
        ntuple = out.new_ntuple("T", NTupleHeader("T", "numbers", "a test", schema).pack())
        ntuple.begin(3)
        data = np.array([1.5, 2.5, 3.5], "<f4").tobytes()
        ntuple.fill(0, [SealedPage.of(3, data, ZSTD_DEFAULT)], ZSTD_DEFAULT.code)
        ntuple.end()
        ntuple.finish()
    text = shown(path)["T;1"]
    assert [line.rpartition(": ")[2] for line in text.splitlines()] == ["3 numbers", "1.5", "2.5", "3.5"]


def test_the_class_of_the_anchor_is_described(plain: Path) -> None:
    with uproot.open(plain) as file:
        info = file.file.streamers["ROOT::RNTuple"][2]
        assert [(e.name, e.typename) for e in info.elements][4:7] == [
            ("fSeekHeader", "unsigned long"),
            ("fNBytesHeader", "unsigned long"),
            ("fLenHeader", "unsigned long"),
        ]


def test_the_class_of_the_anchor_is_described_where_uproot_did_not(folder: Path) -> None:
    path = folder / "uproot.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("T", {"x": np.arange(3)})
    with uproot.open(copied(path, folder / "uproot_copy.root")) as file:
        assert {"ROOT::RNTuple", "TTree"} <= file.file.streamers.keys()
        assert file["T"].arrays()["x"].to_list() == [0, 1, 2]


def test_every_command_describes_the_class_of_the_anchor(folder: Path) -> None:
    ntuple, tree, out = folder / "undescribed.root", folder / "tree.root", folder / "every.root"
    with uproot.recreate(ntuple) as file:
        file.mkrntuple("Events", {"x": np.arange(20000), "y": np.arange(20000) // 7})
    with uproot.recreate(tree) as file:
        file.mktree("Runs", {"x": np.int64}).extend({"x": np.arange(3)})
    small = folder / "undescribed_small.root"
    commands: dict[str, Callable[[], object]] = {
        "compress": lambda: hepae.compress(ntuple, small),
        "decompress": lambda: hepae.decompress(small, out),
        "convert": lambda: hepae.decompress(tree, out, container="rntuple"),
        "skim": lambda: skim(ntuple, out, "x > 3"),
        "merge": lambda: merge(out, [tree, ntuple], force=True),
    }
    for name, command in commands.items():
        command()
        with uproot.open(small if name == "compress" else out) as file:
            assert "ROOT::RNTuple" in file.file.streamers, name
        out.unlink(missing_ok=True)


@needs_root
@pytest.mark.root
def test_the_class_of_the_anchor_is_described_as_root_does(plain: Path, cms: Path) -> None:
    code = """
infos = [ROOT.TFile.Open(path).GetStreamerInfoList().FindObject("ROOT::RNTuple") for path in paths]
result = [
    [info.GetCheckSum(), info.GetClassVersion()]
    + [[one.GetName(), one.GetTypeName(), one.GetType(), one.GetSize()] for one in info.GetElements()]
    for info in infos
]
"""
    ours, theirs = in_root(code, plain, cms)
    assert ours == theirs


@needs_root
@pytest.mark.root
def test_root_finds_an_rntuple_in_a_new_directory(plain: Path) -> None:
    code = 'result = float(ROOT.RDataFrame("dir/T", paths[0]).Sum("x").GetValue())'
    assert in_root(code, plain) == sum(range(1000))


def test_a_copy_is_the_same(plain: Path, folder: Path) -> None:
    assert_same(plain, copied(plain, folder / "plain_copy.root"))


@needs_root
@pytest.mark.root
def test_a_file_of_cms_is_copied(cms: Path, folder: Path) -> None:
    copy = copied(cms, folder / "cms_copy.root")
    assert_same(cms, copy)
    assert shown(copy, 200) == shown(cms, 200)


@pytest.mark.shared
@pytest.mark.parametrize("path", [p for p in ZOO if "physlite" not in p.stem], ids=lambda path: path.stem)
def test_files_of_others_are_copied(path: Path, folder: Path) -> None:
    assert_same(path, copied(path, folder / f"copy_of_{path.name}"))


@needs_root
@pytest.mark.root
@pytest.mark.shared
@pytest.mark.parametrize("path", [p for p in ZOO if "physlite" not in p.stem], ids=lambda path: path.stem)
def test_root_reads_copies_of_files_of_others(path: Path, folder: Path) -> None:
    # ROOT itself does not read the classes of PHYSLITE
    copy = copied(path, folder / f"for_root_{path.name}")
    assert shown(copy) == shown(path)


@needs_root
@pytest.mark.root
def test_attributes_are_copied(folder: Path) -> None:
    path = write_attributes(folder / "attributes.root")
    copy = copied(path, folder / "attributes_copy.root")
    with open_source(path) as source, open_source(copy) as other:
        (_, one), (_, two) = *ntuples(source), *ntuples(other)
        assert one.footer.attributes is not None
        assert two.footer.attributes is not None
        assert [item.name for item in two.footer.attributes] == ["meta"]
        assert_sealed_alike(linked(one, one.footer.attributes[0]), linked(two, two.footer.attributes[0]))
    assert shown(copy) == shown(path)


@pytest.mark.parametrize("reader", ["uproot", pytest.param("root", marks=[needs_root, pytest.mark.root])])
def test_positions_of_8_bytes(
    plain: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, reader: str
) -> None:
    monkeypatch.setattr(container, "SMALL_LIMIT", 2000)
    copy = copied(plain, folder / f"big_{reader}.root")
    with open_source(copy) as source:
        assert source.key("dir/T").big
    if reader == "uproot":
        assert_same(plain, copy)
    else:
        assert shown(copy, directory="dir")["T;1"] == shown(plain, directory="dir")["T;1"]


def test_bits_of_a_page_count(plain: Path, folder: Path) -> None:
    raw = plain.read_bytes()
    with open_source(plain) as source:
        ((_, ntuple),) = ntuples(source)
        cluster = ntuple.clusters[1]
        start, stop = int(cluster.offsets[2]), int(cluster.offsets[2] + cluster.spans[2])
    damaged = folder / "damaged.root"
    for place in np.random.default_rng(1).integers(8 * start, 8 * stop, 40).tolist():
        data = bytearray(raw)
        data[place // 8] ^= 1 << place % 8
        damaged.write_bytes(data)
        with pytest.raises(InputError, match="checksum"):
            copied(damaged, folder / "refused.root")


def test_a_later_version_is_refused_and_stays(plain: Path, folder: Path) -> None:
    data = bytearray(plain.read_bytes())
    with open_source(plain) as source:
        key = source.key("dir/T")
        start, stop = key.seek + key.length, key.seek + key.nbytes
    struct.pack_into(
        ">H", data, start + 6, 2
    )  # an epoch that is not known, with the checksum that belongs to it
    data[stop - 8 : stop] = xxhash.xxh3_64_digest(bytes(data[start + 6 : stop - 8]))
    path = folder / "later.root"
    path.write_bytes(data)
    with pytest.raises(UnsupportedError, match="epoch"):
        copied(path, folder / "refused.root")
    done = compress(path, folder / "later_compressed.root", force=True)
    assert any("epoch" in reason for reason in done.left)
    assert (folder / "later_compressed.root").read_bytes() == bytes(data)


@needs_root
@pytest.mark.root
def test_rntuples_and_trees_of_a_file_come_back_as_root_shows_them(cms: Path, folder: Path) -> None:
    compressed, restored = folder / "cms_compressed.root", folder / "cms_restored.root"
    done = compress(cms, compressed, force=True)
    assert {"Events", "beside"} <= {tree.path for tree in done.trees}
    assert hepae.verify(cms, compressed).kept
    hepae.decompress(compressed, restored)
    assert hepae.verify(cms, restored).kept
    assert shown(restored, 200) == shown(cms, 200)
