"""Risk: a file that is not as it was, of which `verify` says that it is; or one that is, of which it says it is not."""

from __future__ import annotations

import copy
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import hepae
from hepae.cli import main
from hepae.errors import BoundError, InputError

Contents = dict[str, Any]


def contents() -> Contents:
    """What the original holds: two trees, a histogram, an object in a directory."""
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 4, 60)
    n = int(counts.sum())
    jets = {"pt": rng.exponential(40, n).astype("f4"), "id": rng.integers(0, 9, n).astype("i4")}
    return {
        "title": "events",
        "compression": uproot.ZLIB(4),
        "Events": {
            "run": np.full(60, 7, "u4"),
            "event": np.arange(2**53, 2**53 + 60),
            "x": np.where(np.arange(60) % 9 == 0, 0.0, rng.normal(size=60)),
            "missing": np.where(np.arange(60) % 7 == 0, np.nan, 1.0).astype("f4"),
            "cov": rng.random((60, 3, 2)).astype("f4"),
            "name": ak.Array(["text" * (i % 5) for i in range(60)]),
            "Jet": ak.zip({name: ak.unflatten(values, counts) for name, values in jets.items()}),
        },
        "deep/Runs": {"sum": np.array([3.5, 4.5])},
        "h": np.histogram(rng.normal(size=200), 10),
        "cut": "pt > 20",
    }


def write(path: Path, made: Contents) -> Path:
    """Write them."""
    with uproot.recreate(path, compression=made["compression"]) as file:
        for name, columns in made.items():
            if isinstance(columns, dict):
                title = made["title"] if name == "Events" else ""
                file.mktree(name, {branch: types(v) for branch, v in columns.items()}, title=title).extend(
                    columns
                )
            elif name in ("h", "cut", "another"):
                file[name] = columns
    return path


def types(values: Any) -> Any:
    if isinstance(values, np.ndarray):
        return np.dtype((values.dtype, values.shape[1:]))
    return ak.type(values).content


def put(tree: str, branch: str, index: Any, value: Any) -> Callable[[Contents], None]:
    def change(made: Contents) -> None:
        made[tree][branch][index] = value

    return change


def retype(branch: str, dtype: str) -> Callable[[Contents], None]:
    def change(made: Contents) -> None:
        made["Events"][branch] = made["Events"][branch].astype(dtype)

    return change


def reorder(made: Contents) -> None:
    names = list(made["Events"])
    names[0], names[1] = names[1], names[0]
    made["Events"] = {name: made["Events"][name] for name in names}


def exchange(made: Contents) -> None:
    made["Events"] = {"y" if name == "x" else name: values for name, values in made["Events"].items()}


def move_object(made: Contents) -> None:
    """The same values, one object in another event."""
    jets = made["Events"]["Jet"]
    counts = ak.to_numpy(ak.num(jets)).copy()
    first = int(np.flatnonzero(counts)[0])
    counts[first], counts[first + 1] = counts[first] - 1, counts[first + 1] + 1
    made["Events"]["Jet"] = ak.unflatten(ak.flatten(jets), counts)


def jet(field: str, value: float) -> Callable[[Contents], None]:
    def change(made: Contents) -> None:
        jets = made["Events"]["Jet"]
        values = {name: ak.to_numpy(ak.flatten(jets[name])).copy() for name in ak.fields(jets)}
        values[field][5] = value
        counts = ak.num(jets)
        made["Events"]["Jet"] = ak.zip({name: ak.unflatten(v, counts) for name, v in values.items()})

    return change


def rename(made: Contents) -> None:
    made["Events"] = {"luminosity" if name == "run" else name: v for name, v in made["Events"].items()}


def bins(made: Contents) -> None:
    values, edges = made["h"]
    made["h"] = (values + np.eye(1, 10)[0].astype(int), edges)


def letter(made: Contents) -> None:
    texts = ak.to_list(made["Events"]["name"])
    texts[6] = texts[6][:-1] + "T"
    made["Events"]["name"] = ak.Array(texts)


def shorter(made: Contents) -> None:
    made["Events"] = {name: values[:-1] for name, values in made["Events"].items()}


def recompress(made: Contents) -> None:
    made["compression"] = uproot.LZMA(6)


QUIET = np.array(0x7FC00001, "u4").view("f4")

CHANGES: dict[str, tuple[Callable[[Contents], Any], str]] = {
    "an integer": (put("Events", "event", 13, 0), "event"),
    "a float by its last bit": (put("Events", "x", 5, np.nextafter(contents()["Events"]["x"][5], 9)), "x"),
    "the sign of a zero": (put("Events", "x", 9, -0.0), "x"),
    "the payload of a NaN": (put("Events", "missing", 7, QUIET), "missing"),
    "an element of an array": (put("Events", "cov", (59, 2, 1), 2.0), "cov"),
    "a value of an object": (jet("pt", 1.0), "Jet_pt"),
    "an integer of an object": (jet("id", 99), "Jet_id"),
    "an object in another event": (move_object, "nJet"),
    "a letter": (letter, "name"),
    "a value of another tree": (put("deep/Runs", "sum", 1, 4.0), "deep/Runs, sum"),
    "a type": (retype("x", "f4"), "x, leaf x: class 'TLeafD' before, 'TLeafF' after"),
    "a sign": (retype("run", "i4"), "run, leaf run: unsigned True before, False after"),
    "the order of branches": (reorder, "another order of branches"),
    "a branch under another name": (exchange, "Events, y: is new"),
    "the name of a branch": (rename, "Events, run: is missing"),
    "the title of a tree": (lambda made: made.update(title="other"), "title 'events' before, 'other' after"),
    "the compression setting": (recompress, "compression of the baskets 'ZL' before, 'XZ' after"),
    "the last entry": (shorter, "60 entries before, 59 after"),
    "a lost tree": (lambda made: made.pop("deep/Runs"), "deep/Runs;1 (TTree) is missing"),
    "a lost histogram": (lambda made: made.pop("h"), "h;1 (TH1D) is missing"),
    "a new object": (lambda made: made.update(another="text"), "another;1 (TObjString) is new"),
    "a bin": (bins, "h;1: fEntries: 200.0 before, 201.0 after"),
    "a text": (lambda made: made.update(cut="pt > 30"), "cut;1: : 'pt > 20' before, 'pt > 30' after"),
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("verify") / "a.root", contents())


def test_a_copy_is_the_same(original: Path, tmp_path: Path) -> None:
    for other in (shutil.copy(original, tmp_path / "b.root"), write(tmp_path / "c.root", contents())):
        result = hepae.verify(original, other)
        assert result.kept, (result.differences, result.offenders)
        assert all(column.same for column in result.columns())
        assert list(result.trees) == ["Events", "deep/Runs"]
        assert len(result.trees["Events"].columns) == 9
        assert result.objects == 3


@pytest.mark.parametrize("change", CHANGES)
def test_a_single_change_is_told(change: str, original: Path, tmp_path: Path) -> None:
    made = copy.deepcopy(contents())
    CHANGES[change][0](made)
    result = hepae.verify(original, write(tmp_path / "b.root", made))
    assert not result.kept
    bad = [
        f"{name}, {c.name}"
        for name, tree in result.trees.items()
        for c in tree.columns.values()
        if not c.kept
    ]
    told = result.differences + bad
    assert any(CHANGES[change][1] in line for line in told), told


def test_where_and_what_a_value_was(original: Path, tmp_path: Path) -> None:
    made = contents()
    made["Events"]["cov"][59, 2, 1] = 2.0
    result = hepae.verify(original, write(tmp_path / "b.root", made))
    (worst,) = result.offenders
    assert (worst.tree, worst.column, worst.entry, worst.index, worst.restored) == (
        "Events",
        "cov",
        59,
        5,
        2.0,
    )
    assert worst.stored == contents()["Events"]["cov"][59, 2, 1]
    assert result.trees["Events"].columns["cov"].violations == 1
    assert "1 out of bounds or changed" in repr(result)


def test_bounds_of_the_request(original: Path, tmp_path: Path) -> None:
    made = contents()
    jets = made["Events"]["Jet"]
    moved = ak.with_field(jets, ak.values_astype(jets.pt * 1.0005, "float32"), "pt")
    made["Events"]["Jet"] = moved[jets.fields]  # Awkward Array 2.8 puts a field that is replaced at the end
    other = write(tmp_path / "b.root", made)
    assert not hepae.verify(original, other).kept
    for bounds in (["pt=rel:1e-3"], ["Jet_*=rel:1e-3"], ["*=abs:1", "Events/Jet_pt=rel:1e-3"], ["*=bits:9"]):
        result = hepae.verify(original, other, bounds=bounds)
        assert result.kept, bounds
        column = result.trees["Events"].columns["Jet_pt"]
        assert not column.same
        assert 0 < column.worst <= 1
        assert column.worst_error == pytest.approx(5e-4, rel=1e-3)
    assert not hepae.verify(original, other, bounds=["pt=rel:1e-4"]).kept
    assert not hepae.verify(original, other, bounds=["*=rel:1e-3", "Jet_pt=exact"]).kept


def test_integers_are_exact_whatever_was_asked_for(original: Path, tmp_path: Path) -> None:
    made = contents()
    made["Events"]["event"][3] += 1
    result = hepae.verify(original, write(tmp_path / "b.root", made), bounds=["*=rel:0.5"])
    assert [column.name for column in result.columns() if not column.kept] == ["event"]
    with pytest.raises(BoundError, match="integers"):
        hepae.verify(original, tmp_path / "b.root", bounds=["event=rel:0.5"])


def test_a_bound_for_nothing_is_refused_with_what_is_near(original: Path) -> None:
    with pytest.raises(BoundError, match="did you mean Jet_pt"):
        hepae.verify(original, original, bounds=["Jet_pz=rel:1e-3"])


def test_only_the_trees_that_are_named(original: Path, tmp_path: Path) -> None:
    made = contents()
    made["deep/Runs"]["sum"][0] = 9
    del made["h"]
    other = write(tmp_path / "b.root", made)
    assert hepae.verify(original, other, tree="Events").kept
    assert not hepae.verify(original, other, tree=["Events", "deep/Runs"]).kept
    with pytest.raises(InputError, match="deep/Runs"):
        hepae.verify(original, other, tree="Runs")


def test_the_table_has_room_in_a_narrow_terminal(
    original: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = contents()
    made["Events"]["x"][:] *= 1.5
    write(tmp_path / "b.root", made)
    for columns in ("60", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        assert main(["verify", str(original), str(tmp_path / "b.root")]) == 1
        out = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
        assert "…" not in out
        table = [
            line
            for line in out.splitlines()
            if line.startswith(("tree ", "column ", "Events ", "Events: x "))
        ]
        assert len(table) == 4
        assert all(len(line) <= int(columns) for line in table)
        assert "out of bound" in table[2]
        assert ("not same" in table[2]) == (columns == "200")
    assert main(["verify", str(original), str(tmp_path / "b.root"), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["trees"]["Events"]["columns"]["x"]["violations"] > 40
    assert len(found["trees"]["Events"]["columns"]) == 9
