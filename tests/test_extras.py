"""Risk: reading or writing that needs more than the hard dependencies, and an extra that nobody is told of.

Packages are hidden from processes of their own, as if they were not installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from hepae.cli import whole_parser
from hepae.cli.parser import PLUGINS
from hepae.errors import MissingExtraError
from hepae.extras import EXTRAS, needed
from tests.compressed import SAMPLE, compressed

HERE = Path(__file__).parent.parent
READING_AND_WRITING = {"awkward", "msgspec", "numpy", "onnx", "onnxruntime", "pcodec", "uproot", "xxhash"}
HIDE = "import sys; sys.modules.update(dict.fromkeys({names!r}.split()))\n"


@pytest.fixture(scope="module")
def project() -> Any:
    """What ``pyproject.toml`` says of the project."""
    return tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def distribution(requirement: str) -> str:
    """The name in a requirement such as ``torch>=2.10``."""
    return requirement.partition(";")[0].partition(">")[0].partition("=")[0].strip()


def without(names: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in which these packages are not there."""
    return subprocess.run(
        [sys.executable, "-c", HIDE.format(names=names) + program],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
    )


def test_reading_and_writing_need_these_packages_and_no_others(project: Any) -> None:
    assert {distribution(line) for line in project["dependencies"]} == READING_AND_WRITING


def test_every_optional_package_is_in_the_extra_that_the_error_names(project: Any) -> None:
    extras = {
        name: {distribution(line).replace("-", "_") for line in lines}
        for name, lines in project["optional-dependencies"].items()
    }
    for package, extra in EXTRAS.items():
        assert package in extras[extra], f"{package} is not in the extra {extra}"


def test_a_file_is_read_and_written_without_any_optional_package(tmp_path: Path) -> None:
    small, again = compressed("lifting"), tmp_path / "again.root"
    program = f"""
import hepae
from hepae.learn.recipe import Recipe
with hepae.open({str(small)!r}) as file:
    print(len(file["Events"].arrays(["Jet_pt"])))
hepae.compress({str(SAMPLE)!r}, {str(again)!r}, collection="Muon", recipe=Recipe(codec="lifting"))
assert hepae.verify({str(SAMPLE)!r}, {str(again)!r}).kept
"""
    done = without(" ".join(EXTRAS), program)
    assert (done.returncode, done.stdout) == (0, "2400\n"), done.stderr


@pytest.mark.parametrize(
    ("hidden", "words", "extra"),
    [
        ("rich", ["inspect", str(SAMPLE)], "cli"),
        ("rich", ["--version"], "cli"),
        ("matplotlib", ["report", str(SAMPLE), str(SAMPLE), "-o", "r.html"], "lab"),
        ("mplhep", ["plot", "pt", str(SAMPLE), str(SAMPLE)], "lab"),
        ("matplotlib", ["images", "draw", "m.onnx", str(SAMPLE), "-o", "pictures"], "lab"),
        ("threadpoolctl", ["bench", str(SAMPLE), "--collection", "Jet"], "lab"),
        ("torch", ["train", str(SAMPLE), "-o", "m.onnx", "--collection", "Muon"], "train"),
        (
            "distributed",
            ["compress", str(SAMPLE), "--out-dir", ".", "--scheduler", "tcp://localhost:1"],
            "hooks",
        ),
    ],
)
def test_a_command_without_its_extra_names_it_in_one_line(
    hidden: str, words: list[str], extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = without(hidden, f"from hepae.cli import main; sys.exit(main({words!r}))")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"needs {hidden}; pip install 'hepae[{extra}]'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_lazy_events_without_dask_name_the_extra() -> None:
    done = without("dask_awkward", f"import hepae.dask; hepae.dask.events({{{str(SAMPLE)!r}: 'Events'}})")
    assert "an array of lazy events needs dask_awkward; pip install 'hepae[hooks]'" in done.stderr


def test_a_module_that_no_extra_brings_is_left_to_whoever_misses_it() -> None:
    with pytest.raises(ModuleNotFoundError), needed("a test"):
        import hepae.no_such_module  # noqa: F401
    with pytest.raises(MissingExtraError, match=r"hepae\[lab\]"), needed("a test"):
        raise ModuleNotFoundError("No module named 'matplotlib.axes'", name="matplotlib.axes")


def adder(added: list[str]) -> Callable[..., argparse.ArgumentParser]:
    """What adds a command to a parser that is thrown away, and notes its name."""

    def add(name: str, *_: object) -> argparse.ArgumentParser:
        added.append(name)
        return argparse.ArgumentParser(name)

    return add


def test_each_plugin_adds_the_command_that_it_is_named_for(project: Any) -> None:
    plugins = project["entry-points"][PLUGINS]
    assert set(plugins) == {"bench", "experiments", "images", "judge", "plot", "report", "score"}
    for name, target in plugins.items():
        added: list[str] = []
        EntryPoint(name, target, PLUGINS).load()(adder(added))
        assert added == [name]


def test_a_command_of_a_plugin_is_loaded_only_when_it_is_asked_for() -> None:
    def commands(words: list[str]) -> set[str]:
        (parts,) = (action for action in whole_parser(words)._actions if action.choices)
        return set(parts.choices or ())

    own = {
        "inspect",
        "train",
        "compress",
        "decompress",
        "verify",
        "repack",
        "skim",
        "merge",
        "export-cpp",
        "export-onnx",
    }
    assert commands(["verify", "a", "b"]) == own
    assert commands(["judge", "a", "b"]) == own | {"judge"}
    assert commands(["--help"]) > own | {"bench", "images", "score"}
