"""Risk: an RNTuple that ROOT cannot read, or reads as something else, after it went through hepae."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import hepae
from hepae.errors import CorruptionError
from hepae.files.compress.narrowing import Narrowing
from hepae.files.compress.request import requested
from hepae.files.compress.whole import write_whole
from hepae.files.merge.file import merge
from hepae.files.skim.file import skim
from hepae.root.file.source import open_source
from scripts.hardening.ntuples_in_root import is_own, of_kept
from tests.root_ntuples import (
    each_shown,
    hadd,
    inspected,
    write_attributes,
    write_classes,
    write_cms,
    write_kinds,
    write_stored,
)
from tests.root_process import needs_root

pytestmark = [needs_root, pytest.mark.root]

ENTRIES = 200
SHAPES = {
    "cms": write_cms,
    "attributes": write_attributes,
    "kinds": write_kinds,
    "classes": write_classes,
    "stored": write_stored,
}
KEPT = {
    "cms": ["weights", "genEventSumw"],
    "attributes": [],
    "kinds": ["fixed", "pairs._0"],
    "classes": ["tracks.*", "set", "cut", "streamed"],
    "stored": ["n"],
}


def compressed(path: Path, target: Path, *skip: str) -> Path:
    """All columns but some compressed, though so few do not become smaller."""
    with open_source(path) as source:
        trees, asked = requested(source, (), {}, Narrowing(skip=tuple(skip)))
        assert trees
        write_whole(target, source, trees, asked)
    return target


@dataclass(frozen=True)
class Files:
    """A file as ROOT wrote it, compressed with some fields kept, and decompressed."""

    plain: Path
    small: Path
    back: Path


@pytest.fixture(scope="module", params=SHAPES)
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """A file of each shape."""
    folder = tmp_path_factory.mktemp(request.param)
    plain = SHAPES[request.param](folder / "plain.root")
    small = compressed(plain, folder / "small.root", *KEPT[request.param])
    hepae.decompress(small, folder / "back.root")
    return Files(plain, small, folder / "back.root")


def test_root_shows_what_came_out_as_before(files: Files) -> None:
    plain, small, back = each_shown(files.plain, files.small, files.back, entries=ENTRIES)
    assert back == plain
    before, after = of_kept(plain, small)
    assert after == before
    assert before.keys() == plain.keys()


def test_root_inspects_what_was_compressed_and_decompressed(files: Files) -> None:
    before, small, back = inspected(files.plain, files.small, files.back)
    entries = {name: facts[0] for name, facts in before.items()}
    assert {name: facts[0] for name, facts in back.items()} == entries
    assert {name: facts[0] for name, facts in small.items() if not is_own(name)} == entries
    assert {name: facts[2] for name, facts in back.items()} == {n: facts[2] for n, facts in before.items()}


def test_root_puts_decompressed_files_together_as_originals(files: Files, tmp_path: Path) -> None:
    assert hadd(tmp_path / "plain.root", files.plain, files.plain)
    assert hadd(tmp_path / "back.root", files.back, files.back)
    plain, back = each_shown(tmp_path / "plain.root", tmp_path / "back.root", entries=2 * ENTRIES)
    assert back == plain


def test_root_puts_compressed_files_together(tmp_path: Path) -> None:
    plain = [write_cms(tmp_path / f"{n}.root", 200, 200 * n, inner=False) for n in range(2)]
    small = [compressed(path, tmp_path / f"small_{path.name}", "weights") for path in plain]
    assert hadd(tmp_path / "small.root", *small)
    hepae.decompress(tmp_path / "small.root", tmp_path / "back.root")
    assert hadd(tmp_path / "plain.root", *plain)
    before, after = each_shown(tmp_path / "plain.root", tmp_path / "back.root", entries=400)
    assert after == before


def test_what_root_puts_together_wrongly_is_refused(tmp_path: Path) -> None:
    # ROOT 6.40 merges RNTuples of the same name in several directories into each other
    small = [
        compressed(write_cms(tmp_path / f"{n}.root", 200, 200 * n), tmp_path / f"small_{n}.root")
        for n in range(2)
    ]
    assert hadd(tmp_path / "small.root", *small)
    with pytest.raises(CorruptionError, match=r"Runs.*hepae merge"):
        hepae.decompress(tmp_path / "small.root", tmp_path / "back.root")
    assert not (tmp_path / "back.root").exists()


def test_types_projections_and_late_fields_of_cms_are_as_before_by_every_way(tmp_path: Path) -> None:
    plain = [write_cms(tmp_path / f"{n}.root", 200, 200 * n) for n in range(2)]
    small = [compressed(path, tmp_path / f"small_{path.name}") for path in plain]
    cut = "nElectron == 2 || Entry$ >= 150"
    for name, parts in (("plain", plain), ("small", small)):
        merge(tmp_path / f"merged_{name}.root", parts, others="first")
        skim(tmp_path / f"merged_{name}.root", tmp_path / f"skimmed_{name}.root", cut, tree="Events")
    for step in ("merged", "skimmed"):
        before, after = (tmp_path / f"{step}_{name}.root" for name in ("plain", "small"))
        hepae.decompress(after, tmp_path / f"{step}.root")
        assert hepae.verify(before, tmp_path / f"{step}.root").kept
    named = ("merged", "merged_plain", "skimmed", "skimmed_plain")
    merged, merged_plain, skimmed, skimmed_plain = each_shown(
        *(tmp_path / f"{name}.root" for name in named), entries=400
    )
    assert merged == merged_plain
    assert skimmed == skimmed_plain
    text = skimmed["Events;1"]
    for field in (
        "Electron_charge ROOT::VecOps::RVec<std::int32_t>",
        "nElectron ROOT::RNTupleCardinality<std::uint32_t>",
        "HLT_late bool",
        "late std::vector<float>",
    ):
        assert f"\n{field} " in text
