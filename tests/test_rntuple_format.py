"""RNTuple's envelopes: parsed and packed byte for byte, and refused where anything is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepae.errors import HepaeError, InputError, UnsupportedError
from hepae.root.file.compression import Compression
from hepae.root.file.source import Source, open_source
from hepae.root.rntuple.envelopes import Anchor, Footer, NTupleHeader
from hepae.root.rntuple.frames import Cursor, Locator, envelope, frame, frames, string
from hepae.root.rntuple.ntuple import NTuple, runs
from hepae.root.rntuple.pages import pack_pages, parse_pages, seal, unseal
from hepae.root.rntuple.schema import FieldRecord
from scripts.hardening import ntuple_parts

SHARED = Path(__file__).parents[1] / "../shared/data/zoo"
ZOO = sorted(SHARED.glob("*rntuple*.root"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clusters of flat numbers, lists and strings, as uproot writes them."""
    path = tmp_path_factory.mktemp("rntuple") / "a.root"
    with uproot.recreate(path) as out:
        data = ak.Array({"x": [1.5, 2.5, 3.5], "jets": [[1, 2], [], [3]], "name": ["a", "", "bc"]})
        out.mkrntuple("Events", data.layout.form).extend(data)
        out["Events"].extend(data[:2])
    return path


def ntuples(source: Source) -> Iterator[NTuple]:
    for key in source.keys:
        if key.classname == "ROOT::RNTuple":
            yield NTuple.of(source, key)


def assert_packs_as_it_was(ntuple: NTuple) -> None:
    assert ntuple.header.pack() == ntuple.header_bytes
    assert ntuple.footer.pack() == ntuple.envelope(ntuple.anchor.footer, "footer")
    for group, clusters in zip(ntuple.footer.groups, ntuple.groups, strict=True):
        assert pack_pages(clusters, ntuple.header_checksum) == ntuple.envelope(group.link, "pages")


def test_envelopes_are_packed_byte_for_byte(file: Path) -> None:
    with open_source(file) as source:
        (ntuple,) = ntuples(source)
        assert_packs_as_it_was(ntuple)
        assert ntuple.anchor.pack() == source.object(source.key("Events"))
        assert ntuple.num_entries == 5
        assert ntuple.edges.tolist() == [0, 3, 5]


@pytest.mark.shared
@pytest.mark.parametrize("path", ZOO, ids=lambda path: path.stem)
def test_files_of_others_are_packed_byte_for_byte(path: Path) -> None:
    with open_source(path) as source:
        for ntuple in ntuples(source):
            assert_packs_as_it_was(ntuple)
            for cluster in ntuple.clusters:
                for column in range(cluster.columns):
                    got = [number for number, _ in ntuple.values(cluster, column)]
                    assert sum(got) == cluster.numbers[column]


def test_pages_hold_what_was_written(file: Path) -> None:
    with open_source(file) as source:
        (ntuple,) = ntuples(source)
        at = next(number for number, field in enumerate(ntuple.schema.fields) if field.name == "x")
        column = next(number for number, one in enumerate(ntuple.schema.columns) if one.field == at)
        ((number, data),) = ntuple.values(ntuple.clusters[0], column)
        assert number == 3
        assert np.frombuffer(data, "<f8").tolist() == [1.5, 2.5, 3.5]


@pytest.mark.parametrize("part", ["header", "footer", "pages"])
def test_every_bit_of_an_envelope_counts(file: Path, part: str) -> None:
    with open_source(file) as source:
        (ntuple,) = ntuples(source)
        data = {
            "header": ntuple.header_bytes,
            "footer": ntuple.envelope(ntuple.anchor.footer, "footer"),
            "pages": ntuple.envelope(ntuple.footer.groups[0].link, "pages"),
        }[part]
        checksum = ntuple.header_checksum

    def parse(raw: bytes) -> object:
        if part == "pages":
            return parse_pages(raw, checksum, part)
        return NTupleHeader.parse(raw, part) if part == "header" else Footer.parse(raw, part)

    parse(data)
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(InputError):
            parse(bytes(damaged))


def test_every_bit_of_an_anchor_counts(file: Path) -> None:
    with open_source(file) as source:
        data = source.object(source.key("Events"))
    for place in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises((InputError, UnsupportedError)):
            Anchor.parse(bytes(damaged), "anchor")


def test_a_list_of_pages_of_another_header_is_refused(file: Path) -> None:
    with open_source(file) as source:
        (ntuple,) = ntuples(source)
        data = ntuple.envelope(ntuple.footer.groups[0].link, "pages")
    with pytest.raises(InputError, match="another RNTuple"):
        parse_pages(data, bytes(8), "pages")


def test_features_that_are_not_known_are_refused() -> None:
    body = (1).to_bytes(8, "little") + string("T") * 3 + frames([]) * 4
    with pytest.raises(UnsupportedError, match="features"):
        NTupleHeader.parse(envelope(1, body), "header")


def test_what_a_later_version_adds_is_kept_or_refused() -> None:
    record = FieldRecord("x", "float", 0, rest=b"more")
    assert FieldRecord.parse(Cursor(record.pack()).record()) == record
    footer = bytes(16) + frame(frames([]) * 4) + frames([]) + frames([])
    assert Footer.parse(envelope(2, footer), "footer").attributes == []
    with pytest.raises(UnsupportedError, match="more in it"):
        Footer.parse(envelope(2, footer + b"more"), "footer")


@pytest.mark.parametrize("place", [Locator(5, 7), Locator(1 << 40, 1 << 33), Locator(3, 4, 9)])
def test_locators_there_and_back(place: Locator) -> None:
    assert Cursor(place.pack()).place() == place


def test_a_locator_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="locator"):
        Cursor((0x82000010).to_bytes(4, "little") + bytes(12)).place()


@pytest.mark.parametrize("setting", [Compression("zstd", 5), Compression("lzma", 1), Compression("zstd", 0)])
def test_a_page_is_sealed_and_unsealed(setting: Compression) -> None:
    data = np.arange(1000, dtype="<i4").tobytes()
    sealed = seal(data, setting)
    assert unseal(sealed, len(data), "page") == data
    for place in (0, len(sealed) // 2, len(sealed) - 1):
        damaged = bytearray(sealed)
        damaged[place] ^= 1
        with pytest.raises(HepaeError):
            unseal(bytes(damaged), len(data), "page")


def test_pages_that_are_far_apart_are_read_apart() -> None:
    offsets, spans = np.array([0, 1 << 25, 100, 100]), np.array([100, 10, 50, 50])
    assert [run.tolist() for run in runs(offsets, spans, np.arange(4))] == [[0, 2, 3], [1]]


def test_no_damage_to_an_rntuple_is_silent(tmp_path: Path) -> None:
    subject = ntuple_parts.subject(tmp_path)
    assert [key.path for key in subject.keys] == ["Events", "Events__hepae"]
    refused = 0
    for number in range(300):
        try:
            assert subject.outcome(np.random.default_rng([7, number])) == "identical"
        except (InputError, UnsupportedError):
            refused += 1
    assert refused > 250
