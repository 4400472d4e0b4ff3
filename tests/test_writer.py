"""Risk: a writer that is told nonsense, or whose disk fails, and goes on. Each case is refused, nothing is replaced."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.core.bottleneck.scaling import Transform
from hepae.core.bottleneck.spec import BottleneckColumn, BottleneckSpec, LatentSpec
from hepae.core.values.bounds import Bound
from hepae.errors import CorruptionError, OutputError, SchemaError, UnsupportedError
from hepae.learn.recipe import recipe_of
from hepae.root.columns import Column, Jagged
from hepae.root.file import atomic
from hepae.root.file.atomic import atomic_output, check_target, in_use, temporary_name
from hepae.root.file.container import RootFile
from hepae.root.file.source import open_source
from hepae.root.file.writer import RootWriter
from hepae.root.ttree import baskets
from hepae.root.ttree.plan import Keep, NewBranch
from hepae.stored.event_payload import checks_of, read_events
from hepae.testing.files import jets, write_events

COUNTED = [
    NewBranch("nJet", "int32"),
    NewBranch("Jet_pt", "float32", "", "nJet"),
    NewBranch("Jet_x", "int8", "", "nJet"),
]
ONES = Jagged(np.array([1, 2]), np.ones(3, np.float32))
SMALL = Jagged(np.array([1, 2]), np.ones(3, np.int8))


def fails(*_: object, **__: object) -> Any:
    raise OSError(28, "No space left on device")


class Broken:
    """A stream on a full disk."""

    write = seek = close = staticmethod(fails)


# replacing files


def test_a_temporary_that_cannot_be_made_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "touch", fails)
    with pytest.raises(OutputError, match="No space left"), atomic_output(tmp_path / "a.root"):
        pass
    assert not atomic._open
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_rename_or_flush_that_fails_leaves_the_old_file(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.root"
    target.write_bytes(b"old")
    monkeypatch.setattr(*((os, "fsync") if broken == "fsync" else (Path, "replace")), fails)
    with pytest.raises(OutputError, match="No space left"), atomic_output(target, force=True) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_without_permission_is_said_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="no permission"):
        check_target(tmp_path / "a.root", ())


def test_temporaries_of_processes_that_run_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = temporary_name(tmp_path / "a.root")
    assert not in_use(mine, os.getpid())
    assert in_use(mine, os.getppid())
    monkeypatch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(PermissionError()))
    assert in_use(mine, 1)
    monkeypatch.setattr(os, "kill", lambda *_: (_ for _ in ()).throw(ProcessLookupError()))
    assert not in_use(mine, 1)


# files and trees


def test_a_file_that_cannot_be_opened_or_patched_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        RootFile(tmp_path / "none" / "a.root")
    file = RootFile(tmp_path / "a.root")
    file.stream.close()
    file.stream = Broken()  # type: ignore[assignment]
    with pytest.raises(OutputError, match="No space left"):
        file._patch(0, b"x")
    with pytest.raises(OutputError, match="No space left"):
        file.append(b"x")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(ValueError("something else"), "No space left"), (OutputError("the first"), "the first")],
)
def test_a_file_that_cannot_be_closed_is_said(wrong: Exception, words: str, tmp_path: Path) -> None:
    def write() -> None:
        with RootWriter(tmp_path / "a.root") as out:
            out.file.stream.close()
            out.file.stream = Broken()  # type: ignore[assignment]
            raise wrong

    with pytest.raises(OutputError, match=words):
        write()


def test_records_that_cannot_stand_beyond_2_gb_are_refused(tmp_path: Path) -> None:
    file = RootFile(tmp_path / "a.root")
    file.position = 3_000_000_000
    with pytest.raises(UnsupportedError, match="beyond 2 GB"):
        file.write_packed("TNamed", "x", "", b"data", 4, big=False)
    file.close()
    record = bytearray(64)
    assert not baskets.rewrite_key(record, 2**31, 100)
    assert baskets.rewrite_key(record, 2**31 - 1, 100)
    record[4:6] = (1004).to_bytes(2, "big")
    assert baskets.rewrite_key(record, 2**40, 100)
    assert int.from_bytes(record[18:26], "big") == 2**40


def test_a_basket_of_2_gb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baskets, "MAX_BASKET", 1000)
    noise = np.random.default_rng(1).normal(size=100_000)
    with RootWriter(tmp_path / "a.root") as out:
        tree = out.new_tree("Events", [NewBranch("x", "float64")], "")
        with pytest.raises(UnsupportedError, match="a basket cannot exceed 2 GB"):
            tree.append({"x": noise})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"Jet_pt": ONES}, "every new branch needs its values"),
        ({"Jet_pt": ONES, "Jet_x": SMALL, "y": np.ones(2)}, "every new branch needs its values"),
        ({"nJet": np.array([1]), "Jet_pt": ONES, "Jet_x": SMALL}, "differ in their number of events"),
        ({"Jet_pt": ONES, "Jet_x": Jagged(np.array([2, 1]), SMALL.values)}, "different multiplicities"),
        ({"nJet": ONES.counts, "Jet_pt": ONES.counts, "Jet_x": SMALL}, "a jagged branch needs a counter"),
        ({"nJet": ONES, "Jet_pt": ONES, "Jet_x": SMALL}, "a jagged branch needs a counter"),
        ({"Jet_pt": Jagged(ONES.counts, np.ones(4, np.float32)), "Jet_x": SMALL}, "counts do not add up"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, Column], words: str, tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=words), RootWriter(tmp_path / "a.root") as out:
        out.new_tree("Events", COUNTED, "").append(columns)


def test_kept_and_new_branches_must_have_the_same_events(tmp_path: Path) -> None:
    original = write_events(tmp_path / "a.root", *jets(10))
    with open_source(original) as source:
        events: Any = source.tree("Events")
        plan = [*(Keep(name) for name in events.branches), NewBranch("more", "int8")]
        with RootWriter(tmp_path / "b.root", source) as out:
            tree = out.rewrite_tree(events, plan)
            tree.append({"more": np.zeros(9, np.int8)})
            with pytest.raises(SchemaError, match="differ in their number of events"):
                tree.finish()


def test_no_events_at_all_are_a_tree(tmp_path: Path) -> None:
    with RootWriter(tmp_path / "a.root") as out:
        tree = out.new_tree("Events", COUNTED, "")
        tree.append(
            {
                "Jet_pt": Jagged(np.zeros(0, int), ONES.values[:0]),
                "Jet_x": Jagged(np.zeros(0, int), SMALL.values[:0]),
            }
        )
        tree.finish()
    with uproot.open(tmp_path / "a.root") as file:
        assert file["Events"].num_entries == 0


def test_lists_that_count_themselves_become_branches_with_counters(tmp_path: Path) -> None:
    recipe = recipe_of({"codec": "lifting"})
    with uproot.recreate(tmp_path / "a.root") as file:
        arrays = {
            "Jet_pt": ak.Array([[1.0], [], [2.0, 3.0]]),
            "Other_x": ak.Array([[1], [2, 3], []]),
            "w": np.arange(3.0),
        }
        file.mkrntuple("Events", arrays)
    for container in ("ttree", "rntuple"):
        small = tmp_path / f"{container}.root"
        hepae.compress(tmp_path / "a.root", small, collection="Jet", container=container, recipe=recipe)
        with hepae.open(small) as file:
            found = file["Events"].arrays(["Jet_pt", "Other_x", "w"])
        assert all(found[name].to_list() == ak.to_list(column) for name, column in arrays.items())


# events of the bottleneck


class Held:
    """A tree in memory."""

    where = "memory"

    def __init__(self, columns: dict[str, Column]) -> None:
        self.branches, self.columns = columns, columns

    def read(self, branch: str, start: int, stop: int) -> Column:
        return self.columns[branch]


def events_of(**changes: Any) -> Any:
    """Two events of three objects and one latent, of which something is another, under the right checksum."""
    counts, none = np.array([1, 2]), Jagged(np.zeros(2, np.int64), np.zeros(0, np.uint8))
    columns: dict[str, Column] = {
        "model": np.zeros(2, np.uint32),
        "escape": none,
        "latent": Jagged(counts, np.zeros(3, np.float32)),
        "pt": Jagged(counts, np.ones(3, np.uint16)),
        **changes,
    }
    names = {"pt": "Jet_pt__hepae", **{part: f"Jet_{part}__hepae" for part in ("model", "escape", "latent")}}
    held = {names[name]: column for name, column in columns.items() if column is not None}
    held["Jet_check__hepae"] = checks_of(counts, [one for one in columns.values() if one is not None])
    column = BottleneckColumn(
        "pt", "float32", Bound("abs", 1e-3), Transform("linear", 0.0, 1.0, 0.0, 1.0), 1e-6, 1e-3
    )
    spec = BottleneckSpec((column,), 1, LatentSpec("float32"), False)
    payloads = {"pt": "Jet_pt__hepae"} if columns["pt"] is not None else {}
    return read_events(Held(held), "Jet", counts, spec, payloads, 0, 2)  # type: ignore[arg-type]


def test_events_of_the_bottleneck_hold_what_they_must() -> None:
    assert events_of().encoded.latents.shape == (3, 1)
    assert events_of().nbytes == 2 * 8 + 3 * 4 + 3 * 2
    counts = np.array([1, 2])
    for changes, words in (
        ({"latent": np.zeros(2, np.float32)}, "not jagged"),
        ({"escape": np.zeros(2, np.uint8)}, "not jagged"),
        ({"latent": Jagged(2 * counts, np.zeros(6, np.float32))}, "latents and objects differ"),
        ({"escape": None}, "a branch was dropped"),
        ({"pt": None}, "a feature was dropped"),
    ):
        with pytest.raises(CorruptionError, match=words):
            events_of(**changes)


def test_latents_alone_are_a_file_that_claims_no_bound(tmp_path: Path) -> None:
    original = write_events(tmp_path / "a.root", *jets(40))
    recipe = recipe_of({"codec": "bottleneck", "epochs": 1, "layers": (4,), "latents_only": True})
    done = hepae.compress(original, tmp_path / "b.root", collection="Jet", recipe=recipe)
    assert {feature.bound for feature in done.features} == {"none"}
    with hepae.open(tmp_path / "b.root") as file:
        assert len(file["Events"].arrays(["Jet_pt"])["Jet_pt"]) == 40
