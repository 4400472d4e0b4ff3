"""What is not compressed comes out as it went in, in its place; and a file is replaced whole or not at all."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hepae.errors import OutputError, SchemaError, UnsupportedError
from hepae.root import (
    Compression,
    Jagged,
    Keep,
    NewBranch,
    RootWriter,
    atomic_output,
    open_source,
)
from hepae.testing.files import DTYPES
from tests.content import content_checksum, other_objects


def clone(path: Path, target: Path, tree: str | None = None) -> list[str]:
    """Copy a file by rewriting one tree with all its branches kept; return what was left out."""
    with open_source(path) as source, RootWriter(target, source) as out:
        out.rewrite_tree(source.tree(tree)).finish()
        return out.copy_rest()


def require_same_tree(path: Path, target: Path, name: str, drop: frozenset[str] = frozenset()) -> int:
    """Compare values, C++ types, titles and leaf titles of all branches in uproot's eyes."""
    with uproot.open(path) as before, uproot.open(target) as after:
        old, new = before[name], after[name]
        kept = [branch.name for branch in old.branches if branch.name not in drop]
        assert kept == [branch.name for branch in new.branches if branch.name in kept]
        assert (old.title, old.num_entries) == (new.title, new.num_entries)
        for member in ("fAutoFlush", "fAutoSave", "fWeight", "fEstimate"):
            assert old.member(member) == new.member(member)
        for branch in kept:
            require_same_branch(old[branch], new[branch])
    with open_source(path) as before, open_source(target) as after:
        for branch in kept:
            assert content_checksum(before.tree(name), branch) == content_checksum(after.tree(name), branch)
    return len(kept)


def require_same_branch(old: object, new: object) -> None:
    assert (old.title, old.typename, old.num_entries) == (new.title, new.typename, new.num_entries)
    for member in ("fEntryOffsetLen", "fBasketSize", "fCompress", "fSplitLevel"):
        assert old.member(member) == new.member(member), (old.name, member)
    first, second = old.member("fLeaves")[0], new.member("fLeaves")[0]
    assert first.classname == second.classname
    for member in ("fName", "fTitle", "fLen", "fLenType", "fIsRange", "fIsUnsigned", "fMinimum", "fMaximum"):
        assert first.member(member) == second.member(member), (old.name, member)
    x, y = old.array(), new.array()
    assert x.type == y.type, old.name
    if x.ndim > 1 and "var" in str(x.type):
        assert ak.num(x).tolist() == ak.num(y).tolist()
    x, y = (ak.to_numpy(ak.flatten(v, axis=None)) for v in (x, y))
    assert x.tobytes() == y.tobytes(), old.name


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "tree", "branches"),
    [
        ("qcd_jets.root", "Events", 23),
        ("nanoAOD_2015_CMS_Open_Data_ttbar.root", "Events", 947),
        ("uproot-HZZ.root", "events", 51),
        ("fat_jets.root", "Jets", 11),
    ],
)
def test_real_trees(
    shared: Callable[[str], Path], tmp_path: Path, name: str, tree: str, branches: int
) -> None:
    target = tmp_path / name
    assert clone(shared(name), target) == []
    assert require_same_tree(shared(name), target, tree) == branches
    assert target.stat().st_size <= shared(name).stat().st_size


def test_sample_with_all_its_keys(sample_root: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.root"
    assert clone(sample_root, target, "Events") == []
    require_same_tree(sample_root, target, "Events")
    with open_source(sample_root) as before, open_source(target) as after:
        assert other_objects(before, "Events") == other_objects(after, "Events")
        assert sorted(map(str, before.keys)) == sorted(map(str, after.keys))


def test_directories_cycles_and_other_trees(tmp_path: Path) -> None:
    path, target = tmp_path / "in.root", tmp_path / "out.root"
    with uproot.recreate(path) as file:
        file["note"], file["deep/er/h"] = "first", np.histogram([1.0, 2.0])
        file["note"] = "second"
        for name, events in (("deep/Runs", 3), ("Events", 9), ("Lumi", 4)):
            tree = file.mktree(name, {"x": "float32", "v": "var * int16"})
            for _ in range(2):
                tree.extend({"x": np.arange(events, dtype="f4"), "v": ak.Array([[1, 2]] * events)})
    assert clone(path, target, "Events") == []
    with open_source(path) as before, open_source(target) as after:
        assert other_objects(before, "Events") == other_objects(after, "Events")
        assert sorted(map(str, before.keys)) == sorted(map(str, after.keys))
    with uproot.open(target) as file:
        assert (file["note;1"], file["note"]) == ("first", "second")
        assert file["deep/Runs/v"].array().tolist() == [[1, 2]] * 6
        assert file["deep/er/h"].values().sum() == 2


def test_a_tree_in_a_directory_stays_there(tmp_path: Path) -> None:
    path, target = tmp_path / "in.root", tmp_path / "out.root"
    with uproot.recreate(path) as file:
        file.mktree("a/b/Events", {"x": "float32"}).extend({"x": np.arange(3, dtype="f4")})
    clone(path, target)
    require_same_tree(path, target, "a/b/Events")


def test_new_branches_take_the_place_of_old_ones(sample_root: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.root"
    with open_source(sample_root) as source, RootWriter(target, source) as out:
        tree = source.tree("Events")
        names = list(tree.branches)
        at = names.index("Jet_pt")
        plan: list[Keep | NewBranch] = [Keep(name) for name in names]
        lzma = Compression("lzma", 4)
        plan[at : at + 1] = [
            NewBranch("nJet_pt__hepae", "int32", compression=lzma),
            NewBranch("Jet_pt__hepae", "uint8", "any [text]/F", "nJet_pt__hepae", compression=lzma),
            NewBranch("Jet_code", "uint16", counter="nJet", shape=(2,)),
        ]
        made = out.rewrite_tree(tree, plan)
        payload, codes = [], []
        for run in tree.iterate(tree.collection("Jet"), ["pt"], events_per_chunk=700):
            lengths = np.zeros(run.n_events, np.int64)
            lengths[0] = run.n_objects
            payload.append(Jagged(lengths, np.arange(run.n_objects).astype("u1")))
            codes.append(Jagged(run.counts, np.arange(2 * run.n_objects, dtype="u2").reshape(-1, 2)))
            made.append({"Jet_pt__hepae": payload[-1], "Jet_code": codes[-1]})
        made.finish()
    require_same_tree(sample_root, target, "Events", frozenset({"Jet_pt"}))
    with uproot.open(target) as file:
        tree = file["Events"]
        assert tree.keys() == [*names[:at], "nJet_pt__hepae", "Jet_pt__hepae", "Jet_code", *names[at + 1 :]]
        assert tree["Jet_pt__hepae"].title == "any [text]/F"
        assert tree["Jet_pt__hepae"].num_baskets == 4
        assert tree["nJet_pt__hepae"].member("fLeaves")[0].member("fMaximum") == max(
            len(p.values) for p in payload
        )
        assert ak.num(tree["Jet_code"].array(), axis=1).tolist() == tree["nJet"].array().tolist()
        blobs = ak.flatten(tree["Jet_pt__hepae"].array()).to_numpy()
        assert blobs.tolist() == np.concatenate([p.values for p in payload]).tolist()


@given(st.data())
def test_any_columns_read_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Columns of any dtype, shape and chunking, written here, are the same in uproot and in our reader."""
    path = tmp_path_factory.mktemp("any") / "any.root"
    algorithm = data.draw(st.sampled_from(["zlib", "lzma", "zstd", "lz4"]))
    compression = Compression(algorithm, data.draw(st.integers(0, 5)))
    kinds = data.draw(
        st.lists(st.tuples(st.sampled_from(DTYPES), st.sampled_from([(), (1,), (2, 3)])), max_size=4)
    )
    plan = [NewBranch("label", "str"), NewBranch("n", "uint32")]
    for number, (dtype, shape) in enumerate(kinds):
        plan.append(NewBranch(f"f{number}", dtype, shape=shape, compression=compression))
        plan.append(NewBranch(f"j{number}", dtype, counter="n", shape=shape, compression=compression))
    written = []
    with RootWriter(path) as out:
        tree = out.new_tree("T", plan, "títle")
        for events in data.draw(st.lists(st.integers(0, 6), max_size=3)):
            counts = data.draw(hnp.arrays(np.int64, events, elements=st.integers(0, 3)))
            texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300)
            chunk: dict[str, object] = {
                "label": np.array(data.draw(st.lists(texts, min_size=events, max_size=events)), np.str_),
                "n": counts,
            }
            for number, (dtype, shape) in enumerate(kinds):
                chunk[f"f{number}"] = data.draw(hnp.arrays(dtype, (events, *shape)))
                chunk[f"j{number}"] = Jagged(
                    counts, data.draw(hnp.arrays(dtype, (int(counts.sum()), *shape)))
                )
            tree.append(chunk)
            written.append(chunk)
        tree.finish()
    with open_source(path) as source, uproot.open(path) as file:
        tree, theirs = source.tree("T"), file["T"]
        assert (tree.title, tree.num_entries) == ("títle", sum(len(chunk["n"]) for chunk in written))
        assert theirs["label"].array().tolist() == [
            text for chunk in written for text in chunk["label"].tolist()
        ]
        for branch in plan[2:]:
            found = tree.read(branch.name, 0, tree.num_entries)
            expected = [c[branch.name].values if branch.counter else c[branch.name] for c in written]
            values = found.values if isinstance(found, Jagged) else found
            assert values.dtype == branch.dtype
            assert values.tobytes() == b"".join(np.ascontiguousarray(part).tobytes() for part in expected)
            flat = ak.to_numpy(ak.flatten(theirs[branch.name].array(), axis=None))
            assert flat.tobytes() == values.tobytes()


def test_same_input_same_bytes(sample_root: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.root", tmp_path / "second.root"
    clone(sample_root, first, "Events")
    time.sleep(1.1)
    clone(sample_root, second, "Events")
    assert first.read_bytes() == second.read_bytes()
    with uproot.open(first) as copy, uproot.open(sample_root) as original:
        assert copy.file.uuid != original.file.uuid


def test_what_is_not_written_is_refused(tmp_path: Path, sample_root: Path) -> None:
    with pytest.raises(SchemaError, match="no such branch"), RootWriter(tmp_path / "a.root") as out:
        out.new_tree("T", [Keep("x")])
    with pytest.raises(SchemaError, match="counter is missing"), RootWriter(tmp_path / "b.root") as out:
        out.new_tree("T", [NewBranch("x", "int8", counter="n")])
    with pytest.raises(SchemaError, match="two branches"), RootWriter(tmp_path / "c.root") as out:
        out.new_tree("T", [NewBranch("x", "int8")] * 2)
    with pytest.raises(UnsupportedError, match="float16"), RootWriter(tmp_path / "d.root") as out:
        out.new_tree("T", [NewBranch("x", "float16")])
    with pytest.raises(SchemaError, match="every new branch"), RootWriter(tmp_path / "e.root") as out:
        out.new_tree("T", [NewBranch("x", "int8")]).append({"y": np.zeros(1)})
    with pytest.raises(SchemaError, match="2400"):
        fill_partly(sample_root, tmp_path / "f.root")


def fill_partly(path: Path, target: Path) -> None:
    with open_source(path) as source, RootWriter(target, source) as out:
        made = out.rewrite_tree(source.tree("Events"), [Keep("nJet"), NewBranch("x", "int8")])
        made.append({"x": np.zeros(7, "i1")})
        made.finish()


def test_rntuples_move_beside_trees(tmp_path: Path) -> None:
    path = tmp_path / "in.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "float32"}).extend({"x": np.zeros(3, "f4")})
        file.mkrntuple("Other", {"x": np.arange(3, dtype="f4")})
    clone(path, tmp_path / "out.root", "Events")
    with uproot.open(tmp_path / "out.root") as file:
        assert file["Other"]["x"].array().tolist() == [0, 1, 2]


def test_beyond_two_gigabytes(tmp_path: Path, sample_root: Path) -> None:
    """Positions of 8 bytes, on a file with a hole."""
    target = tmp_path / "big.root"
    with RootWriter(target) as out:
        tree = out.new_tree("Events", [NewBranch("n", "int32"), NewBranch("x", "float32", counter="n")])
        runs = [Jagged(np.array([k, 0, 1]), np.full(k + 1, k, "f4")) for k in range(3)]
        for run in runs:
            tree.append({"x": run})
            out.file.position += 1_500_000_000
            out.file.stream.seek(out.file.position)
        tree.finish()
        out.file.directory("late")
        late = out.new_tree("Late", [NewBranch("y", "int64")])
        late.append({"y": np.arange(5)})
        late.finish()
    assert target.stat().st_size > 4 * 10**9
    with open_source(target) as source:
        found = source.tree("Events").read("x", 0, 9)
        assert isinstance(found, Jagged)
        assert found.values.tolist() == np.concatenate([run.values for run in runs]).tolist()
        assert np.asarray(source.tree("Late").read("y", 0, 5)).tolist() == [0, 1, 2, 3, 4]
        with RootWriter(tmp_path / "small.root", source) as out:
            out.rewrite_tree(source.tree("Events")).finish()
            out.copy_rest()
    require_same_tree(target, tmp_path / "small.root", "Events")


def half_written(path: Path) -> None:
    path.write_bytes(b"half")
    raise ValueError("on purpose")


def test_an_error_leaves_the_target_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.root"
    target.write_bytes(b"old")
    with pytest.raises(ValueError, match="on purpose"), atomic_output(target, force=True) as temporary:
        half_written(temporary)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["out.root"]


def test_outputs_that_cannot_be(tmp_path: Path, sample_root: Path) -> None:
    with pytest.raises(OutputError, match="is the input"), atomic_output(sample_root, (sample_root,)):
        pass
    link = tmp_path / "link.root"
    link.symlink_to(sample_root)
    with pytest.raises(OutputError, match="is the input"), atomic_output(link, (sample_root,)):
        pass
    with pytest.raises(OutputError, match="no such directory"), atomic_output(tmp_path / "no" / "out.root"):
        pass
    with pytest.raises(OutputError, match="is a directory"), atomic_output(tmp_path):
        pass


def test_two_writers_the_last_complete_one_wins(tmp_path: Path) -> None:
    target = tmp_path / "out.root"
    with atomic_output(target, force=True) as temporary:
        temporary.write_bytes(b"slow")
        other = subprocess.run(
            [sys.executable, "-c", KILLED.replace("KILL", "pass"), str(target)], check=True
        )
        assert other.returncode == 0
        assert target.read_bytes() == b"other"
    assert target.read_bytes() == b"slow"


KILLED = """
import os, signal, sys
from pathlib import Path
from hepae.root.file.atomic import atomic_output
with atomic_output(Path(sys.argv[1]), force=True) as temporary:
    temporary.write_bytes(b"other")
    KILL
"""


def test_what_a_killed_writer_leaves_is_removed(tmp_path: Path) -> None:
    target = tmp_path / "out.root"
    target.write_bytes(b"old")
    code = KILLED.replace("KILL", "os.kill(os.getpid(), signal.SIGKILL)")
    killed = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert target.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    with atomic_output(target, force=True) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["out.root"]


def test_a_full_disk_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No space left"):
        fill(Path("/dev/full"))


def fill(path: Path) -> None:
    with RootWriter(path) as out:
        tree = out.new_tree("T", [NewBranch("x", "float64", compression=Compression("zstd", 0))])
        tree.append({"x": np.zeros(1_000_000)})
        tree.finish()
