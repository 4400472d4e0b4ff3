"""Risk: a skim or a merge loses a bit, adds up bounds, drops a branch or a model, or a cut runs code."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st

import hepae
from hepae.cli import main
from hepae.core.values.bounds import Bound, parse
from hepae.core.values.lattice_fit import fit_lattice
from hepae.errors import HepaeError, SchemaError, UnsupportedError
from hepae.files.merge.file import merge
from hepae.files.skim.file import skim
from hepae.root.file.source import open_source
from hepae.stored.models import models_of
from hepae.stored.restore import CompressedCollection
from hepae.testing.files import write_events
from tests.compressed import FEATURES, SAMPLE, compressed, model

CUT = "nJet >= 2 and any(Jet_pt > 60) and MET < 50"


def arrays(path: Path) -> ak.Array:
    with hepae.open(path) as file:
        return file["Events"].arrays()


def passing(events: ak.Array) -> ak.Array:
    return (events.nJet >= 2) & ak.any(events.Jet_pt > 60, axis=1) & (events.MET < 50)


def require_same(before: ak.Array, after: ak.Array) -> None:
    """Every branch, bit for bit."""
    assert before.fields == after.fields
    for name in before.fields:
        assert ak.array_equal(before[name], after[name], equal_nan=True), name
        if ak.all(before[name] == before[name]) and "string" not in str(before[name].type):
            flat = [np.asarray(ak.flatten(one[name], axis=None)) for one in (before, after)]
            assert flat[0].tobytes() == flat[1].tobytes(), name


@pytest.mark.parametrize("codec", ["bottleneck", "lifting"])
def test_a_skim_restores_the_same_bits(codec: str, tmp_path: Path) -> None:
    source, once, twice = compressed(codec), tmp_path / "once.root", tmp_path / "twice.root"
    before = arrays(source)
    keep = passing(before)
    done = skim(source, once, CUT)
    assert done.events_after == ak.sum(keep)
    assert 0 < done.events_after < done.events_before
    require_same(before[keep], arrays(once))
    # bounds do not add up: a skim of a skim is the skim
    skim(once, twice, "count(Jet_eta > 0) != 1")
    require_same(arrays(once)[ak.sum(arrays(once).Jet_eta > 0, axis=1) != 1], arrays(twice))
    with uproot.open(source) as first, uproot.open(once) as second:
        assert first.keys() == second.keys()
        for branch in first["Events"].branches:
            same = second["Events"][branch.name]
            assert (branch.title, branch.typename) == (same.title, same.typename)
        assert (
            first["hepae_models"]["sha256"].array().to_list()
            == second["hepae_models"]["sha256"].array().to_list()
        )


def test_no_more_escapes_after_a_skim(tmp_path: Path) -> None:
    skim(compressed("lifting"), tmp_path / "skim.root", "nJet > -1")
    sizes = []
    for path in (compressed("lifting"), tmp_path / "skim.root"):
        with open_source(path) as source:
            tree = source.tree("Events")
            sizes.append([tree.bytes_on_disk(f"Jet_{name}__hepae")[0] for name in FEATURES])
    assert np.allclose(sizes[0], sizes[1], atol=64)


@given(
    st.lists(st.floats(width=32, allow_nan=True), min_size=1, max_size=60),
    st.sampled_from(["abs:1e-3", "abs:0.5", "rel:1e-3", "rel:0.3", "bits:7", "exact"]),
)
def test_restored_values_are_fixed_points_of_their_lattice(values: list[float], bound: str) -> None:
    stored = np.array(values, np.float32)
    lattice = fit_lattice(stored, parse(bound))
    q, escaped = lattice.to_integers(stored, parse(bound))
    restored = lattice.to_values(q, escaped)
    again, more = lattice.to_integers(restored, Bound("exact"))
    assert len(more) <= len(escaped)
    assert lattice.to_values(again, more).tobytes() == restored.tobytes()


def test_a_skim_without_events_and_one_with_all(tmp_path: Path) -> None:
    for codec in ("bottleneck", "lifting"):
        assert skim(compressed(codec), tmp_path / "none.root", "nJet < 0").events_after == 0
        assert len(arrays(tmp_path / "none.root")) == 0
        skim(compressed(codec), tmp_path / "all.root", "True")
        require_same(arrays(compressed(codec)), arrays(tmp_path / "all.root"))


@pytest.mark.parametrize("codec", ["bottleneck", "lifting"])
def test_merged_files_of_different_models(codec: str, tmp_path: Path) -> None:
    parts = [compressed(codec), tmp_path / "skim.root", compressed(codec, 2)]
    skim(parts[0], parts[1], "MET > 30")
    assert len({model(codec, seed).sha256 for seed in (1, 2)}) == 2
    done = merge(tmp_path / "all.root", parts)
    assert (done.files, done.models) == (3, 2)
    expected = ak.concatenate([arrays(path) for path in parts])
    require_same(expected, arrays(tmp_path / "all.root"))
    # and a skim over several models
    skim(tmp_path / "all.root", tmp_path / "some.root", CUT)
    require_same(expected[passing(expected)], arrays(tmp_path / "some.root"))
    assert hepae.verify(SAMPLE, compressed(codec)).kept


def test_what_cannot_be_merged_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "all.root"
    with pytest.raises(SchemaError, match=r"Jet by lifting.*Jet by bottleneck"):
        merge(target, [compressed("lifting"), compressed("bottleneck")])
    with pytest.raises(SchemaError, match=r"plain in .*compress the plain files first"):
        merge(target, [compressed("lifting"), SAMPLE])
    hepae.compress(SAMPLE, tmp_path / "coarse.root", collection="Jet", bounds=["*=rel:0.1"], features=FEATURES,
                   recipe=hepae.Recipe(codec="lifting", train_objects=1000))  # fmt: skip
    with pytest.raises(SchemaError, match="bound"):
        merge(target, [compressed("lifting"), tmp_path / "coarse.root"])
    files = [tmp_path / "a.root", tmp_path / "b.root"]
    for path, met in zip(files, (1.0, 2.0), strict=True):
        write_events(path, np.array([1, 2]), {"pt": np.arange(3, dtype="f4")}, {"MET": np.full(2, met)})
        with uproot.update(path) as file:
            file["note"] = f"of {path.name}"
    with pytest.raises(UnsupportedError, match="note"):
        merge(target, files)
    assert not target.exists()
    merge(target, files, others="first")
    with uproot.open(target) as file:
        assert file["note"] == "of a.root"
        assert file["Events/MET"].array().to_list() == [1.0, 1.0, 2.0, 2.0]


def test_models_by_reference_are_given(tmp_path: Path) -> None:
    trained = model("lifting")
    hepae.compress(SAMPLE, tmp_path / "ref.root", collection="Jet", model=trained, embed=False)
    with pytest.raises(HepaeError, match="not at hand"):
        skim(tmp_path / "ref.root", tmp_path / "skim.root", "MET > 30")
    skim(tmp_path / "ref.root", tmp_path / "skim.root", "MET > 30", models=[trained])
    with open_source(tmp_path / "skim.root") as source:
        assert models_of(source).embedded == {trained.sha256: b""}
        one = CompressedCollection(source.tree("Events"), "Jet", models_of(source, [trained]))
        assert one.restore(["pt"], 0, 5).n_objects > 0


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = str(compressed("bottleneck")), str(tmp_path / "skim.root")
    assert main(["skim", source, target, "--cut", CUT]) == 0
    assert main(["merge", str(tmp_path / "all.root"), source, target]) == 0
    assert main(["skim", source, target, "--cut", "nJetz > 2", "--force"]) == 2
    assert "did you mean" in capsys.readouterr().err
