"""Risk: of many files some are lost, half written, done twice, or made with another model, and nobody hears of it."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import hepae
from hepae import cli
from hepae.errors import CollectionError, InputError, OutputError, SchemaError
from hepae.files.inspect.file import inspect
from hepae.files.many import compress as many
from hepae.files.many import trained as trained_models
from hepae.files.many.compress import compress_files
from hepae.files.many.filesets import compressed_fileset, jobs_of
from hepae.testing.files import jets, write_events
from tests.compressed import SAMPLE, model
from tests.whole_samples import write_nano

EVENTS = 60


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Six small files of the features that the model knows."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(6):
        write_small(folder / f"run{number}.root", seed=number)
    return folder


def write_small(path: Path, seed: int) -> None:
    counts, columns = jets(EVENTS, seed=seed)
    write_events(path, counts, {name: columns[name] for name in ("pt", "eta", "phi", "mass")})


@pytest.fixture(scope="module")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("train") / "train.root"
    write_small(path, seed=100)
    return hepae.train([path], bounds=["*=abs:1e-3"], recipe=hepae.Recipe(codec="lifting", effort="fast"))


def states(done: many.ManyFiles) -> list[str]:
    return [outcome.state for outcome in done.outcomes]


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_all_files_come_out_verified(inputs: Path, tmp_path: Path, small_model: Any) -> None:
    done = compress_files(str(inputs / "*.root"), tmp_path / "out", model=small_model)
    assert states(done) == ["compressed"] * 6
    assert not done.failed
    for outcome in done.outcomes:
        assert hepae.verify(outcome.source, outcome.target).kept
        assert outcome.bytes_before == Path(outcome.source).stat().st_size
        assert outcome.bytes_after == Path(outcome.target).stat().st_size
    assert list(done.fileset) == [str(tmp_path / "out" / f"run{number}.root") for number in range(6)]


def test_what_is_done_is_not_done_again(
    inputs: Path, tmp_path: Path, small_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compress_files(str(inputs / "*.root"), tmp_path / "out", model=small_model)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.root")}
    # written again at another time with the same bytes: the same file
    os.utime(inputs / "run0.root", ns=(1, 1))
    monkeypatch.setattr(many, "compress_collection", None)
    again = compress_files(str(inputs / "*.root"), tmp_path / "out", model=small_model)
    assert states(again) == ["present"] * 6
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.root")} == before


def test_what_changed_is_done_again(inputs: Path, tmp_path: Path, small_model: Any) -> None:
    out = tmp_path / "out"
    compress_files(str(inputs / "*.root"), out, model=small_model)
    write_small(inputs / "run0.root", seed=77)  # another source
    (out / "run1.root").unlink()  # no output
    damaged = bytearray((out / "run2.root").read_bytes())
    damaged[len(damaged) // 2] ^= 1  # a damaged output of the same size
    (out / "run2.root").write_bytes(damaged)
    (out / "run3.root").write_bytes((out / "run3.root").read_bytes()[:-100])  # one cut short
    (out / many.RECORDS / "run4.root.json").write_text(
        "{not JSON"
    )  # no record to go by: somebody else's file
    again = compress_files(str(inputs / "*.root"), out, model=small_model)
    assert states(again) == ["compressed"] * 4 + ["failed", "present"]
    assert "exists already" in again.failed[0].error
    again = compress_files(str(inputs / "*.root"), out, model=small_model, force=True)
    assert states(again) == ["present"] * 4 + ["compressed", "present"]
    assert all(hepae.verify(outcome.source, outcome.target).kept for outcome in again.outcomes)


def test_another_model_or_another_way_is_another_output(
    inputs: Path, tmp_path: Path, small_model: Any
) -> None:
    source, out = inputs / "run0.root", tmp_path / "out"
    recipe = hepae.Recipe(codec="lifting", effort="fast")
    other = hepae.train([source], bounds=["*=abs:1e-2"], recipe=recipe)
    assert states(compress_files(source, out, model=small_model)) == ["compressed"]
    assert states(compress_files(source, out, model=other)) == ["compressed"]
    done = compress_files(source, out, model=other, embed=False)
    assert states(done) == ["compressed"]
    assert states(compress_files(source, out, model=other, embed=False, side=True)) == ["compressed"]
    assert not compress_files(source, out, model=other, embed=False).failed
    # a file that holds its model by reference reads with the one in the records
    models = [hepae.Model.load(out / many.RECORDS / f"{done.model}.onnx")]
    assert hepae.verify(source, out / "run0.root", models=models).kept


def test_failures_stop_nothing_and_leave_nothing(inputs: Path, tmp_path: Path, small_model: Any) -> None:
    whole = (inputs / "run1.root").read_bytes()
    (inputs / "run1.root").write_bytes(whole[: len(whole) // 2])
    (inputs / "run2.root").write_text("this is no ROOT file")
    write_events(inputs / "run3.root", *jets(10), collection="Tau")
    missing = inputs / "run9.root"
    done = compress_files([*sorted(inputs.glob("*.root")), missing], tmp_path / "out", model=small_model)
    assert states(done) == ["compressed", "failed", "failed", "failed", "compressed", "compressed", "failed"]
    assert [outcome.error.split(":")[0] for outcome in done.failed] == [
        "InputError",
        "InputError",
        "CollectionError",
        "InputError",
    ]
    assert {name for name in files_below(tmp_path / "out") if "records" not in name} == {
        "run0.root",
        "run4.root",
        "run5.root",
    }
    assert [Path(path).name for path in done.fileset] == ["run0.root", "run4.root", "run5.root"]
    # mended, the rest is done
    (inputs / "run1.root").write_bytes(whole)
    again = compress_files([inputs / "run0.root", inputs / "run1.root"], tmp_path / "out", model=small_model)
    assert states(again) == ["present", "compressed"]


def test_one_model_is_trained_on_all_files_and_kept(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inputs / "run5.root").write_text("this is no ROOT file")
    choices: dict[str, Any] = {
        "bounds": ["*=abs:1e-3"],
        "recipe": hepae.Recipe(codec="lifting", effort="fast"),
    }
    done = compress_files(str(inputs / "*.root"), tmp_path / "out", **choices)
    assert states(done) == ["compressed"] * 5 + ["failed"]
    trained = hepae.Model.load(tmp_path / "out" / many.RECORDS / f"{done.model}.onnx")
    assert trained.manifest.training.events == 5 * EVENTS
    monkeypatch.setattr(trained_models, "train", None)
    again = compress_files(str(inputs / "*.root"), tmp_path / "out", **choices)
    assert (again.model, states(again)) == (done.model, ["present"] * 5 + ["failed"])
    monkeypatch.undo()
    other = compress_files(
        str(inputs / "run[0-2].root"), tmp_path / "out", **{**choices, "bounds": ["*=abs:1e-2"]}
    )
    assert other.model != done.model
    assert states(other) == ["compressed"] * 3


def test_nothing_to_train_on_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.root").write_text("this is no ROOT file")
    recipe = hepae.Recipe(codec="lifting", effort="fast")
    with pytest.raises(InputError, match="not a ROOT file"):
        compress_files([tmp_path / "bad.root"], tmp_path / "out", recipe=recipe)
    with pytest.raises(CollectionError, match="several collections"):
        compress_files([SAMPLE], tmp_path / "out", recipe=recipe)
    with pytest.raises(SchemaError, match="several names"):
        compress_files({str(SAMPLE): "Events", "other.root": "Other"}, tmp_path / "out", recipe=recipe)
    assert not list(tmp_path.rglob("*.onnx"))


@pytest.fixture
def nanos(tmp_path: Path) -> list[Path]:
    """Three files of several trees, and one that is no ROOT file among them."""
    paths = [tmp_path / f"nano{number}.root" for number in range(4)]
    for number, path in enumerate(paths):
        write_nano(path, 300, number)
    paths[1].write_text("this is no ROOT file")
    return paths


def test_whole_files_come_out_verified_and_the_failing_one_is_named(
    nanos: list[Path], tmp_path: Path
) -> None:
    done = compress_files(nanos, tmp_path / "out", bounds=["Jet_pt=rel:1e-3"], skip=["run"])
    assert states(done) == ["compressed", "failed", "compressed", "compressed"]
    assert [outcome.source for outcome in done.failed] == [str(nanos[1])]
    assert "not a ROOT file" in done.failed[0].error
    assert done.model == ""
    for outcome in done.outcomes:
        if outcome.state == "compressed":
            assert hepae.verify(outcome.source, outcome.target, bounds=["Jet_pt=rel:1e-3"]).kept
            assert outcome.bytes_after < outcome.bytes_before
    columns = {column.name: column for column in inspect(tmp_path / "out" / "nano0.root").trees[0].columns}
    assert (columns["Jet_pt"].bound, columns["run"].bound) == ("rel:0.001", "")


def test_whole_files_that_are_done_are_not_done_again(
    nanos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [nanos[0], nanos[2]]
    compress_files(files, tmp_path / "out")
    with monkeypatch.context() as patched:
        patched.setattr(many, "compress_file", None)
        assert states(compress_files(files, tmp_path / "out")) == ["present"] * 2
    assert states(compress_files(files, tmp_path / "out", bounds=["Jet_pt=rel:1e-2"])) == ["compressed"] * 2
    assert states(compress_files(files, tmp_path / "out", bounds=["Jet_pt=rel:1e-2"])) == ["present"] * 2


def test_whole_files_over_an_executor(nanos: list[Path], tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = compress_files([nanos[0], nanos[2]], tmp_path / "out", executor=pool)
    assert states(done) == ["compressed"] * 2


def test_whole_files_on_the_command_line(
    nanos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "compress",
        *map(str, nanos),
        "--out-dir",
        str(tmp_path / "out"),
        "--tree",
        "Events",
        "--skip",
        "run",
    ]
    assert cli.main(words) == 1
    shown = capsys.readouterr().out
    assert f"failed: {nanos[1]}" in shown
    assert "model" not in shown
    assert len(list((tmp_path / "out").glob("*.root"))) == 3
    facts = inspect(tmp_path / "out" / "nano0.root")
    assert [tree.path for tree in facts.trees if tree.compressed] == ["Events"]


@pytest.mark.parametrize("said", [{"only": ["Jet_*"]}, {"skip": ["run"]}, {"dither": True}])
def test_words_for_whole_files_are_refused_for_collections(
    inputs: Path, tmp_path: Path, small_model: Any, said: dict[str, Any]
) -> None:
    with pytest.raises(InputError, match="do nothing for one collection"):
        compress_files(str(inputs / "*.root"), tmp_path / "out", model=small_model, **said)


class Losing(Executor):
    """A pool that loses its workers after so many tasks, as a pool of processes does when one is killed."""

    def __init__(self, survives: int) -> None:
        self.left = survives

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        if self.left < 0:
            raise BrokenExecutor("a child process terminated abruptly")
        future: Future[Any] = Future()
        if self.left > 0:
            future.set_result(function(*arguments, **options))
        else:
            future.set_exception(BrokenExecutor("a child process terminated abruptly"))
        self.left -= 1
        return future


def test_a_broken_pool_fails_the_rest_and_a_second_run_mends_it(
    inputs: Path, tmp_path: Path, small_model: Any
) -> None:
    files = str(inputs / "*.root")
    done = compress_files(files, tmp_path / "out", model=small_model, executor=Losing(2))
    assert states(done) == ["compressed"] * 2 + ["failed"] * 4
    assert all(outcome.error.startswith("BrokenExecutor") for outcome in done.failed)
    again = compress_files(files, tmp_path / "out", model=small_model, executor=Losing(9))
    assert states(again) == ["present"] * 2 + ["compressed"] * 4


def test_progress_counts_every_file(inputs: Path, tmp_path: Path, small_model: Any) -> None:
    seen: list[tuple[int, int]] = []

    def report(phase: str, done: int, total: int, note: str) -> None:
        assert phase == "compressing files"
        assert "run" in note
        seen.append((done, total))

    with ThreadPoolExecutor(3) as pool:
        compress_files(
            str(inputs / "*.root"), tmp_path / "out", model=small_model, executor=pool, report=report
        )
    assert seen == [(number, 6) for number in range(1, 7)]


def test_filesets_of_coffea_come_back_with_the_compressed_files(
    tmp_path: Path, inputs: Path, small_model: Any
) -> None:
    fileset = {
        "/TT/20UL": {
            "files": {
                str(inputs / "run0.root"): "Events",
                str(inputs / "run1.root"): {"object_path": "Events", "uuid": "x"},
            },
            "metadata": {"xsec": 831.8},
        },
        "QCD": [str(inputs / "run2.root")],
        "data": {"treename": "Events", "files": [str(inputs / "run3.root")]},
    }
    out = tmp_path / "out"
    done = compress_files(fileset, out, model=small_model)
    assert states(done) == ["compressed"] * 4
    assert done.fileset == {
        "/TT/20UL": {
            "files": {str(out / "TT_20UL/run0.root"): "Events", str(out / "TT_20UL/run1.root"): "Events"},
            "metadata": {"xsec": 831.8},
        },
        "QCD": {"files": {str(out / "QCD/run2.root"): None}},
        "data": {"treename": "Events", "files": {str(out / "data/run3.root"): "Events"}},
    }


def test_names_of_outputs() -> None:
    assert [job.target for job in jobs_of(["a/x.root", "b/y.csv"], "out")] == ["out/x.root", "out/y.root"]
    assert [job.target for job in jobs_of(["d/a/x.root", "d/b/x.root"], "out")] == [
        "out/a/x.root",
        "out/b/x.root",
    ]
    (job,) = jobs_of({"x.root": "Events"}, "out")
    assert (job.tree, job.dataset) == ("Events", None)
    assert compressed_fileset({"x.root": "Events"}, [job]) == {"out/x.root": "Events"}
    for files, error in (
        ([], InputError),
        (["x.root", "x.root"], InputError),
        (["x.root", "x.csv"], OutputError),
        ({"a b": ["x.root"], "a_b": ["y/x.root"]}, OutputError),
        ({"a": 3}, InputError),
        ({"a": {"files": {"x.root": 3}}}, InputError),
    ):
        with pytest.raises(error):
            jobs_of(files, "out")  # type: ignore[arg-type]


def test_command_line(
    inputs: Path, tmp_path: Path, small_model: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    small_model.save(tmp_path / "jets.onnx")
    files = [str(inputs / f"run{number}.root") for number in range(3)]
    options = ["--out-dir", str(tmp_path / "out"), "--model", str(tmp_path / "jets.onnx")]
    assert cli.main(["compress", *files, *options, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [outcome["state"] for outcome in result["outcomes"]] == ["compressed"] * 3
    assert cli.main(["compress", *files, str(tmp_path / "none.root"), *options]) == 1
    shown = capsys.readouterr().out
    assert "none.root: InputError: cannot be read" in shown
    assert cli.main(["compress", *files]) == 2
    assert "name one input and one output" in capsys.readouterr().err
    side = ["--side-dir", str(tmp_path / "side"), "--model", str(tmp_path / "jets.onnx")]
    assert cli.main(["compress", *files, *side]) == 0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_file(tmp_path: Path, cluster: Any) -> None:
    from distributed import Client

    files = [tmp_path / "in" / f"{number}.root" for number in range(8)]
    files[0].parent.mkdir()
    for path in files:
        shutil.copy(SAMPLE, path)
    out = tmp_path / "out"
    with Client(cluster) as client:
        victim = next(iter(client.run(os.getpid).values()))

        def kill() -> None:
            while not list(out.glob("*.root")):
                time.sleep(0.01)
            os.kill(victim, 9)

        killer = threading.Thread(target=kill)
        killer.start()
        done = compress_files(files, out, model=model("lifting"), executor=client.get_executor())
        killer.join()
        # of what the lost worker had done, dask asks again: those files are found present
        assert set(states(done)) <= {"compressed", "present"}
        assert len(list(out.glob("*.root"))) == 8
        assert victim not in client.run(os.getpid).values()
        # dask keeps results of equal tasks: the files must be looked at all the same
        (out / "0.root").unlink()
        again = compress_files(files, out, model=model("lifting"), executor=client.get_executor())
    assert states(again) == ["compressed"] + ["present"] * 7
    assert {path.name for path in out.iterdir()} == {path.name for path in files} | {many.RECORDS}
    for outcome in done.outcomes[:3]:
        assert hepae.verify(outcome.source, outcome.target).kept


@pytest.mark.slow
def test_command_line_over_a_scheduler(inputs: Path, tmp_path: Path, small_model: Any, cluster: Any) -> None:
    small_model.save(tmp_path / "jets.onnx")
    files = [str(path) for path in sorted(inputs.glob("*.root"))]
    options = ["--out-dir", str(tmp_path / "out"), "--model", str(tmp_path / "jets.onnx")]
    assert cli.main(["compress", *files, *options, "--scheduler", cluster.scheduler_address]) == 0
    assert len(list((tmp_path / "out").glob("*.root"))) == 6
    assert cli.main(["compress", *files, *options, "--workers", "2"]) == 0


def test_workers_are_processes_of_one_thread_even_where_there_is_a_single_worker(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pools: list[Any] = []

    def noted(*_: Any, executor: Executor | None, **__: Any) -> many.ManyFiles:
        pools.append(executor)
        return many.ManyFiles("")

    monkeypatch.setattr("hepae.files.many.compress.compress_files", noted)
    words = ["compress", str(inputs / "run0.root"), "--out-dir", str(tmp_path / "out"), "-q"]
    assert cli.main(words) == 0
    assert cli.main([*words, "--workers", "1"]) == 0
    alone, pool = pools
    assert alone is None
    assert isinstance(pool, ProcessPoolExecutor)
    assert cli.main([*words, "--workers", "0"]) == 2
    assert "--workers" in capsys.readouterr().err
