"""Risk: a kill, a full disk or a second writer leaves half a file under the final name, or a stray temporary."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

import hepae
from hepae.errors import HepaeError, OutputError
from hepae.learn.recipe import recipe_of

HERE = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "muons.onnx"
    trained = hepae.train([sample()], collection="Muon", recipe=recipe_of({"codec": "lifting"}))
    trained.save(path)
    return path


def sample() -> Path:
    return HERE / "tests" / "data" / "sample.root"


@pytest.mark.slow
def test_killed_at_any_moment_the_target_is_the_old_file_or_the_whole_new_one() -> None:
    command = [sys.executable, "-m", "scripts.hardening.kill_writers", "--kills", "20", "--seed", "3"]
    done = subprocess.run(
        command, cwd=HERE, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed: all, kills: 20" in done.stdout
    assert "the old file: 0" not in done.stdout.split("killed: all")[1]


def compress_with_room_for(size: int, model: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "hepae",
        "compress",
        str(sample()),
        str(target),
        "--model",
        str(model),
        "--force",
    ]
    return subprocess.run(
        command,
        # where coverage is measured, it would find no room for its own file either
        env={name: value for name, value in ENVIRONMENT.items() if not name.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )


def test_a_full_disk_leaves_the_old_file_and_says_so(model: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.root"
    target.write_bytes(b"old")
    for size in (10_000, 500_000):
        done = compress_with_room_for(size, model, target)
        assert done.returncode == 2, done.stderr
        assert "cannot be written" in done.stderr
        assert "Traceback" not in done.stderr
        assert target.read_bytes() == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["small.root"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_is_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    with pytest.raises(OutputError, match="permission"):
        hepae.compress(sample(), folder / "small.root", model=hepae.Model.load(model))


def test_two_writers_of_one_target_leave_a_whole_file(model: Path, tmp_path: Path) -> None:
    target, loaded = tmp_path / "small.root", hepae.Model.load(model)
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda _: hepae.compress(sample(), target, model=loaded, threads=1, force=True), range(2)
            )
        )
    assert hepae.verify(sample(), target).kept
    assert [path.name for path in tmp_path.iterdir()] == ["small.root"]


def test_a_reader_of_a_file_that_is_replaced_gets_its_values_or_an_error(model: Path, tmp_path: Path) -> None:
    target, loaded = tmp_path / "small.root", hepae.Model.load(model)
    hepae.compress(sample(), target, model=loaded)
    with hepae.open(target) as file:
        events = file["Events"]
        before = events.arrays(["Muon_pt"], entry_stop=100)["Muon_pt"].tolist()
        hepae.compress(
            sample(),
            target,
            collection="Muon",
            features=["eta"],
            recipe=recipe_of({"codec": "lifting"}),
            force=True,
        )
        with suppress(HepaeError):  # uproot opens the path again for each read
            assert events.arrays(["Muon_pt"], entry_stop=100)["Muon_pt"].tolist() == before
    with hepae.open(target) as file, pytest.raises(KeyError):
        file["Events"]["Muon_pt__hepae"]


def test_the_input_is_never_the_output(tmp_path: Path) -> None:
    copy = tmp_path / "a.root"
    copy.write_bytes(sample().read_bytes())
    (tmp_path / "link.root").symlink_to(copy)
    for target in (copy, tmp_path / "link.root", tmp_path / "." / "a.root"):
        with pytest.raises(OutputError, match="output is the input"):
            hepae.compress(copy, target, collection="Muon")
    assert copy.read_bytes() == sample().read_bytes()


def test_a_target_that_cannot_be_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="directory"):
        hepae.compress(sample(), tmp_path, collection="Muon")
    with pytest.raises(OutputError, match="no such directory"):
        hepae.compress(sample(), tmp_path / "none" / "a.root", collection="Muon")
