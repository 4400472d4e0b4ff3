"""Risk: values of a kind of field that are read as something else than ROOT wrote, or not as uproot reads them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.values.nested import Nested
from hepae.files.compress.narrowing import ALL
from hepae.files.compress.request import requested
from hepae.files.compress.whole import write_whole
from hepae.root.file.source import open_source
from hepae.root.rntuple.columns import NTupleColumns
from hepae.root.rntuple.encodings import seen
from hepae.root.rntuple.fields import top_fields
from tests.root_ntuples import write_classes, write_cms, write_kinds
from tests.root_process import in_root, needs_root

pytestmark = [needs_root, pytest.mark.root]

ENTRIES = range(60)
WRITERS: dict[str, Callable[[Path], Path]] = {"T": write_classes, "Events": write_cms}


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RNTuple whose values follow from the number of the entry (`tests.root_ntuples.CLASSES`)."""
    return write_classes(tmp_path_factory.mktemp("classes") / "a.root")


@pytest.fixture(scope="module")
def columns(classes: Path) -> dict[str, Nested]:
    with open_source(classes) as source:
        ntuple = source.ntuple(source.key("T"))
        found = NTupleColumns(ntuple, top_fields(ntuple.schema))
        assert found.whole.keys() == found.fields.keys()  # all are taken apart
        return found.read([info.name for info in found.infos], 0, found.num_entries)


def hits(numbers: Iterable[int]) -> dict[str, list[Any]]:
    """The members of the hits of such numbers, one after the other."""
    numbers = list(numbers)
    return {
        ":_0.x": [0.5 * i for i in numbers],
        ":_0.y": [-0.1 * i for i in numbers],
        "detector": [7 - i for i in numbers],
        "samples": [3 * i % 256 for i in numbers for _ in range(i % 4)],
        "at": [10 * i + k for i in numbers for k in range(3)],
    }


def tracks() -> list[tuple[int, int]]:
    """Entry and row of each track."""
    return [(i, k) for i in ENTRIES for k in range(i % 3)]


def inner_hits() -> list[int]:
    """The number of each hit of a track."""
    return [i + k for i, k in tracks() for _ in range((i + k) % 3)]


def bits(entry: int) -> int:
    """The 70 bits of the sets of an entry."""
    return 37 * entry | entry % 2 << 69


EXPECTED: dict[str, list[Any]] = {
    **{f"hit.{name}": values for name, values in hits(ENTRIES).items()},
    **{f"tracks.hits.{name}": values for name, values in hits(inner_hits()).items()},
    "tracks.good": [bool((i + k) % 2) for i, k in tracks()],
    "flavour": [5 if i % 2 else -1 for i in ENTRIES],
    "flavours": [5 if i % 2 else -1 for i in ENTRIES for _ in range(i % 3)],
    "atomic": [1000 - i for i in ENTRIES],
    "set": [k - i for i in ENTRIES for k in range(i % 4)],
    "map._0": [ord("m") for i in ENTRIES for k in range(i % 4) for _ in range(k)],
    "map._1": [i + 0.5 * k for i in ENTRIES for k in range(i % 4)],
    "tuple._0": [65 + i for i in ENTRIES],
    "tuple._1": [*ENTRIES],
    "tuple._2": [1000000007 * i for i in ENTRIES],
    "pointer": [-1000000007 * i for i in ENTRIES if i % 3],
    "flags": [bool(i % 2) for i in ENTRIES for _ in range(i % 5)],
    "rvec": [60000 + i for i in ENTRIES for _ in range(i % 3)],
    "deep": [v for i in ENTRIES for _ in range(i % 3) for v in [i] * (i % 2) + [-i] * (i % 4)],
    "words": [ord("w") for i in ENTRIES for _ in range(i % 3) for _ in range(i % 7)],
    "sets": [bool(bits(i) >> bit & 1) for i in ENTRIES for _ in range(i % 3) for bit in range(70)],
}
"""Values by column, one after the other."""

LEVELS: dict[str, list[list[int]]] = {
    "hit.samples": [[i % 4 for i in ENTRIES]],
    "tracks.hits.samples": [
        [i % 3 for i in ENTRIES],
        [(i + k) % 3 for i, k in tracks()],
        [n % 4 for n in inner_hits()],
    ],
    "pointer": [[int(i % 3 > 0) for i in ENTRIES]],
    "deep": [
        [i % 3 for i in ENTRIES],
        [2 for i in ENTRIES for _ in range(i % 3)],
        [n for i in ENTRIES for _ in range(i % 3) for n in (i % 2, i % 4)],
    ],
    "map._0": [[i % 4 for i in ENTRIES], [k for i in ENTRIES for k in range(i % 4)]],
    "words": [[i % 3 for i in ENTRIES], [i % 7 for i in ENTRIES for _ in range(i % 3)]],
    "sets": [[i % 3 for i in ENTRIES]],
}
"""Counts by column, from the entry down."""


def test_numbers_are_those_that_were_written(columns: dict[str, Nested]) -> None:
    for name, values in EXPECTED.items():
        found = columns[name].values.reshape(-1)
        assert found.tolist() == np.array(values, found.dtype).tolist(), name


def test_counts_are_those_that_were_written(columns: dict[str, Nested]) -> None:
    for name, levels in LEVELS.items():
        assert [level.tolist() for level in columns[name].levels] == levels, name


REDUCED = """
reader, result = ROOT.RNTupleReader.Open("T", paths[0]), {}
for name, type_name in (("half", "float"), ("cut", "float"), ("grid", "float"), ("cut_double", "double"),
                        ("fine", "double"), ("packed", "double")):
    view = reader.GetView[type_name](name)
    result[name] = [float(view(i)) for i in range(60)]
del view, reader  # in this order
"""


def test_numbers_of_few_bits_are_what_root_reads(classes: Path, columns: dict[str, Nested]) -> None:
    with open_source(classes) as source:
        ntuple = source.ntuple(source.key("T"))
        fields = top_fields(ntuple.schema)
        for name, expected in in_root(REDUCED, classes).items():
            leaf = fields[name].leaves[0]
            record = ntuple.schema.columns[leaf.column.number]
            found = seen(leaf.column.encoding, columns[name].values, record.low, record.high)
            assert found.astype(np.float32).tolist() == np.float32(expected).tolist(), name


def compressed(path: Path, target: Path) -> Path:
    """All columns compressed, though so few do not become smaller."""
    with open_source(path) as source:
        trees, asked = requested(source, (), {}, ALL)
        write_whole(target, source, trees, asked)
    return target


@pytest.mark.parametrize(("tree", "write"), [*WRITERS.items(), ("T", write_kinds)])
def test_uproot_reads_a_compressed_file_as_the_original(
    tmp_path: Path, tree: str, write: Callable[[Path], Path]
) -> None:
    plain = write(tmp_path / "plain.root")
    small = compressed(plain, tmp_path / "small.root")
    read = 0
    with uproot.open(plain) as first, hepae.open(small) as second:
        before, after = first[tree], second[tree]
        assert set(after.keys()) == set(before.keys())
        for name in before.keys():  # noqa: SIM118 - no dict
            if name == "streamed":  # uproot reads no objects that ROOT streams
                continue
            one, two = before[name].array(), after[name].array()
            assert str(one.type) == str(two.type), name
            assert ak.array_equal(one, two, equal_nan=True, dtype_exact=True), name
            read += 1
    assert read > 8


@pytest.mark.parametrize("tree", WRITERS)
def test_groups_of_clusters_come_back(tmp_path: Path, tree: str) -> None:
    plain = WRITERS[tree](tmp_path / "plain.root")
    small = compressed(plain, tmp_path / "small.root")
    hepae.decompress(small, tmp_path / "back.root")
    groups = []
    for path in (plain, small, tmp_path / "back.root"):
        with open_source(path) as source:
            ntuple = source.ntuple(source.key(tree))
            groups.append([[cluster.entries for cluster in group] for group in ntuple.groups])
    assert len(groups[0]) == 2
    assert groups[1] == groups[2] == groups[0]
    assert hepae.verify(plain, tmp_path / "back.root").kept


def test_threads_read_an_rntuple_side_by_side(classes: Path, tmp_path: Path) -> None:
    small = compressed(classes, tmp_path / "small.root")
    names = [name for name in EXPECTED if "." not in name]
    with uproot.open(classes) as file:
        expected = {name: file["T"][name].array() for name in names}
    for path in (classes, small):
        with hepae.open(path) as file:
            ntuple, wrong = file["T"], []

            def read(shift: int, ntuple: Any = ntuple, wrong: list[str] = wrong) -> None:
                for name in [*names[shift:], *names[:shift]]:
                    for start in range(0, 60, 7):
                        found = ntuple[name].array(entry_start=start, entry_stop=start + 7)
                        if not ak.array_equal(found, expected[name][start : start + 7]):
                            wrong.append(name)

            threads = [threading.Thread(target=read, args=(3 * number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert wrong == []
