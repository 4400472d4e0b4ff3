"""What is said of a file: tables, columns, bytes, bounds, and what compressing it would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepae import cli, compress
from hepae.errors import BoundError, InputError
from hepae.files.compress.narrowing import narrowing_of
from hepae.files.inspect.estimate import estimate
from hepae.files.inspect.facts import ENTRIES, OTHERS, PLAIN, FileFacts, TableFacts
from hepae.files.inspect.file import inspect
from hepae.learn.recipe import recipe_of
from hepae.learn.whole.lifted import lifted_tables
from hepae.root.columns import Jagged
from hepae.root.file.writer import RootWriter
from hepae.root.ttree.plan import NewBranch
from tests.root_process import needs_root
from tests.whole_samples import write_nano, write_with_root

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nano(tmp_path: Path) -> Path:
    write_nano(tmp_path / "nano.root", 600, 1)
    return tmp_path / "nano.root"


def tables(facts: FileFacts, tree: str = "Events") -> dict[str, TableFacts]:
    (found,) = (one for one in facts.trees if one.path == tree)
    return {table.name: table for table in found.tables}


def test_values_of_the_columns_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "facts.root"
    with RootWriter(path) as out:
        tree = out.new_tree(
            "Events", [NewBranch("nJet", "int32"), NewBranch("Jet_pt", "float32", "p", "nJet")]
        )
        values = np.array([1.5, np.nan, -np.inf, 40.25], "f4")
        tree.append({"Jet_pt": Jagged(np.array([4, 0]), values)})
        tree.finish()
    facts = inspect(path, values=["Jet_*"])
    columns = {column.name: column for column in facts.trees[0].columns}
    pt = columns["Jet_pt"]
    assert pt.values is not None
    assert (pt.values.mantissa, pt.values.low, pt.values.high, pt.values.non_finite) == (7, 1.5, 40.25, 0.5)
    assert (pt.table, pt.title, pt.dtype, pt.bound) == ("Jet", "p", "float32", "exact")
    assert pt.on_disk > 0
    assert columns["nJet"].values is None
    assert tables(facts)["Jet"].rows == 4


def test_tables_have_rows_columns_and_bytes(nano: Path) -> None:
    facts = inspect(nano)
    assert [tree.path for tree in facts.trees] == ["Events", "Runs", "dir/Extra"]
    jets, events = tables(facts)["Jet"], tables(facts)[ENTRIES]
    with uproot.open(nano) as file:
        tree = file["Events"]
        assert jets.rows == int(np.sum(tree["nJet"].array()))
        sizes = {name: int(tree[name].member("fZipBytes")) for name in tree.keys()}  # noqa: SIM118 - uproot's
    assert (jets.columns, jets.on_disk) == (2, sizes["Jet_pt"] + sizes["Jet_id"])
    assert (events.rows, events.columns, events.bounds) == (600, 5, {"exact": 5})
    assert {key.path for key in facts.keys} >= {"h", "tag"}


@pytest.mark.root
@needs_root
def test_what_stays_as_it_is_says_why(tmp_path: Path) -> None:
    write_with_root(tmp_path / "a.root", 100, 0)
    facts = inspect(tmp_path / "a.root")
    kept = {column.name: column for column in facts.trees[0].columns if column.kept}
    assert kept["objects"].table == OTHERS
    assert kept["objects"].dtype == "TObjArray"
    assert "not numbers" in kept["objects"].kept
    assert "x" not in kept


def test_a_compressed_file_says_its_bounds_and_bytes(nano: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.root"
    done = compress(nano, small, bounds=["Jet_pt=rel:1e-3"], skip=["run"])
    facts = inspect(small, values=["Jet_pt"])
    (tree,) = (one for one in facts.trees if one.path == "Events")
    columns = {column.name: column for column in tree.columns}
    assert tree.compressed
    assert columns["Jet_pt"].bound == "rel:0.001"
    assert columns["event"].bound == "exact"
    assert (columns["run"].table, columns["run"].bound) == (PLAIN, "")
    assert tables(facts)["Jet"].rows == tables(inspect(nano))["Jet"].rows
    stored = sum(table.on_disk for name, table in tables(facts).items() if name != PLAIN)
    (of_tree,) = (one for one in done.trees if one.path == "Events")  # type: ignore[union-attr]
    assert stored == pytest.approx(of_tree.after, abs=len(columns))
    pt = columns["Jet_pt"].values
    assert pt is not None
    assert pt.low is not None
    assert 0 <= pt.low < 1


def test_an_estimate_is_near_the_size_that_compressing_gives(nano: Path, tmp_path: Path) -> None:
    bounds, narrowing = ["Jet_pt=rel:1e-3"], narrowing_of(skip=["HLT_*"])
    facts = inspect(nano)
    estimate(facts, bounds, narrowing, search=lifted_tables)
    done = compress(nano, tmp_path / "small.root", bounds=bounds, skip=["HLT_*"])
    assert facts.after is not None
    assert facts.after == pytest.approx((tmp_path / "small.root").stat().st_size, rel=0.2)
    (tree,) = (one for one in facts.trees if one.path == "Events")
    (of_tree,) = (one for one in done.trees if one.path == "Events")  # type: ignore[union-attr]
    assert sum(column.after or 0 for column in tree.columns) == pytest.approx(of_tree.after, rel=0.01)
    columns = {column.name: column for column in tree.columns}
    assert columns["Jet_pt"].bound == "rel:0.001"
    assert (columns["HLT_a"].bound, columns["HLT_a"].kept, columns["HLT_a"].after) == (
        "",
        "not asked for",
        None,
    )


def test_columns_say_what_they_are_predicted_from(sample_root: Path, tmp_path: Path) -> None:
    compress(sample_root, tmp_path / "small.root", only=["Jet_*"])
    columns = {column.name: column for column in inspect(tmp_path / "small.root").trees[0].columns}
    predicted = {name: column.needs for name, column in columns.items() if column.needs}
    assert predicted
    for name, needs in predicted.items():
        assert columns[name].codec == "lifting"
        assert set(needs) <= columns.keys() - {name}
        assert all(name not in columns[one].needs for one in needs)


def test_an_estimate_refuses_what_compressing_refuses(nano: Path) -> None:
    with pytest.raises(BoundError):
        estimate(inspect(nano), ["Jet_nothing=rel:1e-3"])
    with pytest.raises(InputError, match="matches no column"):
        estimate(inspect(nano), narrowing=narrowing_of(only=["Nothing_*"]))


def test_vectors_without_a_counter_have_rows(tmp_path: Path) -> None:
    path = tmp_path / "vectors.root"
    with uproot.recreate(path) as file:
        file.mktree("t", {"a": "var * float32"}).extend({"a": ak.Array([[1.0, 2.0], [], [3.0]])})
    assert tables(inspect(path), "t")["a"].rows == 3


@pytest.fixture
def ntuple(tmp_path: Path) -> Path:
    rng, path = np.random.default_rng(3), tmp_path / "ntuple.root"
    counts = rng.poisson(3, 400)
    columns = {
        "run": np.full(400, 7, np.uint32),
        "Jet_pt": ak.unflatten(rng.exponential(30, counts.sum()).astype(np.float32), counts),
        "Jet_id": ak.unflatten(rng.integers(0, 7, counts.sum()).astype(np.int32), counts),
    }
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", columns)
    return path


def test_an_rntuple_is_shown_by_its_columns_before_and_after(ntuple: Path, tmp_path: Path) -> None:
    plain = inspect(ntuple, values=["Jet_pt"])
    (jets,) = (table for table in plain.trees[0].tables if table.columns == 2)
    columns = {column.name: column for column in plain.trees[0].columns}
    with uproot.open(ntuple) as file:
        pt = ak.flatten(file["Events"].arrays()["Jet_pt"])
    assert jets.rows == len(pt)
    assert columns["Jet_pt"].values is not None
    assert columns["Jet_pt"].values.high == pytest.approx(float(ak.max(pt)))
    assert (columns["Jet_pt"].bound, columns["Jet_pt"].on_disk > 0) == ("exact", True)
    estimate(plain, ["Jet_pt=rel:1e-2"], search=lifted_tables)
    assert columns["Jet_pt"].bound == "rel:0.01"
    small = tmp_path / "small.root"
    compress(ntuple, small, bounds=["Jet_pt=rel:1e-2"], skip=["run"])
    (tree,) = inspect(small).trees
    after = {column.name: column for column in tree.columns}
    assert tree.compressed
    assert after["Jet_pt"].bound == "rel:0.01"
    assert 0 < after["Jet_pt"].on_disk < columns["Jet_pt"].on_disk
    assert (after["run"].table, after["run"].bound) == (PLAIN, "")


def test_an_empty_tree_lists_its_branches(tmp_path: Path) -> None:
    path = tmp_path / "empty.root"
    with uproot.recreate(path) as file:
        file.mktree("t", {"x": "float32"})
    (tree,) = inspect(path).trees
    assert [(column.name, column.kept) for column in tree.columns] == [("x", "no entries")]


def test_a_pattern_that_matches_nothing_is_an_error(nano: Path) -> None:
    with pytest.raises(InputError, match="matches no column"):
        inspect(nano, values=["Jets_*"])


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_number_is_cut_on_a_narrow_terminal(
    nano: Path, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    assert cli.main(["inspect", str(nano), "--columns"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= max(width, len(str(nano)) + 20)
    assert "…" not in out
    jets = tables(inspect(nano))["Jet"]
    assert f"{jets.rows:,}" in out
    assert f"{jets.on_disk:,}" in out


def test_a_dry_run_writes_nothing(nano: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(tmp_path.iterdir())
    command = ["compress", str(nano), str(tmp_path / "small.root"), "--dry-run", "--bound", "Jet_pt=rel:1e-3"]
    assert cli.main(command) == 0
    assert "rel:0.001" in capsys.readouterr().out
    assert cli.main([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert 0 < result["after"] < result["size"]
    assert {column["name"] for tree in result["trees"] for column in tree["columns"]} >= {
        "Jet_pt",
        "run",
        "w",
    }
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "words", [["--collection", "Jet"], ["--out-dir", "somewhere"], ["--codec", "lifting"]]
)
def test_a_dry_run_of_no_whole_file_is_refused(
    nano: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compress", str(nano), "--dry-run", *words]) == 2
    assert "a dry run is of" in capsys.readouterr().err


def test_a_collection_with_a_model_is_shown_by_feature(sample_root: Path, tmp_path: Path) -> None:
    small, recipe = tmp_path / "small.root", recipe_of({"codec": "lifting"})
    compress(sample_root, small, collection="Jet", bounds=["pt=rel:1e-3"], recipe=recipe)
    facts = inspect(small, values=["Jet_pt"])
    columns = {column.name: column for column in facts.trees[0].columns}
    assert columns.keys() == {column.name for column in inspect(sample_root).trees[0].columns}
    pt, jets = columns["Jet_pt"], tables(facts)["Jet"]
    assert (pt.bound, pt.codec, pt.dtype) == ("rel:0.001", "lifting", "float32")
    assert (jets.rows, jets.columns) == (12_169, 21)
    assert pt.values is not None
    assert pt.values.low is not None
    assert pt.values.low >= 20
    assert sum(column.on_disk for column in columns.values()) <= small.stat().st_size


@pytest.mark.shared
@pytest.mark.slow
def test_branches_that_stay_are_counted_with_what_they_take(
    shared: Callable[[str], Path], tmp_path: Path
) -> None:
    """PHYSLITE has hundreds of them: small baskets go into the header, and are compressed with it."""
    original, small = shared("PHYSLITE_example.root"), tmp_path / "small.root"
    facts = inspect(original)
    estimate(facts, search=lifted_tables)
    compress(original, small)
    assert facts.after == pytest.approx(small.stat().st_size, rel=0.1)
    found = inspect(small)
    kept = [column for column in found.trees[0].columns if column.kept]
    assert len(kept) > 400
    assert found.rest == small.stat().st_size - sum(table.on_disk for table in found.trees[0].tables)
    assert found.rest > 0.05 * small.stat().st_size
